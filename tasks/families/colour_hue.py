"""Colour hues: the fewest swaps that bring shuffled tiles back into the order of a gradient (AlgoPuzzleVQA `colour_hue`).

Visible: the tiles of board (A), shuffled, and of board (B), ideal. A description names each tile by its colour as a hex code, so whoever
reads it still has to match the boards. A model cannot read exact codes off a picture, and need not: what matters is which tile of (B) each
tile of (A) is. So in reading, the colours of (B) are taken as they are written and each tile of (A) is taken for the nearest colour of (B)
(least squares in RGB, at most `_REACH` away); where two tiles of (A) would become the same tile of (B), the text is unreadable. The facts
are the matches, not the codes. A swap joins or splits cycles of the permutation, hence the answer: tiles less cycles (A. Cayley, 1849).
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageColor

from tasks.family import Family, asked
from tasks.kit.drawing import Canvas, Color
from tasks.kit.notation import Unreadable, attempt, nearby, same_amount, sections

Board = tuple[tuple[str, ...], ...]
"""Rows of colours as "#rrggbb"."""

_REACH = 48.0
"""Greatest distance in RGB (0-255 a channel) at which a tile of (A) is taken for one of (B)."""
_MOST = 36
"""Most tiles that are drawn or read."""
_SHAPES = {1: ((1, 4),), 2: ((1, 4), (1, 5)), 3: ((1, 6), (1, 7)), 4: ((1, 8), (2, 4), (2, 5)), 5: ((1, 10), (2, 6), (3, 4))}
"""Level -> rows and columns of a board."""
_STEP = 22.0
"""Least distance in RGB between two tiles of a generated board, so that neighbours can be told apart."""

_HEX = re.compile(r"#[0-9a-f]{6}")
_MARK = re.compile(
    r"\((?:(a)|b)\)|\b(?:board|picture|grid|state|row|image|panel) (?:(a)|b)\b|^(?:(a)|b) ?[:=]"
    r"|\b(?:(shuffled|random|current|start(?:ing)?)|ideal|target|goal|solved)\b",
    re.MULTILINE,
)
_COLOR = re.compile(
    r"#([0-9a-f]{6}|[0-9a-f]{3})\b|(?:\brgb ?)?[(\[] ?(\d{1,3}) ?, ?(\d{1,3}) ?, ?(\d{1,3}) ?[)\]]"
    r"|\b(dark|light|medium|deep|pale|hot|bright|vivid)?[ -]?([a-z]+)\b"
)
_NAMED: Mapping[str, str] = {name: str(code) for name, code in ImageColor.colormap.items()}


@dataclass(frozen=True, slots=True)
class Query:
    """What the question states of the boards: their size in tiles."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class State:
    """Visible: the `shuffled` board (A) and the `ideal` board (B), of one shape and with the same distinct tiles."""

    shuffled: Board
    ideal: Board
    query: Query | None = None


