"""The options of a generated puzzle, drawn so that question and options alone tell nothing about which of them is right.

Wrong answers that are made from the right one betray it: it is the one that the others are near to, the smallest, the one seen most. Here
the wrong options are drawn as right answers are: each is the answer to the same question over another picture. Of k answers that were drawn
independently of each other from one distribution, and that are kept only where all k differ, each is the right one with the same chance,
whatever stands in the question and in the other options: they are exchangeable. So where two are alike the whole puzzle is given up and
another is drawn, never the wrong option alone, since that would make answers that are often right the right ones again.

How often each answer is right for a question comes from the family where it knows (`Family.chances`), else from `answers.json`, which
`python -m tasks.tools.answers` counts on sampled states, else (a family from outside) from states that are sampled here.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, cast

from bench.digest import digest
from tasks.family import Family
from tasks.registry import FAMILIES, family

Chances = Mapping[str, float]
"""Answer -> how often it is right, in any measure."""

OPTIONS = 4
"""Options of a puzzle, where its question has as many answers."""
_RARE = 0.04
"""The least chance that k drawn answers all differ, for a puzzle to have k options. Below it k - 1 are drawn."""
_SLACK, _STIFF = 4.0, 3.0
"""Puzzles of excess by which a wrong option is drawn e times as often, and the most such factors."""
_SAMPLES = 400
"""States that are sampled, once for each level, of a family that is not in `answers.json`."""


class Balance:
    """How often each answer was right, less how often it would be by guessing, over the puzzles of one family and level so far.

    Where a level has few states, some answers run out while others are still to be had; an answer that is no longer right must no longer
    be offered. So wrong options are drawn the more seldom the more often they were offered in vain.
    """

    def __init__(self) -> None:
        self._excess: defaultdict[str, float] = defaultdict(float)

    def weighted(self, chances: Chances) -> Chances:
        """`chances` of being drawn as a wrong option."""
        return {answer: chance * math.exp(max(-_STIFF, min(_STIFF, self._excess[answer] / _SLACK))) for answer, chance in chances.items()}

    def add(self, options: Sequence[str], answer: str) -> None:
        """Count a puzzle."""
        for option in options:
            self._excess[option] += (option == answer) - 1 / len(options)


def draw_options(
    made: Family[Any], state: Any, answer: str, *, level: int, rng: random.Random, balance: Balance | None = None
) -> list[str] | None:
    """The options for `state` in a random order, the right `answer` among them: two to four.

    None where this state is to be given up: two of the drawn answers are alike, or the question has one answer only.
    """
    chances = _chances(made, state, level, rng)
    count = _count(list(chances.values()))
    if count < 2:
        return None
    if balance is not None:
        chances = balance.weighted(chances)
    options = [answer]
    for drawn in rng.choices(list(chances), list(chances.values()), k=count - 1):
        if any(made.same(drawn, option) for option in options):
            return None
        options.append(drawn)
    rng.shuffle(options)
    if balance is not None:
        balance.add(options, answer)
    return options


def _count(weights: list[float]) -> int:
    """The most options, up to `OPTIONS`, that independent draws fill with different answers in at least `_RARE` of all tries."""
    total = sum(weights)
    ways = [1.0, *[0.0] * OPTIONS]  # elementary symmetric polynomials of the shares
    for weight in weights:
        for size in range(OPTIONS, 0, -1):
            ways[size] += ways[size - 1] * weight / total
    tries, orders = 1, 1
    for size in range(1, OPTIONS + 1):
        orders *= size
        if ways[size] * orders >= _RARE:
            tries = size
    return tries


def _chances(made: Family[Any], state: Any, level: int, rng: random.Random) -> Chances:
    known = made.chances(state, rng, level)
    if known is not None:
        return known
    counted = _counted().get(made.name, {}).get(str(level)) if made.name in FAMILIES else None
    if counted:
        every: Counter[str] = Counter()
        found = counted.get(kind_key(made.name, state))
        for answers in [found] if found else counted.values():
            every.update(answers)
        return every
    return _sampled(made, made.kind(state), level)


def _sampled(made: Family[Any], kind: str, level: int) -> Chances:
    """Answers of sampled states of `kind`; of any kind where hardly one is found."""
    tried = _tried(made, level)
    alike = [answer for other, answer in tried if other == kind]
    return Counter(alike if len(alike) >= OPTIONS else [answer for _, answer in tried])


@lru_cache(maxsize=64)
def _tried(made: Family[Any], level: int) -> tuple[tuple[str, str], ...]:
    """Kind and answer of `_SAMPLES` states."""
    rng = random.Random(f"answers of {made.name} at level {level}")
    states = [made.sample(rng, level) for _ in range(_SAMPLES)]
    return tuple((made.kind(state), made.solve(state)) for state in states)


def kind_key(name: str, state: Any) -> str:
    """The key of the kind of `state` in `answers.json`."""
    return digest(family(name).kind(state))[:6]


@cache
def _counted() -> Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]:
    """Family -> level -> kind -> answer -> how often it was counted."""
    text = files("tasks").joinpath("answers.json").read_text("utf-8")
    return cast("Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]", json.loads(text))
