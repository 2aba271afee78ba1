"""Perception and reasoning rates of the independence model, from arrays of paired outcomes.

With guess rate g, perception p and reasoning r independent,

    A_image = g + (1-g) p r        A_oracle = g + (1-g) r

so r = (A_oracle - g)/(1 - g) and p = (A_image - g)/(A_oracle - g): two ratios of means over the same puzzles.

*Identifiable* is a ratio whose denominator is clearly above zero: its paired differences d over puzzles have sum(d)/sqrt(sum(d^2)) of 3.29
at least, the score test of "no difference" at one-sided 0.0005. It needs 11 puzzles whatever they show, and cannot be passed by a sample
that shows no variance. With a denominator that may be zero, no interval of bounded length has its coverage (Gleser and Hwang 1987, Annals
of Statistics 15, 1351-1362; Fieller 1954), so nothing weaker will do and no number is given.

Intervals are percentile bootstraps over whole puzzles where at least 20 puzzles speak to each rate involved. Below that, resampling cannot
see what it has not seen: at r = 0.98 and 100 puzzles it covers 78%, where all of 50 answers are right it has no width at all. There, the
interval combines the score intervals of numerator and denominator by the method of variance estimates recovery (Donner and Zou 2012,
Statistical Methods in Medical Research 21, 347-359; Fieller's interval where these are symmetric), which covers 93-97% in the same cells
(tests/bench/test_diagnosis.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.paired import bootstrap_sums, effective_pairs, percentile_interval, tango
from bench.stats.rates import clustered_rate

Floats = NDArray[np.float64]
Interval = tuple[float, float]

CLEAR = 3.29
"""Score that a denominator must reach: one-sided level 0.0005."""
ENOUGH = 20
"""Fewest puzzles that must speak for and against each rate for the bootstrap to be used."""

NO_ROOM = "accuracy with the description is not clearly above guessing, so what was seen cannot be told from what was not"
ALL_GUESSED = "the question alone gives nearly every answer away, so nothing is left that reasoning could show"
FEW = "too few puzzles ({n}) to tell the accuracies from guessing"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A rate with its 95% interval. Where it is not identifiable, `value` and `interval` are None and `why` says why."""

    value: float | None
    interval: Interval | None
    why: str = ""
    method: Literal["bootstrap", "score"] = "bootstrap"


@dataclass(frozen=True, slots=True)
class Estimates:
    """Guess, perception and reasoning of one model on some puzzles."""

    guess: float
    perception: Estimate
    reasoning: Estimate
    puzzles: int


def estimate(sums: ArrayLike, counts: ArrayLike, *, seed: int, guess_known: bool = False, resamples: int = 2000) -> Estimates | None:
    """Estimate the rates of the independence model. None without a puzzle.

    Args:
        sums: (puzzles, 3) right replicates with the image and with the description, and the expected number by guessing (right replicates
            of `blind`, scaled to `counts`, or `counts` x chance).
        counts: (puzzles,) the replicates of each puzzle. Puzzles with none are left out.
        seed: of the bootstrap.
        guess_known: whether the guess is a constant of the question (one over the options) and not itself an observation.
        resamples: of the bootstrap.
    """
    rights, trials = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    rights, trials = rights[trials > 0], trials[trials > 0]
    if not trials.size:
        return None
    ratios = differences(rights, trials)
    draws = ratio_draws(bootstrap_sums(ratios, seed=seed, resamples=resamples))
    total = ratios.sum(0)
    return Estimates(
        guess=float(rights[:, 2].sum() / trials.sum()),
        perception=_perception(rights, trials, total, draws[:, 0], known=guess_known),
        reasoning=_reasoning(rights, trials, total, draws[:, 1], known=guess_known),
        puzzles=trials.size,
    )


def differences(sums: Floats, counts: Floats) -> Floats:
    """(puzzles, 3) image - guess, description - guess, all right - guess: perception is first over second, reasoning second over third."""
    image, oracle, guess = sums.T
    return np.column_stack([image - guess, oracle - guess, counts - guess])


