"""The Python API as its users meet it: a script, an event loop, a notebook that nbclient executes, and mistakes in Python's own words."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import bench
from bench.cli import main
from bench.errors import UserError
from bench.mode import Mode
from bench.outcome import Outcome
from tests.conftest import ROOT

SIM = "sim/p=0.6,r=0.9,c=0.8"
SMALL: dict[str, Any] = {"suite": "mini:n=4", "families": ["clock"], "cache": "off"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.chdir(tmp_path)


def test_a_run_is_the_one_of_the_command_line(tmp_path: Path) -> None:
    runs = bench.run(SIM, modes="image,oracle", out="api", **SMALL)
    assert runs.missing == 0
    call = ["--model", SIM, "--mode", "image,oracle", "--suite", "mini:n=4", "--families", "clock", "--cache", "off", "--out", "cli"]
    assert main(call) == 0
    assert runs.document["models"] == bench.load("cli").document["models"]
    assert sorted(runs.modes()["mode"].unique()) == ["image", "oracle"]
    families = runs.families()
    assert list(families.columns) == ["model", "family", "image", "oracle"]
    assert families["family"].tolist() == ["clock"]


def test_the_same_call_asks_only_what_is_missing(tmp_path: Path) -> None:
    bench.run(SIM, modes="image", out="r", **SMALL)
    lines = (tmp_path / "r" / "trials.jsonl").read_text(encoding="utf-8")
    bench.run(SIM, modes=["image"], out=Path("r"), **SMALL)
    assert (tmp_path / "r" / "trials.jsonl").read_text(encoding="utf-8") == lines


async def _awaited() -> int:
    inside = await bench.arun(SIM, modes=Mode.BLIND, out="a", **SMALL)
    thread = bench.run(SIM, modes=(Mode.BLIND,), out="b", **SMALL)  # a loop is running: it takes a thread
    return inside.missing + thread.missing + (inside.document["models"] != thread.document["models"])


def test_both_work_inside_a_running_loop() -> None:
    assert asyncio.run(_awaited()) == 0


def test_a_notebook_runs_awaits_and_shows(tmp_path: Path) -> None:
    cells = [
        f"import bench\nruns = await bench.arun({SIM!r}, suite='mini:n=3', families=['clock'], modes='image,oracle', cache='off', out='n')",
        f"again = bench.run({SIM!r}, suite='mini:n=3', families=['clock'], modes='image,oracle', cache='off', out='m')",
        "assert again.document['models'] == runs.document['models']\nruns.gaps()",
        "runs",
    ]
    made: Any = nbformat.v4
    notebook = made.new_notebook(cells=[made.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "oracle-image" in notebook.cells[2].outputs[0]["data"]["text/html"]
    assert "(simulated)" in notebook.cells[3].outputs[0]["data"]["text/html"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"limit": 0}, "limit: expected at least 1, found 0"),
        ({"level": 9}, "level: expected at most 5, found 9"),
        ({"modes": "telepathy"}, "modes: expected some of diagnose, image"),
        ({"mods": "image"}, "mods: there is no such option; did you mean modes?"),
        ({"models": [SIM, SIM]}, "models: the same model is named twice"),
        ({"models": []}, "models: expected at least one"),
        ({"models": "nobody/x"}, "unknown provider 'nobody'"),
        ({"max_cost": float("nan")}, "max_cost: expected a finite number"),
        ({"seed": True}, "seed: expected a whole number"),
        ({"captioner": "dataset", "modes": "caption"}, "captioner dataset: suite mini@2 carries no captions"),
        ({"replay": True}, "the cache is off"),
        ({"resume": True}, "resume: there is no run"),
        ({"dry_run": True}, "a plan has no results"),
    ],
)
def test_mistakes_speak_of_arguments(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as raised:
        bench.run(**{"models": SIM, **SMALL, **options})
    assert expected in str(raised.value)
    assert "--" not in str(raised.value)


def test_what_a_run_says_goes_to_a_logger_that_is_silent_by_default(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.run(SIM, modes="blind", out="r", **SMALL)
    assert capfd.readouterr() == ("", "")
    with caplog.at_level(logging.INFO, logger="sightgap"):
        bench.run(SIM, modes="blind", out="s", **SMALL)
    assert any("4 trials on 4 puzzles" in line for line in caplog.messages)


def test_compare_is_the_command_of_the_same_name() -> None:
    bench.run("sim/p=1,r=1", modes="image", out="good", suite="mini:n=60", families=["clock"], cache="off")
    bench.run("sim/p=0.2,r=1", modes="image", out="bad", suite="mini:n=60", families=["clock"], cache="off")
    assert bench.compare("good", "good").exit_code in (0, 3)
    comparison = bench.compare("good", "bad", margin=0.05)
    assert comparison.exit_code in (1, 3)
    with pytest.raises(UserError, match=r"^margin: expected a share"):
        bench.compare("good", "bad", margin=2)


def test_grade_reads_with_and_without_options() -> None:
    assert bench.grade("<answer>B</answer>", answer="4:23", options=["1:14", "4:23"]).outcome is Outcome.CORRECT
    assert bench.grade("The answer is 0:37.", answer="12:37", family="clock").outcome is Outcome.CORRECT
    assert bench.grade("The answer is 7.", answer="seven").outcome is Outcome.CORRECT
    assert bench.grade("I see a clock.", answer="4:23", family="clock").outcome is Outcome.UNPARSED
    with pytest.raises(UserError, match="one of the options"):
        bench.grade("A", answer="x", options=["y", "z"])
    with pytest.raises(UserError, match="at most 26"):
        bench.grade("A", answer="0", options=[str(i) for i in range(27)])


def test_reports_are_written_from_python(tmp_path: Path) -> None:
    runs = bench.run(SIM, modes="image,oracle", out="r", **SMALL)
    folder = runs.report("report", ["md"])
    assert json.loads((folder / "gap.json").read_text(encoding="utf-8")) == runs.document
    with pytest.raises(UserError, match="formats: expected some of"):
        runs.report("report", ["docx"])


def test_what_is_public_is_listed_typed_and_light() -> None:
    assert set(bench.__all__) <= set(dir(bench))
    assert all(getattr(bench, name) is not None for name in bench.__all__)
    assert (ROOT / "bench" / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = bench.nothing  # pyright: ignore[reportAttributeAccessIssue]
