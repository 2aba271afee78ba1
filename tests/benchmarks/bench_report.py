"""How long a report takes and how much memory: `python -m tests.benchmarks.bench_report [--records 1000000] [--models 5] [--replicates 5]`.

Writes a synthetic run directory of the asked size (four modes, 18 families, replicates, replies of some 600 characters), reports it in
a process of its own, and prints one JSON line: seconds of wall clock and of processor time (interpreter start included), peak memory.
The bounds of the project are 60 s and 2 GB for a million records on two cores, and 2 s for 1,800 puzzles in four modes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from tasks.registry import FAMILIES

MODES = ("image", "caption", "oracle", "blind")
RATES = {"image": 0.25 + 0.75 * 0.54, "caption": 0.25 + 0.75 * 0.6, "oracle": 0.25 + 0.75 * 0.9, "blind": 0.25}
_REASONING = "The picture shows what the question is about, and I go through it step by step before I answer. " * 6
_CODE = (
    "import sys; from pathlib import Path; from bench.gap.make import gap_document; from bench.report.markdown import render; "
    "from bench.store.run import open_runs; "
    "render(gap_document(open_runs([Path(sys.argv[1])])))"
)


def write_run(folder: Path, *, records: int, models: int, replicates: int, seed: int = 0) -> int:
    """A synthetic run directory of about `records` records; returns how many."""
    names = [f"openai/model-{index}" for index in range(models)]
    puzzles = max(len(FAMILIES), records // (models * len(MODES) * replicates))
    folder.mkdir(parents=True)
    run = {
        "identity": {},
        "suite": {"name": "algo", "sha256": "0" * 64, "n": puzzles},
        "models": [{"name": name, "simulated": False} for name in names],
        "planned": puzzles * models * len(MODES) * replicates,
        "finished": True,
    }
    (folder / "run.json").write_text(json.dumps(run))
    with (folder / "trials.jsonl").open("w") as out:
        out.writelines(_lines(names, puzzles, replicates, random.Random(seed)))
    return puzzles * models * len(MODES) * replicates


def _lines(models: list[str], puzzles: int, replicates: int, rng: random.Random) -> Iterator[str]:
    options = ["8:30", "3:45", "8:15", "7:45"]
    for model, puzzle, replicate, mode in product(models, range(puzzles), range(replicates), MODES):
        right = rng.random() < RATES[mode]
        answer = options[puzzle % 4] if right else options[(puzzle + 1 + int(rng.random() * 3)) % 4]
        yield json.dumps(_record(model, puzzle, replicate, mode, options, answer, right=right, key=f"{rng.getrandbits(256):064x}")) + "\n"


def _record(
    model: str, puzzle: int, replicate: int, mode: str, options: list[str], answer: str, *, right: bool, key: str
) -> dict[str, Any]:
    family = FAMILIES[puzzle % len(FAMILIES)]
    text = f"{_REASONING}\n\n<answer>{'ABCD'[options.index(answer)]}</answer>"
    usage = {"input": 812, "output": 140, "reasoning": 0}
    reply = {"text": text, "stop": "end_turn", "usage": usage, "latency_s": 1.2, "request_id": None, "model": model, "cached": False}
    image = {"sha256": key, "sent_px": [896, 896], "resized": False} if mode == "image" else None
    return {
        "v": 1, "key": key, "puzzle": f"algo/{family}/{puzzle:016x}", "family": family, "suite": "algo", "model": model, "mode": mode,
        "captioner": "self" if mode == "caption" else None, "caption_prompt": "plain" if mode == "caption" else None, "caption_key": None,
        "format": "mcq", "replicate": replicate, "prompt_sha": "0" * 16, "options": options, "level": 1 + puzzle % 5, "split": "eval",
        "sufficient": True, "image": image, "reply": reply,
        "verdict": {"outcome": "correct" if right else "wrong", "answer": answer, "gold": options[puzzle % 4], "how": "answer-tag"},
        "error": None, "version": "0.1.0",
    }  # fmt: skip


def measure(folder: Path) -> dict[str, float]:
    """Report `folder` in a new process: seconds of wall clock and processor, peak resident memory in GB."""
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", _CODE, str(folder)])
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the report failed with status {status}")
    return {
        "wall_s": round(time.monotonic() - began, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_gb": round(usage.ru_maxrss * 1024 / 1e9, 3),
    }


def main() -> None:
    """Write, report, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--replicates", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        count = write_run(folder, records=arguments.records, models=arguments.models, replicates=arguments.replicates)
        size = (folder / "trials.jsonl").stat().st_size
        print(json.dumps({"records": count, "file_gb": round(size / 1e9, 3), **measure(folder)}))


if __name__ == "__main__":
    main()
