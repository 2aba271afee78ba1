"""Replies that somebody waits for, while one task works for many: handing them out, and passing on what ended the work."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from bench.errors import ModelError
from bench.models.base import Reply


def settle(reply: asyncio.Future[Reply], answer: Reply | ModelError) -> None:
    """Give `reply` its answer, unless it has one, or nobody waits for it any more."""
    if reply.done():
        return
    if isinstance(answer, Reply):
        reply.set_result(answer)
    else:
        reply.set_exception(answer)


def fail_with(task: asyncio.Task[None], replies: Iterable[asyncio.Future[Reply]]) -> bool:
    """Pass on to `replies` what ended `task`; whether it ended by trouble."""
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if error is None:
        return False
    for reply in replies:
        if not reply.done():
            reply.set_exception(error)
    return True
