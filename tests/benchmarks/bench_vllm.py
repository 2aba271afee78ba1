"""`vllm/` beside a bare `LLM.chat` of all prompts at once, in one process and on one engine, in turn; needs `make environments`.

    make bench PARTS=vllm

What is measured is processor time, since other work on the machine only adds to the clock; every round starts with empty caches. The second
row is a whole run: puzzles drawn, asked with `--concurrency 64`, graded and stored, beside an `LLM.chat` of the same prompts and pictures.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.config import Conditions, Execution, RunConfig, Subject
from bench.mode import Mode
from bench.models.base import ModelOptions, Reply, Request
from bench.models.local.model import Local
from bench.models.local.vllm import messages, sampling_params
from bench.outcome import Format
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from bench.store.run import open_run
from tests.benchmarks.table import Row, row, show
from tests.conftest import ROOT

PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
SETTINGS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
OPTIONS = "dtype=float32,eager=yes,max_len=1024"
CONCURRENCY = 64
PER_FAMILY = 28
NEW = 64
REPEATS = 5
LIMIT = 0.95


def main() -> None:
    """Print the rows, measured by the interpreter that has vLLM."""
    if sys.argv[1:] == ["measure"]:
        print(json.dumps(measure()))
        return
    if not PYTHON.exists():
        print("no .venv-vllm: make environments")
        return
    done = subprocess.run(
        [PYTHON, "-m", "tests.benchmarks.bench_vllm", "measure"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **SETTINGS},
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    show([Row(**found) for found in json.loads(done.stdout.splitlines()[-1])])


def measure() -> list[dict[str, Any]]:
    """Both rows, as data."""
    with tempfile.TemporaryDirectory() as folder:
        return [asdict(made) for made in rows(Path(folder))]


def rows(folder: Path) -> list[Row]:
    """`vllm/` asked as the runner asks, and a whole run, each beside the bare engine."""
    model, sent = KeptOpen(f"vllm/{ROOT / 'results' / 'checkpoints' / 'tiny-base'}?{OPTIONS}"), list[Request]()
    plan = make_plan(
        RunConfig(
            Subject(models=(model.name,), modes=(Mode.IMAGE,), suite="mini", limit=PER_FAMILY),
            Conditions(format=Format.OPEN, max_tokens=NEW),
            Execution(cache="off", concurrency=CONCURRENCY),
        )
    )
    outs = (folder / str(number) for number in itertools.count())

    def run() -> int:
        config = replace(plan.config, execution=replace(plan.config.execution, out=next(outs)))
        whole = replace(plan, config=config, models=[replace(part, model=model) for part in plan.models])
        done = run_session(whole, Console(file=io.StringIO()))
        assert done.missing == 0
        return sum(record.reply.usage.output for record in open_run(done.folder).records() if record.reply)

    model.sent = sent
    run()  # loads the engine
    model.sent = None
    queue: Any = model.queue
    llm: Any = queue._engine._llm

    def bare() -> int:
        outputs = llm.chat([messages(one) for one in sent], [sampling_params(one.sampling) for one in sent], use_tqdm=False)
        return sum(len(output.outputs[0].token_ids) for output in outputs)

    def chat() -> int:
        return queue._thread.submit(bare).result()  # vLLM binds the thread that loads it to a core of its own

    def ask() -> int:
        pending, replies = iter(sent), list[Reply]()

        async def work() -> None:
            for request in pending:
                replies.append(await model.ask(request))

        async def whole() -> None:
            await asyncio.gather(*(work() for _ in range(max(CONCURRENCY, model.width))))

        asyncio.run(whole())
        return sum(reply.usage.output for reply in replies)

    def forget() -> None:
        llm.reset_prefix_cache()
        llm.llm_engine.reset_mm_cache()

    note = f"LLM.chat of the same {len(sent)} prompts and pictures at once"
    return [
        compared("vllm/, asked one by one at concurrency 64", ask, chat, forget, note),
        compared("a whole run by vllm/ at concurrency 64", run, chat, forget, f"{note}; drawing, grading and storing are in ours alone"),
    ]


class KeptOpen(Local):
    """A model that outlives its run, so that one engine serves all rounds, and notes what it is asked."""

    sent: list[Request] | None = None

    def __init__(self, name: str) -> None:
        provider, _, text = name.partition("/")
        super().__init__(name, provider, text, ModelOptions(concurrency=CONCURRENCY), announce=lambda line: None)

    async def ask(self, request: Request) -> Reply:
        if self.sent is not None:
            self.sent.append(request)
        return await super().ask(request)

    async def close(self) -> None:
        """Nothing: the next round asks again."""


def compared(what: str, ours: Callable[[], int], peer: Callable[[], int], before: Callable[[], None], note: str) -> Row:
    """Tokens a processor second, round by round in turn; the ratio is the median of the rounds after the first."""
    rounds = [(speed(ours, before), speed(peer, before)) for _ in range(REPEATS)][1:]
    return row(
        what,
        statistics.median(mine for mine, _ in rounds),
        statistics.median(theirs for _, theirs in rounds),
        LIMIT,
        ratio=statistics.median(mine / theirs for mine, theirs in rounds),
        unit="tokens/s of processor time",
        note=note,
    )


def speed(work: Callable[[], int], before: Callable[[], None]) -> float:
    before()
    started = time.process_time()
    tokens = work()
    found = tokens / (time.process_time() - started)
    print(f"{work.__name__}: {tokens} tokens, {found:,.0f} a processor second", file=sys.stderr)
    return found


if __name__ == "__main__":
    main()
