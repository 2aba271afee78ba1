"""The processes that a launcher (accelerate, torchrun) starts together, one for each GPU: how they find each other, and how they refuse."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from bench.errors import SightgapError
from bench.extras import optional
from bench.train.recipe import Recipe
from bench.train.trl_options import grpo_options

_GRACE_S = 10.0
"""How long a process that has nothing to say leaves the one that speaks, before it ends too."""

T = TypeVar("T")


def processes_of(recipe: Recipe) -> Any:
    """Accelerate's `PartialState`: the processes of the launcher, which wait for each other at most `ddp_timeout` s.

    To be called before anything else of accelerate: once they have found each other, torch's own ten minutes stand.

    Raises:
        UserError, MissingExtraError: as `grpo_options`.
    """
    return optional("accelerate", "train").PartialState(timeout=timedelta(seconds=grpo_options(recipe)["ddp_timeout"]))


def agreed(process: Any, check: Callable[[], T]) -> T:
    """What `check` returns in this process, where it raises in none; it must not wait for the others.

    Where it raises in several, the first of them speaks: it raises, and the launcher ends the others, which say nothing.

    Raises:
        SightgapError: as `check`.
        SystemExit: another process raises.
    """
    found: list[T] = []
    raised: list[SightgapError] = []
    try:
        found.append(check())
    except SightgapError as error:
        raised.append(error)
    raising: list[bool] = optional("accelerate.utils", "train").gather_object([bool(raised)])
    if not any(raising):
        return found[0]
    if raised and raising.index(True) == process.process_index:
        raise raised[0]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    time.sleep(_GRACE_S)
    raise SystemExit(1)
