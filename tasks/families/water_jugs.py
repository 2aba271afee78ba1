"""Water jugs: pour between jugs until given amounts stand in them, in the fewest steps (AlgoPuzzleVQA `water_jugs`).

Visible: how much water each jug holds. The capacities are drawn too, but the question states them, with the goal, so they belong to the
query. Asked: the least number of pours, each until one jug is empty or the other full, found by breadth-first search.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from PIL import Image

from tasks.family import Family, asked
from tasks.kit.drawing import INK, PAPER, Canvas, Color
from tasks.kit.notation import Unreadable, attempt, nearby, number

_JUGS = {1: 3, 2: 3, 3: 3, 4: 3, 5: 4}
_LARGEST = {1: 6, 2: 8, 3: 10, 4: 13, 5: 10}
_STEPS = {1: (1, 3), 2: (1, 5), 3: (2, 6), 4: (3, 8), 5: (4, 8)}
"""Level -> number of jugs, largest capacity in litres, fewest and most steps."""
_DRAWN, _JUGS_TRIED = 30, 200
"""Starts, and sets of jugs, that are tried to learn how often each answer is right."""
_MAX_JUGS, _MAX_LITRES, _MAX_STEPS = 6, 20, 1000
_WATER: Color = (66, 150, 222)
_GLASS: Color = (73, 80, 87)
_RULE: Color = (206, 212, 218)
_WORD = "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_VESSEL = "(?:jug|jar|container|vessel)"
_LITRES = r"(?:l|litres?|liters?)\b"
_AMOUNT = rf"(?<![\w.])(\d{{1,4}}(?:\.\d{{1,3}})?(?![\d.]\d)|(?:{_WORD})\b)"
_POSITIONS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "left": 1, "middle": 2, "right": 3}
_POSITION = re.compile(rf"\b({'|'.join(_POSITIONS)})(?:-?most)?(?: {_VESSEL}|(?= ?[:=]))")
_LABEL = re.compile(rf"\b{_VESSEL}s? ?(?:#|no\.? ?|number )?(\d|(?:{_WORD})|[a-f])\b(?! ?[/.]? ?\d)")
_CAPACITY = re.compile(
    rf"(?:\b(?:out of|of|capacity(?: of| is)?|holds up to|max(?:imum)?)[ :=]{{0,2}}|/ ?){_AMOUNT}(?: ?{_LITRES})?"
    rf"|{_AMOUNT}[ -]?(?:{_LITRES})?[ -](?:capacity|{_VESSEL})"
)
_STRONG = re.compile(
    rf"(?:\b(?:contains?|contained|has|holds?|holding|filled (?:to|with)|with|at|is|water)|[:=|]) ?(?:about |exactly |only |the )?{_AMOUNT}"
    rf"|{_AMOUNT} ?{_LITRES}|\b(empty|nothing|no water)\b"
)
_ANY = re.compile(_AMOUNT)
_AND = "(?: ?,(?: and)?| and)"
_TOGETHER = re.compile(rf"\b{_VESSEL}s \d(?:{_AND} \d)+\b")
_LIST = re.compile(rf"(?<![\w.])\d{{1,4}}(?: ?{_LITRES})?(?:{_AND} ?\d{{1,4}}(?: ?{_LITRES})?){{1,5}}(?![\w.])")
_SEGMENT = 200
"""Characters after a jug's name in which its amount is looked for."""

Amounts = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What the question states: the `capacities` of the jugs and the `goal`, in litres from left to right."""

    capacities: Amounts
    goal: Amounts


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `amounts` of water in litres, from left to right."""

    amounts: Amounts
    query: Query | None = None


