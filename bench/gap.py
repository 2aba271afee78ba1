"""From paired outcomes to the content of `gap.json`: modes, gaps, attribution and diagnosis of every model, and models against each other.

What is done to one set of cells is in `bench.analysis.parts`; the rates of the independence model are in `bench.analysis.diagnosis`. Seeds
are fixed, so the document is a pure function of the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bench import SCHEMA, __version__
from bench.analysis.audit import audit_section
from bench.analysis.cells import Cells
from bench.analysis.contrast import captioner_matrix, comparisons
from bench.analysis.doses import dose_section
from bench.analysis.frame import Loaded, load_runs
from bench.analysis.parts import caption_loss, part, parts
from bench.analysis.perception import LIMIT as FACTS_LIMIT
from bench.analysis.perception import Seen, read_facts, readback_section
from bench.analysis.replicates import ALPHA, letter_bias
from bench.analysis.sensitivity import LIMIT as READING_LIMIT
from bench.analysis.sensitivity import sensitivity_section
from bench.document import Document, FamilyDoc, ModelDoc
from bench.errors import UserError
from bench.mode import Mode
from tasks.suites import barred_families

SEED = 20_260_100_215
"""Seed of every bootstrap in a report: reports are pure functions of their records."""
_GUESS_SHIFT = 0.05
"""Smallest shift of an estimate by the choice of guess rate that is worth a note."""


class Variant(NamedTuple):
    """A model, with one captioner where it was run with several: its label, rows and cells."""

    label: str
    model: str
    captioner: str | None
    tokens: dict[str, int]
    cells: Cells


def gap_document(folders: Sequence[Path], *, seed: int = SEED, baseline: str | None = None, sensitivity: bool = False) -> Document:
    """The gap document of the runs in `folders`, merged.

    Args:
        folders: run directories.
        seed: of every bootstrap.
        baseline: the model that the others are compared with; the first one by default.
        sensitivity: read all stored replies again however many there are (`bench.analysis.sensitivity`, `bench.analysis.perception`).

    Raises:
        UserError: nothing to report, runs that must not be merged (`bench.analysis.frame`), or no model called `baseline`.
    """
    loaded = load_runs(folders)
    clear = loaded.frame[loaded.frame["dose"] == ""] if len(loaded.frame["dose"].cat.categories) > 1 else loaded.frame
    if clear.empty:
        raise UserError("report: every trial shows a degraded picture; add the run that shows the clear ones")
    name, sha256 = loaded.suite
    notes = list(loaded.notes)
    seen = _facts(folders, clear, notes, all_of_them=sensitivity)
    simulated = frozenset[str]().union(*(run.simulated for run in loaded.runs))
    found = variants(clear)
    barred = barred_families(name)
    models = [_model(variant, barred, seen.get(variant.model, ()), simulated=variant.model in simulated, seed=seed) for variant in found]
    present = {family for model in models for family in model["families"]}
    document: Document = {
        "v": SCHEMA,
        "version": __version__,
        "suite": {"name": name, "sha256": sha256, "n": int(clear["puzzle"].nunique())},
        "format": str(clear["format"].iloc[0]),
        "seed": seed,
        "runs": [{"identity": dict(run.identity)} for run in loaded.runs],
        "models": models,
        "barred": {family: reason for family, reason in barred.items() if family in present},
        "notes": notes,
    }
    for variant, model in zip(found, models, strict=True):
        notes += _model_notes(variant, model)
    _attach(document, folders, loaded, clear, found, baseline=baseline, sensitivity=sensitivity)
    return document


def _attach(
    document: Document,
    folders: Sequence[Path],
    loaded: Loaded,
    clear: pd.DataFrame,
    found: Sequence[Variant],
    *,
    baseline: str | None,
    sensitivity: bool,
) -> None:
    """Add the sections that not every report has. `loaded.frame` holds all rows, `clear` those with undamaged pictures."""
    seed, notes = document["seed"], document["notes"]
    matrix = captioner_matrix([(variant.model, model) for variant, model in zip(found, document["models"], strict=True)])
    if matrix:
        document["captioners"] = matrix
    by_model: dict[str, Cells] = {}
    for variant in found:
        by_model.setdefault(variant.model, variant.cells)
    if baseline is not None or len(by_model) > 1:
        document["comparisons"] = comparisons(by_model, baseline, seed)
    dose = dose_section(loaded.frame, seed=seed)
    if dose is not None:
        document["dose"] = dose
    if sensitivity or len(clear) <= READING_LIMIT:
        audit = audit_section(folders, clear, seed=seed)
        if audit is not None:
            document["audit"] = audit
        document["sensitivity"] = sensitivity_section(folders, clear, _labelled)
        notes += [f"ranking: {flip}" for flip in document["sensitivity"]["flips"]]
    else:
        notes.append(
            f"the strict and lenient readings of {len(clear):,} replies were not derived (more than {READING_LIMIT:,}); ask for them"
        )


def _labelled(frame: pd.DataFrame) -> list[tuple[str, Cells]]:
    return [(variant.label, variant.cells) for variant in variants(frame)]


def variants(frame: pd.DataFrame) -> list[Variant]:
    """The models of a table; one that was run with several captioners gives one entry for each, sharing the other modes."""
    found: list[Variant] = []
    for model in _present(frame["model"]):
        rows = frame[frame["model"] == model]
        captioners = sorted(name for name in _present(rows["captioner"]) if name)
        if len(captioners) <= 1:
            found.append(_variant(model, model, captioners[0] if captioners else None, rows))
            continue
        for captioner in captioners:
            mine = rows[(rows["captioner"] == captioner) | (rows["captioner"] == "")]
            found.append(_variant(f"{model} (captions: {captioner})", model, captioner, mine))
    return found


def _present(column: pd.Series[Any]) -> list[str]:
    """The values of a category column, in the order in which they come."""
    codes: list[int] = pd.unique(column.cat.codes.to_numpy()).tolist()
    return [str(column.cat.categories[code]) for code in codes]


def _variant(label: str, model: str, captioner: str | None, rows: pd.DataFrame) -> Variant:
    tokens = {"input": int(rows["tokens_in"].sum()), "output": int(rows["tokens_out"].sum())}
    return Variant(label, model, captioner, tokens, Cells.of(rows))


def _model(variant: Variant, barred: Mapping[str, str], seen: Sequence[Seen], *, simulated: bool, seed: int) -> ModelDoc:
    cells = variant.cells
    letters = {mode.value: doc for mode in cells.asked if (doc := letter_bias(cells, mode))}
    model: ModelDoc = {
        "name": variant.label,
        "simulated": simulated,
        "captioner": variant.captioner,
        "tokens": variant.tokens,
        **part(cells, seed),
        "families": parts(cells, "family", seed, barred),
        "levels": _several(cells, "level", seed),
        "splits": _several(cells, "split", seed),
        "letters": letters,
    }
    loss, readback = caption_loss(cells, seed), readback_section(cells, seen, cells.parts("family"), seed)
    if loss:
        model["caption_loss"] = loss
    if readback:
        model["readback"] = readback
    return model


def _several(cells: Cells, group: str, seed: int) -> dict[str, FamilyDoc]:
    """Levels or splits, where there are two of them."""
    docs = parts(cells, group, seed) if len(set(cells.groups[group].codes.tolist())) > 1 else {}
    return docs if len(docs) > 1 else {}


def _facts(folders: Sequence[Path], frame: pd.DataFrame, notes: list[str], *, all_of_them: bool) -> dict[str, list[Seen]]:
    """What readback replies state; a note instead where they are too many."""
    count = int((frame["mode"] == Mode.READBACK.value).sum())
    if count > FACTS_LIMIT and not all_of_them:
        notes.append(f"{count:,} readback replies were not read fact by fact (more than {FACTS_LIMIT:,}); ask for it")
        return {}
    return read_facts(folders, frame) if count else {}


def _model_notes(variant: Variant, model: ModelDoc) -> list[str]:
    """What a reader of one model's tables must know."""
    name = variant.label
    return [*_blind_notes(name, model), *_letter_notes(name, model), *_diagnosis_notes(name, variant, model)]


