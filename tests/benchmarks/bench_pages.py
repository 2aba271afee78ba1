"""How long the pages of a run take: `python -m tests.benchmarks.bench_pages [--limit 23] [--suite algo]`.

Asks a simulated model about every family of a suite (five arms), then writes gap.json, Markdown and HTML with every picture in a process
of its own, and prints one JSON line: trials, puzzles, seconds of the document and of the pages, bytes of the page. The goal is 2 s for the
pages of 2,000 trials on 400 puzzles on two free cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT

_CODE = """
import json, sys, time
from pathlib import Path
from bench.store.run import open_runs
from bench.gap.make import gap_document
from bench.publish import publish
import bench.report.html.page
run, out = map(Path, sys.argv[1:])
began = time.monotonic(), time.process_time()
runs = open_runs([run])
document = gap_document(runs)
made = time.monotonic(), time.process_time()
publish(document, runs, out, ("md", "html"))
done = time.monotonic(), time.process_time()
trials = sum(mode["n"] for model in document["models"] for mode in model["modes"].values())
print(json.dumps({
    "trials": trials, "puzzles": document["suite"]["n"], "page_bytes": (out / "report.html").stat().st_size,
    "document_s": round(made[0] - began[0], 2), "document_cpu_s": round(made[1] - began[1], 2),
    "pages_s": round(done[0] - made[0], 2), "pages_cpu_s": round(done[1] - made[1], 2),
}))
"""


def main() -> None:
    """Ask, report, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, default=23)
    parser.add_argument("--suite", default="algo")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        ask = ["--model", "sim/p=0.6,r=0.9", "--suite", arguments.suite, "--limit", str(arguments.limit), "--mode", "diagnose"]
        command = [sys.executable, str(ROOT / "run_bench.py"), "run", *ask, "--cache", "off", "--out", str(run)]
        subprocess.run(command, cwd=scratch, check=True, capture_output=True)
        subprocess.run([sys.executable, "-c", _CODE, str(run), str(Path(scratch) / "out")], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
