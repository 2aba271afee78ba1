"""A session: one sitting of a run, from a plan to stored records."""

from __future__ import annotations

import asyncio
import datetime
import gc
import platform
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from bench.defaults import AUTO, CONCURRENCY
from bench.errors import ReplayMissError
from bench.models.base import Adjustable, Model
from bench.models.registry import LOCAL, batch_service, server_of
from bench.prompt import prompt_sha
from bench.puzzle import puzzle_line
from bench.runner.ask import Asking, Lane, Runner
from bench.runner.cache import Cache
from bench.runner.captioner import CaptionDesk
from bench.runner.client import Client, RetryPolicy
from bench.runner.money import Budget
from bench.runner.pictures import PreparedPictures
from bench.runner.plan import ModelPlan, Plan
from bench.runner.progress import Progress, Tally
from bench.runner.provider_batches import Batched
from bench.runner.throttle import Limits, Sleep, Throttle
from bench.store.writer import Store
from bench.versions import PACKAGES, SCHEMA, __version__, commit, package_version

BATCH_WIDTH = 10_000
"""Most requests that wait for batches at once: each holds its picture in memory. --concurrency is for requests that are sent one by one."""

_COLLECTED_AFTER = 10_000
"""Containers made, and not yet freed, after which cycles are looked for; a request under way holds some seventy."""

_TEMPLATES = ("solve", "caption_plain", "caption_guided", "readback")


@dataclass(frozen=True, slots=True)
class Result:
    """What a session did: where the run lies, trials finished and missing in all, asked now, and whether money ran out."""

    folder: Path
    finished: int
    missing: int
    asked: int
    over_budget: bool


def run_session(plan: Plan, console: Console, *, sleep: Sleep = asyncio.sleep) -> Result:
    """`ask_plan`, from code that is in no event loop."""
    return asyncio.run(ask_plan(plan, console, sleep=sleep))


async def ask_plan(plan: Plan, console: Console, *, sleep: Sleep = asyncio.sleep) -> Result:
    """Ask everything in `plan` that the run directory does not hold yet.

    Raises:
        UserError, Unusable: the run cannot go on; what is finished is stored and the same command continues it.
        ReplayMissError: the cache did not hold every reply; what it held is stored.
        KeyboardInterrupt: Ctrl-C, after everything finished was stored.
    """
    config = plan.config
    folder = config.execution.out or config.default_out()
    store = Store(folder, run_json(plan), run_identity(plan), must_exist=config.execution.resume)
    try:
        save_suite(store, plan)
        say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
        cache = Cache(config.execution.cache_folder, replay=config.execution.replay, announce=say)
        try:
            cache.note_templates(_templates())
            return await _ask_all(plan, store, cache, console, sleep)
        finally:
            cache.close()
    finally:
        store.close()


def save_suite(store: Store, plan: Plan) -> None:
    """Write down what is asked about."""
    store.save_puzzles(puzzle_line(puzzle) for puzzle in plan.suite.puzzles)


async def _ask_all(plan: Plan, store: Store, cache: Cache, console: Console, sleep: Sleep) -> Result:
    config = plan.config
    side_by_side = config.execution.batch and not config.execution.replay
    asking = Asking(config.conditions.sampling, config.conditions.resize, side_by_side)
    tally = Tally(total=plan.total, budget=Budget(config.execution.max_cost))
    lanes: list[Lane] = []
    pictures = PreparedPictures(together=side_by_side)
    with Progress(tally, console) as progress:
        runner = Runner(store, asking, progress, pictures)
        try:
            say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
            means = Means(cache, tally.budget, say, sleep, pictures)
            lanes = [_lane(_batched(part, plan, say, sleep), plan, store, means) for part in plan.models]
            with _rare_collections():
                await runner.run(lanes)
        finally:
            pictures.close()
            clients = [client for lane in lanes for client in (lane.client, lane.desk.client) if client is not None]
            store.save_run(finished=tally.missing == 0, totals=_totals(tally, store.totals), servers=_servers(clients))
    if runner.misses:
        raise ReplayMissError(_missed(runner.misses, plan, cache))
    return Result(store.folder, plan.total - tally.missing, tally.missing, tally.done, runner.over_budget)


