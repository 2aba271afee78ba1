"""Did you mean: the known name that is nearest to what a person typed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_CLOSE = 0.6
"""Least similarity (difflib's ratio) of a name that is worth naming."""


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """' (did you mean "clock"?)', or nothing where no known name is near.

    Case and the difference between `-`, `_` and blanks do not count as distance.
    """
    plain = {_plain(name): name for name in known}
    near = difflib.get_close_matches(_plain(found), plain, n=1, cutoff=_CLOSE)
    return f" (did you mean {plain[near[0]]!r}?)" if near else ""


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-").replace(" ", "-")
