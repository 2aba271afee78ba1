"""What changed between two models on the same puzzles, on arrays: the parts of the loss, and the rates beside them.

A part of the loss is a mean over puzzles, so its change is a paired difference. Where two models are one and the same, asked twice, their
outcomes are exchangeable within each puzzle and so are the signs of its differences: the exact sign-flip test (`bench.stats.exact`) then
calls a part changed in alpha of the cases at most, and it is what decides. Intervals are bootstraps over whole puzzles; with fewer than 20
puzzles that differ, those of the two models are combined (Newcombe 1998, Statistics in Medicine 17, 873-890, method 10), which takes them
for independent.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.gap.decompose import ENOUGH, contributions, parts, split
from bench.gap.rates import Estimate, differences, estimate, ratio_draws
from bench.stats.exact import sign_flip_exact
from bench.stats.paired import bootstrap_sums, percentile_interval

Floats = NDArray[np.float64]

RESAMPLES = 2000
_MANY = 4000
"""Puzzles that differ from which on the exact distribution and the normal one agree to the third digit."""
_SCALE = 120
"""Makes whole numbers of halves, thirds, quarters, fifths and sixths, and of halves of these."""


@dataclass(frozen=True, slots=True)
class PartChange:
    """The change of a part of the loss: below 0, the new model loses less. `p` is exact under "the two models are one"."""

    delta: float
    low: float
    high: float
    p: float
    method: Literal["bootstrap", "score"]


def part_changes(
    old: Floats, new: Floats, counts: Floats, arms: Collection[str], *, seed: int, resamples: int = RESAMPLES
) -> dict[str, PartChange]:
    """The loss and its parts of `new` minus those of `old`, by name.

    Args:
        old: (puzzles, 4) right replicates of one model by arm, as `bench.gap.decompose.parts` takes them.
        new: the same of the other, over the same replicates.
        counts: (puzzles,) those replicates.
        arms: the letters of the arms that both models have.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    used = counts > 0
    old, new, counts = old[used], new[used], counts[used]
    _, forms = split(arms)
    if not counts.size or not forms:
        return {}
    each = np.column_stack([contributions(form, new, counts) - contributions(form, old, counts) for form in forms.values()])
    draws = bootstrap_sums(np.column_stack([each, counts]), seed=seed, resamples=resamples)
    found: dict[str, PartChange] = {}
    for index, name in enumerate(forms):
        values = each[:, index]
        delta = float(values.sum() / counts.sum())
        drawn = percentile_interval(draws[:, index] / draws[:, -1]) if np.count_nonzero(values) >= ENOUGH else None
        bounds = drawn or _newcombe(old, new, counts, arms, name, seed)
        found[name] = PartChange(delta, *bounds, sign_flip(values), "bootstrap" if drawn else "score")
    return found


def sign_flip(values: Floats) -> float:
    """Two-sided p-value of "each of `values` (puzzles,) has either sign with chance 1/2", by their sum.

    Exact (`bench.stats.exact.sign_flip_exact`) after scaling to whole numbers; normal where more than 4,000 differ from 0.
    """
    values = values[values != 0]
    if not values.size:
        return 1.0
    if values.size > _MANY:
        return math.erfc(abs(float(values.sum())) / math.sqrt(2 * float(values @ values)))
    whole = np.rint(values * _SCALE).astype(np.int64)
    return sign_flip_exact(whole // max(1, int(np.gcd.reduce(whole))))


def _newcombe(old: Floats, new: Floats, counts: Floats, arms: Collection[str], name: str, seed: int) -> tuple[float, float]:
    before, after = (parts(sums, counts, arms, seed=seed)[name] for sums in (old, new))
    return combined((before.points, before.low, before.high), (after.points, after.low, after.high))


def combined(old: tuple[float, float, float], new: tuple[float, float, float]) -> tuple[float, float]:
    """The interval of `new` - `old`, each (value, low, high), taken for independent (Newcombe 1998, method 10)."""
    delta = new[0] - old[0]
    return delta - math.hypot(new[0] - new[1], old[2] - old[0]), delta + math.hypot(new[2] - new[0], old[0] - old[1])


def rate_changes(
    old: tuple[Floats, Floats], new: tuple[Floats, Floats], *, seed: int, guess_known: bool = False, resamples: int = RESAMPLES
) -> tuple[Estimate, Estimate]:
    """(perception, reasoning) of `new` minus those of `old`, with intervals over the puzzles that both have.

    Args:
        old: (puzzles, 3) sums and (puzzles,) counts, as `bench.gap.rates.estimate` takes them.
        new: the same of the other model, in the same order of puzzles.
        seed: of the bootstrap.
        guess_known: as in `bench.gap.rates.estimate`.
        resamples: of the bootstrap.
    """
    used = (old[1] > 0) & (new[1] > 0)
    arms = [(sums[used], counts[used]) for sums, counts in (old, new)]
    found = [estimate(*arm, seed=seed, guess_known=guess_known, resamples=resamples) for arm in arms]
    if found[0] is None or found[1] is None:
        nothing = Estimate(None, None, "no puzzle has an outcome of both models in every mode that is needed")
        return nothing, nothing
    totals = bootstrap_sums(np.hstack([differences(*arm) for arm in arms]), seed=seed, resamples=resamples)
    with np.errstate(invalid="ignore"):  # a ratio that is infinite in both: not finite, and then no interval is given
        draws = ratio_draws(totals[:, 3:]) - ratio_draws(totals[:, :3])
    return (
        _rate_change(found[0].perception, found[1].perception, draws[:, 0]),
        _rate_change(found[0].reasoning, found[1].reasoning, draws[:, 1]),
    )


def _rate_change(old: Estimate, new: Estimate, draws: Floats) -> Estimate:
    if old.value is None or new.value is None or not old.interval or not new.interval:
        return Estimate(None, None, old.why or new.why)
    drawn = percentile_interval(draws)
    if drawn and old.method == new.method == "bootstrap":
        return Estimate(new.value - old.value, drawn)
    return Estimate(new.value - old.value, combined((old.value, *old.interval), (new.value, *new.interval)), method="score")
