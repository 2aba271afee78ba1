"""Clock: read an analog dial, then add or subtract a duration (AlgoPuzzleVQA `clock`).

Visible: the two hands. Asked: when an event some hours and minutes away starts, or when someone came that long ago. Answers are dial times:
0:37 and 12:37 are one time, and the canonical spelling is the one a dial shows, 12:37.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from PIL import Image

from tasks.drawing import FAINT, INK, Canvas
from tasks.family import Family
from tasks.notation import Unreadable, fold

_NAMES = ("Daniel", "Sarah", "Hannah", "Taylor", "Joshua", "Jessica", "Elizabeth", "Matthew", "Emily", "Andrew")
_MINUTES = {1: 15, 2: 5, 3: 1, 4: 1, 5: 1}
"""Level -> the step in minutes between times that occur."""
_HALF_DAY = 720
_TIME = re.compile(r"(?<![\d:.])(\d{1,2})\s*[:.h]\s*(\d{2})(?![\d:])(?:\s*([ap])\.?m\b)?")
_LABELLED = re.compile(r"(?:time|clock|shows?|reads?)[^\d\n]{0,40}" + _TIME.pattern)


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: `direction` "after" (an event that starts later) or "before" (an arrival ago), and the time between."""

    name: str
    direction: Literal["after", "before"]
    hours: int
    minutes: int


@dataclass(frozen=True, slots=True)
class State:
    """Visible: `hour` 1-12 and `minute` 0-59 as the dial shows them."""

    hour: int
    minute: int
    query: Query | None = None


