"""Rewards: what a completion earns in training, from the tags in it and from the benchmark's own grader.

The total is the sum of weight x score over the tags that the reward's prompt asks for. Names of the six rewards of the paper: arXiv
2601.00215; their formulas and weights: third-party reading notes, not seen in the paper. `perception` and
`perception-only` are ours: they read the image description as the family's notation and pay for the visible facts that are right, so that
a part of the reward can be earned by seeing alone.

What each component is:

- *image description, think, rethink, visual*: tanh(distinct sentences) - tanh(repeated sentences) (`bench.train.tags`); 0 where missing.
- *answer*: 1 if `bench.grader.grade.grade_open` finds the whole completion correct, else 0, so that evaluation and reward never disagree.
  The grader may find the answer outside the answer tag ("The answer is 4:23."): that counts as in an evaluation, and nothing is lost but
  what the other tags pay. It reads the last statement: whoever names several answers is graded on the last or, in one breath, on none.
- *answer* of `continuous`: where the grader reads a wrong answer, partial credit for that answer; where it reads none, 0.
- *answer* of `no-accuracy`: 1 if a complete answer tag has anything in it. This reward can be earned with nonsense, and so it shows.
- *seen*: F1 of the visible facts that the text of the image description states, above that of the best fixed description of the family
  (`tasks.fidelity.above_floor`): what can be had without looking pays nothing.
- *sufficient*: 1 if the exact solver finds the right answer from the image description alone, else 0. Vision-SR1 (arXiv 2508.19652) lets
  the model itself judge whether its description suffices; here the judge is exact.
- *noise*: a number drawn by lot, a control that teaches nothing.

A completion that was cut off at the token limit is read as it stands: the trainer does not tell reward functions why a model stopped.
Importing this module imports no torch, and the callables are picklable.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bench.errors import BadDataError, UserError
from bench.grader.grade import grade_open
from bench.outcome import Outcome, Verdict
from bench.suggest import did_you_mean
from bench.train.rollouts import Rollout
from bench.train.tags import Tag, read_tags, sentence_score
from tasks.family import ReadError
from tasks.fidelity import above_floor, facts_f1
from tasks.kit.notation import number
from tasks.registry import FAMILIES
from tasks.registry import family as family_called


class Pays(StrEnum):
    """What the answer is paid for."""

    RIGHT = "right"
    NEAR = "near"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class Reward:
    """One reward.

    Attributes:
        name: as on the command line.
        template: stem of the prompt under `prompts/` that asks for the tags.
        weights: tag -> weight, in the order of the prompt; they add up to 1, or to 0 where only facts are paid.
        answer: what the answer is paid for.
        seen: the share of the total that is paid for visible facts.
        solver: the share that is paid for a description from which the exact solver finds the right answer.
        noise: the share that is drawn by lot. The weighted tags have the rest.
    """

    name: str
    template: str
    weights: Mapping[str, float]
    answer: Pays = Pays.RIGHT
    seen: float = 0.0
    solver: float = 0.0
    noise: float = 0.0

    @property
    def describes(self) -> bool:
        """Whether the image description itself is paid for."""
        return bool(self.seen or self.solver)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that are read."""
        return tuple(dict.fromkeys((*(("image description",) if self.describes else ()), *self.weights)))

    @property
    def told(self) -> float:
        """The share of the total that the weighted tags have."""
        return 1 - self.seen - self.solver - self.noise


_MIXTURE = {"image description": 0.06, "think": 0.06, "rethink": 0.08, "answer": 0.80}

REWARDS: Mapping[str, Reward] = {
    reward.name: reward
    for reward in (
        Reward("vanilla", "reward_vanilla", {"think": 0.1, "answer": 0.9}),
        Reward("only-accuracy", "reward_only_accuracy", {"answer": 1.0}),
        Reward("mixture", "reward_mixture", _MIXTURE),
        Reward("continuous", "reward_continuous", _MIXTURE, answer=Pays.NEAR),
        Reward("visual-fusion", "reward_visual_fusion", {"think": 0.1, "visual": 0.1, "answer": 0.8}),
        Reward(
            "no-accuracy",
            "reward_no_accuracy",
            {"image description": 0.3, "think": 0.3, "rethink": 0.3, "answer": 0.1},
            answer=Pays.PRESENT,
        ),
        Reward("perception", "reward_perception", _MIXTURE, seen=0.4),
        Reward("perception-only", "reward_perception", {}, seen=1.0),
        Reward("sufficient", "reward_perception", _MIXTURE, solver=0.4),
        Reward("sufficient-only", "reward_perception", {}, solver=1.0),
        Reward("noise", "reward_perception", {}, noise=1.0),
    )
}
"""Name -> reward: the six of the paper, then ours, and a control."""

SHOWN: tuple[str, ...] = tuple(name for name in REWARDS if name not in ("perception-only", "sufficient-only", "noise"))
"""The rewards that the command `rewards` shows."""


