"""The plan of a run: suite, models and trials, checked against each other before anything is spent.

Whatever can be known to be impossible is refused here: a mode that the suite has no material for, captions that the set does not carry, a
model without a key. What remains is a list of trials per model, and an estimate of tokens and cost.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.config import RunConfig
from bench.digest import digest
from bench.errors import UserError
from bench.image import PATCH
from bench.mode import Mode
from bench.models.base import Model, ModelOptions, Usage
from bench.models.registry import batch_service, cost, resolve, warnings
from bench.outcome import Format
from bench.prompt import caption_prompt
from bench.puzzle import Puzzle
from bench.question import question_of
from bench.trial import Trial, looks, plan_trials
from tasks.suites import Suite, load_suite, take_level

CHARS_PER_TOKEN = 4
CAPTION_TOKENS = 300
REPLY_TOKENS = 500
"""Tokens assumed of a caption and of a reply, for estimates only."""


@dataclass(frozen=True)
class ModelPlan:
    """What one model is asked. `captioner` is the model that writes the captions, None where there are none or the set carries them."""

    model: Model
    captioner: Model | None
    trials: Sequence[Trial]


@dataclass(frozen=True)
class Plan:
    """A checked run: nothing has been asked yet."""

    config: RunConfig
    suite: Suite
    models: Sequence[ModelPlan]
    options: ModelOptions

    @property
    def warnings(self) -> list[str]:
        """What a person must know before anything is spent: retired models and their replacements."""
        names = dict.fromkeys(m.name for part in self.models for m in (part.model, part.captioner) if m is not None)
        return [line for name in names for line in warnings(name)]

    @property
    def total(self) -> int:
        """Number of trials."""
        return sum(len(part.trials) for part in self.models)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a mode of one model is expected to take: trials, tokens in and out, and USD (None where the price is unknown)."""

    model: str
    what: str
    requests: int
    tokens_in: int
    tokens_out: int
    cost: float | None


def make_plan(config: RunConfig) -> Plan:
    """Load the suite, resolve the models, list the trials.

    Raises:
        UserError: anything that would make the run fail or mean nothing.
        BadDataError: broken rows or images, unless they are to be skipped.
    """
    models = _resolve_models(config)
    suite = _load(config)
    _check_modes(config, suite)
    subject, conditions = config.subject, config.conditions
    parts: list[ModelPlan] = []
    for model, captioner in models:
        trials = plan_trials(
            suite.puzzles,
            model.name,
            subject.modes,
            conditions.captions,
            conditions.format,
            conditions.replicates,
            conditions.sampling.seed,
            conditions.doses,
        )
        parts.append(ModelPlan(model, captioner, list(trials)))
    plan = Plan(config, suite, parts, _model_options(config))
    if config.execution.batch:
        _check_batch(plan)
    return plan


def _check_batch(plan: Plan) -> None:
    """Batches are paid as a whole once they are handed in, so a bound on the cost is held against the estimate, before."""
    for part in plan.models:
        for model in (part.model, part.captioner):
            if model is not None:
                batch_service(model)
    bound = plan.config.execution.max_cost
    if bound is None:
        return
    costs = [row.cost for row in estimate(plan)]
    if any(cost is None for cost in costs):
        raise UserError("--max-cost with --batch: the price of a model is not known, so its cost cannot be bounded before it is asked")
    expected = sum(cost or 0.0 for cost in costs)
    if expected > bound:
        raise UserError(f"--max-cost {bound:g}: these batches are expected to cost {expected:.2f} USD; raise it, or ask less (--limit)")


def _model_options(config: RunConfig) -> ModelOptions:
    sampling = config.conditions.sampling
    return ModelOptions(
        base_url=config.conditions.base_url,
        timeout_s=config.execution.timeout,
        concurrency=config.execution.concurrency,
        reasoning=sampling.reasoning,
        temperature=sampling.temperature,
        max_tokens=sampling.max_tokens,
        batch=config.execution.batch,
    )


def _resolve_models(config: RunConfig) -> list[tuple[Model, Model | None]]:
    """Each model with the model that writes its captions (itself for `self`); None where no captions are asked for."""
    options, captioner = _model_options(config), config.conditions.captions.name
    pairs: list[tuple[Model, Model | None]] = []
    for name in config.subject.models:
        model = resolve(name, options)
        writer = None
        if captioner != "dataset" and any(mode.shows_caption for mode in config.subject.modes):
            writer = model if captioner in ("self", name) else resolve(captioner, options)
        pairs.append((model, writer))
    return pairs


