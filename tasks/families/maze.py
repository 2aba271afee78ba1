"""Maze: turns or cells on the best way from the entry to the exit (AlgoPuzzleVQA `maze`).

Visible: a grid of free and wall cells with one entry and one exit on its border. Best means fewest cells and, among those, fewest turns.
Several ways may be best, but all of them turn left equally often: a path in the plane that crosses itself nowhere and leads from border to
border turns by the same angle whichever way it goes, so left turns less right turns is fixed by entry and exit. Hence one answer, always.
The question states the size, so the facts are the cells.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from PIL import Image

from tasks.family import Family, asked
from tasks.kit.drawing import INK, Canvas, Color
from tasks.kit.notation import Unreadable, agrees_with_size, attempt, full_grid, nearby, stated_cells
from tasks.kit.walled import check_grid, draw_lines

Cell = tuple[int, int]
Asked = Literal["left turns", "right turns", "total turns", "cells"]

_SIDES = {1: (7, 7), 2: (7, 9), 3: (9, 11), 4: (11, 13), 5: (13, 17)}
"""Level -> smallest and largest number of cells on a side (odd). The public set has 7 to 13."""
_LOOPS = {1: 0.0, 2: 0.0, 3: 0.04, 4: 0.06, 5: 0.08}
"""Level -> share of the inner walls that are opened, which makes several ways lead to the exit."""
_MIN_SIDE, _MAX_SIDE = 3, 41
_HEADINGS: tuple[Cell, ...] = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Up, right, down, left: the next one is a right turn, the previous one a left turn."""
_ENTRY_FILL: Color = (178, 235, 190)
_EXIT_FILL: Color = (170, 205, 255)
_ENTRY_INK: Color = (20, 120, 50)
_EXIT_INK: Color = (20, 70, 200)
_GRID: Color = (222, 226, 230)

_TOKENS = {
    **dict.fromkeys(("#", "1", "x", "█", "■", "⬛", "wall", "black", "obstacle", "blocked"), "#"),
    **dict.fromkeys((".", "0", "_", "□", "⬜", "free", "empty", "white", "path", "open", "road"), "."),
    **dict.fromkeys(("s", "entry", "entrance", "start"), "S"),
    **dict.fromkeys(("e", "exit", "end", "goal"), "E"),
}
_MEANING = {"#": "wall", ".": "free", "S": "entry", "E": "exit"}
_OPENING = re.compile(r"\b(entry|entrance|start|exit|end|goal)\b[^\d\n]{0,40}(?<!\d)(\d{1,2})[^\d\n]{1,16}(\d{1,2})(?!\d)")
_LETTER = {"entry": "S", "entrance": "S", "start": "S", "exit": "E", "end": "E", "goal": "E"}
_ASKING: Mapping[Asked, str] = {
    "left turns": "How many left turns do you make on this path?",
    "right turns": "How many right turns do you make on this path?",
    "total turns": "How many left and right turns do you make on this path, taken together?",
    "cells": "How many cells do you visit on this path, the entry and exit cells included?",
}
_CUES: Sequence[tuple[str, Asked]] = (
    ("combined", "total turns"),
    ("left and right turns do you", "total turns"),
    ("number of left turns", "left turns"),
    ("number of right turns", "right turns"),
    ("how many cells", "cells"),
)


