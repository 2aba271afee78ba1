"""PuzzleVQA: which captions suffice to solve their puzzles, decided by a solver for each family that works from the caption alone.

A caption of the set is a few sentences of prose around literal lists, with `?` at the thing that is asked for. A solver reads the lists,
tests a rule on every fact they state, and only if all of them obey fills the gap by that rule; a caption that is incomplete, contradicts
itself or leaves two answers gives None. The rules are the plain ones of such puzzles: equal in mirrored places, equal in pairs, one colour
for each length, equal sums, a third number that is the sum, product or difference of two, a shade that goes with the size. Words are
compared, not understood, except where the rule lives in their meaning (how paints mix, how sizes and shades are graded).

A family *suffices* if the gap can be filled for every caption that its template can give. Two do not (`sufficiency`), and no gap between
image and caption may be claimed from them. In two others (`circle_size_number`, `polygon_sides_color`) the caption leaves out the sizes or
sides that the authors' explanation turns on, yet still determines the answer, since everything comes in pairs: `rule` says so.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from bench.errors import UserError
from tasks.kit.notation import fold, same_answer

MAX_CAPTION = 4_000
"""Longest caption, in characters, that is read: ten times what the templates write."""

_GAP = "?"
_LIST = re.compile(r"\[([^\[\]]*)\]")
_QUOTES = re.compile(r"[\"'()]")
_INTEGER = re.compile(r"-?\d{1,6}")


class _Undetermined(Exception):  # noqa: N818 - turned into None by `solve_caption`
    """The caption does not say enough, or contradicts the rule."""


@dataclass(frozen=True, slots=True)
class _Clue:
    """What a solver may use: the folded caption and question, the lists in the caption, and the options for a last choice."""

    caption: str
    question: str
    rows: tuple[tuple[str, ...], ...]
    options: tuple[str, ...]


_Solver = Callable[[_Clue], str]


# -- reading ---------------------------------------------------------------------------------------------------------------------------
def _rows(caption: str) -> tuple[tuple[str, ...], ...]:
    """The literal lists in `caption`, in order; numbers stay text, quotes go, tuples are flattened."""
    return tuple(tuple(" ".join(_QUOTES.sub(" ", item).split()) for item in body.split(",")) for body in _LIST.findall(caption))


def _require(fine: bool) -> None:
    if not fine:
        raise _Undetermined


def _shape(clue: _Clue, count: int, width: int | None = None) -> tuple[tuple[str, ...], ...]:
    """The lists of the caption: `count` of them, equally long (`width` if given), every item stated, one of them the gap."""
    rows = clue.rows
    _require(len(rows) == count and len({len(row) for row in rows}) == 1 and (width is None or len(rows[0]) == width))
    _require(all(item for row in rows for item in row))
    _require(sum(row.count(_GAP) for row in rows) == 1)
    return rows


def _integer(text: str) -> int:
    _require(_INTEGER.fullmatch(text) is not None)
    return int(text)


def _sole(values: set[str]) -> str:
    _require(len(values) == 1)
    return values.pop()


# -- rules about places ----------------------------------------------------------------------------------------------------------------
def _fill(places: Mapping[tuple[int, int], str], group: Callable[[int, int], object]) -> str:
    """The value of the gap where places of one `group` hold one value; every group is tested, not only that of the gap."""
    values: dict[object, set[str]] = {}
    for (i, j), value in places.items():
        values.setdefault(group(i, j), set()).add(value)
    _require(all(len(found - {_GAP}) <= 1 for found in values.values()))
    return _sole(next(found for found in values.values() if _GAP in found) - {_GAP})


def _places(rows: Sequence[Sequence[str]]) -> dict[tuple[int, int], str]:
    return {(i, j): value for i, row in enumerate(rows) for j, value in enumerate(row)}


def _square(clue: _Clue) -> str:
    """A 3 x 3 grid that looks the same from every side: corners alike, sides alike."""
    places = _places(_shape(clue, 3, 3))
    return _fill(places, lambda i, j: tuple(sorted((abs(i - 1), abs(j - 1)))))


def _opposite(clue: _Clue) -> str:
    """A ring in which opposite parts are alike."""
    (ring,) = _shape(clue, 1)
    _require(len(ring) % 2 == 0)
    return _fill(_places([ring]), lambda _, j: j % (len(ring) // 2))


def _alike(count: int) -> _Solver:
    """`count` lists that are all the same: the arms of a spiral, the two sides of a mirror."""
    return lambda clue: _fill(_places(_shape(clue, count, 3)), lambda _, j: j)


def _sized_shapes(clue: _Clue) -> str:
    """A grid of "size shape" in which lines one way share the size, lines the other way the shape. The gap's size is asked for."""
    places = _places(_shape(clue, 3, 3))
    _require(all(" " in value for value in places.values() if value != _GAP))
    sizes = {place: value.rpartition(" ")[0] or _GAP for place, value in places.items()}
    shapes = {place: value.rpartition(" ")[2] for place, value in places.items()}
    answers: set[str] = set()
    for by_row in (True, False):
        with suppress(_Undetermined):
            _line(shapes, by_row=not by_row)
            answers.add(_line(sizes, by_row=by_row))
    return _sole(answers)


