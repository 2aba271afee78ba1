"""Plug-ins: what an installed package offers under an entry-point group (`sightgap.models`, `sightgap.families`, `sightgap.formats`).

Nothing is imported before it is asked for by name, so a plug-in that is broken disturbs only who uses it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Any

from bench.errors import SightgapError, UserError

_BROKEN = (
    *(ImportError, SyntaxError, AttributeError, NameError, TypeError, ValueError),
    *(LookupError, ArithmeticError, AssertionError, OSError, RuntimeError),
)
"""What the import of somebody else's module may raise."""


def offered(group: str) -> dict[str, EntryPoint]:
    """The plug-ins of `group` by name, none of them imported."""
    return {entry.name: entry for entry in sorted(_entries(group), key=lambda entry: entry.name)}


def _installed() -> tuple[tuple[str, int], ...]:
    """The folders that packages are imported from, and when something was last put into each."""
    return tuple((folder, Path(folder).stat().st_mtime_ns if Path(folder).is_dir() else 0) for folder in sys.path)


def _entries(group: str) -> EntryPoints:
    """What is offered in `group`."""
    return _choose(_installed())(group=group)


@lru_cache(maxsize=1)
def _choose(installed: tuple[tuple[str, int], ...]) -> Callable[..., EntryPoints]:
    """Chooses from what is offered by what is `installed`: every package is looked at, once for all groups."""
    del installed
    return entry_points().select


def load(group: str, name: str) -> Any | None:
    """What an installed package offers as `name` in `group`; None where none does.

    Raises:
        UserError: it cannot be imported, or two packages offer the name.
    """
    entries = _entries(group).select(name=name)
    found = list({(entry.value, entry.dist.name if entry.dist else ""): entry for entry in entries}.values())
    if not found:
        return None
    if len(found) > 1:
        makers = " and ".join(sorted(_maker(entry) for entry in found))
        raise UserError(f"plug-in {name!r} ({group}) is offered by {makers}: uninstall one of them")
    entry = found[0]
    try:
        return entry.load()
    except SightgapError:
        raise
    except _BROKEN as error:
        said = " ".join(str(error).split())
        raise UserError(f"plug-in {name!r} of {_maker(entry)} cannot be imported ({type(error).__name__}: {said})") from error


def _maker(entry: EntryPoint) -> str:
    return f"package {entry.dist.name!r}" if entry.dist is not None else repr(entry.value)


def refuse(group: str, name: str) -> None:
    """Nothing where `name`, which is ours, is offered by nobody else.

    Raises:
        UserError: an installed package offers it too: whose it is would depend on what is installed.
    """
    entry = offered(group).get(name)
    if entry is not None:
        raise UserError(f"{_maker(entry)} offers {name!r} ({group}), a name that sightgap has itself: uninstall it, or rename its entry")
