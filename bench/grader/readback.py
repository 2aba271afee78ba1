"""Readback: the model writes what it sees in the family's notation; the reader parses it and the exact solver answers.

Reasoning is perfect by construction, so accuracy in this mode measures what is seen, whatever the model makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bench.models.base import Stop
from bench.outcome import Outcome, Verdict
from tasks.family import ReadError
from tasks.registry import family


class Readable(Protocol):
    """What readback needs of a puzzle."""

    @property
    def family(self) -> str: ...
    @property
    def answer(self) -> str: ...
    @property
    def state(self) -> Mapping[str, Any] | None: ...


def grade_readback(text: str, puzzle: Readable, *, options: Sequence[str] = (), stop: Stop = Stop.END) -> Verdict:
    """The verdict on `text` as a description of `puzzle`'s image: right if the exact answer that follows from it is the right one.

    The answer is spelled as in `options` where it is one of them. A text without a solution has no answer.

    Raises:
        ValueError: the puzzle has no state, so nothing can be read back.
    """
    if puzzle.state is None:
        raise ValueError("state: this puzzle has none, so nothing can be read back")
    if stop is Stop.REFUSAL:
        return Verdict(Outcome.REFUSED, None, puzzle.answer, "refusal")
    made = family(puzzle.family)
    seen = made.read(text)
    if isinstance(seen, ReadError):
        outcome = Outcome.TRUNCATED if stop is Stop.LENGTH else Outcome.UNPARSED
        return Verdict(outcome, None, puzzle.answer, f"readback: {seen}")
    asked = made.asking(seen, made.load(puzzle.state).query)
    try:
        made.check(asked)
        answer = made.solve(asked)
    except ValueError as error:  # what was read has no answer to this question
        return Verdict(Outcome.WRONG, None, puzzle.answer, f"readback: {error}")
    shown = next((option for option in options if made.same(answer, option)), answer)
    return Verdict(Outcome.CORRECT if made.same(answer, puzzle.answer) else Outcome.WRONG, shown, puzzle.answer, "readback")
