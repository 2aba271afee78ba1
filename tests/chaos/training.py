"""A training that is killed while it saves: the same command with --resume continues from a checkpoint that is whole."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.scene import Attempt
from tests.conftest import ROOT

PATIENCE_S = 300.0


def saves(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` trainings of three steps, each of which is saved; killed when something of a checkpoint is there, at the latest 0.3 s later."""
    from tests.train.test_grpo import BASE, recipe

    asked = recipe(folder / "recipe", grpo__save_steps=1).source
    for number in range(n):
        out, rng = folder / f"{number}", random.Random(f"training {number}")
        command = ("train", "--recipe", asked, "--reward", "mixture", "--model", str(BASE), "--out", str(out))
        step = 1 + number % 3
        killed = _killed(command, out / "steps", step, rng.uniform(0.0, 0.3))
        done = subprocess.run(_call(*command, "--resume"), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        record: dict[str, Any] = json.loads((out / "training.json").read_text(encoding="utf-8")) if done.returncode == 0 else {}
        finished = record.get("finished") is True and record.get("steps") == 3
        trouble = None if killed and finished else f"exit {done.returncode}: {done.stderr[-300:]}"
        yield Attempt(f"killed at checkpoint {step}", trouble)


def _call(*command: str) -> list[str]:
    return [sys.executable, str(ROOT / "run_bench.py"), *command]


def _killed(command: tuple[str, ...], steps: Path, number: int, later_s: float) -> bool:
    """Start, and kill as soon as a `number`-th entry is in the folder of checkpoints; whether it came to that."""
    with subprocess.Popen(_call(*command), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as child:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and child.poll() is None:
            if steps.is_dir() and len([*steps.iterdir()]) >= number:
                time.sleep(later_s)
                break
            time.sleep(0.002)
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return steps.is_dir()
