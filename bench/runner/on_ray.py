"""`--ray`: a run whose parts are tasks of a Ray cluster, merged into one run directory.

The puzzles fall into more parts than the cluster works on at once (`--shard i/n` makes the same ones); each part is a run directory of its
own under `parts/` of the run's, and Ray gives a part to another node when its node dies. What a part has stored is not asked again, and
what is merged is merged by key, so each trial counts once. When nothing is missing, `parts/` is removed: what remains is an ordinary run.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import socket
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import env
from bench.defaults import AUTO
from bench.errors import Unusable, UserError
from bench.extras import optional
from bench.models.registry import LOCAL, split
from bench.runner.part import MARK, PartDone, PartJob, do_part
from bench.runner.plan import Plan, parts_with_puzzles, take_shard
from bench.runner.session import Result, run_identity, run_json, save_suite
from bench.stopping import handlers_kept
from bench.store.parts import holds_run, merge_part, packed, unpack
from bench.store.run import open_run
from bench.store.writer import Store

PARTS = "parts"
PARTS_EACH = 4
"""Parts for each task that runs at once: so much of the work is lost at most with a node, and so evenly do the last ones end."""
TRIES_AGAIN = 5
"""How often a part is given to another node."""
CONNECT_S = 10.0
"""How long the head of a cluster has to answer, in seconds."""
ENDING_S = 30.0
"""How long tasks have to store what they have when the run is interrupted, in seconds."""


@dataclass(frozen=True, slots=True)
class _Needs:
    """What one task takes of a node."""

    cpus: int
    gpus: int

    def at_once(self, there: Mapping[str, float]) -> int:
        """How many tasks the cluster's resources let run at once."""
        bounds = [there.get("CPU", 0.0) / self.cpus, *([there.get("GPU", 0.0) / self.gpus] if self.gpus else [])]
        return int(min(bounds))


async def ask_on_ray(plan: Plan, console: Console) -> Result:
    """Ask everything in `plan` that is not stored yet, in parts, on the cluster that `--ray` names.

    Raises:
        UserError: no such cluster, no Ray, a run that was begun in another way, or a node on which the part cannot be asked.
        Unusable: as `bench.runner.session.ask_plan`.
    """
    config, ray = plan.config, _imported()
    folder = (config.execution.out or config.default_out()).absolute()
    store = Store(folder, run_json(plan), run_identity(plan), must_exist=config.execution.resume)
    try:
        save_suite(store, plan)
        if len(store.finished) >= plan.total:
            store.save_run(finished=True)
            return Result(folder, plan.total, 0, 0, over_budget=False)
        if store.finished and not (folder / PARTS).is_dir():
            raise UserError(f"{folder} was begun without --ray: continue it without, or choose another --out")
        async with _cluster(ray, config.execution.ray or ""):
            return await _Driver(plan, store, console, ray).run()
    finally:
        store.close()


