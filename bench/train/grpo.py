"""GRPO training of a checkpoint under one reward: TRL's `GRPOTrainer`, configured by a recipe.

GRPO (Shao et al. 2024, arXiv 2402.03300): for every prompt a group of completions is sampled, each one's advantage is its reward against
the group's mean, and the policy is moved by a clipped gradient. Where this departs from the paper of the six rewards (arXiv 2601.00215,
trained with EasyR1) the recipe says so.

One thing is overridden: the loading of weights on resume (`bench.train.weights`).

What is left behind in `out`: the weights in Hugging Face format (adapters merged; the adapter itself in `adapter/`), the processor,
`training.json`, `curves.png`, TensorBoard's logs in `tensorboard/` and the trainer's own checkpoints in `steps/`, which `resume` reads.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.errors import MissingExtraError, SightgapError, UserError
from bench.extras import optional
from bench.models.local.checkpoint import hub_commit
from bench.models.local.processor import load_errors, load_processor, one_line
from bench.train.curves import curve, draw_curves
from bench.train.data import data_sha256, training_puzzles, training_set
from bench.train.provenance import RECORD, checkpoint_place, checkpoint_sha256, versions
from bench.train.recipe import Lora, Recipe
from bench.train.rewards import trl_reward
from bench.train.tiny.quick import quicken
from bench.train.trl_options import grpo_options
from bench.train.watch import Watch, showing, watching
from bench.train.weights import load_policy, restore, save_weights, sharded

STEPS = "steps"


class TrainingStopped(SightgapError):  # noqa: N818 - reads as what happened
    """The watch stopped a run; the message says why. What was trained until then is saved."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Training:
    """One run: what is trained, under which reward, with which seed, into which folder."""

    recipe: Recipe
    reward: str
    model: str
    out: Path
    seed: int = 0
    resume: bool = False

    @property
    def label(self) -> str:
        """The folder's name without the seed: the row of a sweep's tables."""
        return self.out.name.rpartition("-")[0]

    @property
    def base(self) -> str:
        """The folder or hub id of `model`."""
        return checkpoint_place(self.model)


def train(training: Training) -> Path:
    """Carry `training` out and return the folder of the checkpoint.

    Raises:
        MissingExtraError: TRL is not installed.
        UserError: the model cannot be loaded, the folder is taken, there is nothing to resume, or it was begun otherwise.
        TrainingStopped: the watch ended the run; weights, curves and `training.json` are written.
    """
    if importlib.util.find_spec("trl") is None:
        raise MissingExtraError("trl", "train")
    puzzles = training_puzzles(training.recipe)
    begun = identity(training, data_sha256(puzzles))
    commit = begun["base"].get("commit")
    process: Any = optional("accelerate", "train").PartialState()
    if process.is_main_process:
        _prepare(training, begun)
    process.wait_for_everyone()
    last = _steps(training.out)[-1] if training.resume else None
    started = time.time()
    watch, shown = Watch(training.recipe.stop), showing(f"{training.reward}, seed {training.seed}")
    trainer = _trainer(training, puzzles, [watching(watch), shown], commit)
    if process.is_main_process:
        write_record(training.out, begun | {"finished": False})
    try:
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    finally:
        shown.close()
    save_weights(trainer, training.out, training.base, commit)
    if process.is_main_process:
        rows = curve(trainer.state.log_history)
        if rows:
            draw_curves(rows, training.out / "curves.png", f"{training.reward}, seed {training.seed}")
        write_record(
            training.out,
            begun
            | {
                "finished": watch.reason is None,
                "stopped": watch.reason,
                "steps": trainer.state.global_step,
                "seconds": round(time.time() - started, 1),
                "resumed_from": last.name if last is not None else None,
                "versions": versions(),
                "recipe": training.recipe.resolved,
                "curve": rows,
            },
        )
    if watch.reason is not None:
        raise TrainingStopped(f"training under {training.reward} was stopped: {watch.reason}")
    return training.out


