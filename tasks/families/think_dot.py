"""Think-a-Dot: the colours of eight flip discs after some balls have fallen through (AlgoPuzzleVQA `think_dot`).

Visible: for each disc its face and its lever, which points to the side the next ball leaves on. A ball that passes a disc leaves to that
side and tips the disc: the face changes colour and the lever points to the other side. The walls are the same in every toy:

    top left -> bottom left or middle left         middle left -> bottom left or bottom center
    top center -> middle left or middle right      middle right -> bottom center or bottom right
    top right -> middle right or bottom right

This rule reproduces `state_after_moves` of the public rows, which all start from one toy; there each disc's face also fixes its lever.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeVar, get_args

from PIL import Image

from tasks.family import Family, asked
from tasks.kit.drawing import COLORS, INK, PAPER, Canvas, Color
from tasks.kit.notation import Unreadable, attempt, nearby

Hole = Literal["left", "center", "right"]
Side = Literal["left", "right"]
ColorName = Literal["blue", "yellow"]
RowName = Literal["top", "middle", "bottom"]
Asked = Literal["top", "middle", "bottom", "all"]
Disc = tuple[RowName, Hole]
T = TypeVar("T", bound=str)

_DISCS: tuple[Disc, ...] = (
    *(("top", hole) for hole in get_args(Hole)),
    ("middle", "left"),
    ("middle", "right"),
    *(("bottom", hole) for hole in get_args(Hole)),
)
"""The discs in reading order: row, place in the row."""
_BELOW: Mapping[int, tuple[int, int]] = {0: (5, 3), 1: (3, 4), 2: (4, 7), 3: (5, 6), 4: (6, 7)}
"""Disc -> the discs that a ball meets next when it leaves to the left and to the right; below the others it leaves the toy."""
_BLUE_LEVERS: tuple[Side, ...] = ("right", "left", "right", "left", "left", "right", "left", "right")
"""Where the levers of the public toy point while the disc is blue; yellow is the other side."""
_BALLS = {1: (1, 1), 2: (2, 2), 3: (3, 3), 4: (4, 5), 5: (6, 8)}
"""Level -> fewest and most balls. The public set has one to four."""
_DRAWN = 64
"""Toys on which a question is tried to learn how often each answer is right."""
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_LEGEND = (
    "An arrow shows the side on which the next ball leaves; every ball that passes flips colour and arrow. Between the walls, "
    "top left leads to bottom left or middle left, top center to middle left or middle right, top right to middle right or bottom right; "
    "middle left to bottom left or bottom center, middle right to bottom center or bottom right."
)

_PLACES: Mapping[str, Hole] = {"left": "left", "right": "right", **dict.fromkeys(("center", "centre", "central", "middle"), "center")}
_ROWS: Mapping[str, RowName] = {"top": "top", "upper": "top", "middle": "middle", "bottom": "bottom", "lower": "bottom"}
_SIDES: Mapping[str, Side] = {"left": "left", "right": "right", "\u2199": "left", "\u2198": "right"}
_BREAKS = (";", "\n")
_COLORS: Mapping[str, ColorName] = {"blue": "blue", "yellow": "yellow"}
_TOKEN = re.compile(
    r"\b(?:top|upper(?= row)|middle|bottom|lower(?= row)|row|left|center|centre|central|right|blue|yellow)\b|[\u2198\u2199;\n]"
)
_PANEL: Color = (246, 240, 228)
_WALL: Color = (150, 110, 80)


@dataclass(frozen=True, slots=True)
class Query:
    """The holes into which balls are dropped (`moves`), then what is counted: faces of `colour` in `row` ("all": in the whole toy)."""

    moves: tuple[Hole, ...]
    colour: ColorName
    row: Asked


@dataclass(frozen=True, slots=True)
class State:
    """Visible: the `faces` and the `levers` of the eight discs in reading order (three, two, three)."""

    faces: tuple[ColorName, ...]
    levers: tuple[Side, ...]
    query: Query | None = None


class ThinkDot(Family[State]):
    """A toy with eight flip discs and three holes."""

    name = "think_dot"
    title = "Think-a-Dot toy"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        state = _toy_state(rng, None)
        query = Query(
            moves=tuple(rng.choices(get_args(Hole), k=rng.randint(*_BALLS[level]))),
            colour=rng.choice(get_args(ColorName)),
            row=rng.choice((*get_args(Asked), "all")),  # the whole toy has the most answers
        )
        return replace(state, query=query)

    def check(self, state: State) -> None:
        for field, values in (("faces", state.faces), ("levers", state.levers)):
            if len(values) != len(_DISCS):
                raise ValueError(f"{field}: expected {len(_DISCS)}, found {len(values)}")
        if state.query and not 1 <= len(state.query.moves) < len(_NUMBERS):
            raise ValueError(f"query: expected 1 to {len(_NUMBERS) - 1} balls, found {len(state.query.moves)}")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side, base=_toy(side))
        for (row, place), face, lever in zip(_DISCS, state.faces, state.levers, strict=True):
            x, y = (round((at - _SPRITE) * canvas.scale) for at in _center(row, place))
            canvas.image.paste(_disc(face, lever, side), (x, y))
        return canvas.image

    def ask(self, state: State) -> str:
        query = asked(state.query)
        where = "in all the rows together" if query.row == "all" else f"in the {query.row} row"
        return (
            "The toy shown in the image has eight coloured discs on its front and three holes on its top (left, center and right), through "
            "which a ball can be dropped. Each disc shows either a yellow or a blue face. A ball that passes a disc leaves it to the side "
            "that the arrow of the disc shows and tips the disc, which turns the face to the other colour and the arrow to the other side. "
            "The vertical walls between the discs then guide the ball. A ball always passes exactly one disc in the top row and one in the "
            "bottom row; whether it passes the middle row depends on the disc in the top row. At the bottom it leaves the toy. "
            f"{_dropped(query.moves)} How many {query.colour} faces can be seen {where} now?"
        )

    def solve(self, state: State) -> str:
        query = asked(state.query)
        faces = _after(state, query.moves)
        return str(sum(face == query.colour and query.row in (row, "all") for (row, _), face in zip(_DISCS, faces, strict=True)))

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=(state.faces, state.levers), high=len(_DISCS))

    def chances(self, state: State, rng: random.Random, level: int) -> Mapping[str, float]:
        return Counter(self.solve(_toy_state(rng, state.query)) for _ in range(_DRAWN))

    def describe(self, state: State) -> str:
        parts = [f"{place} {face}, arrow {lever}" for (_, place), face, lever in zip(_DISCS, state.faces, state.levers, strict=True)]
        top, middle, bottom = "; ".join(parts[:3]), "; ".join(parts[3:5]), "; ".join(parts[5:])
        return f"Top row: {top}\nMiddle row: {middle}\nBottom row: {bottom}\n{_LEGEND}"

    def parse(self, text: str) -> State:
        stated = _stated(text)
        faces: list[ColorName] = []
        levers: list[Side] = []
        for row, place in _DISCS:
            face, lever = stated.get((row, place), (None, None))
            if face is None:
                raise Unreadable(f"{row} {place} face", "expected blue or yellow, found none")
            if lever is None:
                raise Unreadable(f"{row} {place} arrow", "expected left or right, found none")
            faces.append(face)
            levers.append(lever)
        return State(tuple(faces), tuple(levers))

    def facts(self, state: State) -> Mapping[str, str]:
        return _slots(dict(zip(_DISCS, zip(state.faces, state.levers, strict=True), strict=True)))

    def claims(self, text: str) -> Mapping[str, str]:
        return _slots(attempt(text, _stated) or {})

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        faces = tuple(_one_of(get_args(ColorName), face, "start_state") for line in solution["start_state"] for face in line)
        levers: tuple[Side, ...] = tuple(
            lever if face == "blue" else _other(lever) for face, lever in zip(faces, _BLUE_LEVERS, strict=True)
        )
        moves = tuple(_one_of(get_args(Hole), str(hole).replace("centre", "center"), "moves") for hole in solution["moves"])
        asked = re.search(
            r"how many (blue|yellow) faces can be seen (?:in the (top|middle|bottom) row|in total)", str(row["question"]).lower()
        )
        if not asked:
            raise ValueError(f"question: expected one about blue or yellow faces, found {str(row['question'])[-90:]!r}")
        query = Query(moves, _one_of(get_args(ColorName), asked[1], "question"), _one_of(get_args(Asked), asked[2] or "all", "question"))
        return State(faces, levers, query)


def _toy_state(rng: random.Random, query: Query | None) -> State:
    """A toy of which every face and every lever is drawn."""
    faces = tuple(rng.choices(get_args(ColorName), k=len(_DISCS)))
    return State(faces, tuple(rng.choices(get_args(Side), k=len(_DISCS))), query)


def _dropped(moves: Sequence[Hole]) -> str:
    if len(moves) == 1:
        return f"One ball is dropped through the {moves[0]} hole. Consider the toy after the ball has left it at the bottom."
    return (
        f"{_NUMBERS[len(moves)].capitalize()} balls are dropped one after another, through these holes in this order: {', '.join(moves)}. "
        "Consider the toy after all of them have left it at the bottom."
    )


def _other(side: Side) -> Side:
    return "left" if side == "right" else "right"


def _one_of(allowed: Sequence[T], found: object, field: str) -> T:
    for value in allowed:
        if value == str(found).lower():
            return value
    raise ValueError(f"{field}: expected one of {', '.join(allowed)}, found {found!r}")


def _after(state: State, moves: Sequence[Hole]) -> list[ColorName]:
    """The faces after balls were dropped into the holes `moves`."""
    faces, levers = list(state.faces), list(state.levers)
    for hole in moves:
        disc: int | None = get_args(Hole).index(hole)
        while disc is not None:
            lever = levers[disc]
            faces[disc] = "yellow" if faces[disc] == "blue" else "blue"
            levers[disc] = _other(lever)
            below = _BELOW.get(disc)
            disc = below[lever == "right"] if below else None
    return faces


# -- text ------------------------------------------------------------------------------------------------------------------------------
def _slots(stated: Mapping[Disc, tuple[ColorName, Side | None]]) -> dict[str, str]:
    slots: dict[str, str] = {}
    for (row, place), (face, lever) in stated.items():
        slots[f"{row} {place} face"] = face
        if lever:
            slots[f"{row} {place} arrow"] = lever
    return slots


def _stated(text: str) -> dict[Disc, tuple[ColorName, Side | None]]:
    """The discs that `text` states, in reading order; the arrow is None where none is stated.

    Raises:
        Unreadable: a disc is stated twice, differently.
    """
    stated: dict[Disc, tuple[ColorName, Side | None]] = {}
    for row, words in _by_row(_TOKEN.findall(text)):
        places: Sequence[Hole] = [place for at, place in _DISCS if at == row]
        listed = _listed(words)
        in_order = len(listed) == len(places) and all(place is None for place, _, _ in listed)
        for index, (place, face, lever) in enumerate(listed):
            place = places[index] if in_order else place
            if place is None or place not in places:
                continue
            if stated.setdefault((row, place), (face, lever)) != (face, lever):
                raise Unreadable(f"{row} {place}", "stated twice, differently")
    return {disc: stated[disc] for disc in _DISCS if disc in stated}


def _by_row(words: Sequence[str]) -> list[tuple[RowName, list[str]]]:
    """The words that follow each name of a row. "Middle" may be a row or the center of one, which the words around it tell."""
    rows: list[tuple[RowName, list[str]]] = []
    discs = 0
    for at, word in enumerate(words):
        if word == "middle":
            inside = bool(rows) and rows[-1][0] != "middle" and discs < 3
            following = next((word for word in words[at + 1 : at + 4] if word not in _BREAKS), "")
            names_row = following in ("row", "left", "right") or not inside
        else:
            names_row = word in _ROWS
        if names_row:
            rows.append((_ROWS[word], []))
            discs = 0
        elif rows and word != "row":
            rows[-1][1].append(word)
            discs += word in _COLORS
    return rows


def _listed(words: Sequence[str]) -> list[tuple[Hole | None, ColorName, Side | None]]:
    """Place, face and arrow of the discs of one row: a place stands before its colour, an arrow behind it."""
    colors = [at for at, word in enumerate(words) if word in _COLORS]
    listed: list[tuple[Hole | None, ColorName, Side | None]] = []
    before = _plain(words[: colors[0]]) if colors else []
    for at, stop in zip(colors, [*colors[1:], None], strict=False):
        behind, following = _parted(words[at + 1 : stop])
        place = _PLACES.get(before[-1]) if before else None
        listed.append((place, _COLORS[words[at]], _SIDES.get(behind[0]) if behind else None))
        before = following
    return listed


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words between two colours: those that belong to the first (its arrow) and those that belong to the second (its place)."""
    breaks = [at for at, word in enumerate(words) if word in _BREAKS]
    if breaks:
        return list(words[: breaks[0]]), _plain(words[breaks[0] :])
    first = 0 if words and words[0] not in _SIDES else 1  # "center" is never an arrow
    return list(words[:first]), list(words[first:])


