"""No text from elsewhere commands the terminal: in no message, on no console, and JSON and TOML say the same with it spelled out."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from rich.text import Text

from bench.commands.console import PlainConsole
from bench.visible import in_strings, on_screen
from tests.chaos.scene import ASKED
from tests.store.test_damaged import told

EVIL = "\x1b]0;title\x07\x1b[31m\x9b31m\u202e\u2066\x08\x7f"
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize(
    "command",
    [
        ("run", f"--{EVIL}"), ("run", "--model", f"{EVIL}/x"), ("run", "--model", f"sim/{EVIL}"), ("run", "--suite", EVIL), (EVIL,),
        ("report", EVIL), ("compare", EVIL, EVIL), ("regrade", EVIL), ("config", EVIL), ("show", EVIL, "p"), ("rewards", EVIL),
        ("import", EVIL, "--out", "i"), ("models", "show", EVIL), ("tasks", "show", EVIL), ("tasks", "lint", EVIL),
        ("train", "--recipe", EVIL), ("train", "--recipe", "tiny", "--reward", EVIL, "--model", "m", "--out", "t"),
    ],
    ids=lambda command: " ".join(word for word in command if EVIL not in word),
)  # fmt: skip
def test_what_a_person_mistyped_is_told_in_plain_characters(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = told(*command)
    assert code == 2
    assert COMMANDS.search(said) is None, said
    assert len(said.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in a folder with such a name, of a suite, puzzles, rules and replies with such names."""
    folder = tmp_path_factory.mktemp("screen")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        code, said = told(*ASKED, "--cache", "off", "--out", f"d{EVIL}/run")
    assert (code, COMMANDS.search(said)) == (0, None), said
    run = shutil.copytree(folder / f"d{EVIL}" / "run", folder / f"e{EVIL}" / "run")
    for name in ("run.json", "trials.jsonl", "puzzles.jsonl"):
        text = (run / name).read_text(encoding="utf-8").replace('"mini@2"', json.dumps(f"mini@2{EVIL}"))
        text, planted = re.subn(r'"(how|question|answer|gold|id|puzzle)": ?"', lambda found: found[0] + json.dumps(EVIL)[1:-1], text)
        assert planted or name == "run.json"
        (run / name).write_text(text, encoding="utf-8")
    return folder


def commands(folder: Path) -> list[tuple[str, ...]]:
    run, other = f"d{EVIL}/run", f"e{EVIL}/run"
    formats = ("--formats", "terminal,md,html,csv,junit")
    return [
        ("report", run, *formats, "--out", f"{folder}/{EVIL}"), ("report", other, *formats, "--out", f"{folder}/other"),
        ("compare", run, other, "--margin", "0.9"), ("show", other, "maze"), ("regrade", other), (*ASKED, "--cache", "off", "--out", run),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(6))
def test_names_and_texts_of_a_run_are_shown_in_plain_characters(
    scene: Path, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scene)
    code, said = told(*commands(tmp_path)[number])
    assert code in (0, 2, 3), said
    assert COMMANDS.search(said) is None, said
    for path in tmp_path.rglob("*.*"):
        assert COMMANDS.search(path.read_text(encoding="utf-8")) is None or path.name == "gap.json", path


def test_json_and_toml_mean_what_they_meant(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scene)
    code, said = told("config", f"d{EVIL}/run")
    assert (code, tomllib.loads(said)["out"]) == (0, f"d{EVIL}/run")
    assert COMMANDS.search(said) is None
    puzzle = json.loads((scene / f"e{EVIL}" / "run" / "puzzles.jsonl").read_text().splitlines()[0])
    code, said = told("show", f"e{EVIL}/run", puzzle["id"])
    shown: Any = json.loads(said[said.index("{") :])
    assert (code, shown["question"]) == (0, puzzle["question"])
    assert EVIL in shown["question"]
    assert COMMANDS.search(said) is None


def test_a_suite_of_anyones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked through, exported and asked: nothing commands the terminal, and no name leads out of the folder that was named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    Image.new("RGB", (60, 60)).save(tmp_path / "mine" / "p.png")
    row = {"question": f"q{EVIL}", "answer": f"a{EVIL}", "options": [f"a{EVIL}", "b"], "family": f"f{EVIL}", "image": "p.png"}
    rows = [{**row, "id": f"{number}{EVIL}", "split": f"../../{EVIL}\ndata_files: x"} for number in range(2)]
    (tmp_path / "mine" / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ("run", "--model", "sim/p=0.5,r=0.5", "--suite", "mine", "--mode", "image,blind", "--cache", "off", "--out", "run")
    exported = ("tasks", "export", "mine", "--out", "out/deep")
    for command in (("tasks", "lint", "mine"), ("tasks", "verify", "mine"), ("tasks", "show", "mine", "--out", "s.png"), exported, asked):
        code, said = told(*command)
        assert code in (0, 1), said
        assert COMMANDS.search(said.replace("\r", "")) is None, said  # a progress bar of datasets
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet")] == ["out/deep/data/eval-00000-of-00001.parquet"]
    again = told("run", "--model", "sim/p=0.5,r=0.5", "--suite", "out/deep", "--mode", "image", "--cache", "off", "--out", "again")
    assert again[0] == 0, again
    splits = [[json.loads(line)["split"] for line in (tmp_path / name / "puzzles.jsonl").open()] for name in ("run", "again")]
    assert splits[0] == splits[1]


def test_colours_are_richs_own() -> None:
    """On a terminal, what styles a text stays, and what the text holds does not."""
    told_to = PlainConsole(force_terminal=True, color_system="standard", width=60)
    plain = Console(force_terminal=True, color_system="standard", width=60)
    for text in (Text("red", style="red"), Text.assemble(("a", "bold"), "b")):
        with told_to.capture() as ours, plain.capture() as theirs:
            told_to.print(text)
            plain.print(text)
        assert ours.get() == theirs.get()
    with told_to.capture() as ours:
        told_to.print(Text.assemble(("a", "bold"), f"b{EVIL}"))
    assert COMMANDS.search(ours.get().replace("\x1b[1ma\x1b[0m", "a")) is None


@given(
    st.recursive(st.text(max_size=9) | st.just(EVIL), lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5)
)
def test_what_is_spelled_out_is_the_same(value: Any) -> None:
    document = in_strings(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(document) == value
    assert on_screen(document) == document
