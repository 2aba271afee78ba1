"""Think-a-Dot: public labels and every public move, reading, refusals, and every answer against a count of visits.

The toy is a network of rotors: a disc that is passed v times sends every other ball to the other side, so how often each disc is passed
follows from the numbers of balls alone, whatever their order.
"""

from __future__ import annotations

import dataclasses
import random
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.families.think_dot import ColorName, Hole, Query, Side, State, ThinkDot
from tasks.family import LEVELS, ReadError
from tasks.kit.drawing import COLORS
from tests.tasks.public_data import rows

TOY = ThinkDot()
BLUE = State(("blue",) * 8, ("right", "left", "right", "left", "left", "right", "left", "right"))
"""The public toy with all discs blue."""
TEXT = TOY.describe(BLUE)
ROW_OF = ("top",) * 3 + ("middle",) * 2 + ("bottom",) * 3


def faces_by_visits(state: State, moves: tuple[str, ...]) -> list[str]:
    """Discs stand at columns 1, 3, 5 above 2, 4 above 1, 3, 5; a ball moves by one column a row and is held within 1 to 5 by the rims."""
    visits = [moves.count(hole) for hole in ("left", "center", "right")] + [0] * 5
    columns = (1, 3, 5, 2, 4, 1, 3, 5)
    for disc in range(5):
        same, other = (visits[disc] + 1) // 2, visits[disc] // 2
        right, left = (same, other) if state.levers[disc] == "right" else (other, same)
        for balls, column in ((left, columns[disc] - 1), (right, columns[disc] + 1)):
            if disc < 3 and column in (2, 4):
                visits[3 if column == 2 else 4] += balls
            else:
                visits[5 + (min(5, max(1, column)) - 1) // 2] += balls
    return [face if count % 2 == 0 else {"blue": "yellow", "yellow": "blue"}[face] for face, count in zip(state.faces, visits, strict=True)]


def test_every_public_move(shared_data: Path) -> None:
    for row in rows(shared_data, "think_dot"):
        state = TOY.from_public(row)
        assert state.query
        for count, after in enumerate(row["solution"]["state_after_moves"], 1):
            flat = [face for line in after for face in line]
            moves = state.query.moves[:count]
            assert faces_by_visits(state, moves) == flat
            for color, asked in product(get_args(ColorName), ("top", "middle", "bottom", "all")):
                expected = sum(face == color and asked in (at, "all") for face, at in zip(flat, ROW_OF, strict=True))
                assert TOY.solve(dataclasses.replace(state, query=Query(moves, color, asked))) == str(expected)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("change", "question", "field"),
    [
        ({"start_state": [["green"] * 3]}, "How many blue faces can be seen in the top row now?", "start_state"),
        ({"moves": ["under"]}, "How many blue faces can be seen in the top row now?", "moves"),
        ({}, "Where does the ball leave?", "question"),
    ],
)
def test_broken_public_rows(change: dict[str, Any], question: str, field: str) -> None:
    solution: dict[str, Any] = {"start_state": [["blue"] * 3, ["yellow"] * 2, ["blue"] * 3], "moves": ["centre"]}
    row = {"solution": solution, "question": "How many yellow faces can be seen in total in all the rows now?"}
    assert TOY.from_public(row).query == Query(("center",), "yellow", "all")
    assert TOY.from_public(row).levers == ("right", "left", "right", "right", "right", "right", "left", "right")
    with pytest.raises(ValueError, match=f"^{field}: expected"):
        TOY.from_public({"solution": solution | change, "question": question})


@pytest.mark.parametrize("level", LEVELS)
def test_second_solver(level: int) -> None:
    for seed in range(60):
        state = TOY.sample(random.Random(seed), level)
        query = state.query
        assert query
        after = faces_by_visits(state, query.moves)
        expected = sum(face == query.colour and query.row in (at, "all") for face, at in zip(after, ROW_OF, strict=True))
        assert TOY.solve(state) == str(expected)


