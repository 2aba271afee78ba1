"""The most memory that a run takes: `python -m tests.benchmarks.bench_memory [--trials 100000]`.

Each measurement is the whole command in a process of its own (`tests.benchmarks.child`), its report included. 100,000 trials of a simulated
model in five modes, on a public-shaped set of photographs of some 70 kB, without a cache. And pictures of 3,000 px, some 3 MB each, all
different, asked 256 at once of a server on this machine that takes a second: sent whole (a model whose limits are unknown), and made
smaller (Claude). The bounds are those of the project.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from tests.benchmarks.bench_replay import photograph
from tests.benchmarks.bench_sets import public_set
from tests.benchmarks.child import Cost, command
from tests.benchmarks.loopback import Behaviour, serving
from tests.benchmarks.table import Row, row, show

ASKED_MB, LARGE_MB = 400.0, 1000.0
PUZZLES, MODES = 2000, 5
AT_ONCE, SIDE = 256, 3000


def asked(folder: Path, trials: int) -> Cost:
    """What asking about `trials` trials takes, on as many puzzles as `PUZZLES` or fewer, and reporting them."""
    puzzles = min(PUZZLES, trials // MODES)
    clone = public_set(folder / "clone", puzzles, puzzles, 400)
    words = ["--suite", "algopuzzlevqa", "--data-dir", clone, "--mode", "diagnose", "--replicates", str(trials // MODES // puzzles)]
    return command(folder, "run", "--model", "sim/p=0.6,r=0.9", *words, "--cache", "off", "--out", "run")


def large_pictures(folder: Path, count: int, side: int) -> Path:
    """A set of `count` questions on pictures of `side` px, all different: one JPEG, with a comment of its own in each file."""
    folder.mkdir()
    data = photograph(side)
    with (folder / "data.jsonl").open("w") as out:
        for index in range(count):
            comment = f"picture {index}".encode()
            (folder / f"{index}.jpg").write_bytes(data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:])
            line = {
                "id": f"p{index}",
                "image": f"{index}.jpg",
                "question": "How many are shown?",
                "options": ["1", "2", "3"],
                "answer": "1",
            }
            out.write(json.dumps(line) + "\n")
    return folder / "data.jsonl"


def sent(folder: Path, provider: str, suite: Path, at_once: int) -> Cost:
    """What a run over `suite` takes that asks `at_once` at once, of a server on this machine."""
    with serving(Behaviour(delay_s=1.0)) as url:
        address = f"{url}/v1" if provider == "openai" else url
        os.environ |= {f"{provider.upper()}_BASE_URL": address, f"{provider.upper()}_API_KEY": "sk-not-a-key-at-all"}
        words = ["--suite", str(suite), "--mode", "image", "--concurrency", str(at_once), "--cache", "off", "--out", provider]
        return command(folder, "run", "--model", MODELS[provider], *words)


MODELS = {"openai": "openai/loopback-1", "anthropic": "anthropic/claude-3-7-sonnet-20250219"}


def rows(trials: int, at_once: int, side: int) -> list[Row]:
    """The rows for a run of `trials` trials, and one of `at_once` pictures of `side` px, all of them at once."""
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        many = asked(here, trials)
        suite = large_pictures(here / "large", at_once, side)
        size = (suite.parent / "0.jpg").stat().st_size / 1e6
        whole, smaller = (sent(here, provider, suite, at_once) for provider in MODELS)
    shown = f"pictures of {side:,} px ({size:.1f} MB), {at_once} at once"
    rate = f"{trials / many.cpu_s:,.0f} trials/s of processor time"
    return [
        row(f"{trials:,} trials asked and reported, memory", many.peak_mb, None, ASKED_MB, unit="MB", better="less", note=rate),
        row(f"{shown}, sent whole, memory", whole.peak_mb, None, LARGE_MB, unit="MB", better="less", note="what is in flight is bounded"),
        row(f"{shown}, made smaller, memory", smaller.peak_mb, None, LARGE_MB, unit="MB", better="less", note="Claude's limits"),
    ]


def main() -> None:
    """Ask, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--side", type=int, default=SIDE)
    arguments = parser.parse_args()
    show(rows(arguments.trials, arguments.at_once, arguments.side))


if __name__ == "__main__":
    main()
