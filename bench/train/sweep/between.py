"""What one reward teaches beyond another: differences of two rows of a sweep, over the puzzles and over the seeds.

The tables of a sweep compare every reward with the base on the seeds at hand. Whether a reward is better than another is a question about
the next seed as well, so here seeds are a sample too (`bench.stats.crossed`), and Holm's correction runs over everything that is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.gap.cells import Cells
from bench.gap.document import ChangeDoc
from bench.gap.numbers import rounded
from bench.mode import Mode
from bench.report import words
from bench.stats.crossed import crossed_difference
from bench.stats.exact import holm
from bench.train.sweep.checkpoint import SweepCheckpoint

AGAINST = "only-accuracy"
"""The reward that the others are held against: the one that pays for nothing but the answer."""

ARMS: Mapping[str, Mode] = {"image": Mode.IMAGE, "oracle": Mode.ORACLE}
"""Accuracies that are compared: on the picture, and from the true description, where nothing is left but thinking."""


class DifferenceDoc(ChangeDoc):
    """A difference of two rewards over puzzles and seeds; `p_holm` is corrected over all rewards and measures of the document."""

    p_holm: NotRequired[float | None]


class BetweenDoc(TypedDict):
    """One reward against another: a difference for each measure, on the families that were trained on."""

    reward: str
    against: str
    seeds: list[int]
    measures: dict[str, DifferenceDoc]


def between(
    frame: pd.DataFrame,
    facts: Mapping[str, Mapping[str, pd.Series[float]]],
    checkpoints: Sequence[SweepCheckpoint],
    families: Sequence[str],
) -> list[BetweenDoc]:
    """Every reward with two seeds or more against `AGAINST`, on puzzles of `families`; empty where that was not trained with two seeds.

    Args:
        frame: the rows of all checkpoints (`bench.gap.frame`), at one dose.
        facts: measure -> model -> what its replies state of the facts, by code of the puzzle.
        checkpoints: of the sweep, the base among them.
        families: which puzzles count.
    """
    rows = frame[frame["family"].isin(families)]
    by_reward: dict[str, list[SweepCheckpoint]] = {}
    for checkpoint in checkpoints:
        if checkpoint.seed is not None:
            by_reward.setdefault(checkpoint.reward, []).append(checkpoint)
    usual = by_reward.get(AGAINST, [])
    if len(usual) < 2:
        return []
    codes = np.unique(rows["puzzle"].cat.codes)
    made: list[BetweenDoc] = []
    for reward, mine in by_reward.items():
        if reward == AGAINST or len(mine) < 2:
            continue
        measures = {name: _difference(*(_right(rows, some, mode, codes) for some in (mine, usual))) for name, mode in ARMS.items()}
        measures |= {name: _difference(*(_stated(by, some, codes) for some in (mine, usual))) for name, by in facts.items()}
        made.append({"reward": reward, "against": AGAINST, "seeds": [c.seed for c in mine if c.seed is not None], "measures": measures})
    found = [doc for one in made for doc in one["measures"].values()]
    for doc, p in zip(found, holm([doc.get("p") for doc in found]), strict=True):
        doc["p_holm"] = None if p is None else rounded(p)
    return made


def _right(rows: pd.DataFrame, checkpoints: Sequence[SweepCheckpoint], mode: Mode, codes: NDArray[np.int_]) -> list[NDArray[np.float64]]:
    """Per checkpoint (puzzles,) 1.0 right, 0.0 wrong, NaN where it was not asked or does not count."""
    found: list[NDArray[np.float64]] = []
    for checkpoint in checkpoints:
        cells = Cells.of(rows[rows["model"] == checkpoint.model])
        right = cells.right.get(mode)
        asked = pd.Series(dtype=float) if right is None else pd.Series(right, index=cells.ids[cells.puzzle])
        found.append(np.asarray(asked.reindex(codes), np.float64))
    return found


def _stated(
    by_model: Mapping[str, pd.Series[float]], checkpoints: Sequence[SweepCheckpoint], codes: NDArray[np.int_]
) -> list[NDArray[np.float64]]:
    empty = pd.Series(dtype=float)
    return [np.asarray(by_model.get(checkpoint.model, empty).reindex(codes), np.float64) for checkpoint in checkpoints]


def _difference(mine: Sequence[NDArray[np.float64]], theirs: Sequence[NDArray[np.float64]]) -> DifferenceDoc:
    found = crossed_difference(np.stack(mine), np.stack(theirs))
    if found is None:
        return {"delta": None, "ci": None, "why": "not asked"}
    return {"delta": rounded(found.delta), "ci": [rounded(found.low), rounded(found.high)], "p": rounded(found.p)}


# -- rendering ---------------------------------------------------------------------------------------------------------------------------
def between_header(documents: Sequence[BetweenDoc]) -> list[str]:
    """Columns of `between_rows`."""
    return ["reward", "seeds", *(column for name in documents[0]["measures"] for column in (name, "p (Holm)"))]


def between_rows(documents: Sequence[BetweenDoc]) -> list[list[str]]:
    """A row for each reward: differences in points, each with its interval and corrected p-value."""
    return [
        [
            one["reward"],
            str(len(one["seeds"])),
            *(cell for doc in one["measures"].values() for cell in (words.change(doc), words.p_value(doc.get("p_holm")))),
        ]
        for one in documents
    ]
