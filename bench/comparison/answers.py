"""What the two sides answered on the puzzles that changed: for a reader of the summary, who wants to see and not only to count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.comparison.result import Change, Comparison
from bench.store.run import Run

MOST = 60
"""Changed puzzles whose answers are looked up: more do not fit into a summary."""

_Key = tuple[str, str, str]
"""Model, arm as the comparison names it, puzzle."""


def with_answers(comparison: Comparison, baselines: Sequence[Run], candidates: Sequence[Run]) -> Comparison:
    """`comparison` with question, right answer and both sides' answers on its first `MOST` changes.

    Raises:
        UserError: a run cannot be read.
    """
    shown = comparison.changes[:MOST]
    if not shown:
        return comparison
    ids = {change.puzzle for change in shown}
    before, after = (_said(runs, ids) for runs in (baselines, candidates))
    questions = {name: line for run in (*candidates, *baselines) for name, line in run.puzzles.items() if name in ids}
    told = tuple(_told(change, before, after, questions) for change in shown)
    return replace(comparison, changes=(*told, *comparison.changes[MOST:]))


def _said(runs: Sequence[Run], ids: set[str]) -> dict[_Key, list[tuple[str, str | None, str]]]:
    """(answer in words, right answer, folder) of every trial on the puzzles `ids`, under each name that its arm may have."""
    found: dict[_Key, list[tuple[str, str | None, str]]] = defaultdict(list)
    for run in runs:
        latest = {line["key"]: line for line in run.lines() if line["puzzle"] in ids and not line.get("dose")}
        for line in sorted(latest.values(), key=lambda line: line["replicate"]):
            verdict = line["verdict"]
            answer = verdict.get("answer") or f"({verdict['outcome']})"
            names = {line["mode"], f"{line['mode']} by {line.get('captioner')}/{line.get('caption_prompt') or 'plain'}"}
            for name in names:
                found[line["model"], name, line["puzzle"]].append((answer, verdict.get("gold"), str(run.folder)))
    return found


def _told(change: Change, before: Mapping[_Key, Any], after: Mapping[_Key, Any], questions: Mapping[str, Mapping[str, Any]]) -> Change:
    sides = [list(side.get((model, change.mode, change.puzzle), ())) for side, model in zip((before, after), change.models, strict=True)]
    gold = next((gold for side in sides for _, gold, _ in side), None)
    where = tuple(side[0][2] if side else "" for side in sides)
    said = tuple(tuple(answer for answer, _, _ in side) for side in sides)
    question = questions.get(change.puzzle, {}).get("question")
    return replace(change, question=question, gold=gold, said=(said[0], said[1]), where=(where[0], where[1]))
