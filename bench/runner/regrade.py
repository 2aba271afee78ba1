"""Regrading: every verdict of a run derived again from the stored text.

The raw text never changes; verdicts are what today's grader makes of it. `trials.jsonl` is replaced in one step, every line kept but for
its verdict, so a crash leaves the old file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.files import write_atomically
from bench.grader.judge import StoredTrial, judge
from bench.imports.samples import IMPORTED
from bench.mode import Mode
from bench.outcome import Format, Reading, Verdict
from bench.store.reader import PUZZLES, TRIALS, read_lines, read_records
from bench.store.record import Record
from bench.store.writer import run_lock


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that is another one now."""

    record: Record
    after: Verdict

    @property
    def before(self) -> Verdict:
        """The verdict as it was stored."""
        return self.record.verdict


@dataclass(slots=True)
class Changes:
    """How many verdicts there are, and those that changed, in the order of the file."""

    total: int = 0
    changed: list[Change] = field(default_factory=list[Change])


def judge_record(record: Record, states: Mapping[str, Mapping[str, Any] | None], reading: Reading = Reading.NORMAL) -> Verdict:
    """The verdict on a stored reply. Records without a reply keep theirs. `states` maps puzzle ids to states, for `readback`."""
    reply, state = record.reply, states.get(record.puzzle)
    if reply is None or (record.mode == Mode.READBACK and state is None):
        return record.verdict
    if record.verdict.how == IMPORTED:  # the score that another harness gave is not ours to change
        return record.verdict
    trial = StoredTrial(record.family, record.verdict.gold, record.options, Mode(record.mode), Format(record.format), state)
    return judge(trial, reply.text, stop=reply.stop, reading=reading)


def stored_states(folder: Path) -> dict[str, Mapping[str, Any] | None]:
    """Puzzle id -> latent state, from the run's `puzzles.jsonl`; empty where the run has none."""
    path = folder / PUZZLES
    return {row["id"]: row.get("state") for _, row in read_lines(path)} if path.is_file() else {}


def regrade_run(folder: Path) -> Changes:
    """Derive every verdict in `folder` again and store it.

    Raises:
        UserError: not a run directory, one that is being written, a line that is no record (a reply without text, say), or the disk is
            full; the old verdicts are kept.
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
                changes.changed.append(Change(record, verdict))
            lines.append(json.dumps(replace(record, verdict=verdict).to_json()) + "\n")
        if changes.changed:
            write_atomically(folder / TRIALS, "".join(lines))
    return changes
