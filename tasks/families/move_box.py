"""Move box: the fewest pushes that bring a box to the flag in a walled storeroom (AlgoPuzzleVQA `move_box`).

Visible: walls, one box, the person and the flag. The person walks on free floor and pushes, never pulls; walking is free, pushes count.
The question states the size of the grid, so the facts are its cells.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image

from tasks.family import Family
from tasks.kit.drawing import INK, Canvas, Color
from tasks.kit.notation import Unreadable, agrees_with_size, attempt, full_grid, nearby, stated_cells
from tasks.kit.walled import check_grid, draw_lines

Cell = tuple[int, int]

_SIDES = {1: (6, 6), 2: (6, 6), 3: (6, 7), 4: (7, 8), 5: (8, 9)}
"""Level -> smallest and largest number of cells on a side, the wall around included. The public set has 6 x 6."""
_PUSHES = {1: (1, 3), 2: (2, 5), 3: (3, 7), 4: (4, 10), 5: (6, 14)}
"""Level -> fewest and most pushes of a sampled puzzle."""
_MIN_SIDE, _MAX_SIDE = 4, 20
_BRICK: Color = (178, 84, 60)
_MORTAR: Color = (226, 190, 176)
_FLOOR: Color = (250, 248, 242)
_GRID: Color = (226, 222, 212)
_CRATE: Color = (214, 160, 90)
_CRATE_EDGE: Color = (128, 82, 30)
_SKIN: Color = (240, 190, 140)
_SHIRT: Color = (20, 110, 190)
_FLAG: Color = (30, 150, 60)

_TOKENS = {
    **dict.fromkeys(("#", "w", "wall", "brick", "bricks", "block", "1", "█", "⬛", "🧱"), "#"),
    **dict.fromkeys((".", "_", "0", "floor", "empty", "free", "space", "blank", "⬜"), "."),
    **dict.fromkeys(("b", "$", "box", "crate", "📦"), "B"),
    **dict.fromkeys(("s", "p", "@", "person", "player", "man", "storekeeper", "keeper", "🧍"), "S"),
    **dict.fromkeys(("t", "target", "flag", "goal", "🏁"), "T"),
    **dict.fromkeys(("+", "person on target", "person on flag", "player on target", "player on flag"), "+"),
}
_MEANING = {"#": "wall", ".": "floor", "B": "box", "S": "person", "T": "flag", "+": "person on flag"}
_PLACED = re.compile(
    r"\b(person|player|man|storekeeper|box|crate|target|flag|goal)\b[^\d\n]{0,30}(?<!\d)(\d{1,2})[^\d\n]{1,16}(\d{1,2})(?!\d)"
)


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `walls` as rows of "#" (wall) and "." (floor); `person`, `box` and `flag` as (row, column), counted from 1, top left."""

    walls: tuple[str, ...]
    person: Cell
    box: Cell
    flag: Cell
    query: None = None