@contextmanager
def _rare_collections() -> Generator[None]:
    """Look for unreachable cycles less often, and not among what is there already: a tenth of a run's time goes there otherwise."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_COLLECTED_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _missed(misses: Sequence[str], plan: Plan, cache: Cache) -> str:
    """What a replay lacks, and why as far as that is known."""
    changed = cache.changed_templates(_templates())
    files = ", ".join(f"prompts/{name}.j2" for name in changed)
    why = f"; {files} changed since the cache was filled" if changed else ""
    advice = "ask them once without --replay, or go back to what was asked"
    return f"--replay: the cache holds no reply for {len(misses)} of {plan.total} trials, such as {misses[0]}{why}; {advice}"


def _templates() -> dict[str, str]:
    return {name: prompt_sha(name) for name in _TEMPLATES}


def _batched(part: ModelPlan, plan: Plan, say: Callable[[str], None], sleep: Sleep) -> ModelPlan:
    """`part` with its models behind their batch services, where the run is to be asked in batches and not from the cache alone."""
    execution = plan.config.execution
    if not execution.batch or execution.replay:
        return part
    folder = execution.out or plan.config.default_out()
    model = Batched(part.model, batch_service(part.model), folder, announce=say, sleep=sleep)
    if part.captioner is None or part.captioner is part.model:
        return replace(part, model=model, captioner=part.captioner and model)
    return replace(part, model=model, captioner=Batched(part.captioner, batch_service(part.captioner), folder, announce=say, sleep=sleep))


@dataclass(frozen=True, slots=True)
class Means:
    """What all clients of a run share; `say` tells of waits, `throttles` are by account."""

    cache: Cache
    budget: Budget
    say: Callable[[str], None]
    sleep: Sleep
    pictures: PreparedPictures
    throttles: dict[tuple[str, str | None], Throttle] = field(default_factory=dict[tuple[str, "str | None"], Throttle])

    def throttle(self, model: Model, server: str | None, limits: Limits) -> Throttle:
        """The throttle of everyone who asks this provider, or this server."""
        account = (model.provider, server)
        return self.throttles.setdefault(account, Throttle(limits, sleep=self.sleep))


def _lane(part: ModelPlan, plan: Plan, store: Store, means: Means) -> Lane:
    conditions = plan.config.conditions
    client = _client(part.model, plan, means)
    writer = client if part.captioner is part.model or part.captioner is None else _client(part.captioner, plan, means)
    desk = CaptionDesk(
        plan.config.captions,
        writer if part.captioner else None,
        store,
        conditions.sampling,
        means.pictures,
        resize=conditions.resize,
    )
    modes = plan.config.subject.modes
    shows = sum(mode.shows_image for mode in modes) + (writer is client and any(mode.shows_caption for mode in modes))
    return Lane(client, desk, part.trials, _limits(part.model, plan).most, shows * conditions.replicates)


def _limits(model: Model, plan: Plan) -> Limits:
    """How many requests to `model` at once: what a person named, else as many as its server turns out to take."""
    execution = plan.config.execution
    if execution.batch:
        return Limits.fixed(BATCH_WIDTH)
    if execution.concurrency != AUTO:
        return Limits.fixed(execution.concurrency)
    return Limits.fixed(CONCURRENCY) if model.simulated or model.provider in LOCAL else Limits()


def _client(model: Model, plan: Plan, means: Means) -> Client:
    return Client(
        model,
        means.cache,
        options=plan.options,
        policy=RetryPolicy(attempts=plan.config.execution.attempts),
        sleep=means.sleep,
        budget=means.budget,
        throttle=means.throttle(model, server_of(model.name, plan.options), _limits(model, plan)),
        announce=means.say,
    )


def _servers(clients: Sequence[Client]) -> dict[str, Any]:
    """What turned out about each model's server: what was left out because it refuses it, and what it says of its weights."""
    found: dict[str, Any] = {}
    for client in clients:
        dropped = list(client.model.dropped) if isinstance(client.model, Adjustable) else []
        if dropped or client.served:
            found[client.model.name] = {"left_out": dropped, "serves": dict(client.served)}
    return found


def run_identity(plan: Plan) -> dict[str, Any]:
    """What must agree for two sessions to be one run, as JSON data: the options, the puzzles, the models' ids and the prompts."""
    ids = {m.name: m.model_id for part in plan.models for m in (part.model, part.captioner) if m is not None}
    return {**plan.config.identity(), "model_ids": ids, "suite_sha256": plan.suite.sha256, "prompts": _templates()}


def run_json(plan: Plan) -> dict[str, Any]:
    """What `run.json` holds when a run begins, as JSON data."""
    captioners = [part.captioner for part in plan.models if part.captioner is not None and part.captioner is not part.model]
    models = {m.name: m for m in (*(part.model for part in plan.models), *captioners)}
    return {
        "v": SCHEMA,
        "version": __version__,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "options": plan.config.options(),
        "identity": run_identity(plan),
        "suite": {"name": plan.suite.name, "sha256": plan.suite.sha256, "n": len(plan.suite.puzzles), "notes": list(plan.suite.notes)},
        "skipped": [asdict(problem) for problem in plan.suite.problems],
        "models": [{"name": m.name, "provider": m.provider, "id": m.model_id, "simulated": m.simulated} for m in models.values()],
        "planned": plan.total,
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := package_version(name))},
        "commit": commit(),
        "finished": False,
        "totals": None,
    }


def _totals(tally: Tally, before: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of this session (`…_last`) and, with the totals of the sessions `before` it, of the run."""
    budget, known = tally.budget, before.get("models_reported")
    earlier = cast("dict[str, list[str]]", known) if isinstance(known, dict) else dict[str, list[str]]()
    reported = {name: sorted({*earlier.get(name, ()), *tally.reported.get(name, ())}) for name in {*earlier, *tally.reported}}
    spent = before.get("cost_usd", 0.0)
    return {
        "planned": tally.total,
        "finished": tally.total - tally.missing,
        "missing": tally.missing,
        "asked_last": tally.done,
        "tokens_in_last": budget.tokens_in,
        "tokens_out_last": budget.tokens_out,
        "cost_usd_last": budget.spent,
        "cost_usd": None if spent is None or budget.spent is None else spent + budget.spent,
        "cost_in_doubt_usd_last": budget.in_doubt,
        "saved_usd_last": budget.saved,
        "causes_last": dict(tally.causes),
        "models_reported": reported,
    }