def reward_called(name: str) -> Reward:
    """The reward called `name`.

    Raises:
        UserError: there is none of that name.
    """
    if name not in REWARDS:
        raise UserError(f"unknown reward {name!r}{did_you_mean(name, REWARDS)}: expected one of {', '.join(REWARDS)}")
    return REWARDS[name]


def score(
    name: str, completion: str, *, family: str, answer: str, state: Mapping[str, Any] | None = None, level: int | None = None
) -> dict[str, float] | None:
    """What `completion` earns under the reward called `name`. Pure, deterministic (`noise` apart), linear in its length, and total.

    Args:
        name: of the reward.
        completion: what the policy wrote, raw.
        family: of the puzzle; one that is not generated here is graded plainly, as by the grader.
        answer: the right answer.
        state: the puzzle's state as `Family.dump` writes it, or None where it is not known.
        level: of the puzzle, for the floor of its facts; None for the highest floor of its family.

    Returns:
        "total", then the unweighted score of every component ("seen", "sufficient", "noise" and the reward's tags); None for a reward that
        pays for the description where there is no state to compare it with.

    Raises:
        UserError: unknown reward.
        ValueError: the state is broken; the message names the field.
    """
    reward = reward_called(name)
    tags = read_tags(completion, reward.tags)
    parts: dict[str, float] = {}
    if reward.describes:
        described = _described(reward, tags.get("image description", Tag("")).text, family, answer, state, level)
        if described is None:
            return None
        parts |= described
    if reward.noise:
        parts["noise"] = random.random()  # by the seed of the training; drawn from the text it could be learned, and was
    for tag in reward.weights:
        if tag == "answer":
            parts[tag] = _answer_score(reward.answer, completion, family, answer, present="answer" in tags)
        else:
            parts[tag] = sentence_score(tags.get(tag))
    told = sum(weight * parts[tag] for tag, weight in reward.weights.items())
    paid = reward.seen * parts.get("seen", 0.0) + reward.solver * parts.get("sufficient", 0.0) + reward.noise * parts.get("noise", 0.0)
    return {"total": paid + reward.told * told, **parts}


def _described(
    reward: Reward, text: str, family: str, answer: str, state: Mapping[str, Any] | None, level: int | None
) -> dict[str, float] | None:
    """What the image description `text` earns; None where it cannot be known what the picture shows."""
    if reward.solver:
        enough = suffices(text, family, answer, state)
        return None if enough is None else {"sufficient": float(enough)}
    f1 = facts_f1(text, family, state)
    return None if f1 is None else {"seen": above_floor(f1, family, level)}


def suffices(text: str, name: str, answer: str, state: Mapping[str, Any] | None) -> bool | None:
    """Whether the exact solver finds `answer` to the question of `state` from the description `text` alone; None without a state.

    A text that does not read back, and a state that has no answer, do not suffice.
    """
    if state is None or name not in FAMILIES:
        return None
    made = family_called(name)
    asked, seen = made.load(state), made.read(text)
    if isinstance(seen, ReadError):
        return False
    try:
        return made.same(made.solve(made.asking(seen, asked.query)), answer)
    except ValueError:
        return False


def _answer_score(pays: Pays, completion: str, family: str, answer: str, *, present: bool) -> float:
    if pays is Pays.PRESENT:
        return float(present)
    verdict = grade_open(completion, family, answer)
    if verdict.outcome is Outcome.CORRECT:
        return 1.0
    return partial_credit(family, verdict) if pays is Pays.NEAR else 0.0


# -- partial credit ----------------------------------------------------------------------------------------------------------------------
def partial_credit(family: str, verdict: Verdict) -> float:
    """How near the answer that the grader read comes to the right one, in [0, 1): for times and numbers, else 0.

    Times of the clock: half for the hour (1 - d/5 for a circular distance d <= 2 on 12), half for the minute (1 - d/20 for d <= 10 on 60).
    Numbers: 1/(1 + |d|) for |d| <= 5, where both are whole or neither is: 2.5 lies nearer to 2 and to 3 than either to the other, and would
    be paid for it.
    """
    if verdict.answer is None:
        return 0.0
    if family == "clock":
        return _time_credit(verdict.answer, verdict.gold)
    said, right = number(verdict.answer), number(verdict.gold)
    if said is None or right is None or said.is_integer() != right.is_integer():
        return 0.0
    distance = abs(said - right)
    return 1 / (1 + distance) if distance <= 5 else 0.0


def _time_credit(said: str, right: str) -> float:
    clock = family_called("clock")
    first, second = clock.read(said), clock.read(right)
    if isinstance(first, ReadError) or isinstance(second, ReadError):
        return 0.0
    hours, minutes = _around(first.hour, second.hour, 12), _around(first.minute, second.minute, 60)
    return 0.5 * (1 - hours / 5 if hours <= 2 else 0.0) + 0.5 * (1 - minutes / 20 if minutes <= 10 else 0.0)


def _around(a: int, b: int, turn: int) -> int:
    """The distance of `a` and `b` on a circle of `turn` steps."""
    ahead = (a - b) % turn
    return min(ahead, turn - ahead)


