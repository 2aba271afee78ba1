"""Regrading: every verdict of a run derived again from the stored text.

The raw text never changes; verdicts are what today's grader makes of it. The records are replaced in one step, every line kept but for its
verdict, so a crash leaves the old file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bench.errors import UserError
from bench.grader.judge import StoredTrial, judge
from bench.imports.samples import IMPORTED
from bench.mode import Mode
from bench.outcome import Format, Reading, Verdict
from bench.store.record import Record
from bench.store.run import Run
from bench.store.writer import replace_records, run_lock


@dataclass(frozen=True, slots=True)
class VerdictChange:
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
    changed: list[VerdictChange] = field(default_factory=list[VerdictChange])


def judge_record(record: Record, states: Mapping[str, Mapping[str, Any] | None], reading: Reading = Reading.NORMAL) -> Verdict:
    """The verdict on a stored reply. Records without a reply keep theirs. `states` maps puzzle ids to states, for `readback`."""
    reply, state = record.reply, states.get(record.puzzle)
    if reply is None or (record.mode == Mode.READBACK and state is None):
        return record.verdict
    if record.verdict.how == IMPORTED:  # the score that another harness gave is not ours to change
        return record.verdict
    trial = StoredTrial(record.family, record.verdict.gold, record.options, Mode(record.mode), Format(record.format), state)
    return judge(trial, reply.text, stop=reply.stop, reading=reading)


def regrade_run(run: Run) -> Changes:
    """Derive every verdict in `run` again and store it.

    Raises:
        UserError: one that is being written, a line that is no record (a reply without text, say) or cannot be graded (more options than
            letters), or the disk is full; the old verdicts are kept.
    """
    changes = Changes()
    with run_lock(run.folder):
        states = {name: line.get("state") for name, line in run.puzzles.items()}
        records: list[Record] = []
        for record in run.records():
            try:
                verdict = judge_record(record, states)
            except ValueError as error:
                raise UserError(f"{run.folder}: {record.puzzle} in {record.mode} cannot be graded ({error})") from error
            changes.total += 1
            if verdict != record.verdict:
                changes.changed.append(VerdictChange(record, verdict))
            records.append(replace(record, verdict=verdict))
        if changes.changed:
            replace_records(run, records)
    return changes
