"""The queue in front of an engine that takes requests while it runs: it is refilled, and what befalls one request is its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import Rejected, Unusable, UserError
from bench.models.base import Reply, Request, Sampling, Stop, Usage
from bench.models.local.refill import Dealt, Refill

T = TypeVar("T")


class Running:
    """An engine that needs as many turns for a request as its text has characters, holds all and refuses texts with `bad` in them."""

    def __init__(self, load_errors: Sequence[Exception] = (), turn_s: float = 0.0) -> None:
        self.load_errors = list(load_errors)
        self.turn_s = turn_s
        self.open: dict[int, list[str | int]] = {}
        self.threads: set[int] = set()
        self.loads = self.frees = self.turns = self.stops = 0
        self.most = 0
        self.gone: list[int] = []
        self.texts: list[str] = []
        self.trouble: Exception | None = None

    def load(self) -> None:
        self.threads.add(threading.get_ident())
        self.loads += 1
        if self.load_errors:
            raise self.load_errors.pop(0)

    def turn(self, new: Sequence[tuple[int, Request]], gone: Sequence[int]) -> list[tuple[int, Reply | Rejected]]:
        self.threads.add(threading.get_ident())
        self.turns += 1
        time.sleep(self.turn_s)
        if self.trouble is not None:
            raise self.trouble
        for number in gone:
            self.gone.append(number)
            del self.open[number]  # it was ours
        done: list[tuple[int, Reply | Rejected]] = []
        for number, request in new:
            self.texts.append(request.text)
            if "bad" in request.text:
                done.append((number, Rejected("the text is bad")))
            else:
                self.open[number] = [request.text, len(request.text)]
        self.most = max(self.most, len(self.open))
        for number, (text, left) in list(self.open.items()):
            self.open[number] = [text, int(left) - 1]
            if int(left) <= 1:
                del self.open[number]
                done.append((number, Reply(str(text), Stop.END, Usage(), 0.0)))
        return done

    def stop(self) -> None:
        self.stops += 1

    def free(self) -> None:
        self.threads.add(threading.get_ident())
        self.frees += 1
        self.open.clear()


def request(text: str) -> Request:
    return Request(text, None, Sampling())


def run(work: Callable[[Refill | Dealt], Awaitable[T]], *engines: Running) -> T:
    async def whole() -> T:
        queue = Refill(engines[0]) if len(engines) == 1 else Dealt(engines)
        try:
            return await work(queue)
        finally:
            await queue.close()

    return asyncio.run(asyncio.wait_for(whole(), 20))


def together(texts: Sequence[str], *engines: Running, at_once: int = 1000) -> list[str | BaseException]:
    async def work(queue: Refill | Dealt) -> list[str | BaseException]:
        slots = asyncio.Semaphore(at_once)

        async def one(text: str) -> str:
            async with slots:
                return (await queue.ask(request(text))).text

        return await asyncio.gather(*(one(text) for text in texts), return_exceptions=True)

    return run(work, *engines)


def test_the_engine_is_refilled_while_it_runs() -> None:
    """64 at once of 512: beside the long ones the short ones come and go, where batches would take 8 times the longest."""
    engine = Running(turn_s=0.001)
    texts = ["a" * (100 if index % 64 == 0 else 4) for index in range(512)]
    assert together(texts, engine, at_once=64) == texts
    assert engine.turns < 8 * 100 / 2
    assert engine.most > 32
    assert len(engine.threads) == 1
    assert threading.get_ident() not in engine.threads
    assert (engine.loads, engine.frees) == (1, 1)


def test_a_refused_request_costs_only_itself() -> None:
    engine = Running()
    texts = [f"{index}" for index in range(9)] + ["bad one"]
    *rest, bad = together(texts, engine)
    assert rest == texts[:-1]
    assert isinstance(bad, Rejected)
    assert sorted(engine.texts) == sorted(texts)  # each was handed over once


def test_who_gives_up_ends_the_request_in_the_engine() -> None:
    engine = Running(turn_s=0.002)

    async def work(queue: Refill | Dealt) -> str:
        gone = [asyncio.ensure_future(queue.ask(request("x" * 5000))) for _ in range(3)]
        stays = asyncio.ensure_future(queue.ask(request("y" * 40)))
        await asyncio.sleep(0.02)
        for task in gone:
            task.cancel()
        return (await stays).text

    assert run(work, engine) == "y" * 40
    assert len(engine.gone) == 3
    assert engine.turns < 1000


def test_close_ends_what_runs_and_frees_the_engine_and_it_may_be_asked_again() -> None:
    engine = Running(turn_s=0.002)

    async def work(queue: Refill | Dealt) -> None:
        asked = asyncio.ensure_future(queue.ask(request("x" * 5000)))
        await asyncio.sleep(0.05)
        await queue.close()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert engine.frees == 1
        assert (await queue.ask(request("b"))).text == "b"

    run(work, engine)
    assert (engine.loads, engine.frees) == (2, 2)
    assert engine.turns < 1000


def test_an_engine_that_is_never_asked_is_never_loaded() -> None:
    engine = Running()
    assert together([], engine) == []
    assert (engine.loads, engine.frees, engine.turns) == (0, 0, 0)


def test_a_load_that_fails_reaches_everyone_and_may_be_tried_again() -> None:
    engine = Running(load_errors=[UserError("no chat template")])

    async def work(queue: Refill | Dealt) -> None:
        errors = await asyncio.gather(*(queue.ask(request(text)) for text in "abc"), return_exceptions=True)
        assert [str(error) for error in errors] == ["no chat template"] * 3
        assert (await queue.ask(request("again"))).text == "again"

    run(work, engine)
    assert engine.loads == 2


@pytest.mark.parametrize("trouble", [Unusable("dead"), ZeroDivisionError("a mistake of ours")])
def test_a_dead_engine_reaches_everyone(trouble: Exception) -> None:
    engine = Running()
    engine.trouble = trouble
    assert together(["a", "b", "c"], engine) == [trouble] * 3


def test_replicas_share_the_work() -> None:
    engines = Running(turn_s=0.001), Running(turn_s=0.001)
    texts = ["a" * (1 + index % 7) for index in range(100)]
    assert together(texts, *engines, at_once=16) == texts
    assert min(len(engine.texts) for engine in engines) >= 25
    assert [engine.frees for engine in engines] == [1, 1]


@given(texts=st.lists(st.text("xy", min_size=1, max_size=12) | st.just("bad"), min_size=1, max_size=24), at_once=st.integers(1, 30))
def test_each_gets_its_own_reply(texts: list[str], at_once: int) -> None:
    replies = together(texts, Running(), at_once=at_once)
    for text, reply in zip(texts, replies, strict=True):
        assert isinstance(reply, Rejected) if text == "bad" else reply == text
