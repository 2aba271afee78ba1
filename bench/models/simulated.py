"""The simulated model: it knows the puzzle and fails at known rates, so it calibrates the instrument.

`sim/p=0.6,r=0.9,c=0.8,u=1,seed=1`: in each trial it sees the image rightly with probability p, captions rightly with c (default p), uses
the picture with u (default 1) and reasons rightly with r, independently; where one fails it guesses uniformly among the options. With k
options and g = 1/k its accuracy is

    image g + (1-g) u p r      caption g + (1-g) c r      oracle g + (1-g) r      blind g

and its readback is right with p; a caption in notation is that readback, so right with p as well, whatever c. With `fade=0.5`, p and c of a
degraded picture are multiplied by 0.5 ^ severity (`bench.degrade`); by default (`fade=1`) it is seen as well as a clear one. Its captions
are worded in several ways, right ones describe the puzzle's state, wrong ones another state; it reads any caption, its own or another
model's, as a reader of the family would. Its answers are worded in many ways too, so that a run of it also exercises the grader. The same
request gets the same reply in any order and in any process.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.degrade import DegradedRef
from bench.digest import digest
from bench.errors import UserError
from bench.image import ImageLimits
from bench.models.base import Hidden, Purpose, Reply, Request, Stop, Usage
from bench.prompt import LETTERS
from bench.puzzle import Puzzle
from tasks.registry import family, known

_KEYS = ("p", "r", "c", "u", "fade", "seed")
_LETTERED = (
    "<answer>{letter}</answer>",
    "Let me work it out from what is given.\n\nThe answer is {letter}.",
    "The result matches one option: **{letter}. {text}**",
    "\\boxed{{{letter}}}",
    "<answer>{letter}. {text}</answer>",
    "At first it looks like {other}... no, wait. Counting again gives {text}.\n<answer>{letter}</answer>",
    "Answer: ({letter})",
    "{text}",
)
_OPEN = (
    "<answer>{text}</answer>",
    "The answer is {text}.",
    "\\boxed{{{text}}}",
    "After working through it step by step, the final answer is **{text}**",
    "{text}",
)
_UNKNOWN = "unknown"
_CAPTION_LEADS = ("", "The picture shows the following.\n", "Here is what I can see:\n\n", "Description\n\n")


@dataclass(frozen=True, slots=True)
class Rates:
    """Probabilities of seeing (p), reasoning (r) and captioning (c) rightly and of using the picture (u), and the seed of what fails.

    `fade` is what one unit of a degradation's severity leaves of p and c.
    """

    p: float
    r: float
    c: float
    seed: int = 0
    fade: float = 1.0
    u: float = 1.0

    def left(self, puzzle: Puzzle) -> float:
        """The share of p and c that the puzzle's picture leaves."""
        dose = puzzle.image.dose if isinstance(puzzle.image, DegradedRef) else None
        return self.fade**dose.severity if dose else 1.0


