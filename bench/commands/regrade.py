"""`regrade`: every verdict again from the stored text, and what changed by which rule."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby

from bench.commands.console import open_console
from bench.grader.rulebook import explained
from bench.runner.regrade import Changes, VerdictChange, regrade_run
from bench.store.run import open_run

_SHOWN = 20
"""Changed verdicts that are named of each kind."""


def regrade(arguments: argparse.Namespace) -> int:
    """`regrade`: derive every verdict again from the stored text."""
    changes = regrade_run(open_run(arguments.run))
    console = open_console()
    for line in told(changes):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0


def told(changes: Changes) -> Iterator[str]:
    """What changed: by outcome, then by rule, each with the trials it concerns and what the new rule reads."""
    for outcomes, moved in groupby(sorted(changes.changed, key=_by_rule), key=lambda change: _by_rule(change)[:2]):
        group = list(moved)
        yield f"{outcomes[0]} -> {outcomes[1]}: {len(group)}"
        for rules, each in groupby(group, key=_by_rule):
            yield from _of_one_rule(rules[2], rules[3], list(each))
    yield f"{len(changes.changed)} of {changes.total} verdicts changed"


def _of_one_rule(before: str, after: str, changed: Sequence[VerdictChange]) -> Iterator[str]:
    why = explained(after)
    yield f"  by {before} -> by {after}: {len(changed)}" + (f" ({why})" if why != after else "")
    for change in changed[:_SHOWN]:
        record = change.record
        replicate = f" #{record.replicate}" if record.replicate else ""
        yield f"    {record.puzzle} {record.model} {record.mode}{replicate}: {change.before.answer!r} -> {change.after.answer!r}"
    if len(changed) > _SHOWN:
        yield f"    and {len(changed) - _SHOWN} more"


def _by_rule(change: VerdictChange) -> tuple[str, str, str, str]:
    before, after = change.before, change.after
    return before.outcome.value, after.outcome.value, before.how, after.how