class _Driver:
    """Hands out the parts of `plan` and merges what comes back into `store`."""

    def __init__(self, plan: Plan, store: Store, console: Console, ray: Any) -> None:
        self._plan, self._store, self._console, self._ray = plan, store, console, ray
        self._folder = store.folder / PARTS
        self._needs = _needs(plan, ray.cluster_resources())
        self._at_once = self._needs.at_once(ray.cluster_resources())
        if self._at_once < 1:
            raise UserError(f"--ray: no node has what a part needs ({self._needs.cpus} CPU, {self._needs.gpus} GPU)")
        self._whole = _parts_before(self._folder) or max(1, min(self._at_once * PARTS_EACH, len(plan.suite.puzzles)))
        self._merged: set[int] = set()
        self._asked = 0
        self._lost: list[str] = []

    async def run(self) -> Result:
        """Ask every part; what is stored is merged however this ends."""
        parts = parts_with_puzzles(self._plan.suite, self._whole)
        mark = uuid.uuid4().hex
        self._folder.mkdir(exist_ok=True)
        (self._folder / MARK).write_text(mark, encoding="utf-8")
        task = self._ray.remote(do_part).options(
            num_cpus=self._needs.cpus, num_gpus=self._needs.gpus, max_retries=TRIES_AGAIN, scheduling_strategy="SPREAD"
        )
        running = {part: task.remote(self._job(part, mark, min(self._at_once, len(parts)))) for part in parts}
        say = f"{self._plan.total} trials in {len(parts)} parts, {min(self._at_once, len(parts))} at once on {_nodes(self._ray)} nodes"
        self._say(say)
        try:
            for finished in asyncio.as_completed([self._outcome(part, running[part]) for part in parts]):
                part, done = await finished
                self._take(part, done)
        finally:
            self._end(list(running.values()))
            for part in parts:
                self._merge(part)
            totals = self._totals(parts)
            missing = self._plan.total - len(self._store.finished)
            self._store.save_run(finished=missing == 0, totals=totals, servers=self._servers(parts))
        for line in self._lost:
            self._say(line)
        if missing == 0:
            shutil.rmtree(self._folder)
        return Result(self._store.folder, self._plan.total - missing, missing, self._asked, over_budget=False)

    def _job(self, part: int, mark: str, at_once: int) -> PartJob:
        config, folder = self._plan.config, self._folder / f"{part}-of-{self._whole}"
        subject = replace(config.subject, shard=(part, self._whole))
        each = config.execution.concurrency
        if each != AUTO and not _in_process(self._plan):  # one server answers them all
            each = math.ceil(each / at_once)
        execution = replace(config.execution, ray=None, resume=False, out=None, concurrency=each, cache=config.execution.cache or "off")
        own = replace(config, subject=subject, execution=execution)
        identity = run_identity(replace(self._plan, config=own, suite=take_shard(self._plan.suite, part, self._whole)))
        return PartJob(own.options(), identity, str(folder), mark, str(Path.cwd()), before=packed(folder))

    async def _outcome(self, part: int, task: Any) -> tuple[int, PartDone | None]:
        """What became of a part; None where it is lost for now.

        Raises:
            UserError: the task failed before it could say anything: no sightgap on the node, say.
        """
        errors = self._ray.exceptions
        try:
            return part, await task
        except errors.RayTaskError as error:
            raise UserError(f"--ray: part {part}/{self._whole} cannot be asked on its node: {_last_line(error)}") from error
        except errors.RayError as error:
            self._lost.append(f"part {part}/{self._whole} is lost for now ({type(error).__name__})")
            return part, None

    def _take(self, part: int, done: PartDone | None) -> None:
        """Merge a part that has ended.

        Raises:
            UserError, Unusable: what ended it, the node named.
        """
        if done is None:
            return
        if done.files:
            unpack(done.files, self._folder / f"{part}-of-{self._whole}")
        self._asked += done.asked
        self._merge(part)
        if done.trouble is not None:
            kind = Unusable if done.unusable else UserError
            raise kind(f"--ray: node {done.node}: {done.trouble}")
        state = f", {done.missing} trials missing" if done.missing else ""
        self._say(f"part {part}/{self._whole} is done on {done.node}{state} ({len(self._store.finished)} of {self._plan.total} trials)")

    def _merge(self, part: int) -> None:
        folder = self._folder / f"{part}-of-{self._whole}"
        if part not in self._merged and holds_run(folder):
            merge_part(self._store, open_run(folder))
            self._merged.add(part)

    def _end(self, tasks: Sequence[Any]) -> None:
        """Stop what still runs, gently first: a task stores what it has."""
        _, pending = self._ray.wait(tasks, num_returns=len(tasks), timeout=0)
        for task in reversed(pending):  # those that wait first, so that none takes the place of one that ends
            self._ray.cancel(task, force=False)
        if pending:
            _, pending = self._ray.wait(pending, num_returns=len(pending), timeout=ENDING_S)
        for task in pending:
            self._ray.cancel(task, force=True)

    def _totals(self, parts: Sequence[int]) -> dict[str, Any]:
        """The totals of the run: counts are summed over its parts."""
        missing = self._plan.total - len(self._store.finished)
        made: dict[str, Any] = {"planned": self._plan.total, "finished": self._plan.total - missing, "missing": missing}
        summed = ("tokens_in_last", "tokens_out_last", "cost_usd_last", "cost_usd", "cost_in_doubt_usd_last", "saved_usd_last")
        infos = [open_run(folder).info for part in parts if holds_run(folder := self._folder / f"{part}-of-{self._whole}")]
        found: list[dict[str, Any]] = [dict(info.totals or {}) for info in infos]
        for name in summed:
            values = [totals.get(name, 0) for totals in found]  # none of a part that was killed; numbers of tokens stay whole
            made[name] = None if None in values else sum(values)
        causes: Counter[str] = Counter()
        reported: dict[str, set[str]] = {}
        for info, totals in zip(infos, found, strict=True):
            causes.update(totals.get("causes_last", {}))
            for name, ids in info.answered_by.items():
                reported.setdefault(name, set()).update(ids)
        names = {name: sorted(ids) for name, ids in reported.items()}
        return {**made, "asked_last": self._asked, "causes_last": dict(causes), "models_reported": names}

    def _servers(self, parts: Sequence[int]) -> dict[str, Any]:
        folders = (self._folder / f"{part}-of-{self._whole}" for part in parts)
        return {name: said for folder in folders if holds_run(folder) for name, said in open_run(folder).info.servers.items()}

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


