"""Evaluation while a policy is trained: held-out puzzles, asked by the product's own runner, graded by its grader, on the live weights.

Every evaluation is a run directory of its own, `evaluations/step-N`, which `report` and `compare` read. Its numbers go into the
trainer's log under `eval_...`, from where every logger has them, and stay in the checkpoints, so that a resumed run knows them. Training is
not disturbed: the state of every random generator is put back, and a run with evaluations ends with the weights of one without.

An evaluation takes long, so one that is under way when the run is told to end is given up, and made when the run is resumed.

Under ZeRO-3 all processes gather the weights, and the first one asks; the others wait for it.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench.config import Conditions, Execution, RunConfig, Subject
from bench.degrade import parse_doses
from bench.errors import SightgapError
from bench.extras import optional
from bench.gap.cells import CLEAR, Cells
from bench.gap.doses import at_dose
from bench.gap.frame import load_runs
from bench.gap.parts import part
from bench.runner.plan import make_plan
from bench.runner.session import Result, ask_plan
from bench.store.run import open_run
from bench.train.checkpoints import BEST, EVALUATIONS, saving
from bench.train.curves import EVALUATED, evaluations
from bench.train.interrupt import Interrupt
from bench.train.live import LivePolicy
from bench.train.recipe import Recipe
from bench.train.settings import LOST, HeldOut, named
from bench.train.weights import save_weights

SEED = 20260202
_LOOK_S = 0.2
"""How often an evaluation looks whether the run is to end, in seconds."""
NO_EVALUATION_UNDER_FSDP = (
    "evaluate.every: expected 0 under FSDP, whose weights are not gathered for an evaluation: use ZeRO-3, or ask the saved steps by run"
)


@dataclass(frozen=True, slots=True)
class BestEvaluation:
    """The best evaluation so far: after which step, and its number."""

    step: int
    value: float


def evaluate(policy: LivePolicy, asked: HeldOut, families: Sequence[str], folder: Path, interrupt: Interrupt) -> dict[str, float] | None:
    """Ask `policy` what `asked` says, keep the run in `folder` (an older one there goes), and return its numbers by name.

    None where it was given up, since `interrupt` was asked for; nothing is left of it.

    Raises:
        SightgapError: replies are missing.
        UserError: the folder cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    config = RunConfig(
        Subject(models=(policy.name,), modes=asked.modes, suite=asked.words, families=tuple(asked.families or families)),
        Conditions(
            format=asked.format,
            max_tokens=asked.max_tokens,
            temperature=asked.temperatures[0],
            degrade=asked.degrade,
            caption_prompt=asked.caption_prompt,
        ),
        Execution(out=folder, cache="off", concurrency=asked.concurrency),
    )
    result = asyncio.run(_unless_told(interrupt, ask_plan(make_plan(config, {policy.name: policy}), Console(stderr=True, quiet=True))))
    if result is None:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    if result.missing:
        raise SightgapError(f"{folder}: {result.missing} trials have no outcome; see their errors there")
    return numbers(folder, asked)


async def _unless_told(interrupt: Interrupt, work: Coroutine[Any, Any, Result]) -> Result | None:
    """What comes of `work`; None where `interrupt` was asked for first: it is cancelled then, after the batch at hand."""
    task = asyncio.ensure_future(work)
    while not task.done() and not interrupt.asked:
        await asyncio.wait([task], timeout=_LOOK_S)
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    return None if task.cancelled() else task.result()


def numbers(folder: Path, asked: HeldOut) -> dict[str, float]:
    """Accuracies by arm and points lost by part of the run in `folder`, on clean pictures and on each damage; only what can be told."""
    frame = load_runs([open_run(folder)]).frame
    found: dict[str, float] = {}
    for dose in (CLEAR, *map(str, parse_doses(asked.degrade))):
        whole = part(Cells.of(at_dose(frame, dose)), SEED)
        diagnosis: Mapping[str, Any] = whole["diagnosis"]
        accuracies = {mode: doc["accuracy"] for mode, doc in whole["modes"].items()}
        points = {name: diagnosis["loss" if name == "lost" else name] for name in LOST}
        values = accuracies | {name: doc["points"] for name, doc in points.items() if doc is not None}
        found |= {named(name, dose): value for name, value in values.items() if value is not None and named(name, dose) in asked.numbers}
    return found


def best_of(rows: Sequence[Mapping[str, float]], number: str) -> BestEvaluation | None:
    """The best of the evaluations `rows` by `number`, the earliest where several are; None where none has that number."""
    fewer = number.partition(".")[0] in LOST
    have = [BestEvaluation(int(row["step"]), row[number]) for row in rows if number in row]
    return max(have, key=lambda best: -best.value if fewer else best.value, default=None)


