"""N queens: a chessboard on which all but two queens stand; how far apart do the last two go (AlgoPuzzleVQA `n_queens`)?

Visible: the board and the queens on it, one a row, none attacking another. The two free rows and columns leave two ways to place the rest,
both with the same Manhattan distance, so the answer is unique as soon as one of them is safe. The question repeats the size of the board,
so the facts to be seen are the queens.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

from PIL import Image

from tasks.family import Family
from tasks.kit.drawing import INK, PAPER, Canvas, Color
from tasks.kit.notation import Unreadable, attempt, full_grid, nearby, stated_cells

_SIZES = {1: 7, 2: 8, 3: 9, 4: 10, 5: 12}
"""Level -> squares on a side. The public set has 8."""
_MIN_SIZE, _MAX_SIZE = 4, 16
_LIGHT: Color = (240, 226, 200)
_DARK: Color = (196, 158, 114)
_QUEENS = ("q", "queen", "1", "\u2655", "\u265b")
_MARKS: dict[str, bool] = {mark: mark in _QUEENS for mark in (*[".", "_", "-", "0", "empty", "·"], *_QUEENS)}
_GAP = r"[\s,;:(\-]{0,4}+(?:and|in|at|of|=|the)?+[\s,;:(\-]{0,4}+"
_SIZE = re.compile(r"(?<!\d)(\d{1,2}) ?(?:x|by|\*|-by-) ?(\d{1,2})(?!\d)")
_PAIR = re.compile(r"[(\[] ?(?:r(?:ow)? ?)?(\d{1,2}) ?[,;:] ?(?:c(?:ol(?:umn)?)? ?)?(\d{1,2}) ?[)\]]")
_ROW_COLUMN = re.compile(r"\br(?:ow)?\.? ?(\d{1,2})" + _GAP + r"c(?:ol(?:umn)?)?\.? ?(\d{1,2})(?!\d)")
_COLUMN_ROW = re.compile(r"\bc(?:ol(?:umn)?)?\.? ?(\d{1,2})" + _GAP + r"r(?:ow)?\.? ?(\d{1,2})(?!\d)")
_SQUARE = re.compile(r"\b([a-p])([1-9]\d?)\b")

Square = tuple[int, int]


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `size` squares on a side; `queens` as (row, column), counted from 1 at the top left, in reading order."""

    size: int
    queens: tuple[Square, ...]
    query: None = None


class NQueens(Family[State]):
    """A chessboard with all queens but two."""

    name = "n_queens"
    title = "queens on a board"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        size = _SIZES[level]
        queens = _solution(rng, size)
        for row in rng.sample(sorted(queens), 2):
            del queens[row]
        return State(size, tuple(sorted(queens.items())))

    def check(self, state: State) -> None:
        if not _MIN_SIZE <= state.size <= _MAX_SIZE:
            raise ValueError(f"size: expected {_MIN_SIZE} to {_MAX_SIZE}, found {state.size}")
        if outside := [queen for queen in state.queens if not all(1 <= at <= state.size for at in queen)]:
            raise ValueError(f"queens: expected rows and columns 1 to {state.size}, found {outside[0]}")
        if list(state.queens) != sorted(state.queens):
            raise ValueError(f"queens: expected reading order, found {state.queens}")
        if len(state.queens) != state.size - 2:
            raise ValueError(f"queens: expected {state.size - 2} on a board of {state.size}, found {len(state.queens)}")
        for a, b in combinations(state.queens, 2):
            if _attack(a, b):
                raise ValueError(f"queens: {a} and {b} attack each other")
        if not completions(state):
            raise ValueError("queens: the last two cannot be placed")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side, base=_board(state.size, side))
        cell = 896 / state.size
        crown = _crown(round(0.78 * cell * canvas.scale))
        for row, column in state.queens:
            corner = (round((column - 0.89) * cell * canvas.scale), round((row - 0.89) * cell * canvas.scale))
            canvas.image.paste(INK, corner, crown)
        return canvas.image

    def ask(self, state: State) -> str:
        size, article = state.size, "an" if state.size in (8, 11) else "a"
        return (
            f"You are given {article} {size} * {size} chessboard. The Manhattan distance between two squares in a chessboard is equal to "
            "the minimal number of orthogonal King moves between these squares on the otherwise empty board. The objective is to place "
            f"{size} chess queens on this board so that no two queens threaten each other; i.e. no two queens share the same row, column, "
            f"or diagonal. {len(state.queens)} queens have already been placed in some of the squares of the board, as shown in the image. "
            "Suppose you pick two squares to place the two remaining queen pieces in a way that fulfills the objective. What is the "
            "Manhattan distance between these two squares?"
        )

    def solve(self, state: State) -> str:
        (row, column), (other_row, other_column) = completions(state)[0]
        return str(abs(row - other_row) + abs(column - other_column))

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=state.queens, low=2)

    def kind(self, state: State) -> str:
        return f"{state.size} x {state.size}"

    def describe(self, state: State) -> str:
        queens = ", ".join(f"({row}, {column})" for row, column in state.queens)
        return f"Board: {state.size} x {state.size}\nQueens (row, column) from the top left: {queens}"

    def parse(self, text: str) -> State:
        size, queens = _placed(text)
        if size is None:
            raise Unreadable("size", "no size of the form 8 x 8")
        if not queens:
            raise Unreadable("queens", "no squares of the form (row, column)")
        return State(size, tuple(sorted(queens)))

    def facts(self, state: State) -> Mapping[str, str]:
        return _by_row(state.queens)

    def claims(self, text: str) -> Mapping[str, str]:
        placed = attempt(text, _placed)
        return _by_row(placed[1]) if placed else {}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        size = int(solution["rows"])
        if int(solution["columns"]) != size:
            raise ValueError(f"columns: expected {size} as there are rows, found {solution['columns']}")
        return State(size, tuple(sorted((int(r) + 1, int(c) + 1) for r, c in solution["given_queen_positions"])))


