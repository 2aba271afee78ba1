"""Map: in how many ways can the white regions of a map be coloured (AlgoPuzzleVQA `map`)?

Visible: which regions share a border, and the colours of those that have one; white ones are to be coloured so that no two neighbours are
alike. That is what a description carries and what equality compares. Where the regions lie does not matter for the answer: the corners of
their polygons are kept in `layout`, which `draw` needs, which is left out of equality and of descriptions, and which must realise exactly
the borders. Sampled maps are Voronoi diagrams without short edges, so that every border can be seen. The question states the number of
regions and which of them are white, so the facts are the colours and the borders.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, get_args

from PIL import Image, ImageDraw

from tasks.family import Family
from tasks.kit.drawing import COLORS, INK, PAPER, Canvas
from tasks.kit.notation import Unreadable, attempt, nearby
from tasks.kit.tiling import UNIT, Border, Corner, Point, edges, shared_edges, tiling

Paint = Literal["red", "green", "blue", "yellow"]
ColorName = Literal["red", "green", "blue", "yellow", "white"]

_PAINTS: tuple[Paint, ...] = get_args(Paint)
_ROWS: Mapping[int, tuple[tuple[int, ...], ...]] = {
    1: ((2, 3, 2), (3, 4), (3, 2, 3)),
    2: ((3, 4, 3), (3, 2, 3), (2, 3, 2, 3)),
    3: ((4, 3, 4), (3, 2, 3, 2, 3), (3, 4, 3)),
    4: ((4, 3, 4, 3), (3, 4, 3, 4), (5, 4, 5)),
    5: ((4, 3, 4, 3, 4), (3, 4, 3, 4, 3), (4, 5, 4, 5)),
}
"""Level -> how many regions stand in each row of the lattice that a map is shaken out of."""
_WHITES = {1: (2, 3), 2: (2, 4), 3: (3, 5), 4: (4, 6), 5: (5, 7)}
_ANSWERS = {1: (1, 4), 2: (1, 6), 3: (1, 8), 4: (1, 10), 5: (1, 14)}
"""Level -> fewest and most white regions, and ways to colour them. The public set has 15 to 19 regions and up to 9 ways."""
_MAX_REGIONS = 60

_COLOR_WORDS: Mapping[str, ColorName] = {
    **{paint: paint for paint in _PAINTS},
    **dict.fromkeys(("white", "uncolored", "uncoloured", "blank", "unfilled"), "white"),
}
_COLORS = "|".join(_COLOR_WORDS)
_SPAN = re.compile(rf"(?<!\d)(\d{{1,2}}) ?(?:to|-|through) ?(\d{{1,2}})(?!\d)[^\d\n.;]{{0,24}}\b({_COLORS})\b")
_COLORED = re.compile(rf"(?<![\d-])(\d{{1,2}})(?!\d)[^\d\n.;]{{0,24}}?\b({_COLORS})\b")
_SENTENCE = re.compile(r"[\n;]|\.(?!\d)")
_KEYWORD = re.compile(r"\b(?:border|bound|adjacen|neighbo|touch|next to|shares)[a-z]*")
_PAIR = re.compile(r"(?<![\d-])(\d{1,2}) ?(?:-|and) ?(\d{1,2})(?![\d-])")
_BARE_HEAD = re.compile(r"^\W{0,3}(?:region )?\d{1,2} ?(?:[:=]|->)(?=[\d, ]+$)")
_NONE = re.compile(r"\b(?:none|nothing|no other|no region)")
_NUMBER = re.compile(r"(?<!\d)\d{1,2}(?!\d)")


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `colours` of the regions 1, 2, ... ("white": not coloured yet) and the `borders`, pairs of regions, smaller first, in order.

    `layout` holds the corners of every region's polygon in order, or nothing where the state was read from text.
    """

    colours: tuple[ColorName, ...]
    borders: tuple[Border, ...]
    layout: tuple[tuple[Corner, ...], ...] = field(default=(), compare=False)
    query: None = None


