"""Money: what a run is expected to cost, what it may cost, and what it has cost.

An estimate counts pictures by each provider's published formula (`bench.models.image_tokens`), on the picture as it will be sent; text at
four characters a token; and assumes how much is written. A bound is kept by reserving the worst case of every request while it is in
flight: all its bytes as tokens, the picture at the top of its range, a reply of all the tokens it may have. So it is never passed.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

from bench.errors import OverBudget, UserError
from bench.image import sent_size
from bench.models.api.wishes import BUDGETS, reasons, room
from bench.models.base import Model, ModelOptions, Request, Sampling, Usage
from bench.models.image_tokens import Range, image_tokens
from bench.models.registry import cost, facts
from bench.puzzle import Puzzle
from bench.trial import Trial, Trials

CHARS_PER_TOKEN = 4
CAPTION_TOKENS = 300
REPLY_TOKENS = 500
"""Tokens assumed of a caption and of a reply without its reasoning, for estimates only."""

REASONING_TOKENS = {"minimal": 200, "low": 1000, "medium": 4000, "high": 10_000, "xhigh": 20_000, "max": 30_000}
"""Tokens of reasoning assumed for a level, for estimates only; a model that reasons by itself is taken to do so at "medium"."""

OVERHEAD_TOKENS = 200
"""Most tokens that a provider puts around one question and its picture."""


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a mode of one model is expected to take.

    Attributes:
        tokens_in: from least to most; one number where the provider's formula for pictures is published, or there are none.
        cost: USD, from least to most; None where the price is unknown.
    """

    model: str
    what: str
    requests: int
    tokens_in: Range
    tokens_out: int
    cost: tuple[float, float] | None


class Budget:
    """What a run may spend (`bound`, None for no bound) and has spent, in USD, shared by all that ask.

    Attributes:
        spent: of replies; None as soon as one price is unknown. `unpriced` replies had none.
        in_doubt: worst cost of requests whose answer never came whole: the provider may charge them.
        kept_back: worst cost of what is in flight.
        saved: by the provider's prompt cache.
        tokens_in, tokens_out: of replies, captions included.
    """

    def __init__(self, bound: float | None) -> None:
        self.bound = bound
        self.spent: float | None = 0.0
        self.in_doubt = 0.0
        self.kept_back = 0.0
        self.saved = 0.0
        self.tokens_in = 0
        self.tokens_out = 0
        self._freed = asyncio.Condition()

    def hold(self, worst: float | None, model: str) -> AbstractAsyncContextManager[None]:
        """Reserve `worst` while a request is in flight; waits for others to end where that leaves enough.

        Raises:
            OverBudget: there is not enough left.
            UserError: the price is unknown, so that no bound can be kept.
        """
        if self.bound is None:
            return nullcontext()
        if worst is None:
            raise UserError(f"--max-cost: the price of {model} is not known, so that its cost cannot be bounded")
        return self._held(self.bound, worst, model)

    @asynccontextmanager
    async def _held(self, bound: float, worst: float, model: str) -> AsyncGenerator[None]:
        async with self._freed:
            while (self.spent or 0.0) + self.in_doubt + self.kept_back + worst > bound:
                if self.kept_back <= 0.0:
                    raise OverBudget(f"{bound:g} USD: the next request of {model} could cost {worst:.4f} USD, more than is left")
                await self._freed.wait()
            self.kept_back += worst
        try:
            yield
        finally:
            self.kept_back = max(0.0, self.kept_back - worst) if self.kept_back - worst > 1e-12 else 0.0
            await self._wake()

    def paid(self, usage: Usage, amount: float | None, saved: float = 0.0) -> None:
        """Count a reply that was not cached; `amount` in USD, None where its price is unknown."""
        self.tokens_in += usage.input
        self.tokens_out += usage.output
        self.saved += saved
        self.spent = None if self.spent is None or amount is None else self.spent + amount

    def unsure(self, worst: float | None) -> None:
        """Count a request that may be charged although no answer came."""
        self.in_doubt += worst or 0.0

    async def _wake(self) -> None:
        async with self._freed:
            self._freed.notify_all()


def worst_cost(name: str, request: Request, options: ModelOptions) -> float | None:
    """The most that `request` to the model of this name can cost, in USD; None where the price is unknown."""
    alias, generation = facts(name, options)
    seen = 0
    if generation is not None:
        formula = (alias.image_tokens if alias else None) or generation.image_tokens
        seen = sum(image_tokens(formula, picture.width, picture.height).high for picture in request.pictures)
    tokens = len(request.text.encode()) + seen + OVERHEAD_TOKENS
    bound = room(generation, request.sampling) if generation is not None else request.sampling.room
    return cost(name, Usage(input=tokens, output=bound, cache_write=tokens if request.shared else 0), options)


class ModelWork(Protocol):
    """What one model is asked: a `bench.runner.plan.ModelPlan`."""

    @property
    def model(self) -> Model: ...
    @property
    def captioner(self) -> Model | None: ...
    @property
    def trials(self) -> Trials: ...


