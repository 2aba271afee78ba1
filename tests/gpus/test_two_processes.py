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


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_the_names_of_the_base(whole: dict[str, Path], kind: str) -> None:
    assert moved(whole[kind]) == set(tensors(BASE / "model.safetensors"))


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
def test_resume_is_bit_identical(whole: dict[str, Path], kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole[kind], out)
    shutil.rmtree(out / "steps" / "checkpoint-2")
    (out / "model.safetensors").unlink()
    done = train(kind, whole[kind].parent / "mine.toml", out, "--resume")
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((out / RECORD).read_text())["resumed_from"] == "checkpoint-1"
    first, second = tensors(whole[kind] / "model.safetensors"), tensors(out / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(bool((first[name] == second[name]).all()) for name in first)


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
