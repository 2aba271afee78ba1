"""From a trial and what the model wrote to a verdict: the one place for the runner, `regrade` and the report's other readings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bench.grader.grade import Gradable, grade
from bench.grader.readback import Readable, grade_readback
from bench.mode import Mode
from bench.models.base import Stop
from bench.outcome import Format, Reading, Verdict


class Puzzled(Gradable, Readable, Protocol):
    """What judging needs of a puzzle."""


class Asked(Protocol):
    """What was asked: a `Trial`, or a `StoredTrial`."""

    @property
    def puzzle(self) -> Puzzled: ...
    @property
    def mode(self) -> Mode: ...
    @property
    def fmt(self) -> Format: ...
    @property
    def options(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """A trial as its record tells of it, options in the order shown. `state` is known where the run kept its puzzles."""

    family: str
    answer: str
    options: tuple[str, ...]
    mode: Mode
    fmt: Format
    state: Mapping[str, Any] | None = None

    @property
    def puzzle(self) -> StoredTrial:
        """The trial itself: it holds what is needed of the puzzle."""
        return self


def judge(trial: Asked, text: str, *, stop: Stop = Stop.END, reading: Reading = Reading.NORMAL) -> Verdict:
    """The verdict on `text`: graded as an answer (`bench.grader.grade`), or in `readback` mode read as notation and solved exactly.

    Args:
        trial: what was asked.
        text: what the model wrote, raw.
        stop: why it stopped.
        reading: how forgiving to be; a readback has one reading.

    Raises:
        ValueError: a readback of a puzzle without a state, or a choice without options.
    """
    if trial.mode is Mode.READBACK:
        return grade_readback(text, trial.puzzle, stop=stop)
    return grade(text, trial.puzzle, fmt=trial.fmt, options=trial.options, stop=stop, reading=reading)
