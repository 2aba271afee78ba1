"""Requests for an engine that takes new ones while it runs: it is refilled, never emptied between batches.

The runner asks concurrently; an engine that batches by itself (vLLM) wants to have everything that waits, at any moment. `Refill` keeps one
thread, the only one that ever touches the engine, in a round of turns: hand over what came in, give up what was cancelled, run a step, give
out what is finished. The engine is loaded by the first request, so a run whose replies are all stored or cached never loads it.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bench.errors import Rejected
from bench.models.base import Reply, Request
from bench.models.local.queue import Loadable
from bench.models.promised import fail_with, settle

T = TypeVar("T")
Answered = Sequence[tuple[int, Reply | Rejected]]
"""What is finished: the numbers of requests, and what became of each."""


class RunningEngine(Loadable, Protocol):
    """What runs a model, called from one thread."""

    def turn(self, new: Sequence[tuple[int, Request]], gone: Sequence[int]) -> Answered:
        """Take in `new` requests under their numbers, forget those that are `gone`, run for a moment and return what is finished.

        Raises:
            Unusable: the engine is dead.
        """
        ...

    def stop(self) -> None:
        """Give up soon what is at hand, loading included, if the engine can. Called from another thread."""
        ...


@dataclass(frozen=True, eq=False)
class _Asked:
    number: int
    request: Request
    reply: asyncio.Future[Reply]


class Refill:
    """Keeps `engine` full with what is asked, and loads it when it is first asked."""

    def __init__(self, engine: RunningEngine) -> None:
        self._engine = engine
        self._numbers = itertools.count()
        self._new: deque[_Asked] = deque()
        self._gone: deque[int] = deque()
        self._held: dict[int, _Asked] = {}
        """What the engine has; the engine's thread alone changes it."""
        self._task: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._loaded = False
        self._stopped = threading.Event()

    @property
    def open(self) -> int:
        """How many requests have no reply yet."""
        return len(self._new) + len(self._held)

    async def ask(self, request: Request) -> Reply:
        """The engine's reply to `request`. A caller that is cancelled ends its request in the engine.

        Raises:
            UserError: the engine cannot be loaded.
            Rejected, Unusable: as the engine says.
        """
        asked = _Asked(next(self._numbers), request, asyncio.get_running_loop().create_future())
        self._new.append(asked)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())
            self._task.add_done_callback(self._ended)
        try:
            return await asked.reply
        except asyncio.CancelledError:
            self._gone.append(asked.number)
            raise

    async def close(self) -> None:
        """Give up what is open and free the engine; a later request loads it again."""
        if self._thread is None:
            return
        self._stopped.set()
        for asked in (*self._new, *self._held.copy().values()):
            asked.reply.cancel()
        self._engine.stop()
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task])
        await self._in_thread(self._engine.free)
        self._thread.shutdown()
        self._thread, self._loaded = None, False
        self._held.clear()
        self._new.clear()
        self._gone.clear()
        self._stopped.clear()

    async def _work(self) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "model")
        if not self._loaded:
            await self._in_thread(self._engine.load)
            self._loaded = True
        while self._new and not self._stopped.is_set():
            await self._in_thread(self._run)

    def _run(self) -> None:
        """Turns of the engine, in its thread, until nothing is left to do."""
        while not self._stopped.is_set():
            gone = set(_taken(self._gone))
            new = [asked for asked in _taken(self._new) if asked.number not in gone]
            given_up = [number for number in gone if self._held.pop(number, None)]
            self._held |= {asked.number: asked for asked in new}
            if not self._held and not given_up:
                return
            for number, answer in self._engine.turn([(asked.number, asked.request) for asked in new], given_up):
                asked = self._held.pop(number, None)
                if asked is not None:
                    asked.reply.get_loop().call_soon_threadsafe(settle, asked.reply, answer)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Trouble that ended the work ends every request that waits for it."""
        if fail_with(task, [asked.reply for asked in (*self._held.values(), *self._new)]):
            self._held.clear()
            self._new.clear()


class Dealt:
    """Several engines side by side: each request goes to the one that has the fewest open."""

    def __init__(self, engines: Sequence[RunningEngine]) -> None:
        self._queues = [Refill(engine) for engine in engines]

    async def ask(self, request: Request) -> Reply:
        """As `Refill.ask`."""
        return await min(self._queues, key=lambda queue: queue.open).ask(request)

    async def close(self) -> None:
        """As `Refill.close`, all at once."""
        await asyncio.gather(*(queue.close() for queue in self._queues))


def _taken(waiting: deque[T]) -> list[T]:
    """Everything in `waiting`, which another thread may be adding to."""
    return [waiting.popleft() for _ in range(len(waiting))]
