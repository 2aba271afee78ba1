"""A recipe checks itself without a GPU: options, batches, prompts, and memory per GPU.

The real architecture is built on torch's meta device, where parameters have shapes and no storage, so the count is exact. The memory is an
estimate, by the usual bookkeeping of mixed precision (Rajbhandari et al. 2020, ZeRO, arXiv 1910.02054): with ZeRO-3 every GPU holds its
share of bf16 weights and gradients (2 + 2 bytes a parameter) and of AdamW's float32 copy and moments (12). Activations follow the shapes of
a transformer with fused attention; logits are never held whole, since TRL computes log-probabilities in tiles. What an allocator loses to
fragments is allowed for and not computed. Never compared with a real run of the 7B model. GB are 10^9 bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.errors import UserError
from bench.extras import optional
from bench.models.local.processor import one_line
from bench.prompt import reward_prompt
from bench.train.evaluation import NO_EVALUATION_UNDER_FSDP
from bench.train.processes import NO_FSDP1, NO_ZERO3_WEIGHTS
from bench.train.recipe import Recipe
from bench.train.trl_options import grpo_options
from tasks.suites import GENERATED, SuiteSpec, make_puzzle

GPU_GB = 80.0
"""Memory of the GPUs that the estimate is compared with (A100 or H100 of 80 GB)."""

QWEN_7B: Mapping[str, Any] = {
    "text_config": {
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "max_position_embeddings": 128000,
        "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default", "mrope_section": [16, 24, 24]},
        "tie_word_embeddings": False,
    },
    "vision_config": {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 112,
        "out_hidden_size": 3584,
        "fullatt_block_indexes": [7, 15, 23, 31],
    },
    "tie_word_embeddings": False,
}
"""The sizes of Qwen/Qwen2.5-VL-7B-Instruct, from its public config.json."""

QWEN_7B_PARAMETERS = 8.29e9
"""As its model card counts them ("7B" leaves out vision and embeddings); the count on the meta device must come within 1%."""

_CHARS_PER_TOKEN = 2.5
"""A cautious guess for prompts with coordinates and tags; English prose takes about 4."""
_CONTEXT_GB = 3.0
"""CUDA context, NCCL buffers and fragments."""
_GATHERED = 1e9
"""Parameters that DeepSpeed's ZeRO-3 keeps gathered at most (its default stage3_max_live_parameters)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the estimate needs to know of an architecture: parameters (all, and those that are trained), and the sizes of its layers."""

    parameters: int
    trained: int
    text: Any
    vision: Any

    def image_tokens(self, width: int, height: int) -> int:
        """Tokens of a picture of this many px: patches after merging."""
        side = self.vision.patch_size * self.vision.spatial_merge_size
        return math.ceil(width / side) * math.ceil(height / side)


@dataclass(frozen=True, slots=True)
class StepSize:
    """The arithmetic of one step: completions a GPU sees at once, in a whole step, and puzzles in a step."""

    per_device: int
    gpus: int
    completions: int
    group: int

    @property
    def puzzles(self) -> int:
        """Different puzzles of a step."""
        return self.completions // self.group


@dataclass(frozen=True, slots=True)
class MemoryPart:
    """A part of a GPU's memory in GB, and how it was counted. `when` is "always", "update" or "rollout"."""

    name: str
    gb: float
    how: str
    when: str = "always"


def check(recipe: Recipe, model: str | None = None) -> list[str]:
    """What `train --dry-run` prints: one line for everything that was checked, a table of memory, then warnings.

    Args:
        recipe: what is checked.
        model: folder or name of the checkpoint; by default the recipe's own.

    Raises:
        UserError: an option that the installed TRL refuses, batches that do not divide, a launch file that disagrees, too long a prompt.
        MissingExtraError: TRL or transformers is not installed.
    """
    options = grpo_options(recipe)
    accepted = _accepted(recipe, options)
    launch = _launch(recipe)
    batch = _batch(recipe, accepted)
    lines = [
        f"recipe {recipe.name} ({recipe.sha256[:12]}): {len(options)} options accepted by TRL {optional('trl', 'train').__version__}",
        f"step: {batch.completions} completions = {batch.puzzles} puzzles x {batch.group}"
        f" = {_devices(batch.gpus)} x {batch.per_device} x {accepted.gradient_accumulation_steps};"
        f" {accepted.max_steps} steps = {accepted.max_steps * batch.puzzles / sum(recipe.data.counts.values()):.2f} times the data",
    ]
    shape = _shape(recipe, model or recipe.launch.model)
    if shape is None:
        return [*lines, f"memory: not estimated, since the architecture of {model or recipe.launch.model or 'no model'!r} is not at hand"]
    image, text = _prompt_tokens(recipe, shape)
    lines.append(f"prompt: at most {image} image tokens and about {text} of text; completion: at most {accepted.max_completion_length}")
    room = accepted.vllm_max_model_length
    if room is not None and image + text + accepted.max_completion_length > room:
        raise UserError(
            f"{recipe.source}: grpo.vllm_max_model_length: expected at least {image} + {text} + {accepted.max_completion_length} tokens of "
            f"picture, prompt and completion, found {room}"
        )
    lines.append(f"model: {shape.parameters / 1e9:.3f} B parameters, {shape.trained / 1e9:.3f} B of them trained")
    if not batch.gpus:
        return [*lines, "memory: not estimated for a CPU"]
    length = image + text + accepted.max_completion_length
    parts = [
        *_held(shape, batch, launch, accepted),
        *_passing(shape, batch, accepted, image, length),
        *_rollout(shape, batch, accepted, launch),
    ]
    return [*lines, *_table(parts), *_vllm_room(shape, accepted, length)]


