"""What a run sets for its models before the first request, so that impossible combinations are refused before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.models.base import Sampling

if TYPE_CHECKING:
    import httpx2

NO_KEY = "no-key-needed"
"""Sent to a server named by --base-url when no key is set: the SDKs insist on one."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Options of the command line that concern how a model is reached and sampled.

    Attributes:
        base_url: server to ask instead of the provider's own; a compatible server needs no key.
        timeout_s: longest time for one request, in seconds, connecting and reading included.
        concurrency: how many requests are open at once; the connection pool has this size.
        reasoning, temperature, max_tokens: as in `Sampling`.
        batch: whether requests go through the provider's batch service, which costs less.
    """

    base_url: str | None = None
    timeout_s: float = 300.0
    concurrency: int = 16
    reasoning: str | int | None = None
    temperature: float | None = None
    max_tokens: int = 2048
    batch: bool = False

    def sampling(self) -> Sampling:
        """A sampling as every request of the run will have it, but for its seed."""
        return Sampling(max_tokens=self.max_tokens, temperature=self.temperature, reasoning=self.reasoning)


def http_limits(options: ModelOptions) -> httpx2.Limits:
    """A connection pool that never makes one of the run's requests wait for another."""
    import httpx2

    return httpx2.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency)


def http_timeout(options: ModelOptions) -> httpx2.Timeout:
    """Timeouts of the SDKs' clients: each read may take the whole of `timeout_s`, connecting no more than ten seconds."""
    import httpx2

    return httpx2.Timeout(options.timeout_s, connect=min(options.timeout_s, 10.0))
