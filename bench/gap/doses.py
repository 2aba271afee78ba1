"""Perception dose-response: accuracy and perception against the damage done to the picture (`--degrade`), by model and family.

A degraded picture is paired with the clear one of the same puzzle and replicate, and, for perception, with the description and the blind
trial, which no damage reaches: p at a dose is (A_image at the dose - g) / (A_oracle - g). A model that sees loses accuracy as the dose
grows; one whose answers do not hang on the picture stays where it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.degrade import Degradation
from bench.gap import diagnosis
from bench.gap.arms import CLEAR, arm, families, guesses, join, models
from bench.gap.sections import Bounds, DoseDoc, DoseLossDoc, DoseModelDoc, DosePointDoc, DoseRateDoc, EstimateDoc
from bench.mode import Mode
from bench.stats.paired import paired_difference
from bench.stats.rates import clustered_rate

SEEN = (Mode.IMAGE, Mode.CAPTION, Mode.IMAGE_CAPTION, Mode.IMAGE_ORACLE, Mode.READBACK)


def dose_section(frame: pd.DataFrame, *, seed: int) -> DoseDoc | None:
    """The dose-response of every model in a table of records (`bench.gap.frame.load_frame`); None where no picture was degraded."""
    found: list[DoseModelDoc] = []
    for model, captioner, rows in models(frame):
        by_kind = _doses(rows)
        if by_kind:
            parts = {name: _kinds(part, by_kind, seed) for name, part in families(rows)}
            found.append({"name": model, "captioner": captioner, "kinds": _kinds(rows, by_kind, seed), "families": parts})
    return {"models": found} if found else None


def _doses(rows: pd.DataFrame) -> dict[str, list[Degradation]]:
    """Kind of damage -> its doses, mildest first."""
    doses = [dose for text in rows["dose"].unique() if str(text) != CLEAR for dose in Degradation.parse(str(text))]
    ordered = sorted(doses, key=lambda dose: (dose.kind, dose.severity))
    return {kind: [dose for dose in ordered if dose.kind == kind] for kind in dict.fromkeys(dose.kind for dose in ordered)}


def _kinds(rows: pd.DataFrame, by_kind: dict[str, list[Degradation]], seed: int) -> dict[str, list[DosePointDoc]]:
    clear = _point(rows, None, seed)
    return {kind: [clear, *(_point(rows, dose, seed) for dose in doses)] for kind, doses in by_kind.items()}


def _point(rows: pd.DataFrame, dose: Degradation | None, seed: int) -> DosePointDoc:
    name = CLEAR if dose is None else str(dose)
    rates = {mode.value: rate for mode in SEEN if (rate := _rate(arm(rows, mode, name))) is not None}
    return {
        "dose": name,
        "amount": dose.amount if dose else None,
        "severity": dose.severity if dose else 0.0,
        "modes": rates,
        "perception": _perception(rows, name, seed),
        "loss": _loss(rows, name, seed) if dose else None,
    }


def _rate(outcomes: pd.Series[float]) -> DoseRateDoc | None:
    joined = join([outcomes])
    rate = clustered_rate(joined.sums[:, 0], joined.counts)
    if rate is None:
        return None
    return {"accuracy": round(rate.estimate, 6), "ci": _bounds((rate.low, rate.high)), "puzzles": joined.puzzles}


def _perception(rows: pd.DataFrame, dose: str, seed: int) -> EstimateDoc | None:
    guess, known = guesses(rows)
    joined = join([arm(rows, Mode.IMAGE, dose), arm(rows, Mode.ORACLE), guess])
    found = diagnosis.estimate(joined.sums, joined.counts, seed=seed, guess_known=known)
    if found is None:
        return None
    seen = found.perception
    if seen.value is None or seen.interval is None:
        return {"estimate": None, "ci": None, "identifiable": False, "why": seen.why}
    return {"estimate": round(seen.value, 6), "ci": _bounds(seen.interval), "identifiable": True, "method": seen.method}


def _loss(rows: pd.DataFrame, dose: str, seed: int) -> DoseLossDoc | None:
    joined = join([arm(rows, Mode.IMAGE, dose), arm(rows, Mode.IMAGE)])
    found = paired_difference(joined.sums[:, 0], joined.sums[:, 1], joined.counts, seed=seed)
    if found is None:
        return None
    p = float(f"{found.p:.4g}")
    return {"delta": round(found.delta, 6), "ci": _bounds((found.low, found.high)), "p": p, "puzzles": found.n_clusters}


def _bounds(interval: Sequence[float]) -> Bounds:
    return [round(float(interval[0]), 6), round(float(interval[1]), 6)]