class Map(Family[State]):
    """A map of which some regions are coloured."""

    name = "map"
    title = "map to be coloured"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        layout, borders = tiling(rng, rng.choice(_ROWS[level]))
        neighbours = _neighbours(len(layout), borders)
        fewest, most = _ANSWERS[level]
        wanted = rng.randint(fewest, most)
        for tries in range(1000):
            full = _some_colouring(rng, neighbours)
            colours = _blanked(rng, full, neighbours, rng.randint(*_WHITES[level]))
            ways = _ways(colours, neighbours)
            if ways == wanted or (tries >= 12 and fewest <= ways <= most):
                return _renumbered(rng, colours, borders, layout)
        return self.sample(rng, level)

    def check(self, state: State) -> None:
        count = len(state.colours)
        if not 2 <= count <= _MAX_REGIONS:
            raise ValueError(f"colours: expected 2 to {_MAX_REGIONS} regions, found {count}")
        if "white" not in state.colours:
            raise ValueError("colours: expected a white region, found none")
        if wrong := [border for border in state.borders if not 1 <= border[0] < border[1] <= count]:
            raise ValueError(f"borders: expected two regions from 1 to {count}, the smaller first, found {wrong[0]}")
        if list(state.borders) != sorted(set(state.borders)):
            raise ValueError("borders: expected each once and in order")
        if count > 2 and len(state.borders) > 3 * count - 6:
            raise ValueError(f"borders: expected at most {3 * count - 6} among {count} regions of a map, found {len(state.borders)}")
        for a, b in state.borders:
            if state.colours[a - 1] == state.colours[b - 1] != "white":
                raise ValueError(f"colours: expected neighbours to differ, found {a} and {b} both {state.colours[a - 1]}")
        if state.layout:
            _check_layout(state)

    def paint(self, state: State, side: int) -> Image.Image:
        if not state.layout:
            raise ValueError("layout: expected the corners of the regions, found none (a map read from text cannot be drawn)")
        polygons = [[_placed(corner) for corner in corners] for corners in state.layout]
        canvas = Canvas(side, base=_regions(polygons, state.colours, side))
        for number, (points, color) in enumerate(zip(polygons, state.colours, strict=True), 1):
            canvas.text(*_centroid(points), str(number), 32, INK if color in ("white", "yellow") else PAPER, bold=True)
        return canvas.image

    def ask(self, state: State) -> str:
        whites = [number for number, color in enumerate(state.colours, 1) if color == "white"]
        known = [number for number, color in enumerate(state.colours, 1) if color != "white"]
        return (
            f"You are given an incomplete map of a country having {len(state.colours)} different regions. The objective is to colour the "
            "regions of the map using only the four available colours: red, green, blue and yellow, such that no two adjacent regions have "
            "the same colour. Adjacent regions are defined as two regions that share a common boundary of non-zero length. The regions "
            f"indicated by numbers {_span(known)} have already been coloured, as shown in the image. The regions indicated by numbers "
            f"{_span(whites)} are shown in white as they are yet to be coloured. You need to assign colours to these regions in a way such "
            "that it doesn't violate the objective. Each unique colour combination of the regions would result in a unique complete map. "
            "How many unique complete maps can be created by colouring all the white regions starting from the given incomplete map?"
        )

    def solve(self, state: State) -> str:
        return str(_ways(state.colours, _neighbours(len(state.colours), state.borders)))

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=(state.colours, state.borders), low=1)

    def describe(self, state: State) -> str:
        neighbours = _neighbours(len(state.colours), state.borders)
        return "\n".join(
            f"Region {number}, {color}, borders: {', '.join(str(other + 1) for other in sorted(neighbours[number - 1])) or 'none'}"
            for number, color in enumerate(state.colours, 1)
        )

    def parse(self, text: str) -> State:
        colors = _read_colors(text)
        listed, pairs = _read_borders(text)
        count = max([*colors, *listed, *(b for _, b in pairs)], default=0)
        for number in range(1, count + 1):
            if number not in colors:
                raise Unreadable(f"colour of region {number}", f"expected one of {', '.join(get_args(ColorName))}, found none")
            if not pairs and number not in listed:
                raise Unreadable(f"borders of region {number}", "expected a list of regions, found none")
        for number, others in listed.items():
            if not pairs and (alone := [other for other in others if number not in listed.get(other, ())]):
                raise Unreadable("borders", f"region {number} lists {alone[0]}, which does not list it")
        if not count:
            raise Unreadable("colours", "expected lines of the form 'Region 1, red, borders: 2, 3', found none")
        return State(tuple(colors[number] for number in range(1, count + 1)), _borders(listed, pairs))

    def facts(self, state: State) -> Mapping[str, str]:
        return _slots(dict(enumerate(state.colours, 1)), state.borders)

    def claims(self, text: str) -> Mapping[str, str]:
        listed, pairs = attempt(text, _read_borders) or ({}, set[Border]())
        return _slots(attempt(text, _read_colors) or {}, _borders(listed, pairs))

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        polygons = {int(number): corners for number, corners in solution["polygon_vertices"].items()}
        layout = tuple(tuple((round(x * UNIT), round((1 - y) * UNIT)) for x, y in polygons[number]) for number in sorted(polygons))
        seen = shared_edges(layout)
        stated = solution.get("polygon_adjacency_list")
        borders = seen if stated is None else tuple(sorted({(min(pair), max(pair)) for pair in stated}))
        known = {int(number): str(color).lower() for number, color in solution["known_colours"].items()}
        colours: tuple[ColorName, ...] = tuple(_color(known.get(number, "white")) for number in sorted(polygons))
        if sorted(polygons) != list(range(1, len(polygons) + 1)):
            raise ValueError(f"polygon_vertices: expected the regions 1, 2, ..., found {sorted(polygons)}")
        return State(colours, borders, layout if seen == borders else ())


