"""The configuration of a run, by phase: what is asked about (`Subject`), how it is asked (`Question`), how it is done (`Execution`).

`Subject` and `Question` decide the records and so the identity of a run directory; `Execution` may differ between sittings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.degrade import Degradation
from bench.digest import digest
from bench.errors import UserError
from bench.mode import Mode
from bench.models.base import Sampling
from bench.outcome import Format
from bench.prompt import CAPTION_PROMPTS
from bench.trial import Captioner
from tasks.suites import SuiteSpec, suite_label

DEFAULT_SUITE = "mini"
DEFAULT_MODES = (Mode.IMAGE, Mode.CAPTION, Mode.ORACLE, Mode.BLIND)
DEFAULT_MODELS = ("tiny-base", "tiny-perception")
"""What is compared where no model is named: the shipped checkpoints, before and after GRPO."""
DEFAULT_RUN = ("run", "--level", "1", "--format", "open", "--limit", "20", "--max-tokens", "256", "--concurrency", "64")
"""What a command line without any argument stands for: a minute of the real thing on two cores, no key and no network."""

REASONING = ("off", "low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about. `limit` is per family; `columns` are those of a table of the user's own."""

    models: tuple[str, ...]
    modes: tuple[Mode, ...]
    suite: str
    data_dir: Path | None = None
    families: tuple[str, ...] = ()
    level: int | None = None
    limit: int | None = None
    shard: tuple[int, int] | None = None
    columns: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def spec(self) -> SuiteSpec:
        """The suite, with the level filled in."""
        spec = SuiteSpec.parse(self.suite)
        if self.level is None:
            return spec
        return SuiteSpec(spec.name, spec.seed, self.level, spec.n, spec.split)


@dataclass(frozen=True, slots=True)
class Question:
    """How it is asked. `sampling.seed` is the run's seed: of sampling and of option orders. `doses` are asked beside the clear picture."""

    captioner: Captioner = field(default_factory=Captioner)
    fmt: Format = Format.MCQ
    replicates: int = 1
    sampling: Sampling = field(default_factory=Sampling)
    base_url: str | None = None
    resize: bool = True
    doses: tuple[Degradation, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """How it is carried out. `timeout_s` bounds one request; `max_cost` is in USD; `batch` asks through the providers' batch services."""

    out: Path | None = None
    cache: Path | None = None
    concurrency: int = 16
    max_cost: float | None = None
    timeout_s: float = 600.0
    attempts: int = 8
    replay: bool = False
    resume: bool = False
    dry_run: bool = False
    skip_bad: bool = False
    batch: bool = False


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything about one run.

    Raises:
        UserError: on construction, where parts contradict each other.
    """

    subject: Subject
    question: Question
    execution: Execution

    def __post_init__(self) -> None:
        _at_least("--replicates", self.question.replicates, 1)
        _at_least("--concurrency", self.execution.concurrency, 1)
        _at_least("--max-tokens", self.question.sampling.max_tokens, 1)
        if self.subject.limit is not None:
            _at_least("--limit", self.subject.limit, 1)
        if self.question.captioner.prompt not in CAPTION_PROMPTS:
            raise UserError(f"--caption-prompt: expected {' or '.join(CAPTION_PROMPTS)}, found {self.question.captioner.prompt!r}")
        if len(set(self.subject.models)) < len(self.subject.models):
            raise UserError("--model: the same model is named twice")

    def identity(self) -> dict[str, Any]:
        """What must agree for two sittings to be one run, as JSON data. The data directory may move; its content is in the suite's hash."""
        fields: dict[str, Any] = {**asdict(self.subject), **asdict(self.question)}
        del fields["data_dir"]
        for key in ("doses", "columns"):
            if not fields[key]:
                del fields[key]  # so that runs without them keep the identity they always had
        return json.loads(json.dumps(fields))

    def default_out(self) -> Path:
        """The run directory for this configuration, so that the same command continues the same run."""
        return Path("results") / f"{suite_label(self.subject.suite)}-{digest(self.identity())[:10]}"


def parse_modes(text: str) -> tuple[Mode, ...]:
    """Read "image,caption": distinct modes in the order given.

    Raises:
        UserError: an unknown mode, or none.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    known = {mode.value: mode for mode in Mode}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UserError(f"--mode: expected some of {', '.join(known)}, found {unknown[0] if unknown else text!r}")
    return tuple(dict.fromkeys(known[name] for name in names))


def parse_reasoning(text: str) -> str | int:
    """Read "off", "low", "medium", "high" or a number of tokens.

    Raises:
        UserError: neither.
    """
    if text in REASONING:
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UserError(f"--reasoning: expected {', '.join(REASONING)} or a number of tokens, found {text!r}")


def parse_shard(text: str) -> tuple[int, int]:
    """Read "i/n": this machine's part i of n, counted from 1.

    Raises:
        UserError: of another form or out of range.
    """
    part, _, whole = text.partition("/")
    if not (part.isdecimal() and whole.isdecimal() and 1 <= int(part) <= int(whole)):
        raise UserError(f"--shard: expected i/n with 1 <= i <= n, found {text!r}")
    return int(part), int(whole)


def _at_least(option: str, value: float, bound: float) -> None:
    if value < bound:
        raise UserError(f"{option}: expected at least {bound:g}, found {value:g}")
