"""Power of paired comparisons: the smallest difference that a number of pairs can show, and the number that shows a given one."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bench.stats.level import ALPHA


def normal_quantile(level: float) -> float:
    """The value that a standard normal variable stays below with chance `level`."""
    return NormalDist().inv_cdf(level)


def mde_paired(n: float, discordant_rate: float, *, alpha: float = ALPHA, power: float = 0.8) -> float | None:
    """The smallest difference of two paired proportions that `n` pairs detect with `power`; None where even 1 is too small for them.

    Connor (1987), Biometrics 43, 207-211, equation 4, solved for the difference: the larger root of
    n d^2 = (z_a sqrt(r) + z_b sqrt(r - d^2))^2. A difference d needs a discordant rate of at least d, so a smaller `discordant_rate` r is
    raised to it.

    Args:
        n: pairs, or effective pairs.
        discordant_rate: share of pairs in which exactly one arm is right.
        alpha: two-sided level of the test.
        power: at least 0.5.
    """
    z_a, z_b = normal_quantile(1 - alpha / 2), normal_quantile(power)
    if n < z_a * z_a:
        return None
    rate, scale = discordant_rate, n + z_b * z_b
    delta = (z_a * math.sqrt(n * rate) + z_b * math.sqrt(rate * (scale - z_a * z_a))) / scale
    if 0 < delta <= rate:
        return delta
    # All discordant pairs point one way, r = d: n d = (z_a + z_b sqrt(1 - d))^2 is quadratic in sqrt(1 - d).
    root = (math.sqrt((z_a * z_b) ** 2 + scale * (n - z_a * z_a)) - z_a * z_b) / scale
    return 1 - root * root


def required_pairs(delta: float, discordant_rate: float, *, alpha: float = ALPHA, power: float = 0.8) -> int:
    """How many pairs detect a difference of `delta` with `power`: the inverse of `mde_paired` (Connor 1987), rounded up.

    Raises:
        ValueError: `delta` is 0 or above 1 in size.
    """
    size = abs(delta)
    if not 0 < size <= 1:
        raise ValueError(f"delta: expected a difference of 0 < |delta| <= 1, found {delta}")
    rate = max(discordant_rate, size)
    root = normal_quantile(1 - alpha / 2) * math.sqrt(rate) + normal_quantile(power) * math.sqrt(rate - size * size)
    return math.ceil((root / size) ** 2)


_EXACT = 4000
"""Pairs from which on the normal distribution, with a continuity correction, says the same."""
_REACH = 7.0
"""Standard deviations of the number of discordant pairs that are summed over."""


def detectable_loss(n: float, discordant_rate: float, *, alpha: float = ALPHA, power: float = 0.8) -> float | None:
    """The smallest loss of a paired proportion that McNemar's exact one-sided test at `alpha` finds with `power`; None where none is.

    The loss comes on top of the noise: pairs that turn from right to wrong at rate r/2 + loss, and back at r/2, with r the discordant rate
    of two equal models. Power is summed over the number of discordant pairs and so holds at any size (Connor's formula, which takes the
    test for a normal one and the loss for a shift within r, promises 80% and keeps 70% at 180 pairs).

    Args:
        n: pairs, or effective pairs.
        discordant_rate: share of pairs on which two equal models differ.
        alpha: one-sided level of the test.
        power: what is asked of it.
    """
    pairs = int(n + 1e-9)
    if _power(pairs, discordant_rate, 1.0, alpha) < power:
        return None
    low, high = 0.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (low, middle) if _power(pairs, discordant_rate, middle, alpha) >= power else (middle, high)
    return high


def _power(n: int, rate: float, loss: float, alpha: float) -> float:
    """The chance that the exact test finds `loss` on `n` pairs."""
    back = min(rate, 1 - loss) / 2
    total = min(1.0, 2 * back + loss)
    if n == 0 or total <= 0:
        return 0.0
    if n > _EXACT:
        spread = math.sqrt(n * (total - loss * loss))
        excess = n * loss - 1 - normal_quantile(1 - alpha) * math.sqrt(n * total)
        return NormalDist().cdf(excess / spread) if spread > 0 else float(excess > 0)
    from scipy.special import bdtrc, gammaln, xlog1py, xlogy

    middle, reach = n * total, _REACH * math.sqrt(n * total * (1 - total)) + 1
    m = np.arange(max(0, math.floor(middle - reach)), min(n, math.ceil(middle + reach)) + 1)
    log = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1) + xlogy(m, total) + xlog1py(n - m, -total)
    needed = _critical(n, alpha)[m]
    possible = needed <= m
    found = np.where(possible, bdtrc(np.maximum(needed - 1, 0), np.maximum(m, 1), (back + loss) / total), 0.0)
    return float(np.exp(log) @ np.where(possible & (needed < 1), 1.0, found))


@lru_cache(maxsize=256)
def _critical(n: int, alpha: float) -> NDArray[np.int64]:
    """(n + 1,) by the number m of discordant pairs: the fewest losses among them that the test at `alpha` calls a loss; m + 1 for none."""
    from scipy.stats import binom

    m = np.arange(n + 1)
    return np.where(0.5 ** m.astype(np.float64) <= alpha, np.asarray(binom.isf(alpha, m, 0.5)) + 1, m + 1).astype(np.int64)


SPREADS = {"using": math.sqrt(0.5), "seeing": math.sqrt(0.1875), "thinking": math.sqrt(0.1875)}
"""Standard deviation of a puzzle's part of the loss where its arms are right half of the time and unrelated: as wide as unrelated arms can
be, so that what is said to be detectable is. Using is a difference of two arms, 2 x 1/4; seeing and thinking are half of three, 3/4 / 4."""


def detectable_part(puzzles: int, part: str, *, alpha: float = ALPHA, power: float = 0.8) -> float:
    """The smallest part of the loss whose interval lies above 0 with `power`, on `puzzles` puzzles; replicates are taken to agree."""
    return (normal_quantile(1 - alpha / 2) + normal_quantile(power)) * SPREADS[part] / math.sqrt(puzzles)
