"""What the tables of a recipe hold, each a frozen dataclass that refuses unknown keys: data, LoRA, stopping, sweep, evaluation, launch.

`bench.train.recipe` puts them together, reads them from TOML and holds them against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from bench.degrade import Degradation, parse_doses
from bench.mode import DIAGNOSE, Mode
from bench.outcome import Format
from tasks.suites import GENERATED, SuiteSpec

NAMED_SETS: Mapping[str, Mapping[str, int]] = {
    "clock-3k": {"clock": 3000},
    "diverse-8k": dict.fromkeys(("clock", "maze", "move_box", "n_queens"), 2000),
}
"""The paper's two training sets: family -> number of puzzles (third-party reading notes of arXiv 2601.00215, not seen in the paper)."""

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Data:
    """`[data]`: what is trained on.

    Attributes:
        set: "diverse-8k", "clock-3k" or a generated suite in the words of `tasks.suites` ("mini:n=500,seed=3"), n for each family.
        in_domain: families that are trained on.
        out_of_domain: families that are evaluated besides.
        suite: which generated suite draws the puzzles of a named set: it decides the size of pictures.
        levels: of difficulty; empty for the suite's own.
        seed: of the order of the puzzles, and of the puzzles where `set` names no seed.
        degrade: damage to the pictures, in the words of --degrade ("blur=1", "noise=0.2"): each picture has one of these, drawn by lot.
        clean: the share of pictures that stay as they are all the same; 1 where no damage is named.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    set: str
    in_domain: tuple[str, ...]
    out_of_domain: tuple[str, ...] = ()
    suite: Literal["algo", "algo@1", "mini", "mini@1"] | None = None
    levels: tuple[int, ...] = ()
    seed: Annotated[int, Field(ge=0)] = 0
    degrade: tuple[str, ...] = ()
    clean: Share = 0.0

    @property
    def doses(self) -> tuple[Degradation, ...]:
        """The damage that pictures are done, one of these each."""
        return parse_doses(self.degrade)

    @property
    def spec(self) -> SuiteSpec:
        """The suite that draws the puzzles, split "train"."""
        if self.set in NAMED_SETS:
            return SuiteSpec(self.suite or "algo", seed=self.seed, split="train")
        read = SuiteSpec.parse(self.set)
        return SuiteSpec(read.name, seed=read.seed or self.seed, level=read.level, n=read.n, split="train")

    @property
    def counts(self) -> Mapping[str, int]:
        """Family -> number of puzzles."""
        if self.set in NAMED_SETS:
            return NAMED_SETS[self.set]
        spec = self.spec
        return dict.fromkeys(self.in_domain, spec.n or GENERATED[spec.name].n)

    @property
    def chosen_levels(self) -> tuple[int, ...]:
        """The levels that puzzles are drawn at, in turn."""
        spec = self.spec
        return (spec.level,) if spec.level is not None else self.levels or GENERATED[spec.name].levels


@dataclass(frozen=True, slots=True)
class Lora:
    """`[lora]`: low-rank adapters instead of full weights. `targets` is a regular expression over the names of modules."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    r: Count = 16
    alpha: Count = 32
    dropout: Share = 0.0
    targets: str = r".*language_model.*\.(q|k|v|o)_proj"


@dataclass(frozen=True, slots=True)
class StopRule:
    """`[stop]`: what the watcher takes for a run that is lost.

    Attributes:
        equal_steps: so many steps in a row in which the rewards of every group are all equal: nothing can be learned.
        shortest: mean length of completions in tokens, over `window` steps, below which they have collapsed.
        longest_share: share of completions cut off at the limit, over `window` steps, above which they have exploded.
        window: steps.
        untagged_steps: so many steps in a row in which no completion has any of the tags that the reward pays for besides the answer's: a
            checkpoint that never writes them cannot learn them from rewards.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    equal_steps: Count = 50
    shortest: Annotated[float, Field(ge=0)] = 4.0
    longest_share: Share = 0.9
    window: Count = 20
    untagged_steps: Count = 20


class EqualGroups(StrEnum):
    """What is done with groups whose completions all earn the same: they are counted in the mean of the loss, or dropped from it."""

    COUNT = "count"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """`[policy]`: what of the checkpoint is trained, what it is shown, and which groups teach it.

    Attributes:
        freeze_vision: whether the vision tower, its projector included, stays as it is.
        max_pixels: pictures of more pixels are scaled down to so many, in training and, since the processor is saved so, wherever the
            checkpoint is used; None for the checkpoint's own.
        equal_groups: whether a group without variance counts in the mean over tokens (its gradient is 0 either way, but it makes that of
            the others smaller), or is dropped from it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    freeze_vision: bool = False
    max_pixels: Count | None = None
    equal_groups: EqualGroups = EqualGroups.COUNT


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """`[rollouts]`: every so many steps (0: never) the best and the worst completion of `puzzles` puzzles go into the run's table."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    every: Annotated[int, Field(ge=0)] = 10
    puzzles: Count = 4


@dataclass(frozen=True, slots=True)
class Evaluate:
    """`[sweep.evaluate]`: how base and checkpoints are compared: `n` puzzles of each family of `suite`, `concurrency` of them at a time.

    `model` is how a checkpoint is named as a model, {checkpoint} being its folder and {name} the folder's name ("base" for the start):
    "vllm/{checkpoint}?tp=2", or "openai/{name}@http://127.0.0.1:8000/v1" for a server that serves them all under these names; left out, it
    is transformers.
    `degrade` names damaged pictures that are asked about besides the clean ones, `caption_prompt` how captions are asked for.
    `temperatures` are those at which replies are drawn, each with its own tables: 0 is greedy, the rollouts' is what training works on.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    suite: str = "mini:seed=101"
    n: Count = 100
    modes: tuple[Mode, ...] = (Mode.IMAGE, Mode.ORACLE, Mode.BLIND, Mode.READBACK)
    format: Format = Format.OPEN
    max_tokens: Count = 256
    temperatures: tuple[Annotated[float, Field(ge=0)], ...] = (0.0,)
    concurrency: Count = 16
    model: str = ""
    degrade: tuple[str, ...] = ()
    caption_prompt: str = "plain"

    @property
    def spec(self) -> SuiteSpec:
        """The suite with its number of puzzles."""
        read = SuiteSpec.parse(self.suite)
        return SuiteSpec(read.name, read.seed, read.level, self.n, read.split)

    @property
    def words(self) -> str:
        """The suite with its number of puzzles, as `--suite` takes it."""
        spec = self.spec
        level = "" if spec.level is None else f",level={spec.level}"
        return f"{spec.name}:seed={spec.seed}{level},n={self.n}"


