"""Whether the stored verdicts of a run without hashes are what the grader reads in its replies.

A run that was closed holds hashes of its files, and a verdict that somebody changes shows. A run that was cut off, or made by an older
version, has none: its verdicts are derived again, those of some trials, chosen by their keys, so that a report stays quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.grader.judge import StoredTrial, judge
from bench.imports.samples import IMPORTED
from bench.mode import Mode
from bench.models.base import Stop
from bench.outcome import Format, Outcome
from bench.store.run import Run

MOST, MOST_BYTES = 1000, 1_500_000
"""About how many trials of one run are graded again, and bytes of their records at most: reading long replies takes time."""


def verdict_note(run: Run, trials: int) -> str | None:
    """How many stored verdicts of a run without hashes are other ones by now, in words; None where there is none, or there are hashes.

    Args:
        run: what is looked at.
        trials: how many it holds.

    Raises:
        UserError: a line that is no record.
    """
    if run.info.files:
        return None
    share = min(1.0, MOST / max(1, trials), MOST_BYTES / max(1, run.content.size))
    graded = [line for line in run.sample(share).values() if line.get("reply") and line["verdict"].get("how") != IMPORTED]
    others = sum(_other(run, line) for line in graded)
    if not others:
        return None
    checked = f"{len(graded):,}" + (" that were graded again" if share < 1.0 else "")
    return (
        f"{others:,} of the stored verdicts of {run.name} ({checked}) are not what the grader reads in the replies: edited, or of an older "
        "version; regrade derives all of them again"
    )


def _other(run: Run, line: Mapping[str, Any]) -> bool:
    """Whether the outcome of a record is another one now; not where it cannot be derived."""
    verdict, reply, mode = line["verdict"], line["reply"], Mode(line["mode"])
    state = run.puzzles.get(line["puzzle"], {}).get("state")
    if mode is Mode.READBACK and state is None:
        return False
    trial = StoredTrial(line["family"], verdict["gold"], tuple(line.get("options", ())), mode, Format(line["format"]), state)
    try:
        return judge(trial, reply["text"], stop=Stop(reply["stop"])).outcome != Outcome(verdict["outcome"])
    except (KeyError, TypeError, ValueError):
        return False
