"""Arms: the outcomes of one model in one mode and at one dose, by puzzle and replicate, and several arms joined where all have one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.mode import Mode
from bench.outcome import Outcome

Floats = NDArray[np.float64]
CLEAR = ""
"""The dose of an undamaged picture."""


@dataclass(frozen=True)
class Joined:
    """Arms on the puzzles where all of them have outcomes.

    Attributes:
        sums: (puzzles, arms) right replicates.
        counts: (puzzles,) replicates in which every arm has an outcome.
    """

    sums: Floats
    counts: Floats

    @property
    def puzzles(self) -> int:
        return len(self.counts)


def models(frame: pd.DataFrame) -> Iterator[tuple[str, str | None, pd.DataFrame]]:
    """(model, captioner, rows) of a table of records; a model with several captioners comes once with each."""
    for model in sorted(map(str, frame["model"].unique())):
        rows = frame[frame["model"] == model]
        captioners: list[str] = sorted(str(name) for name in rows["captioner"].unique() if name)
        for captioner in captioners or [""]:
            yield model, captioner or None, rows[rows["captioner"].isin(["", captioner])]


def families(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(family, rows) in the order of names."""
    for name in sorted(map(str, rows["family"].unique())):
        yield name, rows[rows["family"] == name]


def arm(rows: pd.DataFrame, mode: Mode, dose: str = CLEAR) -> pd.Series[float]:
    """1.0 right, 0.0 not, by (puzzle, replicate): the counted outcomes of `mode` at `dose`.

    Where the mode shows a description that does not suffice, the puzzle is left out, since no gap may be claimed from it.
    """
    chosen = rows[((rows["mode"] == mode.value) & (rows["dose"] == dose)).to_numpy()]
    outcome = chosen["outcome"].astype(str).to_numpy()
    kept = ~np.isin(outcome, [Outcome.ERROR.value, Outcome.CAPTION_FAILED.value])
    if mode.shows_oracle:
        kept &= chosen["sufficient"].to_numpy(np.bool_)
    return pd.Series((outcome[kept] == Outcome.CORRECT.value).astype(np.float64), index=_index(chosen[kept]))


def guesses(rows: pd.DataFrame) -> tuple[pd.Series[float], bool]:
    """The arm to take for guessing, and whether it is known: `blind` where it was run, else one over the options (0 for open answers)."""
    blind = arm(rows, Mode.BLIND)
    if len(blind):
        return blind, False
    cells = rows.drop_duplicates(["puzzle", "replicate"])
    options = cells["options"].to_numpy()
    chance = np.where((options > 0) & (cells["format"].astype(str).to_numpy() == "mcq"), 1.0 / np.maximum(1, options), 0.0)
    return pd.Series(chance, index=_index(cells)), True


def join(arms: Sequence[pd.Series[float]]) -> Joined:
    """The arms on the replicates where all of them have an outcome, summed by puzzle."""
    table = pd.concat([series.rename(index) for index, series in enumerate(arms)], axis=1, join="inner")
    grouped = table.groupby(level=0, sort=True)
    return Joined(grouped.sum().to_numpy(np.float64), np.asarray(grouped.size(), dtype=np.float64))


def _index(rows: pd.DataFrame) -> pd.MultiIndex:
    """Puzzle, by its code in the table, and replicate."""
    return pd.MultiIndex.from_arrays([rows["puzzle"].cat.codes, rows["replicate"]])
