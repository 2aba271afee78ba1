"""Clock: read an analog dial, then add or subtract a duration (AlgoPuzzleVQA `clock`).

Visible: the two hands. Asked: when an event some hours and minutes away starts, or when someone came that long ago. Answers are dial times:
0:37 and 12:37 are one time, and the canonical spelling is the one a dial shows, 12:37.
"""

from __future__ import annotations

import math
import random
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from PIL import Image

from tasks.family import Family, asked
from tasks.kit.drawing import FAINT, INK, Canvas, Color
from tasks.kit.notation import NUMBER_WORDS, Unreadable, fold, number

_NAMES = ("Daniel", "Sarah", "Hannah", "Taylor", "Joshua", "Jessica", "Elizabeth", "Matthew", "Emily", "Andrew")
_MINUTES = {1: 15, 2: 5, 3: 1, 4: 1, 5: 1}
"""Level -> the step in minutes between times that occur."""
_HALF_DAY = 720
_SMALL = 200
"""Side in px under which the dial has hour marks and four numbers only."""
_RED: Color = (180, 40, 40)
_TIME = re.compile(r"(?<![\d:.])(\d{1,2})\s*[:.h]\s*(\d{2})(?::[0-5]\d)?(?![\d:])(?:\s*[ap]\.?m\b)?")
_LABELLED = re.compile(r"(?:time|clock|shows?|reads?)[^\d\n]{0,40}" + _TIME.pattern)
_NUMBER = rf"(?:\d{{1,2}}|{'|'.join(NUMBER_WORDS)})"
_PART = rf"(?:quarter|half|five|ten|twenty(?:[- ]five)?|{_NUMBER}(?= minutes?))"
_SPOKEN = re.compile(rf"\b({_PART})(?: minutes?)? (past|after|to|before|till) ({_NUMBER})\b|\b({_NUMBER}) o'? ?clock\b")
_SPOKEN_PARTS = {"quarter": 15, "half": 30, "twenty-five": 25, "twenty five": 25}


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
        canvas.line([_polar(turn, -30), _polar(turn, 205)], INK, max(24.0, 3.6 / canvas.scale))
        canvas.line([_polar(state.minute / 60, -40), _polar(state.minute / 60, 345)], _RED, max(12.0, 2.2 / canvas.scale))
        canvas.disk(448, 448, 20, INK)
        return canvas.image

    def ask(self, state: State) -> str:
        query = asked(state.query)
        dial = "The current time is shown on the clock. The clock is a standard analog clock without the seconds hand."
        away = _span(query.hours, query.minutes)
        if query.direction == "after":
            return f"{query.name}'s event is going to start in {away}. {dial} What will be the time when the event starts?"
        return f"{query.name} came to an event {away} ago. {dial} What was the time when {query.name} came to the event?"

    def solve(self, state: State) -> str:
        query = asked(state.query)
        sign = 1 if query.direction == "after" else -1
        return dial(state.hour * 60 + state.minute + sign * (query.hours * 60 + query.minutes))

    def distractors(self, state: State) -> Sequence[str]:
        """Times as far from each other as common mistakes lead.

        The right answer stands at a place in the pattern that is drawn from a hash of the dial. So no blind solver can tell it as the one
        that the others are near to, or as the one that lies the asked time after another.
        """
        query = asked(state.query)
        right, away = _minutes(self.solve(state)) or 0, query.hours * 60 + query.minutes
        away = away if query.direction == "after" else -away
        mark = 5 if state.minute % 15 or away % 15 else 15  # quarters stay among quarters
        pattern = list(
            dict.fromkeys(
                offset % _HALF_DAY
                for offset in (
                    0,
                    60,  # the hour hand read one too far
                    -2 * away,  # the wrong direction
                    mark,  # the minute hand read one mark too far
                    -away,  # the dial copied
                    60 + 3 * mark,
                    -2 * mark,
                )
            )
        )
        place = zlib.crc32(f"{state.hour}:{state.minute}".encode()) % len(pattern)
        return [dial(right - pattern[place] + offset) for offset in pattern if offset != pattern[place]]

    def chances(self, state: State, rng: random.Random, level: int) -> Mapping[str, float]:
        return {self.solve(replace(state, hour=h, minute=m)): 1.0 for h in range(1, 13) for m in range(0, 60, _MINUTES[level])}

    def same(self, a: str, b: str) -> bool:
        first, second = _minutes(a), _minutes(b)
        if first is None or second is None:
            return super().same(a, b)
        return first == second

    def describe(self, state: State) -> str:
        return f"Current time: {state.hour}:{state.minute:02d}"

    def parse(self, text: str) -> State:
        matches = list(_LABELLED.finditer(text)) or list(_TIME.finditer(text))
        found = {(int(match[1]), int(match[2])) for match in matches} or {_spoken(match) for match in _SPOKEN.finditer(text)}
        if outside := [hour for hour, _ in found if hour > 23]:
            raise Unreadable("hour", f"expected 0 to 23, found {outside[0]}")
        times = {(hour % 12 or 12, minute) for hour, minute in found}
        if not times:
            raise Unreadable("time", "no time of the form H:MM")
        if len(times) > 1:
            raise Unreadable("time", f"several times: {', '.join(f'{hour}:{minute:02d}' for hour, minute in sorted(times))}")
        return State(*times.pop())

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


