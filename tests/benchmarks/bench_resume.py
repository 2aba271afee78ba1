"""How long a run of a million records takes to plan, to go on and to stop again: `python -m tests.benchmarks.bench_resume [--records N]`.

Each measurement is a process of its own: seconds of processor time (Python's start included) and peak resident memory. A run directory of
`bench_report` is opened as a session opens it (which of its trials are finished, which captions are there), beside the way that builds a
record of every line; and a run of as many trials is planned and walked through, keys included. The goals are those of the project: 15 s and
500 MB for a million records, 10 s for the plan.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.bench_report import write_run
from tests.benchmarks.table import Row, row, show

RESUME_S, PLAN_S, RESUME_MB = 15.0, 10.0, 500.0
NAIVE = 20_000
"""Records that the way of old is given: the rest is proportional."""

_RESUME = """
import sys; from bench.store.run import open_run; from bench.store.writer import Store
run = open_run(sys.argv[1])
store = Store(run.folder, run.about, run.info.identity); store.close(); print(len(store.finished))
"""
_RECORDS = """
import sys; from bench.store.run import open_run
print(len({record.key for record in open_run(sys.argv[1]).latest().values() if record.final}))
"""
_PLAN = """
import sys; from bench.cli import build_parser; from bench.commands.options import run_config; from bench.runner.plan import make_plan
words = ["run", "--model", "sim/p=1,r=1", "--suite", "mini:n=40", "--mode", "diagnose", "--replicates", sys.argv[1], "--cache", "off"]
plan = make_plan(run_config(build_parser().parse_args(words)))
print(plan.total)
"""
_WALK = _PLAN + "print(sum(1 for part in plan.models for _ in part.trials))"


def measure(code: str, argument: str) -> tuple[float, float, int]:
    """(seconds of processor time, peak resident MB, what it printed last) of `code` in a new process."""
    child = subprocess.Popen([sys.executable, "-c", code, argument], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the measurement failed with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3, int(printed.split()[-1])


def _captioned(folder: Path, captions: int) -> None:
    text = "The picture shows a clock whose hour hand stands between eight and nine. " * 8
    reply = {"text": text, "stop": "end_turn", "usage": {"input": 812, "output": 140, "reasoning": 0}, "latency_s": 1.2, "cached": False}
    with (folder / "captions.jsonl").open("w") as out:
        for number in range(captions):
            line = {"v": 1, "key": f"{number:064x}", "puzzle": f"algo/clock/{number:016x}", "text": text, "reply": reply, "error": None}
            out.write(json.dumps(line) + "\n")


def rows(records: int) -> list[Row]:
    """The rows for a run of about `records` records, a fifth as many captions beside them."""
    scale = records / 1_000_000
    with tempfile.TemporaryDirectory() as scratch:
        run, small = Path(scratch) / "run", Path(scratch) / "small"
        count = write_run(run, records=records, models=5, replicates=5)
        _captioned(run, count // 5)
        few = write_run(small, records=min(NAIVE, records), models=5, replicates=5)
        naive_s, naive_mb, _ = measure(_RECORDS, str(small))
        _, start_mb, _ = measure("print(0)", "")
        naive_s, naive_mb = naive_s * count / few, start_mb + (naive_mb - start_mb) * count / few
        resume_s, resume_mb, finished = measure(_RESUME, str(run))
        assert finished == count
    times = max(1, records // (40 * 9 * 5))
    plan_s, plan_mb, total = measure(_PLAN, str(times))
    walk_s, walk_mb, walked = measure(_WALK, str(times))
    assert walked == total
    naive = f"building a record of every line: {naive_s:.0f} s, {naive_mb:,.0f} MB ({few:,} records, scaled)"
    whole = f"{count:,} records"
    return [
        row(f"{whole} and {count // 5:,} captions resumed", resume_s, None, RESUME_S * scale, unit="s", better="less", note=naive),
        row(f"{whole} resumed, memory", resume_mb, None, RESUME_MB, unit="MB", better="less", note=naive),
        row(f"{total:,} trials planned", plan_s, None, PLAN_S, unit="s", better="less", note="the suite is drawn, no trial is made"),
        row(f"{total:,} trials planned, memory", plan_mb, None, None, unit="MB", better="less"),
        row(f"{total:,} trials planned and looked at", walk_s, None, PLAN_S, unit="s", better="less"),
        row(
            f"{total:,} trials looked at, memory", walk_mb, None, plan_mb + 20, unit="MB", better="less", note="that of the plan and 20 MB"
        ),
    ]


def main() -> None:
    """Write, resume, plan, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    show(rows(parser.parse_args().records))


if __name__ == "__main__":
    main()
