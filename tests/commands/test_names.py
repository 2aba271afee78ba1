"""Every name that a person may mistype is guessed at; completion knows every command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bench.cli import main


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["reprot"], "found 'reprot' (did you mean 'report'?)"),
        (["tasks", "lnt", "mini"], "(did you mean 'lint'?)"),
        (["compare", "a", "b", "--maargin", "1"], "(did you mean '--margin'?)"),
        (["run", "--modell", "x"], "(did you mean '--model'?)"),
        (["run", "--model", "sim/p=1,r=1", "--mode", "imge"], "(did you mean 'image'?)"),
        (["run", "--model", "sim/p=1,r=1", "--suite", "puzlevqa"], "(did you mean 'puzzlevqa'?)"),
        (["run", "--model", "sim/p=1,r=1", "--suite", "mini", "--families", "clok"], "(did you mean 'clock'?)"),
        (["models", "show", "cluade-3-7"], "did you mean claude-3-7"),
        (["report", "a", "--formats", "htlm"], "(did you mean 'html'?)"),
        (["import", "a.json", "--as", "blnd", "--out", "x"], "--as: expected some of"),
        (["train", "--recipe", "tiny", "--reward", "vanila", "--model", "x", "--out", "x"], "(did you mean 'vanilla'?)"),
    ],
)
def test_a_near_name_is_named(call: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(call) == 2
    assert message in capsys.readouterr().err


def test_bash_completes_commands_and_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "sightgap.bash"
    script.write_text(capsys.readouterr().out)
    asked = f"source {script}; COMP_WORDS=(sightgap comp); COMP_CWORD=1; _shtab_sightgap; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=60, check=True)
    assert set(done.stdout.split()) == {"compare", "completion"}
    for shell in ("zsh", "tcsh"):
        assert main(["completion", shell]) == 0
    assert "import" in capsys.readouterr().out


def test_models_past_their_date_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert "(past)" in capsys.readouterr().out


def test_the_list_of_tasks_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    from tasks.public.puzzlevqa import FAMILIES as PUZZLEVQA
    from tasks.registry import FAMILIES

    assert main(["tasks", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*FAMILIES, *PUZZLEVQA, "algopuzzlevqa", "hub:ORG/NAME"))


def test_rewards_and_verify_are_json_when_piped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"family": "clock", "answer": "4:23", "completion": "<answer>4:23</answer>"}
    (tmp_path / "c.jsonl").write_text(json.dumps(line) + "\n")
    assert main(["rewards", str(tmp_path / "c.jsonl")]) == 0
    assert json.loads(capsys.readouterr().out)["only-accuracy"]["total"] == 1.0
    assert main(["tasks", "verify", "mini", "--families", "clock", "--limit", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["agree"] == 2