def _plain(words: Sequence[str]) -> list[str]:
    return [word for word in words if word not in _BREAKS]


# -- drawing ---------------------------------------------------------------------------------------------------------------------------
_COLUMN, _LEFT = 118.0, 94.0
_SPRITE = 82.0
"""Half a side of the square that a disc is drawn on."""
_HEIGHTS: Mapping[RowName, float] = {"top": 212.0, "middle": 412.0, "bottom": 612.0}


def _center(row: RowName, place: Hole) -> tuple[float, float]:
    if row == "middle":
        return _LEFT + _COLUMN * (2 if place == "left" else 4), _HEIGHTS[row]
    return _LEFT + _COLUMN * (1 + 2 * get_args(Hole).index(place)), _HEIGHTS[row]


@cache
def _disc(face: ColorName, lever: Side, side: int) -> Image.Image:
    """A disc with its arrow on a square of the panel, for a picture of `side` px."""
    canvas = Canvas(side, background=_PANEL)
    canvas.disk(_SPRITE, _SPRITE, 78, COLORS[face], outline=INK, width=5)
    toward = 1 if lever == "right" else -1
    color = PAPER if face == "blue" else INK
    canvas.arrow((_SPRITE - toward * 34, _SPRITE - 38), (_SPRITE + toward * 44, _SPRITE + 50), color, 13)
    pixels = round(2 * _SPRITE * canvas.scale)
    return canvas.image.crop((0, 0, pixels, pixels))


@cache
def _toy(side: int) -> Image.Image:
    """The toy without its discs: panel, holes, walls, exits and the meaning of the arrows."""
    canvas = Canvas(side)
    canvas.round_rect(40, 84, 856, 800, 40, _PANEL)
    for place in get_args(Hole):
        x, _ = _center("top", place)
        canvas.disk(x, 96, 30, INK)
        canvas.text(x, 34, place, 30)
    for row, y in _HEIGHTS.items():
        for column in (1, 3, 5) if row == "middle" else (0, 2, 4, 6):
            x = _LEFT + column * _COLUMN
            canvas.rect(x - 7, y - 90, x + 7, y + 90, _WALL)
    canvas.line([(60, 780), (448, 730), (836, 780)], _WALL, 14)
    canvas.text(448, 838, "Arrow: the side on which the next ball leaves.", 30)
    canvas.text(448, 874, "Each ball that passes a disc flips its colour and its arrow.", 24)
    return canvas.image
