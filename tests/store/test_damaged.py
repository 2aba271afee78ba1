"""A damaged run directory is told of, and shards of different runs are refused. Damage at random: tests/chaos."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.errors import UserError
from bench.gap.frame import load_runs
from bench.store.batches import BatchLedger
from bench.store.run import open_runs
from tests.chaos.scene import ASKED
from tests.gap.test_frame import ROW, rerun, suite
from tests.gap.test_gap import write_run


def told(*command: str) -> tuple[int, str]:
    """Exit code and all that was printed."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = main(list(command))
    return code, out.getvalue()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        assert told(*ASKED, "--cache", "off", "--out", str(folder))[0] == 0
    return folder


def reported(run: Path, out: Path) -> tuple[int, str]:
    return told("report", str(run), "--formats", "terminal,md,html,csv", "--out", str(out))


def lines(folder: Path) -> list[str]:
    return (folder / "trials.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)


def test_half_a_run_is_told_and_not_compared(tmp_path: Path) -> None:
    rows = [{**ROW, "puzzle": f"p{number}"} for number in range(36)]
    one, two = (rerun(write_run(tmp_path / name, rows), planned=36) for name in "ab")
    (two / "trials.jsonl").write_text("".join(lines(two)[:20]), encoding="utf-8")
    assert not load_runs(open_runs([one])).notes
    assert any("16 of its 36 records are missing" in note for note in load_runs(open_runs([two])).notes)
    code, said = told("compare", str(one), str(two))
    assert code == 3
    assert "b lacks 16 of its 36 records" in " ".join(said.split())


def shards(folder: Path, **other: Any) -> Iterator[Path]:
    """Two of three parts; the second differs in `other`."""
    for part in (1, 2):
        identity = {"suite": "algo", "models": ["m"], "modes": ["image"], "sampling": {"temperature": 0.0, "seed": 0}, "shard": [part, 3]}
        identity |= other if part == 2 else {}
        run = write_run(folder / str(part), [{**ROW, "puzzle": f"p{part}"}])
        yield rerun(run, suite=suite(str(part) * 64), identity={**identity, "suite_sha256": str(part) * 64})


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    assert "1 of 3 shards are missing (3/3): the numbers are those of the others" in load_runs(open_runs([*shards(tmp_path)])).notes


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"sampling": {"temperature": 1.0, "seed": 0}}, r"differ in sampling.temperature \(0.0 and 1.0\)"),
        ({"sampling": {"temperature": 0.0, "seed": 7}}, r"sampling.seed \(0 and 7\)"),
        ({"sampling": {"temperature": 0.0, "seed": 0, "max_tokens": 9}}, r"sampling.max_tokens \(None and 9\)"),
        ({"level": 3}, r"level \(None and 3\)"),
        ({"shard": [2, 4]}, r"number of parts \(3 and 4\)"),
        ({"shard": "half"}, r"expected a shard \[i, n\]"),
        ({"shard": [5, 3]}, r"expected a shard \[i, n\]"),
    ],
)
def test_shards_of_another_configuration_are_refused(tmp_path: Path, other: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_runs(open_runs([*shards(tmp_path, **other)]))


def test_a_number_of_parts_without_measure_is_a_number(tmp_path: Path) -> None:
    """A file may say any: what is missing is counted, not listed."""
    runs = [*shards(tmp_path, shard=[2, 10**12])]
    assert f"{10**12 - 1} of {10**12} shards are missing (1/{10**12}, 3/{10**12}," in " ".join(load_runs(open_runs(runs[1:])).notes)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["a folder", "a pipe"])
