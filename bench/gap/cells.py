"""Cells: the outcomes of one model, paired by puzzle and replicate. The one place where trials are paired.

A *cell* is one (puzzle, replicate) of one model; each mode has at most one outcome in it. Two modes are compared on the cells where both
have one, two models (or two runs, or two doses) on the cells that both have (`matched`), and puzzles, not cells, are what is resampled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.mode import Mode
from bench.outcome import Format, Outcome

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

OUTCOMES: tuple[Outcome, ...] = tuple(Outcome)
"""Outcomes by the code that `Cells.outcome` holds."""
GROUPS = ("family", "level", "split")
CLEAR = ""
"""The dose of an undamaged picture."""
_COUNTED = np.array([*(kind.counted for kind in OUTCOMES), False])
"""Whether an outcome counts, by its code; the last is for -1, no outcome."""


@dataclass(frozen=True)
class Group:
    """A property of puzzles: `codes` (puzzles,) into `names`."""

    codes: Ints
    names: tuple[str, ...]


@dataclass(frozen=True)
class Cells:
    """The outcomes of one model on some puzzles.

    Attributes:
        ids: (puzzles,) code of each puzzle in the merged table, so that the cells of two models pair up.
        puzzle: (cells,) index of each cell's puzzle.
        replicate: (cells,) its replicate.
        outcome: mode -> (cells,) index into `OUTCOMES`, -1 where the mode was not asked.
        right: mode -> (cells,) 1.0 right, 0.0 not, NaN where the mode has no counted outcome in the cell; only modes that have one.
        chosen: mode -> (cells,) place of the answer among the options as shown, -1 for none.
        gold: (cells,) place of the right answer among the options as shown, -1 for none.
        options: (cells,) how many options were shown; 0 for open questions.
        answered: mode -> (cells,) whether the verdict holds an answer.
        chance: (puzzles,) one over the number of options; 0 where none were shown, since an open answer cannot be guessed.
        barred: (cells,) whether no gap may be claimed from the puzzle's description.
        own_captions: whether the captions, if any, are the model's own.
        groups: "family", "level" and "split" of the puzzles.
    """

    ids: Ints
    puzzle: Ints
    replicate: Ints
    outcome: Mapping[Mode, Ints]
    right: Mapping[Mode, Floats]
    chosen: Mapping[Mode, Ints]
    gold: Ints
    options: Ints
    answered: Mapping[Mode, Flags]
    chance: Floats
    barred: Flags
    own_captions: bool
    groups: Mapping[str, Group]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Cells:
        """The cells of the rows (of `bench.gap.frame`) of one model with one captioner and one dose."""
        ids, puzzle_of_row = np.unique(_codes(frame, "puzzle"), return_inverse=True)
        replicates = frame["replicate"].to_numpy(np.int64)
        span = int(replicates.max(initial=0)) + 1
        cells, at = np.unique(puzzle_of_row * span + replicates, return_inverse=True)
        barred = np.zeros(len(cells), np.bool_)
        barred[at] = ~frame["sufficient"].to_numpy(np.bool_)
        open_answers = (frame["format"] == Format.OPEN.value).to_numpy()
        shown = np.where(open_answers, 0, frame["options"].to_numpy(np.int64))
        chance = np.zeros(len(ids))
        chance[puzzle_of_row] = np.divide(1.0, shown, out=np.zeros(len(frame)), where=shown > 0)
        rows = {mode: np.flatnonzero((frame["mode"] == mode.value).to_numpy()) for mode in Mode}
        answered = frame["answered"].to_numpy(np.int64)
        places = {name: frame[name].to_numpy(np.int64) for name in ("chosen", "gold")}
        code = np.array([OUTCOMES.index(Outcome(name)) for name in frame["outcome"].cat.categories])[_codes(frame, "outcome")]
        outcome = {mode: _scattered(len(cells), at[mine], code[mine]) for mode, mine in rows.items() if mine.size}
        return cls(
            ids=ids,
            puzzle=cells // span,
            replicate=cells % span,
            outcome=outcome,
            right=_rights(outcome),
            chosen={mode: _scattered(len(cells), at[rows[mode]], places["chosen"][rows[mode]]) for mode in outcome},
            gold=_scattered(len(cells), at, places["gold"]),
            options=_scattered(len(cells), at, shown),
            answered={mode: _scattered(len(cells), at[rows[mode]], answered[rows[mode]]) > 0 for mode in outcome},
            chance=chance,
            barred=barred,
            own_captions=_own_captions(frame),
            groups={name: _group(frame, name, puzzle_of_row, len(ids)) for name in GROUPS},
        )

    @property
    def asked(self) -> list[Mode]:
        """The modes with a record, counted or not, in the order of `Mode`."""
        return [mode for mode in Mode if mode in self.outcome and (self.outcome[mode] >= 0).any()]

    def per_puzzle(self, mode: Mode, where: Flags) -> tuple[Floats, Floats]:
        """(puzzles,) right replicates and counted replicates of `mode` over the cells `where`."""
        n, chosen = len(self.chance), self.puzzle[where]
        sums = np.bincount(chosen, self.right[mode][where], n).astype(np.float64)
        return sums, np.bincount(chosen, minlength=n).astype(np.float64)

    def counted(self, mode: Mode) -> Flags:
        """(cells,) where `mode` has a counted outcome."""
        return np.isfinite(self.right[mode]) if mode in self.right else np.zeros(len(self.puzzle), np.bool_)

    def both(self, *modes: Mode) -> Flags:
        """(cells,) where all `modes` have an outcome and, if one shows a description, where it may stand for the image."""
        where = np.logical_and.reduce([self.counted(mode) for mode in modes])
        return where & ~self.barred if any(mode.shows_oracle for mode in modes) else where

    def sums(self, *modes: Mode) -> tuple[Floats, Floats]:
        """(puzzles, modes) right replicates, and (puzzles,) their number, on the cells where all `modes` have an outcome."""
        if any(mode not in self.right for mode in modes):
            return np.zeros((0, len(modes))), np.zeros(0)
        arms = [self.per_puzzle(mode, self.both(*modes)) for mode in modes]
        used = arms[0][1] > 0
        return np.column_stack([right[used] for right, _ in arms]), arms[0][1][used]

    def part(self, puzzles: Flags) -> Cells:
        """The cells of the chosen `puzzles` (puzzles,)."""
        number = np.cumsum(puzzles) - 1
        kept = puzzles[self.puzzle]
        outcome = {mode: values[kept] for mode, values in self.outcome.items()}
        return Cells(
            ids=self.ids[puzzles],
            puzzle=number[self.puzzle[kept]],
            replicate=self.replicate[kept],
            outcome={mode: values for mode, values in outcome.items() if (values >= 0).any()},
            right=_rights(outcome),
            chosen={mode: values[kept] for mode, values in self.chosen.items()},
            gold=self.gold[kept],
            options=self.options[kept],
            answered={mode: values[kept] for mode, values in self.answered.items()},
            chance=self.chance[puzzles],
            barred=self.barred[kept],
            own_captions=self.own_captions,
            groups={name: replace(group, codes=group.codes[puzzles]) for name, group in self.groups.items()},
        )

    def parts(self, name: str) -> dict[str, Cells]:
        """The cells by "family", "level" or "split" (levels that are not known are left out), in order of name."""
        group = self.groups[name]
        codes: set[int] = set(group.codes.tolist())
        present = sorted((group.names[code], code) for code in codes if group.names[code])
        return {label: self.part(group.codes == code) for label, code in present}


def models(frame: pd.DataFrame) -> Iterator[tuple[str, str | None, pd.DataFrame]]:
    """(model, captioner, rows) of a table of records; a model with several captioners comes once with each, sharing the other modes."""
    for model in present(frame["model"]):
        rows = frame[(frame["model"] == model).to_numpy()]
        captioners = sorted(name for name in present(rows["captioner"]) if name)
        for captioner in captioners or [""]:
            yield model, captioner or None, rows[rows["captioner"].isin(["", captioner]).to_numpy()]


def present(column: pd.Series[Any]) -> list[str]:
    """The values of a category column, in the order in which they come."""
    codes: list[int] = pd.unique(column.cat.codes.to_numpy()).tolist()
    return [str(column.cat.categories[code]) for code in codes]


def matched(old: Cells, new: Cells, where: tuple[Flags, Flags]) -> tuple[Ints, Ints]:
    """The cells of `old` and those of `new` that are the same puzzle and replicate, among `where` of each.

    Both must come from tables whose puzzles have the same codes.
    """
    span = 1 + int(max(old.replicate.max(initial=0), new.replicate.max(initial=0)))
    mine, yours = (np.flatnonzero(flags) for flags in where)
    codes = (cells.ids[cells.puzzle[rows]] * span + cells.replicate[rows] for cells, rows in ((old, mine), (new, yours)))
    _, first, second = np.intersect1d(*codes, assume_unique=True, return_indices=True)
    return mine[first], yours[second]


def _own_captions(frame: pd.DataFrame) -> bool:
    """Whether whoever wrote the captions is the model itself; a record that names no captioner is taken for its own."""
    shown = frame[["model", "captioner"]].astype(str).drop_duplicates()
    writers = zip(shown["model"], shown["captioner"], strict=True)
    return all(writer.rpartition("/")[0] in ("", "self", model) for model, writer in writers)


def _codes(frame: pd.DataFrame, column: str) -> Ints:
    return frame[column].cat.codes.to_numpy().astype(np.int64)


def _scattered(size: int, at: Ints, values: Ints) -> Ints:
    whole = np.full(size, -1, np.int64)
    whole[at] = values
    return whole


def _rights(outcome: Mapping[Mode, Ints]) -> dict[Mode, Floats]:
    correct = OUTCOMES.index(Outcome.CORRECT)
    rights = {mode: np.where(_COUNTED[codes], codes == correct, np.nan) for mode, codes in outcome.items()}
    return {mode: values for mode, values in rights.items() if np.isfinite(values).any()}


def _group(frame: pd.DataFrame, name: str, puzzle_of_row: Ints, n: int) -> Group:
    codes = np.zeros(n, np.int64)
    if name == "level":
        codes[puzzle_of_row] = frame["level"].to_numpy(np.int64)
        return Group(codes, ("", *(str(level) for level in range(1, int(codes.max(initial=0)) + 1))))
    codes[puzzle_of_row] = _codes(frame, name)
    return Group(codes, tuple(map(str, frame[name].cat.categories)))
