"""The tables behind model names: `aliases.toml` of this package, and a file of the person's own in the same form that adds to it.

The person's file (`SIGHTGAP_MODELS`, or `models.toml` in the user's configuration folder) may hold `[servers.*]`, `[models.*]`,
`[generations.*]` and `[image_tokens.*]`; an entry of a name that exists changes the fields it names and keeps the others. A generation or
server of another kind starts from one that exists by `like = "NAME"`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar, cast

from bench import env
from bench.errors import UserError

SECTIONS = ("servers", "models", "generations", "image_tokens")

Entry = Mapping[str, Any]
T = TypeVar("T")


@cache
def own_table() -> Mapping[str, Any]:
    """`aliases.toml`."""
    return tomllib.loads(files("bench.models").joinpath("aliases.toml").read_text(encoding="utf-8"))


@cache
def persons_table() -> Mapping[str, Any]:
    """The person's own file; empty where there is none.

    Raises:
        UserError: it cannot be read, or holds something else than tables of models and servers.
    """
    path = env.models_file()
    if path is None:
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected a table of models and servers in TOML, found {error}") from None
    for name in found:
        known(name, SECTIONS, "section")
    return found


def section(name: str, kind: type[T]) -> Mapping[str, T]:
    """The entries of section `name` by their names, as the dataclass `kind`, the person's own merged into ours.

    Raises:
        UserError: the person's file holds an unknown field, a value of the wrong kind, or a `like` that leads nowhere.
    """
    ours: Mapping[str, Entry] = own_table()[name]
    make: Any = kind
    made: dict[str, T] = {key: make(name=key, **_frozen(_like(key, entry, ours))) for key, entry in ours.items()}
    persons: Mapping[str, Any] = persons_table().get(name, {})
    names = [part.name for part in fields(make) if part.name != "name"]
    for key, entry in persons.items():
        if not isinstance(entry, dict):
            raise UserError(f"{env.models_file()}: [{name}.{key}]: expected a table, found {entry!r}")
        changed = cast("dict[str, Any]", entry)
        for found in changed:
            known(found, [*names, "like"], f"field of [{name}.{key}]")
        base: Entry = ours.get(key, {}) if "like" not in changed else {}
        made[key] = _checked(kind, f"[{name}.{key}]", {"name": key, **_like(key, {**base, **changed}, {**ours, **persons})})
    return made


def _checked(kind: type[T], where: str, entry: Entry) -> T:
    """A person's entry as `kind`, its values' types checked."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(entry)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise UserError(f"{env.models_file()}: {where}: {place}: {first['msg'].lower()}, found {first['input']!r}") from None


def known(found: str, expected: Collection[str], what: str) -> None:
    """Refuse a name in a person's file that means nothing.

    Raises:
        UserError: `found` is none of `expected`; the nearest is named.
    """
    if found not in expected:
        close = difflib.get_close_matches(found, list(expected), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(expected)}"
        raise UserError(f"{env.models_file()}: unknown {what} {found!r}; {hint}")


def forget() -> None:
    """Read the files again when they are next asked for."""
    own_table.cache_clear()
    persons_table.cache_clear()


def _like(key: str, entry: Entry, others: Mapping[str, Any]) -> Entry:
    """`entry` with the fields of the entry that it is like."""
    model = entry.get("like")
    if model is None:
        return entry
    if model not in others or model == key:
        raise UserError(f"{env.models_file() or 'aliases.toml'}: {key}: like = {model!r} names no other entry")
    own = {name: value for name, value in entry.items() if name != "like"}
    return {**_like(model, others[model], {name: other for name, other in others.items() if name != key}), **own}


def _frozen(entry: Entry) -> dict[str, Any]:
    return {name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value for name, value in entry.items()}