@pytest.mark.parametrize("name", ["run.json", "trials.jsonl", "captions.jsonl", "puzzles.jsonl", ".lock"])
def test_what_is_no_file_is_named_and_nobody_waits_for_it(whole: Path, tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    run = shutil.copytree(whole, tmp_path / "r")
    (run / name).unlink()
    make(run / name)
    told_of = 0
    for command in (
        ("report", str(run), "--formats", "md,html", "--out", str(tmp_path / "out")),
        ("regrade", str(run)),
        ("config", str(run)),
    ):
        code, said = told(*command)
        assert code in (0, 2), said
        assert code == 0 or said.strip().splitlines()[-1].startswith(f"error: {run / name} cannot be ")
        told_of += code == 2
    code, said = told(*ASKED, "--cache", "off", "--out", str(run))
    assert (code == 2 and f"error: {run / name} cannot be " in said) or (code, name) == (0, "puzzles.jsonl"), said
    assert told_of + (code == 2) >= 1


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def listens(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


@pytest.mark.parametrize("make", [loop, listens])
@pytest.mark.parametrize(
    "command",
    [
        ("report", "x.jsonl"), ("regrade", "x.jsonl"), ("config", "x.jsonl"), ("show", "x.jsonl", "p"), ("compare", "x.jsonl", "x.jsonl"),
        ("tasks", "lint", "x.jsonl"), ("rewards", "x.jsonl"), ("run", "--suite", "x.jsonl", "--model", "sim/p=1,r=1", "--out", "r"),
        (*ASKED, "--out", "x.jsonl"), ("import", "x.jsonl", "--as", "blind", "--out", "i"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_loop_of_links_and_a_socket_are_one_line(
    make: Callable[[Path], None], command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name may have 107 characters
    make(Path("x.jsonl"))
    code, said = told(*command)
    assert (code, len(said.strip().splitlines())) == (2, 1), said
    assert "x.jsonl" in said


def test_an_edited_run_is_told_and_a_regraded_one_is_not(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "r")
    path = tmp_path / "r" / "trials.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"outcome":"wrong"', '"outcome":"correct"', 1), encoding="utf-8")
    assert open_runs([tmp_path / "r"])[0].changed == ("trials.jsonl",)
    assert open_runs([whole])[0].changed == ()


def notes(run: Path, out: Path) -> str:
    assert reported(run, out)[0] == 0
    return " ".join(json.loads((out / "gap.json").read_text(encoding="utf-8"))["notes"])


@pytest.mark.parametrize(
    ("old", "new"), [('"mini@2"', '"mini@3"'), ('"planned": 12', '"planned": 11'), ('"trials.jsonl"', '"trials.jsonk"')]
)
def test_a_letter_of_run_json_that_was_changed_is_told(whole: Path, tmp_path: Path, old: str, new: str) -> None:
    shutil.copytree(whole, tmp_path / "r")
    path = tmp_path / "r" / "run.json"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert "run.json of r was changed after the run was closed" in notes(tmp_path / "r", tmp_path / "out")
    assert told("compare", str(whole), str(tmp_path / "r"))[0] in (2, 3)
    code, said = told("show", str(tmp_path / "r"), "clock")
    assert code == 2 or "warning: run.json of r was changed" in said


def test_a_run_may_be_indented_anew(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "r")
    path = tmp_path / "r" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
    assert open_runs([tmp_path / "r"])[0].changed == ()


def test_a_run_that_was_edited_stays_marked_when_it_is_continued_and_graded_again(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "r")
    path = tmp_path / "r" / "trials.jsonl"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    for command in ([*ASKED, "--cache", "off", "--out", str(tmp_path / "r")], ["regrade", str(tmp_path / "r")]):
        assert told(*command)[0] == 0
        assert open_runs([tmp_path / "r"])[0].changed == ("trials.jsonl",)


def test_the_ledger_of_batches_follows_no_link_and_takes_no_nonsense(tmp_path: Path) -> None:
    lines = [
        '{"provider": "p", "model": "m", "batch": "b1", "keys": ["x"]}',
        "[1]",
        '{"keys": 3}',
        '{"batch": {}, "keys": ["y"]}',
        '{"torn',
    ]
    (tmp_path / "batches.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert BatchLedger(tmp_path, "p", "m").batch_of == {"x": "b1"}
    (tmp_path / "batches.jsonl").rename(tmp_path / "outside")
    ledger = BatchLedger(tmp_path, "p", "m")
    (tmp_path / "batches.jsonl").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError):
        BatchLedger(tmp_path, "p", "m")
    with pytest.raises(UserError):
        ledger.add("b2", ["z"])
    assert "b2" not in (tmp_path / "outside").read_text(encoding="utf-8")


def test_a_report_into_a_file_is_one_line(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    code, said = reported(whole, tmp_path / "out")
    assert (code, said.strip().splitlines()) == (2, [said.strip()])
    assert "is a file" in said
