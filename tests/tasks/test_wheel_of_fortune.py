"""Wheel of fortune: public labels, reading, refusals, and every answer against the drawn picture, turned."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tasks.families.wheel_of_fortune import Query, Segment, State, WheelOfFortune
from tasks.family import LEVELS, ReadError
from tests.tasks.public_data import rows

WHEEL = WheelOfFortune()
QUARTERS = State(
    (Segment(45, "Ice Cream", "green"), Segment(135, "Money", "red"), Segment(225, "Yacht", "cyan"), Segment(315, "Car", "beige")),
    arrow=90,
    query=Query("clockwise", 450, "degrees"),
)


def pixel(image: Image.Image, x: float, y: float) -> tuple[int, ...]:
    found = image.getpixel((round(x), round(y)))
    assert isinstance(found, tuple)
    return found


def seen_at_the_arrow(state: State) -> str:
    """The prize whose colour the picture shows before the arrow, once the picture was turned about its centre."""
    query = state.query
    assert query is not None
    side, centre = 448, 223.5
    picture = WHEEL.draw(state, side)
    turn = query.amount * (360 if query.unit == "rotations" else 1)
    turned = picture.rotate(-turn if query.direction == "clockwise" else turn, center=(centre, centre))  # Pillow turns counterclockwise
    colours: dict[tuple[int, ...], str] = {}
    for index, segment in enumerate(state.segments):  # near the hub, where no text is, in the middle of each segment
        end = state.segments[(index + 1) % len(state.segments)].start
        middle = math.radians(segment.start + (end - segment.start) % 360 / 2)
        colours[pixel(picture, centre + 40 * math.cos(middle), centre - 40 * math.sin(middle))] = segment.prize
    assert len(colours) == len(state.segments)
    at = math.radians(state.arrow)
    seen = Counter(pixel(turned, centre + r * math.cos(at), centre - r * math.sin(at)) for r in range(30, 168))
    return next(colours[colour] for colour, _ in seen.most_common() if colour in colours)


def test_the_arrow_points_at_the_public_answer(shared_data: Path) -> None:
    for row in rows(shared_data, "wheel_of_fortune"):
        assert WHEEL.same(seen_at_the_arrow(WHEEL.from_public(row)), str(row["answer"]))


def test_the_turned_wheel_is_the_public_one(shared_data: Path) -> None:
    """The latent state also lists the wheel as it stops: prize by prize it is ours, turned."""
    for row in rows(shared_data, "wheel_of_fortune"):
        state, solution = WHEEL.from_public(row), row["solution"]
        assert state.query is not None
        turn = state.query.amount * (360 if state.query.unit == "rotations" else 1)
        sign = 1 if state.query.direction == "counterclockwise" else -1
        stopped = {segment.prize: (segment.start + sign * turn) % 360 for segment in state.segments}
        listed = dict(zip(solution["rotated_prizes"], solution["rotated_boundaries"], strict=True))
        assert stopped == pytest.approx(listed)


@pytest.mark.parametrize("level", LEVELS)
def test_the_answer_is_what_the_turned_picture_shows(level: int) -> None:
    for seed in range(25):
        state = WHEEL.sample(random.Random(seed), level)
        assert seen_at_the_arrow(state) == WHEEL.solve(state)


def test_public_rows_of_other_shapes() -> None:
    row = {
        "question": "You spin the wheel counterclockwise and it makes 1 full rotation before stopping.",
        "solution": {
            "arrow_at": "360", "direction": "counterclockwise", "original_boundaries": [315, 45.0, "96.43", 205.714],
            "original_prizes": ["money", "Gift card", "Car", "Boat"], "original_colors": ["royalblue", "lime", "silver", "orangered"],
        },
    }  # fmt: skip
    state = WHEEL.from_public(row)
    assert [segment.start for segment in state.segments] == [45, 96.4, 205.7, 315]
    assert state.segments[3] == Segment(315, "Money", "blue")
    assert state.arrow == 0
    assert WHEEL.solve(state) == "Money"
    assert "turns by 1 full rotation before" in WHEEL.ask(state)
    assert WHEEL.read(WHEEL.describe(state)) == WHEEL.visible(state)
    with pytest.raises(ValueError, match="question: expected a turn"):
        WHEEL.from_public({**row, "question": "Where does it stop?"})


@pytest.mark.parametrize(
    "text",
    [
        "ARROW AT 90\nsegment 315 to 45: CAR, BEIGE\nSegment 45 to 135: ice cream, GREEN\nsegment 135 to 225: money, red\n"
        "segment 225 to 315: yacht, cyan",
        "Sure! The wheel shows:\n1. 45° - 135°: **Ice Cream** (dark green)\n2. 135° - 225°: **Money** (red)\n3. 225° - 315°: Yacht (light "
        "blue)\n4. 315° - 405°: Car (cream)\nThe arrow is at 90°.",
        "| from 45 to 135 | Ice Cream | forest green |\n| from 135 to 225 | Money | orangered |\n| from 225 to 315 | Yacht | aqua |\n"
        "| from 315 to 45 | Car | tan |\nThe brown arrow stands at the top",
        "The green segment from 45 to 135 degrees is labelled Ice Cream; the red slice between 135 and 225 degrees says Money; the cyan "
        "wedge between 225 and 315 degrees reads Yacht; the beige section from 315 to 45 degrees is for Car.\nArrow: 12 o'clock",
        '[{"prize": "Ice Cream", "colour": "green", "start": 45, "end": 135};{"prize": "Money", "colour": "red", "start": 135, "end": 225};'
        '{"prize": "Yacht", "colour": "cyan", "start": 225, "end": 315};{"prize": "Car", "colour": "beige", "start": 315, "end": 45}]\n'
        '"arrow": 90',
    ],
)
def test_reads_free_wording(text: str) -> None:
    assert WHEEL.read(text) == WHEEL.visible(QUARTERS)
    assert WHEEL.claims(text) == WHEEL.facts(QUARTERS)


@pytest.mark.parametrize(
    ("side", "angle"), [("on the right", 0), ("at the upper right", 45), ("on the left side", 180), ("at the bottom-right", 315)]
)
def test_reads_sides(side: str, angle: float) -> None:
    text = WHEEL.describe(QUARTERS).replace("Arrow at 90", f"The arrow is {side}.")
    assert WHEEL.read(text) == dataclasses.replace(QUARTERS, arrow=angle, query=None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("Arrow at 90", ""), "arrow"),
        (("Arrow at 90", "Arrow at 90\nThe arrow is at 45"), "arrow"),
        (("Arrow at 90", "The arrow points at Car (315 to 45)"), "arrow"),
        (("Segment 135 to 225: Money, red\n", ""), "segments"),
        (("Money, red", "Money"), "colours"),
        (("Money, red", "red"), "prizes"),
        (("Money, red", "Money, red and yellow"), "segments"),
        (("135 to 225", "135 to 220"), "segments"),
        (("Yacht", "Money"), "segments"),
        (("counterclockwise", "clockwise"), "angles"),
        (("Segment", "Part with"), "segments"),
    ],
)
def test_missing_or_contradictory_text_is_an_error(change: tuple[str, str], field: str) -> None:
    text = WHEEL.describe(QUARTERS)
    if field == "segments" and change[0] == "Segment":
        text, change = text.replace(" to ", " ... "), ("", "")
    found = WHEEL.read(text.replace(*change))
    assert isinstance(found, ReadError)
    assert found.field == field


def test_claims_of_a_part() -> None:
    claims = WHEEL.claims("I see a red segment from 135 to 225 with Money. The arrow is at 91 degrees.")
    assert claims == {"Money, start": "135", "Money, end": "225", "Money, colour": "red", "arrow": "91"}
    assert WHEEL.claims("a wheel") == WHEEL.claims("") == {}


def _with(**changes: Any) -> State:
    return dataclasses.replace(QUARTERS, **changes)


def _first(**changes: Any) -> State:
    return _with(segments=(dataclasses.replace(QUARTERS.segments[0], **changes), *QUARTERS.segments[1:]))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (_with(segments=QUARTERS.segments[:1]), "segments: expected 2 to 12, found 1"),
        (_first(start=-5.0), "segments: expected degrees from 0"),
        (_first(start=45.25), "segments: expected degrees from 0"),
        (_with(arrow=360.0), "arrow: expected degrees"),
        (_first(start=130.0), "segments: expected at least 20 degrees"),
        (_first(start=140.0), "segments: expected at least 20 degrees"),
        (_first(prize="money bag"), "prizes: expected one to three capitalised words"),
        (_first(prize="The Car"), "prizes: expected one to three capitalised words"),
        (_first(prize="Gold Bar"), "prizes: expected one to three capitalised words"),
        (_first(prize=""), "prizes: expected one to three capitalised words"),
        (_first(prize="Money"), "prizes: expected no two alike"),
        (_first(colour="brown"), "colours: expected one of"),
        (_first(colour="red"), "colours: expected no two alike"),
        (_with(query=Query("clockwise", 45, "degrees")), "query: expected a turn that stops clear"),
        (_with(query=Query("clockwise", -90, "degrees")), "query: expected a turn"),
    ],
)
def test_refuses_impossible_states(state: State, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        WHEEL.draw(state, 224)


def test_a_question_is_needed() -> None:
    with pytest.raises(ValueError, match="query"):
        WHEEL.solve(WHEEL.visible(QUARTERS))


def test_texts_stay_in_their_segments() -> None:
    """Between the rim and the prizes, and along the spokes, the picture shows nothing but the segments."""
    for seed in range(8):
        state = WHEEL.sample(random.Random(seed), 5)
        picture = WHEEL.draw(state)
        for segment in state.segments:
            at = math.radians(segment.start)
            seen = {pixel(picture, 447.5 + r * math.cos(at), 447.5 - r * math.sin(at)) for r in range(40, 340)}
            assert seen == {(255, 255, 255)}
