"""A client: one model behind the cache, the retries and the meter.

This is the only layer that retries (the SDKs' own retries are off). A provider says what kind of trouble it met (`bench.errors`); here
`Transient` is asked again, after the wait that the provider named or a growing one with jitter, and everything else is passed on.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from bench.errors import Transient
from bench.models.base import Model, ModelOptions, Reply, Request, Usage
from bench.models.registry import cost, server_of
from bench.runner.cache import Cache, cache_key

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to ask in all, and the waits in seconds between: `first`, doubled each time up to `longest`, with full jitter.

    A wait that the provider names is kept, however long, up to `longest_named`.
    """

    attempts: int = 8
    first: float = 1.0
    longest: float = 60.0
    longest_named: float = 600.0

    def wait(self, state: RetryCallState) -> float:
        """Seconds to wait before the next attempt."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Transient) and error.retry_after is not None:
            return min(error.retry_after, self.longest_named)
        bound = min(self.longest, self.first * 2 ** (state.attempt_number - 1))
        return random.uniform(bound / 2, bound)


class Client:
    """`model` with cache and retries.

    Args:
        model: the provider's side.
        cache: shared by all clients of a run.
        options: what the model was resolved with; its server is part of every key, since two servers may give one name to two models.
        policy: retries.
        sleep: how to wait (tests replace it).
    """

    def __init__(self, model: Model, cache: Cache, *, options: ModelOptions, policy: RetryPolicy, sleep: Sleep = asyncio.sleep) -> None:
        self.model = model
        self.retries = 0
        self._cache = cache
        self.base_url = server_of(model.name, options)
        self._options = options
        self._sleep = sleep
        self._policy = policy
        self._resume_at = 0.0

    def cost(self, usage: Usage) -> float | None:
        """USD for `usage` at the list price; 0 for models that run here, None where no price is known."""
        return cost(self.model.name, usage, self._options)

    async def ask(self, request: Request, what: str) -> Reply:
        """The reply to `request`, from the cache if it holds one; `what` names the trial in messages.

        Raises:
            Transient: the retries ran out.
            Rejected, Unusable: as the provider says.
            ReplayMissError: the cache is the only source and has no reply.
        """
        key = cache_key(self.model, request, base_url=self.base_url)
        stored = self._cache.get(key, what)
        if stored is not None:
            return stored
        reply = await self._ask_until_answered(request)
        self._cache.put(key, self.model.model_id, self.model.payload(request), reply)
        return reply

    async def _ask_until_answered(self, request: Request) -> Reply:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            stop=stop_after_attempt(self._policy.attempts),
            wait=self._policy.wait,
            sleep=self._sleep,
            before_sleep=self._note,
            reraise=True,
        )
        return await retrying(self._ask_once, request)

    async def _ask_once(self, request: Request) -> Reply:
        pause = self._resume_at - time.monotonic()
        if pause > 0:
            await self._sleep(pause)
        return await self.model.ask(request)

    def _note(self, state: RetryCallState) -> None:
        # A rate limit holds for every request of the model, not only for the one that met it: the others wait as well.
        self.retries += 1
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Transient) and error.retry_after is not None and error.status in (429, 529):
            self._resume_at = max(self._resume_at, time.monotonic() + min(error.retry_after, self._policy.longest_named))
