"""The throttle in simulated time, against servers that admit so many requests: nothing is lost, little refused, nearly all of it used."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from bench.errors import Transient
from bench.runner.throttle import MOST, START, Limits, Throttle
from tests.runner.virtual import Kind, Says, Server, VirtualLoop, run, simulated

RATES = [
    pytest.param(50, 60.0, 900, id="50 a minute"),
    pytest.param(10, 1.0, 2500, id="10 a second"),
    pytest.param(50, 1.0, 8000, id="50 a second"),
]
SAYS: tuple[Says, ...] = ("nothing", "seconds", "exactly")


@pytest.mark.parametrize("says", SAYS)
@pytest.mark.parametrize("kind", ["bucket", "window"])
@pytest.mark.parametrize(("count", "per", "trials"), RATES)
def test_what_is_admitted_is_used_and_little_refused(count: int, per: float, trials: int, kind: Kind, says: Says) -> None:
    found = run(Server(count, per, kind, says, burst=max(1.0, count / per)), trials)
    assert found.lost == 0
    assert found.rate >= 0.9
    assert found.refused < 0.05


@pytest.mark.parametrize("says", SAYS)
def test_a_log_of_the_last_minute_is_used_nearly_as_well(says: Says) -> None:
    """After the first burst such a server admits nothing for a minute, and its rate shows late."""
    found = run(Server(50, 60.0, "log", says), 900)
    assert found.lost == 0
    assert found.rate >= 0.8
    assert found.refused < 0.05


def test_a_wait_that_is_named_holds_for_all() -> None:
    """Sixteen are under way when the first is refused; nothing is sent until its wait is over, though only one was told."""
    sent: list[float] = []

    async def work(loop: VirtualLoop) -> None:
        throttle = Throttle(clock=loop.time)

        async def ask(number: int) -> None:
            async with throttle.slot():
                sent.append(loop.time())
                await asyncio.sleep(0.1 if number == 0 else 0.2)
                if number == 0:
                    raise Transient("busy", status=429, retry_after=30.0)

        await asyncio.gather(*(ask(number) for number in range(40)), return_exceptions=True)

    simulated(work)
    began = sent[0]
    assert sum(at < began + 0.1 for at in sent) == START
    assert not [at for at in sent if began + 0.1 < at < began + 30.1 - 1e-6]


def test_what_is_refused_without_end_is_bounded_by_time() -> None:
    asked: list[float] = []

    async def work(loop: VirtualLoop) -> float:
        throttle = Throttle(Limits(patience=600.0), clock=loop.time)
        began = loop.time()
        while not throttle.out_of_patience:
            with contextlib.suppress(Transient):
                async with throttle.slot():
                    asked.append(loop.time())
                    raise Transient("busy", status=529)
        return loop.time() - began

    seconds = simulated(work)
    assert 300 < seconds < 1200
    assert len(asked) < 30


def test_other_trouble_slows_nobody_down() -> None:
    async def work(loop: VirtualLoop) -> float:
        throttle = Throttle(clock=loop.time)
        for _ in range(100):
            with contextlib.suppress(Transient):
                async with throttle.slot():
                    await asyncio.sleep(0.1)
                    raise Transient("broken", status=503, retry_after=60.0)
        return loop.time()

    assert simulated(work) == pytest.approx(1010.0)


def together(latency: float, slots: float, trials: int, limits: Limits | None = None) -> tuple[float, int]:
    """(seconds, most at once) of `trials` requests of `latency` seconds to a server that works on `slots` at a time."""

    async def work(loop: VirtualLoop) -> tuple[float, int]:
        throttle, left = Throttle(limits, clock=loop.time), iter(range(trials))
        server, most, rng = asyncio.Semaphore(int(slots)), 0, random.Random(1)

        async def worker() -> None:
            nonlocal most
            for _ in left:
                async with throttle.slot():
                    most = max(most, throttle.at_once)
                    async with server:
                        await asyncio.sleep(latency * rng.uniform(0.7, 1.3))

        began = loop.time()
        await asyncio.gather(*(worker() for _ in range(MOST)))
        return loop.time() - began, most

    return simulated(work)


def test_auto_opens_up_to_a_server_that_takes_everything() -> None:
    seconds, most = together(1.0, 10_000, 4000)
    assert most == MOST
    assert seconds < 4000 / MOST + 8


def test_auto_does_not_pile_requests_upon_a_server_that_queues_them() -> None:
    seconds, most = together(10.0, 4, 400)
    assert most < 4 * START
    assert seconds < 1.1 * 400 * 10 / 4


def test_a_number_that_a_person_named_is_kept() -> None:
    seconds, most = together(1.0, 10_000, 2000, Limits.fixed(250))
    assert most == 250
    assert seconds < 10.5
