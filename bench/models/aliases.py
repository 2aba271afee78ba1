"""The table of known models (`aliases.toml`): names, ids at each provider, prices, life cycle, and what a generation takes.

A `Generation` holds what requests must respect (how reasoning is asked for, whether a temperature is taken, how large a picture may be);
an `Alias` is one model. Providers look their model up by its exact id and get a cautious `unknown-*` generation where the table does not
hold it, so nothing is ever decided by a part of a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.errors import UserError
from bench.models import tables
from bench.models.base import LEVELS, Usage

if TYPE_CHECKING:  # Pillow is a third of what a table of models would wait for
    from bench.image import ImageLimits

BEDROCK_REGIONS = ("us", "us-gov", "eu", "apac", "jp", "au", "ca", "global")
"""Prefixes of Bedrock's inference profiles: `us.anthropic.…` is the model `anthropic.…` served from several regions."""

SHIPPED = "results/checkpoints/"
"""Where checkpoints lie that come with the project: the beginning of their names."""


CACHED, KEPT = 0.1, 1.25
"""Prices of Claude's prompt cache (kept for 5 minutes) as parts of the price of input: of what is read from it, and of what is put there.
Source: platform.claude.com/docs/en/build-with-claude/prompt-caching."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What the requests of a generation of models must respect; the values are explained at the top of `aliases.toml`.

    Attributes:
        budgets: whether a reasoning budget in tokens is taken.
        seed: whether a sampling seed is taken.
        limit_field: name of the parameter that bounds the reply.
        detail: what `image_url.detail` is set to, or None to send nothing.
        pin_top_p: whether `top_p` = 1 goes with a temperature, because the server would else take it from the checkpoint's own defaults.
        max_side: longer side of a picture, in px, above which the provider scales it down or refuses it.
        max_patches: number of `patch` x `patch` px patches above which the provider scales a picture down, or None.
        max_short_side: shorter side, in px, to which the provider scales a picture down, or None.
        min_side: side, in px, below which a picture is refused or seen badly: it is enlarged.
        image_tokens: name of the formula that counts a picture's tokens, or None where none is published.
        levels: the levels of reasoning that it takes.
    """

    name: str
    reasoning: Literal["none", "budget", "adaptive", "effort"]
    off: Literal["omit", "disabled", "between_tools", "none", "refused"]
    temperature: Literal["always", "without-reasoning", "never"]
    max_side: int
    max_patches: int | None = None
    reasons_by_default: bool = False
    budgets: bool = False
    seed: bool = False
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    detail: Literal["auto", "low", "high", "original"] | None = None
    pin_top_p: bool = False
    patch: int = 28
    max_short_side: int | None = None
    min_side: int = 1
    image_tokens: str | None = None
    levels: tuple[str, ...] = LEVELS

    def limits(self, max_base64: int) -> ImageLimits:
        """The pictures to send, none of which the provider would scale down unseen. `max_base64` bounds the encoded image, in bytes."""
        from bench.image import ImageLimits

        return ImageLimits(
            max_side=self.max_side,
            max_bytes=max_base64 // 4 * 3,
            max_patches=self.max_patches,
            patch=self.patch,
            max_short_side=self.max_short_side,
            min_side=self.min_side,
        )


@dataclass(frozen=True, slots=True)
class Alias:
    """One model of the table.

    Attributes:
        id: as `provider` knows it. `snapshots` are further ids of the same model; `bedrock` and `vertex` its ids there, where known.
        generation: name of its generation; None for local and simulated models.
        price_in, price_out: USD per million tokens on the first-party API, or None where unknown.
        price_cached: USD per million tokens of input that the provider had at hand (a prompt cache); None where it is not known, then such
            tokens are counted at the full price.
        price_kept: USD per million tokens of input that the provider was told to keep at hand.
        keeps: fewest tokens of a prompt that the provider keeps at hand when it is told to, or None where it is not to be told.
        image_tokens: as in `Generation`, where the model differs from its generation.
        retires: when the first-party API stops (or stopped) serving it, if announced.
        replacement: what the provider recommends instead.
    """

    name: str
    provider: str
    id: str
    generation: str | None = None
    snapshots: tuple[str, ...] = ()
    bedrock: str | None = None
    vertex: str | None = None
    price_in: float | None = None
    price_out: float | None = None
    price_cached: float | None = None
    price_kept: float | None = None
    keeps: int | None = None
    image_tokens: str | None = None
    retires: date | None = None
    replacement: str | None = None
    notes: str = ""

    def id_at(self, provider: str) -> str | None:
        """The model's id at `provider`, or None where it is not served there (as far as the table knows)."""
        return {self.provider: self.id, "bedrock": self.bedrock, "vertex": self.vertex}.get(provider)

    def cost(self, usage: Usage) -> float | None:
        """USD for `usage` at the listed price, or None where the price is unknown."""
        if self.price_in is None or self.price_out is None:
            return None
        cached, kept = min(usage.cache_read, usage.input), min(usage.cache_write, usage.input)
        plain = max(0, usage.input - cached - kept)
        reading = self.price_in if self.price_cached is None else self.price_cached
        keeping = self.price_in if self.price_kept is None else self.price_kept
        return (plain * self.price_in + cached * reading + kept * keeping + usage.output * self.price_out) / 1_000_000

    def saved(self, usage: Usage) -> float:
        """USD that the provider's prompt cache took off the cost of `usage`; below 0 where keeping the prompt cost more than it brought."""
        without = self.cost(Usage(usage.input, usage.output))
        cost = self.cost(usage)
        return 0.0 if without is None or cost is None else without - cost


