"""A model for tests whose replies and failures are scripted, and small puzzles to ask it about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.config import Conditions, Execution, RunConfig, Subject
from bench.image import ImageLimits
from bench.mode import Mode
from bench.models.base import ModelOptions, Reply, Request, Stop, Usage
from bench.outcome import Format
from bench.runner.plan import ModelPlan, Plan
from bench.trial import Captioner, Trials
from tasks.suites import Suite, SuiteSpec, load_suite

Script = Callable[[Request, int], Reply | Exception]
"""(request, how many requests came before) -> what happens."""


def answer(text: str, stop: Stop = Stop.END) -> Reply:
    """A reply with `text`."""
    return Reply(text, stop, Usage(100, 10), 0.01, request_id="req", model="scripted-1")


class Scripted:
    """A model that does what its script says, and keeps the requests it was sent."""

    provider = "sim"
    simulated = True
    limits = ImageLimits()

    def __init__(self, script: Script, name: str = "sim/p=1,r=1") -> None:
        self.name = name
        self.model_id = name
        self.requests: list[Request] = []
        self.open = 0
        self.takes_s = 0.0
        self.most_open = 0
        self._script = script

    def payload(self, request: Request) -> Mapping[str, Any]:
        return {"text": request.text, "image": request.picture.identity if request.picture else None}

    async def ask(self, request: Request) -> Reply:
        self.requests.append(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(self.takes_s)
        self.open -= 1
        result = self._script(request, len(self.requests) - 1)
        if isinstance(result, Exception):
            raise result
        return result

    async def close(self) -> None:
        return None


def right(request: Request, index: int) -> Reply:
    """Always answers rightly, and captions with the description."""
    assert request.hidden is not None
    puzzle = request.hidden.puzzle
    return answer(puzzle.description or "") if request.hidden.purpose != "solve" else answer(f"<answer>{puzzle.answer}</answer>")


def small_suite(n: int = 3) -> Suite:
    """`n` clocks of 84 px."""
    return load_suite(SuiteSpec.parse(f"mini:n={n}"), families=["clock"])


def plan_of(
    model: Scripted,
    out: Path,
    *,
    modes: tuple[Mode, ...] = (Mode.IMAGE, Mode.CAPTION),
    captioner: Captioner | None = None,
    writer: Scripted | None = None,
    suite: Suite | None = None,
    replicates: int = 1,
    cache: Path | str = "off",
    **execution: Any,
) -> Plan:
    """A plan that asks `model` about `suite`; captions are written by `writer`, by default `model` itself."""
    captioner, suite = captioner or Captioner(), suite or small_suite()
    conditions = Conditions(captioner=captioner.name, caption_prompt=captioner.prompt, replicates=replicates)
    config = RunConfig(Subject((model.name,), modes, "mini"), conditions, Execution(out=out, cache=cache, **execution))
    trials = Trials(suite.puzzles, model.name, modes, captioner, Format.MCQ, replicates, 0)
    desk = None if captioner.name == "dataset" else writer or model
    return Plan(config, suite, [ModelPlan(model, desk, trials)], ModelOptions())
