"""How long a run of a million records takes to plan, and to go on with: `python -m tests.benchmarks.bench_resume [--records N]`.

Each measurement is a process of its own (`tests.benchmarks.child`). A run directory of `bench_report` is opened as a session opens it
(which of its trials are finished, which captions are there), beside the way that builds a record of every line; a run of as many trials is
planned and walked through. The goals are those of the project: 15 s and 500 MB for a million records, 10 s for the plan. And 100,000
records are reported, which is the most memory that a run of them takes: 400 MB.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from tests.benchmarks.bench_report import write_run
from tests.benchmarks.child import command, python
from tests.benchmarks.table import Row, row, show

RESUME_S, PLAN_S, RESUME_MB, REPORT_MB = 15.0, 10.0, 500.0, 400.0
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
        naive, start = python(_RECORDS, str(small)), python("print(0)")
        naive_s, naive_mb = naive.cpu_s * count / few, start.peak_mb + (naive.peak_mb - start.peak_mb) * count / few
        resumed = python(_RESUME, str(run))
        assert resumed.last == count
        large = Path(scratch) / "large"
        write_run(large, records=int(100_000 * scale), models=2, replicates=5)
        reported = command(Path(scratch), "report", "large", "--formats", "md,html", "--out", "report")
    times = max(1, records // (40 * 9 * 5))
    planned, walked = python(_PLAN, str(times)), python(_WALK, str(times))
    total = planned.last
    assert walked.last == total
    note = f"building a record of every line: {naive_s:.0f} s, {naive_mb:,.0f} MB ({few:,} records, scaled)"
    whole = f"{count:,} records"
    return [
        row(f"{whole} and {count // 5:,} captions resumed", resumed.cpu_s, None, RESUME_S * scale, unit="s", better="less", note=note),
        row(f"{whole} resumed, memory", resumed.peak_mb, None, RESUME_MB, unit="MB", better="less", note=note),
        row(f"{int(100_000 * scale):,} trials reported, memory", reported.peak_mb, None, REPORT_MB, unit="MB", better="less"),
        row(f"{total:,} trials planned", planned.cpu_s, None, PLAN_S, unit="s", better="less", note="the suite is drawn, no trial is made"),
        row(f"{total:,} trials planned, memory", planned.peak_mb, None, None, unit="MB", better="less"),
        row(f"{total:,} trials planned and looked at", walked.cpu_s, None, PLAN_S, unit="s", better="less"),
        row(
            f"{total:,} trials looked at, memory",
            walked.peak_mb,
            None,
            planned.peak_mb + 20,
            unit="MB",
            better="less",
            note="the plan's and 20 MB",
        ),
    ]


def main() -> None:
    """Write, resume, plan, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    show(rows(parser.parse_args().records))


if __name__ == "__main__":
    main()
