"""Number slide: a sliding puzzle; what can some moves of the open position lead to (AlgoPuzzleVQA `number_slide`)?

Visible: the numbered tiles and the open position, 0 in the state. Asked, after a given walk of the open position: the largest or smallest
number or the sum in its row or column; after any walk of so many moves: how many boards there are, or the largest or smallest sum along an
edge. The open position adds nothing to a sum and is no number. Walks may turn back. Free walks are enumerated, one set of boards a move.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args

from PIL import Image

from tasks.family import Family, asked
from tasks.kit.drawing import INK, PAPER, Canvas, Color
from tasks.kit.notation import attempt, full_grid, nearby, stated_cells

Direction = Literal["left", "right", "up", "down"]
Line = Literal["row", "column"]
Edge = Literal["top most row", "bottom most row", "left most column", "right most column"]
What = Literal["maximum", "minimum", "sum"]
Grid = tuple[tuple[int, ...], ...]

_SIDES = {1: 3, 2: 3, 3: 4, 4: 4, 5: 5}
_MOVES = {1: (1, 2), 2: (2, 3), 3: (2, 4), 4: (3, 5), 5: (4, 6)}
"""Level -> tiles on a side, fewest and most moves."""
_DRAWN = 40
"""Boards on which a question is tried to learn how often each answer is right."""
_SMALLEST, _LARGEST, _MAX_MOVES = 2, 8, 8
_STEPS: dict[Direction, tuple[int, int]] = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
_LINES: tuple[Line, ...] = get_args(Line)
_EDGES: tuple[Edge, ...] = get_args(Edge)
_WHATS: tuple[What, ...] = get_args(What)
_NAMED: dict[str, Direction] = dict(zip(get_args(Direction), get_args(Direction), strict=True))
_OPEN = frozenset(("open", "empty", "blank", "gap", "space", "hole", "none", "open position", "empty space", "_", "-", "."))
_PATH = re.compile(r"sequence: ([a-z, ]+)")
_MARGIN = 44.0
_WALL: Color = (200, 40, 40)
_TRAY: Color = (150, 160, 172)
_TILE: Color = (255, 249, 235)


@dataclass(frozen=True, slots=True)
class Walk:
    """Asked: the largest or smallest number, or the sum, in the open position's `line` after it has moved along `path`."""

    path: tuple[Direction, ...]
    what: What
    line: Line


@dataclass(frozen=True, slots=True)
class Reach:
    """Asked: the number of boards that exactly `moves` moves lead to."""

    moves: int


@dataclass(frozen=True, slots=True)
class Best:
    """Asked: the greatest or least sum along an `edge` that exactly `moves` moves can achieve."""

    moves: int
    what: Literal["maximum", "minimum"]
    edge: Edge


