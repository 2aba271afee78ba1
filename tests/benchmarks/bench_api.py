"""Requests a second of API runs beside bare loops over the same SDKs, and beside Inspect AI: `python -m tests.benchmarks.bench_api`.

Server (`tests.benchmarks.loopback`) and client share the machine. Ours is a whole run, from the first trial to the last stored record, with
its reply cache; the peers do nothing but send bodies that lie ready. Each ratio is of processor time (a trial's of ours against a request's
of the peer), measured in turns, the median of `ROUNDS` or `MORE_ROUNDS`; rates are per second of wall clock, and suffer from whatever else
runs.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, DefaultAioHttpClient
from PIL import Image
from rich.console import Console

from bench.config import RunConfig
from bench.image import fit
from bench.models.registry import resolve
from bench.runner.plan import Plan, make_plan
from bench.runner.session import run_session
from tests.benchmarks.loopback import Behaviour, counts, serving
from tests.benchmarks.table import Row, row, show

ROOT = Path(__file__).resolve().parents[2]
TRIALS = 2000
LARGE = 1000
"""Trials, and those whose pictures are large."""
AT_ONCE = 64
ROUNDS, MORE_ROUNDS = 3, 15
REPLICATES = 5
KEYS = {"OPENAI_API_KEY": "sk-not-a-key-at-all", "ANTHROPIC_API_KEY": "sk-not-a-key-at-all"}


@dataclass(frozen=True, slots=True)
class Speed:
    """Requests a second of wall clock, and seconds of processor time for one."""

    rate: float
    cpu: float


def pictures(folder: Path, count: int, side: int, quality: int) -> Path:
    """A set of `count` questions, each on a JPEG of its own, `side` px square."""
    rng = random.Random(1)
    folder.mkdir(parents=True)
    with (folder / "data.jsonl").open("w") as out:
        for index in range(count):
            rough = Image.frombytes("RGB", (300, 300), rng.randbytes(270_000))
            rough.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{index}.jpg", quality=quality)
            options = ["1", "2", "3", "4"]
            question = f"How many are shown in picture {index}?"
            out.write(
                json.dumps({"id": f"p{index}", "image": f"{index}.jpg", "question": question, "options": options, "answer": "1"}) + "\n"
            )
    return folder / "data.jsonl"


def plan_of(out: Path, model: str, suite: str, **options: object) -> Plan:
    asked: dict[str, object] = {"models": [model], "modes": "image", "suite": suite, "concurrency": AT_ONCE, "out": str(out / "run")}
    return make_plan(RunConfig.of({**asked, "cache": str(out / "cache"), **options}))


def ours(model: str, suite: str, **options: object) -> Speed:
    """A whole run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(Path(folder), model, suite, **options)
        resolve(model, plan.options)  # imports the SDK, which has a line of its own
        began, cpu = time.perf_counter(), time.process_time()
        result = run_session(plan, Console(file=io.StringIO()))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        if result.missing:
            raise SystemExit(f"{result.missing} of {plan.total} trials were lost")
        return Speed(plan.total / seconds, cpu / plan.total)


def bare(post: Callable[[bytes], Awaitable[object]], bodies: Sequence[bytes], number: int, close: Callable[[], Awaitable[None]]) -> Speed:
    """Nothing but requests, `AT_ONCE` at once."""

    async def all_of_them() -> Speed:
        numbers = iter(range(number))

        async def some() -> None:
            for index in numbers:
                await post(bodies[index % len(bodies)])

        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        found = Speed(number / (time.perf_counter() - began), (time.process_time() - cpu) / number)
        await close()
        return found

    return asyncio.run(all_of_them())


def bare_openai(url: str, bodies: Sequence[bytes], number: int) -> Speed:
    limits = httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    client = AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0, http_client=DefaultAioHttpClient(limits=limits))
    options: Any = {"headers": {"content-type": "application/json"}}

    async def post(body: bytes) -> object:
        return await client.post("/chat/completions", cast_to=httpx2.Response, content=body, options=options)

    return bare(post, bodies, number, client.close)


