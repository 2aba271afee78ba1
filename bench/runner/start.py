"""Where a run is carried out: in this process, or on the cluster that `--ray` names."""

from __future__ import annotations

import asyncio

from rich.console import Console

from bench.runner.plan import Plan
from bench.runner.session import Result, ask_plan


async def carry_out(plan: Plan, console: Console) -> Result:
    """Ask everything in `plan` that is not stored yet.

    Raises:
        UserError, Unusable, ReplayMissError, KeyboardInterrupt: see `ask_plan` and `bench.runner.on_ray.ask_on_ray`.
    """
    if plan.config.execution.ray is None:
        return await ask_plan(plan, console)
    from bench.runner.on_ray import ask_on_ray

    return await ask_on_ray(plan, console)


def carry_out_now(plan: Plan, console: Console) -> Result:
    """`carry_out`, from code that is in no event loop."""
    return asyncio.run(carry_out(plan, console))
