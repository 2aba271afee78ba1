"""The Python API: `bench.run`, `await bench.arun`, `bench.load`, `bench.compare`, `bench.grade` and the doors for plug-ins.

The same options, runner and documents as the command line, without its prints: what a run says goes to the standard logger `sightgap`,
which is silent unless a program listens. Errors speak of arguments, where the command line speaks of flags.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from bench.config import RunConfig, options
from bench.defaults import MARGIN
from bench.errors import UserError
from bench.grader.grade import Item
from bench.grader.grade import grade as grade_item
from bench.models.registry import register as register_model
from bench.notebook import Runs
from bench.outcome import Format, Verdict
from bench.report.write import register as register_format
from bench.runner.plan import make_plan
from bench.runner.session import Result
from bench.runner.start import carry_out
from bench.stats.level import ALPHA
from bench.store.run import open_run
from tasks.registry import register as register_family

if TYPE_CHECKING:
    from bench.comparison.result import Comparison

__all__ = ["arun", "compare", "grade", "load", "register_family", "register_format", "register_model", "run"]

LOGGER = logging.getLogger("sightgap")


def run(
    models: str | Sequence[str] | None = None,
    suite: str | Path | None = None,
    modes: str | Sequence[str] | None = None,
    **options: Any,
) -> Runs:
    """Ask models the puzzles of a suite and store the run; what the run directory already holds is not asked again.

    Works in a script and, by a thread of its own, where an event loop is running (a notebook).

    Args:
        models: an alias or provider/id ("claude-sonnet-4-6", "hf/PATH", "sim/p=0.6,r=0.9"), or several.
        suite: "mini", "algo:seed=7,level=3,n=50", a path, ...
        modes: "image", "image,oracle", ["image", "oracle"], ...
        **options: every other option of the command line by its name with underscores (`limit=20`, `format="open"`, `max_cost=5.0`,
            `out="results/mine"`); `run_bench.py run --help` lists them with their defaults.

    Returns:
        The run, as tables and reports. `missing` says how many trials have no outcome; the same call asks them again.

    Raises:
        UserError: an unknown option, a value of the wrong kind or out of range, a model or suite that cannot be used.
        Unusable: no request of a model can succeed (no key, a spend cap); what is finished is stored, and the same call continues.
        ReplayMissError: `replay=True` met a request that the cache does not hold.
    """

    async def once() -> Runs:
        return await arun(models, suite, modes, **options)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(once())
    with ThreadPoolExecutor(1, thread_name_prefix="sightgap") as thread:
        return thread.submit(lambda: asyncio.run(once())).result()


async def arun(
    models: str | Sequence[str] | None = None,
    suite: str | Path | None = None,
    modes: str | Sequence[str] | None = None,
    **options: Any,
) -> Runs:
    """`run` for code that is in an event loop already; arguments, result and errors are the same."""
    named = {"models": models, "suite": str(suite) if suite is not None else None, "modes": modes}
    with _speaking_of_arguments():
        config = RunConfig.of({**{name: value for name, value in named.items() if value is not None}, **options})
        plan = await asyncio.to_thread(make_plan, config)
        for line in plan.warnings:
            LOGGER.warning(line)
        LOGGER.info("%d trials on %d puzzles of %s", plan.total, len(plan.suite.puzzles), plan.suite.name)
        if config.execution.dry_run:
            raise UserError("dry_run: a plan has no results; use the command line to print one")
        result = await carry_out(plan, Console(file=_LogLines(), width=200))
    _log(result)
    return Runs(result.folder, data_dir=config.subject.data_dir, missing=result.missing)


def load(*folders: str | Path) -> Runs:
    """Run directories as tables: `bench.load("results/run").gaps()` (see `bench.notebook.Runs`).

    Raises:
        UserError: no directory is named.
    """
    return Runs(*folders)


def compare(baseline: str | Path, candidate: str | Path, *, margin: float = MARGIN, alpha: float = ALPHA) -> Comparison:
    """Is `candidate` worse than `baseline` by more than `margin`? Both are run directories.

    Args:
        baseline: the run that is good enough.
        candidate: the run that is to be no worse.
        margin: largest tolerable loss of accuracy, a share (0.02 is two points).
        alpha: chance of a false alarm over the whole comparison.

    Returns:
        The comparison; its `exit_code` is what the command returns (0 no regression, 1 regression, 3 incomplete or underpowered).

    Raises:
        UserError: `margin` or `alpha` out of range, or a folder that is no run directory.
    """
    from bench.comparison.decide import compare as decide

    with _speaking_of_arguments():
        return decide([open_run(baseline)], [open_run(candidate)], margin=margin, alpha=alpha)


def grade(text: str, *, answer: str, options: Sequence[str] | None = None, family: str | None = None) -> Verdict:
    """Read the answer in `text` and say whether it is right, as evaluation and rewards do.

    Args:
        text: what a model wrote, raw.
        answer: the right answer.
        options: the options in the order shown; None or empty for an open question.
        family: whose idea of equal answers counts (0:37 and 12:37 are one time on a clock); None compares words, numbers and times.

    Returns:
        The verdict: outcome, the answer read, and the rule that decided.

    Raises:
        UserError: the right answer is none of the options, or there are more than 26.
    """
    shown = tuple(options or ())
    if shown and answer not in shown:
        raise UserError(f"answer: expected one of the options, found {answer!r}")
    if len(shown) > 26:
        raise UserError(f"options: expected at most 26, found {len(shown)}")
    return grade_item(text, Item(family or "", answer, shown), fmt=Format.MCQ if shown else Format.OPEN)


def _log(result: Result) -> None:
    LOGGER.info("run %s: %d trials finished, %d asked now", result.folder, result.finished, result.asked)
    if result.missing:
        LOGGER.warning("run %s: %d trials are missing; the same call asks for them", result.folder, result.missing)


class _LogLines(io.StringIO):
    """What a console would print, line by line to the logger."""

    def write(self, s: str, /) -> int:
        for line in filter(None, s.splitlines()):
            LOGGER.info(line)
        return len(s)


@contextmanager
def _speaking_of_arguments() -> Generator[None]:
    """A `UserError` raised inside names arguments where it would name flags."""
    try:
        yield
    except UserError as error:
        known = {option.spelled: option.name for option in options()}
        text = re.sub(r"(?<![\w-])--[a-z][a-z-]*", lambda flag: known.get(flag[0], flag[0][2:].replace("-", "_")), str(error))
        if text == str(error):
            raise
        raise type(error)(text) from error
