"""Rubik's cube: how many squares of one colour a face shows after some turns (AlgoPuzzleVQA `rubiks_cube`).

Visible: the net of the cube, up above front, then left, front, right and back in a row, and down below front. Every face is read as it is
drawn: folding the net brings the lower edge of up and the upper edge of down to front, and back is seen from behind. A letter turns its
face by 90 degrees clockwise as seen from outside. A state must be made of the cube's own pieces; whether it can be reached by turning alone
(a cube taken apart may not be) is not asked.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from PIL import Image

from tasks.family import Family, asked
from tasks.kit.drawing import COLORS, INK, Canvas
from tasks.kit.notation import Unreadable, attempt, nearby

FaceName = Literal["up", "left", "front", "right", "back", "down"]
ColorName = Literal["red", "green", "blue", "yellow", "orange", "grey"]
Line = tuple[ColorName, ColorName, ColorName]
Face = tuple[Line, Line, Line]

_FACES: tuple[FaceName, ...] = get_args(FaceName)
_COLORS: tuple[ColorName, ...] = get_args(ColorName)
_LETTERS: Mapping[str, FaceName] = {name[0].upper(): name for name in _FACES}
_MOVES = re.compile(r"[UDLRFB][1-9]?(?: [UDLRFB][1-9]?)*")
_SCRAMBLE = {1: (0, 0), 2: (0, 0), 3: (1, 2), 4: (2, 4), 5: (12, 16)}
"""Level -> fewest and most turns before the picture. The public set shows solved cubes."""
_TURNS = {1: (1, 1), 2: (2, 2), 3: (2, 3), 4: (3, 3), 5: (3, 5)}
"""Level -> fewest and most moves asked for. The public set has one to three."""

_STRIPS = {
    "U": "F012 L012 B012 R012",
    "D": "F678 R678 B678 L678",
    "L": "U036 F036 D036 B852",
    "R": "F258 U258 B630 D258",
    "F": "U678 R036 D210 L852",
    "B": "U012 L630 D876 R258",
}
"""Turned face -> the four strips around it, each as a face and three squares of it (0-8, row by row), in the order in which a clockwise
quarter turn passes them on."""
_FACE_CYCLES = ((0, 2, 8, 6), (1, 5, 7, 3))
_CORNERS = "U8R0F2 U6F0L2 U0L0B2 U2B0R2 D2F8R6 D0L8F6 D6B8L6 D8R8B6"
_EDGES = "U5R1 U7F1 U3L1 U1B1 D5R7 D1F7 D3L7 D7B7 F5R3 F3L5 B5L3 B3R5"
"""The pieces, each as its squares; those of a corner clockwise."""
_PLACES: Mapping[FaceName, tuple[int, int]] = {
    "up": (0, 1),
    "left": (1, 0),
    "front": (1, 1),
    "right": (1, 2),
    "back": (1, 3),
    "down": (2, 1),
}
"""Row and column of a face in the net."""

_FACE_WORDS: Mapping[str, FaceName] = {
    **{name: name for name in _FACES},
    "upper": "up",
    "top": "up",
    "rear": "back",
    "lower": "down",
    "bottom": "down",
}
_WORD = re.compile(r"\b(?:(up|upper|top|left|front|right|back|rear|down|lower|bottom)(?! (?:row|column|line|edge|of\b))|([udlrfb]) ?:)")
_COLOR = re.compile(rf"\b({'|'.join(_COLORS)}|gray)\b")


@dataclass(frozen=True, slots=True)
class Query:
    """The `moves` in the notation of the question ("U R3"), and the `colour` that is counted on `face` after them."""

    moves: str
    face: FaceName
    colour: ColorName


@dataclass(frozen=True, slots=True)
class State:
    """Visible: the six faces, each three rows of three colours as drawn in the net."""

    up: Face
    left: Face
    front: Face
    right: Face
    back: Face
    down: Face
    query: Query | None = None


class RubiksCube(Family[State]):
    """The net of a 3 x 3 x 3 cube."""

    name = "rubiks_cube"
    title = "Rubik's cube"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        colors = rng.sample(_COLORS, len(_COLORS))
        solved: list[ColorName] = [color for color in colors for _ in range(9)]
        squares = _turned(solved, _random_moves(rng, rng.randint(*_SCRAMBLE[level])))
        moves = _random_moves(rng, rng.randint(*_TURNS[level]))
        after = _turned(squares, moves)
        counts: dict[int, list[tuple[FaceName, ColorName]]] = {}
        for index, face in enumerate(_FACES):
            for color in _COLORS:
                counts.setdefault(after[9 * index : 9 * index + 9].count(color), []).append((face, color))
        face, color = rng.choice(counts[rng.choice(sorted(counts))])  # else most answers would be small
        return _state(squares, Query(moves, face, color))

    def check(self, state: State) -> None:
        squares = _squares(state)
        for color in _COLORS:
            if (found := squares.count(color)) != 9:
                raise ValueError(f"{color}: expected nine squares, found {found}")
        centers = squares[4::9]
        if len(set(centers)) != 6:
            raise ValueError(f"centres: expected six different colours, found {', '.join(centers)}")
        solved: list[ColorName] = [color for color in centers for _ in range(9)]
        if strange := sorted(set(_pieces(squares)) - set(_pieces(solved))):
            raise ValueError(f"pieces: expected those of a cube with these centres, found one of {', '.join(strange[0])}")
        if len(set(_pieces(squares))) != 20:
            raise ValueError("pieces: expected twenty different ones, found one twice")
        if state.query and not _MOVES.fullmatch(state.query.moves):
            raise ValueError(f"query: expected moves such as 'U R3', found {state.query.moves!r}")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side, base=_net(side))
        squares = _squares(state)
        for index, face in enumerate(_FACES):
            x, y = _corner(face)
            for at in range(9):
                left, top = x + at % 3 * _SQUARE, y + at // 3 * _SQUARE
                canvas.rect(left + 3, top + 3, left + _SQUARE - 3, top + _SQUARE - 3, COLORS[squares[9 * index + at]])
        return canvas.image

    def ask(self, state: State) -> str:
        query = asked(state.query)
        return (
            "A 3 * 3 Rubik's Cube has six different coloured panels: red, green, blue, yellow, orange, and grey. The initial state of "
            "the cube in terms of the different colour positions in its six faces is shown in the image. To represent the movements "
            "of the cube we use six letters: U for Up, D for Down, L for Left, R for Right, F for Front, B for Back. These letters "
            "are used in sequence where you need to perform each letter in the sequence from left to right. Each letter tells you to "
            "move that face clockwise by 90 degrees. A number 'n' immediately after a letter denotes that you need to move that face "
            "clockwise by 90 * n degrees. For example, 'U R3' would mean rotating the up face 90 degrees clockwise and then rotating "
            "the right face 270 degrees clockwise. You perform the move "
            f"sequence '{query.moves}' starting from the state shown in the image. What would be the number of small 1 * 1 {query.colour} "
            f"squares in the {query.face} face after completing the move sequence?"
        )

    def solve(self, state: State) -> str:
        query = asked(state.query)
        first = 9 * _FACES.index(query.face)
        return str(_turned(_squares(state), query.moves)[first : first + 9].count(query.colour))

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=_squares(state), high=9)

    def kind(self, state: State) -> str:
        return str(len(asked(state.query).moves.split()))

    def describe(self, state: State) -> str:
        lines = ["Net of a cube: up above front; left, front, right and back in a row; down below front. Three rows a face:"]
        squares = _squares(state)
        for index, face in enumerate(_FACES):
            rows = [" ".join(squares[9 * index + at : 9 * index + at + 3]) for at in (0, 3, 6)]
            lines.append(f"{face.capitalize()}: {' / '.join(rows)}")
        return "\n".join(lines)

    def parse(self, text: str) -> State:
        faces = _read_faces(text)
        if missing := [face for face in _FACES if face not in faces]:
            raise Unreadable(missing[0], "expected nine colours, found none")
        for face, colors in faces.items():
            if len(colors) != 9:
                raise Unreadable(face, f"expected nine colours, found {len(colors)}")
        squares: list[ColorName] = [color for face in _FACES for color in faces[face]]
        return _state(squares, None)

    def facts(self, state: State) -> Mapping[str, str]:
        squares = _squares(state)
        return {_slot(face, at): squares[9 * index + at] for index, face in enumerate(_FACES) for at in range(9)}

    def claims(self, text: str) -> Mapping[str, str]:
        faces = attempt(text, _read_faces) or {}
        return {_slot(face, at): color for face, colors in faces.items() if len(colors) == 9 for at, color in enumerate(colors)}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        start = solution["start_position"]
        squares: list[ColorName] = [_color(square) for face in _FACES for line in start[face] for square in line]
        if len(squares) != 54:
            raise ValueError(f"start_position: expected six faces of nine squares, found {len(squares)} squares")
        face = str(solution["query_face"]).lower()
        if face not in _FACES:
            raise ValueError(f"query_face: expected one of {', '.join(_FACES)}, found {face!r}")
        return _state(squares, Query(" ".join(str(solution["moves"]).split()), face, _color(solution["query_colour"])))


def _slot(face: str, at: int) -> str:
    return f"{face}, row {at // 3 + 1}, column {at % 3 + 1}"


def _color(word: object) -> ColorName:
    name = str(word).lower().replace("gray", "grey")
    for color in _COLORS:
        if color == name:
            return color
    raise ValueError(f"colour: expected one of {', '.join(_COLORS)}, found {word!r}")


# -- the cube as 54 squares: the faces in the order of _FACES, each row by row ---------------------------------------------------------
def _squares(state: State) -> list[ColorName]:
    faces = (state.up, state.left, state.front, state.right, state.back, state.down)
    return [color for face in faces for line in face for color in line]


def _state(squares: Sequence[ColorName], query: Query | None) -> State:
    def line(at: int) -> Line:
        return squares[at], squares[at + 1], squares[at + 2]

    up, left, front, right, back, down = ((line(at), line(at + 3), line(at + 6)) for at in range(0, 54, 9))
    return State(up, left, front, right, back, down, query)


def _indices(code: str) -> tuple[int, ...]:
    """The squares that `code` names: "F012" are three of the front face, "U8R0F2" one each of three faces."""
    found: list[int] = []
    face = 0
    for sign in code:
        if sign.isdigit():
            found.append(9 * face + int(sign))
        else:
            face = _FACES.index(_LETTERS[sign])
    return tuple(found)


@cache
def _quarter(letter: str) -> tuple[int, ...]:
    """A clockwise quarter turn: for every square, the square whose colour it takes over."""
    source = list(range(54))
    base = 9 * _FACES.index(_LETTERS[letter])
    around = zip(*(_indices(strip) for strip in _STRIPS[letter].split()), strict=True)
    for cycle in [*(tuple(base + at for at in cycle) for cycle in _FACE_CYCLES), *around]:
        for giver, taker in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            source[taker] = giver
    return tuple(source)


def _turned(squares: Sequence[ColorName], moves: str) -> list[ColorName]:
    turned: list[ColorName] = list(squares)
    for move in moves.split():
        for _ in range(int(move[1:] or "1") % 4):
            turned = [turned[at] for at in _quarter(move[0])]
    return turned


@cache
def _piece_places() -> tuple[tuple[int, ...], ...]:
    return tuple(_indices(code) for code in f"{_CORNERS} {_EDGES}".split())


def _pieces(squares: Sequence[ColorName]) -> Iterator[tuple[ColorName, ...]]:
    """The colours of every piece, in the piece's own sense of rotation, from the first in the alphabet on."""
    for place in _piece_places():
        colors: tuple[ColorName, ...] = tuple(squares[at] for at in place)
        first = colors.index(min(colors))
        yield colors[first:] + colors[:first]


