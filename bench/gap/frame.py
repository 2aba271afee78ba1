"""Records as one table: run directories merged, one row per finished trial, ready for pairing.

Runs made on different days pair up by puzzle, whose id is its content. Subsets of a suite (other families, levels, limits or shards) may be
merged although their hashes differ, and that is noted. What must not be paired is refused, with the reason: two answer formats, two suites,
two different trials for one cell, and two runs that hold the same families at the same levels of one suite and share not one puzzle
(another seed or split): averages over those would compare different questions.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.digest import digest
from bench.errors import UserError
from bench.mode import Mode
from bench.outcome import Outcome
from bench.store.columns import read_columns
from bench.store.reader import RUN, TRIALS, read_run

CELL = ["model", "mode", "captioner", "dose", "puzzle", "replicate"]
"""What identifies a cell of the experiment: two finished trials of one cell must be one trial."""
_SHOWN = 5
"""Most runs that a note names one by one."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a report needs of a run directory.

    Attributes:
        folder: where it lies.
        suite, sha256: name and hash of the puzzles that it asked.
        identity: its resolved configuration.
        simulated: names of its simulated models.
        finished: whether every planned trial is stored.
        planned: how many trials were planned; None where the run does not say.
        rows: how many records it gave.
        torn: whether its last line was being written when it was read.
        puzzles: codes of its puzzles (categories of the merged table's column).
    """

    folder: Path
    suite: str
    sha256: str
    identity: Mapping[str, Any]
    simulated: frozenset[str]
    finished: bool
    planned: int | None
    rows: int
    torn: bool
    puzzles: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Merged runs: the table (see `load_frame`), the runs, and what a reader of the report must know of them."""

    frame: pd.DataFrame
    runs: tuple[RunInfo, ...]
    notes: tuple[str, ...]

    @property
    def suite(self) -> tuple[str, str]:
        """(name, hash) of the suite: the runs' own hash where they agree, else a hash over the ids of all their puzzles."""
        hashes = {run.sha256 for run in self.runs}
        ids = self.frame["puzzle"].cat
        sha256 = hashes.pop() if len(hashes) == 1 else digest(sorted(map(str, ids.categories[np.unique(ids.codes)])))
        return self.runs[0].suite, sha256


def load_frame(folders: Sequence[Path]) -> pd.DataFrame:
    """The table of `load_runs`."""
    return load_runs(folders).frame


def load_runs(folders: Sequence[Path]) -> Loaded:
    """The runs in `folders` merged: one row per trial, the last record of each key.

    Columns: key, puzzle, family, suite, split, level (0 for none), model, mode, captioner ("" or "name/prompt"), format, dose ("" or
    "blur=2"), replicate, outcome, options (how many were to choose from), chosen and gold (places among the options as shown, -1 for none),
    sufficient, tokens_in, tokens_out. Texts are categories.

    Raises:
        UserError: no run directory, a line that is no record, no finished trial, or runs that must not be merged.
    """
    if not folders:
        raise UserError("report: name at least one run directory")
    frame, torn = _read(folders)
    runs = tuple(_info(folder, number, frame, torn[number]) for number, folder in enumerate(folders))
    _refuse_unknown(frame)
    frame = frame.drop(columns="run")
    if frame["key"].duplicated().any():
        frame = frame.drop_duplicates("key", keep="last", ignore_index=True)
    _refuse_mixtures(frame)
    return Loaded(frame, runs, (*_state_notes(runs), *_overlap_notes(runs, frame)))


def _read(folders: Sequence[Path]) -> tuple[pd.DataFrame, list[bool]]:
    import pyarrow as pa

    tables: list[Any] = []
    torn: list[bool] = []
    for number, folder in enumerate(folders):
        path = folder / TRIALS
        if not path.is_file():
            raise UserError(f"{folder} is not a run directory: it has no {TRIALS}")
        read = read_columns(path)
        tables.append(read.table.append_column("run", pa.array(np.full(len(read.table), number, np.int32))))
        torn.append(read.torn)
    table = pa.concat_tables(tables).unify_dictionaries()
    del tables
    if not len(table):
        raise UserError(f"{', '.join(map(str, folders))}: no finished trial")
    made: Any = table.to_pandas(self_destruct=True)  # pyright: ignore[reportUnknownMemberType]
    return made, torn


def _info(folder: Path, number: int, frame: pd.DataFrame, torn: bool) -> RunInfo:
    data = read_run(folder)
    try:
        suite, sha256 = data["suite"]["name"], data["suite"]["sha256"]
        simulated = frozenset(str(model["name"]) for model in data["models"] if model["simulated"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder / RUN}: not of this version ({type(error).__name__}: {error})") from error
    mine = (frame["run"] == number).to_numpy()
    codes = frame["puzzle"].cat.codes.to_numpy()[mine].astype(np.int64)
    return RunInfo(
        folder=folder,
        suite=str(suite),
        sha256=str(sha256),
        identity=data.get("identity") or {},
        simulated=simulated,
        finished=bool(data.get("finished")),
        planned=data.get("planned"),
        rows=int(mine.sum()),
        torn=torn,
        puzzles=np.unique(codes),
    )


def _values(frame: pd.DataFrame, column: str) -> list[str]:
    """The distinct values of a category column that occur."""
    cat = frame[column].cat
    return sorted(str(cat.categories[code]) for code in np.unique(cat.codes))


def _refuse_unknown(frame: pd.DataFrame) -> None:
    for column, known in (("mode", Mode), ("outcome", Outcome)):
        strange = [value for value in _values(frame, column) if value not in {member.value for member in known}]
        if strange:
            raise UserError(f"{TRIALS}: {column} {strange[0]!r} is not known to this sightgap; a newer one wrote it: update this one")


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


def _state_notes(runs: Sequence[RunInfo]) -> list[str]:
    """Which runs are not finished or are being written."""
    notes: list[str] = []
    waiting = [run for run in runs if not run.finished]
    if waiting:
        named = "; ".join(
            f"{run.folder.name}: {run.rows} records" + (f" for {run.planned} trials" if run.planned else "") for run in waiting
        )
        more = f" ({named})" if len(waiting) <= _SHOWN else ""
        notes.append(f"{len(waiting)} of {len(runs)} runs are not finished: their missing trials are left out{more}")
    notes += [f"the last line of {run.folder / TRIALS} is being written and is left out" for run in runs if run.torn]
    return notes


def _overlap_notes(runs: Sequence[RunInfo], frame: pd.DataFrame) -> list[str]:
    """What suites with different hashes have in common.

    Raises:
        UserError: two of them hold the same families at the same levels and not one puzzle in common.
    """
    by_hash: dict[str, list[RunInfo]] = {}
    for run in runs:
        by_hash.setdefault(run.sha256, []).append(run)
    if len(by_hash) == 1:
        return []
    kinds = _kinds(frame)
    parts = [(members[0], np.unique(np.concatenate([run.puzzles for run in members]))) for members in by_hash.values()]
    apart: list[str] = []
    for (a, mine), (b, yours) in itertools.combinations(parts, 2):
        if np.intersect1d(mine, yours).size or _shards(a, b):
            continue
        same = np.intersect1d(kinds[mine], kinds[yours])
        if same.size:
            family = str(frame["family"].cat.categories[int(same[0]) // 1000])
            raise UserError(
                f"these runs cannot be paired: {a.folder} and {b.folder} hold different puzzles of suite {a.suite} (hashes {a.sha256[:12]} "
                f"and {b.sha256[:12]}, none in common, e.g. in {family}): another seed or split; report them one by one"
            )
        apart.append(f"{a.folder.name} and {b.folder.name} share no puzzle (other families or levels): nothing in them is paired")
    common = parts[0][1]
    for _, puzzles in parts[1:]:
        common = np.intersect1d(common, puzzles)
    total = np.unique(np.concatenate([puzzles for _, puzzles in parts])).size
    note = f"the runs hold {len(parts)} different parts of suite {runs[0].suite}: {common.size} of {total} puzzles are in all of them"
    return [f"{note}; pairs are made by puzzle", *apart[:_SHOWN]]


def _kinds(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Family and level as one number, by code of the puzzle."""
    kinds = np.zeros(len(frame["puzzle"].cat.categories), np.int64)
    family = frame["family"].cat.codes.to_numpy().astype(np.int64)
    kinds[frame["puzzle"].cat.codes.to_numpy()] = family * 1000 + frame["level"].to_numpy()
    return kinds


def _shards(a: RunInfo, b: RunInfo) -> bool:
    """Whether two runs are parts of one suite by `--shard`."""
    mine, yours = a.identity.get("shard"), b.identity.get("shard")
    return bool(mine and yours) and a.identity.get("suite") == b.identity.get("suite")
