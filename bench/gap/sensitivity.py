"""How the table moves under the strict, the normal and the lenient reading of answers, and which rankings flip.

Normal is the verdict as stored. The other readings are derived from the stored text, where they can differ: a strict reading takes what the
normal one read from the only answer tag, may differ where there are other closed tags, and takes nothing else; a lenient one only adds
to it, so only unread replies are read again. The readback arm is graded by its own reader and has one reading.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import UserError
from bench.gap.cells import Cells
from bench.gap.document import ReadingDoc, SensitivityDoc
from bench.gap.numbers import rounded
from bench.grader.judge import StoredTrial, judge
from bench.mode import Mode
from bench.models.base import Stop
from bench.outcome import Format, Outcome, Reading
from bench.store.run import Run

LIMIT = 50_000
"""Most records that are read again without being asked for it."""

Variants = Callable[[pd.DataFrame], Sequence[tuple[str, Cells]]]

_CLOSED_TAG = re.compile(r"/\s*(?:final[ _-]?)?answer", re.IGNORECASE)
_OTHERS = (Reading.STRICT, Reading.LENIENT)


def sensitivity_section(runs: Sequence[Run], frame: pd.DataFrame, variants: Variants) -> SensitivityDoc:
    """Accuracies and oracle-image gaps of every model under each reading.

    Args:
        runs: the runs, in the order in which `frame` was merged.
        frame: the table of `bench.gap.frame`.
        variants: makes (name, cells) of every model from a table.

    Raises:
        UserError: a line that is no record; the message names file and line.
    """
    outcomes = _outcomes(runs, frame)
    tables = {Reading.NORMAL: frame} | {reading: frame.assign(outcome=outcomes[reading]) for reading in _OTHERS}
    by_reading = {reading: dict(variants(tables[reading])) for reading in Reading}
    models = {
        name: {reading.value: _reading(by_reading[reading][name], cells) for reading in Reading}
        for name, cells in by_reading[Reading.NORMAL].items()
    }
    return {"models": models, "flips": _flips(models)}


def _outcomes(runs: Sequence[Run], frame: pd.DataFrame) -> dict[Reading, pd.Categorical[str]]:
    """The outcome of every row of `frame` under the readings that are not stored."""
    names = [outcome.value for outcome in Outcome]
    stored = np.array([names.index(name) for name in frame["outcome"].cat.categories])[frame["outcome"].cat.codes.to_numpy()]
    codes = {reading: stored.copy() for reading in _OTHERS}
    row_of = {key: row for row, key in enumerate(frame["key"])}
    for where, line in _replies(runs):
        row = row_of.get(line["key"])
        if row is not None:
            for reading in _OTHERS:
                codes[reading][row] = names.index(_judged(line, reading, where))
    return {reading: pd.Categorical.from_codes(values.tolist(), pd.Index(names)) for reading, values in codes.items()}


def _replies(runs: Sequence[Run]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place, line) of the records with a reply that is graded by reading its answer."""
    for run in runs:
        for number, line in enumerate(run.lines(), start=1):
            if line.get("reply") and line["mode"] != Mode.READBACK:
                yield f"{run.content.path} line {number}", line


def _judged(line: Mapping[str, Any], reading: Reading, where: str) -> Outcome:
    try:
        return judged(line, reading)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: not a record of this version ({type(error).__name__}: {error})") from error


def judged(line: Mapping[str, Any], reading: Reading) -> Outcome:
    """The outcome of a stored reply under `reading`, given that its stored verdict is the normal one.

    Raises:
        KeyError, TypeError, ValueError: the line is no record.
    """
    verdict = line["verdict"]
    stored, text = Outcome(verdict["outcome"]), line["reply"]["text"]
    if reading is Reading.STRICT and stored in (Outcome.CORRECT, Outcome.WRONG):
        closed, from_tag = len(_CLOSED_TAG.findall(text)), verdict.get("how") == "answer-tag"
        if text.isascii() and closed == from_tag:  # the one tag that normal read, or no tag and nothing to read strictly
            return stored if from_tag else Outcome.UNPARSED
        return _read_again(line, reading)
    return _read_again(line, reading) if reading is Reading.LENIENT and stored is Outcome.UNPARSED else stored


def _read_again(line: Mapping[str, Any], reading: Reading) -> Outcome:
    gold, options = line["verdict"]["gold"], tuple(line.get("options", ()))
    trial = StoredTrial(line["family"], gold, options, Mode(line["mode"]), Format(line["format"]))
    return judge(trial, line["reply"]["text"], stop=Stop(line["reply"]["stop"]), reading=reading).outcome


def _reading(cells: Cells, normal: Cells) -> ReadingDoc:
    gap = None
    if Mode.ORACLE in cells.right and Mode.IMAGE in cells.right:
        where = cells.both(Mode.ORACLE, Mode.IMAGE)
        if where.any():
            gap = rounded(float((cells.right[Mode.ORACLE] - cells.right[Mode.IMAGE])[where].mean()))
    return {
        "accuracy": {mode.value: rounded(float(np.nanmean(cells.right[mode]))) if mode in cells.right else None for mode in cells.asked},
        "oracle_image": gap,
        "changed": sum(int((cells.outcome[mode] != normal.outcome[mode]).sum()) for mode in cells.asked),
    }


def _flips(models: Mapping[str, Mapping[str, ReadingDoc]]) -> list[str]:
    """Pairs of models whose order under the strict or the lenient reading is the reverse of the normal one."""
    found: list[str] = []
    for (a, mine), (b, yours) in itertools.combinations(models.items(), 2):
        columns: list[tuple[str, Callable[[ReadingDoc], float | None]]] = [("the oracle-image gap", lambda doc: doc["oracle_image"])]
        columns += [(f"mode {mode}", _accuracy_of(mode)) for mode in mine[Reading.NORMAL.value]["accuracy"]]
        for what, value in columns:
            normal = _order(value(mine[Reading.NORMAL.value]), value(yours[Reading.NORMAL.value]))
            flipped = [r.value for r in _OTHERS if normal * _order(value(mine[r.value]), value(yours[r.value])) < 0]
            if flipped:
                found.append(f"{a} and {b} change places in {what} under the {' and the '.join(flipped)} reading")
    return found


def _accuracy_of(mode: str) -> Callable[[ReadingDoc], float | None]:
    return lambda doc: doc["accuracy"].get(mode)


def _order(a: float | None, b: float | None) -> int:
    return 0 if a is None or b is None else (a > b) - (a < b)