class Simulated:
    """A model under test whose true perception and reasoning rates are known. See the module's text."""

    provider = "sim"
    simulated = True
    limits = ImageLimits()

    def __init__(self, name: str, rates: Rates) -> None:
        self.name = name
        self.model_id = name
        self.rates = rates

    @classmethod
    def from_name(cls, name: str) -> Simulated:
        """Read "sim/p=0.6,r=0.9,c=0.8,u=1,seed=1"; p and r are required.

        Raises:
            UserError: an unknown key, a missing p or r, or a rate outside 0 to 1.
        """
        values: dict[str, float] = {}
        for part in name.removeprefix("sim/").split(","):
            key, _, value = part.partition("=")
            if key not in _KEYS:
                raise UserError(f"simulated model {name!r}: expected some of {', '.join(_KEYS)}, found {key!r}")
            try:
                values[key] = int(value) if key == "seed" else float(value)
            except ValueError:
                raise UserError(f"simulated model {name!r}: {key} is no number: {value!r}") from None
        if not {"p", "r"} <= values.keys():
            raise UserError(f"simulated model {name!r}: expected sim/p=...,r=... with both p and r")
        bad = [key for key in ("p", "r", "c", "u", "fade") if not 0.0 <= values.get(key, 0.0) <= 1.0]
        if bad:
            raise UserError(f"simulated model {name!r}: {bad[0]} must be between 0 and 1, found {values[bad[0]]}")
        seed, fade, used = int(values.get("seed", 0)), values.get("fade", 1.0), values.get("u", 1.0)
        return cls(name, Rates(values["p"], values["r"], values.get("c", values["p"]), seed, fade, used))

    def payload(self, request: Request) -> Mapping[str, Any]:
        hidden = _hidden(request)
        return {
            "model": self.model_id,
            "text": request.text,
            "image": request.picture.identity if request.picture else None,
            **({"further": [picture.identity for picture in request.further]} if request.further else {}),
            "puzzle": hidden.puzzle.id,
            "mode": hidden.mode,
            "purpose": hidden.purpose,
        }

    async def ask(self, request: Request) -> Reply:
        hidden = _hidden(request)
        left = self.rates.left(hidden.puzzle)
        rng = random.Random(digest([self.rates.seed, dict(self.payload(request)), request.replicate]))
        if hidden.purpose is Purpose.SOLVE:
            text = self._solve(hidden, request, rng)
        elif hidden.purpose is Purpose.CAPTION:
            text = rng.choice(_CAPTION_LEADS) + self._describe(hidden.puzzle, rng.random() < self.rates.c * left, rng)
        else:
            text = self._describe(hidden.puzzle, rng.random() < self.rates.p * left, rng)
        usage = Usage(input=len(request.text) // 4, output=max(1, len(text) // 4))
        return Reply(text, Stop.END, usage, latency_s=0.0, model=self.model_id)

    async def close(self) -> None:
        return None

    def _solve(self, hidden: Hidden, request: Request, rng: random.Random) -> str:
        sees = request.picture is not None and rng.random() < self.rates.p * self.rates.left(hidden.puzzle)
        if sees and self.rates.u < 1:
            sees = rng.random() < self.rates.u
        told = hidden.evidence is not None and _tells(hidden.evidence, hidden.puzzle)
        reasons = rng.random() < self.rates.r
        choices = hidden.options or hidden.puzzle.options or (_UNKNOWN,)  # a guess at an open question is never right
        answer = hidden.puzzle.answer if (sees or told) and reasons else rng.choice(choices)
        others = [option for option in choices if option != answer] or [answer]
        letter = LETTERS[choices.index(answer)] if hidden.options else ""
        form = rng.choice(_LETTERED if hidden.options else _OPEN)
        return form.format(letter=letter, text=answer, other=rng.choice(others))

    def _describe(self, puzzle: Puzzle, right: bool, rng: random.Random) -> str:
        truth = _truth(puzzle)
        if right:
            return truth
        if known(puzzle.family):
            made = family(puzzle.family)
            for _ in range(50):
                other = made.describe(made.sample(rng, puzzle.level or 2))
                if other != truth:
                    return other
        return "The picture is too blurred to make out."


def _hidden(request: Request) -> Hidden:
    if request.hidden is None:
        raise UserError("the simulated model answers puzzles only: this request carries none")
    return request.hidden


def _truth(puzzle: Puzzle) -> str:
    """What a right caption says; a puzzle without a description gets a code that only this model understands."""
    return puzzle.description or f"The picture shows arrangement {digest(puzzle.id)[:12]}."


def _tells(evidence: str, puzzle: Puzzle) -> bool:
    """Whether `evidence` carries the puzzle's visible state, by a reader of the family where the words are not the description's own."""
    if _truth(puzzle) in evidence:
        return True
    if not known(puzzle.family) or puzzle.state is None:
        return False
    made = family(puzzle.family)
    return made.read(evidence) == made.visible(made.load(puzzle.state))
