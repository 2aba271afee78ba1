"""The command `rewards`: what it prints, and its mistakes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.train.rewards import SHOWN
from tests.train.test_rewards import FULL, STATE, clock


def written(folder: Path, *lines: dict[str, Any] | str) -> str:
    path = folder / "given.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), encoding="utf-8")
    return str(path)


LINE: dict[str, Any] = {"family": "clock", "answer": "4:23", "state": STATE, "completion": FULL}


def test_the_command_prints_all_seven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stateless = {**LINE, "family": "grid_number", "answer": 5, "state": {"any": 1}, "completion": "<answer>five</answer>", "id": 3}
    nothing = {"family": "clock", "answer": "4:23", "completion": ""}
    assert main(["rewards", written(tmp_path, LINE, "", {**LINE, "state": None}, stateless, nothing)]) == 0
    out = capsys.readouterr()
    rows = [json.loads(line) for line in out.out.splitlines()]
    assert out.err == ""
    assert [list(row) for row in rows] == [list(SHOWN)] * 4
    for name in SHOWN:
        assert rows[0][name] == {part: round(value, 6) for part, value in clock(name, FULL).items()}
    assert [row["perception"] is None for row in rows] == [False, True, True, True]
    assert rows[2]["only-accuracy"] == {"total": 1.0, "answer": 1.0}
    assert rows[3]["mixture"]["total"] == 0.0


def test_the_command_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(("\ufeff" + json.dumps(LINE)).encode())))
    assert main(["rewards", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["only-accuracy"]["total"] == 1.0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{not json", "line 2: expected a JSON object, found '{not json'"),
        ("[1]", "line 2: expected a JSON object, found '[1]'"),
        ("[" * 100_000, "line 2: expected a JSON object"),
        ({"family": "clock", "answer": "4:23"}, "line 2: completion: expected text, found 'nothing'"),
        ({**LINE, "family": 7}, "line 2: family: expected text, found 7"),
        ({**LINE, "answer": None}, "line 2: answer: expected text, found None"),
        ({**LINE, "state": "late"}, "line 2: state: expected an object or null, found 'late'"),
        ({**LINE, "state": {"hour": 3}}, "line 2: state of clock: minute: Field required"),
        ({**LINE, "state": {**STATE, "hour": 13}}, "line 2: state of clock: hour: expected 1 to 12, found 13"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], line: dict[str, Any] | str, expected: str) -> None:
    assert main(["rewards", written(tmp_path, LINE, line)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"error: {tmp_path / 'given.jsonl'} {expected}")
    assert "\n" not in error


def test_files_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin.jsonl").write_bytes(b'{"family": "\xff"}')
    mistakes = ((written(tmp_path, "", " "), "is empty"), ("no_such_file", "No such file"), (str(tmp_path), "Is a directory"))
    for file, expected in (*mistakes, (str(tmp_path / "latin.jsonl"), "expected a JSON object")):
        assert main(["rewards", file]) == 2
        error = capsys.readouterr().err.strip()
        assert expected in error
        assert "\n" not in error
