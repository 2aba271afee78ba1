"""Statistics for paired arms: rates, paired differences, exact tests, power.

The unit of sampling is the puzzle. Replicates of one puzzle are correlated, so every interval here either resamples puzzles (bootstrap) or
counts an effective number of independent trials (score intervals); with one replicate per puzzle the score intervals are the textbook ones.
Per-puzzle data come as arrays of equal length: `sums` (how many replicates were right) and `counts` (how many had an outcome). Puzzles with
a count of zero are ignored. Nothing is random but the bootstrap, which is a pure function of its seed. Where there is no data the result is
None, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.exact import holm, mcnemar_exact, sign_flip_exact
from bench.stats.level import ALPHA
from bench.stats.power import mde_paired, normal_quantile, required_pairs
from bench.stats.rates import Floats, Interval, Rate, clustered_rate, clusters, consistency, effective_size, pass_at_k, wilson

__all__ = [
    "NonInferiority",
    "PairedDifference",
    "Pairs",
    "Rate",
    "bootstrap_estimates",
    "bootstrap_sums",
    "clustered_rate",
    "consistency",
    "effective_pairs",
    "holm",
    "mcnemar_exact",
    "mde_paired",
    "noninferiority",
    "paired_difference",
    "pass_at_k",
    "percentile_interval",
    "required_pairs",
    "sign_flip_exact",
    "tango",
    "tango_score",
    "wilson",
]


_ENOUGH_DIFFERING = 20
"""Fewest puzzles on which the arms differ for the percentile bootstrap to be used; below, it can cover far less
than it says: 63% in a simulation of 10 puzzles, 89% of 40, where the arms differ on one puzzle in eight."""
_HALF_PAIR = 0.5
_CHUNK = 2_000_000
"""Largest matrix of bootstrap weights held at once, in entries (16 MB)."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The difference a - b of two arms on the same puzzles.

    Attributes:
        delta: difference of the rates, in [-1, 1].
        low, high: interval; `method` says how it was made.
        p: two-sided exact p-value of "the arms are exchangeable within each puzzle" (`sign_flip_exact`).
        n_clusters: puzzles on which both arms have an outcome.
        n_pairs: paired replicates on them.
    """

    delta: float
    low: float
    high: float
    p: float
    n_clusters: int
    n_pairs: int
    method: Literal["bootstrap", "score"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """What clustered pairs are worth: the number of independent pairs, and the rate at which the two arms of a pair disagree."""

    n_effective: float
    discordant_rate: float


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """Whether a candidate is at most `margin` worse than the baseline.

    Attributes:
        delta: candidate - baseline.
        lower_bound, upper_bound: one-sided bounds of the difference, each at level 1 - alpha.
        p: one-sided p-value of "worse by the margin or more"; small means non-inferior.
        p_worse: one-sided exact p-value of "no worse at all"; small means worse.
        verdict: "non_inferior" where `p` < alpha; else "worse" where `p_worse` < alpha; else "inconclusive" (too few puzzles to tell).
    """

    delta: float
    lower_bound: float
    upper_bound: float
    p: float
    p_worse: float
    verdict: Literal["non_inferior", "worse", "inconclusive"]


def paired_difference(
    a_sums: ArrayLike, b_sums: ArrayLike, counts: ArrayLike, *, alpha: float = ALPHA, seed: int, resamples: int = 2000
) -> PairedDifference | None:
    """Arm a minus arm b on the puzzles where both have outcomes. None without such puzzles.

    The interval is the percentile bootstrap over whole puzzles (Efron and Tibshirani 1993, chapters 8 and 13; Field and Welsh 2007, JRSS B
    69, 369-390) where at least 20 puzzles differ. With fewer, resampling cannot see what it has not seen (an interval of no width where the
    arms never differ), and Tango's score interval at the effective number of pairs is used (`tango`, `effective_pairs`).

    Args:
        a_sums: (puzzles,) right replicates of arm a, over the replicates where both arms have an outcome.
        b_sums: (puzzles,) the same of arm b.
        counts: (puzzles,) those replicates.
        alpha: one minus the confidence level.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    a, trials = clusters(a_sums, counts)
    b, _ = clusters(b_sums, counts)
    if not trials.size:
        return None
    (low, high), method = difference_interval(a, b, trials, alpha=alpha, seed=seed, resamples=resamples)
    delta = float((a - b).sum() / trials.sum())
    return PairedDifference(delta, low, high, sign_flip_exact(a - b), trials.size, int(trials.sum()), method)


