"""Chain links: the least time to join segments of chain into one necklace (AlgoPuzzleVQA `chain_link`).

Visible: the segments, each a run of closed pieces or a single open one. The question states how many open pieces there are (the public one
and that of the first edition also how many segments and pieces); the facts to be seen are the lengths of the closed segments. A piece is
opened by a cut and closed by a weld, and two pieces can only be joined while one of them is open. So in a necklace every two runs of pieces
that were never opened have an open piece between them: it can be made as soon as there are at least as many open pieces as closed runs. A
cut makes an open piece and, at the end of a run, leaves the number of runs as it is; the last cut of a run that is used up also removes the
run (a cut in the middle adds a run and gains nothing). With k cuts the excess of runs over open pieces therefore falls by k + (runs used
up), at most as many as the shortest runs allow; the fewest cuts follow by counting, and every piece that was open or was cut has to be
welded once.
"""

from __future__ import annotations

import random
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image, ImageDraw

from tasks.family import Family, asked
from tasks.kit.drawing import Canvas
from tasks.kit.notation import NUMBER_WORDS, Unreadable, attempt, number, same_amount

_LONGEST = 9
"""Most pieces in a segment that is drawn or read."""
_MOST = 24
"""Most segments, open pieces included."""
_SEGMENTS = {1: (3, 4), 2: (4, 6), 3: (6, 9), 4: (8, 12), 5: (11, 15)}
"""Level -> fewest and most closed segments."""
_OPEN = {1: 1, 2: 2, 3: 3, 4: 4, 5: 4}
"""Level -> most open pieces."""
_PIECES = {1: 3, 2: 4, 3: 4, 4: 5, 5: 5}
"""Level -> most pieces in a segment."""
_DRAWN = 60
"""Sets of segments on which a question is tried to learn how often each answer is right."""
_PITCH = 0.7
"""Distance of neighbouring rings, in widths of a ring."""
_GOLD, _EDGE = (232, 170, 20), (140, 92, 0)

_WORDS = "|".join(NUMBER_WORDS)
_COUNT = rf"\b(\d{{1,2}}|none|no|an?|{_WORDS})\b"
_LENGTH = rf"(\d{{1,2}}|{_WORDS})\b"
_OPEN_IS = re.compile(r"\bopen\b[^\n\d:=.;]{0,40}[:=] ?" + _COUNT)
_OPEN_EACH = re.compile(_COUNT + r" segments? (?:each )?(?:with|has|have|having) (?:only )?(?:1|one|an?|a single) open\b")
_SOME_OPEN = re.compile(_COUNT + rf" (?:(?!(?:closed|an?|{_WORDS})\b)[a-z]+ ){{0,4}}open(?:ed)?\b")
_LIST = re.compile(
    r"\b(?:(?:closed|segments?|chains?)\b[^\n\d:=.;]{0,40}[:=]|lengths?\b[^\n\d:=.;]{0,20}[:= ]) ?"
    r"[(\[]? ?(none\b|no\b|[\d,;+& and]{1,400})(?=$|[.)\]\n]|pieces?|links?|rings?)",
    re.MULTILINE,
)
_SEGMENTS_OF = re.compile(
    _COUNT + r" (?:closed )?(?:segments?|chains?|runs?) (?:each )?(?:of|with|has|have|having) (?:length )?" + _LENGTH + r"(?! ?open)"
)
_SINGLES = re.compile(_COUNT + r" (?:single )?closed (?:single )?(?:pieces?|rings?|links?)\b")