@dataclass(frozen=True, slots=True)
class Query:
    """What is counted on the best way."""

    what: Asked


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `rows` of "#" (wall) and "." (free); `entry` and `exit` as (row, column), counted from 1 at the top left."""

    rows: tuple[str, ...]
    entry: Cell
    exit: Cell
    query: Query | None = None


class Maze(Family[State]):
    """A maze with an entry and an exit."""

    name = "maze"
    title = "maze"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        low, high = _SIDES[level]
        while True:
            state = _carved(rng, rng.randrange(low, high + 1, 2), rng.randrange(low, high + 1, 2), _LOOPS[level])
            best = _best_way(state)
            if best is not None and best.turns > 1:
                return State(state.rows, state.entry, state.exit, Query(rng.choice(get_args(Asked))))

    def check(self, state: State) -> None:
        height, width = check_grid(state.rows, "rows", _MIN_SIDE, _MAX_SIDE)
        _check_openings(state, height, width)
        if _best_way(state) is None:
            raise ValueError("exit: expected a way from the entry, found none")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side)
        height, width = len(state.rows), len(state.rows[0])
        cell = 896 / (max(height, width) + 0.5)
        left, top = (896 - width * cell) / 2, (896 - height * cell) / 2
        for r, row in enumerate(state.rows):
            for start, stop in _wall_runs(row):
                canvas.rect(left + start * cell, top + r * cell, left + stop * cell, top + (r + 1) * cell, INK)
        if side >= 20 * max(height, width):  # below that the lines would drown the cells
            draw_lines(canvas, left, top, cell, state.rows, _GRID)
        _draw_opening(canvas, (left, top), cell, state.entry, _inward(state, state.entry), (_ENTRY_FILL, _ENTRY_INK))
        out_r, out_c = _inward(state, state.exit)
        _draw_opening(canvas, (left, top), cell, state.exit, (-out_r, -out_c), (_EXIT_FILL, _EXIT_INK))
        return canvas.image

    def ask(self, state: State) -> str:
        return (
            f"The image shows a maze of {len(state.rows)} * {len(state.rows[0])} cells. Empty cells are white and obstacle cells are "
            "black. From an empty cell, you can only move up, down, left, or right to an adjacent empty cell. You cannot move diagonally "
            "and cannot step into a cell with an obstacle. The green arrow shows the entry cell of the maze and the blue arrow shows the "
            "exit cell. Consider the best path from the entry to the exit: the one that passes through the fewest empty cells and, among "
            f"those, makes the fewest left and right turns. {_ASKING[asked(state.query).what]}"
        )

    def solve(self, state: State) -> str:
        best = _best_way(state)
        if best is None:
            raise ValueError("exit: expected a way from the entry, found none")
        return str(best.answer(asked(state.query).what))

    def distractors(self, state: State) -> Sequence[str]:
        low = 2 if asked(state.query).what == "cells" else 0
        return nearby(int(self.solve(state)), key=(state.rows, state.entry, state.exit), low=low)

    def kind(self, state: State) -> str:
        return f"{asked(state.query).what}, {(len(state.rows) + len(state.rows[0])) // 4}"

    def describe(self, state: State) -> str:
        lines = [f"Maze of {len(state.rows)} rows and {len(state.rows[0])} columns; # wall, . free, S entry, E exit"]
        lines += [f"Row {r}: {''.join(row)}" for r, row in enumerate(_marked(state), 1)]
        return "\n".join(lines)

    def parse(self, text: str) -> State:
        stated = _stated(text)
        grid = full_grid(stated, "rows")
        agrees_with_size(text, grid, "rows")
        places = {mark: [at for at, found in stated.items() if found == mark] for mark in "SE"}
        for field, mark in (("entry", "S"), ("exit", "E")):
            if len(places[mark]) != 1:
                raise Unreadable(field, f"expected one cell marked {mark}, found {len(places[mark])}")
        rows = tuple("".join("#" if mark == "#" else "." for mark in row) for row in grid)
        return State(rows, places["S"][0], places["E"][0])

    def facts(self, state: State) -> Mapping[str, str]:
        return {_slot(r, c): _MEANING[mark] for r, row in enumerate(_marked(state), 1) for c, mark in enumerate(row, 1)}

    def claims(self, text: str) -> Mapping[str, str]:
        stated = attempt(text, _stated) or {}
        return {_slot(*at): _MEANING[mark] for at, mark in sorted(stated.items())}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        rows = tuple("".join("#" if int(cell) else "." for cell in line) for line in solution["maze"])
        path = solution["optimal_path"]
        (r0, c0), (r1, c1) = path[0], path[-1]
        return State(rows, (int(r0) + 1, int(c0) + 1), (int(r1) + 1, int(c1) + 1), Query(_asked_in(str(row["question"]))))


def _slot(row: int, column: int) -> str:
    return f"row {row}, column {column}"


def _asked_in(question: str) -> Asked:
    last = question.lower().rpartition("turns. ")[2]
    for cue, what in _CUES:
        if cue in last:
            return what
    raise ValueError(f"question: expected one about turns or cells, found {question[-120:]!r}")


# -- the best way ----------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Best:
    """A best way: its numbers of `cells`, `turns` and left turns (`lefts`)."""

    cells: int
    turns: int
    lefts: int

    def answer(self, asked: Asked) -> int:
        match asked:
            case "left turns":
                return self.lefts
            case "right turns":
                return self.turns - self.lefts
            case "total turns":
                return self.turns
            case "cells":
                return self.cells


_Layer = dict[tuple[Cell, int], tuple[int, int]]
"""(Cell, heading) -> fewest turns on a shortest way there, and the left turns among them. The heading is -1 at the entry."""


def _best_way(state: State) -> _Best | None:
    """The best way, or None where the exit cannot be reached: breadth first over cells, fewest turns for every heading."""
    layer: _Layer = {(state.entry, -1): (0, 0)}
    seen = {state.entry}
    cells = 1
    while layer:
        if arrived := [ways for (cell, _), ways in layer.items() if cell == state.exit]:
            return _Best(cells, *min(arrived))
        layer = _next_layer(state.rows, layer, seen)
        seen.update(cell for cell, _ in layer)
        cells += 1
    return None


def _next_layer(rows: tuple[str, ...], layer: _Layer, seen: set[Cell]) -> _Layer:
    height, width = len(rows), len(rows[0])
    following: _Layer = {}
    for ((r, c), heading), (turns, lefts) in layer.items():
        for toward, (dr, dc) in enumerate(_HEADINGS):
            cell = (r + dr, c + dc)
            if cell in seen or not (1 <= cell[0] <= height and 1 <= cell[1] <= width) or rows[cell[0] - 1][cell[1] - 1] == "#":
                continue
            turned = heading not in (-1, toward)
            ways = (turns + turned, lefts + (turned and toward == (heading - 1) % 4))
            following[cell, toward] = min(ways, following.get((cell, toward), ways))
    return following


# -- making ----------------------------------------------------------------------------------------------------------------------------
def _carved(rng: random.Random, height: int, width: int, loops: float) -> State:
    """A maze carved by a random depth-first walk over the even cells, then opened further in a share `loops` of its inner walls."""
    grid = [["#"] * width for _ in range(height)]
    trail = [(rng.randrange(1, height, 2), rng.randrange(1, width, 2))]
    grid[trail[0][0]][trail[0][1]] = "."
    while trail:
        r, c = trail[-1]
        ahead = [
            (dr, dc) for dr, dc in _HEADINGS if 0 < r + 2 * dr < height and 0 < c + 2 * dc < width and grid[r + 2 * dr][c + 2 * dc] == "#"
        ]
        if not ahead:
            trail.pop()
            continue
        dr, dc = rng.choice(ahead)
        grid[r + dr][c + dc] = grid[r + 2 * dr][c + 2 * dc] = "."
        trail.append((r + 2 * dr, c + 2 * dc))
    inner = [(r, c) for r in range(1, height - 1) for c in range(1, width - 1) if grid[r][c] == "#" and (r + c) % 2]
    for r, c in rng.sample(inner, round(loops * len(inner))):
        grid[r][c] = "."
    row, column = rng.randrange(1, height, 2), rng.randrange(1, width, 2)
    entry = rng.choice(((row, 0), (0, column)))
    row, column = rng.randrange(1, height, 2), rng.randrange(1, width, 2)
    leave = rng.choice(((row, width - 1), (height - 1, column)))
    for r, c in (entry, leave):
        grid[r][c] = "."
    return State(tuple("".join(row) for row in grid), (entry[0] + 1, entry[1] + 1), (leave[0] + 1, leave[1] + 1))


def _check_openings(state: State, height: int, width: int) -> None:
    for field, (r, c) in (("entry", state.entry), ("exit", state.exit)):
        on_side, on_end = r in (1, height) and 1 < c < width, c in (1, width) and 1 < r < height
        if not (on_side or on_end):
            raise ValueError(f"{field}: expected a cell of the border that is no corner, found {(r, c)}")
        if state.rows[r - 1][c - 1] == "#":
            raise ValueError(f"{field}: expected a free cell, found a wall at {(r, c)}")
    if state.entry == state.exit:
        raise ValueError(f"exit: expected another cell than the entry, found {state.exit}")
    border = [(r, c) for r in range(1, height + 1) for c in (range(1, width + 1) if r in (1, height) else (1, width))]
    if extra := [(r, c) for r, c in border if state.rows[r - 1][c - 1] == "." and (r, c) not in (state.entry, state.exit)]:
        raise ValueError(f"rows: expected walls on the border but for entry and exit, found a free cell at {extra[0]}")


# -- text ------------------------------------------------------------------------------------------------------------------------------
def _marked(state: State) -> list[list[str]]:
    grid = [list(row) for row in state.rows]
    for (r, c), mark in ((state.entry, "S"), (state.exit, "E")):
        grid[r - 1][c - 1] = mark
    return grid


def _stated(text: str) -> dict[Cell, str]:
    """The cells that `text` states, with an entry and an exit that a sentence places."""
    stated = stated_cells(text, _TOKENS.get, "rows")
    for match in _OPENING.finditer(text):
        at, mark = (int(match[2]), int(match[3])), _LETTER[match[1]]
        if stated.get(at, mark) not in (".", mark):
            raise Unreadable(_MEANING[mark], f"the cell {at} is stated twice, differently")
        stated[at] = mark
    return stated


# -- drawing ---------------------------------------------------------------------------------------------------------------------------
def _wall_runs(row: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer("#+", row)]


def _inward(state: State, opening: Cell) -> Cell:
    """The step (rows, columns) from an opening of the border into the maze."""
    r, c = opening
    if r in (1, len(state.rows)):
        return (1 if r == 1 else -1), 0
    return 0, (1 if c == 1 else -1)


def _draw_opening(canvas: Canvas, corner: tuple[float, float], cell: float, at: Cell, toward: Cell, colors: tuple[Color, Color]) -> None:
    x, y = corner[0] + (at[1] - 1) * cell, corner[1] + (at[0] - 1) * cell
    fill, ink = colors
    canvas.rect(x, y, x + cell, y + cell, fill)
    cx, cy, (dy, dx) = x + cell / 2, y + cell / 2, toward
    tip, back = 0.4 * cell, 0.34 * cell
    points = [
        (cx + dx * tip, cy + dy * tip),
        (cx - dx * back - dy * tip, cy - dy * back - dx * tip),
        (cx - dx * back + dy * tip, cy - dy * back + dx * tip),
    ]
    canvas.polygon(points, ink)
