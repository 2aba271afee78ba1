"""Tower of Hanoi: the fewest moves from one legal arrangement of disks on three rods to another (AlgoPuzzleVQA `tower_of_hanoi`).

Visible: the start above, the end below; each disk's size tells which one it is. The question states how many disks there are, so the facts
are where each disk lies. The fewest moves follow from a recursion over the disks, without search.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from PIL import Image

from tasks.family import Family
from tasks.kit.drawing import COLORS, INK, Canvas, Color
from tasks.kit.notation import Unreadable, attempt, nearby, same_amount

Rods = tuple[tuple[int, ...], ...]
Place = tuple[str, int]
"""One rod of one arrangement: ("start" or "end", rod counted from 1 at the left)."""

_DISKS = {1: 3, 2: 4, 3: 5, 4: 6, 5: 7}
"""Level -> disks. The public set has 3 to 6."""
_MOVES = {1: (1, 4), 2: (2, 7), 3: (4, 12), 4: (6, 20), 5: (10, 40)}
"""Level -> fewest and most moves. The public set has 1 to 6."""
_MAX_DISKS = 10
_PAINTS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "grey")
_WOOD: Color = (92, 78, 66)
_RODS = (150.0, 448.0, 746.0)

_ROD_NAMES = {
    **dict.fromkeys(("1", "a", "left", "leftmost", "first"), 1),
    **dict.fromkeys(("2", "b", "middle", "center", "centre", "central", "second"), 2),
    **dict.fromkeys(("3", "c", "right", "rightmost", "third"), 3),
}
_SIDES = "leftmost|left|middle|center|centre|central|rightmost|right|first|second|third"
_WORD = "(?:rod|peg|pole|stick|post|tower|stack)"
_EVENT = re.compile(
    r"(?<![a-z])(?P<start>start(?:ing)?|initial(?:ly)?|(?:top|upper) (?:half|part|picture|image|panel|configuration))(?![a-z])"
    r"|(?<![a-z])(?P<end>end(?:ing)?|final(?:ly)?|goal|target|(?:bottom|lower) (?:half|part|picture|image|panel|configuration))(?![a-z])"
    rf"|\b{_WORD} ?#?(?P<numbered>[1-3abc])\b"
    rf"|\b(?P<sided>{_SIDES})(?: {_WORD}\b| ?(?=[:=]))"
    r"|(?:^(?P<line>[1-3])|\b(?P<letter>[abc])) ?(?=[:=)])",
    re.MULTILINE,
)
_NESTED = re.compile(r"\[ ?(?:\[[\d, ]{0,40}\] ?,? ?){3}\]")
_INNER = re.compile(r"\[([\d, ]*)\]")
_TALLY = re.compile(r"\d+ dis[ck]s?\b(?= ?[:(\[])")
_EMPTY = re.compile(r"\b(?:empty|none|nothing|no dis[ck]s?)\b|[\[(] ?[\])]|^[ :=]*-$")


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `start` and `end` as three rods from the left, each its disks from the bottom up. Disk 1 is the smallest."""

    start: Rods
    end: Rods
    query: None = None


