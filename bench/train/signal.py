"""`train --diagnose`: what a reward has to teach a checkpoint, before anything is spent on training it.

GRPO learns from differences within a group of completions of one puzzle. So a few groups are sampled from the base as training would
sample them, every reward scores them, and for each reward and family it is told how often the answer is right (pass@1) and how often one
of a group is (pass@k), how many groups have any variance, how far completions of a group lie apart, and how much of that is the tags'
sentences rather than the answer or the description. Rewards with one prompt share one set of completions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.errors import UserError
from bench.extras import optional
from bench.models.local.processor import load_errors, load_processor, one_line, pixels
from bench.prompt import reward_prompt
from bench.puzzle import Puzzle
from bench.report.markdown import table
from bench.stats.rates import pass_at_k
from bench.train.data import training_puzzles
from bench.train.provenance import checkpoint_place
from bench.train.recipe import Recipe
from bench.train.rewards import Reward, reward_called, score
from bench.train.tiny.quick import ends_of, quicken

GROUPS = 6
"""Puzzles of each family that are sampled."""
LITTLE = 0.06
"""Standard deviations of facts, and gains from pass@1 to pass@k, below which there is next to nothing to learn from."""
FEW = 0.2
"""Share of groups with any variance below which a reward teaches next to nothing."""

HEADER = (
    "reward",
    "family",
    "pass@1",
    "pass@k",
    "groups that vary",
    "s.d. in a group",
    "of it tags",
    "description s.d.",
    "tokens",
    "cut off",
)


@dataclass(frozen=True, slots=True)
class Sampled:
    """One completion: its text, its length in tokens, and whether the limit cut it off."""

    text: str
    tokens: int
    cut: bool


Group = tuple[Puzzle, Sequence[Sampled]]


@dataclass(frozen=True, slots=True)
class Signal:
    """What one reward has to teach on one family ("all" for all of them); every number is a mean over groups.

    Attributes:
        passed, best: pass@1 and pass@k, k the size of a group.
        varied: share of groups whose completions do not all earn the same.
        spread: standard deviation of the total within a group.
        tags: share of the variance within groups that would be left if only the tags' sentences were paid.
        seen: standard deviation within a group of what the description earns; None where the reward does not pay for it.
        tokens, cut: mean length, and share of completions that the limit cut off.
    """

    reward: str
    family: str
    passed: float
    best: float
    varied: float
    spread: float
    tags: float
    seen: float | None
    tokens: float
    cut: float


def diagnose(recipe: Recipe, rewards: Sequence[str], model: str, *, groups: int = GROUPS) -> list[str]:
    """The lines that `train --diagnose` prints: one sentence for each reward, then a table by family.

    Raises:
        UserError: an unknown reward, or the model cannot be loaded.
        MissingExtraError: torch or transformers is not installed.
    """
    chosen = [reward_called(name) for name in rewards]
    puzzles = list(_few(training_puzzles(recipe), groups))
    sampler = _Sampler.load(recipe, model)
    sampled: dict[str, list[Group]] = {}
    signals: list[Signal] = []
    for reward in chosen:
        if reward.template not in sampled:
            sampled[reward.template] = [(puzzle, sampler.group(reward, puzzle)) for puzzle in puzzles]
        signals += measured(reward, sampled[reward.template])
    size = int(recipe.grpo["num_generations"])
    lines = [sentence(signal, size) for signal in signals if signal.family == "all"]
    return [*lines, "", *table(HEADER, [_row(signal) for signal in signals])]


def _few(puzzles: Sequence[Puzzle], groups: int) -> Iterator[Puzzle]:
    """The first `groups` puzzles of each family."""
    taken: dict[str, int] = {}
    for puzzle in puzzles:
        if taken.get(puzzle.family, 0) < groups:
            taken[puzzle.family] = taken.get(puzzle.family, 0) + 1
            yield puzzle


# -- measuring ---------------------------------------------------------------------------------------------------------------------------
def measured(reward: Reward, groups: Sequence[Group]) -> list[Signal]:
    """The signal of `reward` on each family of `groups`, and on all of them, which comes last."""
    families = sorted({puzzle.family for puzzle, _ in groups})
    return [_signal(reward, name, [group for group in groups if name in ("all", group[0].family)]) for name in (*families, "all")]


def _signal(reward: Reward, name: str, groups: Sequence[Group]) -> Signal:
    scored = [[_scored(reward, puzzle, one.text) for one in completions] for puzzle, completions in groups]
    right = [[_right(puzzle, one.text) for one in completions] for puzzle, completions in groups]
    totals = [np.array([parts["total"] for parts in group]) for group in scored]
    told = [np.array([_tags(reward, parts) for parts in group]) for group in scored]
    within = float(np.mean([values.var() for values in totals]))
    everything = [one for _, completions in groups for one in completions]
    return Signal(
        reward=reward.name,
        family=name,
        passed=float(np.mean([np.mean(group) for group in right])),
        best=float(np.mean([pass_at_k(len(group), sum(group), len(group)) for group in right])),
        varied=float(np.mean([np.ptp(values) > 1e-9 for values in totals])),
        spread=float(np.mean([values.std() for values in totals])),
        tags=min(1.0, float(np.mean([values.var() for values in told])) / within) if within else 0.0,
        seen=_described(reward, scored),
        tokens=float(np.mean([one.tokens for one in everything])),
        cut=float(np.mean([one.cut for one in everything])),
    )


def _scored(reward: Reward, puzzle: Puzzle, text: str) -> Mapping[str, float]:
    found = score(reward.name, text, family=puzzle.family, answer=puzzle.answer, state=puzzle.state, level=puzzle.level)
    if found is None:
        raise UserError(f"reward {reward.name} pays for the description: expected puzzles with a state, found {puzzle.id} without")
    return found


def _right(puzzle: Puzzle, text: str) -> bool:
    found = score("only-accuracy", text, family=puzzle.family, answer=puzzle.answer)
    return found is not None and found["answer"] == 1.0


def _tags(reward: Reward, parts: Mapping[str, float]) -> float:
    """What the tags' sentences alone earn."""
    return reward.told * sum(weight * parts[tag] for tag, weight in reward.weights.items() if tag != "answer")


