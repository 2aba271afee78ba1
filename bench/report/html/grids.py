"""Any part of a gap document as tables of text, for the parts that have no picture of their own.

Shapes that recur in the document (a mode, a gap, an estimate, an interval) are worded as everywhere else (`bench.report.words`); what is
not known is written out plainly, so that a section added to the document appears in the report without a change here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from bench.report import words
from bench.report.tables import Table


def grids(caption: str, value: Any) -> Iterator[Table]:
    """`value`, plain JSON data, as tables; nothing for an empty one."""
    if isinstance(value, Mapping):
        yield from _mapping(caption, cast(Mapping[str, Any], value))
    elif _is_table(value):
        entries = cast(Sequence[Mapping[str, Any]], value)
        header = list(dict.fromkeys(key for entry in entries for key in entry))
        yield Table([title(key) for key in header], [[cell(entry.get(key)) for key in header] for entry in entries], caption)
    elif value not in (None, "", []):
        yield Table(["", "value"], [["", cell(value)]], caption)


def _mapping(caption: str, value: Mapping[str, Any]) -> Iterator[Table]:
    """Plain values in one table, parts in another with a row each; a part of parts and a list get tables of their own."""
    deep = {key: part for key, part in value.items() if _is_table(part) or (_is_nested(part) and all(map(_is_nested, part.values())))}
    rows = {key: dict(_leaves(part)) for key, part in value.items() if _is_nested(part) and key not in deep}
    plain = [[title(key), cell(part)] for key, part in value.items() if key not in deep and key not in rows]
    if plain:
        yield Table(["", "value"], plain, caption)
    if rows:
        header = list(dict.fromkeys(name for part in rows.values() for name in part))
        yield Table(["", *header], [[title(key), *(part.get(name, "-") for name in header)] for key, part in rows.items()], caption)
    for key, part in deep.items():
        yield from grids(f"{caption}: {title(key)}" if caption else title(key), part)


def _leaves(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """(name, text) of everything in a mapping of mappings; the name is the way to it."""
    for key, part in value.items():
        name = f"{before} {title(key)}".strip()
        if _is_nested(part):
            yield from _leaves(part, name)
        else:
            yield name, cell(part)


def title(key: Any) -> str:
    """A key of the document as people read it."""
    return str(key).replace("_", " ")


def cell(value: Any) -> str:
    """Any value in one cell."""
    if value in ({}, [], ()):
        return "none"
    if isinstance(value, Mapping):
        known = _known(cast(Mapping[str, Any], value))
        parts = (f"{title(key)} {cell(part)}" for key, part in cast(Mapping[str, Any], value).items())
        return known if known is not None else ", ".join(parts)
    if isinstance(value, list | tuple):
        parts = cast(Sequence[Any], value)
        text = ", ".join(map(cell, parts))
        return f"[{text}]" if len(parts) == 2 and all(isinstance(part, float) for part in parts) else text
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return "-" if value is None else str(value)


def _known(value: Mapping[str, Any]) -> str | None:
    """The wording of a shape that the document uses in many places, None for any other."""
    if "ci" not in value:
        return None
    if "delta" in value:
        return words.gap(cast(Any, value))
    if "accuracy" in value:
        return words.accuracy(cast(Any, value))
    if "estimate" in value:
        return words.estimate(cast(Any, {"identifiable": value["estimate"] is not None, **value}))
    return None


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(cast(Mapping[str, Any], value)) and _known(cast(Mapping[str, Any], value)) is None


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(cast(list[Any], value)) and all(isinstance(entry, Mapping) for entry in cast(list[Any], value))