def _blind_notes(name: str, model: ModelDoc) -> list[str]:
    above = [
        f"{family} ({100 * doc['blind']['accuracy']:.1f}% against {100 * doc['blind']['chance']:.1f}%)"
        for family, doc in model["families"].items()
        if "blind" in doc and doc["blind"].get("p_holm", 1.0) < ALPHA
    ]
    if not above and "blind" in model and model["blind"]["p"] < ALPHA:
        above = [f"the whole suite ({100 * model['blind']['accuracy']:.1f}% against {100 * model['blind']['chance']:.1f}%)"]
    return [f"{name}: the question alone gives answers away in {', '.join(above)}"] if above else []


def _letter_notes(name: str, model: ModelDoc) -> list[str]:
    found = [
        f"{letter} in {mode} ({100 * share:.0f}% of wrong answers, {100 * expected:.0f}% expected)"
        for mode, doc in model["letters"].items()
        for letter, (share, expected) in doc["biased"].items()
    ]
    return [f"{name} favours a letter whatever it stands for: {', '.join(found)}"] if found else []


def _diagnosis_notes(name: str, variant: Variant, model: ModelDoc) -> list[str]:
    diagnosis, notes = model["diagnosis"], list[str]()
    both = variant.cells.both(Mode.IMAGE, Mode.ORACLE)
    pairs = len(set(variant.cells.puzzle[both].tolist()))
    if diagnosis.get("puzzles", pairs) < pairs:
        notes.append(f"{name}: the diagnosis rests on the {diagnosis.get('puzzles')} of {pairs} puzzles that have a blind outcome")
    other = diagnosis.get("by_options", {}).get("perception")
    mine, theirs = diagnosis["perception"]["estimate"], other["estimate"] if other else None
    answered = diagnosis.get("blind_answered", 1.0)
    if mine is not None and theirs is not None and answered < 0.9 and abs(mine - theirs) >= _GUESS_SHIFT:
        notes.append(
            f"{name}: {100 * (1 - answered):.0f}% of blind trials gave no answer, so they understate guessing; with one over the options "
            f"for guess, perception is {100 * theirs:.1f}% and not {100 * mine:.1f}%"
        )
    readback = model.get("readback")
    if readback and readback["suspect"]:
        notes.append(f"{name}: the independence model is suspect: {readback['suspect']}")
    return notes
