"""Calendar: from the page of one month, on which weekday was a date of that year, the year before or the year after (`calendar`).

Visible: the name of the month and the grid of its days, which amounts to the weekday of the 1st and the number of days. The year is not
shown; the question says which of the years concerned are leap years, and that is all that counting days needs.
"""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from PIL import Image

from tasks.family import Family, asked
from tasks.kit.drawing import FAINT, INK, PAPER, Canvas
from tasks.kit.notation import Unreadable, attempt, fold, same_answer

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_INDEX = {name[:3].casefold(): index for index, name in enumerate(WEEKDAYS)}
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SUNDAY = (176, 32, 32)
_YEARS: Mapping[str, int] = {"previous": -1, "that": 0, "next": 1}

_WEEKDAY = r"(mon|tue|wed|thu|fri|sat|sun)(?:day|s|sday|nesday|rs?|rsday|urday)?\b"
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?\b"
_LAST = r"(2[89]|3[01])(?:st|th)?\b"
_MONTH_NAME = re.compile(r"\b" + _MONTH)
_LABELLED_MONTH = re.compile(r"\bmonth(?: name)?(?: shown)?(?: is| of)? ?[:=]? ?" + _MONTH)
_DAY_NAME = re.compile(r"\b" + _WEEKDAY)
_DAY_THEN_NAME = re.compile(
    r"(?<![\d-])(\d{1,2})(?:st|nd|rd|th)?\b(?: of \w{3,9})?(?: ?[:=-] ?| ?\(| (?:is|was|falls|fell|lands) (?:on )?(?:an? )?| on (?:an? )?)"
    + _WEEKDAY
)
_NAME_THEN_DAY = re.compile(r"\b" + _WEEKDAY + r"(?:,? ?the |,? " + _MONTH + r" |: ?)(\d{1,2})(?:st|nd|rd|th)?\b")
_STARTS_ON = re.compile(
    r"(?:(?<!week )(?<!weeks )\b(?:starts?|starting|begins?|beginning) on (?:an? )?"
    r"|\bfirst day\b(?! of the week)[^\n;\d]{0,30}?\b)" + _WEEKDAY
)
_ORDINAL_FIRST = re.compile(r"\bthe first\b(?= (?:is|was|falls|of))")
_DAYS = re.compile(
    r"\b(2[89]|3[01])[ -]days?\b|\bdays\b[^\n\d.;]{0,20}[:=] ?" + _LAST + r"|\b1(?:st)? ?(?:-|to|through|until) ?(?:the )?" + _LAST
    + r"|\b(?:last day|ends?|ending)\b[^\n\d.;]{0,25}\b" + _LAST
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: the weekday of `day` `month` of that year, the previous or the next one.

    `leap` says whether the year of the page is a leap year, `other_leap` whether the other one is (None where `year` is "that").
    """

    year: Literal["previous", "that", "next"]
    month: str
    day: int
    leap: bool
    other_leap: bool | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Visible: the page of `month` ("January"), whose 1st is a `first` ("Friday") and which has `days` days."""

    month: str
    first: str
    days: int
    query: Query | None = None


class Calendar(Family[State]):
    """A page of a calendar without its year."""

    name = "calendar"
    title = "calendar page"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        while True:
            shown = datetime.date(rng.randint(1901, 2899), rng.randint(1, 12), 1)
            offset = rng.choice((0,) if level == 1 else (-1, 0, 1) if level < 4 else (-1, 1))
            leaps = _leap(shown.year), _leap(shown.year + offset)
            if any(leaps) != (level == 5 or (level == 4 and rng.random() < 0.5)):
                continue
            month = rng.randint(1, 12)
            day = rng.randint(1, _length(MONTHS[month - 1], leaps[1]))
            asked = datetime.date(shown.year + offset, month, day)
            if _near(abs((asked - shown).days), asked.month == shown.month and not offset, level):
                return _page(shown, asked)

    def check(self, state: State) -> None:
        _one_of("month", state.month, MONTHS)
        _one_of("first", state.first, WEEKDAYS)
        longest = _length(state.month, leap=True)
        shortest = _length(state.month, leap=False)
        if not shortest <= state.days <= longest:
            raise ValueError(f"days: expected {shortest} for {state.month}{' (or 29)' if longest == 29 else ''}, found {state.days}")
        query = state.query
        if query is None:
            return
        if state.days != _length(state.month, query.leap):
            raise ValueError(f"query: expected leap to agree with {state.days} days in {state.month}, found {query.leap}")
        if (query.other_leap is None) != (query.year == "that") or (query.leap and query.other_leap):
            raise ValueError(f"query: expected other_leap for another year only and no two leap years in a row, found {query.other_leap}")
        _one_of("query", query.month, MONTHS)
        last = _length(query.month, _asked_leap(query))
        if not 1 <= query.day <= last:
            raise ValueError(f"query: expected day 1 to {last} of {query.month}, found {query.day}")

    def paint(self, state: State, side: int) -> Image.Image:
        start = WEEKDAYS.index(state.first)
        canvas = Canvas(side, base=_sheet(side, start), aspect=4 / 3)
        canvas.text(448, 62, state.month, 58, PAPER, bold=True)
        for cell in range(start + state.days, start + 31):
            x, y = _center(cell)
            canvas.rect(x - 58, y - 38, x + 58, y + 38, PAPER)
        return canvas.image

    def ask(self, state: State) -> str:
        query = asked(state.query)
        page = f"The image shows the calendar page of one month of a {_kind(query.leap)} year."
        date = f"On which day of the week was {query.month} {query.day} of"
        if query.other_leap is None:
            return f"{page} {date} that year?"
        return f"{page} The {query.year} year was a {_kind(query.other_leap)} year. {date} the {query.year} year?"

    def solve(self, state: State) -> str:
        query = asked(state.query)
        return WEEKDAYS[(WEEKDAYS.index(state.first) + _days_between(state.month, query)) % 7]

    def distractors(self, state: State) -> Sequence[str]:
        query = asked(state.query)
        first, right = WEEKDAYS.index(state.first), WEEKDAYS.index(self.solve(state))
        guesses = (
            right + 1,  # a leap day too few or too many
            right - 1,
            right + 2 * _YEARS[query.year],  # the year counted in the wrong direction
            first + query.day - 1,  # the same day of the month shown
            first,
            right + 3,  # a month of another length
            *range(right, right + 7),
        )
        return [WEEKDAYS[day] for day in dict.fromkeys(guess % 7 for guess in guesses) if day != right]

    def chances(self, state: State, rng: random.Random, level: int) -> Mapping[str, float]:
        return dict.fromkeys(WEEKDAYS, 1.0)

    def same(self, a: str, b: str) -> bool:
        first, second = _weekday(a), _weekday(b)
        return same_answer(a, b) if first is None or second is None else first == second

    def describe(self, state: State) -> str:
        return f"Month: {state.month}\nNumber of days: {state.days}\nThe 1st is a {state.first}"

    def parse(self, text: str) -> State:
        return State(_read_month(text), _read_first(text), _read_days(text))

    def facts(self, state: State) -> Mapping[str, str]:
        return {"month": state.month, "days": str(state.days), "weekday of the 1st": state.first}

    def claims(self, text: str) -> Mapping[str, str]:
        readers: tuple[tuple[str, Callable[[str], str | int]], ...] = (
            ("month", _read_month),
            ("days", _read_days),
            ("weekday of the 1st", _read_first),
        )
        found = {slot: attempt(text, reader) for slot, reader in readers}
        return {slot: str(value) for slot, value in found.items() if value is not None}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        shown = datetime.date(int(solution["image_year"]), int(solution["image_month"][0]), 1)
        asked = datetime.date(int(solution["query_year"]), int(solution["query_month"][0]), int(solution["query_day"]))
        if abs(asked.year - shown.year) > 1:
            raise ValueError(f"query_year: expected {shown.year} or a year beside it, found {asked.year}")
        return _page(shown, asked)


def _one_of(field: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{field}: expected one of {', '.join(allowed)}, found {value!r}")


def _asked_leap(query: Query) -> bool:
    return query.leap if query.other_leap is None else query.other_leap


def _kind(leap: bool) -> str:
    return "leap" if leap else "non-leap"


# -- counting days ---------------------------------------------------------------------------------------------------------------------
def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _length(month: str, leap: bool) -> int:
    index = MONTHS.index(month)
    return 29 if leap and index == 1 else _LENGTHS[index]


def _before(month: str, leap: bool) -> int:
    """Days of the year before the 1st of `month`."""
    index = MONTHS.index(month)
    return sum(_LENGTHS[:index]) + (leap and index > 1)


def _days_between(month: str, query: Query) -> int:
    """Days from the 1st of the `month` shown to the date asked for; negative where that comes earlier."""
    days = _before(query.month, _asked_leap(query)) + query.day - 1 - _before(month, query.leap)
    if query.year == "previous":
        return days - 365 - bool(query.other_leap)
    return days + (365 + query.leap if query.year == "next" else 0)


def _page(shown: datetime.date, asked: datetime.date) -> State:
    """The page of the month that begins on `shown`, and the question for `asked`, at most one year away."""
    leap, month = _leap(shown.year), MONTHS[shown.month - 1]
    which: Literal["previous", "that", "next"] = "that" if asked.year == shown.year else "next" if asked.year > shown.year else "previous"
    other = None if which == "that" else _leap(asked.year)
    query = Query(which, MONTHS[asked.month - 1], asked.day, leap, other)
    return State(month, WEEKDAYS[shown.weekday()], _length(month, leap), query)


def _near(distance: int, on_page: bool, level: int) -> bool:
    """Whether a date `distance` days from the 1st shown is as far as `level` wants it, and not on the page itself."""
    least, most = {1: (0, 70), 2: (32, 250), 3: (60, 750), 4: (200, 750), 5: (200, 750)}[level]
    return least <= distance <= most and not on_page


# -- drawing ---------------------------------------------------------------------------------------------------------------------------
def _center(cell: int) -> tuple[float, float]:
    return 448 + 118 * (cell % 7 - 3), 234 + 77 * (cell // 7)


@cache
def _sheet(side: int, start: int) -> Image.Image:
    """A page without its month whose 1st stands in column `start`, with 31 days (`paint` blanks those that a month lacks)."""
    canvas = Canvas(side, aspect=4 / 3)
    canvas.rect(0, 0, canvas.width, 124, (38, 70, 118))
    for column, name in enumerate(WEEKDAYS):
        canvas.text(_center(column)[0], 162, name[:3], 34, _SUNDAY if column == 6 else INK, bold=True)
    canvas.rect(34, 190, 862, 193, FAINT)
    for day in range(1, 32):
        cell = start + day - 1
        canvas.text(*_center(cell), str(day), 40, _SUNDAY if cell % 7 == 6 else INK)
    return canvas.image


# -- reading ---------------------------------------------------------------------------------------------------------------------------
def _weekday(name: str) -> int | None:
    """Index of the weekday that `name` ("Friday", "on Fri.") is, else None."""
    match = re.fullmatch(r"(?:on |an? )?" + _WEEKDAY + r"\.?", fold(name).strip(" \"'!"))
    return _INDEX[match[1]] if match else None


def _read_month(text: str) -> str:
    found = {match[1] for match in _LABELLED_MONTH.finditer(text)}
    if not found:
        found = {match[1] for match in _MONTH_NAME.finditer(text)}
        if len(found) > 1:
            found.discard("may")  # more often the verb than the month
    if len(found) != 1:
        raise Unreadable("month", f"several: {', '.join(sorted(found))}" if found else "no name of a month")
    short = found.pop()
    return next(month for month in MONTHS if month[:3].casefold() == short)


def _read_first(text: str) -> str:
    plain = _ORDINAL_FIRST.sub("1", text)
    dated = [(match[2], match[1]) for match in _DAY_THEN_NAME.finditer(plain)]
    dated += [(match[1], match[3]) for match in _NAME_THEN_DAY.finditer(plain)]
    found = {(_INDEX[name] - int(day) + 1) % 7 for name, day in dated}
    found |= {_INDEX[match[1]] for match in _STARTS_ON.finditer(plain)}
    grid = _read_grid(text)
    if grid:
        found.add(grid[0])
    if len(found) != 1:
        raise Unreadable("first", "the weekday of the 1st is stated twice, differently" if found else "no weekday of the 1st")
    return WEEKDAYS[found.pop()]


def _read_days(text: str) -> int:
    found = {int(match[match.lastindex or 0]) for match in _DAYS.finditer(text)}
    grid = _read_grid(text)
    if grid:
        found.add(grid[1])
    if len(found) != 1:
        raise Unreadable("days", f"several numbers: {sorted(found)}" if found else "no number of days from 28 to 31")
    return found.pop()


def _read_grid(text: str) -> tuple[int, int] | None:
    """The weekday of the 1st and the last day of a page that is copied out line by line, or None where there is none.

    Blank cells do not survive `tidy`, but the first week ends in the last column, so its length says where it begins.
    """
    header: list[int] = []
    weeks: list[int] = []
    for line in text.splitlines():
        names = _DAY_NAME.findall(line)
        if len(names) == 7:
            header = [_INDEX[name] for name in names]
        elif header and not names:
            days = [int(number) for number in re.findall(r"\d{1,2}", line) if int(number)]
            if days and days == list(range(sum(weeks) + 1, sum(weeks) + len(days) + 1)):
                weeks.append(len(days))
    if sum(weeks) < 28 or weeks[0] > 7:
        return None
    return header[7 - weeks[0]], sum(weeks)
