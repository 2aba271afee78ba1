"""From paired outcomes to gaps, attribution and diagnosis: the content of `gap.json`.

A *cell* is one (puzzle, replicate) of one model; each mode has at most one outcome in it. Two modes are compared on the cells where both
have one, and puzzles, not cells, are what is resampled. With guess rate g, perception p and reasoning r independent,

    A_image = g + (1-g) p r        A_oracle = g + (1-g) r

so r = (A_oracle - g)/(1 - g) and p = (A_image - g)/(A_oracle - g) (DESIGN.md, The diagnosis). Where A_oracle is not clearly above g, p is
not identifiable and no number is given. Seeds are fixed, so the document is a pure function of the records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench import __version__
from bench.document import AttributionDoc, DiagnosisDoc, Document, EstimateDoc, FamilyDoc, GapDoc, ModeDoc, ModelDoc
from bench.exact import holm
from bench.frame import load_frame, merged_suite
from bench.mode import Mode
from bench.outcome import Outcome
from bench.stats import bootstrap_estimates, clustered_rate, effective_pairs, mde_paired, paired_difference, percentile_interval
from bench.store import read_run
from bench.trial import SCHEMA
from tasks.suites import barred_families

SEED = 20_260_100_215
"""Seed of every bootstrap in a report: reports are pure functions of their records."""

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

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """The outcomes of one model on some puzzles.

    Attributes:
        frame: the rows of the table behind it.
        puzzle: (cells,) index of each cell's puzzle.
        right: mode -> (cells,) 1.0 right, 0.0 not, NaN where the mode has no counted outcome in the cell.
        chance: (puzzles,) one over the number of options.
        barred: (cells,) whether no gap may be claimed from the puzzle's description.
    """

    frame: pd.DataFrame
    puzzle: NDArray[np.int64]
    right: dict[Mode, Floats]
    chance: Floats
    barred: NDArray[np.bool_]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Cells:
        """The cells of the rows of one model with one captioner."""
        puzzles, puzzle_index = np.unique(frame["puzzle"].astype(str).to_numpy(), return_inverse=True)
        codes = puzzle_index.astype(np.int64) * (int(frame["replicate"].max()) + 1) + frame["replicate"].to_numpy()
        cells, cell_index = np.unique(codes, return_inverse=True)
        puzzle = np.zeros(len(cells), np.int64)
        puzzle[cell_index] = puzzle_index
        barred = np.zeros(len(cells), np.bool_)
        barred[cell_index] = ~frame["sufficient"].to_numpy(np.bool_)
        chance = np.zeros(len(puzzles))
        chance[puzzle_index] = 1.0 / np.maximum(1, frame["options"].to_numpy())
        outcome = frame["outcome"].astype(str).to_numpy()
        counted = ~np.isin(outcome, [Outcome.ERROR.value, Outcome.CAPTION_FAILED.value])
        correct = outcome == Outcome.CORRECT.value
        right: dict[Mode, Floats] = {}
        names = frame["mode"].astype(str).to_numpy()
        for mode in Mode:
            rows = (names == mode.value) & counted
            if rows.any():
                values = np.full(len(cells), np.nan)
                values[cell_index[rows]] = correct[rows]
                right[mode] = values
        return cls(frame, puzzle, right, chance, barred)

    def per_puzzle(self, mode: Mode, where: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """(puzzles,) right replicates and counted replicates of `mode` over the cells `where`."""
        n, chosen = len(self.chance), self.puzzle[where]
        sums = np.bincount(chosen, self.right[mode][where], n).astype(np.float64)
        return sums, np.bincount(chosen, minlength=n).astype(np.float64)

    def both(self, a: Mode, b: Mode) -> NDArray[np.bool_]:
        """(cells,) where both modes have an outcome and, if one shows a description, where it may stand for the image."""
        where = np.isfinite(self.right[a]) & np.isfinite(self.right[b])
        return where & ~self.barred if a.shows_oracle or b.shows_oracle else where


def gap_document(folders: Sequence[Path], *, seed: int = SEED) -> Document:
    """The gap document of the runs in `folders`, merged.

    Raises:
        UserError: nothing to report, or runs that must not be merged (`bench.frame`).
    """
    frame = load_frame(folders)
    name, sha256 = merged_suite(folders, frame)
    runs = [read_run(folder) for folder in folders]
    simulated = {model["name"] for run in runs for model in run["models"] if model["simulated"]}
    barred = barred_families(name)
    present = set(frame["family"].astype(str))
    models = [
        _model(label, rows, captioner, barred, simulated=str(rows["model"].iloc[0]) in simulated, seed=seed)
        for label, captioner, rows in _variants(frame)
    ]
    return {
        "v": SCHEMA,
        "version": __version__,
        "suite": {"name": name, "sha256": sha256, "n": int(frame["puzzle"].nunique())},
        "format": str(frame["format"].iloc[0]),
        "seed": seed,
        "runs": [{"identity": run["identity"]} for run in runs],
        "models": models,
        "barred": {family: reason for family, reason in barred.items() if family in present},
        "notes": _notes(runs),
    }


def _notes(runs: Sequence[dict[str, object]]) -> list[str]:
    open_runs = sum(1 for run in runs if not run.get("finished"))
    return [f"{open_runs} of {len(runs)} runs are not finished: their missing trials are left out"] if open_runs else []


def _variants(frame: pd.DataFrame) -> list[tuple[str, str | None, pd.DataFrame]]:
    """(label, captioner, rows) of each model; a model run with several captioners gives one entry for each, sharing the other modes."""
    found: list[tuple[str, str | None, pd.DataFrame]] = []
    for model in dict.fromkeys(frame["model"].astype(str)):
        rows = frame[frame["model"] == model]
        captioners = sorted({name for name in rows["captioner"].astype(str) if name})
        if len(captioners) <= 1:
            found.append((model, captioners[0] if captioners else None, rows))
            continue
        for captioner in captioners:
            mine = rows[(rows["captioner"] == captioner) | (rows["captioner"] == "")]
            found.append((f"{model} (captions: {captioner})", captioner, mine))
    return found


def _model(label: str, rows: pd.DataFrame, captioner: str | None, barred: dict[str, str], *, simulated: bool, seed: int) -> ModelDoc:
    families: dict[str, FamilyDoc] = {}
    for family in sorted(set(rows["family"].astype(str))):
        doc = _part(Cells.of(rows[rows["family"] == family]), seed)
        if family in barred:
            doc["barred"] = barred[family]
        families[family] = doc
    _correct_for_families(families)
    tokens = {"input": int(rows["tokens_in"].sum()), "output": int(rows["tokens_out"].sum())}
    whole = _part(Cells.of(rows), seed)
    return {"name": label, "simulated": simulated, "captioner": captioner, "tokens": tokens, **whole, "families": families}


def _part(cells: Cells, seed: int) -> FamilyDoc:
    """Modes, gaps, diagnosis and attribution of any set of cells."""
    asked = [mode for mode in Mode if (cells.frame["mode"] == mode.value).any()]
    gaps = {f"{a}-{b}": _gap(cells, a, b, seed) for a, b in GAPS}
    gaps |= {f"{a}-{b}": _gap(cells, a, b, seed) for a, b in MORE_GAPS if a in asked and b in asked}
    return {
        "modes": {mode.value: _mode(cells, mode) for mode in asked},
        "gaps": gaps,
        "diagnosis": diagnose(cells, seed),
        "attribution": _attribution(cells),
    }


def _mode(cells: Cells, mode: Mode) -> ModeDoc:
    outcomes = cells.frame.loc[cells.frame["mode"] == mode.value, "outcome"].astype(str)
    counts = {outcome.value: int((outcomes == outcome.value).sum()) for outcome in Outcome}
    rate = None
    if mode in cells.right:
        sums, trials = cells.per_puzzle(mode, np.isfinite(cells.right[mode]))
        rate = clustered_rate(sums, trials)
    return {  # pyright: ignore[reportReturnType] - the outcome names are the keys of ModeDoc
        "n": len(outcomes),
        **counts,
        "accuracy": _round(rate.estimate) if rate else None,
        "ci": _interval((rate.low, rate.high)) if rate else None,
        "puzzles": int(cells.frame.loc[cells.frame["mode"] == mode.value, "puzzle"].nunique()),
    }


def _gap(cells: Cells, a: Mode, b: Mode, seed: int) -> GapDoc:
    missing = [mode.value for mode in (a, b) if mode not in cells.right]
    where = cells.both(a, b) if not missing else np.zeros(0, np.bool_)
    if not where.any():
        why = f"no outcome in mode {missing[0]}" if missing else "no puzzle has an outcome in both modes"
        return {"n": 0, "trials": 0, "delta": None, "ci": None, "p": None, "mde": None, "why": why}
    first, counts = cells.per_puzzle(a, where)
    second, _ = cells.per_puzzle(b, where)
    difference = paired_difference(first, second, counts, seed=seed)
    assert difference is not None  # `where` is not empty
    pairs = effective_pairs(first, second, counts)
    mde = mde_paired(pairs.n_effective, pairs.discordant_rate)
    return {
        "n": difference.n_clusters,
        "trials": difference.n_pairs,
        "delta": _round(difference.delta),
        "ci": _interval((difference.low, difference.high)),
        "p": float(f"{difference.p:.4g}"),
        "mde": _round(mde) if mde is not None else None,
    }


def diagnose(cells: Cells, seed: int) -> DiagnosisDoc:
    """Perception and reasoning rates of the independence model, with bootstrap intervals over puzzles."""
    has_blind = Mode.BLIND in cells.right
    source = "blind" if has_blind else "options"
    lacking = [mode.value for mode in (Mode.IMAGE, Mode.ORACLE) if mode not in cells.right]
    if lacking:
        nothing = _unknown(f"no outcome in mode {lacking[0]}")
        return {"guess": _guess(cells), "guess_from": source, "perception": nothing, "reasoning": nothing}
    where = cells.both(Mode.IMAGE, Mode.ORACLE)
    if has_blind:
        where &= np.isfinite(cells.right[Mode.BLIND])
    if not where.any():
        nothing = _unknown("no puzzle has an outcome in every mode that is needed")
        return {"guess": _guess(cells), "guess_from": source, "perception": nothing, "reasoning": nothing}
    image, counts = cells.per_puzzle(Mode.IMAGE, where)
    oracle, _ = cells.per_puzzle(Mode.ORACLE, where)
    guess = cells.per_puzzle(Mode.BLIND, where)[0] if has_blind else cells.chance * counts
    used = counts > 0
    sums = np.column_stack([image, oracle, guess])[used]
    trials = np.repeat(counts[used][:, None], 3, axis=1)
    point = _rates(sums.sum(0, keepdims=True) / trials.sum(0, keepdims=True))[0]
    draws = bootstrap_estimates(sums, trials, _rates, seed=seed)
    return {
        "guess": _round(float(sums[:, 2].sum() / trials[:, 2].sum())),
        "guess_from": source,
        "perception": _perception(point, draws),
        "reasoning": _estimate(point[1], draws[:, 1]),
    }


def _rates(means: Floats) -> Floats:
    """(R, 3) means of image, oracle and guess -> (R, 3) perception, reasoning, and how far the oracle is above the guess."""
    image, oracle, guess = means.T
    room = oracle - guess
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.column_stack([(image - guess) / room, room / (1 - guess), room])


def _perception(point: Floats, draws: Floats) -> EstimateDoc:
    # Clearly above: every one of the bootstrap draws is, which is a one-sided bound at about 1/2000. A ratio whose denominator may be zero
    # has no interval (Fieller 1954), so nothing weaker will do.
    if not (draws[:, 2] > 0).all():
        return _unknown("accuracy with the description is not clearly above guessing, so what was seen cannot be told from what was not")
    return _estimate(point[0], draws[:, 0])


def _estimate(value: float, draws: Floats) -> EstimateDoc:
    interval = percentile_interval(draws)
    if interval is None or not np.isfinite(value):
        return _unknown("too few puzzles")
    return {"estimate": _round(value), "ci": _interval(interval), "identifiable": True}


def _unknown(why: str) -> EstimateDoc:
    return {"estimate": None, "ci": None, "identifiable": False, "why": why}


def _guess(cells: Cells) -> float | None:
    if Mode.BLIND in cells.right:
        return _round(float(np.nanmean(cells.right[Mode.BLIND])))
    return _round(float(cells.chance.mean())) if cells.chance.size else None


def _attribution(cells: Cells) -> AttributionDoc:
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


def _correct_for_families(families: dict[str, FamilyDoc]) -> None:
    """Add Holm's correction over families to every gap."""
    for name in {name for doc in families.values() for name in doc["gaps"]}:
        gaps = [doc["gaps"][name] for doc in families.values() if name in doc["gaps"]]
        for gap, adjusted in zip(gaps, holm([gap["p"] for gap in gaps]), strict=True):
            gap["p_holm"] = None if adjusted is None else float(f"{adjusted:.4g}")


def _round(value: float) -> float:
    return round(float(value), 6)


def _interval(bounds: tuple[float, float]) -> list[float]:
    return [_round(bounds[0]), _round(bounds[1])]
