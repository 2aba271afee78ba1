"""Board tiling: can dominoes cover a chequered board that lacks some squares (AlgoPuzzleVQA `board_tile`)?

Visible: the size of the board and the squares that are missing. The question states the size and how many are missing, as the public one
does, so the facts to be seen are which squares are missing. A covering by dominoes is a perfect matching of the squares of one colour with
those of the other, so the answer is exact: it is found by augmenting paths.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from tasks.family import Family, asked
from tasks.kit.drawing import PAPER, Canvas
from tasks.kit.notation import Unreadable, attempt

Square = tuple[int, int]
"""(row, column), counted from 1 at the top left."""

_MOST = 16
"""Longest side of a board that is drawn or read."""
_SIDES = {1: (3, 5), 2: (4, 6), 3: (5, 8), 4: (5, 8), 5: (6, 10)}
"""Level -> shortest and longest side."""
_REMOVED = {1: (1, 2), 2: (1, 2), 3: (2, 3), 4: (3, 4), 5: (4, 6)}
"""Level -> fewest and most missing squares."""
_COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
_DARK, _LIGHT, _FRAME = (255, 195, 57), (255, 230, 179), (84, 58, 32)

_SIZE = re.compile(
    r"(?<![\d.])(\d{1,2})(?: rows?)? ?(?:x|by) ?(\d{1,2})(?![\d.]| domino)"
    r"|\b(?:board|size|grid|dimensions?)\b[^\d\n]{0,20}(\d{1,2}) (\d{1,2})\b"
)
"""Also "Board: 7 * 8", whose asterisk `tidy` takes for Markdown."""
_ROWS = re.compile(r"\b(\d{1,2}) rows?\b|\brows ?[:=]? ?(\d{1,2})\b")
_COLUMNS = re.compile(r"\b(\d{1,2}) col(?:umn)?s?\b|\bcol(?:umn)?s ?[:=]? ?(\d{1,2})\b")
_PAIR = re.compile(
    r"[(\[] ?(\d{1,2}) ?[,;] ?(\d{1,2}) ?[)\]]|\brow ?[:=]? ?(\d{1,2})[ ,;]{0,3}(?:and )?col(?:umn)? ?[:=]? ?(\d{1,2})\b"
    r"|\br(\d{1,2}) ?c(\d{1,2})\b"
)


@dataclass(frozen=True, slots=True)
class Query:
    """What the question states of the board: its size, and how many squares are missing."""

    rows: int
    columns: int
    removed: int


@dataclass(frozen=True, slots=True)
class State:
    """Visible: a board of `rows` x `columns` squares, dark at the top left, and the `removed` squares in reading order."""

    rows: int
    columns: int
    removed: tuple[Square, ...]
    query: Query | None = None


class BoardTile(Family[State]):
    """A chequered board with holes, to be covered by dominoes."""

    name = "board_tile"
    title = "board tiling"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        coverable = rng.random() < 0.5
        while True:
            rows, columns = rng.randint(*_SIDES[level]), rng.randint(*_SIDES[level])
            count = rng.randint(*_REMOVED[level])
            if (rows * columns - count) % 2:
                continue
            removed = _holes(rng, rows, columns, count, even=coverable or (level >= 4 and rng.random() < 0.6), trap=not coverable)
            state = State(rows, columns, removed)
            if removed and _coverable(state) == coverable:
                return _posed(state)

    def check(self, state: State) -> None:
        for field, value in (("rows", state.rows), ("columns", state.columns)):
            if not 2 <= value <= _MOST:
                raise ValueError(f"{field}: expected 2 to {_MOST}, found {value}")
        if not 1 <= len(state.removed) < len(_COUNTS):
            raise ValueError(f"removed: expected 1 to {len(_COUNTS) - 1} squares, found {len(state.removed)}")
        for row, column in state.removed:
            if not (1 <= row <= state.rows and 1 <= column <= state.columns):
                raise ValueError(f"removed: expected squares of a {state.rows} x {state.columns} board, found row {row}, column {column}")
        if list(state.removed) != sorted(set(state.removed)):
            raise ValueError("removed: expected distinct squares in reading order, found another order or a square twice")
        left = state.rows * state.columns - len(state.removed)
        if left % 2:
            raise ValueError(f"removed: expected an even number of squares to remain, found {left}")
        if state.query and state != _posed(state):
            raise ValueError(f"query: expected the size of the board and the number of missing squares, found {state.query}")

    def paint(self, state: State, side: int) -> Image.Image:
        frame = 0.3
        canvas = Canvas(side, aspect=(state.columns + 2 * frame) / (state.rows + 2 * frame), background=_FRAME)
        cell = canvas.width / (state.columns + 2 * frame)
        removed = set(state.removed)
        for row, column in itertools.product(range(1, state.rows + 1), range(1, state.columns + 1)):
            color = PAPER if (row, column) in removed else _LIGHT if (row + column) % 2 else _DARK
            x, y = (column - 1 + frame) * cell, (row - 1 + frame) * cell
            canvas.rect(x, y, x + cell, y + cell, color)
        return canvas.image

    def ask(self, state: State) -> str:
        query = asked(state.query)
        total, removed = query.rows * query.columns, query.removed
        left, cells = total - removed, "cell" if removed == 1 else "cells"
        have = "square has" if removed == 1 else "squares have"
        return (
            f"The image shows a checkerboard that originally had {query.rows} rows and {query.columns} columns, {total} squares in all, in "
            f"a chequered pattern of light yellow and dark yellow. {_COUNTS[removed]} {have} been removed; the image shows the empty "
            f"{cells} in white. You have {left // 2} dominoes of size 2 * 1, each of which may also be turned to lie as 1 * 2. Is it "
            f"possible to place all {left // 2} dominoes on the board so that they exactly cover the remaining {left} squares? Answer Yes "
            "or No."
        )

    def solve(self, state: State) -> str:
        return "Yes" if _coverable(state) else "No"

    def distractors(self, state: State) -> Sequence[str]:
        return ["No" if _coverable(state) else "Yes"]

    def kind(self, state: State) -> str:
        return f"{state.rows} x {state.columns}, {len(state.removed)} removed"

    def describe(self, state: State) -> str:
        squares = ", ".join(f"({row}, {column})" for row, column in state.removed)
        return f"Board: {state.rows} rows x {state.columns} columns\nRemoved squares (row, column): {squares}"

    def parse(self, text: str) -> State:
        removed = _squares(text)
        if not removed:
            raise Unreadable("removed", "no square of the form (row, column)")
        rest = _PAIR.sub(" ; ", text)
        rows, columns = _size(rest)
        return State(rows, columns, removed)

    def facts(self, state: State) -> Mapping[str, str]:
        return {f"row {row}, column {column}": "removed" for row, column in state.removed}

    def claims(self, text: str) -> Mapping[str, str]:
        return {f"row {row}, column {column}": "removed" for row, column in attempt(text, _squares) or ()}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        removed = sorted((int(r) + 1, int(c) + 1) for r, c in solution["removed_positions"])
        state = State(int(solution["rows"]), int(solution["columns"]), tuple(removed))
        self.check(state)
        return _posed(state)


def _posed(state: State) -> State:
    """`state` with the question that belongs to it."""
    return replace(state, query=Query(state.rows, state.columns, len(state.removed)))


def _squares(text: str) -> tuple[Square, ...]:
    found = {(int(m[1] or m[3] or m[5]), int(m[2] or m[4] or m[6])) for m in _PAIR.finditer(text)}
    return tuple(sorted(found))


def _size(text: str) -> Square:
    """The number of rows and of columns that `text`, without the squares in it, states."""
    rows = {int(m[1] or m[2]) for m in _ROWS.finditer(text)}
    columns = {int(m[1] or m[2]) for m in _COLUMNS.finditer(text)}
    sizes = {(int(m[1] or m[3]), int(m[2] or m[4])) for m in _SIZE.finditer(text)}
    rows |= {r for r, _ in sizes}
    columns |= {c for _, c in sizes}
    for field, values in (("rows", rows), ("columns", columns)):
        if len(values) != 1:
            raise Unreadable(field, f"several numbers: {sorted(values)}" if values else "not stated (expected 'Board: 7 rows x 8 columns')")
    return rows.pop(), columns.pop()


def _neighbours(square: Square) -> tuple[Square, ...]:
    row, column = square
    return (row, column + 1), (row + 1, column), (row, column - 1), (row - 1, column)


def _coverable(state: State) -> bool:
    """Whether dominoes cover the board: every dark square is matched with a light one along augmenting paths (Kuhn)."""
    removed = set(state.removed)
    squares = {square for square in itertools.product(range(1, state.rows + 1), range(1, state.columns + 1)) if square not in removed}
    dark = [square for square in squares if sum(square) % 2 == 0]
    if 2 * len(dark) != len(squares):
        return False
    partner: dict[Square, Square] = {}

    def augment(square: Square, tried: set[Square]) -> bool:
        near = [light for light in _neighbours(square) if light in squares and light not in tried]
        for light in near:
            if light not in partner:
                partner[light] = square
                return True
        for light in near:
            if light not in tried:
                tried.add(light)
                if augment(partner[light], tried):
                    partner[light] = square
                    return True
        return False

    return all(augment(square, set()) for square in sorted(dark))


def _holes(rng: random.Random, rows: int, columns: int, count: int, *, even: bool, trap: bool) -> tuple[Square, ...]:
    """`count` random squares to remove.

    With `even`, as many of either colour remain; else not. An even board is tilable nearly always (R. E. Gomory's argument for two holes),
    so with `trap` both neighbours of a corner go too, which leaves the corner alone; nothing is returned where `count` does not allow it.
    """
    dark = [square for square in itertools.product(range(1, rows + 1), range(1, columns + 1)) if sum(square) % 2 == 0]
    light = [square for square in itertools.product(range(1, rows + 1), range(1, columns + 1)) if sum(square) % 2]
    balanced = (count + len(dark) - len(light)) // 2
    if not even:
        darks = rng.choice([n for n in range(count + 1) if n != balanced])
        return tuple(sorted(rng.sample(dark, darks) + rng.sample(light, count - darks)))
    forced: list[Square] = []
    corner = (rng.choice((1, rows)), rng.choice((1, columns)))
    pools = [(dark, balanced), (light, count - balanced)]
    if trap:
        forced = [square for square in _neighbours(corner) if 1 <= square[0] <= rows and 1 <= square[1] <= columns]
        pools = [([s for s in pool if s != corner and s not in forced], n - (len(forced) if forced[0] in pool else 0)) for pool, n in pools]
    if any(n < 0 or n > len(pool) for pool, n in pools):
        return ()
    return tuple(sorted(forced + [square for pool, n in pools for square in rng.sample(pool, n)]))