def _attack(a: Square, b: Square) -> bool:
    rows, columns = abs(a[0] - b[0]), abs(a[1] - b[1])
    return rows == 0 or columns == 0 or rows == columns


def completions(state: State) -> list[tuple[Square, Square]]:
    """The safe ways to place the last two queens of a board whose `size` - 2 queens do not attack each other: none, one or two."""
    every = set(range(1, state.size + 1))
    rows = sorted(every - {row for row, _ in state.queens})
    columns = sorted(every - {column for _, column in state.queens})
    ways = [tuple(zip(rows, order, strict=True)) for order in (columns, columns[::-1])]
    return [
        (first, second)
        for first, second in ways
        if not _attack(first, second) and not any(_attack(queen, new) for queen in state.queens for new in (first, second))
    ]


def _solution(rng: random.Random, size: int) -> dict[int, int]:
    """A full board, row -> column: depth-first, columns tried in random order."""

    def place(row: int, columns: int, falling: int, rising: int) -> list[int] | None:
        if row == size:
            return []
        for column in rng.sample(range(size), size):
            taken = columns >> column & 1 or falling >> (row + column) & 1 or rising >> (row - column + size) & 1
            if not taken:
                rest = place(row + 1, columns | 1 << column, falling | 1 << (row + column), rising | 1 << (row - column + size))
                if rest is not None:
                    return [column, *rest]
        return None

    placed = place(0, 0, 0, 0)
    if placed is None:
        raise ValueError(f"size: no way to place {size} queens")
    return {row: column + 1 for row, column in enumerate(placed, 1)}


def _placed(text: str) -> tuple[int | None, set[Square]]:
    """The size and the queens that `text` states, as squares or else as a grid; None and no queens where it states none."""
    sizes = {int(side) for match in _SIZE.finditer(text) for side in match.groups()}
    if len(sizes) > 1:
        raise Unreadable("size", f"expected one, found {sorted(sizes)}")
    size = sizes.pop() if sizes else None
    if pairs := _pairs(text):
        return size, {(int(row), int(column)) for row, column in pairs}
    if size and (squares := _SQUARE.findall(text)):  # chess squares: files from the left, ranks from below
        return size, {(size + 1 - int(rank), ord(file) - ord("a") + 1) for file, rank in squares}
    grid = stated_cells(text, lambda mark: _MARKS.get(mark), "queens")
    if grid and len(full_grid(grid, "queens")) != max(column for _, column in grid):
        raise Unreadable("queens", "the grid is not square")
    if size is None and grid:
        size = max(row for row, _ in grid)
    return size, {square for square, queen in grid.items() if queen}


def _pairs(text: str) -> list[tuple[str, str]]:
    """Rows and columns as written: "(1, 7)", "row 1, column 7" or "column 7, row 1", whichever of the last two the text begins with."""
    row_first, column_first = _ROW_COLUMN.search(text), _COLUMN_ROW.search(text)
    pairs = [(match[1], match[2]) for match in _PAIR.finditer(text)]
    if column_first and (not row_first or column_first.start() < row_first.start()):
        return pairs + [(match[2], match[1]) for match in _COLUMN_ROW.finditer(text)]
    return pairs + [(match[1], match[2]) for match in _ROW_COLUMN.finditer(text)]


def _by_row(queens: Iterable[Square]) -> dict[str, str]:
    """Slot -> value: "queen in row 3" -> "column 5" ("column 5 and 7" where a text claims two)."""
    rows: dict[int, list[int]] = {}
    for row, column in sorted(queens):
        rows.setdefault(row, []).append(column)
    return {f"queen in row {row}": f"column {' and '.join(map(str, columns))}" for row, columns in rows.items()}


@cache
def _board(size: int, side: int) -> Image.Image:
    canvas = Canvas(side)
    cell = 896 / size
    for row in range(size):
        for column in range(size):
            fill = _DARK if (row + column) % 2 else _LIGHT
            canvas.rect(column * cell, row * cell, (column + 1) * cell, (row + 1) * cell, fill)
    return canvas.image


@cache
def _crown(side: int) -> Image.Image:
    """A queen as a mask of `side` px: a crown of five points, each with a ball, on a base."""
    canvas = Canvas(side, background=(0, 0, 0))
    points = [(22, 246), (224, 98), (448, 45), (672, 98), (874, 246)]
    valleys = [(197, 457), (358, 412), (538, 412), (699, 457)]
    corners = [(726, 726), (170, 726)]
    zigzag = [point for pair in zip(points, [*valleys, corners[0]], strict=True) for point in pair]
    canvas.polygon([*zigzag, corners[1]], PAPER)
    for x, y in points:
        canvas.disk(min(max(x, 65), 831), y, 65, PAPER)
    canvas.rect(134, 752, 762, 876, PAPER)
    return canvas.image.convert("L")
