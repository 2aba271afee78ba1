"""Wood slide: the fewest unit moves of sliding blocks from one arrangement to another (AlgoPuzzleVQA `wood_slide`).

Visible: two grids side by side, start and end. A block has the same shade (and here the same letter) in both, so blocks of one shape are
told apart. Letters are names only: a state names the blocks A, B, C, ... in the reading order of the start, and text may use any names.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import Image

from tasks.family import Family
from tasks.kit.drawing import INK, PAPER, Canvas, Color
from tasks.kit.notation import NUMBER_WORDS, Unreadable, attempt, full_grid, nearby, same_amount, stated_cells

Grid = tuple[str, ...]
Cells = Mapping[tuple[int, int], str]

_EMPTY = "."
_SIZES = {1: (4, 3), 2: (4, 4), 3: (5, 4), 4: (5, 4), 5: (6, 5)}
"""Level -> rows and columns. The public set has 5 x 4."""
_MOVES = {1: (1, 3), 2: (2, 4), 3: (3, 6), 4: (5, 9), 5: (6, 11)}
"""Level -> fewest and most moves. The public set has 1 to 6."""
_SHAPES = ((2, 2), (1, 2), (2, 1), (1, 1))
_MIN_SIDE, _MAX_SIDE = 2, 8
_REACH = 3_000
"""Most arrangements looked at from both ends before a way is given up; 20 random moves need a tenth of that."""
_STEPS = ((0, 1), (0, -1), (1, 0), (-1, 0))
_NAMES = "abcdefghijklmnopqrstuvwxyz123456789"
_TOKENS = {**{name: name for name in _NAMES}, **dict.fromkeys((".", "_", "-", "0", "empty", "blank", "space", "free", "\u25a1"), _EMPTY)}
_STARTS = ("start", "starting", "initial")
_MARKER = re.compile(r"(?<![a-z])(start(?:ing)?|initial|end(?:ing)?|final|goal|target)(?![a-z])")
_TITLE = re.compile(r"[^\n:=]{0,60}[:=]")
_LISTED = re.compile(r"(?<=[\w.]{2})[\"'] ?, ?[\"'](?=[\w.]{2})")


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `start` and `end` as rows of letters, "." where empty. Blocks are named A, B, ... in the reading order of the start."""

    start: Grid
    end: Grid
    query: None = None


