"""When the requests of one account may be sent: one throttle for all clients that ask the same provider or server.

A rate limit holds for every request and not only for the one that met it, so whoever is told to wait makes all others wait too. This is
the place for anything else that paces requests together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from bench.errors import Transient

Sleep = Callable[[float], Awaitable[None]]

RATE_LIMITS = (429, 529)
"""Statuses that concern the account or the service, not the one request."""


class Throttle:
    """See the module's text.

    Args:
        longest: seconds that a wait named by the provider may at most hold up the others.
        sleep: how to wait (tests replace it).
    """

    def __init__(self, *, longest: float = 600.0, sleep: Sleep = asyncio.sleep) -> None:
        self._longest = longest
        self._sleep = sleep
        self._resume_at = 0.0

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for leave to send one request; the request is sent, and answered, inside."""
        pause = self._resume_at - time.monotonic()
        if pause > 0:
            await self._sleep(pause)
        yield

    def refused(self, error: Transient) -> None:
        """A request met `error`: where it is a rate limit with a wait, all wait."""
        if error.retry_after is not None and error.status in RATE_LIMITS:
            self._resume_at = max(self._resume_at, time.monotonic() + min(error.retry_after, self._longest))
