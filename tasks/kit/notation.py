"""Reading text that a person or a model wrote: folding, number words, grids, lists; and when two answers are the same.

Families build their `parse` from these pieces. Every piece is linear in the length of the text, and `tidy` bounds that length, so that
hostile text costs nothing.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
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


_PLAIN = {
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-"),
    ord("\u2018"): "'",
    ord("\u2019"): "'",
    ord("\u201c"): '"',
    ord("\u201d"): '"',
    ord("\u00a0"): " ",
    ord("\u00d7"): "x",
}
_MARKUP = re.compile(r"[*`]+|^[ \t]*(?:#{1,6}(?=[ \t]+\w\w)|>|[-\u2022])[ \t]+", re.MULTILINE)


def fold(text: str) -> str:
    """`text` in Unicode NFKC, lower case, with plain dashes, quotes and spaces."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).translate(_PLAIN).casefold()


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


def attempt(text: str, read: Callable[[str], T]) -> T | None:
    """What `read` makes of the tidied `text`, or None where that is unreadable: for `claims`, which never raise."""
    try:
        return read(tidy(text))
    except Unreadable:
        return None


def sections(text: str, mark: re.Pattern[str]) -> list[tuple[re.Match[str], str]]:
    """Every match of `mark` in `text`, with what stands between it and the next one (or the end)."""
    marks = list(mark.finditer(text))
    ends = [following.start() for following in marks[1:]] + [len(text)]
    return [(found, text[found.end() : end]) for found, end in zip(marks, ends, strict=False)]


# -- answers ---------------------------------------------------------------------------------------------------------------------------
_NUMBER_WORDS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16",
    "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20",
}  # fmt: skip
NUMBER_WORDS: tuple[str, ...] = tuple(_NUMBER_WORDS)
"""The English number words that `number` reads."""
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


def same_amount(a: str, b: str, *units: str) -> bool:
    """Whether two answers are equal after dropping one of `units` ("move": also "moves") behind a number."""
    return same_answer(_without_unit(a, units), _without_unit(b, units))


def _without_unit(answer: str, units: Sequence[str]) -> str:
    words = fold(answer).strip().rstrip(".!").split()
    if len(words) == 2 and words[1].removesuffix("s") in units and number(words[0]) is not None:
        return words[0]
    return answer


def _bare(answer: str) -> str:
    words = fold(answer).strip().rstrip(".!").strip("\"' ").split()
    if len(words) > 1 and words[0] in ("a", "an", "the"):
        words = words[1:]
    return " ".join(words)


def nearby(right: int, *, key: object, low: int = 0, high: int | None = None, count: int = 6) -> list[str]:
    """`count` whole numbers around `right`, none below `low` or above `high`: wrong answers whose size gives nothing away.

    They and `right` are `count` + 1 neighbours, and where among them `right` stands is drawn from a hash of `key` (anything whose `repr` is
    fixed, such as the visible fields of a state). Nearest first.
    """
    below = min(zlib.crc32(repr(key).encode()) % (count + 1), max(0, right - low))
    if high is not None:
        below = min(max(below, right + count - high), max(0, right - low))
        count = min(count, high - right + below)
    window = range(right - below, right - below + count + 1)
    return [str(value) for value in sorted(window, key=lambda value: (abs(value - right), value)) if value != right]


# -- grids -----------------------------------------------------------------------------------------------------------------------------
_LABELLED_ROW = re.compile(r"^\|? ?row ?(\d{1,2})(?!\d) ?+[:.)|=-]*+ ?+(?!,|and\b|col)(.+)$|^(\d{1,2}) ?[:.)] ?(.+)$")
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10,
    "top": 1, "middle": 2, "bottom": 3,
}  # fmt: skip
"""The last three name the rows of a grid of three; in a larger grid they contradict the row that is really third."""
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th))(?:-?most)? row\b")
_WIDEST, _MOST_ROWS = 100, 300
_NEW_ROW = re.compile(r"\] ?,? ?\[|[,;.|] ?(?=row ?\d{1,2} ?[:=])")


