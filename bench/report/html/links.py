"""Links into a report: every puzzle and every filter has a fragment of its own.

A fragment is "#?" and a query string with names as people know them, so that a link holds between two reports of the same puzzles:
`#?puzzle=algo/clock/3f2a91c0d4e5b678&of=tiny-base`, or `#?family=clock&mode=image&outcome=wrong`.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

KEYS = ("model", "family", "mode", "outcome", "cell", "text", "puzzle", "of", "replicate")
"""What a fragment may ask for: filters, words to search for, and the puzzle that is opened, `of` one model, with its replicate."""


def link(**wanted: str | int | None) -> str:
    """The fragment that asks for `wanted`, whose names are among `KEYS`; None is not asked for."""
    unknown = set(wanted) - set(KEYS)
    if unknown:
        raise ValueError(f"a report has no filter called {sorted(unknown)[0]!r}")
    asked = {key: str(wanted[key]) for key in KEYS if wanted.get(key) is not None}
    return "#?" + urlencode(asked, quote_via=quote, safe="/,=", errors="replace")