class ColourHue(Family[State]):
    """A shuffled colour gradient."""

    name = "colour_hue"
    title = "colour gradient"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        rows, columns = rng.choice(_SHAPES[level])
        tiles = _gradient(rng, rows, columns)
        order = list(range(len(tiles)))
        cycle = list(order)  # cycle[i]: the name of the cycle that place i is on
        for _ in range(rng.randint(1, len(tiles) - 1)):
            i, j = rng.sample(order, 2)
            while cycle[i] == cycle[j]:
                i, j = rng.sample(order, 2)
            order[i], order[j] = order[j], order[i]
            cycle = [cycle[i] if name == cycle[j] else name for name in cycle]
        return State(_board([tiles[index] for index in order], columns), _board(tiles, columns), Query(rows, columns))

    def check(self, state: State) -> None:
        for field, board in (("shuffled", state.shuffled), ("ideal", state.ideal)):
            tiles = _tiles(board)
            if not 2 <= len(tiles) <= _MOST or len({len(row) for row in board}) != 1:
                raise ValueError(
                    f"{field}: expected equal rows with 2 to {_MOST} tiles in all, found rows of {[len(row) for row in board]}"
                )
            wrong = [tile for tile in tiles if not _HEX.fullmatch(tile)]
            if wrong:
                raise ValueError(f"{field}: expected colours of the form #rrggbb in lower case, found {wrong[0]!r}")
            if len(set(tiles)) != len(tiles):
                raise ValueError(
                    f"{field}: expected tiles of different colours, found {next(t for t in tiles if tiles.count(t) > 1)} twice"
                )
        if len(state.shuffled) != len(state.ideal) or sorted(_tiles(state.shuffled)) != sorted(_tiles(state.ideal)):
            raise ValueError("shuffled: expected the tiles and the shape of the ideal board, found others")
        if state.query and state.query != _size(state.ideal):
            raise ValueError(f"query: expected {_size(state.ideal)}, found {state.query}")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side, aspect=2)
        for board, label, left in ((state.shuffled, "(A)", 28), (state.ideal, "(B)", 476)):
            height, width = 368 / len(board), 392 / len(board[0])
            for r, row in enumerate(board):
                for c, tile in enumerate(row):
                    x, y = left + c * width, 16 + r * height
                    canvas.rect(x, y, x + width, y + height, _rgb(tile))
            canvas.text(left + 196, 416, label, 40, bold=True)
        return canvas.image

    def ask(self, state: State) -> str:
        query = asked(state.query)
        return (
            f"A board of {query.rows} * {query.columns} tiles has {query.rows * query.columns} tiles, no two of the same colour. (A) shows "
            "the board in a shuffled state, (B) in its ideal state. A swap consists of choosing any two tiles on the board and exchanging "
            "their positions. What is the minimum number of swaps that turn (A) into (B)?"
        )

    def solve(self, state: State) -> str:
        place = {tile: index for index, tile in enumerate(_tiles(state.ideal))}
        order = [place[tile] for tile in _tiles(state.shuffled)]
        cycles, seen = 0, set[int]()
        for index in order:
            cycles += index not in seen
            while index not in seen:
                seen.add(index)
                index = order[index]
        return str(len(order) - cycles)

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=(state.shuffled, state.ideal))

    def same(self, a: str, b: str) -> bool:
        return same_amount(a, b, "swap")

    def kind(self, state: State) -> str:
        query = asked(state.query)
        return f"{query.rows} x {query.columns}"

    def describe(self, state: State) -> str:
        return "\n".join(
            f"{label}: {' / '.join(' '.join(row) for row in board)}" for label, board in (("(A)", state.shuffled), ("(B)", state.ideal))
        )

    def parse(self, text: str) -> State:
        ideal, shuffled = _stated(text, "ideal"), _stated(text, "shuffled")
        if [len(row) for row in ideal] != [len(row) for row in shuffled]:
            raise Unreadable(
                "shuffled", f"expected the shape of the ideal board, {len(_tiles(ideal))} tiles, found {len(_tiles(shuffled))}"
            )
        return State(_snapped(shuffled, ideal), ideal)

    def facts(self, state: State) -> Mapping[str, str]:
        place = {tile: index for index, tile in enumerate(_tiles(state.ideal), 1)}
        return {f"tile {index} of (A)": f"tile {place[tile]} of (B)" for index, tile in enumerate(_tiles(state.shuffled), 1)}

    def claims(self, text: str) -> Mapping[str, str]:
        boards = attempt(text, lambda tidied: (_tiles(_stated(tidied, "shuffled")), _tiles(_stated(tidied, "ideal"))))
        if boards is None or len(set(boards[1])) != len(boards[1]):
            return {}
        nearest = ((index, *_nearest(tile, boards[1])) for index, tile in enumerate(boards[0], 1))
        return {f"tile {index} of (A)": f"tile {match + 1} of (B)" for index, match, distance in nearest if distance <= _REACH}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        shuffled, ideal = (
            tuple(tuple("#" + bytes(map(int, tile)).hex() for tile in line) for line in solution[key])
            for key in ("shuffled_grid", "ideal_grid")
        )
        self.check(State(shuffled, ideal))
        return State(shuffled, ideal, _size(ideal))


def _size(board: Board) -> Query:
    return Query(len(board), len(board[0]))


def _tiles(board: Board) -> list[str]:
    return [tile for row in board for tile in row]