def estimate(
    parts: Sequence[ModelWork], options: ModelOptions, question: Callable[[Trial], str], caption: Callable[[Trial], str]
) -> list[CostEstimate]:
    """Expected requests, tokens and cost per model and mode, captions apart.

    Args:
        parts: what each model is asked.
        options: how the models are reached and sampled.
        question: the text of a trial's question, its caption left out.
        caption: the text of the request for a trial's caption.
    """
    rows: list[CostEstimate] = []
    for part in parts:
        times = part.trials.replicates  # which ask the same of every puzzle, in another order of options
        counts: Counter[str] = Counter()
        tokens: dict[str, list[int]] = {}
        captions: dict[tuple[str, str], Range] = {}
        for trial in part.trials.once():
            counts[trial.mode] += times
            seen = _seen(part.model, trial.puzzle, options) if trial.mode.shows_image else Range(0, 0)
            text = _text_tokens(question(trial)) + (CAPTION_TOKENS if trial.mode.shows_caption else 0)
            both = tokens.setdefault(trial.mode, [0, 0])
            both[0] += times * (seen.low + text)
            both[1] += times * (seen.high + text)
            if trial.captioner and part.captioner:
                prompt = caption(trial)
                seen, text = _seen(part.captioner, trial.puzzle, options), _text_tokens(prompt)
                captions[trial.puzzle.image.info.identity, prompt] = Range(times * (seen.low + text), times * (seen.high + text))
        rows += [_row(part.model, options, mode, count, Range(*tokens[mode]), REPLY_TOKENS) for mode, count in counts.items()]
        if captions and part.captioner:
            total = Range(sum(found.low for found in captions.values()), sum(found.high for found in captions.values()))
            rows.append(_row(part.captioner, options, f"captions for {part.model.name}", times * len(captions), total, CAPTION_TOKENS))
    return rows


def unknown_pictures(parts: Sequence[ModelWork], options: ModelOptions) -> list[str]:
    """Names of the models that are shown pictures and whose provider does not publish how it counts them."""
    names: list[str] = []
    for part in parts:
        shown = [part.model] if any(mode.shows_image for mode in part.trials.modes) else []
        for model in (*shown, *([part.captioner] if part.captioner is not None else [])):
            alias, generation = facts(model.name, options)
            if generation is not None and generation.image_tokens is None and (alias is None or alias.image_tokens is None):
                names.append(model.name)
    return list(dict.fromkeys(names))


def tight(name: str, options: ModelOptions) -> list[str]:
    """What to tell a person of a bound on replies that the model's reasoning may use up: a line, or none."""
    _, generation = facts(name, options)
    sampling = options.sampling()
    if generation is None or sampling.max_tokens is None or not reasons(generation, sampling):
        return []
    needed = reply_tokens(name, REPLY_TOKENS, replace(options, max_tokens=None))
    if sampling.max_tokens >= needed:
        return []
    by_itself = " by default" if sampling.reasoning is None else ""
    return [
        f"{name} reasons{by_itself}, and that counts against --max-tokens ({sampling.max_tokens:,}): about {needed:,} are needed; "
        "replies that spend them all on reasoning are truncated (leave --max-tokens out, or lower --reasoning)"
    ]


def reply_tokens(name: str, written: int, options: ModelOptions) -> int:
    """Tokens that a reply of the model of this name is expected to have, when it writes `written` and reasons as it is asked to."""
    _, generation = facts(name, options)
    sampling: Sampling = options.sampling()
    if generation is None:
        return min(written, sampling.room)
    wish, thought = sampling.reasoning, 0
    if reasons(generation, sampling):
        thought = wish if isinstance(wish, int) else REASONING_TOKENS.get(wish or "medium", REASONING_TOKENS["medium"])
        if isinstance(wish, str) and generation.reasoning == "budget":
            thought = min(thought, BUDGETS[wish])
    return min(written + thought, room(generation, sampling))


def _row(model: Model, options: ModelOptions, what: str, requests: int, tokens_in: Range, written: int) -> CostEstimate:
    tokens_out = requests * reply_tokens(model.name, written, options)
    least = cost(model.name, Usage(tokens_in.low, tokens_out), options)
    most = cost(model.name, Usage(tokens_in.high, tokens_out), options)
    return CostEstimate(model.name, what, requests, tokens_in, tokens_out, None if least is None or most is None else (least, most))


def _seen(model: Model, puzzle: Puzzle, options: ModelOptions) -> Range:
    """Tokens of the puzzle's pictures as `model` is sent them."""
    alias, generation = facts(model.name, options)
    formula = (alias.image_tokens if alias else None) or (generation.image_tokens if generation else "claude")
    counts = [image_tokens(formula, *sent_size(image.info.width, image.info.height, model.limits)) for image in puzzle.pictures]
    return Range(sum(count.low for count in counts), sum(count.high for count in counts))


def _text_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARS_PER_TOKEN)
