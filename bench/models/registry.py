"""From a name to a model: aliases (`claude-3-7`), `provider/id`, `server/id` and `openai/id@URL`.

Importing this module is cheap: a provider's module, and with it its SDK, is imported when a model of it is resolved. A provider from
outside is a factory, given to `register` or offered by an installed package in the entry-point group `sightgap.models`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from bench import env, plugins
from bench.errors import MissingKeyError, UserError
from bench.extras import own
from bench.models import aliases
from bench.models.aliases import Alias, Generation
from bench.models.api.batch_service import DISCOUNT, BatchService
from bench.models.base import Model, ModelOptions, Usage
from bench.models.servers import DIRECT, checked_url, servers

__all__ = [
    "PROVIDERS",
    "Factory",
    "ModelOptions",
    "Price",
    "batch_service",
    "check_server_options",
    "cost",
    "describe",
    "facts",
    "listing",
    "price_of",
    "providers",
    "register",
    "resolve",
    "server_listing",
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
    "openai": DIRECT.about,
    "sim": "simulated models of known perception and reasoning",
    "vllm": "local checkpoints by vLLM",
    "hf": "local checkpoints by transformers",
}
"""Providers of our own by the prefix of a name; servers and plug-ins come beside them (`providers`)."""

_CLAUDE = ("anthropic", "bedrock", "vertex")
_BATCHES = {"anthropic": ("bench.models.api.anthropic_batch", "ClaudeBatches"), "openai": ("bench.models.api.openai_batch", "ChatBatches")}
LOCAL = ("vllm", "hf")
"""Providers whose models run in this process."""


def resolve(name: str, options: ModelOptions) -> Model:
    """The model that a person calls `name`, ready to be asked; nothing is sent.

    Raises:
        UserError: an unknown name, a missing key (after what else there is to know of the model), or an option that it would refuse.
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
    try:
        return _api_model(name, provider, model_id, replace(options, base_url=server_of(name, options)))
    except MissingKeyError as error:
        raise MissingKeyError(". ".join([*warnings(name), str(error)])) from None


def _api_model(name: str, provider: str, model_id: str, options: ModelOptions) -> Model:
    if provider in _CLAUDE:
        from bench.models.api.anthropic import Claude

        return Claude(name, provider, model_id, options)
    from bench.models.api.openai import Chat

    return Chat(name, provider, model_id, options, servers().get(provider, DIRECT))


def register(provider: str, factory: Factory) -> None:
    """Make `provider/anything` a model that `factory` makes. Registering the same factory again changes nothing.

    Raises:
        UserError: the name is taken, or is none that can stand before a slash.
    """
    if re.fullmatch(r"[a-z][a-z0-9._-]*", provider) is None:
        raise UserError(f"provider {provider!r}: expected a name of small letters, digits, '.', '_' and '-'")
    if not callable(factory):
        raise UserError(f"provider {provider!r}: expected a factory (name, id, options) -> model, found {factory!r}")
    if _registered.get(provider, factory) is not factory or _ours(provider):
        raise UserError(f"provider {provider!r} is taken: register the factory under another name")
    _registered[provider] = factory


def _ours(provider: str) -> bool:
    return provider in PROVIDERS or provider in servers()


def _from_outside(provider: str) -> Factory | None:
    """The factory of a provider that was registered or is offered by an installed package; None where there is none.

    Raises:
        UserError: the package cannot be imported, or what it offers is no factory.
    """
    if provider not in _registered and not _ours(provider):
        factory = plugins.load(GROUP, provider)
        if factory is None:
            return None
        register(provider, factory)
    return _registered.get(provider)


