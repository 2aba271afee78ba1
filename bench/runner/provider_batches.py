"""Asking in batches: a model whose requests are gathered and handed to its provider's batch service, at half the price (`--batch`).

`Batched` stands where a model stands, so that cache, retries, captions and grading know nothing of it. What waits when nothing new arrives
any more goes out as one batch, or several where it is too much for one; then the service is asked how far it is, and each result answers
the requests that wait for it. Captions therefore go out first, and what shows them in a batch of its own once they are there.

A batch outlives the process that handed it in. Its id and the keys of its requests are kept in `batches.jsonl` in the run directory: when
the same command is run again, a request that is in such a batch is waited for and not paid twice. What a batch leaves without a result, or
answers with trouble worth another try, is `Transient`: the retries above send it out again, in the next batch. A batch that the provider
does not find is asked about again before that (anthropic-sdk-python#1432); one that was cancelled ends the run, since somebody meant it.

Requests wait as lines of a temporary file, and their pictures are let go, so that thousands of them can wait.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.digest import digest
from bench.errors import ModelError, Transient, Unusable, UserError
from bench.models.api.batch_service import BatchService, BatchState
from bench.models.base import Adjustable, Model, Reply, Request
from bench.models.promised import fail_with, settle
from bench.store.batches import BatchLedger

GONE = (404, 410)
LOOKS = 3
"""How often in a row a batch must not be found before it is taken for lost."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: how long nothing may arrive before a batch is closed, and the waits between two questions about a batch, growing."""

    quiet: float = 0.5
    first_poll: float = 5.0
    longest_poll: float = 60.0


PACE = Pace()


class Batched:
    """`model`, asked through `service`. See the module's text.

    Args:
        model: what is asked; names, limits and payloads are its own.
        service: its provider's batch service.
        folder: the run directory, where the ledger lies.
        announce: told, in a line, of every batch and how far it is.
        sleep: how to wait between two questions about a batch (tests replace it).
        pace: how long to wait for what.
    """

    def __init__(
        self,
        model: Model,
        service: BatchService,
        folder: Path,
        *,
        announce: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pace: Pace | None = None,
    ) -> None:
        self.name, self.provider, self.model_id = model.name, model.provider, model.model_id
        self.simulated, self.limits = model.simulated, model.limits
        self._model, self._service, self._announce, self._sleep = model, service, announce, sleep
        self._pace = pace or PACE
        self._ledger = BatchLedger(folder, model.provider, model.model_id)
        self._waiting: dict[str, list[asyncio.Future[Reply]]] = {}
        self._fresh = Spool()
        self._not_found: dict[str, int] = {}
        self._ready: dict[str, Reply] = {}
        self._done: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def payload(self, request: Request) -> Mapping[str, Any]:
        """As the model's own."""
        return self._model.payload(request)

    @property
    def dropped(self) -> Sequence[str]:
        """As the model's own."""
        return self._model.dropped if isinstance(self._model, Adjustable) else ()

    def drop(self, parameter: str) -> bool:
        """As the model's own."""
        return isinstance(self._model, Adjustable) and self._model.drop(parameter)

    async def ask(self, request: Request) -> Reply:
        """The reply to `request`, once its batch has ended.

        Raises:
            Transient: the batch left it without an answer.
            Rejected, Unusable: as the provider says.
        """
        key = digest([dict(self.payload(request)), request.replicate])
        if key in self._ready:
            return self._ready[key]
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(answer)
        if key not in self._ledger.batch_of and key not in self._fresh.sizes:
            self._fresh.add(key, self._service.line(key, request))
        if request.picture is not None:
            request.picture.content.release()  # it waits for hours; who asks again makes it again
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())
            self._task.add_done_callback(self._ended)
        return await answer

    async def close(self) -> None:
        """Stop waiting; batches go on at the provider's, and the same command finds them again."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        self._fresh.clear()
        await self._model.close()

    async def _work(self) -> None:
        poll = self._pace.first_poll
        while self._waiting:
            if self._fresh.sizes:
                await self._gather()
                await self._submit()
                poll = self._pace.first_poll
            if await self._collect():
                await asyncio.sleep(0)  # whoever was answered may ask again
            else:
                await self._sleep(poll)
                poll = min(self._pace.longest_poll, poll * 1.5)

    async def _gather(self) -> None:
        """Wait until nothing new arrives."""
        before = -1
        while before < len(self._fresh.sizes):
            before = len(self._fresh.sizes)
            await asyncio.sleep(self._pace.quiet)

    async def _submit(self) -> None:
        for keys in _portions(self._fresh.sizes, self._service.max_requests, self._service.max_bytes):
            batch = await self._service.submit(self._fresh.lines(keys))
            self._ledger.add(batch, keys)
            self._fresh.forget(keys)
            self._announce(
                f"{self.name}: batch {batch} handed in, {len(keys)} requests; it may be left and found again by the same command"
            )

    async def _collect(self) -> bool:
        """Ask about every batch that is waited for, and hand out what has ended; whether anything had."""
        open_batches = dict.fromkeys(self._ledger.batch_of[key] for key in self._waiting if key in self._ledger.batch_of)
        return any([await self._collect_one(batch) for batch in open_batches])

    async def _collect_one(self, batch: str) -> bool:
        try:
            state = await self._service.state(batch)
        except Transient:
            return False  # asked again at the next turn
        except ModelError as error:
            if error.status not in GONE:
                raise
            self._not_found[batch] = self._not_found.get(batch, 0) + 1
            return self._not_found[batch] >= LOOKS and self._end(batch, None)
        self._not_found.pop(batch, None)
        if state.done != self._done.get(batch):
            self._done[batch] = state.done
            self._announce(f"{self.name}: batch {batch}: {state.done} of {state.total} requests are done")
        return state.ended and await self._results(batch, state) and self._end(batch, state)

    async def _results(self, batch: str, state: BatchState) -> bool:
        """Hand out what a batch that has ended brought; whether all of it could be had."""
        if state.why is not None:
            return True
        try:
            async for key, result in self._service.results(batch):
                if not (state.cancelled and isinstance(result, Transient)):
                    self._hand_out(key, result)
        except Transient:
            return False
        except ModelError as error:
            if error.status not in GONE:
                raise
        return True

    def _end(self, batch: str, state: BatchState | None) -> bool:
        """`batch` has said all that it will, or is lost (`state` None): what it left goes back to be asked again.

        Raises:
            Unusable: it was cancelled, and something is left of it.
        """
        left = [key for key, other in self._ledger.batch_of.items() if other == batch and key in self._waiting]
        if state is not None and state.cancelled and left:
            self._ledger.release(left)
            raise Unusable(
                f"{self.name}: batch {batch} was cancelled, and the run stops; the same command hands in what is left of it again"
            )
        how = "ended" if state is not None else "is not known to the provider any more, it went"
        missing = (state.why if state else None) or Transient(f"{self.name}: batch {batch} {how} without a result for this request")
        for key in left:
            self._hand_out(key, missing)
        self._ledger.forget(batch)
        return True

    def _hand_out(self, key: str, result: Reply | ModelError) -> None:
        if isinstance(result, Reply):
            self._ready[key] = result
        else:
            self._ledger.batch_of.pop(key, None)  # so that another try goes into another batch
        for answer in self._waiting.pop(key, ()):
            settle(answer, result)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Trouble that ended the work ends every request that waits for it; requests not handed in are dropped, to be asked again."""
        if fail_with(task, (answer for answers in self._waiting.values() for answer in answers)):
            self._waiting = {}
            self._fresh.clear()


