"""`show`: one puzzle with everything that was sent and came back."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.cli import main
from bench.commands.one_puzzle import find_puzzle, print_puzzle
from bench.errors import UserError
from bench.store.run import open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "r"
    more = ["--suite", "mini:n=2", "--families", "clock,maze", "--mode", "image,caption,oracle,blind,readback", "--degrade", "blur=2"]
    assert main(["run", "--model", "sim/p=0.6,r=0.7", "--cache", "off", "--out", str(folder), "--replicates", "2", *more]) == 0
    return folder


def shown(run: Path, text: str, **more: Any) -> str:
    out = io.StringIO()
    print_puzzle(find_puzzle(open_run(run), text, **more), Console(file=out, width=100))
    return out.getvalue()


def test_everything_that_was_sent_and_came_back(run: Path) -> None:
    records = [record for record in open_run(run).records() if record.family == "clock"]
    name = records[0].puzzle
    text = shown(run, name)
    for record in (record for record in records if record.puzzle == name):
        assert record.reply is not None
        assert all(line.strip() in text for line in record.reply.text.splitlines())
        assert f"{record.verdict.outcome}, " in text
    stored = json.loads((run / "puzzles.jsonl").read_text().splitlines()[0])
    assert " ".join(stored["question"].split()[:6]) in " ".join(text.split())
    assert stored["description"].splitlines()[0] in text
    assert "caption by self/notation" in text
    assert "image blur=2" in text
    assert "replicate 1" in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_prompt_is_the_one_that_was_sent(run: Path) -> None:
    found = find_puzzle(open_run(run), next(open_run(run).records()).puzzle, modes=["oracle", "image"])
    oracle = next(trial for trial in found.trials if trial.mode == "oracle")
    assert found.description is not None
    assert oracle.prompt is not None
    assert found.description in oracle.prompt
    assert oracle.picture_px is None
    assert {trial.mode for trial in found.trials} == {"oracle", "image"}


def test_a_part_of_the_id_is_enough(run: Path) -> None:
    name = next(open_run(run).records()).puzzle
    assert find_puzzle(open_run(run), name[-6:]).id == name


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("clock", {}, "'clock' is part of 2 ids: mini@2/clock/"),
        ("TYPO", {}, "(did you mean 'mini@2/clock/"),
        ("FIRST", {"modes": ["image+oracle"]}, "has no trial of mode 'image+oracle'"),
        ("FIRST", {"models": ["sim/p=0.6,r=0.8"]}, "has no trial of model 'sim/p=0.6,r=0.8' (did you mean 'sim/p=0.6,r=0.7'?)"),
    ],
)
def test_what_is_not_there(text: str, more: Any, message: str, run: Path) -> None:
    first = next(open_run(run).records()).puzzle
    wanted = {"FIRST": first, "TYPO": first.replace("clock", "clok")}.get(text, text)
    with pytest.raises(UserError) as error:
        find_puzzle(open_run(run), wanted, **more)
    assert message in str(error.value)


def test_json_when_piped_and_the_picture_as_a_file(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = next(open_run(run).records()).puzzle
    assert main(["show", str(run), name, "--mode", "image", "--picture", str(tmp_path / "p.png")]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["id"] == name
    assert {trial["mode"] for trial in data["trials"]} == {"image"}
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert main(["show", str(tmp_path), name]) == 2
    assert "is not a run directory" in capsys.readouterr().err
