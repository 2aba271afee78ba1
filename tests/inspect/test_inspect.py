"""Inspect AI: its reader accepts our logs and finds in them what the run holds, and its runner runs our suites.

Inspect's requirements exclude some of ours, so it lives in `.venv-inspect`: where it is not installed, these tests are skipped.
"""

from __future__ import annotations

import importlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

pytest.importorskip("inspect_ai", reason="run these tests by .venv-inspect/bin/python")

from bench.cli import build_parser
from bench.commands.imports import Wanted, import_logs
from bench.commands.options import run_config
from bench.errors import UserError
from bench.gap.make import gap_document
from bench.inspect.log import write_inspect_logs
from bench.inspect.tasks import MODES
from bench.publish import picture as stored_picture
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from bench.store.run import open_run, open_runs
from tasks.kit.drawing import encode
from tests.gap.test_gap import OUTCOMES, write_run

inspect_ai: Any = importlib.import_module("inspect_ai")
logs: Any = importlib.import_module("inspect_ai.log")
models: Any = importlib.import_module("inspect_ai.model")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "r"
    more = ["--suite", "mini:n=4", "--families", "clock,maze", "--mode", "image,caption,oracle,blind,readback", "--replicates", "2"]
    arguments = build_parser().parse_args(["run", "--model", "sim/p=0.6,r=0.7", "--cache", "off", "--out", str(folder), *more])
    run_session(make_plan(run_config(arguments)), Console(file=io.StringIO()))
    return folder


def pictures(run: Path) -> Callable[[str], tuple[bytes, str] | None]:
    lines = open_run(run).puzzles

    def picture(puzzle: str) -> tuple[bytes, str] | None:
        drawn = stored_picture(lines[puzzle])
        return (encode(drawn), "image/png") if isinstance(drawn, Image.Image) else None

    return picture


def no_picture(_: str) -> None:
    return None


def read(path: Path) -> Any:
    return logs.read_eval_log(str(path), resolve_attachments=True)


def test_its_reader_finds_every_trial(run: Path, tmp_path: Path) -> None:
    paths = write_inspect_logs(open_runs([run]), tmp_path, pictures(run))
    assert len(paths) == 5
    stored = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    accuracy = {name: mode["accuracy"] for name, mode in gap_document(open_runs([run]))["models"][0]["modes"].items()}
    seen = 0
    for path in paths:
        log = read(path)
        mode = log.eval.task_args["mode"]
        samples = {(sample.id, sample.epoch): sample for sample in log.samples}
        for line in (line for line in stored if line["mode"] == mode):
            sample = samples[line["puzzle"], line["replicate"] + 1]
            assert sample.output.completion == line["reply"]["text"]
            assert sample.output.usage.output_tokens == line["reply"]["usage"]["output"]
            assert sample.target == line["verdict"]["gold"]
            assert sample.scores["graded"].value == ("C" if line["verdict"]["outcome"] == "correct" else "I")
            assert sample.scores["graded"].answer == line["verdict"]["answer"]
            assert sample.metadata["prompt_as_asked"]
            images = [part.image for part in sample.input[0].content if part.type == "image"]
            assert [image.startswith("data:image/png;base64,") for image in images] == ([True] if mode in ("image", "readback") else [])
            assert bool(sample.metadata["caption"]) == (mode in ("caption", "readback"))  # one text, asked once, is both
            assert mode == "readback" or not sample.metadata["caption"] or sample.metadata["caption"] in sample.input[0].text
            seen += 1
        assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(accuracy[mode], abs=1e-6)
    assert seen == len(stored) == 80


def test_inspect_computes_the_same_accuracy_from_the_samples(run: Path, tmp_path: Path) -> None:
    for path in write_inspect_logs(open_runs([run]), tmp_path, no_picture):
        log = read(path)
        ours = log.results.scores[0].metrics["accuracy"].value
        logs.recompute_metrics(log)
        assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(ours)


def test_failures_of_the_plumbing_are_errors_and_a_bare_record_is_enough(tmp_path: Path) -> None:
    name = 'a/"b" <i>é_%&</i>'
    verdicts = [{"outcome": outcome, "answer": None, "gold": "a", "how": "x"} for outcome in OUTCOMES]
    rows = [
        {"puzzle": f"p{i}", "mode": "image", "model": name, "outcome": verdict["outcome"], "verdict": verdict}
        for i, verdict in enumerate(verdicts)
    ]
    (path,) = write_inspect_logs(open_runs([write_run(tmp_path / "r", rows)]), tmp_path / "out", no_picture)
    log = read(path)
    assert log.eval.model == name
    failed = {sample.metadata["outcome"] for sample in log.samples if sample.error and not sample.scores}
    assert failed == {"error", "caption_failed"}
    assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(1 / 5)


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return sorted((json.loads(line) for line in (folder / name).read_text().splitlines()), key=lambda line: line.get("key") or line["id"])


