"""Exact tests of where the right answers stand.

Null hypothesis: each right answer stands at a uniformly random position among the options of its own puzzle, so the number of times that it
stands at position j is a sum of independent coin flips with chances 1/k (0 where a puzzle has no position j), the Poisson binomial
distribution; families with two, three and four options mix without approximation.

Two questions are asked of each family: is any position used too often or too rarely (*skew*, two-sided, the smaller tail doubled), and does
always answering one letter beat chance (*fixed letter*, one-sided)? Within a family the positions share the error rate by Bonferroni,
across families by Holm. A skew is claimed at p <= alpha, a fixed letter at p <= alpha/2: it then always comes with a skew, so that both
tests together flag a clean suite of any size in at most a share alpha of cases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from bench.stats.exact import holm


@dataclass(frozen=True, slots=True)
class Letter:
    """How often the right answer stands at one letter, how often it would by chance, and the adjusted p-value."""

    letter: str
    count: int
    expected: float
    p: float


@dataclass(frozen=True, slots=True)
class LetterTest:
    """Both tests of one family of `n` puzzles; `chance` is the expected accuracy of a uniform guess, the mean of 1/k."""

    n: int
    chance: float
    skew: Letter
    best: Letter


def letter_tests(families: Mapping[str, Sequence[tuple[int, int]]]) -> dict[str, LetterTest]:
    """The tests of each family that has puzzles, from (position of the right answer counted from 0, number of options) per puzzle."""
    raw = {name: _test(answers) for name, answers in families.items() if answers}
    skew = _adjusted({name: test.skew.p for name, test in raw.items()})
    best = _adjusted({name: test.best.p for name, test in raw.items()})
    return {
        name: LetterTest(test.n, test.chance, replace(test.skew, p=skew[name]), replace(test.best, p=best[name]))
        for name, test in raw.items()
    }


def _adjusted(p_values: Mapping[str, float]) -> dict[str, float]:
    return {name: p for name, p in zip(p_values, holm(list(p_values.values())), strict=True) if p is not None}


def _test(answers: Sequence[tuple[int, int]]) -> LetterTest:
    """Both tests of one family, Bonferroni over its positions."""
    sizes = tuple(sorted(Counter(options for _, options in answers).items()))
    counts = Counter(position for position, _ in answers)
    positions = range(sizes[-1][0])
    skew: list[Letter] = []
    best: list[Letter] = []
    for position in positions:
        chances = _count_chances(sizes, position)
        count, letter = counts[position], ascii_uppercase[position]
        expected = sum(number / options for options, number in sizes if options > position)
        low, high = float(chances[: count + 1].sum()), float(chances[count:].sum())
        skew.append(Letter(letter, count, expected, min(1.0, 2 * min(low, high) * len(positions))))
        best.append(Letter(letter, count, expected, min(1.0, high * len(positions))))
    chance = sum(number / options for options, number in sizes) / len(answers)
    return LetterTest(
        len(answers), chance, min(skew, key=lambda item: item.p), min(best, key=lambda item: (item.p, item.expected - item.count))
    )


@lru_cache(maxsize=1024)
def _count_chances(sizes: tuple[tuple[int, int], ...], position: int) -> NDArray[np.float64]:
    """Chances of 0, 1, ... right answers at `position`, for `sizes` = ((options, puzzles with so many), ...): a Poisson binomial law."""
    chances = np.ones(1)
    for options, number in sizes:
        right = 1 / options if options > position else 0.0
        chances = np.convolve(chances, _binomial(number, right))
    return chances


def _binomial(tries: int, chance: float) -> NDArray[np.float64]:
    """Chances of 0, 1, ... of `tries` coins that fall with `chance`."""
    from scipy.special import betaln, xlog1py, xlogy

    hits = np.arange(tries + 1)
    ways = -np.log1p(tries) - betaln(tries - hits + 1, hits + 1)
    return np.exp(ways + xlogy(hits, chance) + xlog1py(tries - hits, -chance))
