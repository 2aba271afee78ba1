"""Lamps: a row of lamps, some lit; how many are lit in one colour?"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from PIL import Image

from tasks.family import Family, asked
from tasks.kit.drawing import COLORS, INK, PAPER, Canvas
from tasks.kit.notation import Unreadable

Lamp = Literal["red", "green", "blue", "dark"]
_NAMES: tuple[Lamp, ...] = get_args(Lamp)
_MOST = 12


@dataclass(frozen=True, slots=True)
class State:
    """Visible: the `lamps` from left to right. Asked: how many have the colour `query`."""

    lamps: tuple[Lamp, ...]
    query: Lamp | None = None


class Lamps(Family[State]):
    """A row of lamps."""

    name = "lamps"
    title = "row of lamps"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        lamps: list[Lamp] = [rng.choice(_NAMES) for _ in range(4 + level)]
        return State(tuple(lamps), rng.choice(_NAMES[:3]))

    def check(self, state: State) -> None:
        if not 1 <= len(state.lamps) <= _MOST:
            raise ValueError(f"lamps: expected 1 to {_MOST}, found {len(state.lamps)}")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side)
        slot = 896 / len(state.lamps)
        for index, lamp in enumerate(state.lamps):
            fill = PAPER if lamp == "dark" else COLORS[lamp]
            canvas.disk((index + 0.5) * slot, 448, 0.35 * slot, fill, INK)
        return canvas.image

    def ask(self, state: State) -> str:
        return f"A row of lamps is shown. How many of them are lit in {asked(state.query)}?"

    def solve(self, state: State) -> str:
        return str(state.lamps.count(asked(state.query)))

    def distractors(self, state: State) -> Sequence[str]:
        right = int(self.solve(state))
        return [str(near) for near in (right + 1, right - 1, right + 2, right - 2, right + 3) if near >= 0]

    def describe(self, state: State) -> str:
        return f"Lamps: {', '.join(state.lamps)}"

    def parse(self, text: str) -> State:
        lamps: list[Lamp] = [name for word in re.findall(r"[a-z]+", text.lower()) for name in _NAMES if word == name]
        if not lamps:
            raise Unreadable("lamps", "no colour of a lamp is named")
        return State(tuple(lamps))

    def facts(self, state: State) -> Mapping[str, str]:
        return {f"lamp {number}": lamp for number, lamp in enumerate(state.lamps, 1)}