def _color(word: str) -> ColorName:
    if word not in _COLOR_WORDS:
        raise ValueError(f"known_colours: expected one of {', '.join(_PAINTS)}, found {word!r}")
    return _COLOR_WORDS[word]


def _span(numbers: Sequence[int]) -> str:
    """The numbers as the question names them: "14 to 17" where there is no gap."""
    if len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers)) or "none"


# -- counting --------------------------------------------------------------------------------------------------------------------------
def _neighbours(count: int, borders: Iterable[Border]) -> list[set[int]]:
    """For each region, counted from 0, its neighbours."""
    neighbours: list[set[int]] = [set() for _ in range(count)]
    for a, b in borders:
        neighbours[a - 1].add(b - 1)
        neighbours[b - 1].add(a - 1)
    return neighbours


def _ways(colours: Sequence[ColorName], neighbours: Sequence[set[int]]) -> int:
    """In how many ways the white regions can be coloured: backtracking, the most constrained region first."""
    whites = [region for region, color in enumerate(colours) if color == "white"]
    if not whites:
        return 1

    region = max(whites, key=lambda white: len({colours[other] for other in neighbours[white]} - {"white"}))
    taken = {colours[other] for other in neighbours[region]}
    tried = list(colours)
    total = 0
    for paint in _PAINTS:
        if paint not in taken:
            tried[region] = paint
            total += _ways(tried, neighbours)
    return total


# -- making ----------------------------------------------------------------------------------------------------------------------------
def _some_colouring(rng: random.Random, neighbours: Sequence[set[int]]) -> list[ColorName]:
    """A random colouring of all regions, by backtracking with the most constrained region first."""
    colours: list[ColorName] = ["white"] * len(neighbours)

    def fill(left: set[int]) -> bool:
        if not left:
            return True
        taken = {region: {colours[other] for other in neighbours[region]} - {"white"} for region in left}
        region = max(sorted(left), key=lambda at: len(taken[at]))
        for paint in rng.sample(_PAINTS, len(_PAINTS)):
            if paint not in taken[region]:
                colours[region] = paint
                if fill(left - {region}):
                    return True
        colours[region] = "white"
        return False

    fill(set(range(len(neighbours))))
    return colours


def _blanked(rng: random.Random, colours: Sequence[ColorName], neighbours: Sequence[set[int]], count: int) -> list[ColorName]:
    """`colours` with `count` regions made white, mostly next to each other, so that they constrain one another."""
    whites = {rng.randrange(len(colours))}
    while len(whites) < count:
        beside = sorted({other for white in whites for other in neighbours[white]} - whites)
        others = sorted(set(range(len(colours))) - whites)
        whites.add(rng.choice(beside if beside and rng.random() < 0.7 else others))
    return ["white" if region in whites else color for region, color in enumerate(colours)]


def _renumbered(rng: random.Random, colours: Sequence[ColorName], borders: Sequence[Border], layout: Sequence[tuple[Corner, ...]]) -> State:
    """The map with new numbers in random order, the white regions last, as the question names them."""
    order = rng.sample(range(len(colours)), len(colours))
    order.sort(key=lambda region: colours[region] == "white")
    number = {region: at for at, region in enumerate(order, 1)}
    pairs = (sorted((number[a - 1], number[b - 1])) for a, b in borders)
    return State(
        colours=tuple(colours[region] for region in order),
        borders=tuple(sorted((a, b) for a, b in pairs)),
        layout=tuple(layout[region] for region in order),
    )


# -- the layout ------------------------------------------------------------------------------------------------------------------------
def _check_layout(state: State) -> None:
    if len(state.layout) != len(state.colours):
        raise ValueError(f"layout: expected {len(state.colours)} polygons, found {len(state.layout)}")
    if wrong := [
        corners for corners in state.layout if len(corners) < 3 or not all(0 <= at <= UNIT for corner in corners for at in corner)
    ]:
        raise ValueError(f"layout: expected polygons with corners from 0 to {UNIT}, found {wrong[0]}")
    if different := sorted(set(shared_edges(state.layout)) ^ set(state.borders)):
        raise ValueError(f"layout: expected polygons that share edges as the borders say, found another border at {different[0]}")


# -- text ------------------------------------------------------------------------------------------------------------------------------
def _slots(colors: Mapping[int, ColorName], borders: Iterable[Border]) -> dict[str, str]:
    slots: dict[str, str] = {f"region {number}": color for number, color in sorted(colors.items()) if color != "white"}
    return slots | {f"border {a}-{b}": "shared" for a, b in borders}


