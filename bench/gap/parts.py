"""One part of the gap document: modes, gaps, diagnosis and attribution of any set of cells (all puzzles, a family, a level, a split)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.gap.cells import OUTCOMES, Cells, Flags
from bench.gap.diagnosis import attribution, diagnose
from bench.gap.document import CaptionLossDoc, FamilyDoc, GapDoc, ModeDoc
from bench.gap.numbers import interval, rounded, significant
from bench.gap.replicates import agreement, blind_against_chance, pass_rates
from bench.mode import Mode
from bench.stats.exact import holm
from bench.stats.paired import effective_pairs, mde_paired, paired_difference
from bench.stats.rates import clustered_rate

GAPS: tuple[tuple[Mode, Mode], ...] = (
    (Mode.CAPTION, Mode.IMAGE),
    (Mode.ORACLE, Mode.IMAGE),
    (Mode.ORACLE, Mode.CAPTION),
    (Mode.IMAGE, Mode.BLIND),
)
MORE_GAPS: tuple[tuple[Mode, Mode], ...] = (
    (Mode.IMAGE_CAPTION, Mode.IMAGE),
    (Mode.IMAGE_ORACLE, Mode.IMAGE),
    (Mode.READBACK, Mode.IMAGE),
)
"""Gaps that are listed only where both modes were run."""


def part(cells: Cells, seed: int) -> FamilyDoc:
    """Modes, gaps, diagnosis and attribution of `cells`."""
    asked = cells.asked
    gaps = {f"{a}-{b}": gap(cells, a, b, seed) for a, b in GAPS}
    gaps |= {f"{a}-{b}": gap(cells, a, b, seed) for a, b in MORE_GAPS if a in asked and b in asked}
    found: FamilyDoc = {
        "modes": {mode.value: mode_doc(cells, mode) for mode in asked},
        "gaps": gaps,
        "diagnosis": diagnose(cells, seed),
        "attribution": attribution(cells),
    }
    blind = blind_against_chance(cells)
    return {**found, "blind": blind} if blind else found


def parts(cells: Cells, group: str, seed: int, barred: Mapping[str, str] | None = None) -> dict[str, FamilyDoc]:
    """`part` of every family, level or split, with Holm's correction over them; `barred` families say why nothing is claimed of them."""
    docs: dict[str, FamilyDoc] = {}
    for name, mine in cells.parts(group).items():
        docs[name] = part(mine, seed)
        if name in (barred or {}):
            docs[name]["barred"] = (barred or {})[name]
    _correct(docs)
    return docs


def mode_doc(cells: Cells, mode: Mode) -> ModeDoc:
    """Outcome counts and accuracy of one mode."""
    codes = cells.outcome[mode]
    asked = codes >= 0
    tally = np.bincount(codes[asked], minlength=len(OUTCOMES))
    doc: ModeDoc = {  # pyright: ignore[reportAssignmentType] - the outcome names are the keys of ModeDoc
        "n": int(asked.sum()),
        **{outcome.value: int(count) for outcome, count in zip(OUTCOMES, tally, strict=True)},
        "accuracy": None,
        "ci": None,
        "puzzles": int(np.unique(cells.puzzle[asked]).size),
    }
    if mode not in cells.right:
        return doc
    sums, counts = cells.per_puzzle(mode, cells.counted(mode))
    rate = clustered_rate(sums, counts)
    if rate:
        doc["accuracy"], doc["ci"] = rounded(rate.estimate), interval((rate.low, rate.high))
    if counts.max(initial=0) > 1:
        doc["pass_at_k"], doc["consistency"] = pass_rates(sums, counts), agreement(sums, counts)
    return doc


def gap(cells: Cells, a: Mode, b: Mode, seed: int, *, where: Flags | None = None) -> GapDoc:
    """Mode `a` minus mode `b`, on the cells where both have an outcome (and of `where`)."""
    missing = [mode.value for mode in (a, b) if mode not in cells.right]
    if missing:
        return no_gap(f"no outcome in mode {missing[0]}")
    where = cells.both(a, b) if where is None else where
    if not where.any():
        return no_gap("no puzzle has an outcome in both modes")
    first, counts = cells.per_puzzle(a, where)
    second, _ = cells.per_puzzle(b, where)
    difference = paired_difference(first, second, counts, seed=seed)
    assert difference is not None  # `where` is not empty
    pairs = effective_pairs(first, second, counts)
    mde = mde_paired(pairs.n_effective, pairs.discordant_rate)
    return {
        "n": difference.n_clusters,
        "trials": difference.n_pairs,
        "delta": rounded(difference.delta),
        "ci": interval((difference.low, difference.high)),
        "p": significant(difference.p),
        "mde": rounded(mde) if mde is not None else None,
    }


def no_gap(why: str) -> GapDoc:
    """A gap without pairs."""
    return {"n": 0, "trials": 0, "delta": None, "ci": None, "p": None, "mde": None, "why": why}


def caption_loss(cells: Cells, seed: int) -> CaptionLossDoc | None:
    """The split of oracle - image by the caption, on the same cells, so that its parts add up. None where a mode is missing."""
    modes = (Mode.IMAGE, Mode.CAPTION, Mode.ORACLE)
    where = cells.both(*modes)
    if not where.any():
        return None
    return {
        "total": gap(cells, Mode.ORACLE, Mode.IMAGE, seed, where=where),
        "lost_by_captioner": gap(cells, Mode.ORACLE, Mode.CAPTION, seed, where=where),
        "said_not_used": gap(cells, Mode.CAPTION, Mode.IMAGE, seed, where=where),
    }


def _correct(docs: Mapping[str, FamilyDoc]) -> None:
    """Add Holm's correction over families to every gap and to the blind test."""
    for name in sorted({name for doc in docs.values() for name in doc["gaps"]}):
        gaps = [doc["gaps"][name] for doc in docs.values() if name in doc["gaps"]]
        for one, adjusted in zip(gaps, holm([one["p"] for one in gaps]), strict=True):
            one["p_holm"] = None if adjusted is None else significant(adjusted)
    blind = [doc["blind"] for doc in docs.values() if "blind" in doc]
    for one, adjusted in zip(blind, holm([one["p"] for one in blind]), strict=True):
        one["p_holm"] = significant(adjusted or 0.0)
