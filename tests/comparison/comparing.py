"""Simulated outcomes for tests and measurements of `analysis.compare`: puzzles of unlike difficulty, on arrays, without run directories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.comparison import decide
from bench.comparison.decide import ModePairs, judge
from bench.comparison.result import Case, Comparison, Decision
from bench.store.run import open_runs

MODES = ("image", "caption")
Floats = NDArray[np.float64]


def puzzles(rng: np.random.Generator, n: int, families: int, modes: Sequence[str] = MODES) -> tuple[NDArray[np.str_], dict[str, Floats]]:
    """Names of the families (n,), and per mode how likely each puzzle is answered right (n,): some surely, some never, most in between."""
    names = np.array([f"f{i % families}" for i in range(n)])
    return names, {mode: rng.beta(0.9, 0.6, n) for mode in modes}


def arms(
    rng: np.random.Generator,
    names: NDArray[np.str_],
    ability: dict[str, Floats],
    *,
    replicates: int = 1,
    drop: float = 0.0,
    mode: str = "image",
    family: str | None = None,
) -> list[ModePairs]:
    """Two runs of one model under different seeds; in the second, accuracy in `mode` (on `family` only, if named) is lower by `drop`."""
    made: list[ModePairs] = []
    for name, chance in ability.items():
        hit = (names == family) if family else np.ones(chance.size, np.bool_)
        kept = np.where(hit, 1 - drop / chance[hit].mean(), 1.0) if name == mode else np.ones(chance.size)
        old = rng.binomial(replicates, chance).astype(np.float64)
        new = rng.binomial(replicates, chance * np.maximum(0.0, kept)).astype(np.float64)
        made.append(ModePairs("m", name, names, old, new, np.full(chance.size, float(replicates))))
    return made


def alarmed(cases: Sequence[Case]) -> bool:
    """Whether any case is called a regression."""
    return any(case.verdict is Decision.REGRESSION for case in cases)


def false_alarms(seed: int, runs: int, *, n: int, families: int, replicates: int = 1, margin: float = 0.02, alpha: float = 0.05) -> int:
    """How many of `runs` re-runs of an unchanged model are called a regression anywhere."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(runs):
        overall, cases = judge(arms(rng, *puzzles(rng, n, families), replicates=replicates), margin=margin, alpha=alpha)
        found += alarmed([*overall, *cases])
    return found


def caught(
    seed: int, runs: int, *, n: int, families: int, family: str | None, margin: float = 0.02, alpha: float = 0.05, times: float = 2.0
) -> tuple[int, float]:
    """How many of `runs` planted drops are caught, and their mean size: each `times` the detectable drop that an unchanged re-run prints.

    Caught is a regression in the case whose detectable drop it is.
    """
    rng = np.random.default_rng(seed)
    found, sizes = 0, 0.0
    for _ in range(runs):
        names, ability = puzzles(rng, n, families)
        overall, cases = judge(arms(rng, names, ability), margin=margin, alpha=alpha)
        printed = next(case.detectable for case in (*overall, *cases) if (case.mode, case.family) == ("image", family))
        assert printed is not None
        drop = times * printed
        overall, cases = judge(arms(rng, names, ability, drop=drop, family=family), margin=margin, alpha=alpha)
        found += alarmed([case for case in (*overall, *cases) if (case.mode, case.family) == ("image", family)])
        sizes += drop / runs
    return found, sizes


def compare(baseline: Path | Sequence[Path], candidate: Path | Sequence[Path], **options: Any) -> Comparison:
    """The comparison of two run directories, or of several of each side."""
    sides = (open_runs([side] if isinstance(side, Path) else side) for side in (baseline, candidate))
    return decide.compare(*sides, **options)
