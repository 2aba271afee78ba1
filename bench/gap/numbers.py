"""Numbers as they stand in the document: rounded far below any noise, so that sums of parts still agree to 1e-9."""

from __future__ import annotations

from bench.gap.rates import Estimate
from bench.gap.sections import Bounds, EstimateDoc

_DECIMALS = 12


def rounded(value: float) -> float:
    """A rate or a difference."""
    return round(float(value), _DECIMALS)


def significant(p: float) -> float:
    """A p-value to four significant digits."""
    return float(f"{p:.4g}")


def interval(bounds: tuple[float, float]) -> Bounds:
    """An interval."""
    return [rounded(bounds[0]), rounded(bounds[1])]


def estimate_doc(value: Estimate, *, below: str = "", above: str = "") -> EstimateDoc:
    """An estimated rate; `below` and `above` say why it can be below 0 and above 1, for the note of one that is."""
    if value.value is None or value.interval is None:
        return unknown(value.why)
    doc: EstimateDoc = {
        "estimate": rounded(value.value),
        "ci": interval(value.interval),
        "identifiable": True,
        "method": value.method,
    }
    note = below if value.value < 0 else above if value.value > 1 else ""
    if note and value.interval[0] <= (0 if value.value < 0 else 1) <= value.interval[1]:
        note += ", or by chance: its interval allows for it"
    return {**doc, "note": note} if note else doc


def unknown(why: str) -> EstimateDoc:
    """A rate that cannot be had."""
    return {"estimate": None, "ci": None, "identifiable": False, "why": why}