class WaterJugs(Family[State]):
    """Jugs beside a scale in litres."""

    name = "water_jugs"
    title = "water jugs"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        least, most = _STEPS[level]
        target = rng.randint(least, most)
        while True:
            capacities = _capacities(rng, level)
            start = tuple(rng.randint(0, capacity) for capacity in capacities)
            reached = list(_reached(start, capacities, most=target))
            if len(reached) > target:
                return State(start, Query(capacities, rng.choice(reached[target])))

    def check(self, state: State) -> None:
        if not 2 <= len(state.amounts) <= _MAX_JUGS:
            raise ValueError(f"amounts: expected 2 to {_MAX_JUGS} jugs, found {len(state.amounts)}")
        if wrong := [amount for amount in state.amounts if not 0 <= amount <= _MAX_LITRES]:
            raise ValueError(f"amounts: expected 0 to {_MAX_LITRES} litres, found {wrong[0]}")
        if state.query:
            _check_query(state.amounts, state.query)

    def paint(self, state: State, side: int) -> Image.Image:
        query = asked(state.query)
        canvas = Canvas(side)
        highest, jugs = max(query.capacities), len(state.amounts)
        litre, floor = 740 / highest, 850.0
        type_size = min(44.0, 0.8 * litre)
        for mark in range(highest + 1):
            y = floor - mark * litre
            canvas.rect(84, y - 2, 896, y + 2, _RULE)
            canvas.text(66, y, str(mark), type_size, anchor="rm")
        slot = 800 / jugs
        for index, (amount, capacity) in enumerate(zip(state.amounts, query.capacities, strict=True)):
            left, right = 96 + (index + 0.12) * slot, 96 + (index + 0.88) * slot
            top, level = floor - capacity * litre, floor - amount * litre
            canvas.rect(left, level, right, floor, _WATER)
            for mark in range(1, capacity):
                y = floor - mark * litre
                canvas.rect(left, y - 3, left + 0.2 * slot, y + 3, PAPER if mark < amount else _GLASS)
            for x in (left, right):
                canvas.rect(x - 8, top, x + 8, floor + 8, _GLASS)
            canvas.rect(left - 8, floor - 8, right + 8, floor + 8, _GLASS)
            canvas.text((left + right) / 2, 48, f"Jug {index + 1}", 44, INK)
        return canvas.image

    def ask(self, state: State) -> str:
        query = asked(state.query)
        return (
            f"You are given {len(query.capacities)} jugs with capacities of {_listed(query.capacities)} litres, from left to right. The "
            "image shows how much water is in each jug at first. In one step you pour water from a jug that is not empty into another that "
            "is not full, until the first is empty or the second is full; you cannot stop before. The objective is to reach the amounts of "
            f"{_listed(query.goal)} litres of water in the jugs, from left to right. What is the minimum number of steps that this takes?"
        )

    def solve(self, state: State) -> str:
        query = asked(state.query)
        for steps, states in enumerate(_reached(state.amounts, query.capacities)):
            if query.goal in states:
                return str(steps)
        raise ValueError(f"query: no sequence of pours leads from {state.amounts} to {query.goal}")

    def distractors(self, state: State) -> Sequence[str]:
        return nearby(int(self.solve(state)), key=state.amounts, low=1)

    def chances(self, state: State, rng: random.Random, level: int) -> Mapping[str, float]:
        """Over the starts that hold as much water as the goal, each as likely as `sample` takes it and then this goal."""
        query, (least, most) = asked(state.query), _STEPS[level]
        total = sum(query.goal)
        starts = [start for start in product(*(range(capacity + 1) for capacity in query.capacities)) if sum(start) == total]
        drawn: defaultdict[str, float] = defaultdict(float)
        for start in rng.sample(starts, min(_DRAWN, len(starts))):
            for steps, states in enumerate(_reached(start, query.capacities, most=most)):
                if steps >= least and query.goal in states:
                    drawn[str(steps)] += 1 / (len(states) * _share(level, steps))
        return drawn

    def describe(self, state: State) -> str:
        return ", ".join(f"Jug {index}: {amount} litre{'' if amount == 1 else 's'}" for index, amount in enumerate(state.amounts, 1))

    def parse(self, text: str) -> State:
        stated = _stated(text)
        if not stated:
            raise Unreadable("amounts", "no statement of the form 'jug 1: 4 litres'")
        if missing := [index for index in range(1, max(stated) + 1) if index not in stated]:
            raise Unreadable("amounts", f"the amount in jug {missing[0]} is missing")
        return State(tuple(stated[index] for index in sorted(stated)))

    def facts(self, state: State) -> Mapping[str, str]:
        return {f"jug {index}": str(amount) for index, amount in enumerate(state.amounts, 1)}

    def claims(self, text: str) -> Mapping[str, str]:
        stated = attempt(text, _stated) or {}
        return {f"jug {index}": str(amount) for index, amount in sorted(stated.items())}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        start, capacities, goal = (tuple(int(value) for value in solution[name]) for name in ("start", "capacities", "end"))
        return State(start, Query(capacities, goal))