def bare_anthropic(url: str, bodies: Sequence[Mapping[str, Any]], number: int) -> Speed:
    client = AsyncAnthropic(api_key="none", base_url=url, max_retries=0)
    by_number = {str(index).encode(): body for index, body in enumerate(bodies)}

    create: Any = client.messages.create

    async def post(key: bytes) -> object:
        return await create(**by_number[key])

    return bare(post, list(by_number), number, client.close)


def in_turns(first: Callable[[], Speed], second: Callable[[], Speed], rounds: int = ROUNDS) -> tuple[float, float, float]:
    """(best rate of each, median of the ratios of processor time, peer's to ours)."""
    pairs = [(first(), second()) for _ in range(rounds)]
    print("ratios by turn:", *(f"{peer.cpu / mine.cpu:.2f}" for mine, peer in pairs), file=sys.stderr)
    rates = (max(pair[side].rate for pair in pairs) for side in (0, 1))
    return (*rates, statistics.median(peer.cpu / mine.cpu for mine, peer in pairs))  # pyright: ignore[reportReturnType]


def openai_rows(folder: Path) -> list[Row]:
    suite = pictures(folder / "openai", TRIALS // REPLICATES, 300, 75)
    files = sorted(suite.parent.glob("*.jpg"))
    bodies = [json.dumps(_chat(path.read_bytes(), index)).encode() for index, path in enumerate(files)]
    size = statistics.mean(len(body) for body in bodies) / 1000
    with serving() as url:
        asked = {"base_url": f"{url}/v1", "replicates": REPLICATES}
        mine, peer, ratio = in_turns(
            lambda: ours("openai/gpt-4o", str(suite), **asked), lambda: bare_openai(url, bodies, TRIALS), MORE_ROUNDS
        )
        inspect = _inspect(url, suite)
    found = [row("OpenAI path", mine, peer, 0.9, ratio=ratio, note=f"bare SDK, ready bodies of {size:.0f} kB; limit: one Python process")]
    if inspect is not None:
        found.append(row("beside Inspect AI", mine, inspect, 10.0, note="its own environment, same server and pictures"))
    return found


def _chat(data: bytes, index: int) -> dict[str, Any]:
    image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(data).decode()}", "detail": "high"}}
    text = {"type": "text", "text": f"How many are shown in picture {index}? (1) (2) (3) (4)"}
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": [image, text]}], "max_completion_tokens": 2048, "seed": index}


def anthropic_rows(folder: Path) -> list[Row]:
    count = 40
    suite = pictures(folder / "anthropic", count, 3136, 20)
    name = "claude-sonnet-4-5"
    with serving() as url:
        os.environ["ANTHROPIC_BASE_URL"] = url
        asked = {"replicates": LARGE // count}
        plan = plan_of(folder / "resized", name, str(suite))
        limits = resolve(name, plan.options).limits
        sent = [fit(puzzle.image, limits) for puzzle in plan.suite.puzzles]
        bodies = [_message(picture.media_type, picture.data) for picture in sent]
        size = statistics.mean(len(picture.data) for picture in sent) * 4 / 3000
        mine, peer, ratio = in_turns(lambda: ours(name, str(suite), **asked), lambda: bare_anthropic(url, bodies, LARGE))
    note = f"bare AsyncAnthropic, the same resized pictures ({size:,.0f} kB); ours resizes {count} of 3,136 px as well"
    return [row("Claude path", mine, peer, 0.8, ratio=ratio, note=note)]


def _message(media_type: str, data: bytes) -> dict[str, Any]:
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "How many are shown?"}]
    return {"model": "claude-sonnet-4-5", "max_tokens": 2048, "messages": [{"role": "user", "content": content}]}


