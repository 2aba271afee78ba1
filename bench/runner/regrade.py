"""Regrading: every verdict of a run derived again from the stored text.

The raw text never changes; verdicts are what today's grader makes of it. `trials.jsonl` is replaced in one step, every line kept but for
its verdict, so a crash leaves the old file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.files import write_atomically
from bench.grader.grade import grade
from bench.grader.readback import grade_readback
from bench.imports.samples import IMPORTED
from bench.mode import Mode
from bench.outcome import Format, Reading, Verdict
from bench.store.reader import PUZZLES, TRIALS, read_lines, read_records
from bench.store.record import Record
from bench.store.writer import run_lock


@dataclass(frozen=True, slots=True)
class Stored:
    """The part of a stored puzzle that grading needs."""

    family: str
    options: tuple[str, ...]
    answer: str
    state: Mapping[str, Any] | None = None


@dataclass
class Changes:
    """How many verdicts there are, and how many moved from one outcome (or answer) to another."""

    total: int = 0
    changed: int = 0
    moved: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])


def judge_record(record: Record, states: Mapping[str, Mapping[str, Any] | None], reading: Reading = Reading.NORMAL) -> Verdict:
    """The verdict on a stored reply. Records without a reply keep theirs. `states` maps puzzle ids to states, for `readback`."""
    reply = record.reply
    if reply is None or record.verdict.how == IMPORTED:  # the score that another harness gave is not ours to change
        return record.verdict
    item = Stored(record.family, record.options, record.verdict.gold, states.get(record.puzzle))
    if record.mode == Mode.READBACK:
        return record.verdict if item.state is None else grade_readback(reply.text, item, stop=reply.stop)
    return grade(reply.text, item, fmt=Format(record.format), stop=reply.stop, reading=reading)


def stored_states(folder: Path) -> dict[str, Mapping[str, Any] | None]:
    """Puzzle id -> latent state, from the run's `puzzles.jsonl`; empty where the run has none."""
    path = folder / PUZZLES
    return {row["id"]: row.get("state") for _, row in read_lines(path)} if path.is_file() else {}


def regrade_run(folder: Path) -> Changes:
    """Derive every verdict in `folder` again and store it.

    Raises:
        UserError: not a run directory, one that is being written, or the disk is full (the old verdicts are kept).
    """
    if not (folder / TRIALS).is_file():
        raise UserError(f"{folder} is not a run directory: it has no {TRIALS}")
    changes = Changes()
    with run_lock(folder):
        states = stored_states(folder)
        lines: list[str] = []
        for record in read_records(folder):
            verdict = judge_record(record, states)
            changes.total += 1
            if verdict != record.verdict:
                changes.changed += 1
                changes.moved[record.verdict.outcome.value, verdict.outcome.value] += 1
            lines.append(json.dumps(replace(record, verdict=verdict).to_json()) + "\n")
        if changes.changed:
            write_atomically(folder / TRIALS, "".join(lines))
    return changes
