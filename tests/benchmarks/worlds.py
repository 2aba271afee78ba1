"""Worlds in which everything is known: the closed-form joint model of a simulated model's outcomes, drawn by numpy.

With one replicate a puzzle's outcomes in the modes are one of 2^modes cells, so a run over n puzzles is one multinomial draw of a table of
counts. A world is a mixture of kinds of puzzles (shares, and rates of seeing, reasoning and captioning in each); within a kind all failures
are independent, as in `bench.models.simulated`. One kind is the independence model itself; an easy and a hard kind make seeing and thinking
fail together.

The intervals here are those of `bench.stats.paired` and `bench.gap.rates` from tables instead of arrays: same resamples, same numbers
(a test holds that), a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.stats.paired import paired_difference

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MODES = ("image", "caption", "oracle", "blind")
ENOUGH_DIFFERING = 20
RESAMPLES = 2000


@dataclass(frozen=True)
class Kind:
    """A kind of puzzle: its share, and how often it is seen (p), reasoned about (r) and captioned (c) rightly."""

    share: float
    p: float
    r: float
    c: float


@dataclass(frozen=True)
class World:
    """Kinds of puzzles with `options` choices each."""

    kinds: tuple[Kind, ...]
    options: int = 4

    @classmethod
    def plain(cls, p: float, r: float, c: float, options: int = 4) -> World:
        """The independence model."""
        return cls((Kind(1.0, p, r, c),), options)

    @classmethod
    def correlated(cls, p: float, r: float, spread: float) -> World:
        """Half the puzzles easier to see and to think about by `spread`, half harder: mean rates stay p and r."""
        return cls((Kind(0.5, p + spread, r + spread, p + spread), Kind(0.5, p - spread, r - spread, p - spread)))

    @property
    def guess(self) -> float:
        return 1 / self.options

    def rates(self, kind: Kind) -> Floats:
        """(modes,) chance of a right answer to a puzzle of `kind`, in the order of `MODES`."""
        knows = np.array([kind.p * kind.r, kind.c * kind.r, kind.r, 0.0])
        return self.guess + (1 - self.guess) * knows

    @property
    def accuracies(self) -> dict[str, float]:
        """Expected accuracy of each mode."""
        means = sum((kind.share * self.rates(kind) for kind in self.kinds), np.zeros(len(MODES)))
        return dict(zip(MODES, map(float, means), strict=True))

    def chances(self) -> Floats:
        """(16,) chance of each joint outcome of the modes; bit i of the index is mode i."""
        return sum((kind.share * joint(self.rates(kind)) for kind in self.kinds), np.zeros(1 << len(MODES)))


def joint(rates: Sequence[float] | Floats) -> Floats:
    """(2^arms,) chance of each joint outcome of independent arms; bit i of the index says whether arm i is right."""
    chances = np.ones(1)
    for rate in rates:
        chances = np.concatenate([chances * (1 - rate), chances * rate])
    return chances


def cells(arms: int) -> NDArray[np.int64]:
    """(2^arms, arms) what each joint outcome says of each arm, 1 or 0."""
    return (np.arange(1 << arms)[:, None] >> np.arange(arms)) & 1


def tally(outcomes: NDArray[np.bool_]) -> Ints:
    """(puzzles, arms) outcomes -> (2^arms,) counts."""
    arms = outcomes.shape[1]
    codes: Ints = np.asarray(outcomes, dtype=np.int64) @ (1 << np.arange(arms, dtype=np.int64))
    return np.bincount(codes, minlength=1 << arms)


def spread_out(counts: Ints) -> Floats:
    """The inverse of `tally`: (2^arms,) counts -> (puzzles, arms) outcomes."""
    return np.repeat(cells(int(counts.size).bit_length() - 1), counts, axis=0).astype(np.float64)


def resampled(rows: NDArray[np.int64], counts: Ints, seed: int) -> Floats:
    """(resamples, columns) sums over resampled puzzles, as `bench.stats.paired.bootstrap_sums` draws them."""
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    totals = np.bincount(place.ravel(), counts, len(distinct)).astype(np.int64)
    distinct, totals = distinct[totals > 0], totals[totals > 0]
    n = int(totals.sum())
    return np.random.default_rng(seed).multinomial(n, totals / n, size=RESAMPLES).astype(np.float64) @ distinct.astype(np.float64)


def gap_interval(table: NDArray[np.int64], counts: Ints, a: int, b: int, seed: int) -> tuple[float, float, float]:
    """(difference, low, high) of arm a minus arm b, as `bench.stats.paired.paired_difference` gives them."""
    difference = table[:, a] - table[:, b]
    n = int(counts.sum())
    if int(counts[difference != 0].sum()) < ENOUGH_DIFFERING:
        outcomes = np.repeat(table, counts, axis=0)
        found = paired_difference(outcomes[:, a], outcomes[:, b], np.ones(n), seed=seed)
        assert found is not None
        return found.delta, found.low, found.high
    draws = resampled(difference[:, None], counts, seed)[:, 0] / n
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(difference @ counts) / n, float(low), float(high)
