"""Calendar: public rows, refused states, free wordings, and a second solver (a real year that looks the same, from `datetime`)."""

from __future__ import annotations

import datetime
import random
from calendar import isleap
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from tasks.families.calendar import MONTHS, WEEKDAYS, Calendar, Query, State
from tasks.family import LEVELS, ReadError

FAMILY = Calendar()
PAGE = State("November", "Friday", 30)
LEAP = State("February", "Sunday", 29)
OFFSETS = {"previous": -1, "that": 0, "next": 1}
GRID = "Mon Tue Wed Thu Fri Sat Sun\n{first}\n4 5 6 7 8 9 10\n11 12 13 14 15 16 17\n18 19 20 21 22 23 24\n25 26 27 28 29 30"
WORDINGS = (
    "Sure! The picture shows November, which has 30 days. November 1 is a Friday.",
    "**Month:** nov\n**Days:** 30\n**First day of the month:** Fri.",
    "The first of November falls on Friday, and the last day is the 30th.",
    "november\n" + GRID.format(first="1 2 3"),
    "# November\n" + GRID.format(first="0 0 0 0 1 2 3"),
    "Month: November\n| Mon | Tue | Wed | Thu | Fri | Sat | Sun |\n|---|---|---|---|---|---|---|\n| | | | | 1 | 2 | 3 |\n"
    "| 4 | 5 | 6 | 7 | 8 | 9 | 10 |\n| 11 | 12 | 13 | 14 | 15 | 16 | 17 |\n| 18 | 19 | 20 | 21 | 22 | 23 | 24 |\n"
    "| 25 | 26 | 27 | 28 | 29 | 30 | |",
    "This may be November. Weeks start on Monday; the month starts on a Friday and runs from 1 to 30.",
    "Friday the 1st, Sunday the 17th, 30 days, November.",
)
UNREADABLE = (
    ("month", "It has 30 days and the 1st is a Friday."),
    ("month", "November or December, 30 days, the 1st is a Friday."),
    ("first", "November, 30 days."),
    ("first", "November has 30 days. The 1st is a Friday. The 2nd is a Sunday."),
    ("first", "November has 30 days and 5 Fridays; the first day of the week is Monday."),
    ("days", "November. The 1st is a Friday."),
    ("days", "November. The 1st is a Friday. It has 30 days, or 31 days."),
    ("days", "November. The 1st is a Friday. It has 31 days."),
    ("month", "Eine Seite aus einem Kalender."),
)


@cache
def _years(first: str, month: str, leap: bool) -> list[int]:
    return [y for y in range(1801, 3000) if isleap(y) == leap and WEEKDAYS[datetime.date(y, MONTHS.index(month) + 1, 1).weekday()] == first]


def by_real_years(state: State) -> str:
    """The weekday in every real year that has such a page: there must be one, and all must agree."""
    query = state.query
    assert query
    found: set[str] = set()
    for year in _years(state.first, state.month, query.leap):
        other = year + OFFSETS[query.year]
        if query.other_leap is None or isleap(other) == query.other_leap:
            found.add(WEEKDAYS[datetime.date(other, MONTHS.index(query.month) + 1, query.day).weekday()])
    assert len(found) == 1, state
    return found.pop()


@pytest.mark.parametrize("level", LEVELS)
def test_both_solvers_agree(level: int) -> None:
    for seed in range(150):
        state = FAMILY.sample(random.Random(seed), level)
        assert FAMILY.solve(state) == by_real_years(state), state


def test_leap_days_count() -> None:
    march = Query("that", "March", 1, leap=True)
    assert FAMILY.solve(replace(LEAP, query=march)) == "Monday"
    assert FAMILY.solve(replace(LEAP, query=replace(march, month="February", day=29))) == "Sunday"
    assert FAMILY.solve(State("January", "Monday", 31, Query("previous", "January", 1, leap=False, other_leap=True))) == "Saturday"
    assert FAMILY.solve(State("January", "Monday", 31, Query("next", "January", 1, leap=True, other_leap=False))) == "Wednesday"


def test_levels_grow_from_one_year_to_leap_years() -> None:
    queries: dict[int, list[Query]] = {level: [] for level in LEVELS}
    for level in LEVELS:
        for seed in range(100):
            query = FAMILY.sample(random.Random(seed), level).query
            assert query
            queries[level].append(query)
    assert all(query.year == "that" and not query.leap for query in queries[1])
    assert {query.year for query in queries[3]} == {"previous", "that", "next"}
    assert all(query.year != "that" and (query.leap or query.other_leap) for query in queries[5])


def test_a_public_row_years_away_is_refused() -> None:
    solution: dict[str, Any] = {
        "image_year": 2001,
        "image_month": [1, "January"],
        "query_year": 2004,
        "query_month": [8, "August"],
        "query_day": 2,
    }
    with pytest.raises(ValueError, match=r"^query_year: "):
        FAMILY.from_public({"solution": solution})


@pytest.mark.parametrize("text", WORDINGS)
def test_free_wordings_are_read(text: str) -> None:
    assert FAMILY.read(text) == PAGE
    assert FAMILY.claims(text) == FAMILY.facts(PAGE)


@pytest.mark.parametrize("month", MONTHS)
@pytest.mark.parametrize("first", WEEKDAYS)
def test_every_page_reads_back(month: str, first: str) -> None:
    for days in {"February": (28, 29), **dict.fromkeys(("April", "June", "September", "November"), (30,))}.get(month, (31,)):
        page = State(month, first, days)
        assert FAMILY.read(FAMILY.describe(page)) == page
        assert FAMILY.read(f"{month[:3]}., {days} days, starting on {first[:3]}") == page


@pytest.mark.parametrize(("field", "text"), UNREADABLE)
def test_what_is_missing_is_named(field: str, text: str) -> None:
    error = FAMILY.read(text)
    assert isinstance(error, ReadError)
    assert error.field == field


@pytest.mark.parametrize(
    ("field", "state"),
    [
        ("month", replace(PAGE, month="november")),
        ("first", replace(PAGE, first="Fri")),
        ("days", replace(PAGE, days=31)),
        ("days", replace(LEAP, days=30)),
        ("query", replace(LEAP, query=Query("that", "March", 1, leap=False))),
        ("query", replace(PAGE, query=Query("next", "March", 1, leap=True, other_leap=True))),
        ("query", replace(PAGE, query=Query("next", "March", 1, leap=False))),
        ("query", replace(PAGE, query=Query("that", "March", 1, leap=False, other_leap=False))),
        ("query", replace(PAGE, query=Query("that", "Mars", 1, leap=False))),
        ("query", replace(PAGE, query=Query("that", "February", 29, leap=False))),
        ("query", replace(PAGE, query=Query("that", "March", 0, leap=False))),
    ],
)
def test_impossible_states_are_refused(field: str, state: State) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        FAMILY.draw(state, 84)


def test_days_have_several_spellings() -> None:
    assert FAMILY.same("Fri", "friday.")
    assert FAMILY.same("on Tuesday", "Tues.")
    assert not FAMILY.same("Sunday", "Saturday")
    assert not FAMILY.same("Sunday", "7")


def test_partial_credit() -> None:
    assert FAMILY.claims("June, I think; the 1st is a Thursday.") == {"month": "June", "weekday of the 1st": "Thursday"}
    assert FAMILY.claims("") == {}
