"""A client: one model behind the cache, the retries, the money bound and the meter.

This is the only layer that retries (the SDKs' own retries are off). A provider says what kind of trouble it met (`bench.errors`); here
`Transient` is asked again, after the wait that the provider named or a growing one with jitter, a parameter that the server refuses is left
out from then on, and everything else is passed on. What is refused for its rate is no failed attempt: the throttle waits and paces, for
all requests at once, and bounds that by time. A wait of hours, and a model whose first requests all fail alike, end the run: it can be
continued.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from bench.defaults import ATTEMPTS
from bench.digest import canonical
from bench.errors import ModelError, RefusedParameter, Transient, Unusable
from bench.models.base import Adjustable, Identified, Model, ModelOptions, Reply, Request
from bench.models.registry import Price, price_of, server_of
from bench.runner.cache import Cache, cache_key, server_key
from bench.runner.money import Budget, worst_cost
from bench.runner.progress import cause_of
from bench.runner.throttle import RATE_LIMITS, Sleep, Throttle

SHOWN_WAIT_S = 5.0
"""Waits that are longer are told of, in seconds; at most one line in as many seconds."""

ALIKE = 20
"""A model whose first so many requests all fail for one reason is not asked any more."""

_PICTURES_AT_HAND = 4096


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to ask in all, and the waits in seconds between: `first`, doubled each time up to `longest`, with full jitter.

    A wait that the provider names is kept; above `longest_named` it ends the run.
    """

    attempts: int = ATTEMPTS
    first: float = 1.0
    longest: float = 60.0
    longest_named: float = 600.0

    def wait(self, attempt: int, error: Transient) -> float:
        """Seconds to wait after attempt number `attempt` (from 1) met `error`."""
        if error.retry_after is not None:
            return error.retry_after
        bound = min(self.longest, self.first * 2 ** (attempt - 1))
        return random.uniform(bound / 2, bound)


def _silent(line: str) -> None:
    del line


def _met(state: RetryCallState) -> Transient:
    """What the last attempt met."""
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Transient)
    return error


