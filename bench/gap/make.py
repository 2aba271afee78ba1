"""From paired outcomes to the content of `gap.json`: modes, gaps, attribution and diagnosis of every model, and models against each other.

What is done to one set of cells is in `bench.gap.parts`, the diagnosis in `bench.gap.diagnosis`. Seeds are fixed, so the document is a pure
function of the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pandas as pd

from bench.errors import UserError
from bench.gap.audit import audit_section
from bench.gap.cells import Cells
from bench.gap.contrast import captioner_matrix, comparisons, multimodal
from bench.gap.document import DiagnosisDoc, Document, EstimateDoc, FamilyDoc, ModelDoc, RunDoc
from bench.gap.doses import dose_section
from bench.gap.frame import MergedRuns, load_runs
from bench.gap.notes import model_notes, run_notes
from bench.gap.parts import caption_loss, part, parts
from bench.gap.perception import LIMIT as FACTS_LIMIT
from bench.gap.perception import Seen, read_facts, readback_section
from bench.gap.replicates import letter_bias
from bench.gap.sensitivity import LIMIT as READING_LIMIT
from bench.gap.sensitivity import sensitivity_section
from bench.gap.variants import Variant, variants
from bench.mode import Mode
from bench.store.run import Run
from bench.versions import SCHEMA, __version__
from tasks.suites import barred_families, caveats

SEED = 20_260_100_215
"""Seed of every bootstrap in a report: reports are pure functions of their records."""


def gap_document(
    runs: Sequence[Run], *, seed: int = SEED, baseline: str | None = None, text_base: str | None = None, sensitivity: bool = False
) -> Document:
    """The gap document of `runs`, merged.

    Args:
        runs: opened run directories.
        seed: of every bootstrap.
        baseline: the model that the others are compared with; the first one by default.
        text_base: the text-only model whose blind accuracy the others' leakage is measured against, if any.
        sensitivity: read all stored replies again however many there are (`bench.gap.sensitivity`, `bench.gap.perception`).

    Raises:
        UserError: nothing to report, runs that must not be merged (`bench.gap.frame`), or no model called `baseline` or `text_base`.
    """
    loaded = load_runs(runs)
    clear = loaded.frame[loaded.frame["dose"] == ""] if len(loaded.frame["dose"].cat.categories) > 1 else loaded.frame
    if clear.empty:
        raise UserError("report: every trial shows a degraded picture; add the run that shows the clear ones")
    name, sha256 = loaded.suite
    notes = list(loaded.notes)
    seen = _facts(runs, clear, notes, all_of_them=sensitivity)
    simulated = frozenset[str]().union(*(run.info.simulated for run in runs))
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
        "runs": [run_doc(run) for run in runs],
        "models": models,
        "barred": {family: reason for family, reason in barred.items() if family in present},
        "notes": notes,
    }
    notes += dict.fromkeys(note for run in runs for note in run_notes(run.info))
    told = {family: said for family, said in caveats(name).items() if family in present}
    notes += [f"a gap from the captions of {family} compares two different puzzles: {said}" for family, said in told.items()]
    for variant, model in zip(found, models, strict=True):
        _unidentified(model)
        notes += model_notes(variant, model)
    _attach(document, runs, loaded, clear, found, baseline=baseline, text_base=text_base, sensitivity=sensitivity)
    return document


def _attach(
    document: Document,
    runs: Sequence[Run],
    loaded: MergedRuns,
    clear: pd.DataFrame,
    found: Sequence[Variant],
    *,
    baseline: str | None,
    text_base: str | None,
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
    owed = multimodal({v.model: (v.cells, model) for v, model in zip(found, document["models"], strict=True)}, text_base, seed)
    if owed:
        document["multimodal"] = owed
    dose = dose_section(loaded.frame, seed=seed)
    if dose is not None:
        document["dose"] = dose
    if sensitivity or len(clear) <= READING_LIMIT:
        audit = audit_section(runs, clear, seed=seed)
        if audit is not None:
            document["audit"] = audit
        document["sensitivity"] = sensitivity_section(runs, clear, _labelled)
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


def _unidentified(model: ModelDoc) -> None:
    """Note beside each rate over all families those in which it is not identifiable: it does not hold there."""
    families = {name: doc["diagnosis"] for name, doc in model["families"].items() if doc["diagnosis"]["n"]}
    if len(families) < 2:
        return
    for rate in ("perception", "reasoning", "sees", "uses", "thinks"):
        pool = _rate(model["diagnosis"], rate)
        without = [name for name, doc in families.items() if not _rate(doc, rate)["identifiable"]]
        if pool["identifiable"] and without:
            pool["unidentified"] = without


def _rate(diagnosis: DiagnosisDoc, name: str) -> EstimateDoc:
    beside: dict[str, EstimateDoc] = {"perception": diagnosis["perception"], "reasoning": diagnosis["reasoning"]}
    return {**beside, **cast(dict[str, EstimateDoc], diagnosis["rates"])}[name]


def _several(cells: Cells, group: str, seed: int) -> dict[str, FamilyDoc]:
    """Levels or splits, where there are two of them."""
    docs = parts(cells, group, seed) if len(set(cells.groups[group].codes.tolist())) > 1 else {}
    return docs if len(docs) > 1 else {}


def run_doc(run: Run) -> RunDoc:
    """What the document says of a run."""
    info = run.info
    return {
        "name": run.name,
        "started": info.started,
        "version": info.version,
        "commit": info.commit,
        "temperature": info.section("sampling").get("temperature"),
        "prompts": dict(info.section("prompts")),
        "model_ids": dict(info.section("model_ids")),
        "reported": (info.totals or {}).get("models_reported") or [],
        "identity": dict(info.identity),
    }


def _facts(runs: Sequence[Run], frame: pd.DataFrame, notes: list[str], *, all_of_them: bool) -> dict[str, list[Seen]]:
    """What readback replies state; a note instead where they are too many."""
    count = int((frame["mode"] == Mode.READBACK.value).sum())
    if count > FACTS_LIMIT and not all_of_them:
        notes.append(f"{count:,} readback replies were not read fact by fact (more than {FACTS_LIMIT:,}); ask for it")
        return {}
    return read_facts(runs, frame) if count else {}
