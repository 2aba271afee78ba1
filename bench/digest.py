"""Content hashes: the identity of puzzles, trials, captions and cached replies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def canonical(value: Any) -> str:
    """The one spelling of `value` in JSON: keys in order, no spaces.

    Raises:
        TypeError: `value` holds something that is not plain JSON data.
    """
    return _CANONICAL.encode(value)


def digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of `value`: the one identity hash of the project, the same in every process and on every machine.

    Raises:
        TypeError: `value` holds something that is not plain JSON data.
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_of_rows(rows: Iterable[str]) -> str:
    """`digest` of a list, given the canonical JSON of each of its entries; they are never held all at once."""
    made = hashlib.sha256(b"[")
    for place, row in enumerate(rows):
        made.update(("," * bool(place) + row).encode())
    made.update(b"]")
    return made.hexdigest()


_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False)