class WoodSlide(Family[State]):
    """A sliding block puzzle, before and after."""

    name = "wood_slide"
    title = "sliding wooden blocks"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        height, width = _SIZES[level]
        fewest, most = _MOVES[level]
        while True:
            start = _tiling(rng, height, width)
            wanted = rng.randint(fewest, most)
            ends: dict[int, str] = {}
            for _ in range(3):  # every move shifts one coordinate by one, so ways between two arrangements are all odd or all even
                end = _wander(rng, start, width, wanted + 2 * rng.randrange(1 + wanted // 4))
                ends[_distance(start, end, width) or 0] = end
            moves = min(ends, key=lambda found: abs(found - wanted))
            if moves == wanted or (level > 3 and fewest <= moves <= most):  # long ways are rare: what comes near will do
                return State(_rows(start, width), _rows(ends[moves], width))

    def check(self, state: State) -> None:
        for field, rows in (("start", state.start), ("end", state.end)):
            _check_grid(field, rows)
        if [len(row) for row in state.start] != [len(row) for row in state.end]:
            raise ValueError("end: expected a grid of the size of the start's")
        start, end = "".join(state.start), "".join(state.end)
        if start != _renamed(start, _names(start)):
            raise ValueError(f"start: expected blocks named A, B, ... in reading order, found {' '.join(state.start)}")
        if _EMPTY not in start:
            raise ValueError("start: expected an empty cell")
        width = len(state.start[0])
        if _outlines(start, width) != _outlines(end, width):
            raise ValueError("end: expected the blocks of the start, in their shapes")
        if start == end:
            raise ValueError("end: expected another arrangement than the start")
        if _distance(start, end, width) is None:
            raise ValueError(f"end: no way found from the start in a search of {_REACH:,} arrangements")

    def paint(self, state: State, side: int) -> Image.Image:
        height, width = len(state.start), len(state.start[0])
        canvas = Canvas(side, aspect=1.5, background=(250, 249, 246))
        cell = min(384 / width, 470 / height)
        for x, title, rows in ((224.0, "Start", state.start), (672.0, "End", state.end)):
            left, top = x - width * cell / 2, 90 + (470 - height * cell) / 2
            canvas.text(x, top - 44, title, 38, INK)
            canvas.rect(left - 9, top - 9, left + width * cell + 9, top + height * cell + 9, (74, 58, 44))
            canvas.rect(left - 2, top - 2, left + width * cell + 2, top + height * cell + 2, PAPER)
            for block, (r, c, tall, wide) in _blocks("".join(rows), width).items():
                x0, y0, x1, y1 = left + c * cell, top + r * cell, left + (c + wide) * cell, top + (r + tall) * cell
                canvas.round_rect(x0 + 3, y0 + 3, x1 - 3, y1 - 3, 12, _shade(block))
                canvas.text((x0 + x1) / 2, (y0 + y1) / 2, block, 0.42 * cell, PAPER if _is_dark(block) else INK, bold=True)
        return canvas.image

    def ask(self, state: State) -> str:
        height, width = len(state.start), len(state.start[0])
        blocks = _blocks("".join(state.start), width)
        shapes = Counter((tall, wide) for _, _, tall, wide in blocks.values())
        order = sorted(shapes, key=lambda shape: (-shape[0] * shape[1], shape))
        listed = [f"{_word(shapes[shape])} {shape[0]} * {shape[1]}" for shape in order]
        sizes = listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])}{',' * (len(listed) > 2)} and {listed[-1]}"
        gaps = sum(row.count(_EMPTY) for row in state.start)
        spaces = f"{_word(gaps)} empty 1 * 1 space{'' if gaps == 1 else 's'}"
        return (
            f"Consider a sliding block puzzle of grid size {height} * {width} units. It has {len(blocks)} wooden blocks of varying sizes: "
            f"{sizes}. The grid also has {spaces}. The blocks cannot be removed from the grid, and may only be slid horizontally and "
            "vertically within its boundary. A move is defined as selecting a block that is slideable, and moving it by 1 unit either "
            "horizontally or vertically, whichever is possible. The image shows the starting and ending "
            "configurations of the puzzle grid. The wooden blocks are shown in various shades of brown and the empty spaces are shown in "
            "white. What is the minimum number of moves required to reach the ending configuration from the starting configuration?"
        )

    def solve(self, state: State) -> str:
        moves = _distance("".join(state.start), "".join(state.end), len(state.start[0]))
        if moves is None:
            raise ValueError(f"end: no way found from the start in a search of {_REACH:,} arrangements")
        return str(moves)

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=(state.start, state.end), low=1)

    def same(self, a: str, b: str) -> bool:
        return same_amount(a, b, "move", "step")

    def kind(self, state: State) -> str:
        height, width = len(state.start), len(state.start[0])
        return f"{height} x {width}, {len(_blocks(''.join(state.start), width))} blocks"

    def describe(self, state: State) -> str:
        lines = ["A letter is a block, . is empty"]
        for field, rows in (("Start", state.start), ("End", state.end)):
            lines += [f"{field}:", *(f"Row {number}: {row}" for number, row in enumerate(rows, 1))]
        return "\n".join(lines)

    def parse(self, text: str) -> State:
        start, end = (full_grid(cells, field) for field, cells in _stated(text).items())
        names = _names(cell for row in start for cell in row)
        if strange := {cell for row in end for cell in row} - set(names):
            raise Unreadable("end", f"block {min(strange)} is not in the start")
        return State(tuple(_renamed(row, names) for row in start), tuple(_renamed(row, names) for row in end))

    def facts(self, state: State) -> Mapping[str, str]:
        return _by_cell({field: _cells(rows) for field, rows in (("start", state.start), ("end", state.end))})

    def claims(self, text: str) -> Mapping[str, str]:
        return _by_cell(attempt(text, _stated) or {"start": {}, "end": {}})

    def from_public(self, row: Mapping[str, Any]) -> State:
        start, end = (str(row["solution"][field]).replace("0", _EMPTY).split() for field in ("start_position", "end_position"))
        names = _names("".join(start))
        if strange := set("".join(end)) - set(names):
            raise ValueError(f"end_position: block {min(strange)} is not in start_position")
        return State(tuple(_renamed(line, names) for line in start), tuple(_renamed(line, names) for line in end))


