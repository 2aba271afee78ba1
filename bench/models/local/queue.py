"""Batches for an engine that blocks: requests that wait together are answered together.

The runner asks concurrently; a local engine wants one call with many prompts. `Batcher` gathers what waits, longest first, and hands it to
the engine in one worker thread, the only one that ever touches the weights. A batch that does not fit into memory is halved, and no later
one is as large again; a batch with a request that the engine refuses is halved until that request stands alone. The engine is loaded by the
first request, so a run whose replies are all stored or cached never loads it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bench.errors import Rejected
from bench.models.base import Reply, Request
from bench.models.promised import fail_with, settle

QUIET_S = 0.02
"""How long nothing may arrive before a batch is closed, in seconds: the runner prepares a request in a few milliseconds."""

T = TypeVar("T")


class OutOfMemory(Exception):  # noqa: N818 - an event, not a mistake
    """The batch does not fit into memory; a smaller one may."""


class Unanswerable(Exception):  # noqa: N818
    """The engine refuses the batch because of at least one request in it; the message says why."""


class Loadable(Protocol):
    """Weights that one thread loads and releases."""

    def load(self) -> None:
        """Load the weights.

        Raises:
            UserError: they cannot be loaded or used.
        """
        ...

    def free(self) -> None:
        """Release the weights, whatever is still running; `load` may be called again."""
        ...


class Engine(Loadable, Protocol):
    """What runs a model, called from one thread (but for `stop`)."""

    def answer(self, requests: Sequence[Request]) -> Sequence[Reply | Rejected]:
        """Answer a batch, in order.

        Raises:
            OutOfMemory, Unanswerable: a smaller batch may do.
            Unusable: the engine is dead.
        """
        ...

    def stop(self) -> None:
        """Give up the batch at hand soon, if the engine can. Called from another thread."""
        ...


@dataclass(frozen=True, eq=False)
class _Waiting:
    request: Request
    size: float
    reply: asyncio.Future[Reply]


class Batcher:
    """Gathers requests for `engine`.

    Args:
        engine: loaded by the first request.
        full: how many requests can wait at once; when so many do, nothing more is waited for.
        largest: most requests in one batch, None for all that wait.
    """

    def __init__(self, engine: Engine, *, full: int, largest: int | None = None) -> None:
        self.largest = largest
        self._engine = engine
        self._full = full
        self._waiting: list[_Waiting] = []
        self._open: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._loaded = False

    async def ask(self, request: Request) -> Reply:
        """The engine's reply to `request`, answered with whatever waits beside it.

        Raises:
            UserError: the engine cannot be loaded.
            Rejected, Unusable: as the engine says.
        """
        waiting = _Waiting(request, size(request), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())
            self._task.add_done_callback(self._ended)
        return await waiting.reply

    async def close(self) -> None:
        """Give up what is open and free the engine; a later request loads it again."""
        if self._thread is None:
            return
        for waiting in (*self._waiting, *self._open):
            waiting.reply.cancel()
        self._engine.stop()
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task])
        await self._in_thread(self._engine.free)
        self._thread.shutdown()
        self._thread, self._loaded = None, False

    async def _work(self) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "model")
        if not self._loaded:
            await self._in_thread(self._engine.load)
            self._loaded = True
        while self._waiting:
            await self._gather()
            await self._serve(self._take())

    async def _gather(self) -> None:
        """Wait until all that can wait does, or nothing arrives any more."""
        before = 0
        while before < len(self._waiting) < self._full:
            before = len(self._waiting)
            await asyncio.sleep(QUIET_S)

    def _take(self) -> list[_Waiting]:
        """The longest of those that wait: the first batch is the one that needs most memory, and rows of a batch are alike."""
        self._waiting = sorted((w for w in self._waiting if not w.reply.done()), key=lambda w: -w.size)
        batch, self._waiting = self._waiting[: self.largest], self._waiting[self.largest :] if self.largest else []
        self._open = batch
        return batch

    async def _serve(self, batch: Sequence[_Waiting]) -> None:
        batch = [waiting for waiting in batch if not waiting.reply.done()]
        if not batch:
            return
        try:
            answers = await self._in_thread(lambda: self._engine.answer([waiting.request for waiting in batch]))
        except (OutOfMemory, Unanswerable) as error:
            await self._halve(batch, error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            settle(waiting.reply, answer)

    async def _halve(self, batch: Sequence[_Waiting], error: OutOfMemory | Unanswerable) -> None:
        if len(batch) == 1:
            why = "does not fit into memory, even alone" if isinstance(error, OutOfMemory) else str(error)
            batch[0].reply.set_exception(Rejected(why))
            return
        half = math.ceil(len(batch) / 2)
        if isinstance(error, OutOfMemory):
            self.largest = min(half, self.largest or half)
        await self._serve(batch[:half])
        await self._serve(batch[half:])

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Trouble that ended the work ends every request that waits for it."""
        if fail_with(task, [waiting.reply for waiting in (*self._open, *self._waiting)]):
            self._open, self._waiting = [], []


def size(request: Request) -> float:
    """A measure of how long a request is, in tokens or so: 4 characters or 28 x 28 px to a token, as Claude counts."""
    area = sum(picture.width * picture.height / (28 * 28) for picture in request.pictures)
    return len(request.text) / 4 + area
