"""Perception dose-response: accuracy and perception against the damage done to the picture (`--degrade`), by model and family.

A degraded picture is paired with the clear one of the same puzzle and replicate, and, for perception, with the description and the blind
trial, which no damage reaches: p at a dose is (A_image at the dose - g) / (A_oracle - g). A model that sees loses accuracy as the dose
grows; one whose answers do not hang on the picture stays where it is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.degrade import Degradation
from bench.gap.cells import CLEAR, Cells, matched, models
from bench.gap.diagnosis import perception_arms
from bench.gap.numbers import estimate_doc, interval, rounded, significant
from bench.gap.rates import estimate
from bench.gap.sections import DoseDoc, DoseLossDoc, DoseModelDoc, DosePointDoc, DoseRateDoc, EstimateDoc
from bench.mode import Mode
from bench.stats.paired import paired_difference
from bench.stats.rates import clustered_rate

SEEN = tuple(mode for mode in Mode if mode.shows_image or mode.shows_caption)
"""The modes in which somebody looks at the picture."""


def dose_section(frame: pd.DataFrame, *, seed: int) -> DoseDoc | None:
    """The dose-response of every model in a table of records (`bench.gap.frame.load_frame`); None where no picture was degraded."""
    found: list[DoseModelDoc] = []
    for model, captioner, rows in models(frame):
        by_kind = _doses(rows)
        if by_kind:
            names = sorted({str(name) for name in rows["family"].unique()})
            parts = {name: _kinds(rows[(rows["family"] == name).to_numpy()], by_kind, seed) for name in names}
            found.append({"name": model, "captioner": captioner, "kinds": _kinds(rows, by_kind, seed), "families": parts})
    return {"models": found} if found else None


def _doses(rows: pd.DataFrame) -> dict[str, list[Degradation]]:
    """Kind of damage -> its doses, mildest first."""
    doses = [dose for text in rows["dose"].unique() if str(text) != CLEAR for dose in Degradation.parse(str(text))]
    ordered = sorted(doses, key=lambda dose: (dose.kind, dose.severity))
    return {kind: [dose for dose in ordered if dose.kind == kind] for kind in dict.fromkeys(dose.kind for dose in ordered)}


def _kinds(rows: pd.DataFrame, by_kind: dict[str, list[Degradation]], seed: int) -> dict[str, list[DosePointDoc]]:
    clear = _at_dose(rows, CLEAR)
    first = _point(clear, None, clear, seed)
    return {kind: [first, *(_point(_at_dose(rows, str(dose)), dose, clear, seed) for dose in doses)] for kind, doses in by_kind.items()}


def _at_dose(rows: pd.DataFrame, dose: str) -> Cells:
    return Cells.of(at_dose(rows, dose))


def at_dose(rows: pd.DataFrame, dose: str) -> pd.DataFrame:
    """The rows whose pictures have this dose; descriptions and blind trials, which no damage reaches, are those of the clear run."""
    looking = [mode.value for mode in Mode if mode in SEEN or mode is Mode.READBACK]
    undamaged = (rows["dose"] == CLEAR) & ~rows["mode"].isin(looking)
    return rows[((rows["dose"] == dose) | undamaged).to_numpy()].assign(dose=CLEAR)


def _point(cells: Cells, dose: Degradation | None, clear: Cells, seed: int) -> DosePointDoc:
    rates = {mode.value: rate for mode in SEEN if (rate := _rate(cells, mode)) is not None}
    return {
        "dose": CLEAR if dose is None else str(dose),
        "amount": dose.amount if dose else None,
        "severity": dose.severity if dose else 0.0,
        "modes": rates,
        "perception": _perception(cells, seed),
        "loss": _loss(cells, clear, seed) if dose else None,
    }


def _rate(cells: Cells, mode: Mode) -> DoseRateDoc | None:
    sums, counts = cells.sums(mode)
    rate = clustered_rate(sums[:, 0], counts)
    return {"accuracy": rounded(rate.estimate), "ci": interval((rate.low, rate.high)), "puzzles": len(counts)} if rate else None


def _perception(cells: Cells, seed: int) -> EstimateDoc | None:
    arms = perception_arms(cells)
    if arms is None:
        return None
    sums, counts, source = arms
    found = estimate(sums, counts, seed=seed, guess_known=source != "blind")
    return estimate_doc(found.perception) if found else None


def _loss(cells: Cells, clear: Cells, seed: int) -> DoseLossDoc | None:
    damaged, whole = matched(cells, clear, (cells.counted(Mode.IMAGE), clear.counted(Mode.IMAGE)))
    if not damaged.size:
        return None
    puzzle, n = cells.puzzle[damaged], len(cells.ids)
    after, before = (np.bincount(puzzle, one.right[Mode.IMAGE][rows], n) for one, rows in ((cells, damaged), (clear, whole)))
    found = paired_difference(after, before, np.bincount(puzzle, minlength=n), seed=seed)
    assert found is not None  # there is a cell
    ci = interval((found.low, found.high))
    return {"delta": rounded(found.delta), "ci": ci, "p": significant(found.p), "puzzles": found.n_clusters}