def difference_interval(
    a: Floats, b: Floats, trials: Floats, *, alpha: float = ALPHA, seed: int, resamples: int = 2000
) -> tuple[Interval, Literal["bootstrap", "score"]]:
    """The interval of `paired_difference`, and how it was made; sums need not be whole. Arguments as there, every count above 0."""
    differences = a - b
    if int(np.count_nonzero(differences)) >= _ENOUGH_DIFFERING:
        draws = bootstrap_sums(np.column_stack((differences, trials)), seed=seed, resamples=resamples)
        low, high = map(float, np.quantile(draws[:, 0] / draws[:, 1], (alpha / 2, 1 - alpha / 2)))
        return (low, high), "bootstrap"
    delta = float(differences.sum() / trials.sum())
    return tango(*_discordant(effective_pairs(a, b, trials, alpha=alpha), delta), alpha=alpha), "score"


def effective_pairs(a_sums: ArrayLike, b_sums: ArrayLike, counts: ArrayLike, *, alpha: float = ALPHA) -> Pairs:
    """What clustered pairs are worth in independent pairs: (0, 0) without pairs; with one replicate per puzzle simply the pairs.

    The discordant rate is the mean over puzzles (weighted by replicates) of a(1 - b) + b(1 - a), with a and b the puzzle's rates: all
    replicates of a puzzle are exchangeable, so every pairing of them counts. Arguments as in `paired_difference`.
    """
    a, trials = clusters(a_sums, counts)
    b, _ = clusters(b_sums, counts)
    n = float(trials.sum())
    if n == 0:
        return Pairs(0.0, 0.0)
    rate = float(((a * (trials - b) + b * (trials - a)) / trials).sum()) / n
    delta = float((a - b).sum()) / n
    return Pairs(effective_size(a - b - delta * trials, trials, rate - delta * delta, alpha), rate)


def tango(b: float, c: float, n: float, *, alpha: float = ALPHA, continuity: float = 0.0) -> Interval:
    """Score interval of (b - c)/n for `b` and `c` discordant of `n` > 0 pairs; all three may be effective, non-integer counts.

    Source: Tango (1998), Statistics in Medicine 17, 891-908; recommended by Fagerland, Lydersen and Laake (2014), Statistics in Medicine
    33, 2850-2875.
    """
    z = normal_quantile(1 - alpha / 2)
    low = _solve(lambda value: tango_score(b, c, n, value, continuity=continuity) - z)
    return low, _solve(lambda value: tango_score(b, c, n, value, continuity=continuity) + z)


def tango_score(b: float, c: float, n: float, difference: float, *, continuity: float = 0.0) -> float:
    """Tango's (1998) score statistic, standard normal where the true value of (b - c)/n is `difference` in (-1, 1).

    `continuity` pairs are taken off the size of the excess: a continuity correction.
    """
    slope = 2 * n
    middle = (2 * n - b + c) * difference - b - c
    constant = -c * difference * (1 - difference)
    # the likelihood's maximum for the chance of a pair of kind c under the hypothesis
    chance = (math.sqrt(max(0.0, middle * middle - 4 * slope * constant)) - middle) / (2 * slope)
    variance = n * (2 * chance + difference * (1 - difference))
    excess = b - c - n * difference
    size = max(0.0, abs(excess) - continuity)
    if variance <= 0:
        return math.copysign(math.inf, excess) if size else 0.0
    return math.copysign(size, excess) / math.sqrt(variance)