class MoveBox(Family[State]):
    """A person, a box and a flag in a walled storeroom."""

    name = "move_box"
    title = "box to be pushed"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        low, high = _SIDES[level]
        fewest, most = _PUSHES[level]
        wanted = rng.randint(fewest, most)
        tries = 0
        while True:
            tries += 1
            walls, (person, box) = _room(rng, rng.randint(low, high), rng.randint(low, high))
            reached = _pushes(walls, person, box, most=wanted)
            flags = sorted(cell for cell, pushes in reached.items() if pushes == wanted and cell != person)
            if flags:
                return State(walls, person, box, rng.choice(flags))
            if tries % 20 == 0:  # long ways are rare: after a while a shorter one will do
                wanted = max(fewest, wanted - 1)

    def check(self, state: State) -> None:
        height, width = check_grid(state.walls, "walls", _MIN_SIDE, _MAX_SIDE)
        edge = state.walls[0] + state.walls[-1] + "".join(row[0] + row[-1] for row in state.walls)
        if "." in edge:
            raise ValueError("walls: expected a wall all around, found a gap in it")
        for field, (r, c) in (("person", state.person), ("box", state.box), ("flag", state.flag)):
            if not (1 <= r <= height and 1 <= c <= width) or state.walls[r - 1][c - 1] == "#":
                raise ValueError(f"{field}: expected a cell of the floor, found {(r, c)}")
        if state.box in (state.person, state.flag):
            raise ValueError(f"box: expected a cell of its own, found {state.box} under the person or the flag")
        if state.flag not in _pushes(state.walls, state.person, state.box):
            raise ValueError(f"flag: expected where the box can be pushed, found {state.flag}")

    def paint(self, state: State, side: int) -> Image.Image:
        height, width = len(state.walls), len(state.walls[0])
        cell = 896 / max(height, width)
        left, top = (896 - width * cell) / 2, (896 - height * cell) / 2
        canvas = Canvas(side)
        canvas.rect(left, top, left + width * cell, top + height * cell, _FLOOR)
        for r, row in enumerate(state.walls):
            for c, mark in enumerate(row):
                if mark == "#":
                    _draw_brick(canvas, left + c * cell, top + r * cell, cell)
        if side >= 24 * max(height, width):  # below that the lines would drown the things
            draw_lines(canvas, left, top, cell, state.walls, _GRID)

        def center(at: Cell) -> tuple[float, float]:
            return left + (at[1] - 0.5) * cell, top + (at[0] - 0.5) * cell

        _draw_flag(canvas, *center(state.flag), cell)
        _draw_crate(canvas, *center(state.box), cell)
        _draw_person(canvas, *center(state.person), cell)
        return canvas.image

    def ask(self, state: State) -> str:
        height, width = len(state.walls), len(state.walls[0])
        return (
            "In this puzzle a storekeeper pushes a box around a warehouse to get it to a target. The warehouse is a grid of "
            f"{height} x {width} cells, each of them a wall or free floor; the image shows the person, the box and the flag that marks the "
            "target. The rules are:\n\n"
            "1. Standing next to the box, the person can push it by one cell, straight ahead, if the cell behind it is free. This is a "
            "push.\n2. The person walks on free cells and can neither walk through the box nor pull it.\n\n"
            "What is the minimum number of pushes that bring the box to the flag?"
        )

    def solve(self, state: State) -> str:
        pushes = _pushes(state.walls, state.person, state.box).get(state.flag)
        if pushes is None:
            raise ValueError(f"flag: expected where the box can be pushed, found {state.flag}")
        return str(pushes)

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=(state.walls, state.person, state.box, state.flag), low=1)

    def kind(self, state: State) -> str:
        return f"{len(state.walls)} x {len(state.walls[0])}"

    def describe(self, state: State) -> str:
        size = f"{len(state.walls)} rows and {len(state.walls[0])} columns"
        head = f"Storeroom of {size}; # wall, . floor, S person, B box, T flag, + person on flag"
        return "\n".join([head, *(f"Row {r}: {''.join(row)}" for r, row in enumerate(_marked(state), 1))])

    def parse(self, text: str) -> State:
        stated = _stated(text)
        grid = full_grid(stated, "walls")
        agrees_with_size(text, grid, "walls")
        person = _only(stated, "person", "S+")
        box = _only(stated, "box", "B")
        flag = _only(stated, "flag", "T+")
        return State(tuple("".join("#" if mark == "#" else "." for mark in row) for row in grid), person, box, flag)

    def facts(self, state: State) -> Mapping[str, str]:
        return {_slot(r, c): _MEANING[mark] for r, row in enumerate(_marked(state), 1) for c, mark in enumerate(row, 1)}

    def claims(self, text: str) -> Mapping[str, str]:
        stated = attempt(text, _stated) or {}
        return {_slot(*at): _MEANING[mark] for at, mark in sorted(stated.items())}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        grid = [[str(cell).upper() for cell in line] for line in solution["timestep"]["grid_0"]]
        people = [(r, c) for r, line in enumerate(grid, 1) for c, mark in enumerate(line, 1) if mark == "S"]
        if len(people) != 1:
            raise ValueError(f"timestep: expected one person in grid_0, found {len(people)}")
        (box_row, box_column), (flag_row, flag_column) = solution["box_location"][0], solution["target"]
        return State(
            walls=tuple("".join("#" if mark == "#" else "." for mark in line) for line in grid),
            person=people[0],
            box=(int(box_row) + 1, int(box_column) + 1),
            flag=(int(flag_row) + 1, int(flag_column) + 1),
        )


def _slot(row: int, column: int) -> str:
    return f"row {row}, column {column}"