@cache
def _face(side: int) -> Image.Image:
    canvas = Canvas(side)
    center, rim = 448.0, 410.0
    canvas.disk(center, center, rim, (250, 250, 247), outline=INK, width=14)
    small = side < _SMALL
    for minute in range(0, 60, 5 if small else 1):
        on_hour = minute % 5 == 0
        inner = rim - (52 if on_hour else 34)
        canvas.line([_polar(minute / 60, inner), _polar(minute / 60, rim - 20)], INK if on_hour else FAINT, 9 if on_hour else 4)
    for hour in range(3, 13, 3) if small else range(1, 13):
        x, y = _polar(hour / 12, rim - 96)
        canvas.text(x, y, str(hour), 110 if small else 60)
    return canvas.image


def _polar(turn: float, radius: float) -> tuple[float, float]:
    angle = 2 * math.pi * turn
    return 448 + radius * math.sin(angle), 448 - radius * math.cos(angle)


def _span(hours: int, minutes: int) -> str:
    parts = [f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in ((hours, "hour"), (minutes, "minute")) if n]
    return " ".join(parts) or "0 minutes"


def dial(minutes: int) -> str:
    """The time that a twelve-hour dial shows so many minutes past twelve, as in 7:05."""
    hour, minute = divmod(minutes % _HALF_DAY, 60)
    return f"{hour or 12}:{minute:02d}"


def _minutes(answer: str) -> int | None:
    """Minutes past twelve on a twelve-hour dial, or None where `answer` is not a time."""
    plain = fold(answer).strip().removesuffix(".")
    if match := _TIME.fullmatch(plain):
        hour, minute = int(match[1]), int(match[2])
    elif match := _SPOKEN.fullmatch(plain.removeprefix("a ")):
        hour, minute = _spoken(match)
    else:
        return None
    return (hour * 60 + minute) % _HALF_DAY if hour <= 23 and minute <= 59 else None


def _spoken(match: re.Match[str]) -> tuple[int, int]:
    """Hour and minute of a match of `_SPOKEN`: "quarter past three", "ten to 4", "five o'clock"."""
    part, side, hour, sharp = match.groups()
    minutes = _SPOKEN_PARTS.get(part) or _whole(part) if part else 0
    if side in ("to", "before", "till"):
        return (_whole(hour) - 1) % 24, 60 - minutes
    return _whole(sharp or hour), minutes


def _whole(word: str) -> int:
    return int(number(word) or 0)
