"""Exact tests of paired outcomes, and Holm's correction for testing many families.

Under the null hypothesis the two arms are exchangeable within each puzzle, so each puzzle's difference has either sign with chance 1/2; the
distribution of their sum is known exactly, without asymptotics or sampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

_UNDERFLOW = 1e-300
"""Chances below this are dropped at both ends of a distribution: far below any p-value that is reported."""


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact p-value of McNemar's test for `b` and `c` discordant pairs.

    Source: Fagerland, Lydersen and Laake (2013), BMC Medical Research Methodology 13:91, "the exact conditional test".
    """
    from scipy.special import bdtr

    if b < 0 or c < 0:
        raise ValueError(f"b, c: expected counts, found {b}, {c}")
    return 1.0 if b == c else min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5)))


def sign_flip_exact(differences: ArrayLike, *, alternative: Literal["two-sided", "greater", "less"] = "two-sided") -> float:
    """Exact p-value of "each difference has either sign with chance 1/2", by the sum of the differences.

    The distribution of the sum over all sign flips is built by convolution over the distinct magnitudes, never by enumeration or sampling,
    so that small p-values are exact too. With differences in {-1, 0, 1} it is McNemar's exact test. Source: Fisher (1935), The Design of
    Experiments, section 21; Pagano and Tritchler (1983), JASA 78, 435-440.

    Args:
        differences: (puzzles,) whole numbers: right replicates of one arm minus those of the other.
        alternative: "greater" asks whether the sum is larger than chance, "less" whether it is smaller.

    Raises:
        ValueError: a difference is not a whole number.
    """
    values = np.asarray(differences, dtype=np.float64)
    whole = np.rint(values).astype(np.int64)
    if not np.array_equal(values, whole):
        raise ValueError("differences: expected whole numbers")
    above, below = int(whole[whole > 0].sum()), int(-whole[whole < 0].sum())
    if alternative == "two-sided":
        return 1.0 if above == below else min(1.0, 2 * _tail(whole, max(above, below)))
    return _tail(whole, above if alternative == "greater" else below)


def holm(pvalues: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values in the order given; None (no test) passes through and is not counted.

    Source: Holm (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    adjusted: list[float | None] = [None] * len(pvalues)
    tested = sorted((p, index) for index, p in enumerate(pvalues) if p is not None)
    running = 0.0
    for rank, (p, index) in enumerate(tested):
        running = max(running, min(1.0, (len(tested) - rank) * p))
        adjusted[index] = running
    return adjusted


def _tail(differences: NDArray[np.int64], threshold: int) -> float:
    """The chance that the sum of the magnitudes whose coin shows heads is at least `threshold`."""
    magnitudes, tally = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    chances, start = np.ones(1), 0  # chances[i] is that of the sum start + i
    for magnitude, coins in zip(magnitudes.tolist(), tally.tolist(), strict=True):
        heads, first = _trimmed(binomial(coins, 0.5))
        spread = np.zeros(chances.size + magnitude * (heads.size - 1))
        for index, weight in enumerate(heads.tolist()):
            spread[index * magnitude : index * magnitude + chances.size] += weight * chances
        chances, dropped = _trimmed(spread)
        start += first * magnitude + dropped
    return min(1.0, float(chances[max(0, threshold - start) :].sum()))


def binomial(n: int, chance: float) -> NDArray[np.float64]:
    """(n + 1,) the chance of so many successes in `n` independent trials of `chance`, 0 to 1.

    By the standard library: scipy takes longer to import than most reports take to count.
    """
    if not 0 < chance < 1:
        return np.bincount([n if chance >= 1 else 0], minlength=n + 1).astype(np.float64)
    logs = np.fromiter((math.lgamma(count) for count in range(1, n + 2)), np.float64, n + 1)
    successes = np.arange(n + 1)
    return np.exp(logs[-1] - logs - logs[::-1] + successes * math.log(chance) + (n - successes) * math.log1p(-chance))


def _trimmed(chances: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """`chances` without the ends that underflow, and how many entries were dropped in front."""
    kept = np.flatnonzero(chances > _UNDERFLOW)
    return chances[kept[0] : kept[-1] + 1], int(kept[0])