def ratio_draws(totals: Floats) -> Floats:
    """(resamples, 3) sums of `differences` -> (resamples, 2) perception, reasoning; not finite where a denominator is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return totals[:, :2] / totals[:, 1:]


def clear(values: Floats) -> bool:
    """Whether the sum of `values` (puzzles,) is clearly above zero (see the module)."""
    square = float((values * values).sum())
    return square > 0 and float(values.sum()) / math.sqrt(square) >= CLEAR


def denominators(sums: Floats, counts: Floats) -> tuple[str, str]:
    """Why perception, and why reasoning, is not identifiable; "" where it is."""
    ratios = differences(sums, counts)
    few = FEW.format(n=len(counts)) if len(counts) <= CLEAR * CLEAR else ""
    reasoning = "" if clear(ratios[:, 2]) else few or ALL_GUESSED
    perception = reasoning or ("" if clear(ratios[:, 1]) else few or NO_ROOM)
    return perception, reasoning


def _perception(sums: Floats, counts: Floats, total: Floats, draws: Floats, *, known: bool) -> Estimate:
    why, _ = denominators(sums, counts)
    if why:
        return Estimate(None, None, why)
    value = float(total[0] / total[1])
    image, oracle, guess = sums.T
    interval = percentile_interval(draws)
    if interval and all(map(_enough, (image - guess, oracle - guess, counts - image))):
        return Estimate(value, interval)
    first, second = (_difference_interval(arm, guess, counts, known=known) for arm in (image, oracle))
    return _score(value, ratio_interval(first, second, _correlation(image - guess, oracle - guess)))


def _reasoning(sums: Floats, counts: Floats, total: Floats, draws: Floats, *, known: bool) -> Estimate:
    _, why = denominators(sums, counts)
    if why:
        return Estimate(None, None, why)
    value = float(total[1] / total[2])
    _, oracle, guess = sums.T
    interval = percentile_interval(draws)
    if interval and all(map(_enough, (oracle, counts - oracle, counts - guess))):
        return Estimate(value, interval)
    # 1 - r is a ratio of two error rates, each of which has a score interval of its own.
    errors, failures = _rate_interval(counts - oracle, counts), _rate_interval(counts - guess, counts)
    if known:
        failures = (failures[0], failures[0], failures[0])
    found = ratio_interval(errors, failures, _correlation(oracle, guess))
    return _score(value, (1 - found[1], 1 - found[0]) if found else None)


def _score(value: float, interval: Interval | None) -> Estimate:
    if interval is None:
        return Estimate(None, None, "too few puzzles for an interval", "score")
    return Estimate(value, interval, method="score")


def _enough(values: Floats) -> bool:
    return int(np.count_nonzero(values)) >= ENOUGH


Bounded = tuple[float, float, float]
"""An estimate, its lower and its upper bound."""


def _rate_interval(sums: Floats, counts: Floats) -> Bounded:
    rate = clustered_rate(np.clip(sums, 0, counts), counts)
    assert rate is not None  # there is a puzzle
    return rate.estimate, rate.low, rate.high


def _difference_interval(sums: Floats, guess: Floats, counts: Floats, *, known: bool) -> Bounded:
    """The score interval of a rate minus the guess rate: Tango's, or Wilson's, shifted, where the guess is known."""
    delta = float((sums - guess).sum() / counts.sum())
    if known:
        value, low, high = _rate_interval(sums, counts)
        return delta, low - (value - delta), high - (value - delta)
    pairs = effective_pairs(sums, guess, counts)
    n, discordant = pairs.n_effective, pairs.discordant_rate
    low, high = tango(max(0.0, n * (discordant + delta) / 2), max(0.0, n * (discordant - delta) / 2), n)
    return delta, low, high


def _correlation(a: Floats, b: Floats) -> float:
    x, y = a - float(a.mean()), b - float(b.mean())
    spread = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / spread if spread > 1e-12 else 0.0


def ratio_interval(first: Bounded, second: Bounded, correlation: float) -> Interval | None:
    """The interval of `first` / `second` from the interval of each (Donner and Zou 2012); None where the denominator's reaches zero.

    The bounds are the R at which the interval of first - R second, by the same method, just reaches zero.
    """
    value, low, high = first
    under, bottom, top = second
    if bottom <= 0:
        return None
    lower = _root(value, under, value - low, top - under, correlation, -1)
    if lower < 0:  # R second falls with R, so the other bound of the denominator counts
        lower = _root(value, under, value - low, under - bottom, correlation, -1)
    upper = _root(value, under, high - value, under - bottom, correlation, 1)
    if upper < 0:
        upper = _root(value, under, high - value, top - under, correlation, 1)
    return lower, upper


def _root(value: float, under: float, margin: float, under_margin: float, correlation: float, sign: int) -> float:
    """The root of (value - R under)^2 = margin^2 + (R under_margin)^2 - 2 correlation R margin under_margin on the side of `sign`."""
    square = under * under - under_margin * under_margin
    middle = value * under - correlation * margin * under_margin
    if square <= 0:
        return sign * math.inf
    return (middle + sign * math.sqrt(max(0.0, middle * middle - square * (value * value - margin * margin)))) / square