def test_what_we_exported_is_imported_back_equal(run: Path, tmp_path: Path) -> None:
    paths = write_inspect_logs(open_runs([run]), tmp_path / "logs", pictures(run))
    import_logs(Wanted(paths, (), tmp_path / "again"))
    for name in ("trials.jsonl", "captions.jsonl", "puzzles.jsonl"):
        assert lines(tmp_path / "again", name) == lines(run, name), name
    assert gap_document(open_runs([tmp_path / "again"]))["models"] == gap_document(open_runs([run]))["models"]


def test_logs_of_two_runs_are_not_thrown_together(run: Path, tmp_path: Path) -> None:
    more = ["--suite", "mini:n=1", "--families", "clock", "--mode", "image", "--cache", "off", "--out", str(tmp_path / "other")]
    run_session(make_plan(run_config(build_parser().parse_args(["run", "--model", "sim/p=0.6,r=0.7", *more]))), Console(file=io.StringIO()))
    one, *_ = write_inspect_logs(open_runs([run]), tmp_path / "a", no_picture)
    (other,) = write_inspect_logs(open_runs([tmp_path / "other"]), tmp_path / "b", no_picture)
    with pytest.raises(UserError, match="is of another run than"):
        import_logs(Wanted([one, other], (), tmp_path / "again"))


def test_a_log_that_our_task_made_under_inspect_is_imported(tmp_path: Path) -> None:
    log = evaluate(lambda sample, number: letter(sample, number % 2), tmp_path / "logs", mode="oracle")
    said = import_logs(Wanted([Path(log.location)], ("oracle",), tmp_path / "run"))
    assert said[0].endswith("4 trials on 4 puzzles of sightgap-mini@2-oracle")
    assert "our grader disagrees on 0 of 4 replies" in said
    (model,) = gap_document(open_runs([tmp_path / "run"]))["models"]
    assert model["modes"]["oracle"]["accuracy"] == 0.5


def evaluate(answer: Callable[[Any, int], str], folder: Path, **arguments: Any) -> Any:
    """The log of our task under Inspect's mock model, whose replies `answer` writes."""
    task: Any = importlib.import_module("sightgap").sightgap(**{"suite": "mini:n=2", "families": "clock,maze", **arguments})
    outputs: list[Any] = []
    for number, sample in enumerate(task.dataset):
        output = models.ModelOutput.from_content("mockllm/model", answer(sample, number))
        output.usage = models.ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # else it would fetch a tokenizer
        outputs.append(output)
    model = models.get_model("mockllm/model", custom_outputs=outputs)
    (log,) = inspect_ai.eval(task, model=model, log_dir=str(folder), display="none", max_samples=1, score_display=False)
    assert log.status == "success", log.error
    return log


BY_NAME = """
from inspect_ai import eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model
output = ModelOutput.from_content("mockllm/model", "<answer>A</answer>")
output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
model = get_model("mockllm/model", custom_outputs=[output] * 3)
arguments = {"suite": "mini:n=3", "families": "clock"}
(log,) = eval("sightgap/sightgap", task_args=arguments, model=model, log_dir="logs", display="none")
print(log.status, log.eval.task_registry_name, len(log.samples))
"""


def test_it_is_found_by_the_name_that_people_type(tmp_path: Path) -> None:
    """In a process of its own, away from the checkout, so that only the installed entry point can lead to it."""
    done = subprocess.run([sys.executable, "-c", BY_NAME], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["success", "sightgap/sightgap", "3"], done.stderr[-2000:]


def letter(sample: Any, shift: int) -> str:
    options = sample.metadata["options"]
    return f"<answer>{'ABCD'[(options.index(sample.target) + shift) % len(options)]}</answer>"


@pytest.mark.parametrize("mode", MODES)
def test_the_suite_runs_under_inspect(mode: str, tmp_path: Path) -> None:
    expected: dict[str, str] = {}

    def answer(sample: Any, number: int) -> str:
        expected[sample.id] = "CI"[number % 2]
        return letter(sample, number % 2)

    log = evaluate(answer, tmp_path, mode=mode)
    assert {sample.id: sample.scores["graded"].value for sample in log.samples} == expected
    assert log.results.scores[0].metrics["accuracy"].value == 0.5
    for sample in log.samples:
        content = sample.input[0].content
        assert any(part.type == "image" for part in content) == (mode == "image")
        assert (sample.metadata["description"] in content[-1].text) == (mode == "oracle")


def test_open_answers_and_unreadable_ones(tmp_path: Path) -> None:
    log = evaluate(lambda sample, number: f"<answer>{sample.target}</answer>" if number else "I like cheese.", tmp_path, fmt="open")
    assert sorted(sample.scores["graded"].metadata["outcome"] for sample in log.samples) == ["correct", "correct", "correct", "unparsed"]


@pytest.mark.parametrize(
    ("arguments", "message"), [({"mode": "caption"}, "mode"), ({"fmt": "x"}, "fmt"), ({"suite": "x"}, "unknown suite")]
)
def test_a_mistake_is_said(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        importlib.import_module("sightgap").sightgap(**arguments)
