"""A folder that cannot be written: a replay and a report are shown all the same, and leave nothing."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.cli import main

SCRIPT = Path(__file__).resolve().parents[2] / "run_bench.py"
ASK = ["run", "--model", "sim/p=0.6,r=0.9", "--suite", "mini:n=2", "--families", "clock", "--mode", "image,oracle,blind"]


def _heed_permissions() -> None:
    """Take from root what lets it write anywhere: for the programs that are started from here on, a read-only folder is one."""
    drop, override, read_search = 24, 1, 2  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    for capability in (override, read_search):
        ctypes.CDLL(None).prctl(drop, capability, 0, 0, 0)


@contextmanager
def read_only(root: Path) -> Generator[None]:
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    files = [path for path in root.rglob("*") if path.is_file()]
    for path in (*files, *folders):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o755)


def told(folder: Path, *command: str) -> tuple[int, str]:
    """Exit code and what was printed by the command, run in `folder` by someone for whom permissions hold."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *command],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        preexec_fn=_heed_permissions if os.geteuid() == 0 else None,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_replay_and_a_report_from_a_read_only_folder_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert main([*ASK, "--cache", "cache", "--out", "r"]) == 0
    table = next(line for line in capsys.readouterr().out.splitlines() if "oracle" in line)
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    with read_only(here):
        for command, said in (
            ([*ASK, "--cache", "cache", "--out", "r", "--replay"], "r cannot be written: the replay is shown, and not kept"),
            (["report", "r"], "not written (reports/r cannot be)"),
        ):
            code, printed = told(here, *command)
            assert code == 0, printed
            assert table in printed.splitlines()
            assert said in printed
        assert told(here, *ASK, "--cache", "off", "--out", "other")[0] == 2
        for refused in (("report", "r", "--formats", "md"), ("tasks", "show", "clock")):
            code, printed = told(here, *refused)
            assert (code, len(printed.splitlines())) == (2, 1), printed
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before
