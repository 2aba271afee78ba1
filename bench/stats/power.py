"""Power of paired comparisons: the smallest difference that a number of pairs can show, and the number that shows a given one."""

from __future__ import annotations

import math
from statistics import NormalDist


def normal_quantile(level: float) -> float:
    """The value that a standard normal variable stays below with chance `level`."""
    return NormalDist().inv_cdf(level)


def mde_paired(n: float, discordant_rate: float, *, alpha: float = 0.05, power: float = 0.8) -> float | None:
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


def required_pairs(delta: float, discordant_rate: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
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
