"""Rotting kiwi: a grid of fresh and rotten kiwis; rot spreads to the four neighbours each minute (AlgoPuzzleVQA `rotting_kiwi`).

Visible: what is in each cell. Asked: after how many minutes no fresh kiwi is left, which is the greatest distance of a fresh kiwi from a
rotten one. A grid has an answer as long as rot reaches every fresh kiwi. The question repeats the size of the grid.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal, get_args

from PIL import Image

from tasks.family import Family
from tasks.kit.drawing import PAPER, Canvas, Color
from tasks.kit.notation import Unreadable, attempt, full_grid, nearby, stated_cells

Cell = Literal["empty", "fresh", "rotten"]
_KINDS: tuple[Cell, ...] = get_args(Cell)
Grid = tuple[tuple[Cell, ...], ...]
Place = tuple[int, int]

_SIDES = {1: 3, 2: 4, 3: 5, 4: 5, 5: 6}
"""Level -> rows, and columns. The public set has 3 x 3."""
_MINUTES = {1: (1, 6), 2: (2, 7), 3: (3, 9), 4: (5, 12), 5: (6, 14)}
"""Level -> fewest and most minutes."""
_LARGEST = 12
_LINE: Color = (134, 142, 150)
_CROSS: Color = (214, 40, 40)
_SKINS: dict[Cell, tuple[Color, Color, Color, Color]] = {
    "fresh": ((121, 85, 50), (139, 195, 74), (240, 244, 195), (38, 50, 20)),
    "rotten": ((78, 62, 50), (141, 126, 104), (176, 164, 145), (78, 62, 50)),
}
"""Kind of kiwi -> colours of rim, flesh, heart and seeds."""
_CIRCLE = tuple((math.cos(math.pi * i / 6), math.sin(math.pi * i / 6)) for i in range(12))
_NAMES: dict[str, Cell] = {
    "empty": "empty",
    "none": "empty",
    "nothing": "empty",
    "no": "empty",
    "blank": "empty",
    "e": "empty",
    ".": "empty",
    "_": "empty",
    "-": "empty",
    "fresh": "fresh",
    "good": "fresh",
    "green": "fresh",
    "f": "fresh",
    "rotten": "rotten",
    "rotting": "rotten",
    "bad": "rotten",
    "crossed": "rotten",
    "r": "rotten",
    "x": "rotten",
}
_FILLER = re.compile(r"\b(?:an?|one|with|cell|kiwis?|kiwi ?fruits?|fruits?|out|the|is|has|contains?)\b")
_ONE_CELL = re.compile(
    r"\(? ?\br(?:ow)? ?(\d{1,2})[ ,;]{0,3}(?:and |in )?c(?:ol(?:umn)?)? ?(\d{1,2}) ?\)? ?[:=-]? ?([a-z ]{1,30})"
    r"|\( ?(\d{1,2}) ?, ?(\d{1,2}) ?\) ?[:=-]? ?([a-z ]{1,30})"
)


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `grid`, rows from the top, each of cells from the left."""

    grid: Grid
    query: None = None


class RottingKiwi(Family[State]):
    """A grid of kiwis, some of them rotten."""

    name = "rotting_kiwi"
    title = "rotting kiwis"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        target = rng.randint(*_MINUTES[level])
        while (grid := _scatter(rng, _SIDES[level], target)) is None:
            pass
        return State(grid)

    def check(self, state: State) -> None:
        if not 1 <= len(state.grid) <= _LARGEST:
            raise ValueError(f"grid: expected 1 to {_LARGEST} rows, found {len(state.grid)}")
        if len(widths := {len(row) for row in state.grid}) != 1 or not 1 <= max(widths) <= _LARGEST:
            raise ValueError(f"grid: expected rows of one width from 1 to {_LARGEST}, found widths {sorted(widths)}")
        if strange := [cell for row in state.grid for cell in row if cell not in _KINDS]:
            raise ValueError(f"grid: expected empty, fresh or rotten, found {strange[0]!r}")
        minutes = minutes_to_rot(state.grid)
        if not minutes:
            raise ValueError("grid: expected at least one rotten kiwi, found none")
        if safe := [place for place in _places(state.grid, "fresh") if place not in minutes]:
            raise ValueError(f"grid: rot never reaches the fresh kiwi in row {safe[0][0] + 1}, column {safe[0][1] + 1}")

    def paint(self, state: State, side: int) -> Image.Image:
        rows, columns = len(state.grid), len(state.grid[0])
        cell = 880 / max(rows, columns)
        canvas = Canvas(side, aspect=(columns * cell + 16) / (rows * cell + 16), background=_LINE)
        edge = max(4.0, 0.6 / canvas.scale)
        for row, line in enumerate(state.grid):
            for column, kind in enumerate(line):
                x, y = 8 + column * cell, 8 + row * cell
                canvas.rect(x + edge, y + edge, x + cell - edge, y + cell - edge, PAPER)
                if kind != "empty":
                    sprite, mask = _kiwi(round(0.8 * cell * canvas.scale), kind)
                    corner = (round((x + 0.1 * cell) * canvas.scale), round((y + 0.1 * cell) * canvas.scale))
                    canvas.image.paste(sprite, corner, mask)
        return canvas.image

    def ask(self, state: State) -> str:
        return (
            f"You are given a {len(state.grid)} x {len(state.grid[0])} grid in which each cell can contain either no kiwi, one fresh kiwi, "
            "or one rotten kiwi. Every minute, any fresh kiwi that is 4-directionally adjacent to a rotten kiwi also becomes rotten. What "
            "is the minimum number of minutes that must elapse until no cell has a fresh kiwi?"
        )

    def solve(self, state: State) -> str:
        return str(max(minutes_to_rot(state.grid).values()))

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=state.grid, low=1)

    def kind(self, state: State) -> str:
        return f"{len(state.grid)} x {len(state.grid[0])}"

    def describe(self, state: State) -> str:
        return "\n".join(f"Row {index}: {', '.join(row)}" for index, row in enumerate(state.grid, 1))

    def parse(self, text: str) -> State:
        return State(full_grid(_stated(text), "grid"))

    def facts(self, state: State) -> Mapping[str, str]:
        return {_slot(r, c): cell for r, row in enumerate(state.grid, 1) for c, cell in enumerate(row, 1)}

    def claims(self, text: str) -> Mapping[str, str]:
        stated = attempt(text, _stated) or {}
        return {_slot(row, column): cell for (row, column), cell in sorted(stated.items())}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        kinds: dict[int, Cell] = {int(solution["ids"][kind]): kind for kind in _KINDS}
        grid: Grid = tuple(tuple(kinds[int(cell)] for cell in line) for line in solution["timestep"]["minute_0"])
        return State(grid)


