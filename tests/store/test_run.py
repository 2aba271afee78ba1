"""A run directory opened for reading: once, typed, and damaged input is one line that names file and line."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.errors import UserError
from bench.runner.session import run_session
from bench.store import run as store_run
from bench.store.reader import read_records
from bench.store.run import open_run
from tests.runner.scripted import Scripted, plan_of, right

MINIMAL: dict[str, Any] = {"v": 1, "suite": {"name": "mini"}, "models": [{"name": "m"}]}


def asked(folder: Path) -> Path:
    """A small run that was really asked."""
    run_session(plan_of(Scripted(right), folder), Console(quiet=True))
    return folder


def write(folder: Path, run: object, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(run if isinstance(run, str) else json.dumps(run), encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.jsonl").write_bytes(content)
    return folder


def test_records_are_those_of_the_store(tmp_path: Path) -> None:
    folder = asked(tmp_path / "r")
    run = open_run(folder)
    assert list(run.records()) == list(read_records(folder))
    assert run.info.suite.name
    assert not run.torn


def test_a_reader_needs_no_more_than_version_suite_and_names(tmp_path: Path) -> None:
    run = open_run(write(tmp_path, {**MINIMAL, "from": "the future"}))
    assert (run.info.planned, run.info.finished, run.info.simulated, run.info.base_url) == (None, False, frozenset(), None)
    assert (dict(run.puzzles), dict(run.captions)) == ({}, {})


DAMAGED: list[tuple[Any, str]] = [
    ("{", "cannot be read"),
    ("[" * 100_000, "cannot be read"),
    ("[]", "not of this version (its content"),
    ({**MINIMAL, "v": 2}, "update this one"),
    ({**MINIMAL, "suite": None}, "not of this version (suite"),
    ({**MINIMAL, "models": [{}]}, "not of this version (models.0.name"),
    ({**MINIMAL, "planned": -1}, "not of this version (planned"),
]


@pytest.mark.parametrize(("run", "expected"), DAMAGED)
def test_a_damaged_run_json_is_one_line(tmp_path: Path, run: object, expected: str) -> None:
    with pytest.raises(UserError) as raised:
        open_run(write(tmp_path, run))
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        (b'{"a": 1}\nnull\n', "line 2: expected a JSON object, found NoneType"),
        (b'{"a": 1}\n{"b\n{"c": 2}\n', "line 2: not a JSON line"),
        (b'{"a": "\xff\xfe"}\n{}\n', "line 1: not a JSON line"),
        (b"[" * 200_000 + b"\n", "line 1: not a JSON line"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, trials: bytes, expected: str) -> None:
    with pytest.raises(UserError) as raised:
        list(open_run(write(tmp_path, MINIMAL, trials=trials)).lines())
    assert expected in str(raised.value)


def test_a_torn_last_line_is_passed_over_and_said(tmp_path: Path) -> None:
    run = open_run(write(tmp_path, MINIMAL, trials=b'{"a": 1}\n{"a": 2'))
    assert list(run.lines()) == [{"a": 1}]
    assert run.torn


def test_a_folder_without_records_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it has no trials\.jsonl"):
        list(open_run(write(tmp_path, MINIMAL)).lines())
    with pytest.raises(UserError, match=r"it has no run\.json"):
        open_run(tmp_path / "nowhere")


@pytest.mark.parametrize("kept", [0, store_run.KEPT_BYTES])
def test_every_file_is_opened_once_however_often_it_is_read(tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = asked(tmp_path / "r")
    opened: Counter[str] = Counter()
    really = Path.open

    def counting(self: Path, mode: str = "r", **more: Any) -> IO[Any]:
        opened[self.name] += 1
        return really(self, mode, **more)

    monkeypatch.setattr(store_run, "KEPT_BYTES", kept)
    monkeypatch.setattr(Path, "open", counting)
    run = open_run(folder)
    first = list(run.lines())
    assert list(run.lines()) == first
    assert list(run.records())
    assert run.puzzles == run.puzzles
    assert max(opened.values()) == 1, opened


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers() | st.none(), max_size=4), max_size=8), st.booleans()
)
def test_lines_are_what_was_written(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], ended: bool) -> None:
    text = "\n".join(json.dumps(row) for row in rows) + ("\n" if ended and rows else "")
    run = open_run(write(tmp_path_factory.mktemp("r"), MINIMAL, trials=text.encode()))
    assert list(run.lines()) == rows
