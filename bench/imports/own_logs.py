"""Inspect AI logs that `report --formats inspect` wrote, back as the run that they came from: every stored line comes back equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.imports.inspect_logs import resolved
from bench.inspect.log import RECORD_KEY, RUN_KEY
from bench.store.record import Record
from bench.store.writer import Store
from tasks.public.rows import as_object

Fields = Mapping[str, Any]


def is_own(log: Fields) -> bool:
    """Whether a log carries a run of ours."""
    return RUN_KEY in (log["eval"].get("metadata") or {})


def write_own_run(logs: Sequence[tuple[Path, Fields]], folder: Path) -> int:
    """Write the run of the logs of its arms to `folder`; returns how many trials it has.

    Raises:
        UserError: the logs are of several runs, one is damaged, or the folder cannot be used.
    """
    runs = [(path, log["eval"]["metadata"][RUN_KEY]) for path, log in logs]
    first = runs[0][1]
    other = next((path for path, run in runs if run.get("identity") != first.get("identity")), None)
    if other is not None:
        raise UserError(f"{other.name} is of another run than {runs[0][0].name}: import each into its own --out, and report them together")
    store = Store(folder, first, first.get("identity") or {})
    try:
        rows = [(path, row) for path, log in logs for row in log["samples"]]
        kept = [(path, row, _kept(path, row)) for path, row in rows]
        store.save_puzzles({k["puzzle"]["id"]: k["puzzle"] for _, _, k in kept if k.get("puzzle")}.values())
        for caption in {k["caption"]["key"]: k["caption"] for _, _, k in kept if k.get("caption")}.values():
            if caption["key"] not in store.captions:
                store.add_caption(caption)
        for path, row, stored in kept:
            record = _record(path, row, stored["record"])
            if record.key not in store.finished:
                store.add(record)
        store.save_run(finished=first.get("finished", False), totals=first.get("totals"))
        return len(kept)
    finally:
        store.close()


def _kept(path: Path, row: Fields) -> Fields:
    kept = as_object((as_object(row.get("metadata")) or {}).get(RECORD_KEY))
    if kept is None or not kept.get("record"):
        raise UserError(f"{path.name} sample {row.get('id')!r}: it does not carry the record that it was written from")
    return kept


def _record(path: Path, row: Fields, line: Fields) -> Record:
    reply = line.get("reply")
    if reply is not None:
        line = {**line, "reply": {**reply, "text": resolved(row, row["output"]["choices"][0]["message"]["content"])}}
    try:
        return Record.from_json(line)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path.name} sample {row.get('id')!r}: not a record of this version ({type(error).__name__}: {error})") from error