@dataclass(frozen=True, slots=True)
class Query:
    """What the question states: the `cut` and the `weld` time in minutes, and how many `open` pieces, segments and pieces there are."""

    cut: int
    weld: int
    open: int
    segments: int
    pieces: int


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `open` single open pieces, and the `lengths` in pieces of the closed segments, shortest first."""

    open: int
    lengths: tuple[int, ...]
    query: Query | None = None


class ChainLink(Family[State]):
    """Segments of chain to be made into one necklace."""

    name = "chain_link"
    title = "chain necklace"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        while True:
            lengths = _lengths(rng, rng.randint(*_SEGMENTS[level]), level)
            state = _posed(rng.randint(0, _OPEN[level]), lengths, rng.randint(2, 5), rng.randint(2, 5))
            if _worth(state, level):
                return state

    def check(self, state: State) -> None:
        if not 0 <= state.open <= _MOST:
            raise ValueError(f"open: expected 0 to {_MOST} open pieces, found {state.open}")
        if not 1 <= len(state.lengths) <= _MOST - state.open:
            raise ValueError(f"lengths: expected 1 to {_MOST - state.open} closed segments, found {len(state.lengths)}")
        if list(state.lengths) != sorted(state.lengths) or not (state.lengths[0] >= 1 and state.lengths[-1] <= _LONGEST):
            raise ValueError(f"lengths: expected 1 to {_LONGEST} pieces, shortest first, found {state.lengths}")
        if state.open + sum(state.lengths) < 3:
            raise ValueError(f"lengths: expected at least 3 pieces in all, found {state.open + sum(state.lengths)}")
        query = state.query
        if query and not (1 <= query.cut <= 1000 and 1 <= query.weld <= 1000):
            raise ValueError(f"query: expected 1 to 1000 minutes each, found {query.cut} and {query.weld}")
        if query and state != _posed(state.open, state.lengths, query.cut, query.weld):
            raise ValueError(f"query: expected the numbers of segments and pieces that are shown, found {query}")

    def paint(self, state: State, side: int) -> Image.Image:
        segments = [0] * state.open + list(state.lengths)
        columns = 3 if state.lengths[-1] < 7 and len(segments) > 4 else 2
        rows = -(-len(segments) // columns)
        width = 896 / columns
        ring = min(110.0, (width - 44) / (1 + (state.lengths[-1] - 1) * _PITCH), 700 / rows)
        height = max(rows * 1.2 * ring + 40, 360.0)
        canvas = Canvas(side, aspect=896 / height)
        top = (height - rows * 1.2 * ring) / 2 + 0.24 * ring
        for index, pieces in enumerate(segments):
            row, column = divmod(index, columns)
            _segment(canvas, width * column + 22, top + 1.2 * ring * row, ring, pieces)
        return canvas.image

    def ask(self, state: State) -> str:
        query = asked(state.query)
        begin = "At first no piece is open."
        if query.open:
            single = "1 of the segments is a single open piece" if query.open == 1 else f"{query.open} segments are single open pieces"
            begin = f"At first {single}, as shown in the image; all other pieces are closed."
        return (
            "Alice has several segments of chain, as shown in the image. She has a saw, with which a closed piece can be cut open, and a "
            f"welding machine, with which an open piece can be closed. Each cut takes {query.cut} minutes and each weld takes {query.weld} "
            f"minutes. {begin} She wants to make one closed necklace of all the pieces, in which every piece is connected to exactly two "
            "other pieces. For this she has to cut open some pieces and then join the segments. What is the minimum time, in minutes, in "
            "which she can make the necklace?"
        )

    def solve(self, state: State) -> str:
        query = asked(state.query)
        cuts = _cuts(state)
        return str(cuts * query.cut + (state.open + cuts) * query.weld)

    def distractors(self, state: State) -> Sequence[str]:
        query, cuts, runs = asked(state.query), _cuts(state), len(state.lengths)
        right = int(self.solve(state))
        plans = (
            (cuts, cuts),  # the pieces that were open at first are not welded
            (cuts, state.open + cuts + 1),
            (max(0, runs - state.open), runs),  # only ends are cut
            (cuts - 1, state.open + cuts - 1),
            (cuts + 1, state.open + cuts + 1),
            (cuts, state.open + cuts - 1),
            (runs, runs),
            (cuts + 1, state.open + cuts),
            (0, state.open + cuts),
            (cuts, runs + state.open),
            *((cuts + n, state.open + cuts + n) for n in (2, 3, 4, 5, 6)),
            *((cuts - n, state.open + cuts - n) for n in (2, 3)),
        )
        times = dict.fromkeys(c * query.cut + w * query.weld for c, w in plans if c >= 0 and w >= 0)
        return _straddling(right, [time for time in times if time > 0 and time != right], key=(state.open, state.lengths, query))

    def chances(self, state: State, rng: random.Random, level: int) -> Mapping[str, float]:
        query = asked(state.query)
        drawn = (_lengths(rng, rng.randint(*_SEGMENTS[level]), level) for _ in range(_DRAWN))
        alike = (_posed(state.open, lengths, query.cut, query.weld) for lengths in drawn)
        return Counter(self.solve(other) for other in alike if _worth(other, level))

    def same(self, a: str, b: str) -> bool:
        return same_amount(a, b, "minute", "min")

    def describe(self, state: State) -> str:
        return f"Open single pieces: {state.open}\nClosed segments, pieces in each: {', '.join(map(str, state.lengths))}"

    def parse(self, text: str) -> State:
        return State(_read_open(text), _read_lengths(text))

    def facts(self, state: State) -> Mapping[str, str]:
        return _tally(state.lengths)

    def claims(self, text: str) -> Mapping[str, str]:
        return _tally(attempt(text, _read_lengths) or ())

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        if not solution["steps"]:
            raise ValueError("steps: expected the initial numbers of segments, found none")
        opened, *closed = map(int, solution["steps"][0])
        lengths = tuple(pieces for pieces, count in enumerate(closed, 1) for _ in range(count))
        state = _posed(opened, lengths, int(solution["each_cut_time"]), int(solution["each_join_time"]))
        self.check(state)
        return state


def _lengths(rng: random.Random, runs: int, level: int) -> tuple[int, ...]:
    return tuple(sorted(rng.randint(1, _PIECES[level]) for _ in range(runs)))


def _worth(state: State, level: int) -> bool:
    """Whether a puzzle of `level` needs cuts enough."""
    return _cuts(state) > (level > 1)


def _posed(opened: int, lengths: tuple[int, ...], cut: int, weld: int) -> State:
    """The state with the question that belongs to it."""
    return State(opened, lengths, Query(cut, weld, opened, opened + len(lengths), opened + sum(lengths)))


def _cuts(state: State) -> int:
    """The fewest cuts after which a necklace can be made (see the module's first lines)."""
    excess, cuts = len(state.lengths) - state.open, 0
    for pieces in state.lengths:
        if excess <= 0:
            break
        if excess <= pieces:  # before this run is used up
            return cuts + excess
        cuts += pieces
        excess -= pieces + 1
    return cuts


def _straddling(right: int, wrong: Sequence[int], *, key: object, count: int = 6) -> list[str]:
    """`count` of `wrong`, in their order; how many of them are below `right` is drawn from a hash of `key`."""
    below, above = [time for time in wrong if time < right], [time for time in wrong if time > right]
    low = min(zlib.crc32(repr(key).encode()) % (count + 1), len(below))
    chosen = {*below[:low], *above[: count - low]}
    return [str(time) for time in wrong if time in chosen]


def _tally(lengths: Sequence[int]) -> dict[str, str]:
    return {f"closed segments of {pieces}": str(count) for pieces, count in sorted(Counter(lengths).items())}


# -- drawing ---------------------------------------------------------------------------------------------------------------------------
def _segment(canvas: Canvas, x: float, y: float, ring: float, pieces: int) -> None:
    """Draw a segment of `pieces` closed rings, or one open ring where that is 0, with the top left of its first ring at (x, y)."""
    width = max(6, round(ring * canvas.scale))
    sprite = _ring(width, closed=pieces > 0)
    top, pitch = round(y * canvas.scale), round(width * _PITCH)
    left = round(x * canvas.scale)
    upper_right = sprite.crop((pitch, 0, width, sprite.height // 2))
    for index in range(max(1, pieces)):
        canvas.image.paste(sprite, (left + index * pitch, top), sprite)
        if index:  # the ring before passes over this one at the upper of the two crossings, and under it at the lower
            canvas.image.paste(upper_right, (left + index * pitch, top), upper_right)


@cache
def _ring(width: int, closed: bool) -> Image.Image:
    """An oval ring of `width` px with transparent surroundings; an open one has a wide gap at its right."""
    factor, height = 4, round(width * 0.72)
    big = (width * factor, height * factor)
    edge, stroke = max(2, round(0.012 * big[0])), max(5, round(0.105 * big[0]))
    start, end = (0, 360) if closed else (28, 332)
    mask = Image.new("L", big, 0)
    ImageDraw.Draw(mask).arc((0, 0, big[0] - 1, big[1] - 1), start, end, fill=255, width=stroke + 2 * edge)
    color = Image.new("RGB", big, _EDGE)
    inner = (edge, edge, big[0] - 1 - edge, big[1] - 1 - edge)
    ImageDraw.Draw(color).arc(inner, start + (0 if closed else 2), end - (0 if closed else 2), fill=_GOLD, width=stroke)
    sprite = color.reduce(factor)
    sprite.putalpha(mask.reduce(factor))
    return sprite


# -- reading ---------------------------------------------------------------------------------------------------------------------------
def _amount(word: str) -> int:
    return {"no": 0, "none": 0, "a": 1, "an": 1}.get(word) or int(number(word) or 0)


def _read_open(text: str) -> int:
    found = {_amount(match[1]) for match in _OPEN_EACH.finditer(text)}
    if not found:
        found = {_amount(match[1]) for pattern in (_OPEN_IS, _SOME_OPEN) for match in pattern.finditer(text)}
    if len(found) != 1:
        raise Unreadable("open", f"several numbers: {sorted(found)}" if found else "the number of open pieces is not stated")
    return found.pop()


def _read_lengths(text: str) -> tuple[int, ...]:
    found = {tuple(sorted(map(int, re.findall(r"\d{1,4}", match[1])))) for match in _LIST.finditer(text)}
    counted: dict[int, int] = {}
    stated = [(match[1], match[2]) for match in _SEGMENTS_OF.finditer(text)] + [(match[1], "1") for match in _SINGLES.finditer(text)]
    for count, pieces in stated:
        if counted.setdefault(_amount(pieces), _amount(count)) != _amount(count):
            raise Unreadable("lengths", f"the number of segments of {pieces} is stated twice, differently")
    if counted:
        found.add(tuple(pieces for pieces in sorted(counted) for _ in range(counted[pieces])))
    if len(found) != 1:
        raise Unreadable("lengths", "stated twice, differently" if found else "no list of the pieces in each closed segment")
    return found.pop()
