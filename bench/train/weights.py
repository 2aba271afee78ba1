"""The weights of a training: read, read again on resume, and written, however they are spread over processes.

Three faults of the libraries are mended here; tests/gpus holds all three with two real processes.
- For full fine-tuning of Qwen2.5-VL the trainer restores no weights on resume and says so only in a warning, because the names in the file
  and in the module differ. Here they come from `from_pretrained`, which knows both.
- Under ZeRO-3 transformers keeps every renaming that it knows of for saving, those too that it did not need when it read the base, and so
  doubles prefixes (`model.model.layers`), which transformers reads back and vLLM does not. Only those that were needed are kept.
- Under FSDP with sharded state the trainer writes no weights at the end. Here they are gathered whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.errors import SightgapError
from bench.extras import optional
from bench.models.local.processor import save_processor
from bench.models.local.transformers import with_adapter

ADAPTER = "adapter"
"""The folder of a LoRA adapter beside the weights that it was merged into."""


def load_policy(where: str, dtype: str, revision: str | None = None) -> Any:
    """The model of the checkpoint `where` (folder, or hub id and commit), which saves its weights under the names that it was read with.

    Raises:
        OSError, ValueError, and what else `bench.models.local.processor.load_errors` names.
    """
    model: Any = _auto().from_pretrained(where, dtype=dtype, revision=revision)
    kept = getattr(model, "_weight_conversions", None)
    if kept is not None:
        model._weight_conversions = [conversion for conversion in kept if conversion.was_used()]
    return model


def sharded(trainer: Any) -> bool:
    """Whether each process of `trainer` holds a share of the weights, or may."""
    return bool(trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled)


def restore(checkpoint: str, model: Any) -> None:
    """Put the whole weights of a trainer's checkpoint (a folder) into `model`.

    Raises:
        SightgapError: some of the weights have no place, or some places no weights.
    """
    loaded = _auto().from_pretrained(checkpoint, dtype=model.dtype)
    missing, unexpected = model.load_state_dict(loaded.state_dict(), strict=False)
    if missing or unexpected:
        raise SightgapError(f"{checkpoint}: {len(missing)} weights are missing and {len(unexpected)} unknown")


def save_weights(trainer: Any, folder: Path) -> None:
    """Write the processor and the weights into `folder`, an adapter into a folder in it.

    Every process takes part, since each may hold a share; the main one writes.
    """
    accelerator = trainer.accelerator
    model = accelerator.unwrap_model(trainer.model_wrapped)
    state = _whole_state(trainer)
    if accelerator.is_main_process:
        model.save_pretrained(folder / ADAPTER if hasattr(model, "peft_config") else folder, state_dict=state)
        _save_processor(trainer.processing_class, folder)
    accelerator.wait_for_everyone()


def _whole_state(trainer: Any) -> dict[str, Any] | None:
    """Name -> tensor, gathered from all processes in the main one; None in the others, and where no process lacks any."""
    if not sharded(trainer):
        return None
    accelerator = trainer.accelerator
    state = accelerator.get_state_dict(trainer.model_wrapped)
    if not accelerator.is_main_process:
        return None
    tied = getattr(accelerator.unwrap_model(trainer.model_wrapped), "all_tied_weights_keys", {})  # gathered, they are no longer one tensor
    state = {name: tensor for name, tensor in state.items() if tied.get(name) not in state}
    if trainer.args.bf16:  # FSDP holds float32 copies
        half = optional("torch", "train").bfloat16
        state = {name: tensor.to(half) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    return state


def merge_adapter(folder: Path, base: str, revision: str | None = None) -> None:
    """Merge the adapter in `folder`, if any, into the weights of `base` (at its commit `revision`): it then loads like any checkpoint."""
    if (folder / ADAPTER).is_dir():
        optional("transformers.integrations.deepspeed", "train").unset_hf_deepspeed_config()  # or this process alone would read a share
        with_adapter(load_policy(base, "auto", revision), str(folder / ADAPTER)).save_pretrained(folder)


def _save_processor(processor: Any, out: Path) -> None:
    tokenizer = processor.tokenizer
    if tokenizer.is_fast:  # it remembers how the last batch was padded, and would save that as a property of the checkpoint
        tokenizer.backend_tokenizer.no_padding()
    save_processor(processor, out)


def _auto() -> Any:
    return optional("transformers", "train").AutoModelForImageTextToText