def _check_grid(field: str, rows: Grid) -> None:
    height, width = len(rows), len(rows[0]) if rows else 0
    if not all(_MIN_SIDE <= side <= _MAX_SIDE for side in (height, width)):
        raise ValueError(f"{field}: expected {_MIN_SIDE} to {_MAX_SIDE} cells on a side, found {height} x {width}")
    if wrong := [row for row in rows if len(row) != width]:
        raise ValueError(f"{field}: expected rows of {width} cells, found {wrong[0]!r}")
    cells = "".join(rows)
    for block, (_, _, tall, wide) in _blocks(cells, width).items():
        if not ("A" <= block <= "Z" or "a" <= block <= "z"):
            raise ValueError(f"{field}: expected letters and '.', found {block!r}")
        if cells.count(block) != tall * wide:
            raise ValueError(f"{field}: expected block {block} to be one rectangle")


def _blocks(cells: str, width: int) -> dict[str, tuple[int, int, int, int]]:
    """Block -> row and column of its upper left corner, counted from 0, its height and its width, of the box around its cells."""
    found: dict[str, list[tuple[int, int]]] = {}
    for index, block in enumerate(cells):
        if block != _EMPTY:
            found.setdefault(block, []).append(divmod(index, width))
    boxes: dict[str, tuple[int, int, int, int]] = {}
    for block, places in found.items():
        (top, bottom), (left, right) = ((min(at), max(at)) for at in zip(*places, strict=True))
        boxes[block] = (top, left, bottom - top + 1, right - left + 1)
    return boxes


def _outlines(cells: str, width: int) -> dict[str, tuple[int, int]]:
    return {block: (tall, wide) for block, (_, _, tall, wide) in _blocks(cells, width).items()}


def _rows(cells: str, width: int) -> Grid:
    return tuple(cells[at : at + width] for at in range(0, len(cells), width))


