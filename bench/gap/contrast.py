"""Models against each other on the same puzzles: what a change fixed, seeing or thinking, and which captioner serves which solver.

The difference of differences: perception and reasoning of two models on the same puzzles, whole puzzles resampled with both models'
outcomes on them. Beside it stands what needs no model of independent failures: the change of each accuracy and of the oracle-image gap.
That gap grows when reasoning alone improves (the better thinker loses more to what it does not see), which is why it cannot say what was
fixed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.errors import UserError
from bench.gap.cells import Cells
from bench.gap.diagnosis import Estimate, differences, estimate, ratio_draws
from bench.gap.document import ChangeDoc, ComparisonDoc, MatrixDoc, ModelDoc
from bench.gap.parts import guess_source, interval, rates_input, rounded, significant
from bench.mode import Mode
from bench.stats.paired import bootstrap_sums, paired_difference, percentile_interval

Floats = NDArray[np.float64]

RESAMPLES = 2000


def comparisons(models: Mapping[str, Cells], baseline: str | None, seed: int) -> list[ComparisonDoc]:
    """Every model against `baseline`, by default the first one.

    Raises:
        UserError: `baseline` is not among the models.
    """
    if baseline is not None and baseline not in models:
        raise UserError(f"--baseline: expected one of {', '.join(models)}, found {baseline!r}")
    names = list(models)
    base = baseline or names[0]
    return [compare(models[base], models[name], base, name, seed) for name in names if name != base]


def compare(old: Cells, new: Cells, baseline: str, model: str, seed: int) -> ComparisonDoc:
    """`new` minus `old`."""
    old, new = _shared(old, new)
    perception, reasoning, n = _rates(old, new, seed)
    changes = {"seeing": perception, "thinking": reasoning}
    return {
        "model": model,
        "baseline": baseline,
        "n": n,
        "perception": perception,
        "reasoning": reasoning,
        "image": accuracy_change(old, new, (Mode.IMAGE,), seed),
        "oracle": accuracy_change(old, new, (Mode.ORACLE,), seed),
        "oracle_image": accuracy_change(old, new, (Mode.ORACLE, Mode.IMAGE), seed),
        "improved": [what for what, change in changes.items() if change["ci"] and change["ci"][0] > 0],
    }


def changes(
    old: tuple[Floats, Floats], new: tuple[Floats, Floats], *, seed: int, guess_known: bool = False, resamples: int = RESAMPLES
) -> tuple[Estimate, Estimate]:
    """(perception, reasoning) of `new` minus those of `old`, with intervals over the puzzles that both have.

    Percentile bootstrap of whole puzzles; where one of the estimates has a score interval, because few puzzles speak to it, the intervals
    of the two are combined (Newcombe 1998, Statistics in Medicine 17, 873-890, method 10), which takes them for independent.

    Args:
        old: (puzzles, 3) sums and (puzzles,) counts, as `bench.gap.diagnosis.estimate` takes them.
        new: the same of the other model, in the same order of puzzles.
        seed: of the bootstrap.
        guess_known: as in `bench.gap.diagnosis.estimate`.
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
        _change(found[0].perception, found[1].perception, draws[:, 0]),
        _change(found[0].reasoning, found[1].reasoning, draws[:, 1]),
    )


def _change(old: Estimate, new: Estimate, draws: Floats) -> Estimate:
    if old.value is None or new.value is None or not old.interval or not new.interval:
        return Estimate(None, None, old.why or new.why)
    delta = new.value - old.value
    drawn = percentile_interval(draws)
    if drawn and old.method == new.method == "bootstrap":
        return Estimate(delta, drawn)
    below = math.hypot(new.value - new.interval[0], old.interval[1] - old.value)
    above = math.hypot(new.interval[1] - new.value, old.value - old.interval[0])
    return Estimate(delta, (delta - below, delta + above), method="score")


def _shared(old: Cells, new: Cells) -> tuple[Cells, Cells]:
    """Both models on the puzzles that both have, in the same order."""
    ids = np.intersect1d(old.ids, new.ids)
    return old.part(np.isin(old.ids, ids)), new.part(np.isin(new.ids, ids))


def _rates(old: Cells, new: Cells, seed: int) -> tuple[ChangeDoc, ChangeDoc, int]:
    first, second = rates_input(old), rates_input(new)
    if first is None or second is None:
        nothing: ChangeDoc = {"delta": None, "ci": None, "why": "one of the models has no puzzle with outcomes in image and oracle"}
        return nothing, nothing, 0
    sources = {guess_source(old, first), guess_source(new, second)}
    if len(sources) > 1:
        why: ChangeDoc = {"delta": None, "ci": None, "why": "the guess rate is measured (blind) for one of the models only"}
        return why, why, 0
    perception, reasoning = changes(first, second, seed=seed, guess_known=sources != {"blind"})
    return _doc(perception), _doc(reasoning), int(((first[1] > 0) & (second[1] > 0)).sum())


def _doc(change: Estimate) -> ChangeDoc:
    if change.value is None or change.interval is None:
        return {"delta": None, "ci": None, "why": change.why}
    return {"delta": rounded(change.value), "ci": interval(change.interval)}


def accuracy_change(old: Cells, new: Cells, modes: Sequence[Mode], seed: int) -> ChangeDoc:
    """The change of an accuracy, or of the gap of two modes, on the cells where both models have every outcome."""
    if any(mode not in cells.right for mode in modes for cells in (old, new)):
        return {"delta": None, "ci": None, "why": f"not both models have an outcome in {' and '.join(modes)}"}
    span = 1 + int(max(old.replicate.max(initial=0), new.replicate.max(initial=0)))
    codes = [(cells.ids[cells.puzzle] * span + cells.replicate)[cells.both(*modes)] for cells in (old, new)]
    _, mine, yours = np.intersect1d(codes[0], codes[1], assume_unique=True, return_indices=True)
    if not mine.size:
        return {"delta": None, "ci": None, "why": "the models share no puzzle with these outcomes"}
    rows = [np.flatnonzero(cells.both(*modes))[index] for cells, index in ((old, mine), (new, yours))]
    puzzle, n = old.puzzle[rows[0]], len(old.ids)
    count = np.bincount(puzzle, minlength=n).astype(np.float64) * len(modes)
    up = new.right[modes[0]][rows[1]] + (old.right[modes[1]][rows[0]] if len(modes) > 1 else 0)
    down = old.right[modes[0]][rows[0]] + (new.right[modes[1]][rows[1]] if len(modes) > 1 else 0)
    found = paired_difference(np.bincount(puzzle, up, n), np.bincount(puzzle, down, n), count, seed=seed)
    assert found is not None  # there is a cell
    scale = len(modes)  # a gap's change is a difference of sums of two arms, over twice as many trials
    return {
        "delta": rounded(found.delta * scale),
        "ci": interval((found.low * scale, found.high * scale)),
        "p": significant(found.p),
    }


def captioner_matrix(models: Sequence[tuple[str, ModelDoc]]) -> list[MatrixDoc]:
    """Solvers by captioners, from `(model, entry)` pairs, where more than one captioner was run; else nothing."""
    rows: list[MatrixDoc] = [
        {"captioner": doc["captioner"], "model": name, "caption": doc["modes"]["caption"], "gap": doc["gaps"]["caption-image"]}
        for name, doc in models
        if doc["captioner"] and "caption" in doc["modes"]
    ]
    return rows if len({row["captioner"] for row in rows}) > 1 else []
