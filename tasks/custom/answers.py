"""Options and answers as tables of the user's own write them.

Options are a list, a list as text, an object by letters, or several columns. An answer names an option by its text, its letter, or its
place counted from 0 (`index`) or from 1 (`number`); without options it is open. How the answers of a table are to be read is decided once
for the whole table, by what makes all of them name an option, and is asked for where two readings do and disagree: an answer is never
guessed.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from bench.errors import BadDataError, UserError
from tasks.custom.columns import CONFIG, LETTERS, Columns

_MAX_OPTIONS = len(LETTERS)


def scalar(name: str, value: Any) -> str:
    """Text or a number as text; whole floats lose their ".0", which a table's reader added.

    Raises:
        BadDataError: anything else, or text that cannot be stored.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value != value:
        raise BadDataError(f"{name}: expected text or a number, found {shown(value)}")
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if not text.strip():
        raise BadDataError(f"{name}: expected text or a number, found {shown(value)}")
    return encodable(name, text)


def encodable(name: str, text: str) -> str:
    """`text` if UTF-8 can hold it.

    Raises:
        BadDataError: it holds half a surrogate pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadDataError(f"{name}: holds half a character (a lone surrogate at {error.start})") from error
    return text


def shown(value: Any) -> str:
    """A value in a message: short, and "nothing" where there is none."""
    return "nothing" if value is None or value == "" else repr(value)[:60]


def read_options(row: Mapping[str, Any], columns: Columns) -> tuple[str, ...]:
    """The options of a row in their order; empty where it has none (an open question).

    Raises:
        BadDataError: something that is no list of options; the message names the column.
    """
    if columns.options:
        return _across(row, columns.options)
    name, value = columns.called("options"), columns.value(row, "options")
    if value is None:
        return ()
    if isinstance(value, str):
        value = _parsed(name, value)
    if isinstance(value, dict):
        by_letter = cast("dict[str, Any]", value)
        value = [item for _, item in sorted(by_letter.items()) if item is not None]
    if not isinstance(value, list | tuple):
        raise BadDataError(f"{name}: expected a list of options, found {shown(value)}")
    items = [scalar(name, item) for item in cast("Sequence[Any]", value)]
    if not items:
        return ()
    return _counted(name, items)


def _across(row: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """Options of several columns: those at the end may be empty, where a question has fewer than others."""
    cells = [row.get(name) for name in names]
    there = [not (cell is None or (isinstance(cell, str) and not cell.strip()) or cell != cell) for cell in cells]
    count = sum(there)
    if not all(there[:count]):
        gap = names[there.index(False)]
        raise BadDataError(f"{gap}: expected an option, found nothing, while {names[len(there) - 1 - there[::-1].index(True)]} has one")
    if not count:
        return ()
    return _counted(names[0], [scalar(name, cell) for name, cell in zip(names, cells[:count], strict=False)])


def _counted(name: str, items: Sequence[str]) -> tuple[str, ...]:
    if not 2 <= len(items) <= _MAX_OPTIONS:
        raise BadDataError(f"{name}: expected 2 to {_MAX_OPTIONS} options, found {len(items)}")
    twice = next((item for item in items if items.count(item) > 1), None)
    if twice is not None:
        raise BadDataError(f"{name}: option {twice!r:.60} stands twice")
    return tuple(items)


def _parsed(name: str, text: str) -> Any:
    """A list that a sheet holds as text: JSON, or as Python writes it."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    raise BadDataError(f'{name}: expected a list of options such as ["a", "b"], found {shown(text)}')


Asked = tuple[tuple[str, ...], Any]
"""The options of a row, and the answer as it is stored."""


def choose_reading(title: str, rows: Sequence[Asked], *, lettered: bool, wished: str | None = None) -> str:
    """How the answers of a table name their options (one of `READINGS`).

    The first of text, letter, index under which every answer names an option; letters come first where the options lie in columns by
    letter. Where none fits all, the one that fits most: the others are bad rows. Rows without options do not count.

    Raises:
        UserError: whole numbers that name options both by text and by place, and not the same ones.
    """
    if wished is not None:
        return wished
    closed = [(options, answer) for options, answer in rows if options]
    order = ("letter", "text", "index") if lettered else ("text", "letter", "index")
    found = {name: [_named(options, answer, name) for options, answer in closed] for name in order}
    fits = {name: sum(option is not None for option in options) for name, options in found.items()}
    whole = [name for name in order if fits[name] == len(closed)]
    numbers = any(isinstance(answer, int) and not isinstance(answer, bool) for _, answer in closed)
    if "text" in whole and "index" in whole and numbers and found["text"] != found["index"]:
        raise UserError(
            f"{title}: the answers are numbers that name options both by text and by place, and not the same ones: "
            f'say which in {CONFIG} (answer_is = "text", "index" or "number")'
        )
    return whole[0] if whole else max(order, key=lambda name: fits[name])


def read_answer(name: str, options: Sequence[str], value: Any, reading: str) -> str:
    """The right option, or the open answer as text.

    Raises:
        BadDataError: the answer names none of the options; the message names the column.
    """
    text = scalar(name, value)
    if not options:
        return text
    option = _named(options, value, reading)
    if option is None:
        how = {"text": "among the options", "letter": "the letter of an option", "index": "the place of an option counted from 0"}
        what = how.get(reading, "the place of an option counted from 1")
        raise BadDataError(f"{name}: {text[:80]!r} is not {what} ({', '.join(map(repr, options))[:200]})")
    return option


def _named(options: Sequence[str], value: Any, reading: str) -> str | None:
    """The option that an answer names under a reading, or None."""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    text = text.strip()
    if reading == "text":
        return next((option for option in options if option == text or option.strip() == text), None)
    if reading == "letter":
        letter = text.strip("().").upper()
        place = LETTERS.find(letter) if len(letter) == 1 else -1
    else:
        place = int(text) - (reading == "number") if text.isdecimal() else -1
    return options[place] if 0 <= place < len(options) else None