def _line(places: Mapping[tuple[int, int], str], *, by_row: bool) -> str:
    return _fill(places, lambda i, j: i if by_row else j)


# -- rules about values ----------------------------------------------------------------------------------------------------------------
def _pairs(count: int) -> _Solver:
    """Six things in `count` lists. If every value but one occurs twice, the gap is its partner; if all differ, the gap differs too."""

    def solve(clue: _Clue) -> str:
        _require(len(clue.rows) == count)
        return _partner([value for row in clue.rows for value in row], clue.options, size=6)

    return solve


def _partner(values: Sequence[str], options: Sequence[str], *, size: int) -> str:
    _require(len(values) == size and all(values) and values.count(_GAP) == 1)
    counts = Counter(value for value in values if value != _GAP)
    single = {value for value, n in counts.items() if n == 1}
    if max(counts.values()) == 1 and len(counts) > 1:
        return _sole({option for option in options if not any(same_answer(option, value) for value in counts)})
    _require(max(counts.values()) == 2)
    return _sole(single)


def _ends(clue: _Clue) -> str:
    """The two ends of a morph, which are all that the caption names."""
    found = re.findall(r"\b(?:top left|bottom right) shape is an? (\?|\w+)", clue.caption)
    return _partner(found, clue.options, size=2)


def _match(keys: Sequence[str], values: Sequence[str], key: str) -> str:
    """The value that goes with `key`, where keys and values go with each other one to one."""
    known = {(k, value) for k, value in zip(keys, values, strict=True) if value != _GAP}
    _require(len(known) == len({k for k, _ in known}) == len({value for _, value in known}))
    return _sole({value for k, value in known if k == key})


def _two_lists(clue: _Clue) -> str:
    """Two lists side by side, one with the gap: equal in the one means equal in the other."""
    values, keys = sorted(_shape(clue, 2), key=lambda row: _GAP not in row)
    return _match(keys, values, keys[values.index(_GAP)])


def _coloured_numbers(clue: _Clue) -> str:
    """A grid of (number, colour) pairs; the question repeats the number of the gap."""
    items = [item for row in _shape(clue, 3, 6) for item in row]
    numbers, colours = items[::2], items[1::2]
    _require(_GAP in colours)
    key = numbers[colours.index(_GAP)]
    stated = _INTEGER.findall(clue.question)
    _require(not stated or stated == [key])
    return _match(numbers, colours, key)


def _centre_shape(clue: _Clue) -> str:
    """Shapes around a missing one, which the caption and the question name, and their sizes."""
    _require(len(clue.rows) == 2 and len(clue.rows[0]) == len(clue.rows[1]) and all(all(row) for row in clue.rows))
    _require(not any(_GAP in row for row in clue.rows))
    named = re.findall(r"\bmissing (\w+) in the cent(?:er|re)\b", clue.caption) + re.findall(r"\bif it is an? (\w+)", clue.question)
    return _match(clue.rows[0], clue.rows[1], _sole(set(named)))


# -- rules about numbers ---------------------------------------------------------------------------------------------------------------
def _equal_sums(groups: Sequence[Sequence[str]]) -> str:
    """The number that gives its group the sum that all other groups, two at least, have."""
    sums = {sum(map(_integer, group)) for group in groups if _GAP not in group}
    (open_group,) = [group for group in groups if _GAP in group]
    _require(len(groups) > 2 and len(sums) == 1)
    return str(sums.pop() - sum(_integer(item) for item in open_group if item != _GAP))


def _coloured_sums(clue: _Clue) -> str:
    """Parts with a colour and a number; the numbers of each colour, two, have one sum."""
    colours, numbers = _shape(clue, 2)
    _require(_GAP in numbers and set(Counter(colours).values()) == {2})
    return _equal_sums([[n for c, n in zip(colours, numbers, strict=True) if c == colour] for colour in dict.fromkeys(colours)])


_OPERATIONS: tuple[Callable[[int, int], int], ...] = (operator.add, operator.mul, lambda a, b: abs(a - b))


