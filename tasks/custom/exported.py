"""Suites that `tasks export` wrote: every field of a puzzle has a column, and is taken as it stands, so that the suite comes back equal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import BadDataError
from bench.image import ImageRef
from bench.puzzle import Puzzle
from tasks.custom.answers import shown
from tasks.custom.pictures import picture
from tasks.custom.source import RawRow
from tasks.public.rows import as_object
from tasks.registry import family, known

COLUMNS = ("id", "suite", "family", "question", "options", "answer", "description", "state", "level", "seed", "split", "sufficient")
"""Columns of an export that hold what the fields of a puzzle hold; `state` as JSON text."""

SOURCE, DRAWN, FURTHER = "image_source", "image_drawn", "images"
"""Columns about pictures: where the first comes from, whether it was drawn here, and the further ones, in order."""

_TEXTS = ("id", "suite", "family", "question", "answer", "split")


def is_exported(columns: Sequence[str]) -> bool:
    """Whether a table with these columns is an export."""
    return {*COLUMNS, "image"} <= set(columns)


def exported_puzzle(row: RawRow, folder: Path | None) -> Puzzle:
    """The puzzle of a row.

    Raises:
        BadDataError: a column does not hold what `tasks export` writes; the message names it.
    """
    fields = row.fields
    for name in _TEXTS:
        if not isinstance(fields[name], str) or not fields[name]:
            raise BadDataError(f"{name}: expected text, found {shown(fields[name])}")
    options: Any = fields["options"]
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):  # pyright: ignore[reportUnknownVariableType]
        raise BadDataError(f"options: expected a list of texts, found {shown(options)}")
    first, *further = (picture(cell, "image", row.where, folder) for cell in (fields["image"], *(fields.get(FURTHER) or ())))
    source, drawn = fields.get(SOURCE), bool(fields.get(DRAWN))
    return Puzzle(
        **{name: fields[name] for name in (*_TEXTS, "description", "level", "seed")},
        options=tuple(options),  # pyright: ignore[reportUnknownArgumentType]
        state=stored_state(fields["state"], fields["family"]),
        sufficient=bool(fields["sufficient"]),
        image=ImageRef(source if isinstance(source, str) else first.source, first.load, drawn=drawn),
        further=tuple(further),
    )


def stored_state(value: Any, name: str, column: str = "state") -> Mapping[str, Any] | None:
    """A latent state that a column holds, as JSON text or as an object; None for none.

    Raises:
        BadDataError: it is no state of family `name`, or no registered family has that name.
    """
    if value is None:
        return None
    try:
        state = as_object(json.loads(value) if isinstance(value, str) else value)
    except ValueError as error:
        raise BadDataError(f"{column}: not JSON ({error})") from error
    if state is None:
        raise BadDataError(f"{column}: expected an object, found {shown(value)}")
    if not known(name):
        raise BadDataError(f"{column}: {name!r} is not a registered family, so nothing can read its states; leave the column out")
    made = family(name)
    try:
        made.check(made.load(state))
    except ValueError as error:
        raise BadDataError(f"{column}: {error}") from error
    return state
