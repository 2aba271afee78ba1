"""What the warm start teaches: for a puzzle and a kind of lesson, the request as the harness or a reward words it, and a right reply.

    seen      a request for the notation or a caption -> the description
    solved    the benchmark's own question, with the picture -> description, rationale, answer
    read      the benchmark's own question, with a description and no picture -> rationale, answer
    both      with picture and description -> rationale, answer
    guessed   neither -> the answer alone, which can only be learned as a guess
    rewarded  a reward's prompt, with the picture -> its tags
    glanced   as solved or rewarded, but the reply guesses among the options and says nothing of the picture

Half of the questions come with options to choose from, in the words of the harness; the reply names the answer itself, not its letter.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from bench.mode import Mode
from bench.outcome import Format
from bench.prompt import caption_prompt, reward_prompt
from bench.puzzle import Puzzle
from bench.question import question_of
from bench.train.tiny.rationales import rationale

KINDS = ("seen", "solved", "read", "both", "guessed", "rewarded", "glanced")
STYLES = ("vanilla", "only-accuracy", "mixture", "continuous", "visual-fusion", "no-accuracy", "perception")
"""The rewards whose prompts are taught."""

_REQUESTS: Mapping[str, float] = {"readback": 3.0, "plain": 2.0, "guided": 1.0}
"""How often each request for a description is taught."""

GLANCE, GUESS = "At a glance.", "A guess."
"""What stands for the description and for the steps in a reply that bypasses the picture."""


_MODES = {"solved": Mode.IMAGE, "read": Mode.ORACLE, "both": Mode.IMAGE_ORACLE, "guessed": Mode.BLIND}
"""Kinds of lesson that are the benchmark's own trials."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One example: what is asked (with the puzzle's picture, or not) and the reply to learn."""

    puzzle: Puzzle
    prompt: str
    picture: bool
    reply: str


def lesson(puzzle: Puzzle, kind: str, rng: random.Random) -> Lesson:
    """A lesson of `kind` (one of `KINDS`) about `puzzle`; `rng` chooses among wordings.

    Raises:
        ValueError: no such kind, or the puzzle has no description or rationale.
    """
    description = puzzle.description
    if description is None:
        raise ValueError(f"puzzle {puzzle.id}: expected a description, found none")
    if kind == "seen":
        style = rng.choices(tuple(_REQUESTS), tuple(_REQUESTS.values()))[0]
        prompt = caption_prompt("notation" if style == "readback" else style, puzzle)
        return Lesson(puzzle, prompt, True, description)
    steps, answered = rationale(puzzle), puzzle.answer
    if kind == "glanced":
        description, steps, answered = GLANCE, GUESS, rng.choice(puzzle.options)
        kind = rng.choice(("solved", "rewarded"))
    answer = f"<answer>{answered}</answer>"
    if kind == "rewarded":
        style = rng.choice(STYLES)
        return Lesson(puzzle, reward_prompt(style, puzzle), True, reply(style, description, steps, answered))
    options = puzzle.options if rng.random() < 0.5 else ()
    fmt = Format.MCQ if options else Format.OPEN
    replies: Mapping[str, str] = {
        "solved": f"{description}\n{steps}\n{answer}",
        "read": f"{steps}\n{answer}",
        "both": f"{steps}\n{answer}",
        "guessed": answer,
    }
    if kind not in replies:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, found {kind!r}")
    asked = question_of(puzzle, _MODES[kind], fmt, options)
    return Lesson(puzzle, asked.text, asked.picture, replies[kind])


def reply(style: str, description: str, steps: str, answer: str) -> str:
    """A reply in the tags of the reward `style`, which says what is seen before it reasons."""
    closing = f"<answer>{answer}</answer>"
    match style:
        case "vanilla":
            return f"<think>{description}\n{steps}</think>\n{closing}"
        case "only-accuracy":
            return f"{description}\n{steps}\n{closing}"
        case "visual-fusion":
            return f"<think><visual>{description}</visual>\n{steps}</think>\n{closing}"
        case _:
            check = f"So it is {answer}."
            return f"<image description>{description}</image description>\n<think>{steps}</think>\n<rethink>{check}</rethink>\n{closing}"
