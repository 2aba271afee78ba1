"""A report that would be the same is not made again, and one that would differ in anything is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import main
from bench.report import unchanged

ASK = ["run", "--model", "sim/p=0.6,r=0.9", "--suite", "mini:n=3", "--families", "clock", "--mode", "image,oracle,blind", "--cache", "off"]
FILES = ("gap.json", "report.md", "report.html")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*ASK, "--out", "r"]) == 0
    return folder


@pytest.fixture
def here(asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a run and its report."""
    shutil.copytree(asked, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def state(here: Path) -> dict[str, tuple[int, bytes]]:
    return {name: ((path := here / "reports/r" / name).stat().st_mtime_ns, path.read_bytes()) for name in FILES}


def test_a_run_that_asks_nothing_leaves_its_report_and_prints_the_same_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "r", "--out", "new"]) == 0
    table = capsys.readouterr().out.partition("\nreport new")[0]
    before = state(here)
    assert main([*ASK, "--out", "r"]) == 0
    assert table in capsys.readouterr().out
    assert state(here) == before


def _more(here: Path) -> None:
    path = here / "r/trials.jsonl"
    path.write_text(path.read_text().replace('"outcome":"wrong"', '"outcome":"correct"', 1))


def _edited_report(here: Path) -> None:
    (here / "reports/r/report.md").write_text("mine")


def _lost_page(here: Path) -> None:
    (here / "reports/r/report.html").unlink()


def _other_code(here: Path) -> None:
    path = here / "reports/r" / unchanged.MADE
    path.write_text(json.dumps({**json.loads(path.read_text()), "of": "0" * 64}))


def _no_note(here: Path) -> None:
    (here / "reports/r" / unchanged.MADE).write_text("[]")


@pytest.mark.parametrize("change", [_more, _edited_report, _lost_page, _other_code, _no_note])
def test_whatever_differs_makes_the_report_anew(here: Path, change: Callable[[Path], None]) -> None:
    before = state(here)
    change(here)
    assert main([*ASK, "--out", "r"]) == 0
    after = state(here)
    assert all(after[name][0] != before[name][0] for name in FILES)
    assert (after["gap.json"][1] != before["gap.json"][1]) == (change is _more)