def _slot(row: int, column: int) -> str:
    return f"row {row}, column {column}"


def _places(grid: Grid, kind: Cell) -> list[Place]:
    return [(r, c) for r, row in enumerate(grid) for c, cell in enumerate(row) if cell == kind]


def minutes_to_rot(grid: Grid) -> dict[Place, int]:
    """Minutes until each kiwi that ever rots is rotten: breadth-first search from all rotten ones at once."""
    return _spread(_places(grid, "rotten"), set(_places(grid, "fresh")))


def _spread(rotten: Iterable[Place], fresh: set[Place]) -> dict[Place, int]:
    minutes = dict.fromkeys(rotten, 0)
    front = list(minutes)
    while front:
        reached: list[Place] = []
        for row, column in front:
            for place in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if place in fresh:
                    fresh.discard(place)
                    minutes[place] = minutes[row, column] + 1
                    reached.append(place)
        front = reached
    return minutes


def _scatter(rng: random.Random, side: int, target: int) -> Grid | None:
    """A random grid that takes `target` minutes, emptier and with fewer rotten kiwis for longer targets; None if this throw fails.

    Kiwis that rot never or later than `target` are taken away, which changes nothing for the others.
    """
    rotten = rng.randint(1, 1 + max(0, (2 * side - target) // 3))
    gaps = rng.uniform(0.1, 0.3) if target < 2 * side - 2 else rng.uniform(0.2, 0.45)
    places = rng.sample([(r, c) for r in range(side) for c in range(side)], side * side)
    empty = round(gaps * len(places))
    minutes = _spread(places[empty : empty + rotten], set(places[empty + rotten :]))
    if max(minutes.values()) < target:
        return None

    def kind(place: Place) -> Cell:
        when = minutes.get(place, target + 1)
        return "rotten" if when == 0 else "fresh" if when <= target else "empty"

    return tuple(tuple(kind((r, c)) for c in range(side)) for r in range(side))


@lru_cache(4096)
def _kind(token: str) -> Cell | None:
    """What a cell's text means: "fresh", "a rotten kiwi", "no kiwi", "f", ... or None."""
    words = _FILLER.sub(" ", token).replace("(", " ").replace(")", " ").split()
    kinds: set[Cell | None] = {_NAMES.get(word) for word in words}
    return kinds.pop() if len(kinds) == 1 else None


def _stated(text: str) -> dict[Place, Cell]:
    """The cells that `text` states, one by one ("row 1, column 2: fresh") or else in rows; counted from 1."""
    stated: dict[Place, Cell] = {}
    for match in _ONE_CELL.finditer(text):
        row, column, words = match.groups()[:3] if match[1] else match.groups()[3:]
        kind = _kind(words)
        if kind and stated.setdefault((int(row), int(column)), kind) != kind:
            raise Unreadable("grid", f"{_slot(int(row), int(column))} is stated twice, differently")
    return stated or stated_cells(text, _kind, "grid")


@cache
def _kiwi(side: int, kind: Cell) -> tuple[Image.Image, Image.Image]:
    """A halved kiwi of `side` px and its mask; a rotten one is brown all over under a red cross."""
    rim, flesh, heart, seed = _SKINS[kind]
    canvas = Canvas(side, background=rim)
    canvas.disk(448, 448, 370, flesh)
    canvas.disk(448, 448, 150, heart)
    for dx, dy in _CIRCLE:
        canvas.line([(448 + 195 * dx, 448 + 195 * dy), (448 + 250 * dx, 448 + 250 * dy)], seed, 36)
    shape = Canvas(side, background=(0, 0, 0))
    shape.disk(448, 448, 448, PAPER)
    if kind == "rotten":
        for ends in (((110, 110), (786, 786)), ((110, 786), (786, 110))):
            for edge in (canvas, shape):
                edge.line(ends, PAPER, 190)
            canvas.line(ends, _CROSS, 130)
    return canvas.image, shape.image.convert("L")