@asynccontextmanager
async def _cluster(ray: Any, address: str) -> AsyncGenerator[None]:
    """Connect `ray`: to a cluster of this machine's own for "local", which ends with the run, or to the one at `address`."""
    if ray.is_initialized():  # the program that called us has a cluster of its own
        yield
        return
    _check_reachable(address)
    own: dict[str, Any] = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if address == "local" else {}
    try:
        with handlers_kept():  # Ray ends its driver at SIGTERM, without a word and before anything is stored
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise UserError(
            f"--ray {address}: {_last_line(error)}; expected local, or the address of a cluster (`ray status` there)"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """See that somebody listens at `address`, where it names a place: Ray itself tries for minutes.

    Raises:
        UserError: nobody does.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--ray {address}: there is no cluster ({error}); expected local, auto, or the address of a cluster's head"
        ) from error


def _imported() -> Any:
    """Ray, which is to send nothing about its use to anyone.

    Raises:
        MissingExtraError: it is not installed.
    """
    env.set_default("RAY_USAGE_STATS_ENABLED", "0")
    env.set_default("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # it would warn of what it changes some day
    return optional("ray", "ray")


def _needs(plan: Plan, there: Mapping[str, float]) -> _Needs:
    """A processor for each part, and the devices that its checkpoint runs on where the cluster has any."""
    names = [model.name for part in plan.models for model in (part.model, part.captioner) if model is not None]
    if not there.get("GPU"):
        return _Needs(1, 0)
    return _Needs(1, max((_devices(name) for name in names), default=0))


def _devices(name: str) -> int:
    """How many devices the model of this name runs on."""
    provider, text = split(name)
    if provider not in LOCAL:
        return 0
    from bench.models.local.checkpoint import Checkpoint

    extra = Checkpoint.parse(name, provider, text).extra
    return 0 if extra.get("device") == "cpu" else int(extra.get("tp", 1) * extra.get("dp", 1))


def _in_process(plan: Plan) -> bool:
    return any(part.model.provider in LOCAL for part in plan.models)


def _parts_before(folder: Path) -> int | None:
    """Into how many parts an earlier session cut the run."""
    found = [path.name.rpartition("-of-")[2] for path in folder.glob("*-of-*")] if folder.is_dir() else []
    return int(found[0]) if found else None


def _nodes(ray: Any) -> int:
    return sum(bool(node["Alive"]) for node in ray.nodes())


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
