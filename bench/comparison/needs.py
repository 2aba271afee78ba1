"""What a gate needs before it is run: puzzles enough to show a candidate that is as good as the baseline to be within the margin.

Two equal models differ on a puzzle by chance alone, and how often decides how many puzzles are needed. Where the baseline was asked in
replicates, this *chance disagreement* is measured: the share of pairs of replicates of one puzzle of which exactly one is right. With a
single replicate it is not known, and at most 2 p (1 - p) of an arm with accuracy p. With K replicates on each side the variance of a
puzzle's difference is the K-th part, and so, about, is the number of puzzles (Connor 1987, `bench.stats.power.required_pairs`, power 80%).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bench.comparison.result import Need, Needs
from bench.comparison.sides import draw_option, open_side, right
from bench.errors import UserError
from bench.gap.frame import load_frame
from bench.mode import Mode
from bench.models.base import ModelOptions, Usage
from bench.models.registry import cost
from bench.stats.power import required_pairs
from bench.store.run import Run

MOST_REPLICATES = 64


def needs(baselines: Sequence[Run], *, margin: float, alpha: float, modes: Sequence[Mode] = (), replicates: int = 1) -> Needs:
    """What a comparison with the runs `baselines` would need.

    Args:
        baselines: runs of the baseline, replicates of one another.
        margin: largest tolerable loss of accuracy, a share above 0.
        alpha: one-sided level.
        modes: those that decide; all where empty.
        replicates: times each trial will be asked, of the baseline as of the candidate.

    Raises:
        UserError: no run directory or finished trial, or a margin, level or number that is out of range.
    """
    if not 0 < margin < 1:
        raise UserError(f"--margin: expected a share above 0 and below 1 (0.02 is two points), found {margin!r}")
    if not 0 < alpha < 0.5:
        raise UserError(f"--alpha: expected a chance above 0 and below 0.5, found {alpha!r}")
    if replicates < 1:
        raise UserError(f"--replicates: expected at least 1, found {replicates}")
    side = open_side(baselines, modes)
    if side.frame is None:
        raise UserError(f"{side.name} has no finished trial, so nothing is known of what a comparison needs")
    prices = _prices(side.runs)
    frame = side.frame.assign(right=right(side.frame))
    frame = frame[(frame["right"].notna() & (frame["mode"] != Mode.BLIND.value)).to_numpy()]
    found: list[Need] = []
    for (model, mode), rows in frame.groupby(["model", "mode"], sort=False, observed=True):
        name = str(model)
        found.append(_need(name, str(mode), rows, draw_option(side), prices.get((name, str(mode))), margin, alpha, replicates))
    return Needs(side.name, margin, alpha, replicates, tuple(found))


def _need(model: str, mode: str, rows: pd.DataFrame, draw: str, price: float | None, margin: float, alpha: float, replicates: int) -> Need:
    puzzles = rows.groupby("puzzle", observed=True)["right"].agg(["sum", "count"])
    wins, counts = puzzles["sum"].to_numpy(np.float64), puzzles["count"].to_numpy(np.float64)
    accuracy = float(wins.sum() / counts.sum())
    several = counts > 1
    measured = bool(several.any())
    disagreement = 2 * accuracy * (1 - accuracy)
    if measured:
        k, x = counts[several], wins[several]
        disagreement = float((2 * x * (k - x) / (k * (k - 1))).mean())
    enough = _puzzles(margin, disagreement, alpha, replicates)
    have = len(puzzles)
    wanted = next((k for k in range(1, MOST_REPLICATES + 1) if _puzzles(margin, disagreement, alpha, k) <= have), None)
    total = None if price is None else price * enough * replicates
    return Need(
        model,
        mode,
        accuracy,
        disagreement,
        measured,
        enough,
        have,
        draw.format(n=math.ceil(enough / rows["family"].nunique())) or None,
        wanted,
        total,
    )


def _puzzles(margin: float, disagreement: float, alpha: float, replicates: int) -> int:
    return required_pairs(margin, disagreement / replicates, alpha=2 * alpha)


def _prices(runs: Sequence[Run]) -> dict[tuple[str, str], float | None]:
    """(model, mode) -> USD for one trial as the first run asked it, by the tokens that it took."""
    frame = load_frame([runs[0]])
    base_url = runs[0].info.base_url
    found: dict[tuple[str, str], float | None] = {}
    for (model, mode), rows in frame[frame["dose"] == ""].astype({"model": object, "mode": object}).groupby(["model", "mode"]):
        usage = Usage(round(float(rows["tokens_in"].mean())), round(float(rows["tokens_out"].mean())))
        try:
            found[str(model), str(mode)] = cost(str(model), usage, ModelOptions(base_url=base_url))
        except UserError:  # a model that is not known here, of an import or a plug-in
            found[str(model), str(mode)] = None
    return found