def _moves(cells: str, width: int) -> Iterator[str]:
    """All arrangements one move away. A block can only move into a cell that is empty, so the search starts at those."""
    seen: set[tuple[str, int]] = set()
    for gap, cell in enumerate(cells):
        if cell != _EMPTY:
            continue
        row, column = divmod(gap, width)
        for down, right in _STEPS:
            if not (0 <= row - down < len(cells) // width and 0 <= column - right < width):
                continue
            step = down * width + right
            block = cells[gap - step]
            if block == _EMPTY or (block, step) in seen:
                continue
            seen.add((block, step))
            moved = _moved(cells, block, step)
            if moved is not None:
                yield moved


def _moved(cells: str, block: str, step: int) -> str | None:
    """`cells` with `block` moved by `step` cells, or None where another block is in the way (it never leaves the grid: see `_moves`)."""
    places = [index for index, cell in enumerate(cells) if cell == block]
    targets = [index + step for index in places]
    if any(cells[index] not in (_EMPTY, block) for index in targets):
        return None
    grid = list(cells)
    for index in places:
        grid[index] = _EMPTY
    for index in targets:
        grid[index] = block
    return "".join(grid)


@lru_cache(maxsize=4096)
def _distance(start: str, end: str, width: int) -> int | None:
    """The fewest moves between two arrangements of the same blocks, by breadth-first search from both ends; None where none is found."""
    if start == end:
        return 0
    sides = ({start}, {end})
    edges = [{start}, {end}]
    depth = 0
    while edges[0] and edges[1] and len(sides[0]) + len(sides[1]) <= _REACH:
        near = 0 if len(edges[0]) <= len(edges[1]) else 1
        edges[near] = {new for cells in edges[near] for new in _moves(cells, width)} - sides[near]
        depth += 1
        if not edges[near].isdisjoint(edges[1 - near]):
            return depth
        sides[near].update(edges[near])
    return None


def _tiling(rng: random.Random, height: int, width: int) -> str:
    """A grid filled with random blocks, but for two empty cells; blocks named in reading order."""
    while True:
        cells = [_EMPTY] * (height * width)
        for index in range(len(cells)):
            if cells[index] == _EMPTY:
                tall, wide = rng.choices(_SHAPES, (2, 4, 4, 3))[0]
                row, column = divmod(index, width)
                box = [(row + r) * width + column + c for r in range(tall) for c in range(wide)]
                if row + tall > height or column + wide > width or any(cells[at] != _EMPTY for at in box):
                    box = [index]
                for at in box:
                    cells[at] = chr(256 + index)
        singles = [index for index, cell in enumerate(cells) if cells.count(cell) == 1]
        if 3 <= len(singles) <= 5:
            for index in rng.sample(singles, 2):
                cells[index] = _EMPTY
            return _renamed(cells, _names(cells))


def _wander(rng: random.Random, start: str, width: int, steps: int) -> str:
    """Where a walk of random moves leads that never comes back to where it was."""
    cells, seen = start, {start}
    for _ in range(steps):
        fresh = [new for new in _moves(cells, width) if new not in seen]
        if not fresh:
            break
        cells = rng.choice(fresh)
        seen.add(cells)
    return cells


def _names(cells: Any) -> dict[str, str]:
    """Each mark of `cells` -> its name in a state: A, B, ... (then a, b, ...) in order of appearance, "." for empty."""
    names = {_EMPTY: _EMPTY}
    for cell in cells:
        if cell not in names:
            number = len(names) - 1
            names[cell] = chr(65 + number) if number < 26 else chr(71 + number)
    return names


def _renamed(cells: Sequence[str], names: Mapping[str, str]) -> str:
    return "".join(names[cell] for cell in cells)


def _stated(text: str) -> dict[str, Cells]:
    """The cells of both grids that `text` states, under "start" and "end".

    Raises:
        Unreadable: a row is stated twice, differently.
    """
    lines: dict[str, list[str]] = {"start": [], "end": []}
    text = _LISTED.sub("\n", text.replace("/", "\n"))
    markers = list(_MARKER.finditer(text))
    for index, marker in enumerate(markers):
        body = text[marker.end() : markers[index + 1].start() if index + 1 < len(markers) else len(text)]
        title = _TITLE.match(body)  # without a colon, what stands on the line of "start" or "end" is prose
        found = body[title.end() :] if title else body.partition("\n")[2]
        lines["start" if marker[1] in _STARTS else "end"] += [line.strip() for line in found.splitlines()]
    return {field: stated_cells("\n".join(found), _TOKENS.get, field) for field, found in lines.items()}


def _cells(rows: Grid) -> dict[tuple[int, int], str]:
    return {(r, c): cell for r, row in enumerate(rows, 1) for c, cell in enumerate(row, 1)}


def _by_cell(grids: Mapping[str, Cells]) -> dict[str, str]:
    """Slot -> value: "end, row 2, column 1" -> "block from row 1, column 1" (its upper left corner in the start) or "empty".

    So the facts do not depend on what the blocks are called.
    """
    corners: dict[str, str] = {_EMPTY: "empty"}
    for (row, column), block in sorted(grids["start"].items()):
        corners.setdefault(block, f"block from row {row}, column {column}")
    return {
        f"{field}, row {row}, column {column}": corners.get(block, "block that is not in the start")
        for field, cells in grids.items()
        for (row, column), block in cells.items()
    }


def _shade(block: str) -> Color:
    """A brown of its own for each block: dark and light, reddish and yellowish in turn."""
    number = ord(block) - 65
    light, hue = (0.0, 0.72, 0.36, 1.0, 0.18, 0.86, 0.54)[number % 7], (0.0, 1.0, 0.5)[number % 3]
    return round(92 + 138 * light), round(52 + 128 * light + 26 * hue * (1 - light)), round(30 + 84 * light + 20 * (1 - hue))


def _is_dark(block: str) -> bool:
    red, green, blue = _shade(block)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 128


def _word(count: int) -> str:
    return NUMBER_WORDS[count] if count < len(NUMBER_WORDS) else str(count)