def _random_moves(rng: random.Random, count: int) -> str:
    """`count` moves, no two in a row of the same face."""
    moves: list[str] = []
    letters = sorted(_LETTERS)
    for _ in range(count):
        letter = rng.choice([letter for letter in letters if not moves or moves[-1][0] != letter])
        moves.append(letter + rng.choice(("", "2", "3")))
    return " ".join(moves)


# -- text ------------------------------------------------------------------------------------------------------------------------------
def _read_faces(text: str) -> dict[FaceName, list[ColorName]]:
    """The colours that follow the name of each face, up to the next name; a single one stands for the whole face."""
    faces: dict[FaceName, list[ColorName]] = {}
    names = list(_WORD.finditer(text))
    stops = [*(name.start() for name in names[1:]), len(text)]
    for name, stop in zip(names, stops, strict=False):
        colors: list[ColorName] = [_color(word) for word in _COLOR.findall(text, name.end(), stop)]
        if not colors:
            continue
        face = _FACE_WORDS[name[1]] if name[1] else _LETTERS[name[2].upper()]
        colors = colors * 9 if len(colors) == 1 else colors
        if faces.setdefault(face, colors) != colors:
            raise Unreadable(face, "stated twice, differently")
    return faces


# -- drawing ---------------------------------------------------------------------------------------------------------------------------
_SQUARE = 60.0
_GAP_X, _GAP_Y = 44.0, 44.0


def _corner(face: FaceName) -> tuple[float, float]:
    row, column = _PLACES[face]
    return 22 + column * (3 * _SQUARE + _GAP_X), _GAP_Y - 4 + row * (3 * _SQUARE + _GAP_Y)


@cache
def _net(side: int) -> Image.Image:
    canvas = Canvas(side, aspect=4 / 3)
    for face in _FACES:
        x, y = _corner(face)
        canvas.rect(x - 3, y - 3, x + 3 * _SQUARE + 3, y + 3 * _SQUARE + 3, INK)
        canvas.text(x + 1.5 * _SQUARE, y - 22, face.capitalize(), 27)
    return canvas.image