def _ordinal(match: re.Match[str]) -> str:
    return f"row {_ORDINALS.get(match[1]) or match[1][:-2]}"


def stated_cells(text: str, value: Callable[[str], T | None], field: str) -> dict[tuple[int, int], T]:
    """The cells of a grid that `text` (tidied) states: (row, column), counted from 1 -> what `value` makes of the token.

    Read are lines with a label ("row 2: a, b, c", "second row: ...", "2) ...", from 0 or from 1) or, where there is none, bare lines of
    nothing but cells, numbered as they come; nested brackets count as lines. Cells are separated as in `cells`; a single word may also be
    one cell a letter. Tokens that `value` turns into None are left out, so the caller finds the gap; where they are most, it is no row.

    Raises:
        Unreadable: a row is stated twice, differently, or there are more than any text needs.
    """
    labelled: dict[int, list[T | None]] = {}
    bare: list[list[T | None]] = []
    rows_read = 0
    for line in _NEW_ROW.sub("\n", _ORDINAL.sub(_ordinal, text)).splitlines():
        match = _LABELLED_ROW.match(line)
        row = _values((match[2] or match[4]) if match else line, value)
        if match and 2 * sum(cell is not None for cell in row) >= len(row):
            index = int(match[1] or match[3])
            if labelled.setdefault(index, row) != row:
                raise Unreadable(field, f"row {index} is stated twice, differently")
        elif len(row) > 1 and all(cell is not None for cell in row):
            bare.append(row)
        else:
            continue
        if (rows_read := rows_read + 1) > _MOST_ROWS:
            raise Unreadable(field, f"more than {_MOST_ROWS} rows")
    rows = labelled or dict(enumerate(bare, 1))
    first = 0 if 0 in rows else 1
    return {(r + 1 - first, c): cell for r, row in rows.items() for c, cell in enumerate(row, 1) if cell is not None}


def _cells(row: str) -> list[str]:
    """The cells of a grid row: separated by commas, bars or spaces; brackets and quotes dropped."""
    bare = re.sub(r"[\[\](){}\"']", " ", row)
    separator = "," if "," in bare else "|" if "|" in bare else None
    return [cell.strip() for cell in bare.split(separator) if cell.strip()]


def _values(row: str, value: Callable[[str], T | None]) -> list[T | None]:
    tokens = _cells(row)
    if max(len(tokens), len(tokens[0]) if len(tokens) == 1 else 0) > _WIDEST:
        return []
    if len(tokens) == 1 and value(tokens[0]) is None:
        return [value(letter) for letter in tokens[0]]
    return [value(token.rstrip(".;") or token) for token in tokens]


def full_grid(stated: Mapping[tuple[int, int], T], field: str) -> tuple[tuple[T, ...], ...]:
    """`stated` cells as nested tuples.

    Raises:
        Unreadable: there is none, or one is missing from the rectangle that the others span.
    """
    if not stated:
        raise Unreadable(field, "no line of the form 'row 1: ...'")
    height, width = max(row for row, _ in stated), max(column for _, column in stated)
    if len(stated) != height * width:
        gap = next((r, c) for r in range(1, height + 1) for c in range(1, width + 1) if (r, c) not in stated)
        raise Unreadable(field, f"row {gap[0]}, column {gap[1]} is missing")
    return tuple(tuple(stated[row, column] for column in range(1, width + 1)) for row in range(1, height + 1))


_EXTENT = re.compile(r"\b(\d{1,3}) (rows?|columns?)\b")


def agrees_with_size(text: str, grid: Sequence[Sequence[object]], field: str) -> None:
    """Hold `text` (tidied) to the size that it states, if any: "9 rows and 11 columns" above a grid of another size is a contradiction.

    Raises:
        Unreadable: `grid` has another number of rows or columns.
    """
    for count, what in _EXTENT.findall(text):
        found = len(grid) if what.startswith("row") else len(grid[0])
        if int(count) != found:
            raise Unreadable(field, f"stated as {count} {what}, found {found}")
