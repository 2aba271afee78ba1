"""Shards: the parts of one run that `--shard i/n` made, on as many machines.

Two shards of one suite are parts of one run only where nothing else differs, and their merged numbers are those of the run only where all
parts are there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, cast

from bench.digest import digest
from bench.errors import UserError
from bench.store.run import Run

_OWN = ("shard", "suite_sha256")
"""What shards of one run may differ in."""
_SHOWN = 12


def shard_of(run: Run) -> tuple[int, int] | None:
    """(i, n) of the run's `--shard i/n`; None for a whole run.

    Raises:
        UserError: what run.json holds is no shard.
    """
    found = run.info.identity.get("shard")
    if not found:
        return None
    parts = cast("list[object]", found) if isinstance(found, list) else []
    match parts:
        case [int(part), int(whole)] if 0 < part <= whole:
            return part, whole
        case _:
            raise UserError(f"{run.folder}: expected a shard [i, n] with 1 <= i <= n, found {found!r}")


def refuse_other_shards(runs: Sequence[Run]) -> None:
    """See that the shards among `runs` are of one configuration, as far as they ask the same models in the same modes.

    Raises:
        UserError: two of them differ in more than the part; the message names the keys.
    """
    shards = [run for run in runs if shard_of(run)]
    by_asked: dict[str, Run] = {}
    for run in shards:
        identity = run.info.identity
        first = by_asked.setdefault(digest([identity.get(name) for name in ("models", "modes")]), run)
        differing = _differing(first.info.identity, identity)
        if differing:
            raise UserError(
                f"these shards are not of one run: {first.folder} and {run.folder} differ in {', '.join(differing)}; "
                "report those of one configuration together"
            )


def shard_notes(runs: Sequence[Run]) -> list[str]:
    """Which shards are missing, by configuration."""
    present: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for run in runs:
        shard = shard_of(run)
        if shard:
            identity = {name: value for name, value in run.info.identity.items() if name not in _OWN}
            present[digest(identity)].append(shard)
    notes: list[str] = []
    for shards in present.values():
        whole = shards[0][1]
        there = {part for part, _ in shards}
        missing = whole - len(there)
        if missing:
            some = islice((part for part in range(1, whole + 1) if part not in there), _SHOWN)  # a file may say any number
            named = ", ".join(f"{part}/{whole}" for part in some) + (", ..." if missing > _SHOWN else "")
            notes.append(f"{missing} of {whole} shards are missing ({named}): the numbers are those of the others")
    return notes


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys in which two shards differ, with both values."""
    pairs = _flat(one), _flat(other)
    differing = sorted(key for key in {*pairs[0], *pairs[1]} if pairs[0].get(key) != pairs[1].get(key))
    return [f"{key} ({pairs[0].get(key)!r} and {pairs[1].get(key)!r})" for key in differing]


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run by name, those of groups as "sampling.seed"; of the shard only the number of parts."""
    found: dict[str, Any] = {}
    for name, value in identity.items():
        if name == "shard":
            found["number of parts"] = value[1]
        elif isinstance(value, dict):
            found |= {f"{name}.{inner}": each for inner, each in cast("dict[str, Any]", value).items()}
        elif name not in _OWN:
            found[name] = value
    return found