class TowerOfHanoi(Family[State]):
    """Two arrangements of disks on three rods, one above the other."""

    name = "tower_of_hanoi"
    title = "tower of Hanoi"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        disks, wanted = _DISKS[level], rng.randint(*_MOVES[level])
        while True:
            start = [rng.randrange(3) for _ in range(disks)]
            low = min(disks, wanted.bit_length() + rng.randrange(2))  # disks that may change rods: 2^low - 1 moves at most
            end = start[: disks - low] + [rng.randrange(3) for _ in range(low)]
            if _distance(start, end) == wanted:
                return State(_stacked(start), _stacked(end))

    def check(self, state: State) -> None:
        for field, rods in (("start", state.start), ("end", state.end)):
            if len(rods) != 3:
                raise ValueError(f"{field}: expected 3 rods, found {len(rods)}")
            for number, rod in enumerate(rods, 1):
                if list(rod) != sorted(set(rod), reverse=True):
                    raise ValueError(f"{field}: expected every disk of rod {number} on a larger one, found {list(rod)} from the bottom up")
        disks = sorted(disk for rod in state.start for disk in rod)
        if not 1 <= len(disks) <= _MAX_DISKS or disks != list(range(1, len(disks) + 1)):
            raise ValueError(f"start: expected disks 1 to at most {_MAX_DISKS}, each once, found {disks}")
        if sorted(disk for rod in state.end for disk in rod) != disks:
            raise ValueError(f"end: expected the {len(disks)} disks of the start, each once, found {state.end}")
        if state.start == state.end:
            raise ValueError("end: expected another arrangement than the start")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side, base=_rods(side))
        disks = sum(map(len, state.start))
        height = min(44.0, 290 / disks)
        for ground, rods in ((402.0, state.start), (850.0, state.end)):
            for x, rod in zip(_RODS, rods, strict=True):
                for index, disk in enumerate(rod):
                    half = (84 + 196 * (disk - 1) / max(1, disks - 1)) / 2
                    base = ground - index * height
                    draw = canvas.rect if side < 224 else partial(canvas.round_rect, radius=0.3 * height)
                    draw(x - half, base - height + 3, x + half, base, fill=COLORS[_PAINTS[disk - 1]])
        return canvas.image

    def ask(self, state: State) -> str:
        return (
            f"You are playing a Tower of Hanoi game with 3 rods and {sum(map(len, state.start))} disks of various diameters, which can "
            "slide onto any rod. You are given the starting and ending configuration of the game as shown in the top and the bottom of the "
            "image, respectively. The game has the following rules: i) Only one disk may be moved at a time; ii) Each move consists of "
            "taking the upper disk from one of the stacks and placing it on top of another stack or on an empty rod; and iii) No disk can "
            "be placed on top of a disk that is smaller than it. What is the minimum number of moves required to go from the starting to "
            "the ending configuration?"
        )

    def solve(self, state: State) -> str:
        return str(_distance(_places(state.start), _places(state.end)))

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=(state.start, state.end), low=1)

    def same(self, a: str, b: str) -> bool:
        return same_amount(a, b, "move", "step")

    def kind(self, state: State) -> str:
        return f"{sum(map(len, state.start))} disks"

    def describe(self, state: State) -> str:
        lines = ["Disks by size, 1 the smallest; rods from the left, each from the bottom up"]
        for field, rods in (("Start", state.start), ("End", state.end)):
            lines += [f"{field}, rod {number}: {', '.join(map(str, rod)) or 'empty'}" for number, rod in enumerate(rods, 1)]
        return "\n".join(lines)

    def parse(self, text: str) -> State:
        stated = _stated(text)
        for field in ("start", "end"):
            if missing := [rod for rod in (1, 2, 3) if (field, rod) not in stated]:
                raise Unreadable(field, f"rod {missing[0]} is not stated; expected its disks or 'empty'")
        start, end = (tuple(stated[field, rod] for rod in (1, 2, 3)) for field in ("start", "end"))
        return State(start, end)

    def facts(self, state: State) -> Mapping[str, str]:
        pairs = (("start", state.start), ("end", state.end))
        return _by_disk({(field, number): rod for field, rods in pairs for number, rod in enumerate(rods, 1)})

    def claims(self, text: str) -> Mapping[str, str]:
        return _by_disk(attempt(text, _stated) or {})

    def from_public(self, row: Mapping[str, Any]) -> State:
        start, end = (
            tuple(tuple(int(disk) for disk in rod) for rod in row["solution"][field]) for field in ("start_position", "end_position")
        )
        return State(start, end)


def _stacked(places: Sequence[int]) -> Rods:
    """The rods, given the rod (0-2) of every disk, largest first."""
    disks = len(places)
    return tuple(tuple(disks - index for index, rod in enumerate(places) if rod == number) for number in range(3))


def _places(rods: Rods) -> list[int]:
    """The rod (0-2) of every disk, largest first: the inverse of `_stacked`."""
    where = {disk: number for number, rod in enumerate(rods) for disk in rod}
    return [where[disk] for disk in sorted(where, reverse=True)]