def noninferiority(
    baseline: ArrayLike, candidate: ArrayLike, counts: ArrayLike, *, margin: float, alpha: float = ALPHA
) -> NonInferiority | None:
    """Tests whether `candidate` is at most `margin` worse than `baseline` on the same puzzles. None without pairs.

    Non-inferiority by Tango's (1998) score test, at the effective number of pairs where puzzles have replicates, and with a continuity
    correction of half a pair: without it the exact size of the test reaches 0.058 at alpha 0.05, with it 0.048 (20 to 450 pairs).
    "Worse" by the exact one-sided sign-flip test, so that two equal models are called worse with chance `alpha` at most.

    Args:
        baseline: (puzzles,) right replicates, over the replicates where both have an outcome.
        candidate: (puzzles,) the same of the candidate.
        counts: (puzzles,) those replicates.
        margin: largest tolerable loss, 0 <= margin < 1.
        alpha: one-sided level of each test and bound.
    """
    if not 0 <= margin < 1:
        raise ValueError(f"margin: expected 0 <= margin < 1, found {margin}")
    old, trials = clusters(baseline, counts)
    new, _ = clusters(candidate, counts)
    if not trials.size:
        return None
    delta = float((new - old).sum() / trials.sum())
    cells = _discordant(effective_pairs(new, old, trials, alpha=2 * alpha), delta)
    low, high = tango(*cells, alpha=2 * alpha, continuity=_HALF_PAIR)
    p = math.erfc(tango_score(*cells, -margin, continuity=_HALF_PAIR) / math.sqrt(2)) / 2
    p_worse = sign_flip_exact(new - old, alternative="less")
    verdict = "non_inferior" if p < alpha else "worse" if p_worse < alpha else "inconclusive"
    return NonInferiority(delta, low, high, p, p_worse, verdict)


def bootstrap_sums(rows: ArrayLike, *, seed: int, resamples: int = 2000) -> Floats:
    """Column sums of `rows` over puzzles drawn with replacement: (puzzles, columns) -> (resamples, columns).

    Equal rows are one category of a multinomial draw, which is the same distribution as drawing puzzles and costs what there are distinct
    rows (three for a paired difference of single replicates). Weights are held in chunks.
    """
    matrix = np.asarray(rows, dtype=np.float64)
    unique, tally = np.unique(matrix, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    return np.concatenate([weights @ unique for weights in _weights(tally, rng, resamples)])


def bootstrap_estimates(
    sums: ArrayLike, counts: ArrayLike, statistic: Callable[[Floats], Floats], *, seed: int, resamples: int = 2000
) -> Floats:
    """Bootstrap draws of any statistic of arm means, whole puzzles resampled (Efron and Tibshirani 1993, chapter 8).

    An arm without a trial in a resample has mean NaN there; what the statistic makes of it, and of a division by zero, is the caller's.

    Args:
        sums: (puzzles, arms) right replicates.
        counts: (puzzles, arms) replicates with an outcome.
        statistic: maps arm means (resamples, arms) to estimates (resamples, k); called once.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Returns:
        (resamples, k) draws.
    """
    totals = np.asarray(sums, dtype=np.float64)
    draws = bootstrap_sums(np.hstack((totals, np.asarray(counts, dtype=np.float64))), seed=seed, resamples=resamples)
    right, trials = draws[:, : totals.shape[1]], draws[:, totals.shape[1] :]
    return statistic(np.divide(right, trials, out=np.full_like(right, np.nan), where=trials > 0))


def percentile_interval(draws: ArrayLike, *, alpha: float = ALPHA) -> Interval | None:
    """The central 1 - alpha of bootstrap draws (Efron and Tibshirani 1993, chapter 13); None where a draw is not finite."""
    values = np.asarray(draws, dtype=np.float64)
    if not values.size or not np.isfinite(values).all():
        return None
    low, high = np.quantile(values, (alpha / 2, 1 - alpha / 2))
    return float(low), float(high)


def _discordant(pairs: Pairs, delta: float) -> tuple[float, float, float]:
    """The cells (b, c, n) of the table of independent pairs that these clustered pairs are worth."""
    n, rate = pairs.n_effective, pairs.discordant_rate
    return max(0.0, n * (rate + delta) / 2), max(0.0, n * (rate - delta) / 2), n


def _solve(excess: Callable[[float], float]) -> float:
    """The root in [-1, 1] of a falling function, by bisection."""
    low, high = -1.0, 1.0
    for _ in range(45):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def _weights(tally: NDArray[np.int64], rng: np.random.Generator, resamples: int) -> Iterator[Floats]:
    """Chunks (rows, categories) of how often each category of puzzle is drawn, `resamples` rows in all."""
    total = int(tally.sum())
    step = max(1, _CHUNK // tally.size)
    for begin in range(0, resamples, step):
        yield rng.multinomial(total, tally / total, size=min(step, resamples - begin)).astype(np.float64)
