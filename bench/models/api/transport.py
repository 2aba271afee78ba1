"""The SDKs' HTTP clients: pools and timeouts that leave waiting and retrying to the runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.models.base import ModelOptions

if TYPE_CHECKING:
    import httpx2

NO_KEY = "no-key-needed"
"""Sent to a server of the person's own when no key is set: the SDKs insist on one."""


def http_limits(options: ModelOptions) -> httpx2.Limits:
    """A connection pool that never makes one of the run's requests wait for another."""
    import httpx2

    return httpx2.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency)


def http_timeout(options: ModelOptions) -> httpx2.Timeout:
    """Timeouts of the SDKs' clients: each read may take the whole of `timeout_s`, connecting no more than ten seconds."""
    import httpx2

    return httpx2.Timeout(options.timeout_s, connect=min(options.timeout_s, 10.0))