def _devices(gpus: int) -> str:
    return "CPU" if gpus == 0 else f"{gpus} GPU{'s' * (gpus > 1)}"


# -- options, launch and batches ---------------------------------------------------------------------------------------------------------
def _accepted(recipe: Recipe, options: Mapping[str, Any]) -> Any:
    """The options as TRL holds them, its own checks passed with the number of GPUs of the recipe and not of this machine."""
    torch: Any = optional("torch", "train")
    trl: Any = optional("trl", "train")
    here = {} if torch.cuda.is_available() else {"use_cpu": True}
    with TemporaryDirectory() as folder:
        per_device = options.get("per_device_train_batch_size", 8)
        whole = {**options, **here, "per_device_train_batch_size": per_device * max(1, recipe.launch.gpus), "output_dir": folder}
        try:
            made = trl.GRPOConfig(**whole)
        except (ValueError, TypeError) as error:
            raise UserError(f"{recipe.source}: grpo: TRL refuses it: {one_line(error)}") from error
    made.per_device_train_batch_size = per_device
    return made


def _batch(recipe: Recipe, options: Any) -> StepSize:
    gpus, per_device, group = recipe.launch.gpus, options.per_device_train_batch_size, options.num_generations
    completions = per_device * options.gradient_accumulation_steps * max(1, gpus)
    if completions % group:
        raise UserError(
            f"{recipe.source}: grpo: expected a step of whole groups of num_generations = {group} completions, found "
            f"{max(1, gpus)} x {per_device} x {options.gradient_accumulation_steps} = {completions}"
        )
    return StepSize(per_device, gpus, completions, group)


@dataclass(frozen=True, slots=True)
class _Launch:
    """How the weights are spread: whether ZeRO-3 or FSDP shards them, and whether AdamW's states lie on the CPU."""

    sharded: bool = False
    offloaded: bool = False


def _launch(recipe: Recipe) -> _Launch:
    """What accelerate's file says, checked by accelerate itself and against the recipe."""
    path = recipe.accelerate_file
    if path is None:
        if recipe.launch.gpus > 1:
            raise UserError(f"{recipe.source}: launch.accelerate: expected a file for {recipe.launch.gpus} GPUs, found none")
        return _Launch()
    loading: Any = optional("accelerate.commands.config.config_args", "train")
    yaml: Any = optional("yaml", "train")
    try:
        config = loading.load_config_from_file(str(path))
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: expected a configuration of accelerate, found an error: {one_line(error)}") from error
    if config.num_processes != recipe.launch.gpus:
        raise UserError(f"{path}: num_processes: expected {recipe.launch.gpus} as in launch.gpus, found {config.num_processes}")
    precision = "bf16" if recipe.grpo.get("bf16", True) else "no"
    if config.mixed_precision != precision:
        raise UserError(f"{path}: mixed_precision: expected {precision!r} as in [grpo], found {config.mixed_precision!r}")
    if config.fsdp_config and recipe.evaluate.every:
        raise UserError(f"{recipe.source}: {NO_EVALUATION_UNDER_FSDP}")
    deepspeed: Mapping[str, Any] = config.deepspeed_config
    if deepspeed.get("zero_stage") == 3 and not deepspeed.get("zero3_save_16bit_model"):
        raise UserError(f"{path}: deepspeed_config.{NO_ZERO3_WEIGHTS}")
    version = int(config.fsdp_config.get("fsdp_version", 1)) if config.fsdp_config else 2
    if version != 2:
        raise UserError(f"{path}: fsdp_config.{NO_FSDP1}, found {version}")
    return _Launch(
        deepspeed.get("zero_stage") == 3 or bool(config.fsdp_config), deepspeed.get("offload_optimizer_device", "none") != "none"
    )


