"""From a name to a model: aliases (`claude-3-7`) and `provider/id` (`openai/my-model`).

Importing this module is cheap: a provider's module, and with it its SDK, is imported when a model of it is resolved. A provider from
outside is a factory, given to `register` or offered by an installed package in the entry-point group `sightgap.models`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from bench import env, plugins
from bench.errors import UserError
from bench.extras import own
from bench.models import aliases
from bench.models.aliases import Alias
from bench.models.api.batch_service import DISCOUNT, BatchService
from bench.models.base import Model, ModelOptions, Usage

__all__ = [
    "PROVIDERS",
    "Factory",
    "ModelOptions",
    "batch_service",
    "cost",
    "describe",
    "listing",
    "register",
    "resolve",
    "server_of",
    "split",
    "warnings",
]

GROUP = "sightgap.models"
"""Entry-point group of the providers that installed packages offer: the entry's name is the provider's, its object a `Factory`."""

Factory = Callable[[str, str, ModelOptions], Model]
"""Makes a model of a provider from outside: (the name as a person wrote it, what follows `provider/` in it, options) -> model."""

_registered: dict[str, Factory] = {}

PROVIDERS: Mapping[str, str] = {
    "anthropic": "Claude, first-party API",
    "bedrock": "Claude on Amazon Bedrock",
    "vertex": "Claude on Google Vertex AI",
    "openai": "OpenAI, or any compatible server by --base-url",
    "sim": "simulated models of known perception and reasoning",
    "vllm": "local checkpoints by vLLM",
    "hf": "local checkpoints by transformers",
}
"""Providers by the prefix of a name."""

_API = {"anthropic": "Claude", "bedrock": "Claude", "vertex": "Claude", "openai": "Chat"}
_MODULES = {"Claude": "bench.models.api.anthropic", "Chat": "bench.models.api.openai"}
_BATCHES = {"anthropic": ("bench.models.api.anthropic_batch", "ClaudeBatches"), "openai": ("bench.models.api.openai_batch", "ChatBatches")}
LOCAL = ("vllm", "hf")
"""Providers whose models run in this process."""


def resolve(name: str, options: ModelOptions) -> Model:
    """The model that a person calls `name`, ready to be asked; nothing is sent.

    Raises:
        UserError: an unknown name, a missing key, or an option that the model would refuse.
        MissingExtraError: a package that the provider needs is not installed.
    """
    provider, model_id = split(name)
    if provider == "sim":
        from bench.models.simulated import Simulated

        model = Simulated.from_name(f"sim/{model_id}")
        model.name = name
        return model
    if provider in LOCAL:
        from bench.models.local.model import Local

        return Local(name, provider, aliases.place(model_id), options)
    outside = _from_outside(provider)
    if outside is not None:
        return outside(name, model_id, options)
    kind = _API[provider]
    return own(f"{_MODULES[kind]}:{kind}")(name, provider, model_id, replace(options, base_url=server_of(name, options)))


def register(provider: str, factory: Factory) -> None:
    """Make `provider/anything` a model that `factory` makes. Registering the same factory again changes nothing.

    Raises:
        UserError: the name is taken, or is none that can stand before a slash.
    """
    if re.fullmatch(r"[a-z][a-z0-9._-]*", provider) is None:
        raise UserError(f"provider {provider!r}: expected a name of small letters, digits, '.', '_' and '-'")
    if not callable(factory):
        raise UserError(f"provider {provider!r}: expected a factory (name, id, options) -> model, found {factory!r}")
    if _registered.get(provider, factory) is not factory or provider in PROVIDERS:
        raise UserError(f"provider {provider!r} is taken: register the factory under another name")
    _registered[provider] = factory


def _from_outside(provider: str) -> Factory | None:
    """The factory of a provider that was registered or is offered by an installed package; None where there is none.

    Raises:
        UserError: the package cannot be imported, or what it offers is no factory.
    """
    if provider not in _registered and provider not in PROVIDERS:
        factory = plugins.load(GROUP, provider)
        if factory is None:
            return None
        register(provider, factory)
    return _registered.get(provider)


def batch_service(model: Model) -> BatchService:
    """The batch service behind `model`.

    Raises:
        UserError: it has none.
    """
    if model.provider not in _BATCHES:
        known = ", ".join(_BATCHES)
        raise UserError(f"--batch: {model.name} has no batch service here (expected a model of {known}): ask it without --batch")
    module, service = _BATCHES[model.provider]
    return own(f"{module}:{service}")(model)


def split(name: str) -> tuple[str, str]:
    """Provider and id of `name`. After a provider an alias may stand for that provider's id: `bedrock/claude-3-7`.

    Raises:
        UserError: no alias and no `provider/id`; the message suggests close names.
    """
    known = aliases.aliases()
    provider, slash, rest = name.partition("/")
    if not slash:
        alias = known.get(name) or _snapshot(name)
        if alias is None:
            raise UserError(f"unknown model {name!r}: {_suggestion(name)}")
        return alias.provider, alias.id if name in known else name
    if provider not in PROVIDERS and _from_outside(provider) is None:
        known_providers = ", ".join([*PROVIDERS, *_registered, *plugins.offered(GROUP)])
        raise UserError(f"unknown provider {provider!r} in {name!r}: expected one of {known_providers}, or an alias (models list)")
    if not rest:
        raise UserError(f"model {name!r}: expected an id after {provider}/")
    alias = known.get(rest)
    return provider, (alias.id_at(provider) if alias is not None else None) or rest


def server_of(name: str, options: ModelOptions) -> str | None:
    """The server that requests of `name` go to where it is not the provider's own: --base-url, or the provider's variable.

    Raises:
        UserError: the name is unknown, or the server's address is no http(s) URL.
    """
    provider, _ = split(name)
    if provider not in _API:
        return None
    url = options.base_url or env.read(env.SERVER_URLS[provider])
    if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise UserError(f"--base-url: expected http://… or https://…, found {url!r}")
    return url


def warnings(name: str, today: date | None = None) -> tuple[str, ...]:
    """What to tell a person before anything is spent on `name`: one line each. See `aliases.warnings`."""
    provider, model_id = split(name)
    alias = aliases.find(provider, model_id)
    return aliases.warnings(alias, today) if alias is not None and alias.provider == provider else ()


def cost(name: str, usage: Usage, options: ModelOptions) -> float | None:
    """USD for `usage` of `name`; 0 for local and simulated models, None where no price is known (another server, a plug-in, a cloud)."""
    provider, model_id = split(name)
    if provider in _registered:
        return None
    if provider not in _API:
        return 0.0
    alias = aliases.find(provider, model_id)
    if alias is None or alias.provider != provider or server_of(name, options) is not None:
        return None
    price = alias.cost(usage)
    return price * DISCOUNT if price is not None and options.batch else price


def describe(name: str) -> Mapping[str, Any]:
    """What is known of `name`, as JSON data, for `models show`: ids, prices, life cycle, and what its requests respect.

    Raises:
        UserError: the name is unknown.
    """
    provider, model_id = split(name)
    alias = aliases.find(provider, model_id)
    shown: dict[str, Any] = {"name": name, "provider": provider, "id": model_id, "listed": alias is not None}
    if alias is not None:
        shown |= _facts(alias, provider)
        if alias.generation is not None:
            shown["takes"] = {key: value for key, value in asdict(alias.generation).items() if value not in (None, False)}
    return shown | {"warnings": list(warnings(name))}


def listing() -> Sequence[Mapping[str, Any]]:
    """One row for each alias, as JSON data, for `models list`: name, provider, id, prices, retirement, notes."""
    return [{"name": alias.name, "provider": alias.provider, "id": alias.id, **_facts(alias, alias.provider)} for alias in _all()]


def _all() -> Sequence[Alias]:
    return list(aliases.aliases().values())


def _facts(alias: Alias, provider: str) -> dict[str, Any]:
    own = alias.provider == provider
    return {
        "price_in": alias.price_in if own else None,
        "price_out": alias.price_out if own else None,
        "prices_as_of": str(aliases.as_of()),
        "retires": str(alias.retires) if own and alias.retires is not None else None,
        "replacement": alias.replacement,
        "bedrock": alias.bedrock,
        "vertex": alias.vertex,
        "notes": alias.notes,
    }


def _snapshot(name: str) -> Alias | None:
    """The listed model whose full first-party id a person wrote without its provider."""
    return next((alias for alias in _all() if alias.provider in _API and name in (alias.id, *alias.snapshots)), None)


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, list(aliases.aliases()), n=3, cutoff=0.5)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{meant}Write an alias (models list) or provider/id, for example openai/{name} with --base-url"
