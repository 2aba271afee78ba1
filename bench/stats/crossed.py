"""The difference of two ways of training whose seeds were all asked the same puzzles, with an interval over puzzles *and* seeds.

Seeds and puzzles are crossed: every seed answers every puzzle. Both are samples, and three seeds say little about the next ones however
many puzzles they were asked. The variance of the difference is estimated by the sum of what seeds and what puzzles contribute,

    V = s_a^2 / S_a  +  s_b^2 / S_b  +  var_p(mean_a(p) - mean_b(p)) / P,

with s^2 the sample variance of the seeds' means over puzzles, S seeds and P puzzles (Cornfield & Tukey 1956, Annals of Mathematical
Statistics 27, 907-949, for the crossed design; what seed and puzzle do together is counted in both terms, which errs on the wide side).
Degrees of freedom are Satterthwaite's (1946, Biometrics Bulletin 2, 110-114), and the interval is Student's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.level import ALPHA


@dataclass(frozen=True, slots=True)
class CrossedDifference:
    """`delta` = mean of a - mean of b, its interval, the two-sided p-value of "no difference", and the degrees of freedom."""

    delta: float
    low: float
    high: float
    p: float
    df: float


def crossed_difference(a: ArrayLike, b: ArrayLike, *, alpha: float = ALPHA) -> CrossedDifference | None:
    """The difference of the means of `a` (seeds, puzzles) and `b` (other seeds, the same puzzles).

    Puzzles without a number in every seed are left out. None where one side has fewer than two seeds, or fewer than two puzzles are left:
    how far seeds lie apart cannot be told from one.
    """
    from scipy import stats

    first, second = np.atleast_2d(np.asarray(a, np.float64)), np.atleast_2d(np.asarray(b, np.float64))
    whole = ~(np.isnan(first).any(axis=0) | np.isnan(second).any(axis=0))
    first, second = first[:, whole], second[:, whole]
    puzzles = first.shape[1]
    if min(len(first), len(second)) < 2 or puzzles < 2:
        return None
    delta = float(first.mean() - second.mean())
    terms = [(float(side.mean(axis=1).var(ddof=1)) / len(side), len(side) - 1) for side in (first, second)]
    terms.append((float((first.mean(axis=0) - second.mean(axis=0)).var(ddof=1)) / puzzles, puzzles - 1))
    variance = sum(value for value, _ in terms)
    if variance <= 0:
        return CrossedDifference(delta, delta, delta, 1.0 if delta == 0 else 0.0, math.inf)
    df = variance**2 / sum(value**2 / freedom for value, freedom in terms)
    error = math.sqrt(variance)
    half = float(stats.t.ppf(1 - alpha / 2, df)) * error
    return CrossedDifference(delta, delta - half, delta + half, float(2 * stats.t.sf(abs(delta) / error, df)), df)