def _check_query(amounts: Amounts, query: Query) -> None:
    jugs = len(amounts)
    if len(query.capacities) != jugs or len(query.goal) != jugs:
        raise ValueError(f"query: expected {jugs} capacities and a goal of {jugs} amounts, found {query.capacities} and {query.goal}")
    if not all(1 <= capacity <= _MAX_LITRES for capacity in query.capacities):
        raise ValueError(f"query: expected capacities of 1 to {_MAX_LITRES} litres, found {query.capacities}")
    for name, contents in (("amounts", amounts), ("query", query.goal)):
        if not all(0 <= amount <= capacity for amount, capacity in zip(contents, query.capacities, strict=True)):
            raise ValueError(f"{name}: expected at most {query.capacities} litres, found {contents}")
    if not any(query.goal in states for states in _reached(amounts, query.capacities)):
        raise ValueError(f"query: no sequence of pours leads from {amounts} to {query.goal}")


def _reached(start: Amounts, capacities: Amounts, *, most: int = _MAX_STEPS) -> Iterator[list[Amounts]]:
    """The states first reached after 0, 1, 2, ... pours, up to `most`: breadth-first search, one list for each number of pours."""
    seen, front = {start}, [start]
    pairs = [(source, target) for source in range(len(start)) for target in range(len(start)) if source != target]
    for _ in range(most + 1):
        if not front:
            return
        yield front
        following: list[Amounts] = []
        for state in front:
            for source, target in pairs:
                poured = min(state[source], capacities[target] - state[target])
                if poured:
                    after = list(state)
                    after[source] -= poured
                    after[target] += poured
                    if (new := tuple(after)) not in seen:
                        seen.add(new)
                        following.append(new)
        front = following


@cache
def _share(level: int, steps: int) -> float:
    """The share of random jugs of `level` from whose start some state is `steps` away, which `sample` therefore takes more seldom."""
    rng, jugs = random.Random(f"water jugs {level}"), list[int]()
    for _ in range(_JUGS_TRIED):
        capacities = _capacities(rng, level)
        jugs.append(len(list(_reached(tuple(rng.randint(0, capacity) for capacity in capacities), capacities, most=_STEPS[level][1]))))
    return (1 + sum(length > steps for length in jugs)) / len(jugs)


def _capacities(rng: random.Random, level: int) -> Amounts:
    return tuple(sorted(rng.sample(range(1, _LARGEST[level] + 1), _JUGS[level]), reverse=True))


def _listed(amounts: Amounts) -> str:
    return ", ".join(map(str, amounts))


def _stated(text: str) -> dict[int, int]:
    """Jug, from 1 -> litres, for the jugs whose amount `text` states: "jug 2: 3 litres", or else one bare list."""
    named = _POSITION.sub(lambda match: f"jug {_POSITIONS[match[1]]}", _TOGETHER.sub(" ", text))
    labels = list(_LABEL.finditer(named))
    stated: dict[int, int] = {}
    ends = [*(label.start() for label in labels[1:]), len(named)]
    for label, end in zip(labels, ends, strict=False):
        amount = _amount(named[label.end() : min(end, label.end() + _SEGMENT)])
        if amount is not None and stated.setdefault(_index(label[1]), amount) != amount:
            raise Unreadable("amounts", f"jug {_index(label[1])} is stated twice, differently")
    return stated or _from_list(named)


def _index(label: str) -> int:
    return ord(label) - ord("a") + 1 if len(label) == 1 and label.isalpha() else _litres(label)


def _amount(segment: str) -> int | None:
    """The litres that the text after a jug's name states; None where it states none."""
    plain = _CAPACITY.sub(" ", segment)
    found = {next(filter(None, match.groups())) for match in _STRONG.finditer(plain)} or set(_ANY.findall(plain))
    litres = {0 if word in ("empty", "nothing", "no water") else _litres(word) for word in found}
    if len(litres) > 1:
        raise Unreadable("amounts", f"several for one jug: {', '.join(map(str, sorted(litres)))}")
    return litres.pop() if litres else None


def _from_list(text: str) -> dict[int, int]:
    lists = {
        tuple(_ANY.findall(found[0])) for found in _LIST.finditer(text) if "capacit" not in text[max(0, found.start() - 30) : found.start()]
    }
    if len(lists) > 1:
        raise Unreadable("amounts", "several lists of numbers")
    return {index: _litres(word) for found in lists for index, word in enumerate(found, 1)}


def _litres(word: str) -> int:
    value = number(word)
    if value is None or value != int(value):
        raise Unreadable("amounts", f"expected whole litres, found {word!r}")
    return int(value)
