"""Which column holds what: the fields of a puzzle, under the names that a table of the user's own gives them.

A column is found by the name of its field, by a few names that published sets use (VLMEvalKit's sheets, the image folders of `datasets`),
or by what the user says: `--columns image=COL,...` or the table `[columns]` of a `suite.toml` beside the data. Options may lie in one
column (a list) or in several (`options=first+second+third`; columns A, B, C, ... are found by themselves).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bench.errors import UserError
from bench.suggest import did_you_mean

CONFIG = "suite.toml"

FIELDS = ("image", "images", "question", "answer", "options", "description", "family", "id", "split", "level", "state", "hint")
"""What a column may hold. `hint` is text that a published set shows before the question."""

_ALSO: Mapping[str, tuple[str, ...]] = {
    "image": ("image_path", "file_name"),
    "question": ("problem", "query"),
    "answer": ("label",),
    "options": ("choices",),
    "family": ("category",),
    "id": ("index",),
}
"""Other names under which a field is found where no column has its own name."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
READINGS = ("text", "letter", "index", "number")
"""How an answer may name an option: its text, its letter, its place counted from 0, its place counted from 1."""

_KEYS = ("name", "data", "split", "config", "answer_is", "columns")
_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user says about a table.

    Attributes:
        columns: field -> name of its column ("a+b+c" for options in several).
        name: of the suite; None takes the file's or folder's.
        data: the file beside `suite.toml` that holds the rows.
        split, config: which part of a data set with several.
        answer_is: one of `READINGS`, where it cannot be told from the answers.
    """

    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    name: str | None = None
    data: str | None = None
    split: str | None = None
    config: str | None = None
    answer_is: str | None = None


def parse_columns(text: str) -> dict[str, str]:
    """Read "image=file,question=q": field -> column.

    Raises:
        UserError: not of this form, an unknown field, or one that is named twice.
    """
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not column:
            raise UserError(f"--columns: expected FIELD=COLUMN,..., found {part!r}")
        _check_field("--columns", name)
        if name in found:
            raise UserError(f"--columns: {name} is named twice")
        found[name] = column
    return found


def _check_field(where: str, name: str) -> None:
    if name not in FIELDS:
        raise UserError(f"{where}: unknown field {name!r}{did_you_mean(name, FIELDS)}: expected some of {', '.join(FIELDS)}")


def read_wishes(path: Path) -> Wishes:
    """The wishes of a `suite.toml`.

    Raises:
        UserError: it cannot be read, has an unknown key, or a value of the wrong kind.
    """
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    for key in data:
        if key not in _KEYS:
            raise UserError(f"{path}: unknown key {key!r}{did_you_mean(key, _KEYS)}: expected some of {', '.join(_KEYS)}")
    columns: Any = data.get("columns", {})
    if not isinstance(columns, dict):
        raise UserError(f"{path}: columns: expected a table of FIELD = COLUMN, found {columns!r:.60}")
    named = cast("dict[str, Any]", columns)
    texts = {key: value for key, value in data.items() if key != "columns"}
    for key, value in (*texts.items(), *named.items()):
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"{path}: {key}: expected text, found {value!r:.60}")
    for key in named:
        _check_field(str(path), key)
    if texts.get("answer_is", READINGS[0]) not in READINGS:
        raise UserError(f"{path}: answer_is: expected one of {', '.join(READINGS)}, found {texts['answer_is']!r}")
    return Wishes(columns=named, **texts)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one table: field -> column, and the columns of the options where they lie in several."""

    of: Mapping[str, str]
    options: tuple[str, ...] = ()

    def value(self, row: Mapping[str, Any], name: str) -> Any:
        """What `row` holds for a field; None where it holds nothing."""
        column = self.of.get(name)
        value = row.get(column) if column is not None else None
        return None if isinstance(value, str) and not value.strip() else value

    def called(self, name: str) -> str:
        """The name of a field's column, for messages."""
        return self.of.get(name, name)


def find_columns(title: str, present: Sequence[str], wished: Mapping[str, str]) -> Columns:
    """The columns of a table that has the columns `present`.

    Raises:
        UserError: a column that was named is not there, or a field that every puzzle needs has none.
    """
    of: dict[str, str] = {}
    options: tuple[str, ...] = ()
    for name, column in wished.items():
        several = tuple(part.strip() for part in column.split("+")) if name == "options" and column not in present else (column,)
        for part in several:
            if part not in present:
                raise UserError(f"{title}: column {part!r} for {name} is not there{did_you_mean(part, present)}: found {_list(present)}")
        if len(several) > 1:
            options = several
        else:
            of[name] = column
    taken = {*of.values(), *options}
    for name in FIELDS:
        if name in of or (name == "options" and options):
            continue
        column = next((c for c in (name, *_ALSO.get(name, ())) if c in present and c not in taken), None)
        if column is not None:
            of[name] = column
    if "options" not in of and not options:
        options = _lettered(present)
    _check_needed(title, present, of)
    return Columns(of, options)


def _check_needed(title: str, present: Sequence[str], of: Mapping[str, str]) -> None:
    for name in ("question", "answer"):
        if name not in of:
            raise UserError(
                f"{title}: there is no column {name!r}{did_you_mean(name, present)}; say which with --columns {name}=COLUMN: "
                f"found {_list(present)}"
            )
    if "image" not in of and "images" not in of:
        raise UserError(f"{title}: there is no column 'image'; say which with --columns image=COLUMN: found {_list(present)}")


def _lettered(present: Sequence[str]) -> tuple[str, ...]:
    """Columns A, B, C, ... as far as they go without a gap; none where there is no B."""
    count = next((i for i, letter in enumerate(LETTERS) if letter not in present), len(LETTERS))
    return tuple(LETTERS[:count]) if count > 1 else ()


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(f"{name:.40}" for name in names[:_SHOWN])
    return (shown or "no column") + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