class Clock(Family[State]):
    """An analog clock without a seconds hand."""

    name = "clock"
    title = "analog clock"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        step = _MINUTES[level]
        hours = {1: (1, 2), 2: (1, 2), 3: (1, 2), 4: (2, 5), 5: (3, 11)}[level]
        query = Query(
            name=rng.choice(_NAMES),
            direction=rng.choice(("after", "before")),
            hours=rng.randint(*hours),
            minutes=rng.randrange(0, 60, step) if level < 3 else rng.randint(1, 59),
        )
        return State(hour=rng.randint(1, 12), minute=rng.randrange(0, 60, step), query=query)

    def check(self, state: State) -> None:
        if not 1 <= state.hour <= 12:
            raise ValueError(f"hour: expected 1 to 12, found {state.hour}")
        if not 0 <= state.minute <= 59:
            raise ValueError(f"minute: expected 0 to 59, found {state.minute}")
        if state.query and not (0 <= state.query.hours <= 12 and 0 <= state.query.minutes <= 59):
            raise ValueError(f"query: expected 0-12 hours and 0-59 minutes, found {state.query.hours} h {state.query.minutes} min")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side, base=_face(side))
        turn = (state.hour % 12 + state.minute / 60) / 12
        canvas.line([_polar(turn, -30), _polar(turn, 205)], INK, 24)
        canvas.line([_polar(state.minute / 60, -40), _polar(state.minute / 60, 345)], (180, 40, 40), 12)
        canvas.disk(448, 448, 20, INK)
        return canvas.image

    def ask(self, state: State) -> str:
        query = _asked(state)
        dial = "The current time is shown on the clock. The clock is a standard analog clock without the seconds hand."
        away = _span(query.hours, query.minutes)
        if query.direction == "after":
            return f"{query.name}'s event is going to start in {away}. {dial} What will be the time when the event starts?"
        return f"{query.name} came to an event {away} ago. {dial} What was the time when {query.name} came to the event?"

    def solve(self, state: State) -> str:
        query = _asked(state)
        sign = 1 if query.direction == "after" else -1
        return _dial(state.hour * 60 + state.minute + sign * (query.hours * 60 + query.minutes))

    def distractors(self, state: State) -> Sequence[str]:
        query = _asked(state)
        now, away = state.hour * 60 + state.minute, query.hours * 60 + query.minutes
        sign = 1 if query.direction == "after" else -1
        hands_swapped = ((state.minute + 2) // 5 % 12) * 60 + state.hour * 5 % 60
        guesses = (
            now - sign * away,  # the wrong direction
            hands_swapped + sign * away,  # the hands confused
            now + 60 + sign * away,  # the hour hand read one too far
            now,  # the dial copied
            now + sign * query.hours * 60,  # the minutes forgotten
            now + 10 * sign + sign * away,
            now + 25 + sign * away,
            now + 335 + sign * away,
        )
        right = self.solve(state)
        return [time for time in dict.fromkeys(map(_dial, guesses)) if time != right]

    def same(self, a: str, b: str) -> bool:
        first, second = _minutes(a), _minutes(b)
        if first is None or second is None:
            return super().same(a, b)
        return first == second

    def describe(self, state: State) -> str:
        return f"Current time: {state.hour}:{state.minute:02d}"

    def parse(self, text: str) -> State:
        found = {match.groups()[:2] for match in _LABELLED.finditer(text)} or {match.groups()[:2] for match in _TIME.finditer(text)}
        if not found:
            raise Unreadable("time", "no time of the form H:MM")
        if len(found) > 1:
            raise Unreadable("time", f"several times: {', '.join(sorted(f'{h}:{m}' for h, m in found))}")
        hour, minute = map(int, found.pop())
        if hour > 23:
            raise Unreadable("hour", f"expected 0 to 23, found {hour}")
        return State(hour=hour % 12 or 12, minute=minute)

    def facts(self, state: State) -> Mapping[str, str]:
        return {"hour": str(state.hour), "minute": f"{state.minute:02d}"}

    def from_public(self, row: Mapping[str, Any]) -> State:
        solution = row["solution"]
        direction = "after" if "add_hour" in solution else "before"
        verb = "add" if direction == "after" else "subtract"
        name = re.match(r"\w+", row["question"])
        query = Query(
            name=name[0] if name else "Daniel",
            direction=direction,
            hours=int(solution[f"{verb}_hour"]),
            minutes=int(solution[f"{verb}_minute"]),
        )
        return State(hour=int(solution["current_hour"]) % 12 or 12, minute=int(solution["current_minute"]), query=query)


def _asked(state: State) -> Query:
    if state.query is None:
        raise ValueError("query: the state holds none; put the puzzle's own back with `asking`")
    return state.query


@cache
def _face(side: int) -> Image.Image:
    canvas = Canvas(side)
    center, rim = 448.0, 410.0
    canvas.disk(center, center, rim, (250, 250, 247), outline=INK, width=14)
    for minute in range(60):
        on_hour = minute % 5 == 0
        inner = rim - (52 if on_hour else 34)
        canvas.line([_polar(minute / 60, inner), _polar(minute / 60, rim - 20)], INK if on_hour else FAINT, 9 if on_hour else 4)
    for hour in range(1, 13):
        x, y = _polar(hour / 12, rim - 96)
        canvas.text(x, y, str(hour), 60)
    return canvas.image


def _polar(turn: float, radius: float) -> tuple[float, float]:
    angle = 2 * math.pi * turn
    return 448 + radius * math.sin(angle), 448 - radius * math.cos(angle)


def _span(hours: int, minutes: int) -> str:
    parts = [f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in ((hours, "hour"), (minutes, "minute")) if n]
    return " ".join(parts) or "0 minutes"


def _dial(minutes: int) -> str:
    hour, minute = divmod(minutes % _HALF_DAY, 60)
    return f"{hour or 12}:{minute:02d}"


def _minutes(answer: str) -> int | None:
    """Minutes past twelve on a twelve-hour dial, or None where `answer` is not a time."""
    match = _TIME.fullmatch(fold(answer).strip().rstrip("."))
    if not match or int(match[1]) > 23 or int(match[2]) > 59:
        return None
    return (int(match[1]) * 60 + int(match[2])) % _HALF_DAY
