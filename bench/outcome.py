"""Outcomes: the partition of all trials, and the verdict that carries one.

Seven outcomes, exactly one per trial. A failure of the plumbing (`error`, `caption_failed`) is never a wrong answer and is left out of
accuracy; a model that refuses, runs out of tokens or answers unreadably has had its chance, and that counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a trial."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSED = "unparsed"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    CAPTION_FAILED = "caption_failed"
    ERROR = "error"

    @property
    def counted(self) -> bool:
        """Whether the trial is in the denominator of accuracy."""
        return self not in (Outcome.CAPTION_FAILED, Outcome.ERROR)

    @property
    def answered(self) -> bool:
        """Whether the reply held an answer, right or wrong."""
        return self in (Outcome.CORRECT, Outcome.WRONG)


class Format(StrEnum):
    """How an answer is asked for: options to choose from, or an open question."""

    MCQ = "mcq"
    OPEN = "open"


class Reading(StrEnum):
    """How forgiving the grader reads: `strict` takes the answer tag only, `normal` is the standard, `lenient` also takes weak cues."""

    STRICT = "strict"
    NORMAL = "normal"
    LENIENT = "lenient"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the grader made of a reply.

    Attributes:
        outcome: see `Outcome`.
        answer: the answer read, spelled as in the options where it is one of them; None where none could be read.
        gold: the right answer.
        how: which rule decided ("answer-tag", "boxed", "letter", ...).
    """

    outcome: Outcome
    answer: str | None
    gold: str
    how: str
