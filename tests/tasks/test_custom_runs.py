"""Suites of the user's own through everything else: runs, captions, doses, reports, comparison, and several pictures in one question."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.mode import Mode
from bench.models.base import Model, ModelOptions, Reply, Request, Sampling, Stop, Usage
from bench.models.registry import resolve
from bench.outcome import Format
from bench.publish import encoded_picture
from bench.store.run import open_run
from bench.trial import Captioner, Trials, trial_key
from tests.tasks.own import charts, load, write_lines, write_sheet

SIM = ["--model", "sim/p=0.6,r=0.9", "--cache", "off"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_everything_works_on_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sheet(here / "mine.csv", charts(here, 12))
    more = ["--mode", "image,caption,oracle,blind", "--degrade", "blur=2", "--replicates", "2"]
    for name, seed in (("a", ""), ("b", ",seed=2")):
        assert main(["run", "--model", f"sim/p=0.6,r=0.9{seed}", "--cache", "off", "--suite", "mine.csv", "--out", name, *more]) == 0
    records = list(open_run(here / "a").records())
    assert len(records) == 12 * 2 * (4 + 2)
    assert {record.suite for record in records} == {"mine"}
    assert {record.family for record in records} == {"bars", "lines"}
    assert main(["report", "a", "--out", "out", "--formats", "md,html,csv"]) == 0
    text = (here / "out" / "report.md").read_text()
    assert "suite mine" in text.lower() or "mine" in text
    picture = encoded_picture(open_run(here / "a"), records[0].puzzle)
    assert picture is not None, "the report finds the pictures where the run found them"
    assert main(["compare", "a", "b", "--summary", "s.md"]) in (0, 1, 3)
    assert main(["tasks", "lint", "mine.csv"]) in (0, 1)
    assert main(["tasks", "export", "mine.csv", "--out", "exported"]) == 0
    capsys.readouterr()
    assert main(["run", *SIM, "--suite", "exported", "--mode", "oracle", "--out", "c"]) == 0
    assert {record.puzzle for record in open_run(here / "c").records()} == {record.puzzle for record in records}


def test_readback_and_missing_descriptions_are_refused_in_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = charts(here)
    del rows[1]["description"]
    write_lines(here / "mine.jsonl", rows)
    for mode, message in (("readback", "have no"), ("oracle", "1 puzzles of suite mine have no a ground-truth description")):
        assert main(["run", *SIM, "--suite", "mine.jsonl", "--mode", mode]) == 2
        error = capsys.readouterr().err
        assert "mine" in error
        assert message.split(" have")[0] in error
        assert error.count("\n") == 1


def test_open_questions_need_the_open_format(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{key: value for key, value in row.items() if key != "options"} for row in charts(here)]
    write_lines(here / "mine.jsonl", rows)
    assert main(["run", *SIM, "--suite", "mine.jsonl", "--mode", "image"]) == 2
    assert "have no options (such as mine/bars/" in capsys.readouterr().err
    assert main(["run", *SIM, "--suite", "mine.jsonl", "--mode", "image", "--format", "open", "--out", "r"]) == 0


def test_lint_fails_on_errors_and_with_strict_on_warnings(here: Path) -> None:
    rows = [
        {"image": f"pics/{number}.png", "question": f"Which is {number}?", "options": ["red", "dark red", "blue"], "answer": answer}
        for number, answer in enumerate(("red", "dark red", "blue", "red", "dark red", "blue"))
    ]
    charts(here, 6)
    write_lines(here / "mine.jsonl", rows)
    assert main(["tasks", "lint", "mine.jsonl"]) == 0, "an option within another is a warning"
    assert main(["tasks", "lint", "mine.jsonl", "--strict"]) == 1
    rows[0]["answer"] = "green"
    write_lines(here / "mine.jsonl", rows)
    assert main(["tasks", "lint", "mine.jsonl"]) == 1


def test_columns_and_skip_bad_on_the_command_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"file" if key == "image" else key: value for key, value in row.items()} for row in charts(here)]
    rows[0]["file"] = "pics/none.png"
    write_lines(here / "mine.jsonl", rows)
    call = ["run", *SIM, "--suite", "mine.jsonl", "--columns", "image=file", "--mode", "image"]
    assert main(call) == 2
    assert "mine.jsonl line 1: file: pics/none.png: image cannot be read" in capsys.readouterr().err
    assert main([*call, "--skip-bad", "--out", "r"]) == 0
    assert json.loads((here / "r" / "run.json").read_text())["skipped"][0]["where"] == "mine.jsonl line 1"
    assert main(["run", *SIM, "--suite", "mine.jsonl", "--columns", "pcture=file"]) == 2
    assert "unknown field 'pcture'" in capsys.readouterr().err


def test_tasks_show_draws_any_suite(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(here / "mine.jsonl", charts(here))
    for name in ("mine.jsonl", "mini", "clock"):
        assert main(["tasks", "show", name, "--out", "sheet.png", "--limit", "3"]) == 0
        assert (here / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert main(["tasks", "show", "clokc"]) == 2
    assert "unknown family or suite 'clokc' (did you mean 'clock'?)" in capsys.readouterr().err


# -- several pictures in one question -----------------------------------------------------------------------------------------------------
def several(folder: Path) -> Any:
    rows = charts(folder)
    for row in rows:
        row["image"] = ["pics/1.png", "pics/0.png", "pics/3.png"]
    return load(write_lines(folder / "mine.jsonl", rows), columns={"images": "image"})


def request(puzzle: Any) -> Request:
    from bench.image import ImageLimits, fit

    pictures = [fit(image, ImageLimits()) for image in puzzle.pictures]
    return Request("How many?", pictures[0], Sampling(), further=tuple(pictures[1:]))


@pytest.mark.parametrize("name", ["openai/some-model", "anthropic/claude-sonnet-4-5"])
def test_providers_are_sent_all_pictures_in_order(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-0123456789")
    puzzle = several(tmp_path).puzzles[0]
    model: Any = resolve(name, ModelOptions(base_url="http://127.0.0.1:9" if name.startswith("openai") else None))
    asked = request(puzzle)
    content = model.payload(asked)["messages"][0]["content"]
    kinds = [part["type"] for part in content]
    assert kinds[-1] == "text"
    assert len(kinds) == 4
    shown = json.dumps(content)
    places = [shown.index(picture.identity) for picture in asked.pictures]
    assert places == sorted(places)
    asyncio.run(model.close())


class Recorder:
    """A model that keeps what it is asked."""

    name = model_id = "recorder"
    provider = "test"
    simulated = True

    def __init__(self) -> None:
        from bench.image import ImageLimits

        self.limits = ImageLimits()
        self.requests: list[Request] = []

    def payload(self, request: Request) -> dict[str, Any]:
        return {"text": request.text, "pictures": [picture.identity for picture in request.pictures]}

    async def ask(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply("<answer>A</answer>", Stop.END, Usage(1, 1), 0.0)

    async def close(self) -> None:
        return None


def keys(puzzles: Sequence[Any], model: Model, mode: Mode) -> list[str]:
    trials = Trials(puzzles, "m", [mode], Captioner(), Format.MCQ, 1, 0)
    return [trial_key(trial, model, Sampling(), base_url=None, caption_key=None) for trial in trials]


def test_further_pictures_are_part_of_what_is_asked(tmp_path: Path) -> None:
    from dataclasses import replace

    model = Recorder()
    puzzle = several(tmp_path).puzzles[0]
    swapped = replace(puzzle, further=puzzle.further[::-1])
    assert keys([puzzle], model, Mode.IMAGE) != keys([swapped], model, Mode.IMAGE)
    assert keys([puzzle], model, Mode.BLIND) == keys([swapped], model, Mode.BLIND)


def test_a_run_sends_and_captions_all_pictures(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    several(here)
    call = ["run", *SIM, "--suite", "mine.jsonl", "--columns", "images=image", "--mode", "image,caption,blind", "--out", "r"]
    assert main([*call, "--degrade", "blur=2"]) == 0
    lines = [json.loads(line) for line in (here / "r" / "puzzles.jsonl").read_text().splitlines()]
    assert [image["source"] for image in lines[0]["further"]] == ["pics/0.png", "pics/3.png"]
    assert main(["run", *SIM, "--suite", "mine.jsonl", "--mode", "image"]) == 2
    assert "3 pictures in one question; map them as --columns images=image to send them in order" in capsys.readouterr().err


@pytest.mark.parametrize(("described", "arms", "said"), [(True, 4, "in this order of repair"), (False, 3, "using")])
def test_diagnose_takes_the_arms_that_there_is_material_for(
    here: Path, capsys: pytest.CaptureFixture[str], described: bool, arms: int, said: str
) -> None:
    rows = charts(here, 30)
    if not described:
        for row in rows:
            del row["description"]
    write_lines(here / "mine.jsonl", rows)
    assert main(["run", *SIM, "--suite", "mine.jsonl", "--mode", "diagnose", "--out", "r"]) == 0
    captured = capsys.readouterr()
    told = " ".join(captured.err.split())
    assert "30 puzzles have no reader, so captions are plain and readback is left out" in told
    assert ("30 puzzles have no description, so oracle is left out" in told) is not described
    records = list(open_run(here / "r").records())
    assert len(records) == 30 * arms
    assert {record.caption_prompt for record in records} == {None, "plain"}
    assert said in " ".join(captured.out.split())