def identity(training: Training, data: str) -> dict[str, Any]:
    """What must be the same for a run to be continued.

    Raises:
        UserError: the base is on the hub and cannot be found there.
    """
    base = {"name": Path(training.base).name, "sha256": checkpoint_sha256(training.base)}
    try:
        commit = hub_commit(training.base)
    except load_errors() as error:
        raise UserError(f"{training.model} cannot be loaded for training: {one_line(error)}") from error
    return {
        "v": 1,
        "reward": training.reward,
        "seed": training.seed,
        "base": base if commit is None else base | {"name": training.base, "commit": commit},
        "recipe_name": training.recipe.name,
        "recipe_sha256": training.recipe.sha256,
        "data_sha256": data,
    }


def _steps(out: Path) -> list[Path]:
    """The trainer's checkpoints, the last one last."""
    return sorted((out / STEPS).glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))


def _prepare(training: Training, given: Mapping[str, Any]) -> None:
    """Make the folder of a fresh run, or check that the run there can be resumed."""
    out, record = training.out, training.out / RECORD
    if not training.resume:
        if out.exists() and any(out.iterdir()):
            raise UserError(f"{out} is not empty: choose another --out, or continue the run there with --resume")
        out.mkdir(parents=True, exist_ok=True)
        return
    if not record.is_file() or not _steps(out):
        raise UserError(f"{out} holds no run to resume: expected {RECORD} and {STEPS}/checkpoint-N in it")
    begun = json.loads(record.read_text(encoding="utf-8"))
    differing = [key for key, value in given.items() if begun.get(key) != value]
    if differing:
        raise UserError(f"{out} was begun otherwise: {', '.join(differing)} differ; resume with the same settings or choose another --out")


def write_record(out: Path, record: Mapping[str, Any]) -> None:
    """Put `record` beside the weights in `out`, whole or not at all."""
    scratch = out / f"{RECORD}.new"
    scratch.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    scratch.replace(out / RECORD)


# -- the trainer -------------------------------------------------------------------------------------------------------------------------
def _trainer(training: Training, puzzles: Any, callbacks: list[Any], commit: str | None) -> Any:
    trl: Any = optional("trl", "train")
    transformers: Any = optional("transformers", "train")
    recipe = training.recipe
    options = grpo_options(recipe) | {"output_dir": str(training.out / STEPS), "seed": training.seed, "data_seed": training.seed}
    try:
        arguments = trl.GRPOConfig(**options)
    except (ValueError, TypeError) as error:
        raise UserError(f"recipe {recipe.name}: TRL refuses its [grpo]: {one_line(error)}") from error
    try:
        processor = load_processor(training.base, revision=commit)
        model = load_policy(training.base, "auto" if arguments.bf16 else "float32", commit)
    except load_errors() as error:
        raise UserError(f"{training.model} cannot be loaded for training: {one_line(error)}") from error
    processor.tokenizer.padding_side = "left"
    trainer = trainer_class()(
        model=model,
        reward_funcs=trl_reward(training.reward),
        args=arguments,
        train_dataset=training_set(puzzles, training.reward),
        processing_class=processor,
        peft_config=_adapter(recipe.lora),
        callbacks=callbacks,
    )
    if recipe.lora is None and not sharded(trainer):
        quicken(model)
    logs: Any = optional("transformers.integrations", "train").TensorBoardCallback
    if trainer.pop_callback(logs) is not None:  # its own place is decided by an environment variable, the same for all runs of a process
        writer: Any = optional("torch.utils.tensorboard", "train").SummaryWriter(str(training.out / "tensorboard"))
        trainer.add_callback(logs(writer))
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.remove_callback(transformers.ProgressCallback)
    return trainer


def _adapter(lora: Lora | None) -> Any:
    if lora is None:
        return None
    peft: Any = optional("peft", "train")
    return peft.LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.targets, task_type="CAUSAL_LM")


@cache
def trainer_class() -> Any:
    """TRL's trainer with weights restored on resume."""
    base: Any = optional("trl", "train").GRPOTrainer

    class Trainer(base):
        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            model = self.model if model is None else model
            if hasattr(model, "peft_config") or sharded(self):
                base._load_from_checkpoint(self, resume_from_checkpoint, model)
            else:
                restore(resume_from_checkpoint, model)

    return Trainer
