"""The caption audit: what captions keep and lose, and the gap with and without those that give the answer away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.gap.audit import AuditDoc, audit_section, slot_kind
from bench.gap.frame import load_frame
from bench.mode import Mode
from bench.models.base import Purpose, Reply, Request
from bench.report import markdown
from bench.report.sections import audit
from bench.runner.session import run_session
from bench.store.run import open_run, open_runs
from tasks.suites import Suite, SuiteSpec, load_suite
from tests.runner.scripted import Scripted, answer, plan_of

N = 12


def maze_suite() -> Suite:
    return load_suite(SuiteSpec.parse(f"mini:n={N}"), families=["rotting_kiwi"])


def leaky(request: Request, index: int) -> Reply:
    """Sees nothing, captions without the last row, and gives the answer away on every third puzzle."""
    assert request.hidden is not None
    puzzle = request.hidden.puzzle
    if request.hidden.purpose is Purpose.CAPTION:
        number = [p.id for p in maze_suite().puzzles].index(puzzle.id)
        kept = (puzzle.description or "").rpartition("\n")[0]
        return answer(f"{kept}\nThe answer is {puzzle.answer}." if number % 3 == 0 else kept)
    wrong = next(option for option in puzzle.options if option != puzzle.answer)
    told = request.hidden.evidence is not None and "The answer is" in request.hidden.evidence
    return answer(f"<answer>{puzzle.answer if told else wrong}</answer>")


def audited(tmp_path: Path, script: Any = leaky, modes: tuple[Mode, ...] = (Mode.IMAGE, Mode.CAPTION)) -> AuditDoc | None:
    out = tmp_path / "run"
    run_session(plan_of(Scripted(script), out, modes=modes, suite=maze_suite()), Console(quiet=True))
    return audit_section(open_runs([out]), load_frame(open_runs([out])), seed=1)


def test_leaks_are_found_and_the_gap_falls_without_them(tmp_path: Path) -> None:
    found = audited(tmp_path)
    assert found is not None
    assert found["leak_counts"] == {"declared": N // 3}
    (gap,) = found["gaps"]
    assert (gap["flagged"], gap["trials"]) == (N // 3, N)
    assert gap["gap"] == pytest.approx(1 / 3, abs=1e-6)
    assert gap["gap_without"] == 0
    stored = {json.loads(line)["key"] for line in (tmp_path / "run" / "captions.jsonl").read_text().splitlines()}
    assert {leak["caption_key"] for leak in found["leaks"]} <= stored
    assert "without those puzzles" in "\n".join(markdown.section(audit.section(found)))


def test_the_order_in_which_trials_ended_changes_nothing(tmp_path: Path) -> None:
    found, trials = audited(tmp_path), tmp_path / "run" / "trials.jsonl"
    trials.write_text("".join(reversed(trials.read_text().splitlines(keepends=True))))
    runs = open_runs([tmp_path / "run"])
    assert audit_section(runs, load_frame(runs), seed=1) == found


def test_lost_facts_are_counted_by_kind(tmp_path: Path) -> None:
    found = audited(tmp_path)
    assert found is not None
    (families,) = found["captioners"].values()
    doc = families["rotting_kiwi"]
    assert (doc["captions"], doc["compared"], doc["leaks"]) == (N, N, N // 3)
    recall, whole = doc["recall"], doc["recovered"]
    assert recall is not None
    assert whole is not None
    assert recall["estimate"] < 1
    assert whole["estimate"] == 0
    assert recall["ci"][0] < recall["estimate"] < recall["ci"][1]
    (slot,) = doc["slots"]
    assert slot["slot"] == "row #, column #"
    assert slot["lost"] > 0
    assert slot["facts"] == sum(len(puzzle.state["grid"]) * len(puzzle.state["grid"][0]) for puzzle in maze_suite().puzzles if puzzle.state)


def right_captions(request: Request, index: int) -> Reply:
    assert request.hidden is not None
    puzzle = request.hidden.puzzle
    return answer(puzzle.description or "" if request.hidden.purpose is Purpose.CAPTION else f"<answer>{puzzle.answer}</answer>")


def test_perfect_captions_lose_nothing(tmp_path: Path) -> None:
    found = audited(tmp_path, right_captions)
    assert found is not None
    (families,) = found["captioners"].values()
    doc = families["rotting_kiwi"]
    assert [doc[name]["estimate"] for name in ("recall", "precision", "f1", "recovered")] == [1, 1, 1, 1]  # pyright: ignore[reportOptionalSubscript]
    assert doc["slots"] == []
    assert found["leaks"] == []
    assert found["insufficient"] == {}
    text = "\n".join(markdown.section(audit.section(found)))
    assert "No caption gives the answer away" in text
    assert "proved sufficient" in text


def test_a_run_without_captions_has_no_audit(tmp_path: Path) -> None:
    assert audited(tmp_path, right_captions, (Mode.IMAGE,)) is None


def test_stored_puzzles_come_back_without_their_pictures(tmp_path: Path) -> None:
    audited(tmp_path)
    stored = open_run(tmp_path / "run").stored_puzzles
    for puzzle in maze_suite().puzzles:
        back = stored[puzzle.id]
        assert (back.answer, back.options, back.state, back.description, back.sufficient) == (
            puzzle.answer,
            puzzle.options,
            puzzle.state,
            puzzle.description,
            True,
        )
    with pytest.raises(FileNotFoundError):
        next(iter(stored.values())).image.load()


def test_squares_of_a_grid_are_one_kind() -> None:
    assert {slot_kind(f"row {r}, column {c}") for r in range(12) for c in range(12)} == {"row #, column #"}


def test_insufficient_descriptions_are_counted(tmp_path: Path) -> None:
    audited(tmp_path)
    path = tmp_path / "run" / "puzzles.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["sufficient"] = False
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = audit_section(open_runs([tmp_path / "run"]), load_frame(open_runs([tmp_path / "run"])), seed=1)
    assert found is not None
    assert found["insufficient"] == {"rotting_kiwi": 1}
    assert "do not suffice" in "\n".join(markdown.section(audit.section(found)))
