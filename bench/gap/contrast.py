"""Models against each other on the same puzzles: which part of the loss a change mended, and which captioner serves which solver.

Beside the changes of using, seeing and thinking (`bench.gap.changes`) stand those of the accuracies and of the oracle-image gap. That gap
also grows when reasoning alone improves (the better thinker loses more to what it does not see), so it cannot say what was mended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bench.errors import UserError
from bench.gap.cells import Cells, Ints, matched
from bench.gap.changes import PartChange, part_changes, rate_changes
from bench.gap.decompose import ARMS, split
from bench.gap.diagnosis import evidence, perception_arms
from bench.gap.document import (
    EXACT_SOLVER,
    PARTS,
    ChangeDoc,
    ComparisonDoc,
    GapDoc,
    Kind,
    MatrixDoc,
    ModelDoc,
    MultimodalDoc,
    PartChangeDoc,
)
from bench.gap.numbers import interval, rounded, significant
from bench.gap.rates import Estimate
from bench.mode import Mode
from bench.stats.exact import holm
from bench.stats.level import ALPHA
from bench.stats.paired import paired_difference

Floats = NDArray[np.float64]

_LOST = ("loss", *PARTS, "picture")


def comparisons(models: Mapping[str, Cells], baseline: str | None, seed: int) -> list[ComparisonDoc]:
    """Every model against `baseline`, by default the first one; p-values are corrected over all of them.

    Raises:
        UserError: `baseline` is not among the models.
    """
    if baseline is not None and baseline not in models:
        raise UserError(f"--baseline: expected one of {', '.join(models)}, found {baseline!r}")
    names = list(models)
    base = baseline or names[0]
    found = [compare(models[base], models[name], base, name, seed) for name in names if name != base]
    correct(found)
    return found


def compare(old: Cells, new: Cells, baseline: str, model: str, seed: int) -> ComparisonDoc:
    """`new` minus `old`, p-values corrected over its own parts (`correct` does so over several comparisons)."""
    old, new = _shared(old, new)
    kind, n, changed = _parts(old, new, seed)
    perception, reasoning = _rates(old, new, seed)
    why = "not told by the arms that both models have" if n else "the models share no puzzle with these outcomes"
    lost = {name: _part_doc(changed[name]) if name in changed else PartChangeDoc(delta=None, ci=None, why=why) for name in _LOST}
    doc: ComparisonDoc = {
        "model": model,
        "baseline": baseline,
        "n": n,
        "kind": kind,
        "loss": lost["loss"],
        "using": lost["using"],
        "seeing": lost["seeing"],
        "thinking": lost["thinking"],
        "picture": lost["picture"],
        "perception": perception,
        "reasoning": reasoning,
        "image": accuracy_change(old, new, (Mode.IMAGE,), seed),
        "oracle": accuracy_change(old, new, (Mode.ORACLE,), seed),
        "oracle_image": accuracy_change(old, new, (Mode.ORACLE, Mode.IMAGE), seed),
        "improved": [],
        "worse": [],
    }
    correct([doc])
    return doc


def correct(docs: Sequence[ComparisonDoc]) -> None:
    """Holm's correction over the parts of all `docs`; what stays below 0.05 is said to have changed."""
    tested = [(doc, name, part) for doc in docs for name in (*PARTS, "picture") if (part := _part(doc, name)).get("p") is not None]
    for doc in docs:
        doc["improved"], doc["worse"] = [], []
    for (doc, name, part), p in zip(tested, holm([part.get("p") for _, _, part in tested]), strict=True):
        part["p_holm"] = significant(p or 0.0)
        if part["p_holm"] < ALPHA and part["delta"]:
            doc["improved" if part["delta"] < 0 else "worse"].append(name)


def _part(doc: ComparisonDoc, name: str) -> PartChangeDoc:
    return cast(Mapping[str, PartChangeDoc], doc)[name]


def _shared(old: Cells, new: Cells) -> tuple[Cells, Cells]:
    """Both models on the puzzles that both have, in the same order."""
    ids = np.intersect1d(old.ids, new.ids)
    return old.part(np.isin(old.ids, ids)), new.part(np.isin(new.ids, ids))


def _parts(old: Cells, new: Cells, seed: int) -> tuple[Kind, int, dict[str, PartChange]]:
    """How far both losses can be split, the puzzles, and the changes by part."""
    first, second = evidence(old), evidence(new)
    arms = "".join(letter for letter in ARMS if first and second and letter in first.arms and letter in second.arms)
    before, after = (evidence(cells, arms) if arms else None for cells in (old, new))
    if before is None or after is None:
        return "none", 0, {}
    mine, yours = matched(old, new, (before.where, after.where))
    if not mine.size:
        return "none", 0, {}
    puzzle, n = old.puzzle[mine], len(old.ids)
    sums = [_summed(puzzle, right, n) for right in (before.right[mine], after.right[yours])]
    counts = np.bincount(puzzle, minlength=n).astype(np.float64)
    return split(arms)[0], int(np.count_nonzero(counts)), part_changes(sums[0], sums[1], counts, arms, seed=seed)


