"""The processes that a launcher (accelerate, torchrun) starts together, one for each GPU: how they find each other, and how they refuse."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from bench import env
from bench.errors import SightgapError, UserError
from bench.extras import optional
from bench.train.recipe import Recipe
from bench.train.trl_options import grpo_options

_GRACE_S = 10.0
"""How long a process that has nothing to say leaves the one that speaks, before it ends too."""

NO_ZERO3_WEIGHTS = "zero3_save_16bit_model: expected true, since the weights cannot be saved otherwise"
NO_FSDP1 = "fsdp_version: expected 2, which the weights are known to be saved under"

T = TypeVar("T")


def processes_of(recipe: Recipe) -> Any:
    """Accelerate's `PartialState`: the processes of the launcher, which wait for each other at most `ddp_timeout` s.

    To be called before anything else of accelerate: once they have found each other, torch's own ten minutes stand. Under DeepSpeed on the
    CPU accelerate must be told of the CPU, or each process takes itself for the only one.

    Raises:
        UserError, MissingExtraError: as `grpo_options`.
    """
    options = grpo_options(recipe)
    cpu = env.on_cpu() or options.get("use_cpu", False)
    return optional("accelerate", "train").PartialState(cpu=cpu, timeout=timedelta(seconds=options["ddp_timeout"]))


def refuse_unsaved() -> None:
    """Make sure, before hours are spent, that weights can be saved as the launcher's file has them spread.

    Raises:
        UserError: they cannot.
    """
    if env.sharding() == "deepspeed" and env.read(env.ZERO_STAGE) == "3" and (env.read(env.ZERO_SAVES) or "false").lower() != "true":
        raise UserError(f"accelerate's file: deepspeed_config.{NO_ZERO3_WEIGHTS}")
    if env.sharding() == "fsdp" and (version := env.read(env.FSDP_VERSION) or "1") != "2":
        raise UserError(f"accelerate's file: fsdp_config.{NO_FSDP1}, found {version}")


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
