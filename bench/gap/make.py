"""From paired outcomes to the content of `gap.json`: modes, gaps, attribution and diagnosis of every model, and models against each other.

What is done to one set of cells is in `bench.gap.parts`; the rates of the independence model are in `bench.gap.diagnosis`. Seeds
are fixed, so the document is a pure function of the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bench.errors import UserError
from bench.gap.audit import audit_section
from bench.gap.cells import Cells
from bench.gap.contrast import captioner_matrix, comparisons
from bench.gap.document import Document, FamilyDoc, ModelDoc
from bench.gap.doses import dose_section
from bench.gap.frame import Loaded, load_runs
from bench.gap.notes import model_notes, run_notes
from bench.gap.parts import caption_loss, part, parts
from bench.gap.perception import LIMIT as FACTS_LIMIT
from bench.gap.perception import Seen, read_facts, readback_section
from bench.gap.replicates import letter_bias
from bench.gap.sensitivity import LIMIT as READING_LIMIT
from bench.gap.sensitivity import sensitivity_section
from bench.gap.variants import Variant, variants
from bench.mode import Mode
from bench.store.run import open_run
from bench.versions import SCHEMA, __version__
from tasks.suites import barred_families

SEED = 20_260_100_215
"""Seed of every bootstrap in a report: reports are pure functions of their records."""


def gap_document(folders: Sequence[Path], *, seed: int = SEED, baseline: str | None = None, sensitivity: bool = False) -> Document:
    """The gap document of the runs in `folders`, merged.

    Args:
        folders: run directories.
        seed: of every bootstrap.
        baseline: the model that the others are compared with; the first one by default.
        sensitivity: read all stored replies again however many there are (`bench.gap.sensitivity`, `bench.gap.perception`).

    Raises:
        UserError: nothing to report, runs that must not be merged (`bench.gap.frame`), or no model called `baseline`.
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
    notes += dict.fromkeys(note for folder in folders for note in run_notes(open_run(folder).info))
    for variant, model in zip(found, models, strict=True):
        notes += model_notes(variant, model)
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
