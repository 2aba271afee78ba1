"""Faults on the wire, rate limits and batches: nothing is missing, nothing is there twice, and what was said is what is stored."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.config import RunConfig
from bench.errors import SightgapError
from bench.runner import provider_batches
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from tests.chaos.scene import Attempt, Child, make_whole, preload, verdicts
from tests.models.batch_server import BatchServer
from tests.models.fault_server import FaultServer, Seen, Step, cut, echo_key, error, hang, malformed, overloaded, rate_limit, say

KEY = "tk-0123456789abcdef-SECRET"
SHARE = 0.3
"""How many of the requests meet a fault."""
PROTOCOLS = ("anthropic/claude-test", "openai/test-model")


def _answer(text: str) -> str:
    """What the server says to a question: a letter that the question decides."""
    return "ABCD"[hashlib.sha256(text.encode()).digest()[0] % 4]


def _raw(data: bytes, status: int = 200, **headers: str) -> Step:
    return Step(status=status, raw=data, headers={name.replace("_", "-"): value for name, value in headers.items()})


FAULTS: Mapping[str, Step] = {
    "429 with a wait": rate_limit(0.01),
    "429 without": rate_limit(None),
    "429 with a date that is over": rate_limit("Thu, 01 Jan 2015 00:00:00 GMT"),
    "529": overloaded(),
    "529 inside a 200": overloaded(inside_200=True),
    "500": error(500, "api_error"),
    "503": _raw(b"busy", 503),
    "502 of a proxy": _raw(b"<html><title>502 Bad Gateway</title></html>", 502, content_type="text/html"),
    "504": error(504, "timeout_error"),
    "408": error(408, "timeout_error"),
    "409": error(409, "conflict"),
    "425": error(425, "early"),
    "a cut body": cut(),
    "half of a JSON": malformed(),
    "no body": _raw(b""),
    "null": _raw(b"null"),
    "a list": _raw(b"[]"),
    "a text": _raw(b'"overloaded"'),
    "an empty object": _raw(b"{}"),
    "not UTF-8": _raw(b"\xff\xfe{"),
    "HTML with 200": _raw(b"<html>log in</html>", content_type="text/html"),
    "no choices": Step(body={"choices": [], "content": None, "usage": None}),
    "nested without end": _raw(b'{"a":' * 100_000),
    "gzip that is none": _raw(b"no gzip", content_encoding="gzip"),
    "gzip cut": _raw(gzip.compress(b"x" * 9999)[:50], content_encoding="gzip"),
    "an error with the key in it": echo_key(503),
    "too late": hang(2.0),
}


async def _no_wait(_: float) -> None:
    await asyncio.sleep(0)


def _config(name: str, url: str, out: Path, **more: Any) -> RunConfig:
    for variable in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        os.environ[variable] = KEY
    os.environ["ANTHROPIC_BASE_URL"] = url
    asked = {"models": name, "modes": "oracle,blind", "suite": "mini:n=4", "families": "clock", "max_tokens": 64}
    server = f"{url}/v1" if name.startswith("openai") else None
    return RunConfig.of({**asked, "base_url": server, "out": out, "cache": "off", "attempts": 12, "timeout": 1.0, **more})


def faults(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` runs of eight trials; in each a kind of fault meets three in ten requests."""
    (folder / "in").mkdir()
    os.chdir(folder / "in")
    for number in range(n):
        kind, name = list(FAULTS)[number % len(FAULTS)], PROTOCOLS[number // len(FAULTS) % 2]
        rng = random.Random(f"wire {number}")

        def rule(seen: Seen, kind: str = kind, rng: random.Random = rng) -> Step:
            return FAULTS[kind] if rng.random() < SHARE else say(_answer(seen.text))

        with FaultServer(rule=rule) as server:
            yield Attempt(f"{kind}, {name}", _asked(name, server, folder / str(number)))


def _asked(name: str, server: FaultServer, out: Path) -> str | None:
    said = io.StringIO()
    try:
        run_session(make_plan(_config(name, server.url, out)), Console(file=said), sleep=_no_wait)
    except (SightgapError, LookupError, TypeError, ValueError, RecursionError) as trouble:
        return f"{type(trouble).__name__}: {trouble}"
    lines = [json.loads(line) for line in (out / "trials.jsonl").read_text(encoding="utf-8").splitlines()]
    twice = [key for key, count in Counter(line["key"] for line in lines).items() if count > 1]
    if len(lines) != 8 or twice:
        return f"{len(lines)} records of 8 trials, {len(twice)} twice"
    if any(line["error"] or line["reply"]["text"] not in "ABCD" for line in lines):
        return str([line["error"] for line in lines if line["error"]])
    stored = "".join(path.read_text(encoding="utf-8") for path in out.iterdir())
    return "the key is stored or shown" if KEY in stored + said.getvalue() else None


# -- rate limits -------------------------------------------------------------------------------------------------------------------------
def limits(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` servers that take so many requests and then name a wait: nobody asks before it is over, and all trials are answered."""
    (folder / "in").mkdir()
    os.chdir(folder / "in")
    for number in range(n):
        rng = random.Random(f"limit {number}")
        wait, burst = rng.choice([0.4, 0.8]), rng.randrange(2, 6)
        name = PROTOCOLS[number % 2]
        bucket = _Bucket(burst, wait, milliseconds=number % 3 == 0)
        with FaultServer(rule=bucket.rule) as server:
            run_session(make_plan(_config(name, server.url, folder / str(number))), Console(file=io.StringIO()))
        found = verdicts(folder / str(number))
        trouble = f"{len(found)} of 8 trials" if len(found) != 8 or not all(text for _, text in found.values()) else None
        yield Attempt(f"{burst} requests each {wait} s, {name}", trouble or bucket.trouble)


class _Bucket:
    """Takes `burst` requests in `wait` seconds; a question that was refused and comes again before the wait is over is noted."""

    def __init__(self, burst: int, wait: float, *, milliseconds: bool) -> None:
        self._burst, self._wait, self._milliseconds = burst, wait, milliseconds
        self._left, self._opens = burst, 0.0
        self._refused: set[str] = set()
        self.trouble: str | None = None

    def rule(self, seen: Seen) -> Step:
        now = time.monotonic()
        if self._left == 0 and now >= self._opens:
            self._left = self._burst
            self._refused.clear()
        if self._left:
            self._left -= 1
            self._opens = now + self._wait
            return say(_answer(seen.text))
        if seen.text in self._refused:
            self.trouble = f"asked again {self._opens - now:.3f} s before the {self._wait} s were over"
        self._refused.add(seen.text)
        left = self._opens - now + 0.001
        named = {"retry-after-ms": f"{left * 1000:.0f}"} if self._milliseconds else {"retry-after": f"{left:.3f}"}
        return replace(rate_limit(None), headers=named)


# -- batches -----------------------------------------------------------------------------------------------------------------------------
def batches(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` runs in batches that are killed while the provider is polled, then continued: no request is handed in twice."""
    make_whole(folder / "scene")
    preload("openai", "anthropic", "bench.models.api.openai_batch", "bench.models.api.anthropic_batch")
    pace, provider_batches.PACE = provider_batches.PACE, provider_batches.Pace(0.05, 0.02, 0.05)
    try:
        for number in range(n):
            rng, name = random.Random(f"batch {number}"), PROTOCOLS[number % 2]
            with BatchServer(rule=_answer, polls=20) as server:
                out = folder / f"{number}"
                config = _config(name, server.url, out)
                command = _batch_command(name, config, out)
                child = Child.start(*command)
                while not (out / "batches.jsonl").exists() and time.monotonic() < child.started + 60:
                    time.sleep(0.005)
                child.send(rng.choice([signal.SIGKILL, signal.SIGTERM]), time.monotonic() - child.started + rng.uniform(0.0, 0.3))
                done = Child.start(*command).wait()
                texts = Counter(server.asked)
            trouble = f"exit {done.code}: {done.err[-300:]}" if done.code != 0 else None
            twice = [text for text, count in texts.items() if count > 1]
            with suppress(FileNotFoundError):
                trouble = trouble or (f"{len(verdicts(out))} of 8 trials" if len(verdicts(out)) != 8 else None)
            yield Attempt(f"{name}, left while polled", trouble or (f"{len(twice)} requests were handed in twice" if twice else None))
            shutil.rmtree(out)
    finally:
        provider_batches.PACE = pace


def _batch_command(name: str, config: RunConfig, out: Path) -> tuple[str, ...]:
    url = ("--base-url", config.conditions.base_url) if config.conditions.base_url else ()
    return (
        "run", "--model", name, "--mode", "oracle,blind", "--suite", "mini:n=4", "--families", "clock", "--max-tokens", "64", "--batch",
        "--cache", "off", "--out", str(out), *url,
    )  # fmt: skip
