"""How many requests of one account may be under way, and how fast: one throttle for all clients that ask the same provider or server.

A rate limit holds for every request and not only for the one that met it. So a refusal (429, 529) slows all down at once, and each answer
lets all go a little faster:

- **how many at once** grows from `start` by one with each answer, which doubles it in the time of one answer, as long as answers do not
  take twice as long as they did at the start (a server that queues gains nothing by more); a person's own number is kept as it is.
- **how fast** is bounded only once something was refused. From the first refusal on, what was admitted is counted: between two refusals
  the server has admitted what it admits. After a refusal all wait (as long as the provider says, or a little longer with each refusal in a
  row), then go on at a little less than that rate, which grows with every answer, so that the bound is tried again after some `PROBE`
  answers, or after thirty times the wait that a refusal costs: what is refused, and what is waited for it, stays a few per cent.

A request that is refused for its rate is asked again, however often; what bounds it is time. Where nothing was admitted in `patience`
seconds of such waits, the trouble is no rate limit, and the requests fail (`out_of_patience`).
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.errors import Transient

Sleep = Callable[[float], Awaitable[None]]

RATE_LIMITS = (429, 529)
"""Statuses that concern the account or the service, not the one request."""

START, MOST = 16, 256
"""Requests at once where nobody names a number: at the start, and at most."""

PROBE = 40
"""Answers after a refusal until the rate that was refused is tried again."""

_BACK = 0.97
"""The share of the measured rate that is gone on with after a refusal."""
_FEW = 3
"""Answers between two refusals from which something is known of their rate."""
_SURE = 20
"""Answers from which older ones no longer count."""
_NEAR = 0.9
"""The share of a refused rate above which what was counted agrees with it."""
_UNSURE = 0.4
"""Most that an estimate is taken to be wrong by, as a logarithm."""
_COST = 30.0
"""How much longer than the wait that a refusal costs it takes until the next one is risked."""
_STEEPEST = 0.05
"""The largest share by which the rate grows with one answer."""
_LATENCY = 0.1
"""The weight of one answer in the mean of latencies."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many requests at once: from `start` to `most` (the same for a number that a person named), and the waits in seconds.

    A wait that the provider names counts up to `longest_named`. After refusals in a row without one, all wait `first`, doubled each time
    up to `longest`. `patience` bounds all such waits without an answer between them.
    """

    start: int = START
    most: int = MOST
    longest_named: float = 600.0
    first: float = 1.0
    longest: float = 60.0
    patience: float = 900.0

    @classmethod
    def fixed(cls, number: int) -> Limits:
        """Always `number` at once, unless requests are refused."""
        return cls(number, number)


class Throttle:
    """See the module's text.

    Args:
        limits: how many, how long.
        sleep: how to wait (tests replace it).
        clock: seconds, monotonic (tests replace it).
    """

    def __init__(self, limits: Limits | None = None, *, sleep: Sleep = asyncio.sleep, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or Limits()
        self._sleep, self._clock = sleep, clock
        self._gate = asyncio.Lock()
        self._room = asyncio.Event()
        self._at_once = float(self._limits.start)
        self._open = 0
        self._latency = _Latency(self._limits.start)
        self._rate: float | None = None  # requests a second, None until something was refused
        self._next_at = self._resume_at = 0.0
        self._total = self._count = _Count()  # since the first request, and since a refusal
        self._cut_at = -math.inf  # what was sent before belongs to a refusal that is dealt with already
        self._known = self._unsure = 1.0
        self._since_cut = self._in_a_row = 0
        self._named = self._paused = self._waited = 0.0

    @property
    def at_once(self) -> int:
        """How many requests may be under way now."""
        return max(1, int(self._at_once))

    @property
    def out_of_patience(self) -> bool:
        """Whether waits without an answer between them have used up the patience."""
        return self._waited > self._limits.patience

    @property
    def pause(self) -> float:
        """Seconds for which nothing is sent."""
        return max(0.0, self._resume_at - self._clock())

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for leave to send one request; the request is sent, and answered, inside."""
        if self._gate.locked() or not self._free():
            async with self._gate:  # first come, first served
                while not self._free():
                    await self._wait()
        sent = self._clock()
        held_back = self._rate is not None and sent - self._next_at < 0.5 / self._rate
        if self._rate is not None:
            self._next_at = max(sent, self._next_at) + 1.0 / self._rate
        for count in {self._total, self._count}:
            count.send(sent)
        self._open += 1
        try:
            yield
        except Transient as error:
            if error.status in RATE_LIMITS:
                self._refused(error, sent)
            raise
        else:
            self._answered(self._clock() - sent, sent, held_back=held_back)
        finally:
            self._open -= 1
            self._room.set()

    def _free(self) -> bool:
        return self._open < self.at_once and (self._rate is None or self._clock() >= max(self._resume_at, self._next_at))

    async def _wait(self) -> None:
        if self._open >= self.at_once:
            self._room.clear()
            await self._room.wait()
            return
        until = max(self._resume_at, self._next_at)
        await self._sleep(max(0.0, until - self._clock()))
        if until == max(self._resume_at, self._next_at):  # waited for, whatever the clock of a test says
            self._resume_at = self._next_at = min(until, self._clock())

    # -- what answers and refusals say ---------------------------------------------------------------------------------------------
    def _answered(self, latency: float, sent: float, *, held_back: bool) -> None:
        self._waited = 0.0
        if self._latency.add(latency) and self._at_once < self._limits.most:
            self._at_once += 1.0 if self._rate is None else 1.0 / self._at_once
        if self._rate is None or sent <= self._cut_at:
            return
        if self._in_a_row:  # the first that was admitted after refusals
            self._in_a_row = 0
            if self._known < _FEW:
                self._rate = max(self._rate, self._total.rate(self._clock()))
                self._next_at = self._clock() + 1.0 / self._rate
        self._since_cut += 1
        if held_back:
            self._rate *= 1.0 + self._growth()

    def _growth(self) -> float:
        """By what share the rate grows with one answer: the less was counted, the less is known of it, and the faster it grows."""
        assert self._rate is not None
        if self._known < _FEW:
            slowly, unsure = max(_FEW, self._paused * self._rate), 0.5
        else:
            slowly = max(self._known, _COST * self._named * self._rate)
            unsure = self._unsure if slowly > 2.0 * self._known else min(self._unsure, 0.05)
        # in so many answers from what was gone back to, to what was refused
        return min(_STEEPEST, (1.0 - _BACK + unsure) / slowly * 2.0 ** min(6.0, self._since_cut // slowly))

    def _refused(self, error: Transient, sent: float) -> None:
        now = self._clock()
        named = min(error.retry_after or 0.0, self._limits.longest_named)
        late = sent <= self._cut_at  # was under way when the first of them was refused
        if not (late and self._count.since >= self._cut_at):
            self._count.deny()
        if self._total is not self._count:
            self._total.deny()
        if late:
            self._resume_at = max(self._resume_at, now + named)
            return
        own = self._limits.first * 2.0**self._in_a_row
        if self._known >= _FEW and self._rate is not None:  # one too many at a rate that is known: a turn or two is enough
            own = min(own, 2.0**self._in_a_row / min(self._rate, self._count.rate(sent)))
        own = min(own, self._limits.longest) * random.uniform(0.75, 1.0)
        pause = named if named and not self._in_a_row else max(named, own)
        self._rate = max(1e-3, self._slower(sent, pause))
        if self._total is self._count or self._count.admitted >= _SURE:
            self._count = _Count(now)
        self._named, self._paused, self._cut_at, self._since_cut = named, pause, now, 0
        self._in_a_row += 1
        self._waited += pause
        self._resume_at = max(self._resume_at, now + pause)
        self._next_at = self._resume_at

    def _slower(self, sent: float, pause: float) -> float:
        """The rate to go on with, after the refusal of a request that was `sent` then, and the `pause`.

        A rate that was admitted for a while is little too high. One that was refused at once is far too high: what was admitted since an
        earlier refusal is as much as a server admits that has nothing saved up from quiet times, and the truth lies between.
        """
        if self._rate is None:
            return 1.0 / pause
        if self._in_a_row:
            return 0.9 * self._rate if self._known >= _FEW else 1.0 / pause
        admitted, counted = self._count.admitted, self._count.rate(sent)
        self._known = min(PROBE, max(self._known, admitted))
        if admitted < _FEW:
            return 0.9 * min(self._rate, self._total.rate(sent))
        between = self._rate if counted > _NEAR * self._rate else math.sqrt(self._rate * counted)
        self._unsure = min(_UNSURE, max(0.5 / self._known, math.log(self._rate / between)))
        return _BACK * between


class _Latency:
    """The mean seconds of an answer, against what it was for the first `usual_after` answers."""

    def __init__(self, usual_after: int) -> None:
        self._left = usual_after
        self._mean = self._usual = math.nan

    def add(self, seconds: float) -> bool:
        """Count one more answer; whether answers still come as fast as they used to."""
        self._mean = seconds if math.isnan(self._mean) else self._mean + _LATENCY * (seconds - self._mean)
        self._left -= 1
        if self._left == 0:
            self._usual = self._mean
        return math.isnan(self._usual) or self._mean < 2.0 * self._usual


class _Count:
    """What was sent and refused `since` a moment (None: since the first request)."""

    def __init__(self, since: float | None = None) -> None:
        self._since = since
        self._sent = self._denied = 0

    @property
    def since(self) -> float:
        return -math.inf if self._since is None else self._since

    @property
    def admitted(self) -> int:
        return max(0, self._sent - self._denied)

    def send(self, now: float) -> None:
        self._since = now if self._since is None else self._since
        self._sent += 1

    def deny(self) -> None:
        self._denied += 1

    def rate(self, now: float) -> float:
        """Requests a second that were admitted until `now`."""
        return (self.admitted + 0.5) / max(1e-3, now - self.since)
