"""Simulated time: an event loop whose clock jumps to the next timer, and servers that admit so many requests in it."""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from bench.errors import Transient
from bench.runner.throttle import Limits, Throttle

_T = TypeVar("_T")
Kind = Literal["bucket", "window", "log"]
Says = Literal["nothing", "seconds", "exactly"]


class _Jumping(selectors.SelectSelector):
    """Instead of waiting, moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is left that could happen")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in simulated time; nothing but timers happens in it."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def simulated(work: Callable[[VirtualLoop], Coroutine[Any, Any, _T]]) -> _T:
    """The result of `work`, run in simulated time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work(loop))
    finally:
        loop.close()


@dataclass
class Server:
    """Admits `count` requests in `per` seconds.

    Attributes:
        kind: a token bucket of `burst`, a window that begins anew every `per` seconds, or a log of the last `per` seconds.
        says: how a refusal names the wait: not at all, in whole seconds (rounded up), or exactly.
        latency: seconds that an answer takes, a half more or less; a refusal takes a tenth.
    """

    count: int
    per: float
    kind: Kind = "bucket"
    says: Says = "nothing"
    burst: float = 1.0
    latency: float = 0.3
    seed: int = 0
    admitted: list[float] = field(default_factory=list[float])
    refused: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._tokens, self._at = self.burst, 0.0
        self._recent: deque[float] = deque()

    def _wait(self, now: float) -> float:
        """0 where a request is admitted now, else the seconds until one would be."""
        if self.kind == "bucket":
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.count / self.per)
            self._at = now
            if self._tokens >= 1.0 - 1e-9:
                self._tokens -= 1.0
                return 0.0
            return (1.0 - self._tokens) * self.per / self.count
        start = math.floor(now / self.per) * self.per if self.kind == "window" else now - self.per
        while self._recent and self._recent[0] < start + 1e-9:
            self._recent.popleft()
        if len(self._recent) < self.count:
            self._recent.append(now)
            return 0.0
        return (start if self.kind == "window" else self._recent[0]) + self.per - now

    async def ask(self, loop: asyncio.AbstractEventLoop) -> None:
        """One request.

        Raises:
            Transient: it is refused (429).
        """
        lasts = self.latency * self._rng.uniform(0.5, 1.5)
        await asyncio.sleep(0.05 * lasts)
        wait = self._wait(loop.time())
        if wait > 0:
            self.refused.append(loop.time())
            await asyncio.sleep(0.05 * lasts)
            named = {"nothing": None, "seconds": float(math.ceil(wait)), "exactly": wait}[self.says]
            raise Transient("busy", status=429, retry_after=named)
        self.admitted.append(loop.time())
        await asyncio.sleep(0.95 * lasts)


@dataclass(frozen=True)
class Outcome:
    """How a run went: trials a second beside what the server admits, the share of refused requests after ten seconds, what was lost."""

    rate: float
    refused: float
    lost: int
    refusals: int
    seconds: float


def run(server: Server, trials: int, *, workers: int = 256, limits: Limits | None = None, seed: int = 0) -> Outcome:
    """Ask `server` `trials` times through one throttle, every refused one again."""
    random.seed(seed)

    async def work(loop: VirtualLoop) -> tuple[float, float, int]:
        throttle = Throttle(limits, clock=loop.time)
        began, left, lost = loop.time(), iter(range(trials)), 0

        async def worker() -> None:
            nonlocal lost
            for _ in left:
                while True:
                    try:
                        async with throttle.slot():
                            await server.ask(loop)
                        break
                    except Transient:
                        if throttle.out_of_patience:
                            lost += 1
                            break

        await asyncio.gather(*(worker() for _ in range(workers)))
        return began, loop.time(), lost

    began, ended, lost = simulated(work)
    later = sum(at >= began + 10 for at in server.refused), sum(at >= began + 10 for at in server.admitted)
    seconds = ended - began
    rate = (trials - lost) / seconds / (server.count / server.per)
    return Outcome(rate, later[0] / max(1, sum(later)), lost, len(server.refused), seconds)