def _borders(listed: Mapping[int, set[int]], pairs: Iterable[Border]) -> tuple[Border, ...]:
    one_by_one = ((min(a, b), max(a, b)) for a, others in listed.items() for b in others)
    return tuple(sorted({*one_by_one, *pairs}))


def _read_colors(text: str) -> dict[int, ColorName]:
    """The colour of every region that `text` gives one: "region 3 is red", "3: red", "14 to 17 are white".

    Raises:
        Unreadable: a region is stated twice, differently.
    """
    stated: dict[int, ColorName] = {}
    for match in [*_SPAN.finditer(text), *_COLORED.finditer(text)]:
        first, last, word = (match[1], match[2], match[3]) if match.re is _SPAN else (match[1], match[1], match[2])
        for number in range(int(first), int(last) + 1):
            if stated.setdefault(number, _COLOR_WORDS[word]) != _COLOR_WORDS[word]:
                raise Unreadable(f"colour of region {number}", "stated twice, differently")
    return stated


def _cue(sentence: str) -> re.Match[str] | None:
    """What the neighbours of a region follow: a word such as "borders", the colour of the region, or "3:" before nothing but numbers."""
    colors = _COLORED.findall(sentence)
    return _KEYWORD.search(sentence) or (_COLORED.search(sentence) if len(colors) == 1 else None) or _BARE_HEAD.match(sentence)


def _read_borders(text: str) -> tuple[dict[int, set[int]], set[Border]]:
    """Borders as lists of neighbours ("region 1 ... borders 2, 5" or "1, red, 2, 5") and as pairs ("borders: 1-2, 1-5")."""
    listed: dict[int, set[int]] = {}
    pairs: set[Border] = set()
    for sentence in _SENTENCE.split(text):
        cue, head = _cue(sentence), _NUMBER.search(sentence)
        if cue is None or head is None:
            continue
        named = {int(word) for word in _NUMBER.findall(sentence, cue.end())}
        if head.start() < cue.end() and (named or _NONE.search(sentence)):
            number = int(head[0])
            if listed.setdefault(number, named) != named:
                raise Unreadable(f"borders of region {number}", "stated twice, differently")
        elif cue.re is _KEYWORD:
            pairs.update((min(a, b), max(a, b)) for a, b in (map(int, pair) for pair in _PAIR.findall(sentence)))
    return listed, pairs


# -- drawing ---------------------------------------------------------------------------------------------------------------------------
_MARGIN = 14.0


def _placed(corner: Corner) -> Point:
    x, y = (_MARGIN + at * (896 - 2 * _MARGIN) / UNIT for at in corner)
    return x, y


_TONES = 5
"""Steps from the colour of a region to the ink of an edge: what a pixel of four smaller ones can show."""


@cache
def _palette() -> list[int]:
    """Red, green and blue of every colour in every tone; the colours in the order of `ColorName`."""
    blends = [(COLORS[color], INK, tone / (_TONES - 1)) for color in get_args(ColorName) for tone in range(_TONES)]
    return [round(paper * (1 - share) + ink * share) for paint, edge, share in blends for paper, ink in zip(paint, edge, strict=True)]


def _regions(polygons: Sequence[Sequence[Point]], colours: Sequence[ColorName], side: int) -> Image.Image:
    """The filled polygons and their edges, which cover the hard rims of the fills and are smoothed by a mask of twice the size.

    Fill and smoothing meet as indices of a palette, which costs a third of blending them in three channels.
    """
    import numpy as np  # here, so that the family can be listed and read without it

    names = get_args(ColorName)
    image = Image.new("L", (side, side), names.index("white") * _TONES)
    mask = Image.new("L", (2 * side, 2 * side), 0)
    fill, pen = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    scale = side / 896
    for points, color in zip(polygons, colours, strict=True):
        fill.polygon([(x * scale, y * scale) for x, y in points], fill=names.index(color) * _TONES)
    for a, b in {(min(edge), max(edge)) for points in polygons for edge in edges(points)}:
        pen.line([(2 * scale * x, 2 * scale * y) for x, y in (a, b)], fill=_TONES - 1, width=max(2, round(10 * scale)))
    indexed = Image.fromarray(np.asarray(image) + np.asarray(mask.reduce(2)))
    indexed.putpalette(_palette())
    return indexed.convert("RGB")


def _centroid(points: Sequence[Point]) -> Point:
    doubled = [(a[0] * b[1] - b[0] * a[1], a[0] + b[0], a[1] + b[1]) for a, b in edges(points)]
    area = sum(cross for cross, _, _ in doubled)
    return sum(cross * x for cross, x, _ in doubled) / (3 * area), sum(cross * y for cross, _, y in doubled) / (3 * area)