Query = Walk | Reach | Best


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `grid`, rows from the top of tiles from the left, 0 where the board is open."""

    grid: Grid
    query: Query | None = None


class NumberSlide(Family[State]):
    """A square tray of numbered tiles with one left out."""

    name = "number_slide"
    title = "sliding numbers"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        moves = rng.randint(*_MOVES[level])
        grid = _shuffled(rng, _SIDES[level])
        kind = rng.random()
        if kind < 0.2:
            return State(grid, Reach(moves))
        if kind < 0.6:
            return State(grid, Best(moves, rng.choice(("maximum", "minimum")), rng.choice(_EDGES)))
        return State(grid, Walk(_wander(rng, grid, moves), rng.choice(("maximum", "minimum", "sum")), rng.choice(_LINES)))

    def check(self, state: State) -> None:
        side = len(state.grid)
        if not _SMALLEST <= side <= _LARGEST:
            raise ValueError(f"grid: expected {_SMALLEST} to {_LARGEST} rows, found {side}")
        if wrong := [len(row) for row in state.grid if len(row) != side]:
            raise ValueError(f"grid: expected {side} tiles in a row as there are rows, found {wrong[0]}")
        numbers = sorted(number for row in state.grid for number in row)
        if numbers != list(range(side * side)):
            wrong = sorted(set(range(side * side)).symmetric_difference(numbers))
            raise ValueError(f"grid: expected every number from 1 to {side * side - 1} once and one open position, check {wrong}")
        if state.query is not None:
            _check_query(state.grid, state.query)

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side, base=_tray(side))
        size = (896 - 2 * _MARGIN) / len(state.grid)
        for row, line in enumerate(state.grid):
            for column, number in enumerate(line):
                if number:
                    x, y = _MARGIN + column * size, _MARGIN + row * size
                    left, top, right = (round(value * canvas.scale) for value in (x, y, x + size))
                    canvas.image.paste(_tile(number, right - left), (left, top))
        return canvas.image

    def ask(self, state: State) -> str:
        side, query = len(state.grid), asked(state.query)
        moves = len(query.path) if isinstance(query, Walk) else query.moves
        start = (
            f"The board shown in the image is a sliding puzzle of {side} * {side} tile dimensions. It has {side * side - 1} numbered tiles "
            "and one unoccupied (open) position. Tiles in the same row or column of the open position can be moved by sliding them "
            "horizontally or vertically, respectively. All tiles always stay and move inside the red boundary wall, as shown in the "
            "image. A move is defined as moving the open position by one tile unit in any available direction. You start from the "
            f"board position shown in the image and perform exactly {moves} move{'' if moves == 1 else 's'}"
        )
        if isinstance(query, Reach):
            return f"{start}. How many unique final board positions can you reach?"
        if isinstance(query, Best):
            return f"{start}. What is the {query.what} sum that you can achieve across the {query.edge} in the final board position?"
        what = "sum of numbers of" if query.what == "sum" else f"{query.what} number in"
        sequence = f"such that the open position moves in the following sequence: {', '.join(query.path)}"
        return f"{start} {sequence}. What is the {what} the {query.line} which now has the open position?"

    def solve(self, state: State) -> str:
        query = asked(state.query)
        if isinstance(query, Walk):
            return str(_measure(walked(state.grid, query.path), query))
        boards = reached_boards(state.grid, query.moves)
        if isinstance(query, Reach):
            return str(len(boards))
        best = max if query.what == "maximum" else min
        chosen = edge_places(query.edge, len(state.grid))
        return str(best(sum(board[place] for place in chosen) for board in boards))

    def distractors(self, state: State) -> Sequence[str]:
        query = asked(state.query)
        tile = isinstance(query, Walk) and query.what != "sum"
        return nearby(int(self.solve(state)), key=state.grid, low=1, high=max(7, len(state.grid) ** 2 - 1) if tile else None)

    def chances(self, state: State, rng: random.Random, level: int) -> Mapping[str, float]:
        drawn: Counter[str] = Counter()
        while drawn.total() < _DRAWN:
            grid = _shuffled(rng, len(state.grid))
            if not isinstance(state.query, Walk) or rng.random() < _ease(grid, state.query.path):
                drawn[self.solve(replace(state, grid=grid))] += 1
        return drawn

    def describe(self, state: State) -> str:
        return "\n".join(f"Row {index}: {', '.join(str(n or 'open') for n in row)}" for index, row in enumerate(state.grid, 1))

    def parse(self, text: str) -> State:
        return State(full_grid(_stated(text), "grid"))

    def facts(self, state: State) -> Mapping[str, str]:
        return {f"row {r}, column {c}": str(n or "open") for r, row in enumerate(state.grid, 1) for c, n in enumerate(row, 1)}

    def claims(self, text: str) -> Mapping[str, str]:
        stated = attempt(text, _stated) or {}
        return {f"row {row}, column {column}": str(number or "open") for (row, column), number in sorted(stated.items())}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution, question = row["solution"], " ".join(str(row["question"]).split())
        grid = tuple(tuple(int(number) for number in line) for line in solution["starting_grid"])
        return State(grid, _public_query(question.lower(), int(solution["total_moves"])))


def _check_query(grid: Grid, query: Query) -> None:
    moves = len(query.path) if isinstance(query, Walk) else query.moves
    if not 1 <= moves <= _MAX_MOVES:
        raise ValueError(f"query: expected 1 to {_MAX_MOVES} moves, found {moves}")
    if isinstance(query, Walk):
        walked(grid, query.path)


def open_place(grid: Grid) -> tuple[int, int]:
    """Row and column of the open position, from 0."""
    return next((r, c) for r, row in enumerate(grid) for c, number in enumerate(row) if number == 0)


def _ways(row: int, column: int, side: int) -> list[Direction]:
    return [way for way, (down, across) in _STEPS.items() if 0 <= row + down < side and 0 <= column + across < side]


def _shuffled(rng: random.Random, side: int) -> Grid:
    numbers = rng.sample(range(side * side), side * side)
    return tuple(tuple(numbers[row * side : (row + 1) * side]) for row in range(side))


def _ease(grid: Grid, path: Sequence[Direction]) -> float:
    """How likely `_wander` goes along `path` on `grid`, as a share of the likeliest way of that length."""
    row, column = open_place(grid)
    share = 1.0
    for way in path:
        ways = _ways(row, column, len(grid))
        if way not in ways:
            return 0.0
        share *= 2 / len(ways)
        row, column = row + _STEPS[way][0], column + _STEPS[way][1]
    return share


def _wander(rng: random.Random, grid: Grid, moves: int) -> tuple[Direction, ...]:
    row, column = open_place(grid)
    path: list[Direction] = []
    for _ in range(moves):
        way = rng.choice(_ways(row, column, len(grid)))
        path.append(way)
        row, column = row + _STEPS[way][0], column + _STEPS[way][1]
    return tuple(path)


def walked(grid: Grid, path: Sequence[Direction]) -> Grid:
    """The board after the open position has moved along `path`; ValueError where it would leave the board."""
    board = [list(row) for row in grid]
    row, column = open_place(grid)
    for way in path:
        if way not in _ways(row, column, len(grid)):
            raise ValueError(f"query: the open position cannot move {', '.join(path)}: it would leave the board")
        down, across = _STEPS[way]
        board[row][column] = board[row + down][column + across]
        row, column = row + down, column + across
        board[row][column] = 0
    return tuple(map(tuple, board))


def _measure(grid: Grid, query: Walk) -> int:
    row, column = open_place(grid)
    line = grid[row] if query.line == "row" else [other[column] for other in grid]
    numbers = [number for number in line if number]
    return sum(numbers) if query.what == "sum" else max(numbers) if query.what == "maximum" else min(numbers)


def reached_boards(grid: Grid, moves: int) -> set[bytes]:
    """All boards, flat, that exactly `moves` moves lead to."""
    side = len(grid)
    boards = {bytes(number for row in grid for number in row)}
    for _ in range(moves):
        following: set[bytes] = set()
        for board in boards:
            hole = board.index(0)
            for place in _beside(hole, side):
                after = bytearray(board)
                after[hole], after[place] = after[place], 0
                following.add(bytes(after))
        boards = following
    return boards


@cache
def _beside(place: int, side: int) -> tuple[int, ...]:
    row, column = divmod(place, side)
    return tuple((row + _STEPS[way][0]) * side + column + _STEPS[way][1] for way in _ways(row, column, side))


def edge_places(edge: Edge, side: int) -> range:
    """The places of an edge in a flat board."""
    if edge.endswith("row"):
        first = 0 if edge.startswith("top") else side * (side - 1)
        return range(first, first + side)
    return range(0 if edge.startswith("left") else side - 1, side * side, side)


def _stated(text: str) -> dict[tuple[int, int], int]:
    return stated_cells(text, _tile_number, "grid")


def _tile_number(token: str) -> int | None:
    if token in _OPEN:
        return 0
    return int(token) if token.isascii() and token.isdigit() and len(token) <= 3 else None


def _public_query(question: str, moves: int) -> Query:
    asked = question.rpartition(". ")[2]
    if "how many" in asked:
        return Reach(moves)
    what = next(filter(asked.__contains__, _WHATS), None)
    if what is None:
        raise ValueError(f"question: expected a maximum, minimum, sum or count, found {asked!r}")
    path = _PATH.search(question)
    if path:
        words = [word.strip() for word in path[1].split(",")]
        ways: tuple[Direction, ...] = tuple(_NAMED[word] for word in words if word in _NAMED)
        if len(ways) != moves:
            raise ValueError(f"question: expected {moves} moves as in total_moves, found {path[1]!r}")
        return Walk(ways, what, "column" if "column" in asked else "row")
    edge = next(filter(asked.__contains__, _EDGES), None)
    if edge is None or what == "sum":
        raise ValueError(f"question: expected a maximum or minimum sum across an edge, found {asked!r}")
    return Best(moves, what, edge)


@cache
def _tray(side: int) -> Image.Image:
    canvas = Canvas(side, background=PAPER)
    canvas.rect(8, 8, 888, 888, _WALL)
    inner = max(24.0, 8 + 1.5 / canvas.scale)
    canvas.rect(inner, inner, 896 - inner, 896 - inner, _TRAY)
    return canvas.image


@cache
def _tile(number: int, side: int) -> Image.Image:
    """A tile of `side` px with its gap."""
    canvas = Canvas(side, background=_TRAY)
    gap = max(22.0, 0.6 / canvas.scale)
    if side < 40:
        canvas.rect(gap, gap, 896 - gap, 896 - gap, _TILE)
    else:
        canvas.round_rect(gap, gap, 896 - gap, 896 - gap, 100, _TILE)
    canvas.text(448, 448, str(number), 560 if number < 10 else 500, INK, bold=side < 40)
    return canvas.image