# -- pushing ---------------------------------------------------------------------------------------------------------------------------
def _pushes(walls: tuple[str, ...], person: Cell, box: Cell, *, most: int | None = None) -> dict[Cell, int]:
    """Where the box can get to, by at most `most` pushes, -> the fewest pushes; the start itself is left out.

    Breadth first over pushes: a position is the box and the floor that the person can walk to around it. Sets of cells are the bits of an
    integer, row by row; the wall all around keeps a shift by one from running over the end of a row.
    """
    width = len(walls[0])
    floor = int("".join(walls)[::-1].replace("#", "0").replace(".", "1"), 2)
    start, feet = ((r - 1) * width + c - 1 for r, c in (box, person))
    reached: dict[Cell, int] = {}
    seen: set[tuple[int, int]] = set()
    queue = deque([(start, feet, 0)])
    while queue:
        at, feet, pushes = queue.popleft()
        if most is not None and pushes > most:
            break
        region = _walkable(floor & ~(1 << at), 1 << feet, width)
        if (at, region) in seen:
            continue
        seen.add((at, region))
        if at != start:
            reached.setdefault((at // width + 1, at % width + 1), pushes)
        for step in (-width, 1, width, -1):
            if region >> at - step & 1 and floor >> at + step & 1:
                queue.append((at + step, at, pushes + 1))
    return reached


def _walkable(free: int, region: int, width: int) -> int:
    """The part of `free` that is connected with `region`."""
    while True:
        wider = (region | region << 1 | region >> 1 | region << width | region >> width) & free
        if wider == region:
            return region
        region = wider


def _room(rng: random.Random, height: int, width: int) -> tuple[tuple[str, ...], tuple[Cell, Cell]]:
    """Random walls with one wall all around, and where the person and the box start."""
    inner = [(r, c) for r in range(2, height) for c in range(2, width)]
    rng.shuffle(inner)
    floor = sorted(inner[rng.randint(len(inner) // 12, len(inner) // 4) :])
    walls = [["#"] * width for _ in range(height)]
    for r, c in floor:
        walls[r - 1][c - 1] = "."
    person, box = rng.sample(floor, 2)
    return tuple(map("".join, walls)), (person, box)


# -- text ------------------------------------------------------------------------------------------------------------------------------
def _marked(state: State) -> list[list[str]]:
    grid = [list(row) for row in state.walls]
    marks = ((state.flag, "T"), (state.box, "B"), (state.person, "+" if state.person == state.flag else "S"))
    for (r, c), mark in marks:
        grid[r - 1][c - 1] = mark
    return grid


def _stated(text: str) -> dict[Cell, str]:
    """The cells that `text` states, with the things that a sentence places."""
    stated = stated_cells(text, _TOKENS.get, "walls")
    for match in _PLACED.finditer(text):
        at, mark = (int(match[2]), int(match[3])), _TOKENS[match[1]]
        there = stated.get(at, mark)
        if there == "+" and mark in "ST":
            continue
        if {there, mark} == {"S", "T"}:
            mark = "+"
        elif there not in (".", mark):
            raise Unreadable(_MEANING[mark], f"the cell {at} is stated twice, differently")
        stated[at] = mark
    return stated


def _only(stated: Mapping[Cell, str], field: str, marks: str) -> Cell:
    found = [at for at, mark in stated.items() if mark in marks]
    if len(found) != 1:
        raise Unreadable(field, f"expected one cell marked {marks[0]}, found {len(found)}")
    return found[0]


# -- drawing ---------------------------------------------------------------------------------------------------------------------------
@cache
def _brick(width: int, height: int) -> Image.Image:
    """A block of brickwork of that many pixels."""
    canvas = Canvas(max(width, height), background=_MORTAR)
    course, joint = 224, 26
    for row in range(4):
        for start in (-224, 224, 672) if row % 2 else (0, 448):
            canvas.rect(start + joint, row * course + joint, start + 448 - joint, (row + 1) * course - joint, _BRICK)
    return canvas.image.crop((0, 0, width, height))


def _draw_brick(canvas: Canvas, x: float, y: float, cell: float) -> None:
    x0, y0, x1, y1 = (round(value * canvas.scale) for value in (x, y, x + cell, y + cell))
    if x1 - x0 < 24:  # too small for joints: a plain block reads better
        canvas.rect(x, y, x + cell, y + cell, _BRICK)
    else:
        canvas.image.paste(_brick(x1 - x0, y1 - y0), (x0, y0))


def _draw_crate(canvas: Canvas, x: float, y: float, cell: float) -> None:
    half, plank = 0.36 * cell, 0.08 * cell
    canvas.rect(x - half, y - half, x + half, y + half, _CRATE_EDGE)
    canvas.rect(x - half + plank, y - half + plank, x + half - plank, y + half - plank, _CRATE)
    inner = half - 1.5 * plank
    canvas.line([(x - inner, y - inner), (x + inner, y + inner)], _CRATE_EDGE, plank)
    canvas.line([(x - inner, y + inner), (x + inner, y - inner)], _CRATE_EDGE, plank)


def _draw_person(canvas: Canvas, x: float, y: float, cell: float) -> None:
    canvas.line([(x - 0.09 * cell, y + 0.2 * cell), (x - 0.09 * cell, y + 0.38 * cell)], INK, 0.11 * cell)
    canvas.line([(x + 0.09 * cell, y + 0.2 * cell), (x + 0.09 * cell, y + 0.38 * cell)], INK, 0.11 * cell)
    canvas.line([(x - 0.22 * cell, y + 0.16 * cell), (x, y - 0.04 * cell), (x + 0.22 * cell, y + 0.16 * cell)], _SHIRT, 0.11 * cell)
    canvas.round_rect(x - 0.15 * cell, y - 0.1 * cell, x + 0.15 * cell, y + 0.24 * cell, 0.07 * cell, _SHIRT)
    canvas.disk(x, y - 0.25 * cell, 0.15 * cell, _SKIN)


def _draw_flag(canvas: Canvas, x: float, y: float, cell: float) -> None:
    canvas.rect(x - 0.33 * cell, y - 0.4 * cell, x - 0.26 * cell, y + 0.42 * cell, INK)
    canvas.polygon([(x - 0.26 * cell, y - 0.4 * cell), (x + 0.4 * cell, y - 0.18 * cell), (x - 0.26 * cell, y + 0.06 * cell)], _FLAG)
