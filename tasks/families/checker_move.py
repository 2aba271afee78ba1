"""Checkers in a row: how many moves lead from one arrangement to another (AlgoPuzzleVQA `checker_move`)?

Visible: the two arrangements; the question states only how many checkers there are. Green checkers move right, red ones left, by a step
into the empty square or by a jump over one checker of the other colour. Nothing ever moves back, so the arrangements within reach are few
and a breadth-first search is exact; every way to the end has the same length (the squares travelled less one for every pair that has to
pass, since a pair passes by one jump).
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from PIL import Image

from tasks.family import Family, asked
from tasks.kit.drawing import FAINT, INK, PAPER, Canvas, Color
from tasks.kit.notation import NUMBER_WORDS, Unreadable, attempt, nearby, same_amount, sections

_NAMES = {"G": "green", "R": "red", "_": "empty"}
_CHECKER: Mapping[str, Color] = {"green": (6, 84, 44), "red": (238, 66, 54)}
_MOST = 13
"""Most squares that are drawn or read."""
_CHECKERS = {1: (1, 3), 2: (2, 3), 3: (2, 4), 4: (3, 4), 5: (3, 5)}
"""Level -> fewest and most checkers of a colour."""
_LENGTHS = {1: (2, 6), 2: (3, 9), 3: (4, 12), 4: (6, 16), 5: (9, 22)}
"""Level -> fewest and most moves."""

_SIDES = re.compile(
    r"\b(?:(start(?:s|ing)?|initial(?:ly)?|begin(?:s|ning)?|top|upper|before)|(?:end(?:s|ing)?|final(?:ly)?|goal|target|bottom|lower|after))\b"
)
_BREAK = re.compile(r"[\s,|/()\[\]{}'\"=>]+")
_AMOUNTS = {str(n): n for n in range(1, _MOST + 1)} | {word: n for n, word in enumerate(NUMBER_WORDS) if 1 <= n <= _MOST}
_BLANK_CELL = re.compile(r"\| ?(?=\|)")
_SENTENCE = re.compile(r"(?<=\w)[.;](?=\s)|\n")
_WORDS = {"green": "G", "greens": "G", "red": "R", "reds": "R"} | dict.fromkeys(
    ("empty", "blank", "vacant", "unoccupied", "free", "gap", "space", "hole", "none", "e"), "_"
)


@dataclass(frozen=True, slots=True)
class Query:
    """What the question states of the row: the numbers of squares, of green and of red checkers."""

    squares: int
    green: int
    red: int


@dataclass(frozen=True, slots=True)
class State:
    """Visible: the starting and the ending arrangement, one letter a square from left to right: "G" green, "R" red, "_" empty."""

    start: str
    end: str
    query: Query | None = None


class CheckerMove(Family[State]):
    """Green and red checkers that pass each other in a row of squares."""

    name = "checker_move"
    title = "checkers in a row"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        length = rng.randint(*_LENGTHS[level])
        while True:
            green, red = rng.randint(*_CHECKERS[level]), rng.randint(*_CHECKERS[level])
            start = "G" * green + "_" + "R" * red
            for _ in range(rng.choice((0, 0, 1, 2, 3, 4))):
                start = rng.choice(moves_from(start) or [start])
            if length < 7 and rng.random() < 0.6:  # any arrangement; few of them lead far
                start = "".join(rng.sample(start, len(start)))
            reached = _layers(start)
            if length < len(reached):
                return _posed(State(start, rng.choice(reached[length])))

    def check(self, state: State) -> None:
        for field, row in (("start", state.start), ("end", state.end)):
            if not 3 <= len(row) <= _MOST or set(row) - set(_NAMES):
                raise ValueError(f"{field}: expected 3 to {_MOST} squares out of G, R and _, found {row[: _MOST + 3]!r}")
            if row.count("_") != 1:
                raise ValueError(f"{field}: expected one empty square, found {row.count('_')}")
        if sorted(state.start) != sorted(state.end):
            raise ValueError(f"end: expected the checkers of the start ({state.start}), found {state.end}")
        if _distance(state.start, state.end) is None:
            raise ValueError(f"end: expected an arrangement that {state.start} leads to, found {state.end}")
        if state.query and state != _posed(state):
            raise ValueError(f"query: expected the numbers of squares and checkers of {state.start}, found {state.query}")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side, aspect=1.5)
        cell = min(176.0, 856 / len(state.start))
        left, half, wall = 448 - cell * len(state.start) / 2, cell / 2, max(3.0, 0.55 / canvas.scale)
        for row, middle, label, label_y in ((state.start, 176, "Start", 122 - half), (state.end, 421, "End", 473 + half)):
            canvas.text(448, label_y, label, 54, bold=True)
            canvas.rect(left - wall, middle - half - wall, left + cell * len(row) + wall, middle + half + wall, INK)
            for index, square in enumerate(row):
                x = left + cell * index
                canvas.rect(x + wall, middle - half + wall, x + cell - wall, middle + half - wall, (250, 250, 247))
                if square != "_":
                    self.draw_checker(canvas, x + half, middle, cell * 0.39, _NAMES[square])
        canvas.rect(40, 296, 856, 301, FAINT)
        return canvas.image

    def draw_checker(self, canvas: Canvas, x: float, y: float, radius: float, colour: str) -> None:
        """A checker at (x, y). Green ones are dark, red ones light and ringed, for those who see no difference of red and green."""
        canvas.disk(x, y, radius, _CHECKER[colour])
        if colour == "red":
            canvas.disk(x, y, radius * 0.72, PAPER)
            canvas.disk(x, y, radius * 0.54, _CHECKER[colour])

    def ask(self, state: State) -> str:
        query = asked(state.query)
        green, red = query.green, query.red
        return (
            f"A checker game is being played on a grid of {query.squares} squares with {green} green and {red} red checkers. Initially, "
            f"the checkers are arranged as shown in the starting configuration with the {green + red} checkers occupying {green + red} "
            "squares and one unoccupied square. Green checkers only move rightward and red checkers only move leftward. Every move is "
            "either i) a slide to the adjacent empty square, or ii) a jump over one position to an empty square, provided the checker "
            "being jumped over is of a different colour. Each square can accommodate a maximum of one checker at any time. How many moves "
            "are required to reach the ending configuration from the starting configuration following the specified rules?"
        )

    def solve(self, state: State) -> str:
        length = _distance(state.start, state.end)
        if length is None:
            raise ValueError(f"end: expected an arrangement that {state.start} leads to, found {state.end}")
        return str(length)

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=(state.start, state.end))

    def same(self, a: str, b: str) -> bool:
        return same_amount(a, b, "move")

    def kind(self, state: State) -> str:
        return f"{len(state.start)} squares, {state.start.count('G')} green"

    def describe(self, state: State) -> str:
        return f"Start: {' '.join(state.start)}\nEnd: {' '.join(state.end)}"

    def parse(self, text: str) -> State:
        rows = _rows(text)
        return State(_single(rows, "start"), _single(rows, "end"))

    def facts(self, state: State) -> Mapping[str, str]:
        return _facts({"start": state.start, "end": state.end})

    def claims(self, text: str) -> Mapping[str, str]:
        rows = attempt(text, _rows) or {}
        return _facts({side: next(iter(found)) for side, found in rows.items() if len(found) == 1})

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        state = State(str(solution["start_position"]), str(solution["end_position"]))
        self.check(state)
        return _posed(state)


def _posed(state: State) -> State:
    """`state` with the question that belongs to it."""
    return replace(state, query=Query(len(state.start), state.start.count("G"), state.start.count("R")))


def _facts(rows: Mapping[str, str]) -> dict[str, str]:
    return {f"{side}, square {index}": _NAMES[square] for side, row in rows.items() for index, square in enumerate(row, 1)}


# -- moving ----------------------------------------------------------------------------------------------------------------------------
def moves_from(row: str) -> list[str]:
    """The arrangements one move after `row`: the empty square trades places with a checker that may come to it."""
    hole = row.index("_")
    found: list[str] = []
    for step, mover in ((-1, "G"), (-2, "G"), (1, "R"), (2, "R")):
        origin = hole + step
        if not 0 <= origin < len(row) or row[origin] != mover:
            continue
        if abs(step) == 2 and row[hole + step // 2] == mover:
            continue
        squares = list(row)
        squares[hole], squares[origin] = mover, "_"
        found.append("".join(squares))
    return found


def _layers(start: str) -> list[list[str]]:
    """The arrangements that are 0, 1, 2, ... moves after `start`, each layer in a fixed order."""
    layers = [[start]]
    seen = {start}
    while layers[-1]:
        ahead = sorted({row for before in layers[-1] for row in moves_from(before)} - seen)
        seen.update(ahead)
        layers.append(ahead)
    return layers[:-1]


@lru_cache(maxsize=4096)
def _distance(start: str, end: str) -> int | None:
    """The fewest moves from `start` to `end`, or None where `end` is out of reach."""
    layer, moves = {start}, 0
    while layer:
        if end in layer:
            return moves
        layer = {row for before in layer for row in moves_from(before) if _may_become(row, end)}
        moves += 1
    return None


def _may_become(row: str, end: str) -> bool:
    """Whether no checker of `row` has gone past its place in `end` (checkers of one colour keep their order)."""
    return all(ours <= theirs for ours, theirs in zip(_places(row, "G"), _places(end, "G"), strict=True)) and all(
        ours >= theirs for ours, theirs in zip(_places(row, "R"), _places(end, "R"), strict=True)
    )


def _places(row: str, color: str) -> list[int]:
    return [index for index, square in enumerate(row) if square == color]


# -- reading ---------------------------------------------------------------------------------------------------------------------------
def _rows(text: str) -> dict[str, set[str]]:
    """The arrangements stated for "start" and for "end".

    That is what follows such a word up to the next one: the first sentence or line that lists squares, or all of them one square a line.
    """
    found: dict[str, set[str]] = {"start": set(), "end": set()}
    for side, body in {("start" if mark[1] else "end", body) for mark, body in sections(text, _SIDES)}:
        sentences = _SENTENCE.split(body, maxsplit=60)
        rows = [row for row in map(_row, [*sentences, *([". ".join(sentences)] if sentences[1:] else [])]) if len(row) > 2]
        if rows:
            found[side].add(rows[0])
    return found


def _row(sentence: str) -> str:
    """The squares that `sentence` lists, "" where it lists none. Words that name no square are passed over; "2 red" is two squares."""
    squares: list[str] = []
    count, previous = 1, ""
    for token in _BREAK.split(_BLANK_CELL.sub("| _ ", sentence[:400])):
        if token in _AMOUNTS and previous not in ("square", "position", "cell", "slot"):
            count = _AMOUNTS[token]
        else:
            squares += _squares(token) * count
            count = 1
        previous = token
    marks = set(squares)
    empty = next((mark for mark in ("_", "-", ".") if mark in marks), "_")
    return "".join("_" if square == empty else square for square in squares if square in ("G", "R", empty))


def _squares(token: str) -> list[str]:
    word = token.rstrip(":.")
    if word in _WORDS:
        return [_WORDS[word]]
    if token and not set(token) - set("gr_-."):
        return list(token.upper())
    parts = token.split("-")
    return [_WORDS[part] for part in parts] if all(part in _WORDS for part in parts) else []


def _single(rows: Mapping[str, set[str]], side: str) -> str:
    found = rows[side]
    if len(found) != 1:
        raise Unreadable(side, "stated twice, differently" if found else f"no arrangement of the form '{side.capitalize()}: G _ R R'")
    return next(iter(found))