def _summed(puzzle: Ints, right: Floats, n: int) -> Floats:
    return np.column_stack([np.bincount(puzzle, column, n).astype(np.float64) for column in right.T])


def _part_doc(change: PartChange) -> PartChangeDoc:
    return {"delta": rounded(change.delta), "ci": interval((change.low, change.high)), "p": significant(change.p)}


def _rates(old: Cells, new: Cells, seed: int) -> tuple[ChangeDoc, ChangeDoc]:
    first, second = perception_arms(old), perception_arms(new)
    if first is None or second is None:
        nothing: ChangeDoc = {"delta": None, "ci": None, "why": "one of the models has no puzzle with outcomes in image and oracle"}
        return nothing, nothing
    sources = {first[2], second[2]}
    if len(sources) > 1:
        why: ChangeDoc = {"delta": None, "ci": None, "why": "the guess rate is measured (blind) for one of the models only"}
        return why, why
    perception, reasoning = rate_changes(first[:2], second[:2], seed=seed, guess_known=sources != {"blind"})
    return _doc(perception), _doc(reasoning)


def _doc(change: Estimate) -> ChangeDoc:
    if change.value is None or change.interval is None:
        return {"delta": None, "ci": None, "why": change.why}
    return {"delta": rounded(change.value), "ci": interval(change.interval)}


def accuracy_change(old: Cells, new: Cells, modes: Sequence[Mode], seed: int) -> ChangeDoc:
    """The change of an accuracy, or of the gap of two modes, on the cells where both models have every outcome."""
    if any(mode not in cells.right for mode in modes for cells in (old, new)):
        return {"delta": None, "ci": None, "why": f"not both models have an outcome in {' and '.join(modes)}"}
    mine, yours = matched(old, new, (old.both(*modes), new.both(*modes)))
    if not mine.size:
        return {"delta": None, "ci": None, "why": "the models share no puzzle with these outcomes"}
    puzzle, n = old.puzzle[mine], len(old.ids)
    count = np.bincount(puzzle, minlength=n).astype(np.float64) * len(modes)
    up = new.right[modes[0]][yours] + (old.right[modes[1]][mine] if len(modes) > 1 else 0)
    down = old.right[modes[0]][mine] + (new.right[modes[1]][yours] if len(modes) > 1 else 0)
    found = paired_difference(np.bincount(puzzle, up, n), np.bincount(puzzle, down, n), count, seed=seed)
    assert found is not None  # there is a cell
    scale = len(modes)  # a gap's change is a difference of sums of two arms, over twice as many trials
    return {
        "delta": rounded(found.delta * scale),
        "ci": interval((found.low * scale, found.high * scale)),
        "p": significant(found.p),
    }


def captioner_matrix(models: Sequence[tuple[str, ModelDoc]]) -> list[MatrixDoc]:
    """Solvers by captioners, from `(model, entry)` pairs, where more than one captioner was run; else nothing.

    Where captioners wrote notation, what the exact solver makes of it (their own readback) ranks their seeing apart from any reasoning.
    """
    rows: list[MatrixDoc] = [
        {"captioner": doc["captioner"], "model": name, "caption": doc["modes"]["caption"], "gap": doc["gaps"]["caption-image"]}
        for name, doc in models
        if doc["captioner"] and "caption" in doc["modes"]
    ]
    if len({row["captioner"] for row in rows}) < 2:
        return []
    read = {name: doc for name, doc in models if "readback" in doc["modes"]}
    return rows + [
        {
            "captioner": f"{name}/notation",
            "model": EXACT_SOLVER,
            "caption": doc["modes"]["readback"],
            "gap": doc["gaps"].get("readback-image", _no_gap()),
        }
        for name, doc in read.items()
    ]


def _no_gap() -> GapDoc:
    return {"n": 0, "trials": 0, "delta": None, "ci": None, "p": None, "mde": None, "why": "no outcome in mode image"}


def multimodal(models: Mapping[str, tuple[Cells, ModelDoc]], base: str | None, seed: int) -> list[MultimodalDoc]:
    """What each model owes to the picture, and what `base`, a model that was trained on text alone, knows without it.

    Raises:
        UserError: `base` is not among the models, or was not run blind.
    """
    if base is not None and (base not in models or Mode.BLIND not in models[base][0].right):
        raise UserError(f"--text-base: expected a model of these runs with an outcome in mode blind, found {base!r}")
    found: list[MultimodalDoc] = []
    for name, (cells, doc) in models.items():
        if name == base or Mode.BLIND not in cells.right:
            continue
        entry: MultimodalDoc = {"model": name, "gain": doc["gaps"]["image-blind"], "base": base, "leakage": None}
        if base is not None:
            change = accuracy_change(*_shared(models[base][0], cells), (Mode.BLIND,), seed)
            entry["difference"] = change
            entry["leakage"] = None if change["delta"] is None else max(0.0, change["delta"])
        found.append(entry)
    return found