@contextmanager
def undisturbed() -> Generator[None]:
    """Put the state of every random generator back afterwards."""
    torch: Any = optional("torch", "train")
    plain, array = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(plain)
    np.random.set_state(array)


@contextmanager
def alone(trainer: Any) -> Generator[None]:
    """Let each process make forward passes that the others do not.

    TRL takes the hooks away by which ZeRO-3 gathers the weights of each layer, but not the one in which, as a pass begins, all processes
    agree on where they are: a process that generates alone would wait for ever.
    """
    optimizer = getattr(trainer.model_wrapped, "optimizer", None)
    offload: Any = getattr(optimizer, "parameter_offload", None)
    if offload is None:
        yield
        return
    hooks, number = offload.module._forward_pre_hooks, offload.fwd_pre_hook.id
    hook = hooks.pop(number)
    try:
        yield
    finally:
        hooks[number] = hook
        hooks.move_to_end(number, last=False)


class Evaluations:
    """The evaluations of one run in `out`, made by `trainer`, as long as nobody asks for an `interrupt`."""

    def __init__(self, trainer: Any, recipe: Recipe, out: Path, interrupt: Interrupt) -> None:
        self._trainer, self._recipe, self._out, self._interrupt = trainer, recipe, out, interrupt
        self._families = (*recipe.data.in_domain, *recipe.data.out_of_domain)

    def due(self, step: int, every: int, last: int) -> bool:
        """Whether there is to be an evaluation after `step`, the last one or one of `every` so many, and is none yet."""
        return (step % every == 0 or step >= last) and step not in {row["step"] for row in evaluations(self._trainer.state.log_history)}

    def make(self, step: int) -> bool:
        """Evaluate after `step` and log it; keep the weights in `best/` where none were better. Whether to go on after that."""
        trainer, asked = self._trainer, self._recipe.evaluate
        unwrap: Any = optional("trl.models", "train").unwrap_model_for_generation
        found: dict[str, float] | None = None
        with undisturbed(), unwrap(trainer.model_wrapped, trainer.accelerator) as model, alone(trainer):
            if trainer.accelerator.is_main_process:
                policy = LivePolicy(f"hf/{self._out}@step-{step}", model, trainer.processing_class, asked.concurrency)
                found = evaluate(policy, asked, self._families, self._out / EVALUATIONS / f"step-{step}", self._interrupt)
            trainer.accelerator.wait_for_everyone()
        broadcast: Any = optional("accelerate.utils", "train").broadcast_object_list
        found, told = broadcast([(found, self._interrupt.asked)])[0]
        self._interrupt.asked |= told
        if found is None:
            self._interrupt.cut = True
            return False
        self._log(found)
        if (best := best_of(evaluations(trainer.state.log_history), asked.best)) is not None and best.step == step:
            self._keep()
        return not told

    def _log(self, found: Mapping[str, float]) -> None:
        """Into the trainer's log; the metrics of the step at hand, which is being logged yet, are not touched."""
        trainer = self._trainer
        training, due = trainer.model.training, trainer.control.should_log
        trainer.model.eval()
        trainer.log({f"{EVALUATED}{name}": value for name, value in found.items()})
        trainer.model.train(training)
        trainer.control.should_log = due

    def _keep(self) -> None:
        """Put the weights into `best/`, whole or not at all."""
        fresh, kept = self._out / f"{BEST}.new", self._out / BEST
        main = self._trainer.accelerator.is_main_process
        if main:
            shutil.rmtree(fresh, ignore_errors=True)
        self._trainer.accelerator.wait_for_everyone()
        with saving(fresh, self._out):
            save_weights(self._trainer, fresh)
        if main:
            shutil.rmtree(kept, ignore_errors=True)
            fresh.replace(kept)


def evaluating(made: Evaluations, every: int) -> Any:
    """A trainer callback that evaluates before the first step, every `every` steps, and after the last.

    A run that is told to end meanwhile is saved after the step at hand; before its first step there is nothing to save.
    """
    base: Any = optional("transformers", "train").TrainerCallback

    class Evaluating(base):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if made.due(state.global_step, every, state.max_steps) and not made.make(state.global_step):
                raise KeyboardInterrupt

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if made.due(state.global_step, every, state.max_steps) and not made.make(state.global_step):
                control.should_save = control.should_training_stop = True

    return Evaluating()
