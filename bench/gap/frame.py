"""Records as one table: run directories merged, one row per finished trial, ready for pairing.

Runs made on different days pair up by puzzle, whose id is its content. Subsets of a suite (other families, levels, limits or shards) may be
merged although their hashes differ, and that is noted. What must not be paired is refused, with the reason: two answer formats, two suites,
two different trials for one cell, and two runs that hold the same families at the same levels of one suite and share not one puzzle
(another seed or split): averages over those would compare different questions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.digest import digest
from bench.errors import UserError
from bench.gap.shards import refuse_other_shards, shard_notes, shard_of
from bench.gap.verdicts import verdict_note
from bench.store.columns import read_columns
from bench.store.run import Run

CELL = ["model", "mode", "captioner", "dose", "puzzle", "replicate"]
"""What identifies a cell of the experiment: two finished trials of one cell must be one trial."""
_SHOWN = 5
"""Most runs that a note names one by one."""


@dataclass(frozen=True, slots=True)
class RunRows:
    """A run and what it gave to the merged table.

    Attributes:
        run: the run directory.
        sha256: hash of the puzzles that it asked; where the run does not say, one over the ids of those it has records of.
        rows: how many records it gave.
        trials: how many of them are the last word on a trial.
        puzzles: codes of its puzzles (categories of the merged table's column).
        doubt: that its verdicts are not what the grader reads (`bench.gap.verdicts`), in words.
    """

    run: Run
    sha256: str
    rows: int
    trials: int
    puzzles: NDArray[np.int64]
    doubt: str | None = None

    @property
    def missing(self) -> int:
        """Planned trials of which there is no record; 0 where the run does not say how many were planned."""
        return max(0, (self.run.info.planned or 0) - self.trials)


@dataclass(frozen=True, slots=True)
class MergedRuns:
    """Merged runs: the table (see `load_frame`), the runs, and what a reader of the report must know of them."""

    frame: pd.DataFrame
    parts: tuple[RunRows, ...]
    notes: tuple[str, ...]

    @property
    def suite(self) -> tuple[str, str]:
        """(name, hash) of the suite: the runs' own hash where they agree, else a hash over the ids of all their puzzles."""
        hashes = {part.sha256 for part in self.parts}
        sha256 = hashes.pop() if len(hashes) == 1 else _puzzles_hash(self.frame, self.frame["puzzle"].cat.codes.to_numpy())
        return self.parts[0].run.info.suite.name, sha256


def load_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """The table of `load_runs`."""
    return load_runs(runs).frame


def load_runs(runs: Sequence[Run]) -> MergedRuns:
    """`runs` merged: one row per trial, the last record of each key.

    Columns: key, puzzle, family, suite, split, level (0 for none), model, mode, captioner ("" or "name/prompt"), format, dose ("" or
    "blur=2"), replicate, outcome, options (how many were to choose from), chosen and gold (places among the options as shown, -1 for none),
    answered (whether the verdict holds an answer), sufficient, tokens_in, tokens_out. Texts are categories.

    Raises:
        UserError: a line that is no record, no finished trial, or runs that must not be merged.
    """
    if not runs:
        raise UserError("report: name at least one run directory")
    refuse_other_shards(runs)
    frame = _read(runs)
    parts = tuple(_rows(run, number, frame) for number, run in enumerate(runs))
    frame = frame.drop(columns="run")
    if frame["key"].duplicated().any():
        frame = frame.drop_duplicates("key", keep="last", ignore_index=True)
    _refuse_mixtures(frame)
    return MergedRuns(frame, parts, (*_state_notes(parts), *shard_notes(runs), *_overlap_notes(parts, frame)))


def _read(runs: Sequence[Run]) -> pd.DataFrame:
    import pyarrow as pa

    tables: list[Any] = []
    for number, run in enumerate(runs):
        table = read_columns(run.content)
        tables.append(table.append_column("run", pa.array(np.full(len(table), number, np.int32))))
    merged = pa.concat_tables(tables).unify_dictionaries()
    del tables
    if not len(merged):
        raise UserError(f"{', '.join(str(run.folder) for run in runs)}: no finished trial")
    made: Any = merged.to_pandas(self_destruct=True)  # pyright: ignore[reportUnknownMemberType]
    return made


def _rows(run: Run, number: int, frame: pd.DataFrame) -> RunRows:
    mine = (frame["run"] == number).to_numpy()
    codes = np.unique(frame["puzzle"].cat.codes.to_numpy()[mine].astype(np.int64))
    sha256 = run.info.suite.sha256 or _puzzles_hash(frame, codes)
    trials = int(frame["key"][mine].nunique())
    return RunRows(run, sha256, int(mine.sum()), trials, codes, verdict_note(run, trials))


def _puzzles_hash(frame: pd.DataFrame, codes: NDArray[np.integer[Any]]) -> str:
    return digest(sorted(map(str, frame["puzzle"].cat.categories[np.unique(codes)])))


def _values(frame: pd.DataFrame, column: str) -> list[str]:
    """The distinct values of a category column that occur."""
    cat = frame[column].cat
    return sorted(str(cat.categories[code]) for code in np.unique(cat.codes))


def _refuse_mixtures(frame: pd.DataFrame) -> None:
    for column, what in (("format", "answer formats"), ("suite", "suites")):
        values = _values(frame, column)
        if len(values) > 1:
            raise UserError(f"these runs cannot be paired: they mix {what} ({', '.join(values)}); report them one by one")
    code = np.zeros(len(frame), np.int64)
    for name in CELL:
        values = frame["replicate"].to_numpy(np.int64) if name == "replicate" else frame[name].cat.codes.to_numpy().astype(np.int64)
        code = code * (int(values.max()) + 1) + values
    if np.unique(code).size == code.size:
        return
    twice = frame[pd.Series(code).duplicated(keep=False).to_numpy()]
    first = twice.iloc[0]
    raise UserError(
        f"these runs cannot be merged: {len(twice)} trials of the same model, mode, captioner, puzzle and replicate were asked in "
        f"different ways (the first: {first['model']}, {first['mode']}, {first['puzzle']}); report them one by one"
    )


def _state_notes(parts: Sequence[RunRows]) -> list[str]:
    """Which runs are not finished or are being written, and which lost records."""
    notes: list[str] = []
    waiting = [part for part in parts if not part.run.info.finished]
    if waiting:
        named = "; ".join(
            f"{part.run.name}: {part.rows} records" + (f" for {planned} trials" if (planned := part.run.info.planned) else "")
            for part in waiting
        )
        more = f" ({named})" if len(waiting) <= _SHOWN else ""
        notes.append(f"{len(waiting)} of {len(parts)} runs are not finished: their missing trials are left out{more}")
    notes += [
        f"{part.run.name} says that it is finished, and {part.missing} of its {part.run.info.planned} records are missing: the file was "
        "damaged or cut, and its numbers are not those of the whole run"
        for part in parts
        if part.run.info.finished and part.missing
    ]
    notes += [
        f"{', '.join(part.run.changed)} of {part.run.name} was changed after the run was closed: edited, or damaged"
        for part in parts
        if part.run.changed
    ]
    notes += [part.doubt for part in parts if part.doubt]
    notes += dict.fromkeys(note for part in parts for note in part.run.info.suite.notes)
    notes += [f"the last line of {part.run.content.path} is being written and is left out" for part in parts if part.run.torn]
    return notes


def _overlap_notes(parts: Sequence[RunRows], frame: pd.DataFrame) -> list[str]:
    """What suites with different hashes have in common.

    Raises:
        UserError: two of them hold the same families at the same levels and not one puzzle in common.
    """
    by_hash: dict[str, list[RunRows]] = {}
    for part in parts:
        by_hash.setdefault(part.sha256, []).append(part)
    if len(by_hash) == 1:
        return []
    kinds = _kinds(frame)
    groups = [(members[0], np.unique(np.concatenate([part.puzzles for part in members]))) for members in by_hash.values()]
    apart: list[str] = []
    for (a, mine), (b, yours) in itertools.combinations(groups, 2):
        if np.intersect1d(mine, yours).size or (shard_of(a.run) and shard_of(b.run)):
            continue
        same = np.intersect1d(kinds[mine], kinds[yours])
        if same.size:
            family = str(frame["family"].cat.categories[int(same[0]) // 1000])
            raise UserError(
                f"these runs cannot be paired: {a.run.folder} and {b.run.folder} hold different puzzles of suite {a.run.info.suite.name} "
                f"(hashes {a.sha256[:12]} and {b.sha256[:12]}, none in common, e.g. in {family}): another seed or split"
            )
        apart.append(f"{a.run.name} and {b.run.name} share no puzzle (other families or levels): nothing in them is paired")
    common = groups[0][1]
    for _, puzzles in groups[1:]:
        common = np.intersect1d(common, puzzles)
    total = np.unique(np.concatenate([puzzles for _, puzzles in groups])).size
    suite = parts[0].run.info.suite.name
    note = f"the runs hold {len(groups)} different parts of suite {suite}: {common.size} of {total} puzzles are in all of them"
    return [f"{note}; pairs are made by puzzle", *apart[:_SHOWN]]


def _kinds(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Family and level as one number, by code of the puzzle."""
    kinds = np.zeros(len(frame["puzzle"].cat.categories), np.int64)
    family = frame["family"].cat.codes.to_numpy().astype(np.int64)
    kinds[frame["puzzle"].cat.codes.to_numpy()] = family * 1000 + frame["level"].to_numpy()
    return kinds
