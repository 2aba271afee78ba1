"""Reading the files of a run directory, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.store.record import Record

RUN, TRIALS, CAPTIONS, PUZZLES = "run.json", "trials.jsonl", "captions.jsonl", "puzzles.jsonl"


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, data) of every whole line of `path`; a torn last line, of a run that is being written, is passed over.

    Raises:
        UserError: a line that is not the last is no JSON object; the message names file and line.
    """
    with path.open("rb") as reader:
        for number, line in enumerate(reader, start=1):
            try:
                data = json.loads(line)
            except ValueError as error:
                if not line.endswith(b"\n"):
                    return
                raise UserError(f"{path} line {number}: not a JSON line ({error})") from error
            if not isinstance(data, dict):
                raise UserError(f"{path} line {number}: expected a JSON object, found {type(data).__name__}")
            yield number, data


def read_records(folder: Path) -> Iterator[Record]:
    """The records of a run directory in the order written, superseded ones included (see `latest`).

    Raises:
        UserError: no run directory, or a line that is no record.
    """
    path = folder / TRIALS
    if not path.is_file():
        raise UserError(f"{folder} is not a run directory: it has no {TRIALS}")
    for number, data in read_lines(path):
        try:
            yield Record.from_json(data)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} line {number}: not a record of this version ({type(error).__name__}: {error})") from error


def read_run(folder: Path) -> dict[str, Any]:
    """The content of `run.json`.

    Raises:
        UserError: missing or unreadable.
    """
    path = folder / RUN
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} is not a run directory: it has no {RUN}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error})") from error


def latest(records: Iterator[Record]) -> dict[str, Record]:
    """The record that counts of each key: the last one."""
    return {record.key: record for record in records}