# -- the model and its prompts -----------------------------------------------------------------------------------------------------------
def _shape(recipe: Recipe, model: str) -> Shape | None:
    """The architecture of `model`, counted on the meta device; None where neither a folder nor the built-in sizes know it.

    Raises:
        UserError: LoRA's targets match nothing, or the count is not that of the model card.
    """
    torch: Any = optional("torch", "train")
    transformers: Any = optional("transformers", "train")
    name = model.removeprefix("hf/").removeprefix("vllm/")
    if Path(name, "config.json").is_file():
        config: Any = transformers.AutoConfig.from_pretrained(name)
    elif name.endswith("Qwen2.5-VL-7B-Instruct"):
        config = transformers.Qwen2_5_VLConfig(**QWEN_7B)
    else:
        return None
    with torch.device("meta"):
        built: Any = transformers.AutoModelForImageTextToText.from_config(config)
    count = sum(parameter.numel() for parameter in built.parameters())
    if not Path(name).is_dir() and abs(count / QWEN_7B_PARAMETERS - 1) > 0.01:
        raise UserError(
            f"{model}: expected {QWEN_7B_PARAMETERS / 1e9:.2f} B parameters, found {count / 1e9:.2f} B: transformers builds another model"
        )
    return Shape(count, _trained(recipe, built, count), config.text_config, config.vision_config)


def _trained(recipe: Recipe, built: Any, count: int) -> int:
    """Parameters that are trained: all, or rank x (inputs + outputs) of each linear layer that LoRA's targets match in full, as in peft."""
    lora = recipe.lora
    if lora is None:
        return count
    linear = [m for name, m in built.named_modules() if re.fullmatch(lora.targets, name) and hasattr(m, "in_features")]
    if not linear:
        raise UserError(f"{recipe.source}: lora.targets: expected to match linear layers of the model, found none for {lora.targets!r}")
    return sum(lora.r * (layer.in_features + layer.out_features) for layer in linear)


def _prompt_tokens(recipe: Recipe, shape: Shape) -> tuple[int, int]:
    """The longest picture and text among a few puzzles of every family and level and all rewards of the sweep, in tokens."""
    spec = recipe.data.spec
    side = GENERATED[spec.name].side
    image = text = 0
    for name, level in product(recipe.data.counts, recipe.data.chosen_levels):
        seen: set[str] = set()
        for index in range(2):
            puzzle = make_puzzle(SuiteSpec(spec.name, split="train"), name, level=level, index=index, side=side, seen=seen)
            image = max(image, shape.image_tokens(*_bounded(puzzle.image.info.width, puzzle.image.info.height, recipe.policy.max_pixels)))
            text = max(text, *(len(reward_prompt(reward, puzzle)) for reward in recipe.sweep.rewards))
    return image, math.ceil(text / _CHARS_PER_TOKEN)


def _bounded(width: int, height: int, most: int | None) -> tuple[int, int]:
    """The size in px of a picture that is scaled down to `most` pixels, if it has more."""
    scale = 1.0 if most is None else min(1.0, math.sqrt(most / (width * height)))
    return max(1, math.floor(width * scale)), max(1, math.floor(height * scale))


# -- memory ------------------------------------------------------------------------------------------------------------------------------
def _held(shape: Shape, batch: StepSize, launch: _Launch, options: Any) -> Iterator[MemoryPart]:
    """Weights, gradients and the optimizer's states."""
    shares = batch.gpus if launch.sharded else 1
    among = f" / {shares} GPUs" if shares > 1 else ""
    width = 2 if options.bf16 else 4
    yield MemoryPart("weights", width * shape.parameters / shares / 1e9, f"{width} B x {shape.parameters / 1e9:.2f} B{among}")
    if launch.sharded:
        yield MemoryPart("weights gathered", 2 * min(_GATHERED, shape.parameters) / 1e9, "2 B x 1 B parameters at a time", "update")
    yield MemoryPart("gradients", width * shape.trained / shares / 1e9, f"{width} B x {shape.trained / 1e9:.2f} B{among}", "update")
    # without ZeRO there is no float32 copy: AdamW's two moments have the width of the weights
    each = 12 if launch.sharded else 2 * width
    if launch.offloaded:
        yield MemoryPart("AdamW", 0.0, "in the memory of the CPU")
    else:
        yield MemoryPart("AdamW", each * shape.trained / shares / 1e9, f"{each} B x {shape.trained / 1e9:.2f} B{among}")
    yield MemoryPart("context and fragments", _CONTEXT_GB, "allowance")


