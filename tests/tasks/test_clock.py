from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from tasks.families.clock import Clock, Query, State
from tasks.family import LEVELS, ReadError

FAMILY = Clock()


def by_calendar(state: State) -> str:
    """The answer by the standard library's calendar arithmetic, on the first day of a year."""
    query = state.query
    assert query is not None
    now = datetime(2026, 1, 1, state.hour % 12, state.minute)
    away = timedelta(hours=query.hours, minutes=query.minutes)
    then = now + away if query.direction == "after" else now - away
    return then.strftime("%I:%M").lstrip("0")


@pytest.mark.parametrize("level", LEVELS)
def test_calendar_arithmetic_agrees(level: int) -> None:
    for seed in range(200):
        state = FAMILY.sample(random.Random(seed), level)
        assert FAMILY.solve(state) == by_calendar(state)


@pytest.mark.parametrize(
    ("state", "field"),
    [
        (State(0, 5), "hour"),
        (State(13, 5), "hour"),
        (State(1, 60), "minute"),
        (State(1, 5, Query("Emily", "after", 13, 0)), "query"),
        (State(1, 5, Query("Emily", "after", 1, 60)), "query"),
    ],
)
def test_impossible_times_are_refused(state: State, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        FAMILY.draw(state)


@pytest.mark.parametrize(
    ("text", "hour", "minute"),
    [
        ("The clock shows 02:43 (2:43).", 2, 43),
        ("time is 14:43", 2, 43),
        ("It reads **2.43 p.m.**", 2, 43),
        ("The time on the dial is 2:43; the sun sets at 9:00.", 2, 43),
        ("hora actual: 2:43:10", 2, 43),
        ("0:37", 12, 37),
        ("It is a quarter to three.", 2, 45),
        ("half past 2", 2, 30),
        ("twenty-five past three", 3, 25),
        ("17 minutes past 3", 3, 17),
        ("ten to one", 12, 50),
        ("The dial has numbers from 1 to 12. It is five o'clock.", 5, 0),
    ],
)
def test_other_wordings_are_read(text: str, hour: int, minute: int) -> None:
    assert FAMILY.read(text) == State(hour, minute)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Current time: :43", "time"),
        ("Current time: 2:", "time"),
        ("2:43 or 3:12", "time"),
        ("Current time: 2:43\nCurrent time: 3:43", "time"),
        ("quarter past two or ten to five", "time"),
        ("Time: 2:75", "minute"),
        ("Time: 25:10", "hour"),
        ("a clock with numbers from 1 to 12", "time"),
    ],
)
def test_missing_and_contradictory_times_are_named(text: str, field: str) -> None:
    read = FAMILY.read(text)
    assert isinstance(read, ReadError)
    assert read.field == field


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("0:37", "12:37", True),
        ("15:15", "3:15 PM.", True),
        ("quarter past 3", "3:15", True),
        ("a quarter past three", "03:15", True),
        ("3:15", "3:16", False),
        ("3:75", "4:15", False),
        ("25:10", "1:10", False),
        ("noon", "Noon", True),
    ],
)
def test_spellings_of_one_time_are_the_same(a: str, b: str, same: bool) -> None:
    assert FAMILY.same(a, b) is same
    assert FAMILY.same(b, a) is same


@pytest.mark.parametrize(("hours", "minutes"), [(0, 0), (12, 0), (1, 0), (6, 0)])
def test_round_durations_leave_enough_distractors(hours: int, minutes: int) -> None:
    for minute in (0, 15, 59):
        state = State(7, minute, Query("Emily", "before", hours, minutes))
        wrong = FAMILY.distractors(state)
        assert len(set(wrong) - {FAMILY.solve(state)}) == len(wrong) >= 4


def test_the_asked_duration_does_not_point_at_the_answer() -> None:
    """Among the options, the one that lies the asked time after another is right no more often than by chance."""
    hits = Counter[bool]()
    for seed in range(2000):
        state = FAMILY.sample(random.Random(seed), 3)
        assert state.query is not None
        answer = FAMILY.solve(state)
        options = {answer, *FAMILY.distractors(state)}
        now = [State(int(option.split(":")[0]), int(option.split(":")[1]), state.query) for option in options]
        suspects = options & {FAMILY.solve(other) for other in now}
        hits[answer in suspects] += 1
    assert hits[True] / hits.total() < 0.4  # two or three of seven options stand in that relation to another


def test_a_state_without_a_query_cannot_be_asked() -> None:
    with pytest.raises(ValueError, match=r"^query: "):
        FAMILY.ask(State(1, 5))