class Client:
    """`model` with cache, retries, bound and meter.

    Args:
        model: the provider's side.
        cache: shared by all clients of a run.
        options: what the model was resolved with; its server is part of every key, since two servers may give one name to two models.
        policy: retries.
        sleep: how to wait (tests replace it).
        budget: what the run may spend and has spent; shared by all clients of a run.
        throttle: when requests may be sent; shared by the clients of one account.
        announce: told, in a line, of long waits and of parameters that are left out.

    Attributes:
        served: what the server says of the weights behind the model's name, empty where it says nothing.
    """

    def __init__(
        self,
        model: Model,
        cache: Cache,
        *,
        options: ModelOptions,
        policy: RetryPolicy,
        sleep: Sleep = asyncio.sleep,
        budget: Budget | None = None,
        throttle: Throttle | None = None,
        announce: Callable[[str], None] = _silent,
    ) -> None:
        self.model = model
        self.retries = 0
        self.base_url = server_key(server_of(model.name, options), options.extra_body)
        self.served: Mapping[str, Any] = {}
        self.budget = budget or Budget(None)
        self._cache = cache
        self._options = options
        self._policy = policy
        self._sleep = sleep
        self._throttle = throttle or Throttle(sleep=sleep)
        self._announce = announce
        self._shown_at = -SHOWN_WAIT_S
        self._meeting = asyncio.Lock()
        self._met = False
        self._answered = False
        self._alike: list[str] = []
        self._at_hand: OrderedDict[str, asyncio.Event] = OrderedDict()

    @cached_property
    def _price(self) -> Price:
        return price_of(self.model.name, self._options)

    async def ask(self, request: Request, what: str) -> Reply:
        """The reply to `request`, from the cache if it holds one; `what` names the trial in messages.

        Raises:
            Transient: the retries ran out.
            Rejected, Unusable: as the provider says; Unusable also where the run should end, see the module's text.
            OverBudget: it could cost more than is left.
            ReplayMissError: the cache is the only source and has no reply.
        """
        if not self._met:
            await self._meet()
        left_out: set[str] = set()
        while True:
            payload = canonical(self.model.payload(request))
            key = cache_key(self.model.provider, payload, request.replicate, base_url=self.base_url, served=self.served)
            stored = self._cache.get(key, what)
            if stored is not None:
                return stored
            try:
                reply = await self._ask_until_answered(request)
            except RefusedParameter as error:
                if error.parameter in left_out or not self._leave_out(error):
                    self._failed(error)
                    raise
                left_out.add(error.parameter)
                continue
            self._answered = True
            self._cache.put(key, self.model.model_id, payload, reply)
            return reply

    async def _meet(self) -> None:
        """Before the first request: what the server refused before, and which weights it serves now (or, in a replay, served then)."""
        async with self._meeting:
            if self._met:
                return
            where = [self.model.provider, self.model.model_id, self.base_url]
            if isinstance(self.model, Adjustable):
                for parameter in self._cache.recall("dropped", where) or ():
                    if self.model.drop(parameter):
                        self._announce(f"{self.model.name}: {parameter} is left out: the server refused it in an earlier run")
            if isinstance(self.model, Identified):
                try:
                    self.served = (self._cache.recall("served", where) or {}) if self._cache.replay else await self.model.served()
                except ModelError:
                    self.served = {}  # many servers list nothing; what is wrong with this one shows when it is asked
                self._cache.remember("served", where, dict(self.served))
            self._met = True

    def _leave_out(self, error: RefusedParameter) -> bool:
        """Ask without the parameter that the server refuses from now on; whether that can help."""
        if not isinstance(self.model, Adjustable):
            return False
        if self.model.drop(error.parameter):
            where = [self.model.provider, self.model.model_id, self.base_url]
            known: list[str] = self._cache.recall("dropped", where) or []
            self._cache.remember("dropped", where, [*known, error.parameter])
            self._announce(f"{self.model.name}: {error.parameter} is left out from now on, the server refuses it ({error})")
            return True
        return any(part.startswith(error.parameter) for part in self.model.dropped)  # another request was quicker to find out

    async def _ask_until_answered(self, request: Request) -> Reply:
        failed = 0

        def wait(state: RetryCallState) -> float:
            nonlocal failed
            error = _met(state)
            if error.status in RATE_LIMITS:
                self._note(self._throttle.pause, error)
                return 0.0  # the throttle waits, for all
            failed += 1
            named = self._policy.wait(failed, error)
            if failed < self._policy.attempts:
                self._note(named, error)
            return named

        def stop(state: RetryCallState) -> bool:
            limited = _met(state).status in RATE_LIMITS
            return self._throttle.out_of_patience if limited else failed >= self._policy.attempts

        first: list[Transient] = []

        async def attempt() -> Reply:
            if first:
                raise first.pop()
            return await self._ask_once(request)

        try:
            try:  # most requests are answered at once, and need none of the machinery of retries
                return await self._ask_once(request)
            except Transient as error:
                first.append(error)
            retrying = AsyncRetrying(retry=retry_if_exception_type(Transient), wait=wait, stop=stop, sleep=self._pause, reraise=True)
            return await retrying(attempt)
        except (RefusedParameter, Unusable):
            raise
        except ModelError as error:
            self._failed(error)
            raise

    async def _pause(self, seconds: float) -> None:
        if seconds:
            await self._sleep(seconds)

    async def _ask_once(self, request: Request) -> Reply:
        worst = worst_cost(self.model.name, request, self._options) if self.budget.bound is not None else None
        async with self._lead(request), self.budget.hold(worst, self.model.name), self._throttle.slot():
            try:
                reply = await self.model.ask(request)
            except ModelError as error:
                if error.maybe_paid:
                    self.budget.unsure(worst_cost(self.model.name, request, self._options))
                if isinstance(error, Transient) and error.retry_after is not None and error.retry_after > self._policy.longest_named:
                    hours = error.retry_after / 3600
                    raise Unusable(f"{error}; the provider asks to wait {hours:.1f} hours: run the same command again then") from None
                raise
            self.budget.paid(reply.usage, self._price.cost(reply.usage), self._price.saved(reply.usage))
            return reply

    def _lead(self, request: Request) -> AbstractAsyncContextManager[None]:
        """Let the first request with a picture that the provider keeps at hand be answered before the others, which then find it there."""
        keeps: Any = getattr(self.model, "keeps_picture", None)
        if keeps is None or request.picture is None or not keeps(request):
            return nullcontext()
        return self._first_of(request.picture.identity)

    @asynccontextmanager
    async def _first_of(self, identity: str) -> AsyncGenerator[None]:
        first = identity not in self._at_hand
        kept = self._at_hand.setdefault(identity, asyncio.Event())
        while len(self._at_hand) > _PICTURES_AT_HAND:
            self._at_hand.popitem(last=False)[1].set()
        if not first:
            await kept.wait()
        try:
            yield
        finally:
            kept.set()

    def _failed(self, error: ModelError) -> None:
        """Count the first requests that fail for one reason.

        Raises:
            Unusable: all of the first `ALIKE` did.
        """
        if self._answered:
            return
        self._alike.append(cause_of(str(error), self.model.name))
        if len(self._alike) >= ALIKE and len(set(self._alike)) == 1:
            raise Unusable(f"{self.model.name}: the first {ALIKE} requests failed alike: {self._alike[0]}", status=error.status) from None
        if len(set(self._alike)) > 1:
            self._answered = True  # they do not fail alike

    def _note(self, wait: float, error: Transient) -> None:
        self.retries += 1
        now = time.monotonic()
        if wait > SHOWN_WAIT_S and now - self._shown_at >= SHOWN_WAIT_S:
            self._shown_at = now
            self._announce(f"{self.model.name}: waits {wait:.0f} s and asks again ({cause_of(str(error), self.model.name)})")
