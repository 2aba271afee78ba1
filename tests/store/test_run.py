"""A run directory opened for reading: once, typed, and damaged input is one line that names file and line."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.cli import main
from bench.errors import UserError
from bench.runner.session import run_session
from bench.store import run as store_run
from bench.store.columns import read_columns
from bench.store.run import open_run
from bench.store.schema import RecordLine
from tests.runner.scripted import Scripted, plan_of, right

LEAST: dict[str, Any] = {
    "v": 1, "key": "k", "puzzle": "p", "family": "clock", "suite": "mini", "model": "m", "mode": "image", "format": "mcq", "replicate": 0,
    "verdict": {"outcome": "wrong"},
}  # fmt: skip
"""What no line of the trials may lack."""
FIRST = json.dumps(LEAST).encode() + b"\n"
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
    assert [json.loads(json.dumps(record.to_json())) for record in run.records()] == list(run.lines())
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
    ({**MINIMAL, "totals": {"models_reported": {"m": 5}}}, "not of this version (totals.models_reported"),
    ({**MINIMAL, "totals": {"missing": []}}, "not of this version (totals.missing"),
    ({**MINIMAL, "servers": {"m": 5}}, "not of this version (servers.m"),
    ({**MINIMAL, "servers": {"m": {"left_out": 7}}}, "not of this version (servers.m.left_out"),
    ({**MINIMAL, "identity": {"modes": 7}}, "not of this version (identity.modes"),
    ({**MINIMAL, "identity": {"prompts": "x"}}, "not of this version (identity.prompts"),
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
        (FIRST + b"null\n", "line 2: expected a JSON object, found NoneType"),
        (FIRST + b'{"b\n{"c": 2}\n', "line 2: not a JSON line"),
        (b'{"a": "\xff\xfe"}\n{}\n', "line 1: not a JSON line"),
        (b"[" * 200_000 + b"\n", "line 1: not a JSON line"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, trials: bytes, expected: str) -> None:
    with pytest.raises(UserError) as raised:
        list(open_run(write(tmp_path, MINIMAL, trials=trials)).lines())
    assert expected in str(raised.value)


def test_a_torn_last_line_is_passed_over_and_said(tmp_path: Path) -> None:
    run = open_run(write(tmp_path, MINIMAL, trials=FIRST + b'{"a": 2'))
    assert list(run.lines()) == [LEAST]
    assert run.torn


def test_a_folder_without_records_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it has no trials\.jsonl"):
        list(open_run(write(tmp_path, MINIMAL)).lines())
    with pytest.raises(UserError, match=r"it has no run\.json"):
        open_run(tmp_path / "nowhere")


_counters: list[Counter[str]] = []
"""Where opens are counted by the name of the file, whoever asks for them."""


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str):
        for counter in _counters:
            counter[Path(arguments[0]).name] += 1


sys.addaudithook(_hear)


@contextmanager
def counted() -> Generator[Counter[str]]:
    """How often each file is opened inside."""
    counter: Counter[str] = Counter()
    _counters.append(counter)
    try:
        yield counter
    finally:
        _counters.remove(counter)


RUN_FILES = ("run.json", "trials.jsonl", "captions.jsonl", "puzzles.jsonl")


@pytest.mark.parametrize("kept", [0, store_run.KEPT_BYTES])
def test_every_file_is_opened_once_however_often_it_is_read(tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = asked(tmp_path / "r")
    monkeypatch.setattr(store_run, "KEPT_BYTES", kept)
    with counted() as opened:
        run = open_run(folder)
        first = list(run.lines())
        assert list(run.lines()) == first
        assert list(run.records())
        assert run.puzzles == run.puzzles
        assert run.captions == run.captions
    assert {name: opened[name] for name in RUN_FILES} == dict.fromkeys(RUN_FILES, 1)


def test_a_report_in_several_formats_opens_every_file_once(tmp_path: Path) -> None:
    asked(tmp_path / "r")
    with counted() as opened:
        assert main(["report", str(tmp_path / "r"), "--formats", "terminal,md,html,csv,junit", "--out", str(tmp_path / "out")]) == 0
    assert {name: opened[name] for name in RUN_FILES} == dict.fromkeys(RUN_FILES, 1)


@pytest.mark.parametrize("name", RUN_FILES)
def test_a_symbolic_link_in_a_run_directory_is_refused(tmp_path: Path, name: str) -> None:
    folder = asked(tmp_path / "r")
    outside = (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to(outside)
    before = outside.read_bytes()
    for command in (["report", str(folder), "--out", str(tmp_path / "out")], ["regrade", str(folder)]):
        code = main(command)
        assert code == 2 or (command[0] == "regrade" and name == "captions.jsonl")
    assert outside.read_bytes() == before


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"options": "ABC"}, "options: input should be a valid list, found 'ABC'"),
    ({"options": None}, "options: input should be a valid list, found None"),
    ({"options": ["a", None]}, "options.1"),
    ({"replicate": -1}, "replicate"),
    ({"replicate": 10**30}, "replicate"),
    ({"replicate": 1.5}, "replicate"),
    ({"replicate": True}, "replicate"),
    ({"level": "3"}, "level"),
    ({"level": 10**6}, "level"),
    ({"mode": "smell"}, "mode 'smell' is not known"),
    ({"format": "essay"}, "format 'essay' is not known"),
    ({"puzzle": 7}, "puzzle"),
    ({"reply": {"text": None}}, "reply.text"),
    ({"reply": {"text": "x", "usage": {"output": -5}}}, "reply.usage.output"),
    ({"reply": {"text": "x", "usage": {"input": 10**40}}}, "reply.usage.input"),
    ({"reply": {"text": "x", "usage": {"input": float("nan")}}}, "not a JSON line (NaN"),
    ({"reply": {"text": "x", "latency_s": float("inf")}}, "not a JSON line (Infinity"),
    ({"dose": {"kind": "blur"}}, "it has no 'amount'"),
    ({"dose": {"kind": "<b>", "amount": 3.0}}, "line 2: not a record of this version (dose: unknown kind '<b>')"),
    ({"dose": {"kind": "blur", "amount": -3.0}}, "line 2: not a record of this version (dose blur: expected more than 0"),
    ({"dose": {"kind": "blur", "amount": 1e308}}, "line 2: not a record of this version (dose blur"),
    ({"options": []}, "line 2: not a record of this version (options: expected some to choose from, found none)"),
    ({"verdict": {"outcome": "wrong", "gold": None}}, "verdict.gold"),
    ({"verdict": []}, "verdict"),
    ({"sufficient": "yes"}, "sufficient"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_value_is_refused_by_both_readers_with_its_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    whole = {**LEAST, "options": ["a", "b"], "verdict": {"outcome": "wrong", "answer": "a", "gold": "b"}}
    trials = "".join(json.dumps({**whole, "key": str(number), **(change if number == 2 else {})}) + "\n" for number in (1, 2, 3)).encode()
    run = open_run(write(tmp_path, MINIMAL, trials=trials))
    unseen = change.get("reply", {}).keys() & {"latency_s"} or change.get("reply") == {"text": None}  # columns hold no texts and seconds
    for read in (lambda: list(run.lines()), *(() if unseen else (lambda: read_columns(run.content),))):
        with pytest.raises(UserError) as raised:
            read()
        assert "trials.jsonl line 2: " in str(raised.value)
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)


OTHERS = st.text(max_size=5).filter(lambda name: name not in RecordLine.__annotations__)
"""Names that a newer version may add: what those of ours hold is checked."""


@given(st.lists(st.dictionaries(OTHERS, st.text(max_size=20) | st.integers() | st.none(), max_size=4), max_size=8), st.booleans())
def test_lines_are_what_was_written(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], ended: bool) -> None:
    rows = [{**row, **LEAST} for row in rows]
    text = "\n".join(json.dumps(row) for row in rows) + ("\n" if ended and rows else "")
    run = open_run(write(tmp_path_factory.mktemp("r"), MINIMAL, trials=text.encode()))
    assert list(run.lines()) == rows
