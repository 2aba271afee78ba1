"""`run --ray local` beside the same parts run one after another as plain `--shard i/n` commands: what Ray itself costs.

    make bench PARTS=ray

The model is a simulated one, which answers at once, so everything measured is the harness, Ray, and the start of the processes.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.table import row, show
from tests.conftest import ROOT

COMMON = ("--model", "sim/p=0.6,r=0.9", "--mode", "diagnose", "--suite", "mini", "--limit", "100", "--cache", "off")
AT_ONCE = os.cpu_count() or 1
PARTS = 4 * AT_ONCE


def main() -> None:
    """Print the row."""
    if importlib.util.find_spec("ray") is None:
        print("no Ray: pip install '.[ray]'")
        return
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        started = time.perf_counter()
        _asked(out, "--ray", "local", "--out", str(out / "ray"))
        ours = time.perf_counter() - started
        started = time.perf_counter()
        waiting, running = list(range(1, PARTS + 1)), list[subprocess.Popen[bytes]]()
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                part = waiting.pop(0)
                running.append(_begun(out, "--shard", f"{part}/{PARTS}", "--out", str(out / f"part-{part}")))
            done = [process for process in running if process.poll() is not None]
            assert all(process.returncode == 0 for process in done)
            running = [process for process in running if process not in done]
            time.sleep(0.02)
        _report(out, [out / f"part-{part}" for part in range(1, PARTS + 1)])
        peer = time.perf_counter() - started
    note = f"{PARTS} `--shard` commands, {AT_ONCE} at once, and `report`; Ray starts and ends its own processes in ours"
    show([row("4,500 trials by --ray local", ours, peer, 1.5, unit="s", better="less", note=note)])


def _begun(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "run_bench.py"), "run", *COMMON, *more]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet, env={**os.environ, "PYTHONPATH": str(ROOT)})


def _asked(folder: Path, *more: str) -> None:
    assert _begun(folder, *more).wait() == 0


def _report(folder: Path, parts: list[Path]) -> None:
    command = [sys.executable, str(ROOT / "run_bench.py"), "report", *map(str, parts), "--formats", "md", "--out", str(folder / "report")]
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


if __name__ == "__main__":
    main()
