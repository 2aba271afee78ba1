"""Our command in two processes on the CPU, under ZeRO-3, FSDP2 or neither, with the launch files that are shipped for eight GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.train.recipe import load_recipe
from tests.conftest import ROOT
from tests.train import recipes

BASE = ROOT / "results" / "checkpoints" / "tiny-base"
_FSDP = {"fsdp_transformer_layer_cls_to_wrap": "FSDP_TRANSFORMER_CLS_TO_WRAP"}
"""Keys of the launch file whose variable has another name."""


def recipe(folder: Path, **changes: Any) -> Path:
    """The tiny recipe for two processes and two steps in bfloat16, as the big one trains; its launch file beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    shipped = load_recipe("tiny").data
    small = {
        "data__suite": None,
        "data__levels": None,
        "data__set": "mini:n=6,level=1",
        "data__in_domain": list(shipped.in_domain),
        "data__out_of_domain": list(shipped.out_of_domain),
        "grpo__max_steps": 2,
        "grpo__per_device_train_batch_size": 8,
        "grpo__num_generations": 8,
        "grpo__learning_rate": 1e-3,
        "grpo__warmup_steps": 0,
        "grpo__max_completion_length": 32,
        "grpo__save_steps": 1,
        "grpo__bf16": True,
        "grpo__use_cpu": True,
    }
    return recipes.written(folder, recipes.table("tiny", **(small | changes)))


def train(kind: str, asked: Path, out: Path, *more: str, reward: str = "mixture", processes: int = 2) -> subprocess.CompletedProcess[str]:
    """Train by several processes under "zero3", "fsdp" or "gloo" and return what they said; they must end within fifteen minutes."""
    call = ["train", "--recipe", str(asked), "--reward", reward, "--model", str(BASE), "--out", str(out), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", "PYTHONPATH": str(ROOT)}
    run = [sys.executable, "-m"]
    if kind == "zero3":
        file = asked.parent / "accelerate.yaml"
        shipped = (recipes.RECIPES / "accelerate-zero3.yaml").read_text(encoding="utf-8")
        file.write_text(
            shipped.replace("num_processes: 8", f"num_processes: {processes}").replace("use_cpu: false", "use_cpu: true"), encoding="utf-8"
        )
        run += ["accelerate.commands.launch", "--config_file", str(file), "run_bench.py"]
    elif kind == "fsdp":
        environment |= _fsdp_variables()
        run += ["torch.distributed.run", "--nproc-per-node", str(processes), "-m", "tests.gpus.fsdp_on_cpu"]
    else:
        run += ["torch.distributed.run", "--nproc-per-node", str(processes), "run_bench.py"]
    return subprocess.run([*run, *call], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)


def _fsdp_variables() -> dict[str, str]:
    """What `accelerate launch` would set by the shipped file, had it a launcher of FSDP for the CPU."""
    loading: Any = import_module("accelerate.commands.config.config_args")
    settings: dict[str, Any] = loading.load_config_from_file(str(recipes.RECIPES / "accelerate-fsdp.yaml")).fsdp_config
    named = {_FSDP.get(key, key.upper()): str(value).lower() if isinstance(value, bool) else str(value) for key, value in settings.items()}
    return {**named, "ACCELERATE_USE_FSDP": "true", "ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_USE_CPU": "true"}