def _board(tiles: Sequence[str], columns: int) -> Board:
    return tuple(tuple(tiles[start : start + columns]) for start in range(0, len(tiles), columns))


def _rgb(tile: str) -> Color:
    red, green, blue = bytes.fromhex(tile[1:])
    return red, green, blue


def _distance(a: str, b: str) -> float:
    return sum((x - y) ** 2 for x, y in zip(_rgb(a), _rgb(b), strict=True)) ** 0.5


def _nearest(tile: str, tiles: Sequence[str]) -> tuple[int, float]:
    """The index in `tiles` of the colour nearest to `tile`, and its distance in RGB."""
    distances = [_distance(tile, other) for other in tiles]
    return distances.index(min(distances)), min(distances)


def _gradient(rng: random.Random, rows: int, columns: int) -> list[str]:
    """The tiles of a board between random corner colours, in reading order, no two closer than `_STEP` in RGB."""
    while True:
        corners = [[rng.randint(20, 245) for _ in range(3)] for _ in range(2 if rows == 1 else 4)]
        tiles: list[str] = []
        for r in range(rows):
            down = r / (rows - 1) if rows > 1 else 0.0
            ends = [[a + (b - a) * down for a, b in zip(corners[k], corners[k + 2 if rows > 1 else k], strict=True)] for k in (0, 1)]
            for c in range(columns):
                right = c / (columns - 1)
                tiles.append("#" + bytes(round(a + (b - a) * right) for a, b in zip(*ends, strict=True)).hex())
        if all(_distance(a, b) >= _STEP for i, a in enumerate(tiles) for b in tiles[:i]):
            return tiles


# -- reading ---------------------------------------------------------------------------------------------------------------------------
def _stated(text: str, side: str) -> Board:
    """The board that follows the marks of `side` ("(A)", "shuffled", ... or "(B)", "ideal", ...)."""
    found: set[Board] = set()
    for mark, body in sections(text, _MARK):
        if ("shuffled" if mark.lastindex else "ideal") != side:
            continue
        rows = [row for row in (_colors(line, side) for line in re.split(r"[/\n]", body, maxsplit=3 * _MOST)) if row]
        if rows:
            found.add(tuple(rows) if len(rows[0]) > 1 else (tuple(tile for row in rows for tile in row),))
    if len(found) != 1:
        raise Unreadable(
            side, "stated twice, differently" if found else "no colours behind " + ("'(A):'" if side == "shuffled" else "'(B):'")
        )
    return found.pop()


def _colors(line: str, side: str) -> tuple[str, ...]:
    """The colours that `line` lists: its codes, or its colour names where it has no code."""
    codes: list[str] = []
    names: list[str] = []
    for match in _COLOR.finditer(line[:1000]):
        code, red, green, blue, shade, name = match.groups()
        if code:
            codes.append("#" + (code if len(code) == 6 else "".join(2 * digit for digit in code)))
        elif red:
            if max(int(red), int(green), int(blue)) > 255:
                raise Unreadable(side, f"expected channels from 0 to 255, found {match[0]!r}")
            codes.append("#" + bytes(map(int, (red, green, blue))).hex())
        elif name in _NAMED:
            names.append((shade or "") + name)
    unknown = [name for name in names if name not in _NAMED]
    if unknown and not codes:
        raise Unreadable(side, f"expected hex codes or CSS names, found {unknown[0]!r}")
    return tuple(codes or (_NAMED[name] for name in names))


def _snapped(shuffled: Board, ideal: Board) -> Board:
    """`shuffled` with every tile replaced by the nearest of `ideal` (see the module's first lines)."""
    targets, taken = _tiles(ideal), dict[int, int]()
    for index, tile in enumerate(_tiles(shuffled), 1):
        match, distance = _nearest(tile, targets)
        if distance > _REACH:
            raise Unreadable("shuffled", f"tile {index}, {tile}, is like no tile of (B)")
        if match in taken:
            raise Unreadable("shuffled", f"tiles {taken[match]} and {index} are both like tile {match + 1} of (B)")
        taken[match] = index
    return _board([targets[match] for match, _ in sorted(taken.items(), key=lambda item: item[1])], len(ideal[0]))
