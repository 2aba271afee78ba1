"""Wheel of fortune: which prize stands at the arrow after the wheel was turned (AlgoPuzzleVQA `wheel_of_fortune`).

Visible: the segments with their prizes, colours and angles, and the arrow beside the wheel. Asked: the prize after a turn, given in degrees
or in rotations, clockwise or counterclockwise. Angles are in degrees, counterclockwise from the right (three o'clock), as in mathematics.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, Literal

from PIL import Image, ImageDraw

from tasks.family import Family, asked
from tasks.kit.drawing import FAINT, INK, PAPER, Canvas, Color
from tasks.kit.notation import Unreadable, attempt

_PRIZES = (
    "Bicycle", "Book", "Camera", "Car", "Chocolate", "Concert", "Guitar", "Ice Cream", "Jewelry", "Laptop", "Money", "Phone", "Pizza",
    "Tent", "Vacation", "Watch", "Yacht",
)  # fmt: skip
_COLOURS: dict[str, Color] = {
    "red": (226, 62, 48),
    "orange": (247, 140, 30),
    "yellow": (250, 219, 65),
    "lime": (150, 224, 60),
    "green": (38, 122, 62),
    "cyan": (70, 208, 222),
    "blue": (46, 98, 210),
    "purple": (118, 60, 166),
    "magenta": (232, 76, 186),
    "beige": (247, 228, 196),
    "grey": (176, 180, 186),
}
_DARK = ("red", "green", "blue", "purple")
_ARROW: Color = (121, 72, 40)
_SYNONYMS = {
    **{name: name for name in _COLOURS},
    **dict.fromkeys(("orangered", "orange red", "orange-red", "red-orange", "dark red", "crimson"), "red"),
    **dict.fromkeys(("darkorange", "dark orange"), "orange"),
    **dict.fromkeys(("gold", "golden"), "yellow"),
    **dict.fromkeys(("lime green", "limegreen", "light green", "bright green", "neon green"), "lime"),
    **dict.fromkeys(("forestgreen", "forest green", "dark green"), "green"),
    **dict.fromkeys(("aqua", "turquoise", "teal", "light blue", "sky blue"), "cyan"),
    **dict.fromkeys(("royalblue", "royal blue", "dark blue"), "blue"),
    **dict.fromkeys(("violet",), "purple"),
    **dict.fromkeys(("pink", "fuchsia", "hot pink"), "magenta"),
    **dict.fromkeys(("blanchedalmond", "blanched almond", "almond", "cream", "tan", "peach"), "beige"),
    **dict.fromkeys(("gray", "silver", "light grey", "light gray"), "grey"),
}
_SEGMENTS = {1: (4, 4), 2: (6, 6), 3: (8, 8), 4: (8, 9), 5: (9, 10)}
"""Level -> fewest and most segments, all alike up to level 3. The public set has six alike."""
_MARGIN = 10.0
"""Degrees that a sampled wheel leaves between the arrow and the nearest boundary, where it stops."""
_TOUCHING = 0.5
"""Degrees below which nobody could tell on which side of a boundary the arrow is."""
_FEWEST, _MOST, _NARROWEST = 2, 12, 20.0

_DEGREES = r"(\d{1,3}(?:\.\d{1,2})?)(?!\.?\d)"
_UNIT = r" ?(?:°|degrees?|deg)? ?"
_SPAN = re.compile(rf"(?<![\d.]){_DEGREES}{_UNIT}(?:to|-|and|until|through|,? ?[\"']?end[\"']?:?) ?{_DEGREES}")
_COLOUR = re.compile(rf"(?<!ice )\b(?:{'|'.join(sorted(_SYNONYMS, key=len, reverse=True))})\b")
_FILLER = re.compile(
    r"\b(?:segments?|sectors?|slices?|wedges?|sections?|start|end|from|to|at|between|and|degrees?|deg|prizes?|colou?r(?:ed)?|is|with|the"
    r"|an?|text|label(?:led|ed)?|in|on|angles?|spans?|spanning|covers?|it|of|says?|shows?|showing|reads?|background|for|has|there|this"
    r"|i|see|you|wins?|which|contains?|arrow)\b"
)
_SIGNS = re.compile(r"[^a-z ]")
_PIECES = re.compile(r"[\n;]|\.(?= )")
_ARROW_AT = re.compile(rf"\barrow\b[^\d\n]{{0,80}}{_DEGREES}(?! ?o'?clock)(?!{_UNIT}(?:to|-|and|until|through) ?\d)")
_ARROW_CLOCK = re.compile(r"\barrow\b[^\d\n]{0,80}(\d{1,2}) ?o'?clock")
_ARROW_SIDE = re.compile(
    r"\barrow\b[^\d\n]{0,60}?\b(?:at|on|in|near) (?:the )?((?:top|upper|bottom|lower)?[ -]?(?:left|right)|top|bottom)(?! ?[:=])\b"
)
_SIDES = {"right": 0.0, "top right": 45.0, "top": 90.0, "top left": 135.0, "left": 180.0, "bottom left": 225.0, "bottom": 270.0}
_SIDES["bottom right"] = 315.0
_OTHER_WAY = re.compile(r"(?<!counter)(?<!counter[ -])(?<!anti)(?<!anti[ -])clockwise")
_TURN = re.compile(r"(?:makes?|rotates?|turns?)\s+(?:by\s+)?(\d+(?:\.\d+)?)\s+(full rotation|rotation|degree)")


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: the prize after a turn of `amount` degrees or rotations."""

    direction: Literal["clockwise", "counterclockwise"]
    amount: float
    unit: Literal["degrees", "rotations"]


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: from the angle `start` counterclockwise to the next segment's; `prize` in capitalised words, `colour` by name."""

    start: float
    prize: str
    colour: str


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `segments` by their starts; `arrow`, the angle at which it stands. Degrees in tenths at finest, at least 0, below 360."""

    segments: tuple[Segment, ...]
    arrow: float
    query: Query | None = None


class WheelOfFortune(Family[State]):
    """A wheel of prizes with an arrow beside it."""

    name = "wheel_of_fortune"
    title = "wheel of fortune"
    names = _PRIZES
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        count = rng.randint(*_SEGMENTS[level])
        prizes, colours = rng.sample(_PRIZES, count), rng.sample(sorted(_COLOURS), count)
        starts = _starts(rng, count, alike=level <= 3)
        segments = tuple(Segment(*parts) for parts in zip(starts, prizes, colours, strict=True))
        while True:
            arrow = float(rng.randrange(0, 360, 45 if level <= 2 else 15))
            state = State(segments, arrow, _spin(rng, level))
            if _clearance(state, _under_arrow(state)) >= _MARGIN:
                return state

    def check(self, state: State) -> None:
        if not _FEWEST <= len(state.segments) <= _MOST:
            raise ValueError(f"segments: expected {_FEWEST} to {_MOST}, found {len(state.segments)}")
        starts = [segment.start for segment in state.segments]
        for field, angles in (("segments", starts), ("arrow", [state.arrow])):
            if wrong := [angle for angle in angles if not (0 <= angle < 360 and angle == round(angle, 1))]:
                raise ValueError(f"{field}: expected degrees from 0 to below 360 in tenths, found {wrong[0]}")
        if narrow := [a for a, b in pairwise([*starts, starts[0] + 360]) if b - a < _NARROWEST]:
            raise ValueError(f"segments: expected at least {_NARROWEST:g} degrees each, in rising order, found less after {narrow[0]:g}")
        prizes, colours = ([getattr(segment, field) for segment in state.segments] for field in ("prize", "colour"))
        if wrong := [prize for prize in prizes if prize != _prize(prize) or not 1 <= len(prize.split()) <= 3]:
            raise ValueError(f"prizes: expected one to three capitalised words that name no colour, found {wrong[0]!r}")
        if wrong := [colour for colour in colours if colour not in _COLOURS]:
            raise ValueError(f"colours: expected one of {', '.join(_COLOURS)}, found {wrong[0]!r}")
        for field, values in (("prizes", prizes), ("colours", colours)):
            if len(set(values)) != len(values):
                raise ValueError(f"{field}: expected no two alike, found {', '.join(values)}")
        if state.query and (not 0 <= state.query.amount <= 36_000 or _clearance(state, _under_arrow(state)) < _TOUCHING):
            raise ValueError(f"query: expected a turn that stops clear of a boundary, found {state.query.amount:g} {state.query.unit}")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side)
        sectors = ImageDraw.Draw(canvas.image)
        for segment, width in zip(state.segments, _widths(state), strict=True):
            rim = (_point(segment.start + width * step / 24, _RIM) for step in range(25))
            sectors.polygon([(x * canvas.scale, y * canvas.scale) for x, y in ((448, 448), *rim)], fill=_COLOURS[segment.colour])
        for segment in state.segments:
            spoke, corner = _spoke(segment.start, side)
            canvas.image.paste(PAPER, corner, spoke)
        for tile, corner in _ring(side):
            canvas.image.paste(FAINT, corner, tile)
        canvas.disk(448, 448, 26, PAPER, outline=FAINT, width=6)
        for segment, width in zip(state.segments, _widths(state), strict=True):
            _write(canvas, segment, width)
        canvas.arrow(_point(state.arrow, _RIM + 74), _point(state.arrow, _RIM + 10), _ARROW, 17)
        return canvas.image

    def ask(self, state: State) -> str:
        query = asked(state.query)
        amount = f"{query.amount:g}"
        turn = f"rotates {amount} degrees" if query.unit == "degrees" else f"makes {amount} full rotation{'' if query.amount == 1 else 's'}"
        return (
            f"A fortune wheel has {len(state.segments)} segments of different colour. The initial position of the wheel is shown in the "
            "figure. Each segment is associated with a prize as shown in the embedded text within the segment. The axis of rotation of the "
            "wheel passes through its center and is perpendicular to the surface of the wheel. You spin the wheel "
            f"{query.direction} and it {turn} before stopping. You are going to win the prize for the segment that now falls in front of "
            "the brown arrow. What is your prize?"
        )

    def solve(self, state: State) -> str:
        return _at(state, _under_arrow(state)).prize

    def distractors(self, state: State) -> Sequence[str]:
        right = self.solve(state)
        stop = _under_arrow(state)
        index = state.segments.index(_at(state, stop))
        guesses = (
            _at(state, (2 * state.arrow - stop) % 360).prize,  # the wrong direction
            _at(state, state.arrow).prize,  # not turned at all
            *(state.segments[(index + step) % len(state.segments)].prize for step in (1, -1, 2, -2)),
            *(segment.prize for segment in state.segments),
        )
        return [prize for prize in dict.fromkeys(guesses) if prize != right]

    def describe(self, state: State) -> str:
        lines = ["Angles in degrees, counterclockwise from the right (3 o'clock)"]
        for segment, width in zip(state.segments, _widths(state), strict=True):
            end = round(segment.start + width, 1) % 360
            lines.append(f"Segment {segment.start:g} to {end:g}: {segment.prize}, {segment.colour}")
        return "\n".join([*lines, f"Arrow at {state.arrow:g}"])

    def parse(self, text: str) -> State:
        if _OTHER_WAY.search(text):
            raise Unreadable("angles", "expected them counterclockwise from the right, found 'clockwise'")
        stated = _stated(text)
        if not stated:
            raise Unreadable("segments", "no line of the form 'segment 45 to 105: camera, lime'")
        for prize, (_, _, colour) in stated.items():
            if not prize or not colour:
                raise Unreadable("colours" if prize else "prizes", f"no {'colour' if prize else 'prize'} for {prize or colour}")
        order = sorted((start, end, prize) for prize, (start, end, _) in stated.items())
        for (_, end, prize), (start, _, _) in pairwise([*order, order[0]]):
            if end != start:
                raise Unreadable("segments", f"expected a segment from {end:g}, where that of {prize} ends, found one from {start:g}")
        arrows = _arrows(text)
        if len(arrows) != 1:
            raise Unreadable("arrow", f"expected one angle, found {sorted(arrows) or 'none'}")
        return State(tuple(Segment(start, prize, stated[prize][2]) for start, _, prize in order), arrows.pop())

    def facts(self, state: State) -> Mapping[str, str]:
        ends = [round(segment.start + width, 1) % 360 for segment, width in zip(state.segments, _widths(state), strict=True)]
        stated = {segment.prize: (segment.start, end, segment.colour) for segment, end in zip(state.segments, ends, strict=True)}
        return _slots(stated, {state.arrow})

    def claims(self, text: str) -> Mapping[str, str]:
        return _slots(attempt(text, _stated) or {}, attempt(text, _arrows) or set())

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        turn = _TURN.search(row["question"])
        if turn is None:
            raise ValueError("question: expected a turn in degrees or full rotations")
        unit = "degrees" if turn[2] == "degree" else "rotations"
        query = Query("counterclockwise" if solution["direction"] == "counterclockwise" else "clockwise", float(turn[1]), unit)
        fields = ("original_boundaries", "original_prizes", "original_colors")
        starts, prizes, colours = (solution[field] for field in fields)
        segments = [
            Segment(round(float(start), 1) % 360, _prize(prize), _SYNONYMS.get(colour) or str(colour))
            for start, prize, colour in zip(starts, prizes, colours, strict=True)
        ]
        return State(tuple(sorted(segments, key=lambda segment: segment.start)), round(float(solution["arrow_at"]), 1) % 360, query)


_RIM = 350.0
"""Radius of the wheel in units."""


def _starts(rng: random.Random, count: int, *, alike: bool) -> list[float]:
    """Rising starts of `count` segments that fill the wheel: all of one width, or of widths of 30 degrees and more in steps of 15."""
    widths = [360 / count] * count
    if not alike:
        widths = [30.0] * count
        for _ in range((360 - 30 * count) // 15):
            widths[rng.randrange(count)] += 15
    first = rng.randrange(0, 360, 15)
    return sorted((first + sum(widths[:index])) % 360 for index in range(count))


def _spin(rng: random.Random, level: int) -> Query:
    direction = rng.choice(("clockwise", "counterclockwise"))
    if rng.random() < 0.5:
        quarters = {1: (1, 7), 2: (3, 23)}
        amount = rng.randint(*quarters[level]) / 4 if level in quarters else rng.randint(21, 120) / 20
        return Query(direction, amount, "rotations")
    step, most = {1: (45, 720), 2: (15, 1800), 3: (15, 1800), 4: (5, 2700), 5: (1, 3600)}[level]
    return Query(direction, float(rng.randrange(step, most, step)), "degrees")


def _widths(state: State) -> list[float]:
    starts = [segment.start for segment in state.segments]
    return [round(b - a, 1) for a, b in pairwise([*starts, starts[0] + 360])]


def _under_arrow(state: State) -> float:
    """The angle, on the wheel as it is drawn, of the point that stands at the arrow after the turn."""
    query = asked(state.query)
    turn = query.amount * (360 if query.unit == "rotations" else 1)
    return round(state.arrow + (turn if query.direction == "clockwise" else -turn), 6) % 360


def _at(state: State, angle: float) -> Segment:
    """The segment that holds `angle`; a boundary belongs to the segment that starts there."""
    before = [segment for segment in state.segments if segment.start <= angle]
    return before[-1] if before else state.segments[-1]


def _clearance(state: State, angle: float) -> float:
    """Degrees from `angle` to the nearest boundary."""
    return min(abs((angle - segment.start + 180) % 360 - 180) for segment in state.segments)


def _prize(text: str) -> str:
    """The prize that `text` names: its words without colours and filler, capitalised; "" where there is none."""
    words = _FILLER.sub(" ", _SIGNS.sub(" ", _COLOUR.sub(" ", text.casefold()))).split()
    return " ".join(word.capitalize() for word in words)


def _stated(text: str) -> dict[str, tuple[float, float, str]]:
    """Prize -> (start, end, colour or ""), from the lines that state a span of angles; prize "" where a line names a colour alone.

    Raises:
        Unreadable: a prize is stated twice, differently, or a line names several colours.
    """
    stated: dict[str, tuple[float, float, str]] = {}
    for line in _PIECES.split(text):
        span = _SPAN.search(line)
        if not span or "arrow" in line:
            continue
        colours = {_SYNONYMS[colour] for colour in _COLOUR.findall(line)}
        prize = _prize(line)
        if len(colours) > 1 or len(prize.split()) > 3:
            raise Unreadable("segments", f"expected one prize and one colour, found {line[:80]!r}")
        if not colours and not prize:
            continue
        found = (round(float(span[1]), 1) % 360, round(float(span[2]), 1) % 360, colours.pop() if colours else "")
        if stated.setdefault(prize, found) != found:
            raise Unreadable("segments", f"{prize or found[2]} is stated twice, differently")
    return stated


def _arrows(text: str) -> set[float]:
    """The angles at which `text` says the arrow stands: in degrees, or else by the clock or by the side of the wheel."""
    if angles := {round(float(match[1]), 1) % 360 for match in _ARROW_AT.finditer(text)}:
        return angles
    if hours := {(90 - 30 * int(match[1])) % 360 for match in _ARROW_CLOCK.finditer(text)}:
        return {float(hour) for hour in hours}
    sides = (match[1].replace("-", " ").replace("upper", "top").replace("lower", "bottom").strip() for match in _ARROW_SIDE.finditer(text))
    return {_SIDES[side] for side in sides}


def _slots(stated: Mapping[str, tuple[float, float, str]], arrows: set[float]) -> dict[str, str]:
    slots: dict[str, str] = {}
    for prize, (start, end, colour) in stated.items():
        if prize:
            slots |= {f"{prize}, start": f"{start:g}", f"{prize}, end": f"{end:g}"} | ({f"{prize}, colour": colour} if colour else {})
    return slots | ({"arrow": " or ".join(f"{angle:g}" for angle in sorted(arrows))} if arrows else {})


def _point(angle: float, radius: float) -> tuple[float, float]:
    return 448 + radius * math.cos(math.radians(angle)), 448 - radius * math.sin(math.radians(angle))


def _write(canvas: Canvas, segment: Segment, width: float) -> None:
    """The prize, upright and as large as fits into its segment."""
    long = canvas.text_width(segment.prize, 100, bold=True) / 100  # the length of the text over its height
    x, y, size = _place(segment.start + width / 2, width, long)
    canvas.text(x, y, segment.prize, size, PAPER if segment.colour in _DARK else INK, bold=True)


@lru_cache(maxsize=8192)
def _place(middle: float, width: float, long: float) -> tuple[float, float, float]:
    """The centre and the size of an upright text in the segment of `width` degrees around the angle `middle`."""
    for size in range(42, 19, -2):
        for share in (0.66, 0.72, 0.6, 0.78):
            x, y = _point(middle, share * _RIM)
            corners = ((x - 448 + a * long * size / 2, 448 - y + b * 0.4 * size) for a in (-1, 1) for b in (-1, 1))
            if all(_inside(right, up, middle, width) for right, up in corners):
                return x, y, size
    return *_point(middle, 0.72 * _RIM), 20


def _inside(right: float, up: float, middle: float, width: float) -> bool:
    """Whether a point, in units from the hub, lies in a segment, clear of its spokes and of the rim."""
    distance = math.hypot(right, up)
    off = abs((math.degrees(math.atan2(up, right)) - middle + 180) % 360 - 180)
    clear = min(90.0, width / 2 - off)
    return distance < _RIM - 14 and clear > 0 and distance * math.sin(math.radians(clear)) > 8


@cache
def _ring(side: int) -> tuple[tuple[Image.Image, tuple[int, int]], ...]:
    """The rim as masks with their upper left corners: it covers the hard edges of the sectors. Tiles, since most of its box is empty."""
    canvas = Canvas(side, background=(0, 0, 0))
    canvas.disk(448, 448, _RIM + 6, PAPER)
    canvas.disk(448, 448, _RIM - 6, (0, 0, 0))
    mask = canvas.image.convert("L")
    step = max(8, side // 16)
    corners = [(x, y) for x in range(0, side, step) for y in range(0, side, step)]
    tiles = [(mask.crop((x, y, min(x + step, side), min(y + step, side))), (x, y)) for x, y in corners]
    return tuple((tile, corner) for tile, corner in tiles if tile.getbbox())


@cache
def _spoke(angle: float, side: int) -> tuple[Image.Image, tuple[int, int]]:
    """A spoke as a mask and its upper left corner: it covers the hard edge between two sectors."""
    canvas = Canvas(side, background=(0, 0, 0))
    canvas.line([(448, 448), _point(angle, _RIM)], PAPER, 6)
    mask = canvas.image.convert("L")
    box = mask.getbbox() or (0, 0, 1, 1)
    return mask.crop(box), (box[0], box[1])
