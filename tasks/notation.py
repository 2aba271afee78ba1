"""Reading text that a person or a model wrote: folding, number words, grids, lists; and when two answers are the same.

Families build their `parse` from these pieces. Every piece is linear in the length of the text, and `tidy` bounds that length, so that
hostile text costs nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

MAX_TEXT = 20_000
"""Longest text, in characters, that is read as a description; more than ten times what any family writes."""

T = TypeVar("T")


class Unreadable(Exception):  # noqa: N818 - turned into a `ReadError` value by `Family.read`
    """A description lacks or garbles `field`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_QUOTES = {ord("\u2018"): "'", ord("\u2019"): "'", ord("\u201c"): '"', ord("\u201d"): '"', ord("\u00a0"): " ", ord("\u00d7"): "x"}
_MARKUP = re.compile(r"[*`]+|^[ \t]*(?:#+|>|[-\u2022])[ \t]+", re.MULTILINE)


def fold(text: str) -> str:
    """`text` in Unicode NFKC, lower case, with plain dashes, quotes and spaces."""
    return unicodedata.normalize("NFKC", text).translate(_DASHES | _QUOTES).casefold()


def tidy(text: str) -> str:
    """`text` folded, without Markdown emphasis, headings and bullets, lines stripped; line breaks stay, since grids need them.

    Raises:
        Unreadable: empty, or longer than `MAX_TEXT`.
    """
    if len(text) > MAX_TEXT:
        raise Unreadable("description", f"longer than {MAX_TEXT:,} characters")
    plain = _MARKUP.sub("", fold(text))
    lines = [" ".join(line.split()) for line in plain.splitlines()]
    tidied = "\n".join(lines).strip()
    if not tidied:
        raise Unreadable("description", "empty")
    return tidied


# -- answers ---------------------------------------------------------------------------------------------------------------------------
_NUMBER_WORDS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16",
    "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20",
}  # fmt: skip
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")


def number(text: str) -> float | None:
    """The number that `text` is: digits (thousands commas allowed) or an English word up to twenty, else None."""
    plain = fold(text).strip().rstrip(".")
    plain = _NUMBER_WORDS.get(plain, plain)
    if _NUMBER.fullmatch(plain):
        return float(plain.replace(",", ""))
    return None


def same_answer(a: str, b: str) -> bool:
    """Whether two answers are equal after folding case, spacing, a final full stop, a leading article and number words."""
    first, second = number(a), number(b)
    if first is not None or second is not None:
        return first == second
    return _bare(a) == _bare(b)


def _bare(answer: str) -> str:
    words = fold(answer).strip().rstrip(".!").strip("\"' ").split()
    if len(words) > 1 and words[0] in ("a", "an", "the"):
        words = words[1:]
    return " ".join(words)


# -- grids -----------------------------------------------------------------------------------------------------------------------------
def lookup(tokens: Mapping[str, T], field: str) -> Callable[[str], T]:
    """A reader of one token: its value in `tokens`, else `Unreadable` for `field`."""

    def read(token: str) -> T:
        if token not in tokens:
            raise Unreadable(field, f"expected one of {', '.join(sorted(tokens))}, found {token[:40]!r}")
        return tokens[token]

    return read


_ROW = re.compile(r"^(?:row\s*)?(\d{1,2})\s*[:.)|]\s*(.+)$|^row\s+(\d{1,2})\s*[:=-]?\s*(.+)$")


def numbered_rows(text: str, field: str, *, start: int = 1) -> list[str]:
    """The bodies of the lines "row 1: ...", "2) ...", in the order of their numbers, which must be `start`, `start` + 1, ... without gaps.

    Lines of other shapes are passed over. A row stated twice must say the same.

    Raises:
        Unreadable: no such line, a number is missing, or two lines contradict each other.
    """
    rows: dict[int, str] = {}
    for line in text.splitlines():
        match = _ROW.match(line)
        if not match:
            continue
        index, body = int(match[1] or match[3]), (match[2] or match[4]).strip()
        if rows.setdefault(index, body) != body:
            raise Unreadable(field, f"row {index} is stated twice, differently")
    if not rows:
        raise Unreadable(field, "no line of the form 'row 1: ...'")
    missing = [index for index in range(start, max(rows) + 1) if index not in rows]
    if missing or min(rows) < start:
        raise Unreadable(field, f"row {missing[0] if missing else min(rows)} is missing or out of range")
    return [rows[index] for index in range(start, max(rows) + 1)]


def cells(row: str) -> list[str]:
    """The cells of a grid row: separated by commas, bars or spaces; brackets and quotes dropped."""
    bare = re.sub(r"[\[\](){}\"']", " ", row)
    separator = "," if "," in bare else "|" if "|" in bare else None
    return [cell.strip() for cell in bare.split(separator) if cell.strip()]


def rectangular(rows: Sequence[Sequence[T]], field: str) -> tuple[tuple[T, ...], ...]:
    """`rows` as nested tuples.

    Raises:
        Unreadable: the rows are not all of one length.
    """
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        raise Unreadable(field, f"rows have {sorted(widths)} cells, expected one width")
    return tuple(tuple(row) for row in rows)