class Spool:
    """Lines that wait to be handed in, in a temporary file; `sizes` are their lengths in bytes, by key, in order of arrival."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        self._file: IO[bytes] | None = None

    def add(self, key: str, line: bytes) -> None:
        """Keep `line`.

        Raises:
            UserError: the disk is full.
        """
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the last line has gone
            self._starts[key] = self._file.seek(0, io.SEEK_END)
            self._file.write(line)
        except OSError as error:
            raise UserError(f"requests that wait for a batch cannot be kept in {tempfile.gettempdir()} ({error.strerror})") from error
        self.sizes[key] = len(line)

    def lines(self, keys: Sequence[str]) -> Iterator[bytes]:
        """The lines of `keys`, one after the other."""
        for key in keys:
            if self._file is not None:
                self._file.seek(self._starts[key])
                yield self._file.read(self.sizes[key])

    def forget(self, keys: Sequence[str]) -> None:
        """They were handed in."""
        for key in keys:
            self.sizes.pop(key, None)
        if not self.sizes:
            self.clear()

    def clear(self) -> None:
        """Nothing waits any more."""
        self.sizes, self._starts = {}, {}
        if self._file is not None:
            self._file.close()
            self._file = None


def _portions(sizes: Mapping[str, int], most: int, most_bytes: int) -> Iterator[list[str]]:
    """The keys of lines of these `sizes` in portions that a service takes."""
    portion: list[str] = []
    size = 0
    for key, length in list(sizes.items()):
        if portion and (len(portion) == most or size + length + 2 > most_bytes):
            yield portion
            portion, size = [], 0
        portion.append(key)
        size += length + 2
    if portion:
        yield portion