def drawn_rows() -> list[Row]:
    with serving() as url:
        speed = ours("openai/gpt-4o", "algo:n=20,seed=5", base_url=f"{url}/v1", modes="diagnose")
    return [row("algo, drawn while asked, diagnose", speed.rate, None, 300, note="drawing: two cores, 5 trials a picture")]


def waiting_rows(folder: Path) -> list[Row]:
    suite = pictures(folder / "waiting", TRIALS // REPLICATES, 300, 75)
    with serving(Behaviour(delay_s=1.0)) as url:
        speed = ours("openai/gpt-4o", str(suite), base_url=f"{url}/v1", replicates=REPLICATES, concurrency=256)
    ideal = TRIALS / (-(-TRIALS // 256) * 1.0)
    return [row("server of 1 s, concurrency 256", speed.rate, ideal, 0.92, note="2,000 / 8 rounds of 1 s; limit: sending 256 at once")]


def limited_rows(folder: Path) -> list[Row]:
    """A server that admits ten a second, a real one."""
    suite = pictures(folder / "limited", 60, 300, 75)
    with serving(Behaviour(admits=10.0, burst=10.0, says=True, delay_s=0.2)) as url:
        speed = ours("openai/gpt-4o", str(suite), base_url=f"{url}/v1", replicates=REPLICATES, concurrency="auto", max_tokens=100)
        done = counts(url)
    later = [sum(count for second, count in done[kind].items() if second >= 10) for kind in ("refused", "admitted")]
    return [
        row("server that admits 10 a second", speed.rate, 10.0, 0.9, note="its rate, with retry-after; adaptive concurrency"),
        row("  of it refused after 10 s", 100.0 * later[0] / max(1, sum(later)), None, 5.0, unit="%", better="less"),
    ]


def start_rows() -> list[Row]:
    """Processor time of a process from its start to its first request."""
    code = "import sys; from bench.cli import main; sys.exit(main(sys.argv[1:]))"
    with serving() as url, tempfile.TemporaryDirectory() as folder:
        subject = ["--model", "openai/gpt-4o", "--base-url", f"{url}/v1", "--mode", "blind", "--suite", "mini:n=1", "--families", "clock"]
        seconds: list[float] = []
        for index in range(ROUNDS):
            command = [sys.executable, "-c", code, "run", *subject, "--out", f"{folder}/{index}", "--cache", "off"]
            child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while child.poll() is None and sum(counts(url)["admitted"].values()) <= index:
                time.sleep(0.01)
            seconds.append(_cpu_of(child.pid))
            child.wait()
    return [
        row("start to first request", min(seconds), None, 1.0, unit="s", better="less", note="processor time; limit: the SDK's imports")
    ]


def _cpu_of(process: int) -> float:
    """Seconds of processor time that `process` has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _inspect(url: str, suite: Path) -> float | None:
    """Requests a second of Inspect AI, in its own environment; None where that is not there."""
    python = ROOT / ".venv-inspect/bin/python"
    if not python.exists():
        return None
    script = Path(__file__).with_name("inspect_peer.py")
    done = subprocess.run(
        [str(python), str(script), f"{url}/v1", str(suite), "400"], capture_output=True, text=True, check=False, cwd="/tmp"
    )
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return None
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """All rows, or those named: openai, anthropic, drawn, waiting, limited, start."""
    os.environ.update(KEYS)
    wanted = sys.argv[1:] or ["openai", "anthropic", "drawn", "waiting", "limited", "start"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        makers: dict[str, Callable[[], list[Row]]] = {
            "openai": lambda: openai_rows(folder),
            "anthropic": lambda: anthropic_rows(folder),
            "drawn": drawn_rows,
            "waiting": lambda: waiting_rows(folder),
            "limited": lambda: limited_rows(folder),
            "start": start_rows,
        }
        for name in wanted:
            show(makers[name]())


if __name__ == "__main__":
    main()
