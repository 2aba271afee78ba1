"""What one trial asks: the template, the evidence and the options, in one place for the runner, its estimates and Inspect AI.

A trial's mode decides which evidence goes beside the question; the answer format decides whether options are shown. Nothing else differs
between the arms of a puzzle.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.mode import Mode
from bench.models.base import Purpose
from bench.outcome import Format
from bench.prompt import readback_prompt, solve_prompt
from bench.puzzle import Puzzle


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it is put to a model.

    Attributes:
        text: the prompt, without the picture.
        picture: whether the puzzle's picture goes before the text.
        evidence: the caption or description in the text, None where there is none.
        options: as shown, empty for an open question and for notation.
        template: the prompt template behind the text ("solve" or "readback").
        purpose: what the request is for.
    """

    text: str
    picture: bool
    evidence: str | None
    options: tuple[str, ...]
    template: str
    purpose: Purpose


def template_of(mode: Mode) -> str:
    """The prompt template of a mode."""
    return "readback" if mode is Mode.READBACK else "solve"


def question_of(puzzle: Puzzle, mode: Mode, fmt: Format, options: tuple[str, ...], *, caption: str | None = None) -> Question:
    """What is asked about `puzzle` under `mode`.

    Args:
        puzzle: what is asked about.
        mode: which evidence is shown.
        fmt: whether options are shown.
        options: in the order shown; not looked at for open questions.
        caption: the captioner's text, for modes that show one.
    """
    if mode is Mode.READBACK:
        return Question(readback_prompt(puzzle), True, None, (), template_of(mode), Purpose.READBACK)
    evidence = caption if mode.shows_caption else puzzle.description if mode.shows_oracle else None
    shown = options if fmt is Format.MCQ else ()
    text = solve_prompt(puzzle.question, shown, evidence=evidence, picture=mode.shows_image)
    return Question(text, mode.shows_image, evidence, shown, template_of(mode), Purpose.SOLVE)
