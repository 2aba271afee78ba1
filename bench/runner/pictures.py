"""Pictures made ready for requests, off the event loop: drawn, resized, encoded and put into base64 once for each picture and limit.

The event loop only sends and receives, so that no request waits while another's picture is resized (Pillow, zlib, hashing and base64 run
without Python's lock). What is ready is shared by arms, replicates and models while there is room for it; a bound on the bytes in flight
keeps a run of very large pictures within memory, whatever its concurrency.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from bench.image import ImageLimits, ImageRef, Picture, fit
from bench.models.base import Model
from bench.models.registry import LOCAL

KEPT_BYTES = 128_000_000
"""Bytes of pictures that are kept for other requests."""

IN_FLIGHT_BYTES = 300_000_000
"""Bytes of pictures in requests that are under way, each with the body that it is copied into: more wait until some are answered."""

_Key = tuple[str, ImageLimits, bool, bool]
_T = TypeVar("_T")


class PreparedPictures:
    """See the module's text. `close` ends the threads.

    Args:
        kept_bytes, in_flight_bytes: the bounds.
        threads: how many; by default one for each processor.
        together: whether pictures are made at once by whoever asks, without threads and bounds: for batches, which wait until no further
            request arrives, and let their pictures go.

    Attributes:
        made: how many pictures were made ready, for tests.
    """

    def __init__(
        self,
        *,
        kept_bytes: int = KEPT_BYTES,
        in_flight_bytes: int = IN_FLIGHT_BYTES,
        threads: int | None = None,
        together: bool = False,
    ) -> None:
        threads = threads or min(8, os.cpu_count() or 1)
        self.made = 0
        self._together = together
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
        self._kept: OrderedDict[_Key, tuple[Picture, int]] = OrderedDict()
        self._kept_bytes, self._most_kept = 0, kept_bytes
        self._in_flight, self._most_in_flight = 0, in_flight_bytes
        self._freed = asyncio.Event()
        self._making: dict[_Key, asyncio.Future[Picture]] = {}
        self._looking: dict[int, asyncio.Future[None]] = {}
        self._turns = asyncio.Semaphore(threads + 1)

    async def look(self, refs: Sequence[ImageRef]) -> None:
        """Have `ImageRef.info` of all of `refs` ready, since keys are made of it.

        Raises:
            BadDataError: as `ImageRef.info`.
        """
        for ref in refs:
            if self._together or ref.known:
                continue
            looking = self._looking.get(id(ref))
            if looking is None:
                looking = self._looking[id(ref)] = asyncio.ensure_future(self._apart(_look, ref))
                looking.add_done_callback(partial(self._looked, id(ref)))
            await asyncio.shield(looking)

    @asynccontextmanager
    async def ready(self, refs: Sequence[ImageRef], model: Model, *, resize: bool) -> AsyncGenerator[tuple[Picture, ...]]:
        """The pictures that `model` is to be sent, while the request is under way; `resize` says whether they may be made smaller to fit.

        Raises:
            BadDataError: as `bench.image.fit`.
        """
        if not refs:
            yield ()
            return
        if self._together:
            yield tuple(fit(ref, model.limits, resize=resize) for ref in refs)
            return
        await self.look(refs)
        limits, base64 = model.limits, not (model.simulated or model.provider in LOCAL)
        pictures = [self._at_hand(self._key(ref, limits, resize, base64)) for ref in refs]
        if None in pictures or self._in_flight > self._most_in_flight:
            async with self._turns:
                while self._in_flight > self._most_in_flight:
                    self._freed.clear()
                    await self._freed.wait()
                pictures = [await self._picture(ref, limits, resize, base64) for ref in refs]
        found = tuple(picture for picture in pictures if picture is not None)
        size = 2 * sum(picture.content.held for picture in found) if base64 else 0
        self._in_flight += size
        try:
            yield found
        finally:
            self._in_flight -= size
            self._freed.set()

    def close(self) -> None:
        """End the threads; what is being made is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _key(self, ref: ImageRef, limits: ImageLimits, resize: bool, base64: bool) -> _Key:
        return (ref.info.identity, limits, resize, base64)

    def _at_hand(self, key: _Key) -> Picture | None:
        found = self._kept.get(key)
        if found is None or not found[0].content.held:
            return None
        self._kept.move_to_end(key)
        return found[0]

    async def _picture(self, ref: ImageRef, limits: ImageLimits, resize: bool, base64: bool) -> Picture:
        key = self._key(ref, limits, resize, base64)
        found = self._at_hand(key)
        if found is not None:
            return found
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.ensure_future(self._apart(_fitted, ref, limits, resize, base64))
            making.add_done_callback(partial(self._made, key))
        return await asyncio.shield(making)

    def _looked(self, number: int, done: asyncio.Future[None]) -> None:
        del self._looking[number]
        if not done.cancelled():
            done.exception()  # whoever still waits for it is told

    def _made(self, key: _Key, done: asyncio.Future[Picture]) -> None:
        del self._making[key]
        if done.cancelled() or done.exception() is not None:
            return
        self.made += 1
        picture = done.result()
        self._kept_bytes += picture.content.held - self._kept.pop(key, (picture, 0))[1]
        self._kept[key] = (picture, picture.content.held)
        while self._kept_bytes > self._most_kept:
            _, (_, size) = self._kept.popitem(last=False)
            self._kept_bytes -= size

    async def _apart(self, work: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


def _look(ref: ImageRef) -> None:
    _ = ref.info


def _fitted(ref: ImageRef, limits: ImageLimits, resize: bool, base64: bool) -> Picture:
    picture = fit(ref, limits, resize=resize)
    if base64:
        picture.content.base64()
    return picture
