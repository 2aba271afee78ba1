"""Asks a real small language model, behind a real llama.cpp server, and shows what the grader made of its replies (`make test-llm`).

`python -m tests.llm.ask VENV OUT [--limit 12]`: `VENV` is what `setup.sh` made. 18 families x 12 puzzles in the modes oracle and blind,
once with options and once open, are 864 replies: about half an hour on an idle core. The replies stay in `OUT`, and a call that was
interrupted goes on. What has to hold is that every trial gets a reply and a verdict of the grader; whether the verdicts are those of a
person is what `docs/grading.md` reports, for the replies kept in `tests/llm/replies.json`. `python -m tests.llm.ask --keep OUT` writes
that file anew: whoever does so has to read every reply again.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.cli import main as command
from bench.grader.rulebook import explained
from bench.store.record import Record
from bench.store.run import open_run
from tests.conftest import ROOT

HERE = Path(__file__).parent
FORMATS = ("mcq", "open")
LONGEST = 1_200
"""Characters of a reply that is kept in the repository; the longest ones are loops that run to the token limit."""


@contextmanager
def served(venv: Path, log: Path) -> Generator[str]:
    """The base URL of the model's server, while it runs; what it prints goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as printed:
        server = subprocess.Popen(
            [venv / "bin/python", HERE / "serve.py", venv / "model.gguf", str(port)], stdout=printed, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"{url}/models", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                if server.poll() is not None:
                    raise SystemExit(f"the server ended with {server.returncode}") from None
                time.sleep(0.5)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def ask(url: str, out: Path, limit: int) -> None:
    """Both runs; a run that is complete asks nothing."""
    os.environ.setdefault("OPENAI_API_KEY", "none needed")
    for fmt in FORMATS:
        asked = ["run", "--model", "openai/smollm2", "--base-url", url, "--suite", "algo", "--level", "1", "--mode", "oracle,blind"]
        asked += ["--format", fmt, "--limit", str(limit), "--max-tokens", "200", "--concurrency", "4", "--out", str(out / fmt)]
        code = command(asked)
        if code:
            raise SystemExit(code)


def replies(out: Path) -> Iterator[Record]:
    """The records of both runs; each has a reply."""
    for fmt in FORMATS:
        for record in open_run(out / fmt).latest().values():
            if record.reply is None:
                raise SystemExit(f"{record.puzzle} ({record.mode}, {fmt}): no reply ({record.error})")
            yield record


def show(records: list[Record]) -> None:
    """How many replies each rule read."""
    for fmt in FORMATS:
        counts = Counter((r.verdict.outcome.value, r.verdict.how) for r in records if r.format == fmt)
        print(f"{fmt}: {counts.total()} replies")
        for (outcome, how), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            print(f"  {count:4} {outcome:9} {how:14} {explained(how)}")


def keep(records: list[Record]) -> None:
    """Write the replies with their verdicts, one a line, for a person to read."""
    rows = [
        {
            "family": r.family, "mode": r.mode, "fmt": r.format, "options": list(r.options) if r.format == "mcq" else [],
            "gold": r.verdict.gold, "stop": r.reply.stop.value, "text": r.reply.text,
            "outcome": r.verdict.outcome.value, "answer": r.verdict.answer, "how": r.verdict.how,
        }
        for r in records if r.reply and len(r.reply.text) <= LONGEST
    ]  # fmt: skip
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (HERE / "replies.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(rows)} of {len(records)} replies kept", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("venv", type=Path, nargs="?", help="what setup.sh made")
    parser.add_argument("out", type=Path, help="folder of the two runs")
    parser.add_argument("--limit", type=int, default=12, help="puzzles of each family (default: 12)")
    parser.add_argument("--keep", action="store_true", help="ask nothing, write replies.json from OUT")
    arguments = parser.parse_args()
    if not arguments.keep:
        if arguments.venv is None:
            parser.error("VENV is needed to ask")
        with served(arguments.venv, arguments.out / "server.log") as url:
            ask(url, arguments.out, arguments.limit)
    records = list(replies(arguments.out))
    show(records)
    if arguments.keep:
        keep(records)


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