def _distance(start: Sequence[int], end: Sequence[int]) -> int:
    """The fewest moves between two arrangements, given as the rod of every disk, largest first.

    Disks larger than the largest that changes rods stay where they are. That one moves once, all smaller disks waiting on the third rod, or
    twice, by way of the third rod. Source: Hinz (1989), L'Enseignement Mathematique 35, 289-321, "The Tower of Hanoi".
    """
    moved = next((index for index, (a, b) in enumerate(zip(start, end, strict=True)) if a != b), None)
    if moved is None:
        return 0
    source, target = start[moved], end[moved]
    third = 3 - source - target
    before, after = start[moved + 1 :], end[moved + 1 :]
    once = _gather(before, third) + 1 + _gather(after, third)
    twice = _gather(before, target) + 1 + 2 ** len(before) + _gather(after, source)
    return min(once, twice)


def _gather(places: Sequence[int], rod: int) -> int:
    """The fewest moves that bring all disks, given by their rods, largest first, onto `rod`."""
    moves = 0
    for index, at in enumerate(places):
        if at != rod:
            moves += 2 ** (len(places) - index - 1)
            rod = 3 - at - rod
    return moves


def _stated(text: str) -> dict[Place, tuple[int, ...]]:
    """The rods that `text` states, disks from the bottom up whichever way they were listed.

    Raises:
        Unreadable: a rod is stated twice, differently.
    """
    stated: dict[Place, tuple[int, ...]] = {}
    for place, body in _bodies(_NESTED.sub(_unnest, text)):
        disks = _disks(body)
        if disks is not None and stated.setdefault(place, disks) != disks:
            raise Unreadable(place[0], f"rod {place[1]} is stated twice, differently")
    return stated


def _bodies(text: str) -> Iterator[tuple[Place, str]]:
    """What follows the name of each rod, up to the next name of a rod or an arrangement."""
    section: str | None = None
    events = list(_EVENT.finditer(text))
    for index, event in enumerate(events):
        if event.lastgroup in ("start", "end"):
            section = event.lastgroup
        elif section is not None and event.lastgroup is not None:
            stop = events[index + 1].start() if index + 1 < len(events) else len(text)
            yield (section, _ROD_NAMES[event[event.lastgroup]]), text[event.end() : stop]


def _disks(body: str) -> tuple[int, ...] | None:
    """The disks in the first line of `body` that states any, or () where it says the rod is empty; None where it says neither."""
    for line in body.splitlines():
        numbers = [int(found) for found in re.findall(r"\d{1,3}", _TALLY.sub("", line))]
        if numbers:
            return tuple(numbers) if numbers[0] >= numbers[-1] else tuple(reversed(numbers))
        if _EMPTY.search(line.strip()):
            return ()
    return None


def _unnest(match: re.Match[str]) -> str:
    """[[3, 1], [], [2]] as rod 1: 3, 1 / rod 2: empty / rod 3: 2."""
    rods = _INNER.findall(match[0][1:-1])
    return "\n".join(["", *(f"rod {number}: {disks.strip() or 'empty'}" for number, disks in enumerate(rods, 1)), ""])


def _by_disk(stated: Mapping[Place, tuple[int, ...]]) -> dict[str, str]:
    """Slot -> value: "start, disk 3" -> "rod 1" ("rod 1 and 2" where a text claims both)."""
    rods: dict[str, list[int]] = {}
    for (field, rod), disks in stated.items():
        for disk in disks:
            rods.setdefault(f"{field}, disk {disk}", []).append(rod)
    return {slot: f"rod {' and '.join(map(str, sorted(set(found))))}" for slot, found in rods.items()}


@cache
def _rods(side: int) -> Image.Image:
    canvas = Canvas(side)
    for top, title in ((0.0, "Start"), (448.0, "End")):
        for x in _RODS:
            canvas.rect(x - 10, top + 92, x + 10, top + 404, _WOOD)
        canvas.rect(8, top + 402, 888, top + 418, _WOOD)
        if side >= 224:
            canvas.text(448, top + 48, title, 40, INK)
    canvas.rect(0, 446, 896, 450, (206, 212, 218))
    return canvas.image
