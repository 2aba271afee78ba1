"""A fault of the program: exit code 70, one line, and a file that holds the traceback but no key."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import main
from tests.conftest import ROOT


def always(folder: Path) -> Callable[[str], Path]:
    """A function of any name that answers with `folder`."""

    def answer(_: str) -> Path:
        return folder

    return answer


def test_an_exception_that_nobody_expected_is_one_line_and_exit_code_70(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> int:
        raise ZeroDivisionError("sk-ant-a-secret-of-the-test cannot be divided")

    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-a-secret-of-the-test")
    monkeypatch.setattr("bench.commands.models.models_list", broken)
    monkeypatch.setattr("platformdirs.user_log_path", always(tmp_path / "log"))
    assert main(["models", "list"]) == 70
    (line,) = capsys.readouterr().err.strip().splitlines()
    (file,) = (tmp_path / "log").iterdir()
    assert line == f"fault: ZeroDivisionError: *** cannot be divided; the traceback is in {file}"
    text = file.read_text(encoding="utf-8")
    assert "ZeroDivisionError" in text
    assert "in broken" in text
    assert "secret" not in text.replace("***", "").replace('"sk-ant-a-secret-of-the-test cannot', "")


def test_the_traceback_finds_another_place_where_the_log_folder_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    def broken(_: object) -> int:
        raise KeyError("x")

    monkeypatch.setattr("bench.commands.models.models_list", broken)
    monkeypatch.setattr("platformdirs.user_log_path", always(tmp_path / "file" / "log"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert main(["models", "list"]) == 70
    assert str(tmp_path / "fault-") in capsys.readouterr().err


def test_a_closed_pipe_is_no_fault() -> None:
    done = subprocess.run(
        f"{sys.executable} run_bench.py tasks list | head -c 1", shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""