def _passing(shape: Shape, batch: StepSize, options: Any, image: int, length: int) -> Iterator[MemoryPart]:
    """Activations of one forward and backward pass over `batch.per_device` sequences of `length` tokens, `image` of them a picture's."""
    width = 2 if options.bf16 else 4
    merged = shape.vision.spatial_merge_size**2
    rows = (
        ("text", shape.text.num_hidden_layers, batch.per_device * length, shape.text.hidden_size, shape.text.intermediate_size),
        ("vision", shape.vision.depth, batch.per_device * image * merged, shape.vision.hidden_size, shape.vision.intermediate_size),
    )
    for name, layers, tokens, hidden, inner in rows:
        kept = tokens * hidden * width
        # two norms, queries, keys, values, the attention's output and projection, a residual; gate, up, activation and product
        inside = tokens * (8 * hidden + 4 * inner) * width
        if options.gradient_checkpointing:
            held, how = layers * kept + 2 * inside, f"{layers} layers x {kept / 1e9:.2f} GB kept + one recomputed, with gradients"
        else:
            held, how = layers * inside, f"{layers} layers x {inside / 1e9:.2f} GB"
        yield MemoryPart(f"activations, {name}", held / 1e9, how, "update")


def _rollout(shape: Shape, batch: StepSize, options: Any, launch: _Launch) -> Iterator[MemoryPart]:
    """What sampling takes on the training GPUs."""
    if options.use_vllm and options.vllm_mode == "server":
        yield MemoryPart("rollouts", 0.0, "on the server's own GPUs", "rollout")
        return
    if options.use_vllm:
        share = options.vllm_gpu_memory_utilization
        asleep = "rollout" if options.vllm_enable_sleep_mode else "always"
        yield MemoryPart(
            "vLLM", share * GPU_GB, f"{share:.0%} of {GPU_GB:.0f} GB" + ("; asleep in updates" if asleep == "rollout" else ""), asleep
        )
        return
    if launch.sharded:
        yield MemoryPart("weights gathered to sample", 2 * shape.parameters / 1e9, f"2 B x {shape.parameters / 1e9:.2f} B", "rollout")
    cache = _cache_bytes(shape) * (options.vllm_max_model_length or options.max_completion_length * 2) * options.generation_batch_size
    yield MemoryPart("keys and values", cache / max(1, batch.gpus) / 1e9, "of all sequences sampled at once", "rollout")


def _vllm_room(shape: Shape, options: Any, length: int) -> Iterator[str]:
    """A warning where vLLM's share cannot hold the weights and one sequence of `length` tokens."""
    if options.use_vllm and options.vllm_mode == "colocate":
        needed = (2 * shape.parameters + _cache_bytes(shape) * length) / options.vllm_tensor_parallel_size / 1e9
        share = options.vllm_gpu_memory_utilization * GPU_GB
        if needed > share:
            yield f"warning: vLLM needs at least {needed:.0f} GB and gets {share:.0f}: raise vllm_gpu_memory_utilization"


def _cache_bytes(shape: Shape) -> int:
    """Bytes of keys and values of one token in bf16."""
    head = shape.text.hidden_size // shape.text.num_attention_heads
    return 2 * 2 * shape.text.num_hidden_layers * shape.text.num_key_value_heads * head


def _table(parts: Sequence[MemoryPart]) -> list[str]:
    width = max(len(part.name) for part in parts)
    lines = ["memory per GPU, estimated with every completion at full length:"]
    lines += [f"  {part.name:<{width}}  {part.gb:6.1f} GB  {part.when:<7}  {part.how}" for part in parts]
    totals = {when: sum(part.gb for part in parts if part.when in ("always", when)) for when in ("update", "rollout")}
    lines += [f"  {'peak, ' + when:<{width}}  {gb:6.1f} GB  of {GPU_GB:.0f}" for when, gb in totals.items()]
    for when, gb in totals.items():
        if gb > GPU_GB:
            advice = "per_device_train_batch_size or max_completion_length" if when == "update" else "vllm_gpu_memory_utilization"
            phase = "an update" if when == "update" else "a rollout"
            lines.append(
                f"warning: {gb:.0f} GB in {phase} is more than {GPU_GB:.0f} GB: lower {advice}, train with [lora], or use more GPUs"
            )
    return lines
