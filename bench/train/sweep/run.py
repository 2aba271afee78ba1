"""A sweep: every reward from one start, several seeds each, all checkpoints asked the same fresh puzzles, and the tables of the paper.

In `out` lie `checkpoints/<reward>-<seed>` (`bench.train.grpo`), `runs/temperature-<T>/<name>` (an ordinary run directory for the base and
for every checkpoint: `report` reads them), `sweep.json`, `sweep.md`, `sweep.tex` and `curves.png`. What is finished is not done again: the
same command continues an interrupted sweep. Runs that the watch stopped are evaluated as they are, and the tables say so.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.config import Conditions, Execution, RunConfig, Subject
from bench.degrade import parse_doses
from bench.errors import SightgapError
from bench.extras import optional
from bench.gap.cells import CLEAR
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from bench.train.checkpoints import saved_steps
from bench.train.curves import draw_sweep
from bench.train.grpo import Training, TrainingStopped, train
from bench.train.provenance import RECORD, checkpoint_place
from bench.train.recipe import Recipe
from bench.train.supervised import SUPERVISED, supervise
from bench.train.sweep.tables import BASE, SweepCheckpoint, latex, markdown, sweep_document


@dataclass(frozen=True, slots=True)
class Sweep:
    """What to train and where: every reward of `rewards` with every seed of the recipe, from the checkpoint `model`."""

    recipe: Recipe
    rewards: tuple[str, ...]
    model: str
    out: Path

    def trainings(self) -> list[Training]:
        """One training per row of the tables and seed, seeds first, so that an interrupted sweep holds every reward; then the controls."""
        seeds = self.recipe.sweep.seeds
        planned = [self._training(reward, self.recipe, reward, seed) for seed in seeds for reward in self.rewards]
        for control in self.recipe.sweep.controls:
            recipe = self.recipe.under(control)
            planned += [self._training(control.name, recipe, control.reward or SUPERVISED, seed) for seed in control.seeds or seeds]
        return planned

    def _training(self, label: str, recipe: Recipe, reward: str, seed: int) -> Training:
        return Training(recipe, reward, self.model, self.out / "checkpoints" / f"{label}-{seed}", seed)

    def checkpoints(self, temperature: float) -> list[SweepCheckpoint]:
        """The base and every checkpoint, with their runs at one temperature of the evaluation."""
        runs, wide = self.out / "runs" / f"temperature-{temperature:g}", "" if self.recipe.grpo.get("bf16", True) else "?dtype=float32"
        asked = [SweepCheckpoint(BASE, None, f"hf/{checkpoint_place(self.model)}{wide}", runs / BASE, temperature)]
        for training in self.trainings():
            stopped, label = _record(training.out).get("stopped"), training.label
            asked.append(SweepCheckpoint(label, training.seed, f"hf/{training.out}{wide}", runs / training.out.name, temperature, stopped))
        return asked


def run_sweep(sweep: Sweep, console: Console) -> Path:
    """Train, evaluate and write the tables; returns `sweep.out`.

    Raises:
        UserError: as `bench.train.grpo.train`.
        SightgapError: an evaluation has missing trials; the same command continues it.
    """
    trainings = sweep.trainings()
    jobs, threads = sweep.recipe.sweep.jobs, max(1, (os.cpu_count() or 1) // sweep.recipe.sweep.jobs)
    _each(partial(_train, threads=threads), [t for t in trainings if "steps" not in _record(t.out)], jobs, console, "trained")
    checkpoints = [checkpoint for temperature in sweep.recipe.sweep.evaluate.temperatures for checkpoint in sweep.checkpoints(temperature)]
    _each(partial(_evaluate, recipe=sweep.recipe, threads=threads), checkpoints, jobs, console, "evaluated")
    write_tables(sweep)
    return sweep.out


def write_tables(sweep: Sweep) -> None:
    """Write `sweep.json`, `sweep.md`, `sweep.tex` and `curves.png` from the trainings and runs in `sweep.out`."""
    asked = sweep.recipe.sweep.evaluate
    doses = (CLEAR, *map(str, parse_doses(asked.degrade)))
    documents = [sweep_document(sweep.checkpoints(t), sweep.recipe, dose) for t in asked.temperatures for dose in doses]
    content = {"v": 3, "evaluations": documents}
    (sweep.out / "sweep.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (sweep.out / "sweep.md").write_text(markdown(documents), encoding="utf-8")
    (sweep.out / "sweep.tex").write_text("\n".join(map(latex, documents)), encoding="utf-8")
    curves = {
        reward: [_record(t.out)["curve"] for t in sweep.trainings() if t.out.name.rpartition("-")[0] == reward] for reward in sweep.rewards
    }
    draw_sweep(curves, sweep.out / "curves.png")


def _each(work: Callable[[Any], str], items: Sequence[Any], jobs: int, console: Console, done: str) -> None:
    """Do `work` on `items`, one after another, or `jobs` at a time in processes of their own."""
    for count, what in enumerate(map(work, items) if jobs == 1 else _side_by_side(work, items, jobs), 1):
        console.print(f"{done} {what} ({count} of {len(items)})", highlight=False, markup=False)


def _side_by_side(work: Callable[[Any], str], items: Sequence[Any], jobs: int) -> Iterator[str]:
    """The results as they come. The first failure is raised when what is under way has ended."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        try:
            for future in as_completed([pool.submit(work, item) for item in items]):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _train(training: Training, threads: int) -> str:
    torch: Any = optional("torch", "train")
    torch.set_num_threads(threads)
    begun = bool(saved_steps(training.out))
    if not begun:  # cut off before its first step was saved: nothing there is worth keeping
        shutil.rmtree(training.out, ignore_errors=True)
    try:
        if training.reward == SUPERVISED:
            supervise(training)
        else:
            train(replace(training, resume=begun))
    except TrainingStopped as stopped:
        return f"{training.out.name}: {stopped}"
    return training.out.name


def _record(out: Path) -> dict[str, Any]:
    """What is known of a training: empty where it has not begun."""
    return json.loads((out / RECORD).read_text(encoding="utf-8")) if (out / RECORD).is_file() else {}


def _evaluate(checkpoint: SweepCheckpoint, recipe: Recipe, threads: int) -> str:
    torch: Any = optional("torch", "train")
    torch.set_num_threads(threads)
    asked, families = recipe.sweep.evaluate, (*recipe.data.in_domain, *recipe.data.out_of_domain)
    config = RunConfig(
        Subject(models=(checkpoint.model,), modes=asked.modes, suite=asked.words, families=families),
        Conditions(
            format=asked.format,
            max_tokens=asked.max_tokens,
            temperature=checkpoint.temperature,
            degrade=asked.degrade,
            caption_prompt=asked.caption_prompt,
        ),
        Execution(out=checkpoint.run, cache="off", concurrency=asked.concurrency),
    )
    result = run_session(make_plan(config), Console(stderr=True, quiet=True))
    if result.missing:
        raise SightgapError(f"{checkpoint.run}: {result.missing} trials are missing; the same command continues")
    return f"{checkpoint.run.name} at temperature {checkpoint.temperature:g}"
