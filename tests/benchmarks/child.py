"""Measurements in processes of their own: seconds (Python's start included) and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: seconds of processor time and of the clock, peak resident memory in MB, and what it printed."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    printed: str

    @property
    def last(self) -> int:
        """The last word that it printed, a number."""
        return int(self.printed.split()[-1])


def python(code: str, *arguments: str) -> Cost:
    """What `python -c code arguments` takes."""
    return _measured([sys.executable, "-c", code, *arguments], ROOT)


def command(folder: Path, *words: str) -> Cost:
    """What our command takes, run in `folder`."""
    return _measured([sys.executable, str(ROOT / "run_bench.py"), *words], folder)


def _measured(words: Sequence[str], folder: Path) -> Cost:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    child = subprocess.Popen(
        words, cwd=folder, env={**environment, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - began
    child.returncode = status
    if status:
        raise SystemExit(f"{' '.join(words)[:200]} ended with status {status}")
    return Cost(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1e3, printed)
