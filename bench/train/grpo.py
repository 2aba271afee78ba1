"""GRPO training of a checkpoint under one reward: TRL's `GRPOTrainer`, configured by a recipe.

GRPO (Shao et al. 2024, arXiv 2402.03300): for every prompt a group of completions is sampled, each one's advantage is its reward against
the group's mean, and the policy is moved by a clipped gradient. Where this departs from the paper of the six rewards (arXiv 2601.00215,
trained with EasyR1) the recipe says so. What is overridden in the trainer is in `bench.train.trainer`.

What is left behind in `out`: the weights in Hugging Face format (adapters merged; the adapter itself in `adapter/`), the processor,
`training.json`, `curves.png`, `rollouts.jsonl`, TensorBoard's logs in `tensorboard/`, the trainer's own checkpoints in `steps/`, which
`resume` reads, and, where the recipe evaluates, the runs in `evaluations/` and the best weights in `best/`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import env
from bench.errors import MissingExtraError, SightgapError, UserError
from bench.extras import optional
from bench.files import write_atomically
from bench.models.local.checkpoint import hub_commit
from bench.models.local.processor import load_errors, one_line
from bench.train.checkpoints import BEST, FolderState, RunFolder, discard_torn, saving, step_of
from bench.train.curves import curve, draw_curves, evaluations
from bench.train.data import data_sha256, training_puzzles
from bench.train.evaluation import NO_EVALUATION_UNDER_FSDP, Evaluations, best_of, evaluating
from bench.train.interrupt import AllStepsDone, Interrupt, interruptible
from bench.train.processes import agreed, processes_of, refuse_unsaved
from bench.train.provenance import RECORD, checkpoint_place, checkpoint_sha256, versions
from bench.train.recipe import Recipe
from bench.train.rewards import TrainerReward, reward_called
from bench.train.rollouts import RolloutTable
from bench.train.trainer import make_trainer
from bench.train.watch import Watch, showing, watching
from bench.train.weights import merge_adapter, save_weights
from bench.visible import on_screen


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
    """Carry `training` out and return the folder of the checkpoint; one that is finished there is left as it is where it is to be resumed.

    Raises:
        MissingExtraError: TRL is not installed.
        UserError: the model cannot be loaded, the folder is taken, there is nothing to resume, it was begun otherwise, or the disk is full.
        TrainingStopped: the watch ended the run; weights, curves and `training.json` are written.
        KeyboardInterrupt: a signal came; the step at hand was saved, and with the last one the whole run.
    """
    if importlib.util.find_spec("trl") is None:
        raise MissingExtraError("trl", "train")
    puzzles = training_puzzles(training.recipe)
    process = processes_of(training.recipe)
    launched: dict[str, Any] = {"processes": process.num_processes, "sharding": env.sharding()}
    begun, found = agreed(process, lambda: _checked(training, identity(training, data_sha256(puzzles)) | launched))
    if training.resume and found.state is FolderState.FINISHED:
        if process.is_main_process:
            _say(f"{training.out} holds a finished run: nothing is left to train")
        return training.out
    process.wait_for_everyone()
    if process.is_main_process:
        _prepare(training, found)
    process.wait_for_everyone()
    last = found.last if training.resume else None
    started = time.time()
    watch, interrupt = Watch(training.recipe.stop), Interrupt()
    trainer = _trained(training, puzzles, watch, interrupt, last, begun)
    if interrupt.asked and (interrupt.cut or trainer.state.global_step < trainer.state.max_steps):
        raise KeyboardInterrupt
    _leave(training, trainer, begun["base"].get("commit"))
    if process.is_main_process:
        asked, rows = evaluations(trainer.state.log_history), curve(trainer.state.log_history)
        best = best_of(asked, training.recipe.evaluate.best)
        if rows:
            draw_curves(rows, training.out / "curves.png", f"{training.reward}, seed {training.seed}", asked)
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
                "evaluations": asked,
                "best": None if best is None else {"step": best.step, training.recipe.evaluate.best: best.value},
                "weights": "best" if training.recipe.evaluate.load_best else "last",
            },
        )
    if watch.reason is not None:
        raise TrainingStopped(f"training under {training.reward} was stopped: {watch.reason}")
    if interrupt.asked:  # during the last step: a sweep must not go on with the next run
        raise KeyboardInterrupt
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
        "v": VERSION,
        "reward": training.reward,
        "seed": training.seed,
        "base": base if commit is None else base | {"name": training.base, "commit": commit},
        "recipe_name": training.recipe.name,
        "recipe_sha256": training.recipe.sha256,
        "data_sha256": data,
    }


VERSION = 2
"""Of `training.json` and of what lies beside it; 2: saved steps have a marker."""


def write_record(out: Path, record: Mapping[str, Any]) -> None:
    """Put `record` beside the weights in `out`, whole or not at all."""
    write_atomically(out / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _say(line: str) -> None:
    sys.stderr.write(f"{on_screen(line)}\n")


def _checked(training: Training, given: dict[str, Any]) -> tuple[dict[str, Any], RunFolder]:
    """`given`, the identity of `training`, and its folder, in which it may begin, or go on where that is asked."""
    recipe, found = training.recipe, RunFolder.of(training.out)
    refuse_unsaved()
    gpus, processes = recipe.launch.gpus, given["processes"]
    if gpus > 1 and processes != gpus:
        raise UserError(
            f"{recipe.source}: launch.gpus: expected a process for each of {gpus} GPUs, found {processes}: launch it so (accelerate launch "
            f"--config_file {recipe.accelerate_file or 'FILE'} run_bench.py train ...), or change the recipe, whose steps would be others"
        )
    if recipe.evaluate.every and given["sharding"] == "fsdp":
        raise UserError(f"recipe {recipe.name}: {NO_EVALUATION_UNDER_FSDP}")
    if training.resume:
        found.refuse_to_resume(given)
    else:
        found.refuse_to_begin()
    return given, found


def _prepare(training: Training, found: RunFolder) -> None:
    """Make the folder ready: empty for a run that begins, with nothing but whole checkpoints for one that goes on."""
    out = training.out
    out.mkdir(parents=True, exist_ok=True)
    if found.state is FolderState.BEGUN:
        _say(f"{out} holds a run that was cut off before a step was saved: it begins anew")
        found.clear()
    elif training.resume:
        discard_torn(out)


def _trained(training: Training, puzzles: Any, watch: Watch, interrupt: Interrupt, last: Path | None, begun: Mapping[str, Any]) -> Any:
    """The trainer after its last step, or after the step in which it was told to stop."""
    recipe, out = training.recipe, training.out
    shown = showing(f"{training.reward}, seed {training.seed}")
    main = bool(optional("accelerate", "train").PartialState().is_main_process)
    with ExitStack() as ending:
        table = None
        if main and recipe.rollouts.every:
            table = RolloutTable(out, recipe.rollouts, step_of(last) if last is not None else 0)
            ending.callback(table.close)
        reward = TrainerReward(reward_called(training.reward).name, None if table is None else table.see)
        callbacks = [watching(watch), shown, interruptible(interrupt)]
        commit = begun["base"].get("commit")
        trainer = make_trainer(recipe, reward, training.base, out, training.seed, puzzles, callbacks, commit)
        if recipe.evaluate.every:
            trainer.add_callback(evaluating(Evaluations(trainer, recipe, out, interrupt), recipe.evaluate.every))
        if main:
            write_record(out, {**begun, "finished": False})
        ending.callback(shown.close)
        with interrupt.listening():
            try:
                trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
            except AllStepsDone:
                trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
    return trainer


def _leave(training: Training, trainer: Any, commit: str | None) -> None:
    """Put the weights into the run's folder: the last ones, or the best, where the recipe says so; adapters are merged."""
    out, main = training.out, trainer.accelerator.is_main_process
    with saving(out, out):
        if not training.recipe.evaluate.load_best:
            save_weights(trainer, out)
        if not main:
            return
        if (out / BEST).is_dir():
            merge_adapter(out / BEST, training.base, commit)
        if training.recipe.evaluate.load_best:
            shutil.copytree(out / BEST, out, dirs_exist_ok=True)
        else:
            merge_adapter(out, training.base, commit)
