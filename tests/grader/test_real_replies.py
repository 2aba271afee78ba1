"""Replies of a real small model (SmolLM2-135M-Instruct, `make test-llm`), each read by a person against its verdict.

A row holds all that grading needs, so that later changes of suites and prompts do not touch it. `person` stands in the rows where a careful
reader says something else than the grader: the answer that person reads, or null where that person reads none.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from bench.grader.judge import StoredTrial, judge
from bench.mode import Mode
from bench.models.base import Stop
from bench.outcome import Format, Outcome, Verdict
from tasks.registry import FAMILIES
from tests.conftest import ROOT

ROWS: list[dict[str, Any]] = json.loads((ROOT / "tests/llm/replies.json").read_text(encoding="utf-8"))
DOUBTFUL = [row for row in ROWS if "person" in row]


@pytest.mark.parametrize("family", FAMILIES)
def test_recorded_replies_keep_their_verdicts(family: str) -> None:
    for row in ROWS:
        if row["family"] == family:
            trial = StoredTrial(family, row["gold"], tuple(row["options"]), Mode(row["mode"]), Format(row["fmt"]))
            verdict = judge(trial, row["text"], stop=Stop(row["stop"]))
            assert verdict == Verdict(Outcome(row["outcome"]), row["answer"], row["gold"], row["how"]), row["text"]


def test_the_replies_are_broad() -> None:
    counts = Counter((row["fmt"], row["mode"]) for row in ROWS)
    assert {row["family"] for row in ROWS} == set(FAMILIES)
    assert set(counts) == {(fmt, mode) for fmt in ("mcq", "open") for mode in ("oracle", "blind")}
    assert min(counts.values()) >= 100


def test_what_a_person_reads_otherwise() -> None:
    """No reading is invented where a person reads nothing but one; at most two in a hundred that a person can read are lost."""
    invented = [row["text"] for row in DOUBTFUL if row["answer"] is not None]
    lost = [row["text"] for row in DOUBTFUL if row["answer"] is None]
    assert len(invented) <= 1, invented
    assert len(lost) <= 0.02 * len(ROWS), lost


def test_the_docs_list_every_misreading() -> None:
    page = (ROOT / "docs/grading.md").read_text(encoding="utf-8")
    assert f"{len(ROWS)} replies" in page
    assert f"| {len(DOUBTFUL)} of {len(ROWS)} |" in page
