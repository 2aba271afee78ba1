"""Calibration: does the instrument measure what it says? Worlds with known rates, hundreds of runs each.

The studies behind `make calibration` (`tests.benchmarks.calibration_report`): coverage of the 95% intervals, bias of the estimates, false
alarms of the tests. Using, seeing and thinking have worlds of their own (`tests.benchmarks.parts`). A coverage measured on R runs is itself
uncertain by 2 sqrt(0.05 x 0.95 / R) (1.9 points at R = 500), so a single cell is faulted only where it is outside 93-97% by more than that;
the mean over the cells has no such excuse.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.gap import rates
from bench.stats.exact import holm, mcnemar_exact
from bench.stats.paired import noninferiority, paired_difference
from bench.stats.rates import clustered_rate, wilson
from tests.benchmarks.worlds import MODES, Floats, Ints, World, cells, gap_interval, joint, spread_out

RUNS = 500
GAPS = (("caption", "image"), ("oracle", "image"), ("oracle", "caption"), ("image", "blind"))
BAND = (0.93, 0.97)
CERTAIN = 0.99
"""Share of runs in which p must be identifiable for the coverage given that it is to be judged."""
_TABLE = cells(len(MODES))
_AT = {mode: index for index, mode in enumerate(MODES)}
SIDES = ("perception", "reasoning")


def estimates(counts: Ints, seed: int) -> rates.Estimates:
    """`bench.gap.rates` on a table of counts."""
    outcomes = spread_out(counts)[:, [_AT["image"], _AT["oracle"], _AT["blind"]]]
    found = rates.estimate(outcomes, np.ones(len(outcomes)), seed=seed)
    assert found is not None
    return found


# -- coverage and bias -------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Coverage:
    """One cell: what was planted, and for each quantity the share of runs whose interval holds the truth; bias of p and r."""

    p: float
    r: float
    c: float
    n: int
    runs: int
    covered: dict[str, float]
    bias: dict[str, float]
    identifiable: float


def coverage(p: float, r: float, c: float, n: int, *, runs: int = RUNS, seed: int = 0, options: int = 4) -> Coverage:
    """Draw `runs` runs of n puzzles each and count the intervals that hold the truth."""
    world = World.plain(p, r, c, options)
    truth = world.accuracies
    tables = np.random.default_rng([seed, n, round(1000 * p), round(1000 * r)]).multinomial(n, world.chances(), size=runs)
    hits: dict[str, list[bool]] = {f"{a}-{b}": [] for a, b in GAPS} | {side: [] for side in SIDES}
    misses: dict[str, list[float]] = {side: [] for side in SIDES}
    sure = 0
    for index, counts in enumerate(tables):
        for a, b in GAPS:
            _, low, high = gap_interval(_TABLE, counts, _AT[a], _AT[b], index)
            hits[f"{a}-{b}"].append(low - 1e-12 <= truth[a] - truth[b] <= high + 1e-12)
        found = estimates(counts, index)
        sure += found.perception.value is not None
        for side, guessed, value in (("perception", found.perception, p), ("reasoning", found.reasoning, r)):
            if guessed.value is not None and guessed.interval is not None:
                hits[side].append(guessed.interval[0] <= value <= guessed.interval[1])
                misses[side].append(guessed.value - value)
    covered = {name: float(np.mean(values)) for name, values in hits.items() if values}
    return Coverage(p, r, c, n, runs, covered, {side: float(np.mean(v)) for side, v in misses.items() if v}, sure / runs)


def grid() -> Iterator[tuple[float, float, float, int]]:
    """(p, r, c, n) of every cell."""
    for n, r, (p, c) in itertools.product((100, 900), (0.3, 0.6, 0.9), ((0.3, 0.5), (0.6, 0.4), (0.9, 0.8))):
        yield p, r, c, n
    yield from (
        (0.6, 0.6, 0.4, 400),
        (0.6, 0.6, 0.4, 1800),
        (1.0, 0.9, 1.0, 400),
        (0.6, 1.0, 0.8, 400),
        (0.05, 0.9, 0.1, 400),
        (0.6, 0.05, 0.5, 900),
    )


def replicated(n: int = 300, replicates: int = 3, *, runs: int = RUNS, seed: int = 1) -> dict[str, float]:
    """Coverage where puzzles have replicates that resemble each other (hard and easy puzzles).

    "gap" is oracle - image, "rate" the accuracy with descriptions, "naive rate" the same with replicates taken for independent puzzles.
    """
    world = World.correlated(0.6, 0.6, 0.3)
    accuracy = world.accuracies
    gap = accuracy["oracle"] - accuracy["image"]
    counts = np.full(n, replicates)
    rng = np.random.default_rng(seed)
    chances = np.array([world.rates(kind) for kind in world.kinds])
    hits = {"gap": 0, "rate": 0, "naive rate": 0}
    for index in range(runs):
        right = rng.binomial(replicates, chances[rng.integers(2, size=n)])
        image, oracle = right[:, _AT["image"]], right[:, _AT["oracle"]]
        found, rate = paired_difference(oracle, image, counts, seed=index), clustered_rate(oracle, counts)
        naive = wilson(int(oracle.sum()), n * replicates)
        assert found is not None
        assert rate is not None
        assert naive is not None
        hits["gap"] += found.low <= gap <= found.high
        hits["rate"] += rate.low <= accuracy["oracle"] <= rate.high
        hits["naive rate"] += naive[0] <= accuracy["oracle"] <= naive[1]
    return {name: count / runs for name, count in hits.items()}


# -- false alarms ------------------------------------------------------------------------------------------------------------------------
@cache
def mcnemar(b: int, c: int) -> float:
    """`bench.stats.exact.mcnemar_exact`, remembered."""
    return mcnemar_exact(b, c)


def discordant(tables: Ints, a: str, b: str) -> tuple[Ints, Ints]:
    """(runs,) pairs in which only a, and only b, is right."""
    first, second = _TABLE[:, _AT[a]] == 1, _TABLE[:, _AT[b]] == 1
    return tables[:, first & ~second].sum(1), tables[:, ~first & second].sum(1)


def p_values(world: World, n: int, runs: int, seed: int, a: str, b: str) -> Floats:
    """(runs,) two-sided exact p-values of mode a against mode b."""
    tables = np.random.default_rng([seed, n]).multinomial(n, world.chances(), size=runs)
    return np.array([mcnemar(int(x), int(y)) for x, y in zip(*discordant(tables, a, b), strict=True)])


@dataclass(frozen=True)
class Alarm:
    """A test under its null hypothesis: how often it cries wolf in `runs` runs."""

    test: str
    world: str
    n: int
    alpha: float
    rate: float
    runs: int

    @property
    def bound(self) -> float:
        """The largest rate that a test of level `alpha` shows with chance 99.9%."""
        return self.alpha + 3.1 * math.sqrt(self.alpha * (1 - self.alpha) / self.runs)


def false_alarms(*, runs: int = RUNS, sizes: Sequence[int] = (100, 400, 900)) -> list[Alarm]:
    """Every test on worlds in which there is nothing to find."""
    found: list[Alarm] = []
    for n, r in itertools.product(sizes, (0.3, 0.9)):
        seeing = World.plain(1.0, r, 1.0)
        rate = float((p_values(seeing, n, runs, 2, "oracle", "image") < 0.05).mean())
        found.append(Alarm("exact paired test, one gap", f"p = 1, r = {r:g}", n, 0.05, rate, runs))
        found.append(Alarm("Holm over nine families, any", f"p = 1, r = {r:g}", n, 0.05, _familywise(seeing, n, runs), runs))
    blind = World.plain(0.0, 0.8, 0.0)
    for n in sizes:
        rate = float((p_values(blind, n, runs, 3, "image", "blind") < 0.05).mean())
        found.append(Alarm("image against blind", "p = 0", n, 0.05, rate, runs))
        found += _noninferiority_alarms(n, runs)
        found.append(Alarm("perception of what cannot reason", "r = 0", n, 0.05, _phantom(n, runs), runs))
    return found


def _familywise(world: World, n: int, runs: int) -> float:
    by_family = [p_values(world, n, runs, 10 + family, "oracle", "image") for family in range(9)]
    return float(np.mean([min(p for p in holm(list(row)) if p is not None) < 0.05 for row in zip(*by_family, strict=True)]))


def _phantom(n: int, runs: int) -> float:
    """How often p is called identifiable although nothing is ever reasoned rightly."""
    tables = np.random.default_rng([4, n]).multinomial(n, World.plain(0.6, 0.0, 0.5).chances(), size=runs)
    return float(np.mean([estimates(counts, index).perception.value is not None for index, counts in enumerate(tables)]))


def _noninferiority_alarms(n: int, runs: int, margin: float = 0.05, accuracy: float = 0.6) -> Iterator[Alarm]:
    """ "worse" of two equal models, and "non-inferior" of one that is worse by just the margin."""
    for verdict, loss in (("worse", 0.0), ("non_inferior", margin)):
        rng = np.random.default_rng([5, n])
        calls = 0
        for counts in rng.multinomial(n, joint([accuracy, accuracy - loss]), size=runs):
            old, new = spread_out(counts).T
            found = noninferiority(old, new, np.ones(n), margin=margin)
            calls += found is not None and found.verdict == verdict
        yield Alarm(f'noninferiority "{verdict}"', f"worse by {100 * loss:g} points", n, 0.05, calls / runs, runs)


# -- the verdict -------------------------------------------------------------------------------------------------------------------------
def faulty(cell: Coverage) -> list[str]:
    """The quantities of a cell whose coverage is outside the band by more than chance explains (99.9%).

    Where p is identifiable in some runs only, those are the runs whose denominator came out high: coverage given that a number is printed
    is then no fair question. What must hold is that the runs that print an interval without the truth are few among all runs.
    """
    slack = 3.3 * math.sqrt(0.05 * 0.95 / cell.runs)
    shares = dict(cell.covered)
    if cell.identifiable < CERTAIN:
        wrong = cell.identifiable * (1 - shares.pop("perception", 1.0))
        if wrong > 1 - BAND[0] + slack:
            return ["perception"]
    return [name for name, share in shares.items() if not BAND[0] - slack <= share <= BAND[1] + slack]
