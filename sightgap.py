"""What Inspect AI finds under our name: the task `sightgap/sightgap` and its scorer `sightgap/graded` (see `bench.inspect.tasks`).

A module of its own at the top, because Inspect names what it registers after the top-level module that defines it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bench.defaults import SUITE
from bench.inspect.log import inspect_module
from bench.inspect.tasks import score, suite_task

_scorer = inspect_module("scorer")


def _graded() -> Callable[[Any, Any], Awaitable[Any]]:
    async def verdict(state: Any, target: Any) -> Any:
        return score(state, target)

    return verdict


def _sightgap(
    suite: str = SUITE,
    mode: str = "image",
    fmt: str = "mcq",
    families: str | list[str] | None = None,
    limit: int | None = None,
    data_dir: str | None = None,
) -> Any:
    return suite_task(suite, mode, fmt, families, limit, data_dir, scorer=graded())


# Registered by calls, not by decorators: Inspect is an extra, so its types are not known here.
graded: Callable[[], Any] = _scorer.scorer(metrics=[_scorer.accuracy(), _scorer.stderr()], name="graded")(_graded)
sightgap: Callable[..., Any] = inspect_module("").task(name="sightgap")(_sightgap)
"""A suite under one mode, as an Inspect task (arguments: `bench.inspect.tasks.suite_task`)."""
