"""The table of known models (`aliases.toml`): names, ids at each provider, prices, life cycle, and what a generation takes.

A `Generation` holds what requests must respect (how reasoning is asked for, whether a temperature is taken, how large a picture may be);
an `Alias` is one model. Providers look their model up by its exact id and get a cautious `unknown-*` generation where the table does not
hold it, so nothing is ever decided by a part of a name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from bench.image import ImageLimits
from bench.models.base import Usage

BEDROCK_REGIONS = ("us", "us-gov", "eu", "apac", "jp", "au", "ca", "global")
"""Prefixes of Bedrock's inference profiles: `us.anthropic.…` is the model `anthropic.…` served from several regions."""

SHIPPED = "results/checkpoints/"
"""Where checkpoints lie that come with the project: the beginning of their names."""


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
        max_patches: number of `PATCH` x `PATCH` px patches above which the provider scales a picture down, or None.
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
    detail: Literal["auto", "low", "high"] | None = None
    pin_top_p: bool = False

    def limits(self, max_base64: int) -> ImageLimits:
        """The pictures to send, none of which the provider would scale down unseen. `max_base64` bounds the encoded image, in bytes."""
        return ImageLimits(max_side=self.max_side, max_bytes=max_base64 // 4 * 3, max_patches=self.max_patches)


@dataclass(frozen=True, slots=True)
class Alias:
    """One model of the table.

    Attributes:
        id: as `provider` knows it. `snapshots` are further ids of the same model; `bedrock` and `vertex` its ids there, where known.
        generation: None for local and simulated models.
        price_in, price_out: USD per million tokens on the first-party API, or None where unknown.
        retires: when the first-party API stops (or stopped) serving it, if announced.
        replacement: what the provider recommends instead.
    """

    name: str
    provider: str
    id: str
    generation: Generation | None = None
    snapshots: tuple[str, ...] = ()
    bedrock: str | None = None
    vertex: str | None = None
    price_in: float | None = None
    price_out: float | None = None
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
        return (usage.input * self.price_in + usage.output * self.price_out) / 1_000_000


def warnings(alias: Alias, today: date | None = None) -> tuple[str, ...]:
    """What a person must know before spending on `alias` at its first-party API: one line each, nothing for a model in good health.

    `today` decides between "retired" and "will retire"; it is the current date by default.
    """
    if alias.retires is None:
        return ()
    vendor = {"anthropic": "Anthropic", "openai": "OpenAI"}[alias.provider]
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
    return {name: Generation(name=name, **fields) for name, fields in _table()["generations"].items()}


@cache
def aliases() -> Mapping[str, Alias]:
    """All models by name, in the order of the table."""
    return {name: _alias(name, dict(fields)) for name, fields in _table()["models"].items()}


def as_of() -> date:
    """The day on which prices and dates of the table were checked."""
    return _table()["as_of"]


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
    return generations()[unknown] if alias is None or alias.generation is None else alias.generation


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


def _alias(name: str, fields: dict[str, Any]) -> Alias:
    generation = fields.pop("generation", None)
    snapshots = tuple(fields.pop("snapshots", ()))
    return Alias(name=name, generation=None if generation is None else generations()[generation], snapshots=snapshots, **fields)


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("bench.models").joinpath("aliases.toml").read_text(encoding="utf-8"))
