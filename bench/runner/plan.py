"""The plan of a run: suite, models and trials, checked against each other before anything is spent.

Whatever can be known to be impossible is refused here: a mode that the suite has no material for, captions that the set does not carry, a
model without a key. What remains is a list of trials per model, and an estimate of tokens and cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.config import RunConfig
from bench.defaults import AUTO, CONCURRENCY
from bench.digest import digest
from bench.errors import UserError
from bench.mode import DIAGNOSE, Mode
from bench.models.base import Model, ModelOptions, Usage
from bench.models.registry import batch_service, check_server_options, cost, resolve, warnings
from bench.outcome import Format
from bench.prompt import caption_prompt
from bench.puzzle import Puzzle
from bench.question import question_of
from bench.runner import money
from bench.runner.money import CostEstimate
from bench.store.writer import check_begun
from bench.trial import Trial, Trials, looks
from tasks.suites import Suite, generated, load_suite, take_level


@dataclass(frozen=True)
class ModelPlan:
    """What one model is asked. `captioner` is the model that writes the captions, None where there are none or the set carries them."""

    model: Model
    captioner: Model | None
    trials: Trials


@dataclass(frozen=True)
class Plan:
    """A checked run: nothing has been asked yet."""

    config: RunConfig
    suite: Suite
    models: Sequence[ModelPlan]
    options: ModelOptions
    left_out: Sequence[str] = ()

    @property
    def warnings(self) -> list[str]:
        """What a person must know before anything is spent: of models, of the suite, and what cannot be told."""
        names = dict.fromkeys(m.name for part in self.models for m in (part.model, part.captioner) if m is not None)
        told = [line for name in names for line in (*warnings(name), *money.tight(name, self.options))]
        return [*told, *self.suite.notes, *self.left_out]

    @property
    def total(self) -> int:
        """Number of trials."""
        return sum(len(part.trials) for part in self.models)


def make_plan(config: RunConfig, at_hand: Mapping[str, Model] | None = None) -> Plan:
    """Load the suite, resolve the models, list the trials.

    Args:
        config: the run.
        at_hand: models by their names that need not be resolved (a policy that is being trained).

    Raises:
        UserError: anything that would make the run fail or mean nothing.
        BadDataError: broken rows or images, unless they are to be skipped.
    """
    _check_at_once(config)
    options = _model_options(config)
    models = _resolve_models(config, options, at_hand or {})
    _check_services(config, options, [model for pair in models for model in pair if model is not None])
    suite = _load(config)
    config, left_out = _fitted(config, suite)
    _check_modes(config, suite)
    subject, conditions = config.subject, config.conditions
    parts: list[ModelPlan] = []
    for model, captioner in models:
        trials = Trials(
            suite.puzzles,
            model.name,
            subject.modes,
            config.captions,
            conditions.format,
            conditions.replicates,
            conditions.sampling.seed,
            conditions.doses,
        )
        parts.append(ModelPlan(model, captioner, trials))
    plan = Plan(config, suite, parts, options, left_out)
    _check_estimate(plan)
    return plan


def _check_at_once(config: RunConfig) -> None:
    """What is impossible whatever the suite and the models turn out to be: nobody waits for these to be told."""
    execution, name = config.execution, config.subject.spec.name
    if execution.replay and execution.cache_folder is None:
        raise UserError("--replay answers from the cache alone, and the cache is off: name its folder with --cache DIR")
    if execution.resume and (execution.out is not None or generated(name) is not None):  # the default folder of others waits for `_fitted`
        check_begun(execution.out or config.default_out())
    if config.conditions.doses and not any(looks(mode, config.captions) for mode in config.subject.modes):
        raise UserError("--degrade: no mode of this run looks at a picture; add image, caption or readback to --mode")
    if _shows_captions_of_the_set(config) and (drawn := generated(name)) is not None:
        raise _no_captions(drawn.label)


def _shows_captions_of_the_set(config: RunConfig) -> bool:
    return config.captions.name == "dataset" and any(mode.shows_caption for mode in config.subject.modes)


def _no_captions(suite: str) -> UserError:
    return UserError(f"--captioner dataset: suite {suite} carries no captions; use self or a model")


def _fitted(config: RunConfig, suite: Suite) -> tuple[RunConfig, list[str]]:
    """A diagnosis with the arms that the suite has material for, and what it then cannot tell; any other choice of modes as it is."""
    subject, conditions = config.subject, config.conditions
    if set(subject.modes) != set(DIAGNOSE):
        return config, []
    left_out: list[str] = []
    modes = list(subject.modes)
    if unread := sum(puzzle.state is None for puzzle in suite.puzzles):
        modes.remove(Mode.READBACK)
        if config.captions.prompt == "notation":
            conditions = replace(conditions, caption_prompt="plain")
        left_out.append(
            f"suite {suite.name}: {unread} puzzles have no reader, so captions are plain and readback is left out: "
            "seeing and thinking are told in one order of repair only"
        )
    if undescribed := sum(puzzle.description is None for puzzle in suite.puzzles):
        modes.remove(Mode.ORACLE)
        left_out.append(
            f"suite {suite.name}: {undescribed} puzzles have no description, so oracle is left out: "
            "seeing and thinking cannot be told apart"
        )
    return replace(config, subject=replace(subject, modes=tuple(modes)), conditions=conditions), left_out


def _check_services(config: RunConfig, options: ModelOptions, models: Sequence[Model]) -> None:
    """A batch needs a provider that takes them, and a bound needs prices."""
    if config.execution.batch:
        for model in models:
            batch_service(model)
    if config.execution.max_cost is None:
        return
    unpriced = [model.name for model in models if cost(model.name, Usage(), options) is None]
    if unpriced:
        raise UserError(f"--max-cost: the price of {unpriced[0]} is not known, so its cost cannot be bounded (models show {unpriced[0]})")


def _check_estimate(plan: Plan) -> None:
    """Batches are paid as a whole once they are handed in, so their bound is held against the estimate, before."""
    bound = plan.config.execution.max_cost
    if bound is None or not plan.config.execution.batch:
        return
    expected = sum(row.cost[1] for row in estimate(plan) if row.cost is not None)
    if expected > bound:
        raise UserError(f"--max-cost {bound:g}: these batches are expected to cost {expected:.2f} USD; raise it, or ask less (--limit)")


def _model_options(config: RunConfig) -> ModelOptions:
    sampling = config.conditions.sampling
    return ModelOptions(
        base_url=config.conditions.base_url,
        timeout_s=config.execution.timeout,
        concurrency=CONCURRENCY if config.execution.concurrency == AUTO else config.execution.concurrency,
        reasoning=sampling.reasoning,
        temperature=sampling.temperature,
        max_tokens=sampling.max_tokens,
        batch=config.execution.batch,
        extra_body=config.conditions.extra_body or {},
        headers=dict(header.split("=", 1) for header in config.conditions.headers),
        offline=config.execution.dry_run or config.execution.replay or config.execution.ray is not None,
    )


def _resolve_models(config: RunConfig, options: ModelOptions, at_hand: Mapping[str, Model]) -> list[tuple[Model, Model | None]]:
    """Each model with the model that writes its captions (itself for `self`); None where no captions are asked for."""
    captioner = config.captions.name
    check_server_options([*config.subject.models, *([captioner] if captioner not in ("self", "dataset") else [])], options)
    pairs: list[tuple[Model, Model | None]] = []
    for name in config.subject.models:
        model = at_hand.get(name) or resolve(name, options)
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
    suite = take_level(suite, subject.level)
    return suite if subject.shard is None else take_shard(suite, *subject.shard)


def take_shard(suite: Suite, part: int, whole: int) -> Suite:
    """The puzzles whose id hashes into part i of n, so that the shards of any order of any machine make up the whole.

    Raises:
        UserError: there is none.
    """
    kept = tuple(puzzle for puzzle in suite.puzzles if _part_of(puzzle, whole) == part)
    if not kept:
        raise UserError(f"--shard {part}/{whole}: no puzzle falls into this part; use fewer shards")
    return replace(suite, puzzles=kept)


def parts_with_puzzles(suite: Suite, whole: int) -> list[int]:
    """The parts of `whole` that any puzzle falls into, from 1."""
    return sorted({_part_of(puzzle, whole) for puzzle in suite.puzzles})


def _part_of(puzzle: Puzzle, whole: int) -> int:
    return int(digest(puzzle.id)[:12], 16) % whole + 1


def _check_modes(config: RunConfig, suite: Suite) -> None:
    modes, captioner = config.subject.modes, config.captions
    bare = [puzzle.id for puzzle in suite.puzzles if not puzzle.options]
    if config.conditions.format is Format.MCQ and bare:
        raise UserError(f"--format mcq: {len(bare)} puzzles of suite {suite.name} have no options (such as {bare[0]}); use --format open")
    if any(mode.shows_oracle for mode in modes):
        _require(suite, "oracle", "a ground-truth description", [p for p in suite.puzzles if p.description is None])
    if Mode.READBACK in modes:
        _require(suite, "readback", "a state that can be read back", [p for p in suite.puzzles if p.state is None])
    if captioner.name != "dataset" and captioner.prompt == "notation" and any(mode.shows_caption for mode in modes):
        _require(suite, "caption with --caption-prompt notation", "notation of their own", [p for p in suite.puzzles if p.state is None])
    if _shows_captions_of_the_set(config) and not suite.captions:
        raise _no_captions(suite.name)


def _require(suite: Suite, mode: str, what: str, lacking: Sequence[Puzzle]) -> None:
    if lacking:
        families = ", ".join(sorted({p.family for p in lacking}))
        raise UserError(f"--mode {mode}: {len(lacking)} puzzles of suite {suite.name} have no {what} (families: {families})")


def estimate(plan: Plan) -> list[CostEstimate]:
    """Expected requests, tokens and cost per model and mode, captions apart: see `bench.runner.money`."""
    return money.estimate([_asked_apart(part, plan.config) for part in plan.models], plan.options, _question, _caption)


def _asked_apart(part: ModelPlan, config: RunConfig) -> ModelPlan:
    """`part` without the readbacks that are the model's own captions in notation: one request serves both."""
    if config.captions.prompt != "notation" or part.captioner is not part.model:
        return part
    return replace(part, trials=part.trials.without(Mode.READBACK))


def _question(trial: Trial) -> str:
    return question_of(trial.puzzle, trial.mode, trial.fmt, trial.options).text


def _caption(trial: Trial) -> str:
    return caption_prompt(trial.captioner.prompt, trial.puzzle) if trial.captioner else ""