def _load(config: RunConfig) -> Suite:
    subject = config.subject
    suite = load_suite(
        subject.spec,
        data_dir=subject.data_dir,
        families=subject.families or None,
        limit=subject.limit,
        skip_bad=config.execution.skip_bad,
        columns=subject.column_names,
    )
    return _shard(take_level(suite, subject.level), subject.shard)


def _shard(suite: Suite, shard: tuple[int, int] | None) -> Suite:
    """The puzzles whose id hashes into part i of n, so that the shards of any order of any machine make up the whole."""
    if shard is None:
        return suite
    part, whole = shard
    kept = tuple(p for p in suite.puzzles if int(digest(p.id)[:12], 16) % whole == part - 1)
    if not kept:
        raise UserError(f"--shard {part}/{whole}: no puzzle falls into this part; use fewer shards")
    return replace(suite, puzzles=kept)


def _check_modes(config: RunConfig, suite: Suite) -> None:
    modes, captioner = config.subject.modes, config.conditions.captions
    if config.conditions.doses and not any(looks(mode, captioner) for mode in modes):
        raise UserError("--degrade: no mode of this run looks at a picture; add image, caption or readback to --mode")
    bare = [puzzle.id for puzzle in suite.puzzles if not puzzle.options]
    if config.conditions.format is Format.MCQ and bare:
        raise UserError(f"--format mcq: {len(bare)} puzzles of suite {suite.name} have no options (such as {bare[0]}); use --format open")
    if any(mode.shows_oracle for mode in modes):
        _require(suite, "oracle", "a ground-truth description", [p for p in suite.puzzles if p.description is None])
    if Mode.READBACK in modes:
        _require(suite, "readback", "a state that can be read back", [p for p in suite.puzzles if p.state is None])
    if captioner.name == "dataset" and any(mode.shows_caption for mode in modes) and not suite.captions:
        raise UserError(f"--captioner dataset: suite {suite.name} carries no captions; use self or a model")


def _require(suite: Suite, mode: str, what: str, lacking: Sequence[Puzzle]) -> None:
    if lacking:
        families = ", ".join(sorted({p.family for p in lacking}))
        raise UserError(f"--mode {mode}: {len(lacking)} puzzles of suite {suite.name} have no {what} (families: {families})")


def estimate(plan: Plan) -> list[Estimate]:
    """Expected requests, tokens and cost per model and mode, captions apart. Rough: 4 characters a token, 300 a caption, 500 a reply."""
    rows: list[Estimate] = []
    for part in plan.models:
        tokens: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        captions: dict[tuple[str, str, int], int] = {}
        for trial in part.trials:
            counts[trial.mode] += 1
            tokens[trial.mode] += _trial_tokens(trial)
            if trial.captioner and part.captioner:
                prompt = caption_prompt(trial.captioner.prompt, trial.puzzle)
                captions[trial.puzzle.image.info.identity, prompt, trial.replicate] = _image_tokens(trial.puzzle) + _text_tokens(prompt)
        bound = plan.config.conditions.sampling.max_tokens
        for mode, count in counts.items():
            rows.append(_row(part.model, plan.options, mode, count, tokens[mode], count * min(REPLY_TOKENS, bound)))
        if captions and part.captioner:
            out = len(captions) * min(CAPTION_TOKENS, bound)
            rows.append(_row(part.captioner, plan.options, f"captions for {part.model.name}", len(captions), sum(captions.values()), out))
    return rows


def _row(model: Model, options: ModelOptions, what: str, requests: int, tokens_in: int, tokens_out: int) -> Estimate:
    usage = Usage(tokens_in, tokens_out)
    return Estimate(model.name, what, requests, tokens_in, tokens_out, cost(model.name, usage, options))


def _trial_tokens(trial: Trial) -> int:
    asked = question_of(trial.puzzle, trial.mode, trial.fmt, trial.options)
    picture = _image_tokens(trial.puzzle) if asked.picture else 0
    return _text_tokens(asked.text) + picture + (CAPTION_TOKENS if trial.mode.shows_caption else 0)


def _text_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARS_PER_TOKEN)


def _image_tokens(puzzle: Puzzle) -> int:
    return sum(math.ceil(image.info.width / PATCH) * math.ceil(image.info.height / PATCH) for image in puzzle.pictures)