def providers() -> Mapping[str, str]:
    """All that can stand before the slash of a name, with a few words on each; plug-ins are not imported for it."""
    outside = dict.fromkeys([*_registered, *plugins.offered(GROUP)], "a plug-in")
    return {**outside, **PROVIDERS, **{name: server.about for name, server in servers().items()}}


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
        UserError: no alias and no `provider/id`; the message suggests close names and the right provider.
    """
    known = aliases.aliases()
    provider, slash, rest = name.partition("/")
    if not slash:
        alias = known.get(name) or _snapshot(name)
        if alias is None:
            raise UserError(f"unknown model {name!r}: {_suggestion(name)}")
        return alias.provider, alias.id if name in known else name
    if not _ours(provider) and _from_outside(provider) is None:
        raise UserError(f"unknown provider {provider!r} in {name!r}: {_other_provider(provider, rest)}")
    if provider == "openai":
        rest, _ = _address_in(name, rest)
    if not rest:
        raise UserError(f"model {name!r}: expected an id after {provider}/")
    alias = known.get(rest)
    return provider, (alias.id_at(provider) if alias is not None else None) or rest


def server_of(name: str, options: ModelOptions) -> str | None:
    """The server that requests of `name` go to where it is not the provider's own: from the name, --base-url, a table or a variable.

    `--base-url` concerns `openai/` names alone, so that no other provider's key is sent there.

    Raises:
        UserError: the name is unknown, or the server's address is no http(s) URL or holds credentials.
    """
    provider, _ = split(name)
    server = servers().get(provider)
    if server is not None:
        return server.address()
    if provider in LOCAL or provider == "sim" or provider in _registered:
        return None
    if provider == "openai":
        _, named = _address_in(name, name.partition("/")[2])
        url, what = named or options.base_url or env.read(env.OPENAI_URL), "--base-url" if options.base_url else env.OPENAI_URL
        if named is not None and "?" in named:
            shown = name.partition("@http")[0]
            raise UserError(f"model {shown!r}: the query of its address would be stored with its name: use --base-url")
        return None if url is None else checked_url(url, what if named is None else f"model {name.partition('@http')[0]!r}")
    url = env.read(env.SERVER_URLS[provider])
    return None if url is None else checked_url(url, env.SERVER_URLS[provider])


def check_server_options(names: Sequence[str], options: ModelOptions) -> None:
    """Refuse options that would reach no model, or more than one server.

    Raises:
        UserError: --base-url without a model of openai/, or --header or --extra-body without exactly one server to send them to.
    """
    kinds = {name: split(name)[0] for name in names}
    if options.base_url is not None and "openai" not in kinds.values():
        variables = ", ".join(sorted({env.SERVER_URLS[kind] for kind in kinds.values() if kind in _CLAUDE}))
        hint = f"; for Claude set {variables}" if variables else ""
        raise UserError(f"--base-url concerns models of openai/ alone, and none is asked: write openai/ID, or openai/ID@URL{hint}")
    if options.headers or options.extra_body:
        reached = {server_of(name, options) for name, kind in kinds.items() if kind == "openai" or kind in servers()}
        if len(reached) != 1:
            found = "none" if not reached else " and ".join(sorted(str(url or "OpenAI's own") for url in reached))
            raise UserError(
                f"--header and --extra-body go to one server of chat completions, found {found}: put them into a table [servers.*]"
            )


def warnings(name: str, today: date | None = None) -> tuple[str, ...]:
    """What to tell a person before anything is spent on `name`: one line each. See `aliases.warnings`."""
    provider, model_id = split(name)
    alias = aliases.find(provider, model_id)
    return aliases.warnings(alias, today) if alias is not None and alias.provider == provider else ()


@dataclass(frozen=True, slots=True)
class Price:
    """What replies of one model cost.

    Attributes:
        listed: the model whose list prices hold; None where none do (another server, a plug-in, a cloud).
        free: whether it runs on the person's own machine.
        share: of the list price; half of it in batches.
    """

    listed: Alias | None
    free: bool = False
    share: float = 1.0

    def cost(self, usage: Usage) -> float | None:
        """USD for `usage`: what the provider says itself, or the listed price; None where no price is known."""
        if usage.usd is not None:
            return usage.usd
        if self.free:
            return 0.0
        price = self.listed.cost(usage) if self.listed is not None else None
        return None if price is None else price * self.share

    def saved(self, usage: Usage) -> float:
        """USD that the provider's prompt cache saved; 0 where that is not known."""
        return self.listed.saved(usage) if self.listed is not None else 0.0


