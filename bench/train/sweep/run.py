"""A sweep: every reward from one start, several seeds each, all checkpoints asked the same fresh puzzles, and the tables of the paper.

In `out` lie `start`, where the recipe gives lessons before, `checkpoints/<reward>-<seed>` (`bench.train.grpo`),
`runs/temperature-<T>/<name>` (an ordinary run directory for the base and for every checkpoint: `report` reads them), `sweep.json`,
`sweep.md`, `sweep.tex` and `curves.png`. What is finished is not done again: the same command continues an interrupted sweep. Runs that the
watch stopped are evaluated as they are, and the tables say so.

Under a launcher with several processes these train together, one run after another; then all but the main one leave, and it does the rest:
nobody waits in the meantime, since a wait of hours is an error to what lets processes speak to each other.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from multiprocessing import active_children, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import env
from bench.children import heeding, keep_tracker
from bench.config import Conditions, Execution, RunConfig, Subject
from bench.degrade import parse_doses
from bench.errors import SightgapError
from bench.extras import optional
from bench.gap.cells import CLEAR
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from bench.train.checkpoints import files_and_folders_only, saved_steps
from bench.train.curves import draw_sweep
from bench.train.grpo import Training, TrainingStopped, train
from bench.train.processes import processes_of
from bench.train.provenance import RECORD, checkpoint_place
from bench.train.recipe import Recipe
from bench.train.supervised import SUPERVISED, supervise
from bench.train.sweep.checkpoint import BASE, SweepCheckpoint
from bench.train.sweep.tables import latex, markdown, sweep_document


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

    @property
    def lessons(self) -> Training | None:
        """The supervised steps that make the base of the sweep; None where the checkpoint is its base."""
        asked = self.recipe.sweep.lessons
        if not asked.steps:
            return None
        recipe = replace(self.recipe, grpo=self.recipe.grpo | {"max_steps": asked.steps, "learning_rate": asked.learning_rate})
        return Training(recipe, SUPERVISED, self.model, self.out / "start", asked.seed)

    @property
    def start(self) -> str:
        """The checkpoint that every training starts from."""
        return self.model if self.lessons is None else f"hf/{self.lessons.out}"

    def _training(self, label: str, recipe: Recipe, reward: str, seed: int) -> Training:
        return Training(recipe, reward, self.start, self.out / "checkpoints" / f"{label}-{seed}", seed)

    def checkpoints(self, temperature: float) -> list[SweepCheckpoint]:
        """The base and every checkpoint, with their runs at one temperature of the evaluation."""
        runs = self.out / "runs" / f"temperature-{temperature:g}"
        asked = [SweepCheckpoint(BASE, None, self._named(checkpoint_place(self.start), BASE), runs / BASE, temperature)]
        for training in self.trainings():
            stopped, label = _record(training.out).get("stopped"), training.label
            model = self._named(str(training.out), training.out.name)
            asked.append(SweepCheckpoint(label, training.seed, model, runs / training.out.name, temperature, stopped))
        return asked

    def _named(self, checkpoint: str, name: str) -> str:
        """A checkpoint as a model of the evaluation."""
        wide = "" if self.recipe.grpo.get("bf16", True) else "?dtype=float32"
        return (self.recipe.sweep.evaluate.model or f"hf/{{checkpoint}}{wide}").format(checkpoint=checkpoint, name=name)


def run_sweep(sweep: Sweep, console: Console) -> Path | None:
    """Train, evaluate and write the tables; returns `sweep.out`, or None in a process that others go on without.

    Raises:
        UserError: as `bench.train.grpo.train`, or something in `sweep.out` is a symbolic link or a pipe.
        SightgapError: an evaluation has missing trials; the same command continues it.
    """
    files_and_folders_only(sweep.out)
    launched = env.processes() > 1
    lessons = sweep.lessons
    if lessons is not None and env.first_process() and "steps" not in _record(lessons.out):
        console.print(f"trained {_train(lessons, os.cpu_count() or 1)}, the base of the sweep", highlight=False, markup=False)
    if launched:
        _train_together(sweep.recipe, [training for training in _due(sweep) if training.reward != SUPERVISED], console)
        if not env.first_process():
            return None
        env.leave_group()
    jobs, asked = 1 if launched else sweep.recipe.sweep.jobs, sweep.recipe.sweep.evaluate
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # a process that has trained leaves too little room on its device for an engine, and one of a group cannot found another
    apart = jobs > 1 or launched
    _each(partial(_train, threads=threads), _due(sweep), jobs, console, "trained", apart)
    checkpoints = [checkpoint for temperature in asked.temperatures for checkpoint in sweep.checkpoints(temperature)]
    evaluate = partial(_evaluate, recipe=sweep.recipe, threads=threads)
    _each(evaluate, checkpoints, jobs, console, "evaluated", apart or asked.model.startswith("vllm/"))
    write_tables(sweep)
    return sweep.out


def _due(sweep: Sweep) -> list[Training]:
    """The trainings that have not ended."""
    return [training for training in sweep.trainings() if "steps" not in _record(training.out)]


def _train_together(recipe: Recipe, due: Sequence[Training], console: Console) -> None:
    """Train with the other processes of the launcher, one run after another, what the first of them finds due."""
    torch: Any = optional("torch", "train")
    processes_of(recipe)
    agreed = [[(training, _begun(training)) for training in due]]
    optional("accelerate.utils", "train").broadcast_object_list(agreed)
    for count, (training, begun) in enumerate(agreed[0], 1):
        what = _train_one(training, begun, clear=env.first_process())
        if env.first_process():
            console.print(f"trained {what} ({count} of {len(agreed[0])})", highlight=False, markup=False)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


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


def _each(work: Callable[[Any], str], items: Sequence[Any], jobs: int, console: Console, done: str, apart: bool) -> None:
    """Do `work` on `items`, one after another, or `jobs` at a time in processes of their own, `apart` from this one."""
    with closing(_side_by_side(work, items, jobs) if apart else (work(item) for item in items)) as results:
        for count, what in enumerate(results, 1):
            console.print(f"{done} {what} ({count} of {len(items)})", highlight=False, markup=False)


def _side_by_side(work: Callable[[Any], str], items: Sequence[Any], jobs: int) -> Generator[str]:
    """The results as they come. The first failure is raised when what is under way has ended; an interruption ends it."""
    before, pending = set(active_children()), iter(items)
    running = dict(_apart(work, item) for item in islice(pending, jobs))
    try:
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                running.pop(future).shutdown()
            yield from [future.result() for future in done]
            running |= dict(_apart(work, item) for item in islice(pending, len(done)))
    except (KeyboardInterrupt, GeneratorExit):
        _end(set(active_children()) - before, running)
        raise
    finally:
        wait(running)
        for pool in running.values():  # a pool that ends together with the command prints a traceback now and then
            pool.shutdown()


def _apart(work: Callable[[Any], str], item: Any) -> tuple[Future[str], ProcessPoolExecutor]:
    """`work` on `item` in a process of its own, to be shut down after it: one that dies holds no lock that another waits for."""
    keep_tracker()
    pool = ProcessPoolExecutor(1, get_context("spawn"))
    return pool.submit(heeding, work, item), pool


def _end(children: Iterable[BaseProcess], running: Iterable[Future[str]]) -> None:
    """Tell `children` to store what they have and end, and wait; told once more, end them."""
    sys.stderr.write("what is under way is stored first; Ctrl-C once more ends it at once\n")
    try:
        for child in children:
            child.terminate()
        wait(running)
    except KeyboardInterrupt:
        for child in children:
            child.kill()
        raise


def _train(training: Training, threads: int) -> str:
    torch: Any = optional("torch", "train")
    torch.set_num_threads(threads)
    return _train_one(training, _begun(training), clear=True)


def _begun(training: Training) -> bool:
    """Whether there is something to resume."""
    return bool(saved_steps(training.out))


def _train_one(training: Training, begun: bool, *, clear: bool) -> str:
    """Begin `training` or go on with it; `clear` away what is not worth keeping, that of a run cut off before its first step was saved."""
    if clear and not begun:
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
