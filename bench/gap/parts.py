"""One part of the gap document: modes, gaps, diagnosis and attribution of any set of cells (all puzzles, a family, a level, a split)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.gap.cells import OUTCOMES, Cells, Flags, Floats
from bench.gap.diagnosis import Estimate, estimate
from bench.gap.document import AttributionDoc, CaptionLossDoc, DiagnosisDoc, EstimateDoc, FamilyDoc, GapDoc, ModeDoc
from bench.gap.replicates import agreement, blind_against_chance, pass_rates
from bench.mode import Mode
from bench.outcome import Outcome
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

_ANSWERED = tuple(OUTCOMES.index(outcome) for outcome in (Outcome.CORRECT, Outcome.WRONG))


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


def attribution(cells: Cells) -> AttributionDoc:
    """Cells by image right/wrong x oracle right/wrong."""
    if Mode.IMAGE not in cells.right or Mode.ORACLE not in cells.right:
        return {"both_right": 0, "seeing": 0, "thinking": 0, "lucky": 0}
    where = cells.both(Mode.IMAGE, Mode.ORACLE)
    image, oracle = cells.right[Mode.IMAGE][where] > 0, cells.right[Mode.ORACLE][where] > 0
    return {
        "both_right": int((image & oracle).sum()),
        "seeing": int((~image & oracle).sum()),
        "thinking": int((~image & ~oracle).sum()),
        "lucky": int((image & ~oracle).sum()),
    }


# -- diagnosis -------------------------------------------------------------------------------------------------------------------------
def diagnose(cells: Cells, seed: int) -> DiagnosisDoc:
    """Perception and reasoning rates of the independence model (`bench.gap.diagnosis`)."""
    arms = rates_input(cells)
    source = guess_source(cells, arms)
    doc: DiagnosisDoc = {"guess": None, "guess_from": source, "perception": unknown(""), "reasoning": unknown("")}
    missing = [mode.value for mode in (Mode.IMAGE, Mode.ORACLE) if mode not in cells.right]
    found = None if arms is None else estimate(arms[0], arms[1], seed=seed, guess_known=source != "blind")
    if arms is None or found is None:
        nothing = unknown(f"no outcome in mode {missing[0]}" if missing else "no puzzle has an outcome in every mode that is needed")
        return {**doc, "guess": _guess(cells, source), "perception": nothing, "reasoning": nothing}
    doc["guess"], doc["puzzles"] = rounded(found.guess), found.puzzles
    doc["perception"], doc["reasoning"] = estimate_doc(found.perception), estimate_doc(found.reasoning)
    if source == "blind":
        answered = np.isin(cells.outcome[Mode.BLIND][cells.counted(Mode.BLIND)], _ANSWERED)
        doc["blind_answered"] = rounded(float(answered.mean()))
        doc["by_options"] = _by_options(cells, *arms, seed)
    return doc


def rates_input(cells: Cells) -> tuple[Floats, Floats] | None:
    """What `diagnosis.estimate` takes: (puzzles, 3) sums and (puzzles,) counts, in the order of `cells.ids`; None without pairs.

    Where `blind` was run, only puzzles that have it count (the others' guess rate is not known); its mean is scaled to the number of
    pairs, so that it may have been run with fewer replicates.
    """
    if Mode.IMAGE not in cells.right or Mode.ORACLE not in cells.right:
        return None
    where = cells.both(Mode.IMAGE, Mode.ORACLE)
    image, counts = cells.per_puzzle(Mode.IMAGE, where)
    oracle, _ = cells.per_puzzle(Mode.ORACLE, where)
    guess = cells.chance * counts
    if not where.any():
        return None
    if Mode.BLIND in cells.right:
        blind, trials = cells.per_puzzle(Mode.BLIND, cells.counted(Mode.BLIND))
        has = (trials > 0) & (counts > 0)
        if has.any():
            guess = np.divide(blind, trials, out=np.zeros_like(blind), where=has) * counts
            image, oracle, counts = image * has, oracle * has, counts * has
    return np.column_stack([image, oracle, guess]), counts


def guess_source(cells: Cells, arms: tuple[Floats, Floats] | None) -> str:
    """Where the guess rate comes from: "blind", "options" or "open"."""
    if Mode.BLIND in cells.right:
        _, trials = cells.per_puzzle(Mode.BLIND, cells.counted(Mode.BLIND))
        if arms is None or ((trials > 0) & (arms[1] > 0)).any():
            return "blind"
    return "options" if cells.chance.any() else "open"


def _by_options(cells: Cells, sums: Floats, counts: Floats, seed: int) -> dict[str, EstimateDoc]:
    """The estimates with one over the options for guess, on the same puzzles."""
    other = np.column_stack([sums[:, 0], sums[:, 1], cells.chance * counts])
    found = estimate(other, counts, seed=seed, guess_known=True)
    return {} if found is None else {"perception": estimate_doc(found.perception), "reasoning": estimate_doc(found.reasoning)}


def estimate_doc(value: Estimate) -> EstimateDoc:
    """An estimate as it stands in the document."""
    if value.value is None or value.interval is None:
        return unknown(value.why)
    return {"estimate": rounded(value.value), "ci": interval(value.interval), "identifiable": True, "method": value.method}


def unknown(why: str) -> EstimateDoc:
    """An estimate that cannot be had."""
    return {"estimate": None, "ci": None, "identifiable": False, "why": why}


def _guess(cells: Cells, source: str) -> float | None:
    if source == "blind":
        return rounded(float(np.nanmean(cells.right[Mode.BLIND])))
    return rounded(float(cells.chance.mean())) if cells.chance.size else None


# -- numbers ---------------------------------------------------------------------------------------------------------------------------
def _correct(docs: Mapping[str, FamilyDoc]) -> None:
    """Add Holm's correction over families to every gap and to the blind test."""
    for name in sorted({name for doc in docs.values() for name in doc["gaps"]}):
        gaps = [doc["gaps"][name] for doc in docs.values() if name in doc["gaps"]]
        for one, adjusted in zip(gaps, holm([one["p"] for one in gaps]), strict=True):
            one["p_holm"] = None if adjusted is None else significant(adjusted)
    blind = [doc["blind"] for doc in docs.values() if "blind" in doc]
    for one, adjusted in zip(blind, holm([one["p"] for one in blind]), strict=True):
        one["p_holm"] = significant(adjusted or 0.0)


def rounded(value: float) -> float:
    """A rate or a difference to six decimals, as every document holds it."""
    return round(float(value), 6)


def significant(p: float) -> float:
    """A p-value to four significant digits."""
    return float(f"{p:.4g}")


def interval(bounds: tuple[float, float]) -> list[float]:
    """An interval to six decimals."""
    return [rounded(bounds[0]), rounded(bounds[1])]
