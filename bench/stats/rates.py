"""Rates of one arm: Wilson intervals, clustered by puzzle, and pass@k."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.level import ALPHA
from bench.stats.power import normal_quantile

Floats = NDArray[np.float64]


Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rate:
    """A proportion in [0, 1] with its interval; `n_effective` is the number of independent trials the interval is worth."""

    estimate: float
    low: float
    high: float
    n_effective: float


def wilson(k: float, n: float, *, alpha: float = ALPHA) -> Interval | None:
    """Wilson's score interval for `k` successes of `n`; both may be effective, non-integer counts. None where `n` is 0.

    Source: Wilson (1927), JASA 22, 209-212; Brown, Cai and DasGupta (2001), Statistical Science 16, 101-133, equation 4.

    Raises:
        ValueError: not 0 <= k <= n.
    """
    if not 0 <= k <= n:
        raise ValueError(f"k: expected 0 to n = {n}, found {k}")
    if n == 0:
        return None
    z = normal_quantile(1 - alpha / 2)
    center, half = k + z * z / 2, z * math.sqrt(k * (n - k) / n + z * z / 4)
    low = 0.0 if k == 0 else (center - half) / (n + z * z)
    high = 1.0 if k == n else (center + half) / (n + z * z)
    return max(low, 0.0), min(high, 1.0)


def clustered_rate(correct: ArrayLike, counts: ArrayLike, *, alpha: float = ALPHA) -> Rate | None:
    """The share of right trials, with Wilson's interval at the effective sample size. None without trials.

    Source: Korn and Graubard (1998), Survey Methodology 24, 193-201, with Wilson for Clopper-Pearson; compared with others in Dean and
    Pagano (2015), Journal of Survey Statistics and Methodology 3, 484-503. See `effective_size` for the design effect and its bounds.

    Args:
        correct: (puzzles,) right replicates.
        counts: (puzzles,) replicates with an outcome.
        alpha: one minus the confidence level.
    """
    sums, trials = clusters(correct, counts)
    n = float(trials.sum())
    if n == 0:
        return None
    rate = float(sums.sum()) / n
    size = effective_size(sums - rate * trials, trials, rate * (1 - rate), alpha)
    low, high = wilson(min(rate * size, size), size, alpha=alpha) or (0.0, 1.0)
    return Rate(rate, low, high, size)


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased chance that one of `k` replicates is right, given `c` right of `n`. Source: Chen et al. (2021), arXiv 2107.03374.

    Raises:
        ValueError: not 0 <= c <= n or not 1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"n, c, k: expected 0 <= c <= n and 1 <= k <= n, found {n}, {c}, {k}")
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def consistency(correct: ArrayLike, counts: ArrayLike) -> float | None:
    """The chance that two replicates of one puzzle agree in being right, mean over puzzles with two or more; None without such puzzles."""
    sums, trials = clusters(correct, counts)
    several = trials > 1
    right, n = sums[several], trials[several]
    if not n.size:
        return None
    return float(np.mean((right * (right - 1) + (n - right) * (n - right - 1)) / (n * (n - 1))))


def clusters(sums: ArrayLike, counts: ArrayLike) -> tuple[Floats, Floats]:
    """`sums` and `counts` of the puzzles with trials.

    Raises:
        ValueError: different lengths, or a sum outside 0 to its count.
    """
    right, trials = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if right.shape != trials.shape or right.ndim != 1:
        raise ValueError(f"sums, counts: expected two arrays of one length, found shapes {right.shape} and {trials.shape}")
    if not ((right >= 0) & (right <= trials)).all():
        raise ValueError("sums: expected 0 to the count of each puzzle")
    kept = trials > 0
    return right[kept], trials[kept]


def effective_size(residuals: Floats, counts: Floats, variance: float, alpha: float) -> float:
    """How many independent trials, each of `variance`, estimate a mean as well as these clusters do.

    n over the design effect of the ratio estimator (Kish 1965, Survey Sampling, chapters 5 and 6), lowered for the few degrees of freedom
    of the estimated variance by (t_{n-1} / t_{puzzles-1})^2 (Korn and Graubard 1998). At most n, although replicates may be less alike than
    chance: one sample's luck is no evidence for that. At least what replicates would be worth that always agree (Kish's (sum m)^2 / sum
    m^2), which is also the answer where the sample shows no variance at all: 25 right replicates of each of ten puzzles are ten trials.
    """
    n, clusters = float(counts.sum()), counts.size
    if counts.max() <= 1:
        return n
    least = n * n / float(counts @ counts)
    if variance <= 1e-12 or clusters < 2:
        return least
    robust = clusters / (clusters - 1) * float(residuals @ residuals) / (n * n)
    if robust <= 0:
        return n
    from scipy.special import stdtrit  # replicates alone need it, and it takes longer to import than most reports to count

    few = float(stdtrit(n - 1, alpha / 2) / stdtrit(clusters - 1, alpha / 2)) ** 2
    return min(n, max(least, n * variance / (n - 1) / robust * few))
