"""The families by name: one line each. Importing this module imports no drawing until a family draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from bench.errors import UserError
from tasks.family import Family
from tasks.notation import same_answer

_CLASSES: Mapping[str, str] = {
    "clock": "tasks.clock:Clock",
}

FAMILIES: tuple[str, ...] = tuple(_CLASSES)
"""Names of all generated families, in the order of the tables."""


@cache
def family(name: str) -> Family[Any]:
    """The family called `name`.

    Raises:
        UserError: no generated family has that name.
    """
    if name not in _CLASSES:
        raise UserError(f"unknown family {name!r}: expected one of {', '.join(FAMILIES)}")
    module, _, cls = _CLASSES[name].partition(":")
    return getattr(import_module(module), cls)()


def same_for(name: str) -> Callable[[str, str], bool]:
    """The answer equivalence of family `name`, which may also be a family of a public set that is not generated here."""
    return family(name).same if name in _CLASSES else same_answer