def _described(reward: Reward, scored: Sequence[Sequence[Mapping[str, float]]]) -> float | None:
    part = "seen" if reward.seen else "sufficient" if reward.solver else None
    return None if part is None else float(np.mean([np.std([parts[part] for parts in group]) for group in scored]))


# -- saying ------------------------------------------------------------------------------------------------------------------------------
def sentence(signal: Signal, size: int) -> str:
    """Whether the reward has anything to teach, in one line."""
    told = f"{signal.reward}: pass@1 {signal.passed:.0%}, pass@{size} {signal.best:.0%}, {signal.varied:.0%} of the groups vary"
    if signal.cut > 0.5:
        return f"{told}; {signal.cut:.0%} of the completions are cut off: raise max_completion_length before anything else"
    if signal.varied < FEW:
        return f"{told}: nothing to teach, since nearly all completions of a puzzle earn the same"
    seen = "" if signal.seen is None else _facts(signal.seen)
    if signal.tags > 0.5:
        return f"{told}, but {signal.tags:.0%} of the variance is the tags': it teaches to write sentences{seen}"
    if signal.best - signal.passed < LITTLE and (signal.seen is None or signal.seen < LITTLE):
        return f"{told}: nothing to teach, since the best completion of a puzzle is hardly better than the others{seen}"
    return f"{told}: there is something to teach{seen}"


def _facts(spread: float) -> str:
    less = ": nothing to see better" if spread < LITTLE else ""
    return f"; what descriptions earn varies by {spread:.2f} within a group{less}"


def _row(signal: Signal) -> list[str]:
    shares = [f"{100 * value:.0f}" for value in (signal.passed, signal.best, signal.varied)]
    seen = "" if signal.seen is None else f"{signal.seen:.3f}"
    rest = [f"{signal.spread:.3f}", f"{100 * signal.tags:.0f}", seen, f"{signal.tokens:.0f}", f"{100 * signal.cut:.0f}"]
    return [signal.reward, signal.family, *shares, *rest]


# -- sampling ----------------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Sampler:
    """Samples groups as the trainer would: its prompts, temperature, group size and length."""

    torch: Any
    model: Any
    processor: Any
    settings: Any
    size: int

    @classmethod
    def load(cls, recipe: Recipe, model: str) -> _Sampler:
        torch, transformers = optional("torch", "train"), optional("transformers", "train")
        where, grpo = checkpoint_place(model), recipe.grpo
        try:
            processor = load_processor(where)
            loaded: Any = transformers.AutoModelForImageTextToText.from_pretrained(
                where, dtype="auto" if grpo.get("bf16", True) else "float32"
            )
        except load_errors() as error:
            raise UserError(f"{model} cannot be loaded: {one_line(error)}") from error
        torch.manual_seed(recipe.data.seed)
        loaded = loaded.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        quicken(loaded)
        settings = transformers.GenerationConfig(
            max_new_tokens=grpo.get("max_completion_length", 256),
            do_sample=True,
            temperature=grpo.get("temperature", 1.0),
            top_k=0,
            top_p=1.0,
            eos_token_id=loaded.generation_config.eos_token_id,
            pad_token_id=processor.tokenizer.pad_token_id,
        )
        return cls(torch, loaded, processor, settings, int(grpo["num_generations"]))

    def group(self, reward: Reward, puzzle: Puzzle) -> list[Sampled]:
        """A group of completions of `puzzle` under the prompt of `reward`."""
        shown = {"type": "image", "image": pixels(puzzle.image.data())}
        chat = [{"role": "user", "content": [shown, {"type": "text", "text": reward_prompt(reward.name, puzzle)}]}]
        inputs = self.processor.apply_chat_template(
            [chat] * self.size,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        ).to(self.model.device, dtype=self.model.dtype)
        with self.torch.inference_mode():
            made = self.model.generate(**inputs, generation_config=self.settings)
        return [self._read(row, ends_of(self.settings)) for row in made[:, inputs["input_ids"].shape[1] :].tolist()]

    def _read(self, tokens: list[int], ends: Sequence[int]) -> Sampled:
        end = next((index for index, token in enumerate(tokens) if token in ends), None)
        kept = tokens if end is None else tokens[: end + 1]
        return Sampled(self.processor.tokenizer.decode(kept, skip_special_tokens=True), len(kept), end is None)