# -- for the trainer ---------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class TrainerReward:
    """A reward function as TRL's `GRPOTrainer` calls it; made by `trl_reward`. TRL logs it as `rewards/<name>/mean`.

    Attributes:
        name: of the reward.
        shown: is given every batch that was scored, for the table of samples.
    """

    name: str
    shown: Callable[[Sequence[Rollout]], None] | None = field(default=None, compare=False)

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(
        self,
        completions: Sequence[Any],
        *,
        family: Sequence[str],
        answer: Sequence[str],
        state: Sequence[str | Mapping[str, Any] | None] | None = None,
        level: Sequence[int | None] | None = None,
        picture: Sequence[str] | None = None,
        prompts: Sequence[Any] | None = None,
        trainer_state: Any = None,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **others: Any,
    ) -> list[float]:
        """The totals of a batch. Components go to `log_metric` as means of the batch and to `log_extra` one by one.

        Args:
            completions: plain texts, or conversations whose first message is the reply.
            family: column of the data set.
            answer: column of the data set.
            state: column of the data set: states as JSON text, or None where they are not known.
            level: column of the data set.
            picture: column of the data set: the completions of one picture are a group.
            prompts: TRL's own: what was asked.
            trainer_state: TRL's own: how many steps are done.
            log_metric: TRL's own: name and value of a scalar of this batch.
            log_extra: TRL's own: name and values of a column of the table of completions.
            others: whatever else TRL passes; not used.

        Raises:
            UserError: the reward pays for visible facts, and a puzzle has no state.
            BadDataError: a score is no finite number; TRL would take it for 0, or lose the weights to it.
            ValueError: a broken state.
        """
        states = [None] * len(completions) if state is None else [_state(one) for one in state]
        levels = [None] * len(completions) if level is None else level
        pictures = [""] * len(completions) if picture is None else picture
        texts = [_text(completion) for completion in completions]
        rows = [
            self._scored(text, shown, family=name, answer=right, state=seen, level=hard)
            for text, shown, name, right, seen, hard in zip(texts, pictures, family, answer, states, levels, strict=True)
        ]
        for part in rows[0] if rows else ():
            values = [row[part] for row in rows]
            label = f"{self.name}/{part.replace(' ', '_')}"
            if log_metric is not None and part != "total":
                log_metric(f"rewards/{label}", sum(values) / len(values))
            if log_extra is not None and part != "total":
                log_extra(label, values)
        if log_metric is not None and rows:
            if picture is not None:
                log_metric(EQUAL_GROUPS, equal_groups(picture, [row["total"] for row in rows]))
            if told := [tag for tag in reward_called(self.name).weights if tag != "answer"]:
                log_metric(TAGGED, sum(bool(read_tags(text, told)) for text in texts) / len(texts))
        if self.shown is not None:
            steps = 0 if trainer_state is None else int(trainer_state.global_step)
            asked = [""] * len(texts) if prompts is None else [_text(prompt) for prompt in prompts]
            self.shown([Rollout(steps, *row) for row in zip(pictures, family, asked, texts, rows, strict=True)])
        return [row["total"] for row in rows]

    def _scored(
        self, completion: str, picture: str, *, family: str, answer: str, state: Mapping[str, Any] | None, level: int | None
    ) -> dict[str, float]:
        scored = score(self.name, completion, family=family, answer=answer, state=state, level=level)
        if scored is None:
            raise UserError(f"reward {self.name} pays for the description: expected puzzles with a state, found one of {family!r} without")
        for part, value in scored.items():
            if not math.isfinite(value):
                raise BadDataError(
                    f"reward {self.name}: {part.replace('total', 'its total')} is {value} for a completion of {picture or family} "
                    f"({completion[:60]!r}): expected a finite number; nothing was learned from it"
                )
        return scored


EQUAL_GROUPS = "groups/equal"
"""In the trainer's log: the share of groups whose completions all earn the same. (TRL's own is 0 or 1 with `scale_rewards` batch.)"""
TAGGED = "tags/any"
"""In the trainer's log: the share of completions with any of the tags that are paid for besides the answer's."""


def equal_groups(pictures: Sequence[str], totals: Sequence[float]) -> float:
    """The share of groups, the completions of one picture each, that all earn the same."""
    groups: dict[str, list[float]] = {}
    for picture, total in zip(pictures, totals, strict=True):
        groups.setdefault(picture, []).append(total)
    return sum(max(values) - min(values) <= _SAME for values in groups.values()) / len(groups)


_SAME = 1e-6
"""Rewards that differ by less are one to the trainer, which holds them in float32."""


def trl_reward(name: str) -> TrainerReward:
    """The reward called `name` as a reward function of TRL, picklable and called `name`.

    Raises:
        UserError: there is none of that name.
    """
    return TrainerReward(reward_called(name).name)


def _text(completion: Any) -> str:
    """The reply in `completion`, or a prompt: a text, or a conversation whose contents are texts or lists of parts."""
    content = completion if isinstance(completion, str) else completion[0]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _state(state: str | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return json.loads(state) if isinstance(state, str) else state