@dataclass(frozen=True, slots=True)
class HeldOut(Evaluate):
    """`[evaluate]`: what the policy is asked while it is trained: before the first step, every `every` steps (0: never), and at the end.

    As `[sweep.evaluate]`, with one temperature, and on other puzzles than the sweep, since the best checkpoint is chosen by them.

    Attributes:
        families: that are asked about; empty for all that `[data]` names.
        best: the number that `best/` is kept by: an arm's accuracy ("image", "readback", ...), or points lost ("lost", "using", "seeing",
            "thinking", "picture"), of which fewer are better; on damaged pictures with their damage ("image.blur-1").
        load_best: whether the checkpoint that is left at the end is the best one, and not the last.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    every: Annotated[int, Field(ge=0)] = 0
    suite: str = "mini:seed=202"
    n: Count = 10
    modes: tuple[Mode, ...] = DIAGNOSE
    caption_prompt: str = "notation"
    families: tuple[str, ...] = ()
    best: str = "image"
    load_best: bool = False

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of what an evaluation yields, on clean pictures and on each damage."""
        of_one = [mode.value for mode in self.modes]
        if Mode.IMAGE in self.modes:
            of_one += LOST
        return tuple(named(name, dose) for dose in ("", *map(str, parse_doses(self.degrade))) for name in of_one)


LOST = ("lost", "using", "seeing", "thinking", "picture")
"""Numbers of an evaluation that are points lost on pictures; which of them can be told is decided by the arms."""


def named(number: str, dose: str) -> str:
    """The name of a number on pictures with the damage `dose`; of letters that every logger takes."""
    return f"{number}.{dose.replace('=', '-')}" if dose else number


@dataclass(frozen=True, slots=True)
class Control:
    """`[[sweep.controls]]`: a reward trained with other settings, to compare the sweep with.

    Attributes:
        name: of the row in the tables, and of the folders.
        reward: that is trained; left out for a supervised control, which learns the true descriptions and answers in as many steps.
        seeds: by default the sweep's.
        data: keys of `[data]` that differ.
        grpo: keys of `[grpo]` that differ.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    name: Annotated[str, Field(pattern=r"[a-z0-9.-]+")]
    reward: str = ""
    seeds: tuple[int, ...] = ()
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    grpo: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Lessons:
    """`[sweep.lessons]`: supervised steps on the recipe's puzzles before the sweep: it starts where rewards have something to teach.

    Attributes:
        steps: of them; 0 for a sweep that starts from the checkpoint as it is.
        learning_rate: falling to 0.
        seed: of the lessons.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    steps: Annotated[int, Field(ge=0)] = 0
    learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """`[sweep]`: rewards x seeds that `--reward all` trains from one base, `jobs` of them at a time."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    rewards: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    jobs: Count = 1
    lessons: Lessons = field(default_factory=Lessons)
    evaluate: Evaluate = field(default_factory=Evaluate)
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class Launch:
    """`[launch]`: where it runs.

    Attributes:
        model: the default of --model, as on the command line; empty if there is none.
        gpus: number of processes, one GPU each; 0 for the CPU.
        accelerate: file of accelerate's own format, beside the recipe or shipped; empty for one process.
        vllm: whether rollouts are sampled by vLLM on the training GPUs, by a vLLM server, or (empty) by transformers.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    model: str = ""
    gpus: Annotated[int, Field(ge=0)] = 0
    accelerate: str = ""
    vllm: Literal["", "colocate", "server"] = ""
