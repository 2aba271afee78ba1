"""What a model is to the rest of the project: something that answers a `Request` with a `Reply`.

A provider translates, and classifies what went wrong (`bench.errors.Transient`, `Rejected`, `Unusable`). It never retries, caches, logs,
counts or grades: those belong to the runner, once, for all providers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bench.defaults import CONCURRENCY

if TYPE_CHECKING:  # what a table of models is made from needs no Pillow
    from bench.image import ImageLimits, Picture
    from bench.puzzle import Puzzle


class Stop(StrEnum):
    """Why a model stopped writing."""

    END = "end_turn"
    LENGTH = "max_tokens"
    REFUSAL = "refusal"


class Purpose(StrEnum):
    """What a request is for: answering a puzzle, captioning its image, or writing the family's notation."""

    SOLVE = "solve"
    CAPTION = "caption"
    READBACK = "readback"


DEFAULT_MAX_TOKENS = 2048
"""Bound of a reply where a person names none; models that reason get room for it beside (`bench.models.api.wishes.room`)."""

LEVELS = ("minimal", "low", "medium", "high", "xhigh", "max")
"""Levels of reasoning, as the providers name them; which of them a model takes is in `aliases.toml`."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample. `None` leaves the provider's default and sends nothing.

    Attributes:
        max_tokens: upper bound of the reply, reasoning included; None for `DEFAULT_MAX_TOKENS` and what the model's reasoning needs.
        temperature: None where the person asked for none.
        reasoning: "off", one of `LEVELS`, or a budget in tokens; None leaves the model's default.
        seed: seed of this one request (already derived from trial and replicate), for providers that take one.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    reasoning: str | int | None = None
    seed: int = 0

    def seeded(self, seed: int) -> Sampling:
        """The same with this seed, for one request; `dataclasses.replace` takes four times as long."""
        return Sampling(self.max_tokens, self.temperature, self.reasoning, seed)

    @property
    def wishes(self) -> tuple[int | None, float | None, str | int | None]:
        """All but the seed: the same for every request of a run."""
        return self.max_tokens, self.temperature, self.reasoning

    @property
    def room(self) -> int:
        """The bound of a reply for models whose reasoning is part of what they write."""
        return DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Options of the command line that concern how a model is reached and sampled: impossible ones are refused before anything is spent.

    Attributes:
        base_url: server to ask instead of OpenAI's; it concerns `openai/` names alone, and needs no key.
        timeout_s: longest time for one request, in seconds, connecting and reading included.
        concurrency: how many requests are open at once; the connection pool has this size.
        reasoning, temperature, max_tokens: as in `Sampling`.
        batch: whether requests go through the provider's batch service, which costs less.
        extra_body: further fields of the request, for models that are asked by chat completions (`openai/` and servers).
        headers: further headers, for the same models. Their values are treated as secrets.
        offline: whether nothing will be sent (a dry run, a replay): then no key is needed.
    """

    base_url: str | None = None
    timeout_s: float = 600.0
    concurrency: int = CONCURRENCY
    reasoning: str | int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    batch: bool = False
    extra_body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    offline: bool = False

    def sampling(self) -> Sampling:
        """A sampling as every request of the run will have it, but for its seed."""
        return Sampling(max_tokens=self.max_tokens, temperature=self.temperature, reasoning=self.reasoning)


@dataclass(frozen=True, slots=True)
class Hidden:
    """What only the simulated model may look at: the puzzle behind the request. Never sent to a provider.

    `evidence` is the caption or description that the request's text carries, if any; `options` are in the order shown, empty for open ones.
    """

    puzzle: Puzzle
    purpose: Purpose
    mode: str
    options: tuple[str, ...]
    evidence: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model: `text`, the pictures before it, sampling, and the replicate number.

    `shared` where other requests of the run show this model the same picture, so that a provider may keep it at hand. `further` are the
    pictures after the first, where a question has several; all are placed before the text, in their order.
    """

    text: str
    picture: Picture | None
    sampling: Sampling
    replicate: int = 0
    hidden: Hidden | None = field(default=None, compare=False)
    shared: bool = field(default=False, compare=False)
    further: tuple[Picture, ...] = ()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures, in the order in which they are sent."""
        return () if self.picture is None else (self.picture, *self.further)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; `reasoning` is part of `output`, `cache_read` and `cache_write` are part of `input`.

    `usd` is what the provider itself says that the request cost, where it does.
    """

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache_read: int = 0
    cache_write: int = 0
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `text` is the raw final text (without reasoning blocks), never altered; `model` is what the provider reports.

    `sent_px` is the picture's width and height in px after the model's own resize, where that happens in this process and is known. `why`
    says what stopped the model where more is known than `stop` tells (moderation; reasoning that spent all of max_tokens).
    """

    text: str
    stop: Stop
    usage: Usage
    latency_s: float
    request_id: str | None = None
    model: str | None = None
    cached: bool = False
    sent_px: tuple[int, int] | None = None
    why: str | None = None


class Model(Protocol):
    """A model under test.

    Attributes:
        name: as the person wrote it (`claude-3-7`); names records and reports.
        model_id: as the provider knows it (`claude-3-7-sonnet-20250219`).
        provider: `anthropic`, `bedrock`, `vertex`, `openai`, the name of a server or of a plug-in, `vllm`, `hf`, `sim`.
        simulated: whether every report must mark it as simulated.
        limits: what pictures it takes.
    """

    name: str
    model_id: str
    provider: str
    simulated: bool
    limits: ImageLimits

    def payload(self, request: Request) -> Mapping[str, Any]:
        """Everything that `ask` would send, as JSON data, image bytes replaced by the picture's `identity`: the cache key is made of it."""
        ...

    async def ask(self, request: Request) -> Reply:
        """Send `request` once.

        Raises:
            Transient, Rejected, Unusable: see `bench.errors`.
        """
        ...

    async def close(self) -> None:
        """Release connections or memory."""
        ...


@runtime_checkable
class Adjustable(Protocol):
    """A model whose requests can do without a parameter that its server refuses. `dropped` are those it does without by now."""

    dropped: Sequence[str]

    def drop(self, parameter: str) -> bool:
        """Leave `parameter` out of all further requests (or name it as the server does); false where nothing changes by that."""
        ...


@runtime_checkable
class Filled(Protocol):
    """A model whose engine batches by itself in this process: `width` requests keep it full, where `--concurrency` names fewer."""

    width: int


@runtime_checkable
class Identified(Protocol):
    """A model whose server can say which weights it serves."""

    async def served(self) -> Mapping[str, Any]:
        """What the server says of the model beside its name (a digest, a size, a path), as JSON data; empty where it says nothing.

        Raises:
            Transient, Rejected, Unusable: see `bench.errors`.
        """
        ...
