"""Runs without hashes: a verdict that somebody changed is told by the report, and `compare` refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.gap import verdicts
from bench.gap.verdicts import verdict_note
from bench.outcome import Outcome
from bench.store.run import open_run

ASKED = ("--model", "sim/p=0.6,r=0.8,c=0.7", "--suite", "mini:n=3", "--families", "clock,maze", "--mode", "diagnose", "--cache", "off")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("closed") / "run"
    assert main(["run", *ASKED, "--out", str(out)]) == 0
    return out


@pytest.fixture
def older(closed: Path, tmp_path: Path) -> Path:
    """The run as a version without hashes would have left it."""
    run = tmp_path / "older"
    shutil.copytree(closed, run)
    about = json.loads((run / "run.json").read_text())
    del about["files"]
    (run / "run.json").write_text(json.dumps(about))
    return run


def edited(run: Path, change: Mapping[str, str]) -> int:
    """Turn the verdicts of the run into others; how many."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    count = 0
    for line in lines:
        if (other := change.get(line["verdict"]["outcome"])) is not None:
            line["verdict"]["outcome"] = other
            count += 1
    (run / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return count


def notes(run: Path, tmp_path: Path) -> str:
    assert main(["report", str(run), "--formats", "csv", "--out", str(tmp_path / "out"), "--force"]) == 0
    return " | ".join(json.loads((tmp_path / "out" / "gap.json").read_text())["notes"])


def test_verdicts_as_they_were_graded_need_no_note(closed: Path, older: Path, tmp_path: Path) -> None:
    assert verdict_note(open_run(closed), 30) is None
    assert verdict_note(open_run(older), 30) is None
    assert "stored verdicts" not in notes(older, tmp_path)


def test_edited_verdicts_are_counted_and_compare_refuses_until_they_are_derived_again(
    closed: Path, older: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = edited(older, {Outcome.WRONG: Outcome.CORRECT})
    assert count > 1
    told = f"{count} of the stored verdicts of older (30) are not what the grader reads in the replies"
    assert told in notes(older, tmp_path)
    assert main(["compare", str(older), str(closed), "--margin", "0.9"]) == 3
    assert told in re.sub(r"\s+", " ", capsys.readouterr().out)
    assert main(["regrade", str(older)]) == 0
    assert "stored verdicts" not in notes(older, tmp_path)


@pytest.mark.parametrize("bound", [("MOST", 10), ("MOST_BYTES", 9_000)])
def test_of_many_or_long_replies_some_are_graded_again(older: Path, bound: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, *bound)
    edited(older, {Outcome.WRONG: Outcome.CORRECT, Outcome.CORRECT: Outcome.WRONG, Outcome.UNPARSED: Outcome.WRONG})
    told = re.match(
        r"(\d+) of the stored verdicts of older \((\d+) that were graded again\) are not", str(verdict_note(open_run(older), 30))
    )
    assert told is not None
    assert 1 <= int(told[1]) <= int(told[2]) <= 20


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_sample_holds_the_last_records_of_the_same_keys(older: Path, share: float) -> None:
    lines = (older / "trials.jsonl").read_text().splitlines(keepends=True)
    again = [json.dumps({**json.loads(line), "version": "later"}) + "\n" for line in lines]  # another spelling: spaces after the colons
    before = open_run(older).sample(share)
    (older / "trials.jsonl").write_text("".join((*lines, *again)))
    after = open_run(older).sample(share)
    assert set(before) == set(after)
    assert {line["version"] for line in after.values()} <= {"later"}
    assert len(after) == {0.0: 0, 1.0: len(lines)}.get(share, len(after))


def test_what_cannot_be_derived_is_left(older: Path) -> None:
    """Scores of other harnesses, and readbacks of puzzles that were not kept."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in (older / "trials.jsonl").read_text().splitlines()]
    for line in lines:
        if line["mode"] != "readback":
            line["verdict"]["how"] = "imported"
    (older / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (older / "puzzles.jsonl").unlink()
    edited(older, {Outcome.WRONG: Outcome.CORRECT})
    assert verdict_note(open_run(older), 30) is None
