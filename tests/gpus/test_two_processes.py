"""What two processes leave behind together: weights that load everywhere, adapters merged, runs that go on, sweeps that end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bench.store.run import open_run
from bench.train.provenance import RECORD
from tests.conftest import ROOT
from tests.gpus.launching import BASE, recipe, train

VLLM = ROOT / ".venv-vllm" / "bin" / "python"
KINDS = ("zero3", "fsdp")

pytestmark = pytest.mark.timeout(1800)


def tensors(file: Path) -> dict[str, Any]:
    return import_module("safetensors.torch").load_file(file)


def moved(folder: Path) -> set[str]:
    """Names of the weights that are not those of the base, at the precision that is stored."""
    before, after = tensors(BASE / "model.safetensors"), tensors(folder / "model.safetensors")
    assert after.keys() == before.keys()
    return {name for name in before if bool((before[name].to(after[name].dtype) != after[name]).any())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Full weights, two steps, by kind."""
    made: dict[str, Path] = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        done = train(kind, recipe(folder), folder / "out")
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stderr.count("try it") == 1  # one process speaks
        made[kind] = folder / "out"
    return made


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """LoRA, one step, by kind."""
    made: dict[str, Path] = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(f"{kind}-lora")
        done = train(kind, recipe(folder, lora__r=4, grpo__max_steps=1), folder / "out")
        assert done.returncode == 0, done.stderr[-3000:]
        made[kind] = folder / "out"
    return made


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run `whole` under ZeRO-3, evaluated before, between and after its two steps; it leaves the best weights."""
    folder = tmp_path_factory.mktemp("evaluated")
    asked = {"every": 1, "n": 2, "suite": "mini:seed=202,level=1", "families": ["clock", "move_box"], "max_tokens": 64}
    done = train("zero3", recipe(folder, evaluate=asked | {"best": "lost", "load_best": True}), folder / "out")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "out"


def equal(first: Path, second: Path) -> bool:
    """Whether the weights in two folders are the same, bit by bit."""
    one, other = tensors(first / "model.safetensors"), tensors(second / "model.safetensors")
    return one.keys() == other.keys() and all(bool((one[name] == other[name]).all()) for name in one)


def test_evaluation_under_zero3_asks_the_whole_policy_and_does_not_disturb(whole: dict[str, Path], evaluated: Path) -> None:
    for step in ("checkpoint-1", "checkpoint-2"):
        assert equal(whole["zero3"] / "steps" / step, evaluated / "steps" / step)
    rows = json.loads((evaluated / RECORD).read_text())["evaluations"]
    assert [row["step"] for row in rows] == [0, 1, 2]
    for row in rows:
        records = list(open_run(evaluated / "evaluations" / f"step-{row['step']:g}").latest().values())
        assert len(records) == 4 * 5  # puzzles, arms
        assert row["using"] + row["seeing"] + row["thinking"] == pytest.approx(row["lost"], abs=1e-5)
    before = open_run(evaluated / "evaluations" / "step-0").latest().values()
    outcomes = [one.verdict.outcome for one in before if one.mode == "image" and one.family == "clock"]
    assert outcomes == ["correct"] * 2  # the base is at its ceiling there: what was asked were its weights, and all of them


def test_the_best_weights_are_those_of_the_best_evaluation(evaluated: Path) -> None:
    record = json.loads((evaluated / RECORD).read_text())
    lost = {row["step"]: row["lost"] for row in record["evaluations"]}
    best = min(lost, key=lambda step: (lost[step], step))
    assert record["best"] == {"step": best, "lost": lost[best]}
    assert record["weights"] == "best"
    assert equal(evaluated, evaluated / "best")
    same = [step for step in (1, 2) if equal(evaluated / "best", evaluated / "steps" / f"checkpoint-{step}")]
    assert same == [step for step in (1, 2) if step == best]
    assert (moved(evaluated / "best") == set()) == (best == 0)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_the_names_of_the_base(whole: dict[str, Path], kind: str) -> None:
    """All have moved but some of the norms': these are near 1, where two steps are less than half of bfloat16's spacing."""
    names = set(tensors(BASE / "model.safetensors"))
    assert {name for name in names if "norm" not in name and "ln_q" not in name} <= moved(whole[kind]) <= names


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_is_saved_and_merged(adapted: dict[str, Path], kind: str) -> None:
    adapter = tensors(adapted[kind] / "adapter" / "adapter_model.safetensors")
    assert adapter
    assert all(bool((tensor != 0).any()) for tensor in adapter.values())
    projections = {f"{part}_proj.weight" for part in "qkvo"}
    names = set(tensors(BASE / "model.safetensors"))
    assert moved(adapted[kind]) == {
        name for name in names if name.startswith("model.layers.") and name.split("self_attn.")[-1] in projections
    }


@pytest.mark.parametrize("kind", KINDS)
def test_resume_is_bit_identical(whole: dict[str, Path], evaluated: Path, kind: str, tmp_path: Path) -> None:
    out, done_before = tmp_path / "out", evaluated if kind == "zero3" else whole[kind]
    cut_off(done_before, out)
    done = train(kind, done_before.parent / "mine.toml", out, "--resume")
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((folder / RECORD).read_text()) for folder in (done_before, out))
    assert second["resumed_from"] == "checkpoint-1"
    assert second["evaluations"] == first["evaluations"]
    assert second["best"] == first["best"]
    assert equal(done_before, out)
    if kind != "fsdp":  # which keeps shards on the way, and whole weights at the end
        assert equal(done_before / "steps" / "checkpoint-2", out / "steps" / "checkpoint-2")


def cut_off(run: Path, out: Path) -> None:
    """A copy of the finished `run` in `out` as if it had been killed during its second step."""
    shutil.copytree(run, out)
    shutil.rmtree(out / "steps" / "checkpoint-2")
    (out / "model.safetensors").unlink()
    record = json.loads((out / RECORD).read_text())
    (out / RECORD).write_text(json.dumps(record | {"finished": False}))


@pytest.mark.parametrize(
    ("begun", "kind", "processes", "why"),
    [
        ("zero3", "zero3", 1, "was begun by 2 processes, found 1: "),
        ("fsdp", "fsdp", 3, "was begun by 2 processes, found 3: "),
        ("fsdp", "zero3", 2, "was begun with sharding by fsdp, found deepspeed: "),
        ("zero3", "gloo", 2, "was begun with sharding by deepspeed, found none: "),
    ],
)
def test_going_on_with_other_processes_is_refused_in_one_line(
    whole: dict[str, Path], begun: str, kind: str, processes: int, why: str, tmp_path: Path
) -> None:
    cut_off(whole[begun], tmp_path / "out")
    asked = tmp_path / "mine.toml"
    shutil.copy(whole[begun].parent / "mine.toml", asked)
    done = train(kind, asked, tmp_path / "out", "--resume", processes=processes)
    assert done.returncode != 0
    assert [line.count(why) for line in done.stderr.splitlines() if line.startswith("error: ")] == [1]
    assert "fault: " not in done.stderr
    assert [folder.name for folder in (tmp_path / "out" / "steps").glob("checkpoint-*")] == ["checkpoint-1"]


def test_evaluation_under_fsdp_is_refused_in_one_line(tmp_path: Path) -> None:
    done = train("fsdp", recipe(tmp_path, evaluate__every=1), tmp_path / "out")
    assert done.returncode != 0
    assert [line.count("expected 0 under FSDP") for line in done.stderr.splitlines() if line.startswith("error: ")] == [1]


def test_the_others_wait_for_an_evaluation_as_long_as_the_recipe_says(tmp_path: Path) -> None:
    """Not torch's ten minutes, which an evaluation of a big model takes longer than."""
    asked = {"every": 1, "n": 2, "suite": "mini:seed=202,level=1", "families": ["clock"], "max_tokens": 32}
    patient = train("gloo", recipe(tmp_path / "patient", evaluate=asked, grpo__max_steps=1), tmp_path / "patient" / "out")
    assert patient.returncode == 0, patient.stderr[-3000:]
    hasty = train("gloo", recipe(tmp_path / "hasty", evaluate=asked, grpo__ddp_timeout=1), tmp_path / "hasty" / "out")
    assert hasty.returncode != 0
    assert "imed out" in hasty.stderr


