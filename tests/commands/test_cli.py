"""The command line as a person meets it: help, mistakes in one line, and the whole way from a command to a report."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from bench.cli import main
from tests.conftest import ROOT

SIM = "sim/p=0.6,r=0.9,c=0.8"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Every command runs in an empty folder, with no key in sight and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGHTGAP_CACHE", str(tmp_path / "cache"))
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a mistake prints; asserts exit code 2 and nothing else."""
    assert main(arguments) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1, errors
    return errors[0]


@pytest.mark.parametrize(("said", "expected"), [((), "the same command continues"), (("go on with --resume",), "go on with --resume")])
def test_an_interruption_says_how_to_go_on(
    said: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt(*said)

    monkeypatch.setattr("bench.commands.models.models_list", interrupt)
    assert main(["models", "list"]) == 130
    assert capsys.readouterr().err.strip().endswith(expected)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (None, 70)])
def test_a_stop_of_which_a_library_made_another_error_is_one(
    number: signal.Signals | None, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As NumPy does where a comparison is interrupted; without a signal it is a fault."""
    monkeypatch.setattr("platformdirs.user_log_path", lambda _: tmp_path)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]

    def replaced(_: object) -> int:
        try:
            if number is not None:
                signal.raise_signal(number)
        finally:
            raise TypeError("Cannot compare structured arrays")

    monkeypatch.setattr("bench.commands.models.models_list", replaced)
    assert main(["models", "list"]) == code
    said = capsys.readouterr().err.strip()
    assert said.startswith("interrupted: what is finished is stored" if code == 130 else "fault: TypeError")


def test_help_answers_at_once_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from bench.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(sys.modules), file=sys.stderr)"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert time.perf_counter() - started < 5, "an order of magnitude above what it takes"
    loaded = done.stderr
    for heavy in ("'pandas'", "'numpy'", "'PIL'", "'anthropic'", "'openai'", "'datasets'", "'matplotlib'", "'scipy'", "'jinja2'"):
        assert heavy not in loaded


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--model", "claude-99"], "unknown model 'claude-99'"),
        (["--model", "nobody/x"], "unknown provider 'nobody'"),
        (["--model", "sim/p=2,r=1"], "p must be between 0 and 1"),
        (["--mode", "telepathy"], "expected some of diagnose, image, caption"),
        (["--suite", "sudoku"], "unknown suite 'sudoku'"),
        (["--suite", "algo:n=zero"], "expected a whole number"),
        (["--suite", "algo:level=9"], "level: expected 1 to 5"),
        (["--suite", "puzzlevqa:n=3"], "takes no parameters"),
        (["--families", "chess"], "has no family 'chess'"),
        (["--limit", "0"], "--limit: expected at least 1"),
        (["--level", "0"], "--level: expected at least 1"),
        (["--level", "9"], "--level: expected at most 5"),
        (["--temperature", "hot"], "--temperature: expected a number"),
        (["--config", "no.toml"], "no.toml cannot be read"),
        (["--replicates", "0"], "--replicates: expected at least 1"),
        (["--concurrency", "0"], "--concurrency: expected at least 1"),
        (["--concurrency", "many"], "--concurrency: expected a whole number or auto, found 'many'"),
        (["--shard", "3/2"], "--shard: expected i/n"),
        (["--reasoning", "much"], "--reasoning: expected off"),
        (["--captioner", "dataset"], "carries no captions"),
        (["--caption-prompt", "poem"], "expected one of plain, guided, notation"),
        (["--format", "essay"], "--format: expected mcq or open, found 'essay'"),
        (["--replay", "--cache", "off"], "the cache is off"),
        (["--resume"], "--resume: there is no run"),
        (["--model", SIM, "--model", SIM], "named twice"),
        (["--frobnicate"], "unrecognized arguments"),
        (["--suite", "algopuzzlevqa", "--data-dir", "nowhere"], "nowhere"),
        (["--model", "openai/x", "--base-url", "http://[bad/v1"], "is no address"),
        (["--model", "openai/x@http://[bad/v1"], "is no address"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    assert expected in mistake(capsys, "run", *arguments)


@pytest.mark.parametrize("arguments", [["report", "nowhere"], ["regrade", "nowhere"]])
def test_a_missing_run_directory_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert "nowhere is not a run directory" in mistake(capsys, *arguments)


NO_ADDRESSES = (
    "http://[bad/v1", "http://user:hunter2hunter2@[bad/v1", "http://h:99999999/v1", "http://h:port/v1", "http://", "http:///v1",
    "http://a b/v1", "file:///etc/passwd", "ftp://h/v1", f"http://{'a' * 300}/v1?key=hunter2hunter2", "http://h\n/v1",
    "http://h/v1\r\nX: y",
)  # fmt: skip
ADDRESSED: dict[str, tuple[str, tuple[str, ...]]] = {
    "--base-url": ("", ("--model", "openai/m", "--base-url", "{}")),
    "the name of the model": ("", ("--model", "openai/m@{}")),
    "OPENAI_BASE_URL": ("OPENAI_BASE_URL", ("--model", "openai/m")),
    "ANTHROPIC_BASE_URL": ("ANTHROPIC_BASE_URL", ("--model", "anthropic/claude-sonnet-4-5")),
    "a proxy": ("HTTP_PROXY", ("--model", "openai/m", "--base-url", "http://127.0.0.1:1/v1")),
}
"""Where an address may stand: in a variable, in the call."""


@pytest.mark.parametrize("place", ADDRESSED)
def test_what_is_no_address_is_one_line(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "sk-a-key-of-tests")
    for name in ("HTTP_PROXY", "http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    variable, call = ADDRESSED[place]
    for address in NO_ADDRESSES:
        if place == "the name of the model" and not address.startswith("http"):
            continue  # what follows belongs to the model's id
        if variable:
            monkeypatch.setenv(variable, address)
        said = mistake(capsys, "run", *(word.format(address) for word in call), "--mode", "blind", "--suite", "mini:n=1", "--attempts", "1")
        assert "hunter2" not in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_retired_model_without_a_key_is_one_line_that_says_which_variable(capsys: pytest.CaptureFixture[str]) -> None:
    line = mistake(capsys, "--model", "claude-3-7", "--mode", "caption", "--suite", "mini", "--families", "clock")
    assert "ANTHROPIC_API_KEY" in line


def test_a_retired_model_warns_before_spending(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    said_first = mistake_after(capsys, "--model", "claude-3-7", "--mode", "caption", "--suite", "mini:n=2")
    for before, after in (("2026-02-19", "claude-sonnet-4-6"), ("claude-sonnet-4-6", "bedrock/"), ("bedrock/", "ANTHROPIC_API_KEY")):
        assert 0 < said_first.index(before) < said_first.index(after)
    assert main(["--model", "claude-3-7", "--mode", "caption", "--suite", "mini:n=2", "--families", "clock", "--dry-run"]) == 0
    said = capsys.readouterr()
    warning = " ".join(said.err.split())
    for part in ("retired", "2026-02-19", "claude-sonnet-4-6", "bedrock/"):
        assert part in warning
    assert "captions for claude-3-7" in said.out
    assert "sk-ant" not in said.out + said.err


def test_a_dry_run_asks_and_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--model", SIM, "--suite", "mini:n=2", "--families", "clock,n_queens", "--dry-run"]) == 0
    assert "20 trials on 4 puzzles" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_from_command_to_report_and_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call = ["--model", SIM, "--suite", "mini:n=5", "--families", "clock", "--out", "r"]
    assert main(call) == 0
    printed = capsys.readouterr().out
    assert "(simulated)" in printed
    assert "oracle-image" in printed
    assert max(map(len, printed.splitlines())) <= 100
    gap = json.loads((tmp_path / "reports/r/gap.json").read_text())
    assert gap["v"] == 1
    assert gap["models"][0]["modes"]["image"]["n"] == 5
    assert "# Image versus description" in (tmp_path / "reports/r/report.md").read_text()
    assert main(call) == 0
    assert "already stored" in capsys.readouterr().out
    assert main(["report", "r", "--out", "again"]) == 0
    assert json.loads((tmp_path / "again/gap.json").read_text()) == gap
    assert "not empty" in mistake_after(capsys, "report", "r", "--out", "again")
    assert main(["report", "r", "--out", "again", "--force"]) == 0
    before = (tmp_path / "r/trials.jsonl").read_text()
    assert main(["regrade", "r"]) == 0
    assert "0 of 25 verdicts changed" in capsys.readouterr().out
    assert (tmp_path / "r/trials.jsonl").read_text() == before


def mistake_after(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    return mistake(capsys, *arguments)


def test_regrade_derives_verdicts_from_the_stored_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["--model", SIM, "--suite", "mini:n=4", "--families", "clock", "--mode", "blind,readback", "--out", "r"])
    path = tmp_path / "r/trials.jsonl"
    good = path.read_text()
    bad = [
        {**json.loads(line), "verdict": {"outcome": "unparsed", "answer": None, "gold": "x", "how": "old"}} for line in good.splitlines()
    ]
    for line, original in zip(bad, good.splitlines(), strict=True):
        line["verdict"]["gold"] = json.loads(original)["verdict"]["gold"]
    path.write_text("".join(json.dumps(line) + "\n" for line in bad))
    capsys.readouterr()
    assert main(["regrade", "r"]) == 0
    printed = capsys.readouterr().out
    assert "8 of 8 verdicts changed" in printed
    assert all(json.loads(line)["puzzle"] in printed for line in good.splitlines())
    assert re.search(r"^  by old -> by readback: \d \(the description was read, and the exact solver answered\)$", printed, re.MULTILINE)
    again = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["verdict"] for line in again] == [json.loads(line)["verdict"] for line in good.splitlines()]
    assert [line["reply"] for line in again] == [json.loads(line)["reply"] for line in good.splitlines()]


def test_a_reply_without_text_is_one_clear_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["--model", SIM, "--suite", "mini:n=2", "--families", "clock", "--mode", "blind", "--out", "r"])
    path = tmp_path / "r/trials.jsonl"
    first, *others = path.read_text().splitlines()
    line = json.loads(first)
    line["reply"]["text"] = None
    broken = "\n".join((json.dumps(line), *others)) + "\n"
    path.write_text(broken)
    said = mistake_after(capsys, "regrade", "r")
    assert "trials.jsonl line 1: not a record of this version (reply.text: input should be a valid string, found None)" in said
    assert path.read_text() == broken
    assert "reply.text: input should be a valid string, found None" in mistake_after(
        capsys, "report", "r", "--out", "report", "--formats", "md"
    )


def test_the_papers_table_in_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Nine families, open answers, image and oracle, with the published rows marked as third-party."""
    assert main(["--preset", "paper", "--model", SIM, "--limit", "2", "--out", "r"]) == 0
    printed = capsys.readouterr().out
    assert "suite algo@2  18 puzzles" in printed
    assert "Claude 3.7" in printed
    assert "third-party" in printed


def test_shards_make_up_the_whole(tmp_path: Path) -> None:
    common = ["--model", SIM, "--suite", "mini:n=30", "--families", "clock", "--mode", "image,oracle"]
    main([*common, "--out", "whole"])
    for part in ("1/3", "2/3", "3/3"):
        main([*common, "--shard", part, "--out", f"part{part[0]}"])
    main(["report", "part1", "part2", "part3", "--out", "merged", "--formats", "md"])
    whole = json.loads((tmp_path / "reports/whole/gap.json").read_text())
    merged = json.loads((tmp_path / "merged/gap.json").read_text())
    assert whole["models"] == merged["models"]


def test_a_bad_image_stops_the_run_before_the_first_request_unless_skipped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shared_data: Path
) -> None:
    data = tmp_path / "AlgoPuzzleVQA" / "data"
    (data / "images" / "clock").mkdir(parents=True)
    rows = [json.loads(line) for line in (shared_data / "AlgoPuzzleVQA/data/clock.json").read_text().splitlines()[:3]]
    (data / "clock.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for index, row in enumerate(rows):
        target = data / row["image"]
        if index == 1:
            target.write_bytes(b"\x89PNG\r\n\x1a\n broken")
        else:
            Image.new("RGB", (40, 40), (index, 0, 0)).save(target, format="PNG")
    call = ["--model", SIM, "--suite", "algopuzzlevqa", "--data-dir", str(tmp_path / "AlgoPuzzleVQA"), "--out", "r"]
    line = mistake(capsys, *call)
    assert "clock.json" in line
    assert "2" in line
    assert "--skip-bad" in line
    assert not (tmp_path / "r").exists()
    assert main([*call, "--skip-bad"]) == 0
    assert json.loads((tmp_path / "r/run.json").read_text())["skipped"][0]["where"].startswith("clock.json")


def test_no_key_ever_reaches_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret-0123456789")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")  # the discard port: every connection is refused
    call = [
        "--model",
        "anthropic/claude-x",
        "--suite",
        "mini:n=1",
        "--families",
        "clock",
        "--mode",
        "image",
        "--out",
        "r",
    ]
    assert main([*call, "--attempts", "1"]) == 3
    said = capsys.readouterr()
    written = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    assert "sk-ant-secret" not in said.out + said.err + written
    record = json.loads((tmp_path / "r/trials.jsonl").read_text().splitlines()[0])
    assert record["verdict"]["outcome"] == "error"
    assert record["error"]["kind"] == "Transient"


def test_tables_and_lists_print(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert "claude-3-7" in capsys.readouterr().out
    assert main(["models", "show", "claude-3-7"]) == 0
    assert json.loads(capsys.readouterr().out)["replacement"] == "claude-sonnet-4-6"


def test_the_command_runs_as_a_script(tmp_path: Path) -> None:
    call = [sys.executable, str(ROOT / "run_bench.py"), "--model", SIM, "--suite", "mini:n=1", "--families", "clock", "--out", "r"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "NO_COLOR": "1"}, check=False)
    assert done.returncode == 0, done.stderr
    assert "gaps in points" in done.stdout