@given(
    st.lists(st.sampled_from(get_args(ColorName)), min_size=8, max_size=8),
    st.lists(st.sampled_from(get_args(Side)), min_size=8, max_size=8),
    st.lists(st.sampled_from(get_args(Hole)), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_order_of_balls_does_not_matter(faces: list[Any], levers: list[Any], moves: list[Any], rng: random.Random) -> None:
    state = State(tuple(faces), tuple(levers), Query(tuple(moves), "blue", "all"))
    shuffled = dataclasses.replace(state, query=Query(tuple(rng.sample(moves, len(moves))), "blue", "all"))
    assert TOY.solve(state) == TOY.solve(shuffled)
    assert TOY.read(TOY.describe(state)) == TOY.visible(state)


@pytest.mark.parametrize(
    ("state", "field"),
    [
        (dataclasses.replace(BLUE, faces=("blue",) * 7), "faces"),
        (dataclasses.replace(BLUE, levers=("left",) * 9), "levers"),
        (dataclasses.replace(BLUE, query=Query((), "blue", "all")), "query"),
        (dataclasses.replace(BLUE, query=Query(("left",) * 13, "blue", "all")), "query"),
    ],
)
def test_impossible_states_are_refused(state: State, field: str) -> None:
    TOY.check(BLUE)
    with pytest.raises(ValueError, match=f"^{field}: expected .*, found "):
        TOY.draw(state)


def test_solve_needs_a_question() -> None:
    with pytest.raises(ValueError, match="query"):
        TOY.solve(BLUE)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.upper(),
        "Of course! The toy shows:\n\n" + "\n".join(f"- **{line}**" for line in reversed(TEXT.splitlines()[:3])),
        "Top row: blue (right), blue (left), blue (right)\nMiddle row: blue (left), blue (left)\n"
        "Bottom row: blue (right), blue (left), blue (right)",
        "top left: blue, right\ntop center: blue, left\ntop right: blue, right\nmiddle left: blue, left\nmiddle right: blue, left\n"
        "bottom left: blue, right\nbottom middle: blue, left\nbottom right: blue, right",
        "In the top row the left disc is blue and deflects to the right, the middle disc is blue and deflects to the left, the right disc "
        "is blue and deflects to the right. In the middle row the left disc is blue, deflecting left; the right one blue, deflecting left. "
        "The bottom row: left blue \u2198, centre blue \u2199, right blue \u2198.",
    ],
)
def test_tolerant_reading(text: str) -> None:
    assert TOY.read(text) == BLUE


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "description"),
        ("ein Spielzeug mit acht Scheiben", "top left face"),
        (TEXT.replace("center blue", "center green", 1), "top center face"),
        (TEXT.replace("center blue, arrow left", "center blue", 1), "top center arrow"),
        (TEXT.replace("Middle row: left blue, arrow left; right blue, arrow left\n", ""), "middle left face"),
        (TEXT + "\nTop row: left yellow, arrow right", "top left"),
        (
            "Top row: blue right, blue left\nMiddle row: blue left, blue left\nBottom row: blue right, blue left, blue right",
            "top left face",
        ),
    ],
)
def test_missing_or_contradictory_text(text: str, field: str) -> None:
    error = TOY.read(text)
    assert isinstance(error, ReadError)
    assert error.field == field


def test_claims_give_partial_credit() -> None:
    claims = TOY.claims(TEXT.replace("center blue, arrow left", "center yellow", 1).partition("Bottom row")[0])
    facts = TOY.facts(BLUE)
    assert {slot for slot, value in claims.items() if facts[slot] != value} == {"top center face"}
    assert len(claims) == 9
    assert TOY.claims("no discs at all") == {}


def test_the_picture_shows_faces_and_arrows() -> None:
    places = [(94 + 118 * column, y) for y, columns in ((212, (1, 3, 5)), (412, (2, 4)), (612, (1, 3, 5))) for column in columns]
    for level in LEVELS:
        state = TOY.sample(random.Random(level), level)
        image = TOY.draw(state)
        for (x, y), face, lever in zip(places, state.faces, state.levers, strict=True):
            toward = 1 if lever == "right" else -1
            assert image.getpixel((x - toward * 30, y + 40)) == COLORS[face]
            assert image.getpixel((x + toward * 32, y + 36)) != COLORS[face]