@pytest.mark.skipif(not VLLM.is_file(), reason="needs the environment of make test-vllm")
def test_vllm_says_what_transformers_says(whole: dict[str, Path], adapted: dict[str, Path], tmp_path: Path) -> None:
    checkpoints = [*whole.values(), *adapted.values()]
    names = [(f"vllm/{folder}?dtype=float32,eager=yes,max_len=512", f"hf/{folder}?dtype=float32") for folder in checkpoints]
    models = [part for pair in names for name in pair for part in ("--model", name)]
    asked = [
        "--suite",
        "mini",
        "--families",
        "clock,maze",
        "--limit",
        "2",
        "--mode",
        "image,oracle",
        "--format",
        "open",
        "--max-tokens",
        "32",
    ]
    settings = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_HOST_IP": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    command = [str(VLLM), "run_bench.py", "run", *models, *asked, "--temperature", "0", "--cache", "off", "--out", str(tmp_path / "run")]
    environment = {**os.environ, **settings, "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    texts: dict[str, dict[tuple[str, str], str | None]] = {}
    for record in open_run(tmp_path / "run").records():
        texts.setdefault(record.model, {})[record.puzzle, record.mode] = record.reply.text if record.reply else None
    for ours, theirs in names:
        assert len(texts[ours]) == 8
        assert texts[ours] == texts[theirs]
        assert any(texts[ours].values())


def test_a_sweep_is_evaluated_once_and_nobody_waits(tmp_path: Path) -> None:
    asked = recipe(
        tmp_path,
        grpo__max_steps=1,
        grpo__bf16=False,
        sweep__seeds=[0],
        sweep__lessons__steps=2,
        sweep__rewards=["mixture", "perception"],
        sweep__controls=[{"name": "truth"}],
        sweep__evaluate__suite="mini:seed=101,level=1",
        sweep__evaluate__n=1,
        sweep__evaluate__max_tokens=32,
        sweep__evaluate__modes=["image"],
        sweep__evaluate__degrade=[],
    )
    done = train("gloo", asked, tmp_path / "out", reward="all")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count((tmp_path / "out" / "sweep.md").read_text(encoding="utf-8").strip()) == 1
    assert [
        done.stderr.count(line) for line in ("trained mixture-0 (", "trained truth-0 (", "evaluated base at", "evaluated truth-0 at")
    ] == [1] * 4
    for run in (tmp_path / "out" / "runs").glob("*/*"):
        assert len(list(open_run(run).records())) == 9, run
