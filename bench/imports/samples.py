"""What every foreign log comes down to: samples with what was asked, what came back and how it was scored, as far as the log says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.models.base import Stop, Usage
from tasks.custom.columns import LETTERS

IMPORTED = "imported"
"""The rule (`Verdict.how`) of a verdict that is the log's own score."""


@dataclass(frozen=True)
class Sample:
    """One answer of one model.

    Attributes:
        id: the sample's id in the log, which pairs the logs of several arms.
        where: the log and the place in it, for messages.
        question: what was asked; "" where the log does not say.
        options: the options, where the log says them.
        answer: the right answer, spelled as in the options where it is one of them; None where the log does not say.
        text: the reply; None where there is none.
        said: the answer that the harness read in it.
        score: whether the harness called it right; None where it gave no score, or no answer was had.
        unscored: why a score that is there is neither right nor wrong (0.5).
        replicate: times the same sample was asked before.
        family: the log's own group of samples.
        error: why there is no reply.
    """

    id: str
    where: str
    question: str
    options: tuple[str, ...]
    answer: str | None
    text: str | None
    said: str | None = None
    score: bool | None = None
    unscored: str | None = None
    replicate: int = 0
    family: str | None = None
    error: str | None = None
    stop: Stop = Stop.END
    usage: Usage = field(default_factory=Usage)
    latency_s: float = 0.0


@dataclass(frozen=True)
class ForeignLog:
    """One file: the samples of one model on one task.

    Attributes:
        kind: the harness ("inspect-ai", "lm-eval", "lmms-eval", "vlmevalkit").
        notes: what a reader must know (an evaluation that was cut short).
        finished: whether the harness says that everything was asked.
    """

    path: Path
    kind: str
    task: str
    model: str
    samples: Sequence[Sample]
    notes: tuple[str, ...] = ()
    finished: bool = True
    version: str | None = None


def spelled(answer: Any, options: Sequence[str], *, first: str = "text") -> str | None:
    """An answer as the options spell it: by its text, its letter or its place from 0.

    `first` ("text", "letter" or "index") is how the harness means it, and is tried before the others.
    """
    if answer is None:
        return None
    text = str(answer).strip()
    order = dict.fromkeys((first, "text", "letter", "index"))
    return next((option for reading in order if (option := _named(text, options, reading)) is not None), text)


def _named(text: str, options: Sequence[str], reading: str) -> str | None:
    if reading == "text":
        return text if text in options else None
    if reading == "letter":
        letter = text.strip("().").upper()
        place = LETTERS.find(letter) if len(letter) == 1 else -1
    else:
        place = int(text) if text.isdecimal() else -1
    return options[place] if 0 <= place < len(options) else None


def right_or_wrong(value: Any) -> tuple[bool | None, str | None]:
    """A score as right (True), wrong (False) or neither, and why neither: Inspect's letters, booleans, 0 and 1."""
    if isinstance(value, bool):
        return value, None
    if isinstance(value, str) and value.strip().upper() in ("C", "I", "N"):
        return value.strip().upper() == "C", None
    if isinstance(value, Mapping):
        inner: Any = value.get("score")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        return right_or_wrong(inner) if inner is not None else (None, "the score is an object without a value 'score'")
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None, f"the score is {value!r:.60}"
    return (number == 1.0, None) if number in (0.0, 1.0) else (None, f"the score is {number:g}, which is neither right nor wrong")
