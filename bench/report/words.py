"""How numbers are worded: the same in every format. Verdicts are in `bench.report.verdict`."""

from __future__ import annotations

from collections.abc import Sequence

from bench.gap.document import ChangeDoc, EstimateDoc, FamilyDoc, GapDoc, ModeDoc, ModelDoc, RateDoc, SensitivityDoc
from bench.outcome import Outcome

OUTCOMES = ("correct", "wrong", "unparsed", "refused", "truncated", "caption_failed", "error")
SIMULATED = "simulated"


def percent(value: float | None) -> str:
    """A rate in [0, 1] as percent with one decimal: "47.1"."""
    return "-" if value is None else f"{100 * value:.1f}"


def points(value: float | None) -> str:
    """A difference in percentage points, always signed: "+26.7"."""
    return "-" if value is None else f"{100 * value:+.1f}"


def interval(bounds: Sequence[float] | None, *, signed: bool = False) -> str:
    """A 95% interval: "[44.0, 50.2]" in percent or, `signed`, in points."""
    if bounds is None:
        return ""
    show = points if signed else percent
    return f"[{show(bounds[0])}, {show(bounds[1])}]"


def p_value(p: float | None) -> str:
    """A p-value: "0.03", "<0.001"."""
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def label(model: ModelDoc) -> str:
    """The model's name, marked where it is simulated."""
    return f"{model['name']} ({SIMULATED})" if model["simulated"] else model["name"]


def accuracy(mode: ModeDoc) -> str:
    """Accuracy with its interval, in percent."""
    return f"{percent(mode['accuracy'])} {interval(mode['ci'])}".strip()


def gap(doc: GapDoc) -> str:
    """A gap with its interval, in points; why there is none, where there is none."""
    if doc["delta"] is None:
        return doc.get("why", "-")
    return f"{points(doc['delta'])} {interval(doc['ci'], signed=True)}"


def estimate(doc: EstimateDoc) -> str:
    """An estimated rate with its interval, in percent, or that it is not identifiable."""
    if not doc["identifiable"]:
        return f"not identifiable: {doc.get('why', '')}".rstrip(": ")
    return f"{percent(doc['estimate'])} {interval(doc['ci'])}"


def rate(doc: RateDoc | None) -> str:
    """A rate with its interval, in percent."""
    return "-" if doc is None else f"{percent(doc['estimate'])} {interval(doc['ci'])}"


def change(doc: ChangeDoc) -> str:
    """A difference of two models with its interval, in points; why there is none, where there is none."""
    if doc["delta"] is None:
        return doc.get("why", "-")
    return f"{points(doc['delta'])} {interval(doc['ci'], signed=True)}"


def sensitivity(doc: SensitivityDoc) -> str:
    """How far the reading of answers moves the table, in one line."""
    moves = [
        (max(values) - min(values), name, mode)
        for name, readings in doc["models"].items()
        for mode in readings["normal"]["accuracy"]
        if len(values := [value for one in readings.values() if (value := one["accuracy"].get(mode)) is not None]) > 1
    ]
    size, name, mode = max(moves, default=(0.0, "", ""))
    flips = f"{len(doc['flips'])} rankings flip" if doc["flips"] else "no ranking flips"
    if size == 0:
        return f"strict, normal and lenient reading of answers agree; {flips}"
    return f"strict to lenient reading moves accuracy by up to {percent(size)} points ({name}, {mode}); {flips}"


def excluded(mode: ModeDoc) -> str:
    """What accuracy leaves out: "3 error, 2 caption_failed", or nothing."""
    uncounted = [outcome.value for outcome in Outcome if not outcome.counted]
    parts = [f"{mode[name]} {name}" for name in uncounted if mode[name]]
    return ", ".join(parts)


def family_rows(model: ModelDoc) -> list[tuple[str, FamilyDoc]]:
    """The families of a model by the size of their oracle-image gap, largest first; those without one last."""
    rows = list(model["families"].items())
    return sorted(rows, key=lambda row: (row[1]["gaps"]["oracle-image"]["delta"] is None, -(row[1]["gaps"]["oracle-image"]["delta"] or 0)))
