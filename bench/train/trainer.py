"""TRL's trainer, as a recipe configures it: what is loaded, what of it is trained, and what is overridden.

Three methods are overridden. The loading of weights on resume (`bench.train.weights`). The saving of a checkpoint: it is marked when it
is whole, and only then do older ones go. The scoring of a batch, where a recipe drops groups without variance.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.extras import optional
from bench.models.local.processor import load_errors, load_processor, one_line
from bench.train.checkpoints import LOGS, STEPS, keep_newest, mark_whole, saving
from bench.train.data import training_set
from bench.train.recipe import Lora, Recipe
from bench.train.rewards import TrainerReward
from bench.train.settings import EqualGroups, PolicySettings
from bench.train.tiny.quick import quicken
from bench.train.trl_options import grpo_options
from bench.train.weights import load_policy, restore, sharded

_TOWERS = ("visual", "vision_tower", "vision_model")
"""What vision towers are called in models of transformers."""
_NO_ADVANTAGE = 1e-5


def make_trainer(
    recipe: Recipe, reward: TrainerReward, base: str, out: Path, seed: int, puzzles: Any, callbacks: list[Any], commit: str | None = None
) -> Any:
    """The trainer of the checkpoint `base` (on the hub at `commit`) under `reward`, which writes into `out`.

    Raises:
        UserError: TRL refuses the recipe, or the checkpoint cannot be loaded or trained so.
    """
    trl: Any = optional("trl", "train")
    transformers: Any = optional("transformers", "train")
    options = grpo_options(recipe) | {"output_dir": str(out / STEPS), "seed": seed, "data_seed": seed}
    limit = options.pop("save_total_limit")
    try:
        arguments = trl.GRPOConfig(**options)
    except (ValueError, TypeError) as error:
        raise UserError(f"recipe {recipe.name}: TRL refuses its [grpo]: {one_line(error)}") from error
    try:
        processor = load_processor(base, revision=commit)
        model = load_policy(base, "auto" if arguments.bf16 else "float32", commit)
    except load_errors() as error:
        raise UserError(f"{base} cannot be loaded for training: {one_line(error)}") from error
    processor.tokenizer.padding_side = "left"
    _apply(recipe.policy, model, processor)
    trainer = trainer_class()(
        model=model,
        reward_funcs=reward,
        args=arguments,
        train_dataset=training_set(puzzles, reward.name),
        processing_class=processor,
        peft_config=_adapter(recipe.lora),
        callbacks=callbacks,
    )
    if recipe.lora is None and not sharded(trainer):
        quicken(model)
    trainer.run_folder, trainer.kept_steps, trainer.drops_equal = out, limit, recipe.policy.equal_groups is EqualGroups.DROP
    logs: Any = optional("transformers.integrations", "train").TensorBoardCallback
    if trainer.pop_callback(logs) is not None:  # its own place is decided by an environment variable, the same for all runs of a process
        writer: Any = optional("torch.utils.tensorboard", "train").SummaryWriter(str(out / LOGS))
        trainer.add_callback(logs(writer))
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.remove_callback(transformers.ProgressCallback)
    return trainer


def _apply(policy: PolicySettings, model: Any, processor: Any) -> None:
    """Freeze what is to be frozen, and bound the pictures."""
    if policy.freeze_vision:
        places = [(owner, name) for owner in (getattr(model, "model", model), model) for name in _TOWERS if hasattr(owner, name)]
        if not places:
            raise UserError(f"policy.freeze_vision: expected a model with one of {', '.join(_TOWERS)}, found {type(model).__name__}")
        owner, name = places[0]
        getattr(owner, name).requires_grad_(False)
    if policy.max_pixels is not None:
        images = processor.image_processor
        size = dict(images.size)
        if "longest_edge" not in size or size.get("shortest_edge", 0) > policy.max_pixels:
            raise UserError(f"policy.max_pixels: the image processor of this checkpoint cannot be bounded so: its size is {size}")
        images.size = type(images.size)(**(size | {"longest_edge": policy.max_pixels}))


def _adapter(lora: Lora | None) -> Any:
    if lora is None:
        return None
    peft: Any = optional("peft", "train")
    return peft.LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.targets, task_type="CAUSAL_LM")


@cache
def trainer_class() -> Any:
    """TRL's trainer with the methods that this module's text names overridden."""
    base: Any = optional("trl", "train").GRPOTrainer

    class Trainer(base):
        run_folder: Path
        kept_steps: int | None = None
        drops_equal: bool = False

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            model = self.model if model is None else model
            if hasattr(model, "peft_config") or sharded(self):
                base._load_from_checkpoint(self, resume_from_checkpoint, model)
            else:
                restore(resume_from_checkpoint, model)

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            folder = self.run_folder / STEPS / f"checkpoint-{self.state.global_step}"
            with saving(folder, self.run_folder):
                base._save_checkpoint(self, model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                with saving(folder, self.run_folder):
                    mark_whole(folder)
                keep_newest(self.run_folder, self.kept_steps)

        def _generate_and_score_completions(self, inputs: Any) -> Any:
            scored = base._generate_and_score_completions(self, inputs)
            return _without_equal_groups(self.accelerator, inputs, scored) if self.drops_equal else scored

    return Trainer


def _without_equal_groups(accelerator: Any, inputs: list[dict[str, Any]], scored: dict[str, Any]) -> dict[str, Any]:
    """`scored` with the tokens of groups in which nothing is an advantage masked, so that no mean counts them."""
    gather_object: Any = optional("accelerate.utils", "train").gather_object
    mine = [str(row["picture"]) for row in inputs]
    pictures: list[str] = gather_object(mine)
    advantages: list[float] = accelerator.gather(scored["advantages"]).tolist()
    varied = {picture for picture, advantage in zip(pictures, advantages, strict=True) if abs(advantage) > _NO_ADVANTAGE}
    mask = scored["completion_mask"]
    kept = mask * mask.new_tensor([picture in varied for picture in mine])[:, None]
    return scored | {"completion_mask": kept, "num_items_in_batch": accelerator.gather(kept.sum()).sum()}
