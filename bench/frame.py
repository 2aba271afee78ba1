"""Records as columns: run directories merged into one table, one row per finished trial, ready for pairing.

Runs made on different days pair up by puzzle. What must not be paired is refused here, with the reason: two answer formats, two suites, two
different trials for one cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import UserError
from bench.puzzle import digest
from bench.store import TRIALS, read_lines, read_run

_CATEGORIES = ("puzzle", "family", "suite", "split", "model", "mode", "captioner", "format", "outcome")
CELL = ["model", "mode", "captioner", "puzzle", "replicate"]
"""What identifies a cell of the experiment: two finished trials of one cell must be one trial."""


def load_frame(folders: Sequence[Path]) -> pd.DataFrame:
    """One row per trial of the runs in `folders`, the last record of each key.

    Columns: key, puzzle, family, suite, split, level, model, mode, captioner ("" or "name/prompt"), format, replicate, outcome, options
    (how many were to choose from), sufficient, tokens_in, tokens_out.

    Raises:
        UserError: no run directory, a line that is no record, no finished trial, or runs that must not be merged.
    """
    if not folders:
        raise UserError("report: name at least one run directory")
    frame = pd.DataFrame([row for folder in folders for row in _rows(folder)])
    if frame.empty:
        raise UserError(f"{', '.join(map(str, folders))}: no finished trial")
    frame = frame.drop_duplicates("key", keep="last", ignore_index=True)
    frame[list(_CATEGORIES)] = frame[list(_CATEGORIES)].astype("category")
    _refuse_mixtures(frame)
    return frame


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    path = folder / TRIALS
    if not path.is_file():
        raise UserError(f"{folder} is not a run directory: it has no {TRIALS}")
    for number, line in read_lines(path):
        try:
            yield _row(line)
        except (KeyError, TypeError) as error:
            raise UserError(f"{path} line {number}: not a record of this version ({type(error).__name__}: {error})") from error


def _row(line: Mapping[str, Any]) -> dict[str, Any]:
    captioner = line.get("captioner")
    usage: Mapping[str, int] = line["reply"]["usage"] if line.get("reply") else {}
    return {
        "key": line["key"],
        "puzzle": line["puzzle"],
        "family": line["family"],
        "suite": line["suite"],
        "split": line.get("split", "eval"),
        "level": line.get("level"),
        "model": line["model"],
        "mode": line["mode"],
        "captioner": f"{captioner}/{line.get('caption_prompt') or 'plain'}" if captioner else "",
        "format": line["format"],
        "replicate": line["replicate"],
        "outcome": line["verdict"]["outcome"],
        "options": len(line.get("options") or ()),
        "sufficient": line.get("sufficient", True),
        "tokens_in": usage.get("input", 0),
        "tokens_out": usage.get("output", 0),
    }


def _refuse_mixtures(frame: pd.DataFrame) -> None:
    for column, what in (("format", "answer formats"), ("suite", "suites")):
        values = sorted(frame[column].unique())
        if len(values) > 1:
            raise UserError(f"these runs cannot be paired: they mix {what} ({', '.join(values)}); report them one by one")
    twice = frame[frame.duplicated(CELL, keep=False)]
    if len(twice):
        first = twice.iloc[0]
        raise UserError(
            f"these runs cannot be merged: {len(twice)} trials of the same model, mode, captioner, puzzle and replicate were asked in "
            f"different ways (the first: {first['model']}, {first['mode']}, {first['puzzle']}); report them one by one"
        )


def merged_suite(folders: Sequence[Path], frame: pd.DataFrame) -> tuple[str, str]:
    """(name, hash) of the suite behind the runs: the runs' own hash where they agree, else a hash over the ids of all their puzzles."""
    suites = {(run["suite"]["name"], run["suite"]["sha256"]) for run in map(read_run, folders)}
    if len(suites) == 1:
        return next(iter(suites))
    return str(frame["suite"].iloc[0]), digest(sorted(map(str, frame["puzzle"].unique())))