def _triples(triples: Sequence[Sequence[str]]) -> str:
    """The gap in `triples` (a, b, c), where c is the sum, the product or the difference of a and b: the same operation in all of them.

    All operations that the complete triples obey are tried, and must agree.
    """
    gapped = [triple for triple in triples if _GAP in triple]
    complete = [tuple(map(_integer, triple)) for triple in triples if _GAP not in triple]
    answers: set[int] = set()
    for operation in _OPERATIONS:
        if all(operation(a, b) == c for a, b, c in complete):
            answers |= set[int].intersection(*(_solved(triple, operation) for triple in gapped))
    return _sole({str(answer) for answer in answers})


def _solved(triple: Sequence[str], operation: Callable[[int, int], int]) -> set[int]:
    """All numbers from zero up that make `triple` obey `operation`."""
    other, result = (_integer(item) for item in triple if item != _GAP)
    if triple[2] == _GAP:
        return {operation(other, result)}
    _require(other != 0 or result != 0)  # any number times nothing is nothing
    candidates = {result - other, other - result, result + other, result // (other or 1)}
    return {number for number in candidates if number >= 0 and operation(number, other) == result}


_OVERLAP = re.compile(
    r"\b(first|second|third) and (first|second|third) (?:circle|square)s? (?:overlap is|contains the number) (\?|-?\d{1,6}|[a-z]+)"
)
_PLACE = {"first": 0, "second": 1, "third": 2}


def _overlaps(clue: _Clue) -> list[tuple[str, str, str]]:
    """The overlapping things in a row of three: (one, the next, what their overlap is), with one gap in all."""
    _require(len(clue.rows) == 1 and len(clue.rows[0]) == 3 and all(clue.rows[0]))
    found = [(_PLACE[a], _PLACE[b], value) for a, b, value in _OVERLAP.findall(clue.caption)]
    _require(sorted((a, b) for a, b, _ in found) == [(0, 1), (1, 2)])
    _require([*clue.rows[0], *(value for *_, value in found)].count(_GAP) == 1)
    return [(clue.rows[0][a], clue.rows[0][b], value) for a, b, value in found]


# -- rules about colours ---------------------------------------------------------------------------------------------------------------
_MIXED: Mapping[frozenset[str], str] = {
    frozenset(("red", "yellow")): "orange",
    frozenset(("yellow", "blue")): "green",
    frozenset(("red", "blue")): "purple",
}
"""How paints mix."""


def _mixed(clue: _Clue) -> str:
    """Squares whose colours mix where they overlap."""
    trios = _overlaps(clue)
    palette = {colour for pair, mix in _MIXED.items() for colour in (*pair, mix)}
    fitting = {
        colour
        for colour in palette
        if all(_MIXED.get(frozenset(two)) == mix for *two, mix in ([colour if x == _GAP else x for x in trio] for trio in trios))
    }
    return _sole(fitting)


_SIZES = {"small": -1, "medium": 0, "large": 1}
_SHADES = {"light": -1, "medium": 0, "dark": 1}
_DEGREE = {"": 1, "very": 2, "extra": 2}


def _rank(text: str, scale: Mapping[str, int]) -> int:
    """Where a graded word stands on its `scale`: "very dark" is twice as far from the middle as "dark"."""
    degree, _, word = text.rpartition(" ")
    _require(degree in _DEGREE and word in scale)
    return _DEGREE[degree] * scale[word]


def _shaded(clue: _Clue) -> str:
    """Circles of one hue whose shade goes evenly with their size."""
    sizes, colours = _shape(clue, 2)
    _require(_GAP in colours and len(set(sizes)) == len(sizes))
    known = [(size, colour) for size, colour in zip(sizes, colours, strict=True) if colour != _GAP]
    hue = _sole({colour.rpartition(" ")[2] for _, colour in known})
    points = sorted((_rank(size, _SIZES), _rank(colour.rpartition(" ")[0], _SHADES)) for size, colour in known)
    _require(len(points) > 2 and len({x for x, _ in points}) == len(points))
    (x0, y0), (x1, y1) = points[:2]
    slope = Fraction(y1 - y0, x1 - x0)
    _require(slope != 0 and all(y - y0 == slope * (x - x0) for x, y in points))
    rank = y0 + slope * (_rank(sizes[colours.index(_GAP)], _SIZES) - x0)
    return _sole({f"{degree} {shade} {hue}".strip() for degree in ("", "very") for shade in _SHADES if _exact(degree, shade) == rank})


def _exact(degree: str, shade: str) -> int | None:
    """The rank of a shade as it would be written; nothing is "very medium"."""
    return None if degree and not _SHADES[shade] else _rank(f"{degree} {shade}".strip(), _SHADES)


# -- the families ----------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Family:
    """How the captions of a family are solved, the rule in words, and why they do not suffice (None where they do)."""

    solve: _Solver
    rule: str
    lacks: str | None = None


_PAIRED = "every value occurs twice"
_FAMILIES: Mapping[str, _Family] = {
    "circle_size_number": _Family(_pairs(1), f"{_PAIRED} (the caption leaves out the sizes, which the picture adds)"),
    "color_grid": _Family(_square, "corners share a colour, and so do the places beside the centre"),
    "color_hexagon": _Family(_opposite, "opposite parts share a colour"),
    "color_number_hexagon": _Family(_coloured_sums, "the two numbers of each colour have the same sum"),
    "color_overlap_squares": _Family(_mixed, "an overlap has the mixed colour of its squares"),
    "color_size_circle": _Family(_shaded, "the shade goes evenly with the size"),
    "grid_number": _Family(lambda clue: _equal_sums(_shape(clue, 3, 3)), "the rows have the same sum"),
    "grid_number_color": _Family(_coloured_numbers, "equal numbers share a colour"),
    "polygon_sides_color": _Family(_pairs(3), f"{_PAIRED} (the caption leaves out the sides, which the picture adds)"),
    "polygon_sides_number": _Family(
        _pairs(3),
        "all numbers differ",
        "the caption does not say how many sides the polygon without a number has, which is all that determines its number",
    ),
    "rectangle_height_color": _Family(_two_lists, "equal lengths share a colour"),
    "rectangle_height_number": _Family(_two_lists, "equal lengths share a number"),
    "shape_morph": _Family(
        _ends,
        "the two ends differ",
        "the caption does not describe the shapes between the two ends, which are all that tells the missing end",
    ),
    "shape_reflect": _Family(_alike(2), "both sides of the line hold the same shapes"),
    "shape_size_grid": _Family(_sized_shapes, "lines one way share the size, lines the other way the shape"),
    "shape_size_hexagon": _Family(_centre_shape, "equal shapes share a size"),
    "size_cycle": _Family(_alike(3), "all arms run through the same sizes"),
    "size_grid": _Family(_square, "corners share a size, and so do the places beside the centre"),
    "triangle": _Family(lambda clue: _triples(_shape(clue, 3, 3)), "the third number of each group is the product of the other two"),
    "venn": _Family(lambda clue: _triples(_overlaps(clue)), "an overlap holds the sum of the numbers of its circles"),
}

CAVEATS = {
    "circle_size_number": "the caption leaves out the sizes, with which the picture pairs the numbers; it leaves the one that is alone",
    "polygon_sides_color": "the caption leaves out the sides, with which the picture pairs the colours; it leaves the one that is alone",
}
"""Families whose captions suffice by another regularity than the picture's: which, in a sentence for reports."""

FAMILIES: tuple[str, ...] = tuple(_FAMILIES)
"""Names of the twenty families, in alphabetical order."""


def _family(name: str) -> _Family:
    if name not in _FAMILIES:
        raise UserError(f"unknown PuzzleVQA family {name!r}: expected one of {', '.join(FAMILIES)}")
    return _FAMILIES[name]


def solve_caption(family: str, question: str, caption: str, options: Sequence[str] = ()) -> str | None:
    """The answer that `caption` determines, or None. Total: no text makes it raise, and it takes linear time.

    Args:
        family: one of `FAMILIES`.
        question: the question of the puzzle; two families name there what is missing.
        caption: the caption of the set; longer than `MAX_CAPTION` it is not read.
        options: the spelling of the answer is taken from them, and an answer that is not among them is none. They choose the answer only
            where all shown values differ and a single option is not shown (rows of `polygon_sides_number`, which does not suffice).

    Raises:
        UserError: there is no such family.
    """
    solver = _family(family).solve
    if max(len(caption), len(question)) > MAX_CAPTION:
        return None
    text = fold(caption)
    try:
        answer = solver(_Clue(text, fold(question), _rows(text), tuple(options)))
    except _Undetermined:
        return None
    if not options:
        return answer
    return next((option for option in options if same_answer(option, answer)), None)


def sufficiency(family: str) -> str | None:
    """Why the captions of `family` do not suffice to solve its puzzles, in a sentence for reports; None where they do.

    Raises:
        UserError: there is no such family.
    """
    return _family(family).lacks


def rule(family: str) -> str:
    """The regularity by which the captions of `family` are solved, in words.

    Raises:
        UserError: there is no such family.
    """
    return _family(family).rule
