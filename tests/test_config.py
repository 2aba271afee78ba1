"""One definition of every option: its flag, its key in a file and its argument are one thing, and a run gives its file back."""

from __future__ import annotations

import io
import json
import tomllib
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import build_parser, main
from bench.commands.options import run_config
from bench.config import RunConfig, as_flag, options, public_url, to_toml
from bench.errors import UserError
from bench.mode import Mode

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "concurrency": st.integers(1, 99) | st.just("auto"),
    "models": st.lists(st.sampled_from(["tiny-base", "sim/p=0.6,r=0.9", "openai/x", "anthropic/y"]), min_size=1, unique=True),
    "modes": st.lists(st.sampled_from([mode.value for mode in Mode]), min_size=1, unique=True),
    "suite": st.sampled_from(["mini", "algo:seed=7,level=3,n=50"]),
    "families": st.lists(st.sampled_from(["clock", "maze"]), min_size=1, unique=True),
    "limit": st.integers(1, 10**6),
    "level": st.integers(1, 5),
    "shard": st.sampled_from(["1/2", "3/3"]),
    "format": st.sampled_from(["mcq", "open"]),
    "seed": st.integers(-(2**40), 2**40),
    "max_tokens": st.integers(1, 10**6),
    "temperature": st.floats(0, 2),
    "reasoning": st.sampled_from(["off", "low", 2048]),
    "resize": st.booleans(),
    "degrade": st.lists(st.sampled_from(["blur=2", "jpeg=20"]), min_size=1, unique=True),
    "out": st.sampled_from(["here", "results/x y"]),
    "cache": st.sampled_from(["off", "cache"]),
    "batch": st.booleans(),
    "max_cost": st.floats(0, 1e6),
}


def listed(value: Any) -> str:
    """A value as one word of a command line."""
    return ",".join(str(part) for part in value) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


CHOSEN = st.fixed_dictionaries({}, optional=VALUES)


@given(CHOSEN)
def test_options_are_given_back_as_they_were(chosen: dict[str, Any]) -> None:
    config = RunConfig.of(chosen)
    assert RunConfig.of(json.loads(json.dumps(config.options()))) == config
    assert RunConfig.of(tomllib.loads(to_toml(config.options()))) == config


@given(CHOSEN)
def test_flags_say_the_same_as_arguments(chosen: dict[str, Any]) -> None:
    words: list[str] = ["run"]
    known = {option.name: option for option in options()}
    for name, value in chosen.items():
        flag = as_flag(name)
        if isinstance(known[name].default, bool):
            words += [flag] if value != known[name].default else []
        elif known[name].flag.repeatable:
            words += [word for item in value for word in (flag, str(item))]
        else:
            words.append(f"{flag}={listed(value)}")
    assert run_config(build_parser().parse_args(words)) == RunConfig.of(chosen)


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('model = "sim/p=1,r=1"\nmode = "image, blind"\nmax-tokens = 64\nlimit = 7\nresize = false\n', encoding="utf-8")
    config = run_config(build_parser().parse_args(["run", "--config", str(file), "--limit", "3"]), {"limit": 20, "level": 1})
    assert (config.subject.models, config.subject.modes) == (("sim/p=1,r=1",), (Mode.IMAGE, Mode.BLIND))
    assert (config.subject.limit, config.subject.level, config.conditions.max_tokens) == (3, 1, 64)
    assert config.conditions.resize is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("limt = 3", "--limt: there is no such option; did you mean --limit?"),
        ("limit = 0", "--limit: expected at least 1, found 0"),
        ("limit = [1]", "--limit: expected a whole number"),
        ("limit =", "is no TOML file"),
        ("[run]\nlimit = 3", "--run: there is no such option"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text, encoding="utf-8")
    assert main(["run", "--config", str(file)]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert expected in errors[0]


def test_a_run_writes_its_file_and_the_file_continues_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call = ["--model", "sim/p=0.6,r=0.9", "--mode", "image", "--suite", "mini:n=3", "--families", "clock", "--cache", "off", "--out", "r"]
    assert main(call) == 0
    text = io.StringIO()
    with redirect_stdout(text):
        assert main(["config", "r"]) == 0
    (tmp_path / "again.toml").write_text(text.getvalue(), encoding="utf-8")
    lines = (tmp_path / "r/trials.jsonl").read_text(encoding="utf-8")
    assert main(["--config", "again.toml"]) == 0
    assert (tmp_path / "r/trials.jsonl").read_text(encoding="utf-8") == lines
    assert main(["--config", "again.toml", "--seed", "1"]) == 2, "another configuration is not this run"


def test_a_run_of_another_tool_says_that_it_holds_no_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text('{"v": 1, "suite": {"name": "x"}, "models": []}', encoding="utf-8")
    assert main(["config", str(tmp_path)]) == 2
    assert "does not hold the options of its run" in capsys.readouterr().err


def test_every_option_has_help_that_names_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for option in options():
        assert option.help, option.name
        _, _, after = shown.partition(f" {option.spelled} ")
        assert "(default: " in after.split(" --")[0] or "(default: " in after[:400], option.name


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:pass@host:8000/v1?api_key=secret#x", "http://host:8000/v1"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
    ],
)
def test_no_credential_of_a_url_is_stored(url: str, shown: str) -> None:
    assert public_url(url) == shown
    config = RunConfig.of({"models": "openai/x", "base_url": url})
    assert config.options()["base_url"] == shown
    assert "secret" not in json.dumps([config.options(), config.identity()])
    assert config.conditions.base_url == url


def test_contradictions_name_the_flag() -> None:
    with pytest.raises(UserError, match="--model: the same model is named twice"):
        RunConfig.of({"models": ["a", "a"]}, spell=as_flag)


def test_a_preset_fills_in_what_is_left_open(tmp_path: Path) -> None:
    made = run_config(build_parser().parse_args(["run", "--preset", "paper", "--model", "sim/p=1", "--limit", "7"]))
    assert (made.subject.suite, made.conditions.format.value, made.subject.limit) == ("algo", "open", 7)
    assert made.subject.modes == (Mode.IMAGE, Mode.ORACLE)
    assert len(made.subject.families) == 9
    (tmp_path / "mine.toml").write_text('suite = "mini"\n')
    file = ["--config", str(tmp_path / "mine.toml")]
    assert run_config(build_parser().parse_args(["run", "--preset", "paper", *file])).subject.suite == "mini"
    with pytest.raises(UserError, match="--preset: expected one of paper, found 'papers'"):
        run_config(build_parser().parse_args(["run", "--preset", "papers"]))