def price_of(name: str, options: ModelOptions) -> Price:
    """The price of the model of this name: listed by the provider that is asked, at its own address."""
    provider, model_id = split(name)
    alias = aliases.find(provider, model_id)
    if alias is not None and (alias.provider != provider or (provider not in servers() and server_of(name, options) is not None)):
        alias = None
    free = provider in LOCAL or provider == "sim" or (provider in servers() and servers()[provider].free)
    return Price(alias, free, DISCOUNT if options.batch else 1.0)


def cost(name: str, usage: Usage, options: ModelOptions) -> float | None:
    """USD for `usage` of `name`, see `Price.cost`."""
    return price_of(name, options).cost(usage)


def facts(name: str, options: ModelOptions) -> tuple[Alias | None, Generation | None]:
    """What the table holds of the model of this name: its entry, and what its requests respect (None for local and simulated models)."""
    provider, model_id = split(name)
    server = servers().get(provider)
    if not (provider in _CLAUDE or provider == "openai" or server is not None):
        return aliases.find(provider, model_id), None
    unknown = "unknown-claude" if provider in _CLAUDE else server.generation if server is not None else "unknown-openai"
    if provider == "openai" and server_of(name, options) is not None:
        unknown = DIRECT.generation
    where = (server.models_of if server is not None else None) or provider
    return aliases.find(where, model_id), aliases.generation_of(where, model_id, unknown)


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
    server, generation = servers().get(provider), facts(name, ModelOptions())[1]
    if server is not None:
        shown["server"] = {key: value for key, value in asdict(server).items() if value not in (None, False, "", (), {})}
    if generation is not None and (alias is not None or server is not None):
        shown["takes"] = {key: value for key, value in asdict(generation).items() if value not in (None, False)}
    return shown | {"warnings": list(warnings(name))}


def listing() -> Sequence[Mapping[str, Any]]:
    """One row for each alias, as JSON data, for `models list`: name, provider, id, prices, retirement, notes."""
    return [{"name": alias.name, "provider": alias.provider, "id": alias.id, **_facts(alias, alias.provider)} for alias in _all()]


def server_listing() -> Sequence[Mapping[str, Any]]:
    """One row for each server, as JSON data, for `models list`: name, what it is, address, the variable that holds its key."""
    return [
        {
            "name": server.name,
            "about": server.about,
            "url": server.base_url or f"by {server.url}",
            "key": server.key,
            "optional": server.key_optional,
        }
        for server in servers().values()
    ]


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


def _address_in(name: str, rest: str) -> tuple[str, str | None]:
    """`ID@URL` as its two parts; an `@` that no address follows belongs to the id."""
    model_id, at, address = rest.partition("@http")
    if at and not model_id:
        raise UserError(f"model {name.partition('@')[0]!r}: expected an id before @URL")
    return model_id, f"http{address}" if at else None


def _snapshot(name: str) -> Alias | None:
    """The listed model whose full first-party id a person wrote without its provider."""
    return next((alias for alias in _all() if alias.provider not in (*LOCAL, "sim") and name in (alias.id, *alias.snapshots)), None)


_STARTS = {
    "claude": "anthropic",
    "gpt": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "chatgpt": "openai",
    "gemini": "gemini",
    "gemma": "gemini",
    "grok": "xai",
    "mistral": "mistral",
    "pixtral": "mistral",
    "magistral": "mistral",
    "ministral": "mistral",
}
"""How the ids of a maker begin: only to suggest a provider to a person, never to decide anything."""


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, list(aliases.aliases()), n=3, cutoff=0.6)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    maker = next((provider for start, provider in _STARTS.items() if name.lower().startswith(start)), None)
    how = f"{maker}/{name}" if maker is not None else f"openai/{name}@http://localhost:8000/v1 for a server of your own"
    return f"{meant}Write an alias (models list) or provider/id: {how}"


def _other_provider(provider: str, rest: str) -> str:
    known = list(providers())
    close = difflib.get_close_matches(provider, known, n=1, cutoff=0.75)
    if close:
        return f"did you mean {close[0]}/{rest}? Expected one of {', '.join(known)}, or an alias (models list)"
    return (
        f"expected one of {', '.join(known)}, or an alias (models list); "
        f"for a hub id write hf/{provider}/{rest}, or of a server openai/{provider}/{rest}@URL"
    )
