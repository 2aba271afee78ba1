"""Contamination twins: a public suite against a freshly generated one of the same families (public minus fresh).

What a model has met in training it may answer without seeing or thinking; a fresh puzzle of the same family cannot have been met. Two runs
of different puzzles do not pair, so each difference is of two independent samples of puzzles, its interval Newcombe's (hybrid score), with
replicates counted at their effective number. Families weigh alike in the overall row, whatever their sizes.

A twin is never quite as hard as its original: read the rows of image and blind beside that of oracle, which differs by difficulty alone. A
surplus on public images or blind that the descriptions do not show is what a leak looks like.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd

from bench.errors import UserError
from bench.gap.cells import CLEAR, Cells, models
from bench.gap.sections import TwinDoc, TwinModelDoc, TwinPartDoc, TwinRowDoc
from bench.mode import Mode
from bench.stats.paired import paired_difference
from bench.stats.rates import clustered_rate

GAPS: tuple[tuple[Mode, Mode], ...] = ((Mode.CAPTION, Mode.IMAGE), (Mode.ORACLE, Mode.IMAGE), (Mode.IMAGE, Mode.BLIND))

Bounded = tuple[float, float, float]
"""An estimate with its lower and upper bound."""


def difference(first: Bounded, second: Bounded) -> Bounded:
    """`first` - `second` of independent samples, from the interval of each.

    Newcombe (1998), Statistics in Medicine 17, 873-890, method 10, where both are Wilson's intervals of proportions; for other estimates
    the method of variance estimates recovery: Zou and Donner (2008), Statistics in Medicine 27, 1693-1702.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    return a - b, a - b - math.hypot(a - a_low, b_high - b), a - b + math.hypot(a_high - a, b - b_low)


def mean(parts: Sequence[Bounded]) -> Bounded:
    """The unweighted mean of independent estimates, its margins recovered from theirs (Zou and Donner 2008)."""
    n = len(parts)
    value = sum(part[0] for part in parts) / n
    below = math.sqrt(sum((part[0] - part[1]) ** 2 for part in parts)) / n
    return value, value - below, value + math.sqrt(sum((part[2] - part[0]) ** 2 for part in parts)) / n


def twin_section(public: pd.DataFrame, fresh: pd.DataFrame, *, seed: int) -> TwinDoc:
    """Compare two tables of records (`bench.gap.frame.load_frame`), each of one suite.

    Raises:
        UserError: the answer formats differ, the puzzles are the same, or there is no family or no model that both have.
    """
    public, fresh = (frame[(frame["dose"] == CLEAR).to_numpy()] for frame in (public, fresh))
    shared = _check(public, fresh)
    pairs = {(model, captioner): rows for model, captioner, rows in models(fresh)}
    found = [
        _model(model, captioner, rows, pairs[model, captioner], shared, seed)
        for model, captioner, rows in models(public)
        if (model, captioner) in pairs
    ]
    if not found:
        names = [", ".join(sorted({str(model) for model in frame["model"].unique()})) for frame in (public, fresh)]
        raise UserError(f"--twin: the runs share no model with the same captioner: {names[0]} there, {names[1]} in the twin")
    every = _names(public, "family") | _names(fresh, "family")
    levels = fresh.drop_duplicates("puzzle")["level"].value_counts().sort_index()
    return {
        "public": str(public["suite"].iloc[0]),
        "fresh": str(fresh["suite"].iloc[0]),
        "families": shared,
        "left_out": sorted(every - set(shared)),
        "levels": {str(level): int(count) for level, count in levels.items()},
        "models": found,
    }


def _names(frame: pd.DataFrame, column: str) -> set[str]:
    return {str(name) for name in frame[column].unique()}


def _check(public: pd.DataFrame, fresh: pd.DataFrame) -> list[str]:
    """The families that both have."""
    if not len(public) or not len(fresh):
        raise UserError("--twin: one of the runs has no trial on an undamaged picture")
    formats = [_names(frame, "format") for frame in (public, fresh)]
    if formats[0] != formats[1]:
        raise UserError(
            f"--twin: the answer formats differ ({', '.join(sorted(formats[0]))} there, {', '.join(sorted(formats[1]))} in the twin); "
            "run both with the same --format"
        )
    same = _names(public, "puzzle") & _names(fresh, "puzzle")
    if same:
        raise UserError(
            f"--twin: {len(same)} puzzles are in both runs ({min(same)}), so the twin is not fresh; name a run of another suite"
        )
    mine, yours = _names(public, "family"), _names(fresh, "family")
    if not mine & yours:
        raise UserError(
            f"--twin: no family is in both runs: {', '.join(sorted(mine))} there, {', '.join(sorted(yours))} in the twin; "
            "run  --suite algo --families ...  with families of the public run"
        )
    return sorted(mine & yours)


Measure = Callable[[Cells], tuple[Bounded, int] | None]
"""Cells -> an estimate with its interval, and the puzzles behind it; None where there is none."""


def _model(name: str, captioner: str | None, public: pd.DataFrame, fresh: pd.DataFrame, shared: Sequence[str], seed: int) -> TwinModelDoc:
    modes: dict[str, Measure] = {mode.value: _rate(mode) for mode in Mode}
    gaps: dict[str, Measure] = {f"{a}-{b}": _gap(a, b, seed) for a, b in GAPS}
    sides = {family: [Cells.of(frame[(frame["family"] == family).to_numpy()]) for frame in (public, fresh)] for family in shared}
    overall: dict[str, TwinRowDoc] = {}
    families: dict[str, TwinPartDoc] = {family: {"modes": {}, "gaps": {}} for family in shared}
    for what, measures in (("modes", modes), ("gaps", gaps)):
        for label, measure in measures.items():
            found = {family: [measure(cells) for cells in both] for family, both in sides.items()}
            both = {family: (a, b) for family, (a, b) in found.items() if a is not None and b is not None}
            for family, (a, b) in both.items():
                families[family][what][label] = {**_row(a[0], b[0]), "puzzles": [a[1], b[1]]}  # pyright: ignore[reportGeneralTypeIssues]
            if both:
                overall[label] = _row(mean([a[0] for a, _ in both.values()]), mean([b[0] for _, b in both.values()]))
    return {
        "name": name,
        "captioner": captioner,
        "modes": {label: row for label, row in overall.items() if label in modes},
        "gaps": {label: row for label, row in overall.items() if label in gaps},
        "families": families,
    }


def _rate(mode: Mode) -> Measure:
    def measure(cells: Cells) -> tuple[Bounded, int] | None:
        sums, counts = cells.sums(mode)
        rate = clustered_rate(sums[:, 0], counts)
        return ((rate.estimate, rate.low, rate.high), len(counts)) if rate else None

    return measure


def _gap(a: Mode, b: Mode, seed: int) -> Measure:
    def measure(cells: Cells) -> tuple[Bounded, int] | None:
        sums, counts = cells.sums(a, b)
        found = paired_difference(sums[:, 0], sums[:, 1], counts, seed=seed)
        return ((found.delta, found.low, found.high), len(counts)) if found else None

    return measure


def _row(public: Bounded, fresh: Bounded) -> TwinRowDoc:
    delta, low, high = difference(public, fresh)
    return {"public": round(public[0], 6), "fresh": round(fresh[0], 6), "delta": round(delta, 6), "ci": [round(low, 6), round(high, 6)]}
