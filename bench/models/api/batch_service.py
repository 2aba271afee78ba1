"""What a provider's batch service is to the rest of the project: requests handed in together, answered within a day, at half the price.

As a `Model`, a service translates and classifies; it never waits, retries or remembers. `bench.runner.provider_batches` does that, once for
all services.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

from bench.errors import ModelError
from bench.models.base import Reply, Request

DISCOUNT = 0.5
"""What a batch costs against single requests: half the price at both providers, as they announce it."""

RESULTS_TIMEOUT_S = 3600.0
"""How long the results of one batch may take to arrive, in seconds: they can be hundreds of megabytes."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is: whether it has ended, and how many of its requests are done.

    `why` says what ended it early, if anything did; `cancelled` whether a person did: then nothing is handed in again unasked.
    """

    ended: bool
    done: int
    total: int
    why: ModelError | None = None
    cancelled: bool = False


class BatchService(Protocol):
    """The batch service of one model.

    Attributes:
        max_requests: most requests in a batch.
        max_bytes: most bytes of a batch, as the lines are long.
    """

    max_requests: int
    max_bytes: int

    def line(self, key: str, request: Request) -> bytes:
        """`request` as it goes into a batch, on one line; `key` (64 letters, digits, _ and - at most) marks its result."""
        ...

    async def submit(self, lines: Iterable[bytes]) -> str:
        """Hand in a batch; returns the provider's id of it.

        Raises:
            Transient, Rejected, Unusable: see `bench.errors`.
        """
        ...

    async def state(self, batch: str) -> BatchState:
        """How far the batch is.

        Raises:
            Transient, Rejected, Unusable: see `bench.errors`; Unusable with status 404 where the provider does not know it (any more).
        """
        ...

    def results(self, batch: str) -> AsyncIterator[tuple[str, Reply | ModelError]]:
        """Keys and results of a batch that has ended, in any order. A request without a result, or whose line cannot be read, is left out.

        Raises:
            Transient, Rejected, Unusable: as `state`.
        """
        ...
