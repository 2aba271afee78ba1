"""The queue in front of a blocking engine: what is batched with what, and what trouble reaches whom."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import Rejected, Unusable, UserError
from bench.models.base import Reply, Request, Sampling, Stop, Usage
from bench.models.local import queue as batching
from bench.models.local.queue import Batcher, OutOfMemory, Unanswerable, size
from tests.models.local_requests import scene

T = TypeVar("T")


class Fake:
    """An engine that echoes; it holds at most `room` requests and refuses texts with `bad` in them."""

    def __init__(self, room: int = 1000, load_errors: Sequence[Exception] = ()) -> None:
        self.room = room
        self.load_errors = list(load_errors)
        self.batches: list[list[str]] = []
        self.loads = 0
        self.frees = 0
        self.threads: set[int] = set()
        self.go = threading.Event()
        self.go.set()
        self.trouble: Exception | None = None

    def load(self) -> None:
        self.threads.add(threading.get_ident())
        self.loads += 1
        if self.load_errors:
            raise self.load_errors.pop(0)

    def answer(self, requests: Sequence[Request]) -> list[Reply | Rejected]:
        self.threads.add(threading.get_ident())
        self.go.wait(10)
        self.batches.append([request.text for request in requests])
        if self.trouble is not None:
            raise self.trouble
        if len(requests) > self.room:
            raise OutOfMemory
        if any("bad" in request.text for request in requests):
            raise Unanswerable("the text is bad")
        return [Reply(request.text, Stop.END, Usage(), 0.0) for request in requests]

    def stop(self) -> None:
        self.go.set()

    def free(self) -> None:
        self.threads.add(threading.get_ident())
        self.frees += 1


def request(text: str) -> Request:
    return Request(text, None, Sampling())


def run(work: Callable[[Batcher], Awaitable[T]], engine: Fake, *, full: int = 16, largest: int | None = None) -> T:
    async def whole() -> T:
        batcher = Batcher(engine, full=full, largest=largest)
        try:
            return await work(batcher)
        finally:
            await batcher.close()

    return asyncio.run(asyncio.wait_for(whole(), 20))


def together(engine: Fake, texts: Sequence[str], *, full: int = 16, largest: int | None = None) -> list[str | BaseException]:
    async def work(batcher: Batcher) -> list[str | BaseException]:
        replies = await asyncio.gather(*(batcher.ask(request(text)) for text in texts), return_exceptions=True)
        return [reply.text if isinstance(reply, Reply) else reply for reply in replies]

    return run(work, engine, full=full, largest=largest)


def test_what_waits_is_one_batch_the_longest_first_in_one_thread() -> None:
    engine = Fake()
    texts = ["a" * length for length in (3, 40, 7, 12)]
    assert together(engine, texts) == texts
    assert engine.batches == [["a" * length for length in (40, 12, 7, 3)]]
    assert len(engine.threads) == 1
    assert threading.get_ident() not in engine.threads
    assert (engine.loads, engine.frees) == (1, 1)


def test_a_picture_counts_by_its_area() -> None:
    assert size(Request("abcd", scene(0, 280, 280), Sampling())) == 101
    assert size(request("abcd" * 100)) == 100


def test_requests_that_come_a_little_later_are_waited_for() -> None:
    engine = Fake()

    async def work(batcher: Batcher) -> None:
        async def late(index: int) -> None:
            await asyncio.sleep(0.003 * index)
            await batcher.ask(request(str(index)))

        await asyncio.gather(*(late(index) for index in range(8)))

    run(work, engine, full=100)
    assert len(engine.batches) == 1


def test_nothing_is_waited_for_when_all_that_can_wait_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "QUIET_S", 60.0)
    assert together(Fake(), ["a", "b"], full=2) == ["a", "b"]  # `run` would give up after 20 s


def test_a_batch_has_a_bound() -> None:
    engine = Fake()
    together(engine, [str(index) for index in range(10)], largest=4)
    assert [len(batch) for batch in engine.batches] == [4, 4, 2]


def test_out_of_memory_halves_the_batch_and_no_later_one_is_as_large() -> None:
    engine = Fake(room=3)
    texts = [f"{index:02}" for index in range(16)]

    async def work(batcher: Batcher) -> tuple[list[Reply], int | None]:
        await asyncio.gather(*(batcher.ask(request(text)) for text in texts))
        first = batcher.largest
        engine.batches.clear()
        return list(await asyncio.gather(*(batcher.ask(request(text)) for text in texts))), first

    replies, largest = run(work, engine)
    assert [reply.text for reply in replies] == texts
    assert largest is not None
    assert largest <= 3
    assert max(len(batch) for batch in engine.batches) <= 3


def test_what_does_not_fit_alone_is_rejected_alone() -> None:
    replies = together(Fake(room=0), ["a", "b"])
    assert all(isinstance(reply, Rejected) and "memory" in str(reply) for reply in replies)


def test_a_refused_request_is_rejected_and_the_rest_of_its_batch_is_answered() -> None:
    engine = Fake()
    texts = [f"{index}" for index in range(9)] + ["bad one"]
    *rest, bad = together(engine, texts)
    assert rest == texts[:-1]
    assert isinstance(bad, Rejected)
    assert str(bad) == "the text is bad"


def test_a_load_that_fails_reaches_everyone_and_may_be_tried_again() -> None:
    engine = Fake(load_errors=[UserError("no chat template")])

    async def work(batcher: Batcher) -> None:
        errors = await asyncio.gather(*(batcher.ask(request(text)) for text in "abc"), return_exceptions=True)
        assert [str(error) for error in errors] == ["no chat template"] * 3
        assert (await batcher.ask(request("again"))).text == "again"

    run(work, engine)
    assert engine.loads == 2


@pytest.mark.parametrize("trouble", [Unusable("dead"), ZeroDivisionError("a mistake of ours")])
def test_a_dead_engine_reaches_everyone(trouble: Exception) -> None:
    engine = Fake()
    engine.trouble = trouble
    assert together(engine, ["a", "b", "c"], largest=2) == [trouble] * 3


def test_those_who_gave_up_are_not_answered() -> None:
    engine = Fake()

    async def work(batcher: Batcher) -> str:
        gone = [asyncio.ensure_future(batcher.ask(request(f"gone {index}"))) for index in range(3)]
        stays = asyncio.ensure_future(batcher.ask(request("stays")))
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        return (await stays).text

    assert run(work, engine) == "stays"
    assert engine.batches == [["stays"]]


def test_close_ends_the_batch_at_hand_and_frees_the_engine() -> None:
    engine = Fake()
    engine.go.clear()

    async def work(batcher: Batcher) -> None:
        asked = asyncio.ensure_future(batcher.ask(request("a")))
        await asyncio.sleep(0.2)
        await batcher.close()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert engine.frees == 1
        assert (await batcher.ask(request("b"))).text == "b"  # it is loaded again

    run(work, engine)
    assert (engine.loads, engine.frees) == (2, 2)


def test_an_engine_that_is_never_asked_is_never_loaded() -> None:
    engine = Fake()

    async def work(batcher: Batcher) -> None:
        await asyncio.sleep(0)

    run(work, engine)
    assert (engine.loads, engine.frees) == (0, 0)


@given(
    texts=st.lists(st.text("xy", max_size=30) | st.just("bad"), min_size=1, max_size=24),
    room=st.integers(1, 8),
    largest=st.none() | st.integers(1, 9),
    full=st.integers(1, 30),
)
def test_each_gets_its_own_reply(texts: list[str], room: int, largest: int | None, full: int) -> None:
    replies = together(Fake(room), texts, full=full, largest=largest)
    for text, reply in zip(texts, replies, strict=True):
        assert isinstance(reply, Rejected) if text == "bad" else reply == text
