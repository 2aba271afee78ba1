"""What a reader of a gap document must be told beside its numbers."""

from __future__ import annotations

from bench.gap.document import ModelDoc
from bench.gap.variants import Variant
from bench.mode import Mode
from bench.stats.level import ALPHA
from bench.store.run import RunInfo

_GUESS_SHIFT = 0.05
"""Smallest shift of an estimate by the choice of guess rate that is worth a note."""


def model_notes(variant: Variant, model: ModelDoc) -> list[str]:
    """What a reader of one model's tables must know."""
    name = variant.label
    return [*_blind_notes(name, model), *_letter_notes(name, model), *_diagnosis_notes(name, variant, model)]


def run_notes(run: RunInfo) -> list[str]:
    """What a reader must know of the servers behind a run: who answered, and what was left out of its requests."""
    ids = {model.name: model.id for model in run.models if model.id is not None}
    notes: list[str] = []
    for name, answered in run.answered_by.items():
        others = [other for other in answered if not other.startswith(ids.get(name, name)) and not ids.get(name, "").endswith(other)]
        if others and name in ids:
            notes.append(f"{name}: the provider reports another model's name: {', '.join(others)}")
    for name, said in run.servers.items():
        left_out = said.get("left_out")
        if left_out:
            notes.append(f"{name}: its server refused, and the requests did without: {', '.join(left_out)}")
    return notes


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
    diagnosis, notes, cells = model["diagnosis"], list[str](), variant.cells
    shown = len(set(cells.puzzle[cells.counted(Mode.IMAGE) & ~cells.barred].tolist()))
    if 0 < diagnosis["n"] < shown:
        arms = ", ".join(diagnosis["arms"])
        notes.append(f"{name}: the diagnosis rests on the {diagnosis['n']} of {shown} puzzles with an outcome in every arm ({arms})")
    other = diagnosis.get("by_options", {}).get("perception")
    mine, theirs = diagnosis["perception"]["estimate"], other["estimate"] if other else None
    answered = diagnosis.get("blind_answered", 1.0)
    if mine is not None and theirs is not None and answered < 0.9 and abs(mine - theirs) >= _GUESS_SHIFT:
        notes.append(
            f"{name}: {100 * (1 - answered):.0f}% of blind trials gave no answer, so they understate guessing; with one over the options "
            f"for guess, perception in use is {100 * theirs:.1f}% and not {100 * mine:.1f}%"
        )
    readback = model.get("readback")
    if readback and readback["suspect"]:
        notes.append(f"{name}: perception in use is not how much it sees: {readback['suspect']}")
    return notes