def warnings(alias: Alias, today: date | None = None) -> tuple[str, ...]:
    """What a person must know before spending on `alias` at its first-party API: one line each, nothing for a model in good health.

    `today` decides between "retired" and "will retire"; it is the current date by default.
    """
    if alias.retires is None:
        return ()
    vendor = {"anthropic": "Anthropic", "openai": "OpenAI"}.get(alias.provider, alias.provider)
    gone = alias.retires <= (today or date.today())
    text = f"{alias.name}: {vendor} {'retired' if gone else 'will retire'} {alias.id} on {alias.retires}"
    if alias.replacement is not None:
        text += f"; documented replacement: --model {alias.replacement}"
    if alias.bedrock is not None:
        text += f"; Amazon keeps dates of its own: --model bedrock/{alias.bedrock}"
    return (text + ("; requests are sent all the same, in case you have access" if gone else ""),)


@cache
def generations() -> Mapping[str, Generation]:
    """All generations by name."""
    return tables.section("generations", Generation)


@cache
def aliases() -> Mapping[str, Alias]:
    """All models by name, in the order of the table."""
    return {name: _priced(alias) for name, alias in tables.section("models", Alias).items()}


def as_of() -> date:
    """The day on which prices and dates of the table were checked."""
    return tables.own_table()["as_of"]


def find(provider: str, model_id: str) -> Alias | None:
    """The model that `provider` knows by `model_id`, or None where the table does not hold it. Bedrock's region prefixes are ignored."""
    return _by_id().get((provider, _plain(provider, model_id)))


def place(checkpoint: str) -> str:
    """A folder or hub id as it is; the path of a checkpoint that comes with the project as one that leads there from any folder.

    In a clone the checkpoints lie where their name says; in an installed wheel they are data of the package `bench`.
    """
    if not checkpoint.startswith(SHIPPED) or Path(checkpoint).is_dir():
        return checkpoint
    package = Path(__file__).resolve().parents[1]
    folders = (package.parent / checkpoint, package / "checkpoints" / checkpoint.removeprefix(SHIPPED))
    return next((str(folder) for folder in folders if folder.is_dir()), checkpoint)


def generation_of(provider: str, model_id: str, unknown: str) -> Generation:
    """The generation of a model, or the one named `unknown` where the table does not hold the model."""
    alias = find(provider, model_id)
    return generations()[unknown if alias is None or alias.generation is None else alias.generation]


def _plain(provider: str, model_id: str) -> str:
    prefix, _, rest = model_id.partition(".")
    return rest if provider == "bedrock" and prefix in BEDROCK_REGIONS else model_id


@cache
def _by_id() -> Mapping[tuple[str, str], Alias]:
    found: dict[tuple[str, str], Alias] = {}
    for alias in aliases().values():
        ids = [(alias.provider, name) for name in (alias.id, *alias.snapshots)]
        ids += [(where, name) for where, name in (("bedrock", alias.bedrock), ("vertex", alias.vertex)) if name is not None]
        found.update({(where, _plain(where, name)): alias for where, name in ids})
    return found


def _priced(alias: Alias) -> Alias:
    """With the prices of Claude's prompt cache, which go with the price of input.

    Raises:
        UserError: a person's entry names a generation that is not there.
    """
    if alias.generation is not None and alias.generation not in generations():
        raise UserError(f"[models.{alias.name}]: generation = {alias.generation!r}: expected one of {', '.join(generations())}")
    if alias.provider == "anthropic" and alias.price_in is not None:
        return replace(alias, price_cached=alias.price_in * CACHED, price_kept=alias.price_in * KEPT)
    return alias
