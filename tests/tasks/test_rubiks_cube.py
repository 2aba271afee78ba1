"""Rubik's cube: public labels and end positions, reading, refusals, and every answer against stickers turned in space."""

from __future__ import annotations

import dataclasses
import random
import re
from pathlib import Path
from typing import Any

import pytest

from tasks.families.rubiks_cube import Query, RubiksCube, State
from tasks.family import LEVELS, ReadError
from tasks.kit.drawing import COLORS
from tests.tasks.public_data import rows

CUBE = RubiksCube()
Vector = tuple[int, int, int]
AXES: dict[str, tuple[Vector, Vector, Vector]] = {
    "up": ((0, 1, 0), (1, 0, 0), (0, 0, 1)),
    "left": ((-1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "front": ((0, 0, 1), (1, 0, 0), (0, -1, 0)),
    "right": ((1, 0, 0), (0, 0, -1), (0, -1, 0)),
    "back": ((0, 0, -1), (-1, 0, 0), (0, -1, 0)),
    "down": ((0, -1, 0), (1, 0, 0), (0, 0, -1)),
}
"""Face -> outward normal, and where rightwards and downwards in the net point in space (x right, y up, z towards the viewer)."""
SOLVED = ["grey"] * 9 + ["orange"] * 9 + ["yellow"] * 9 + ["green"] * 9 + ["blue"] * 9 + ["red"] * 9


def faces(state: State) -> dict[str, list[list[str]]]:
    return {face: [list(line) for line in getattr(state, face)] for face in AXES}


def cube(squares: list[str], query: Query | None = None) -> State:
    lines = [squares[at : at + 3] for at in range(0, 54, 3)]
    data: dict[str, Any] = {face: lines[3 * k : 3 * k + 3] for k, face in enumerate(AXES)}
    return dataclasses.replace(CUBE.load(data), query=query)


def dot(a: Vector, b: Vector) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


def clockwise(v: Vector, n: Vector) -> Vector:
    """`v` turned by 90 degrees about the axis `n`, clockwise for whoever looks at the face from outside: n (n.v) - n x v."""
    along = dot(n, v)
    cross = (n[1] * v[2] - n[2] * v[1], n[2] * v[0] - n[0] * v[2], n[0] * v[1] - n[1] * v[0])
    return (n[0] * along - cross[0], n[1] * along - cross[1], n[2] * along - cross[2])


def turned_in_space(start: dict[str, list[list[str]]], moves: str) -> dict[str, list[list[str]]]:
    places: dict[tuple[str, int, int], tuple[Vector, Vector]] = {}
    for face, (normal, right, down) in AXES.items():
        for r in range(3):
            for c in range(3):
                x, y, z = (normal[i] + (c - 1) * right[i] + (r - 1) * down[i] for i in range(3))
                places[face, r, c] = ((x, y, z), normal)
    stickers = {place: start[face][r][c] for (face, r, c), place in places.items()}
    names = {face[0].upper(): face for face in AXES}
    for letter, times in re.findall(r"([A-Z])(\d*)", moves):
        normal = AXES[names[letter]][0]
        for _ in range(int(times or 1)):
            stickers = {
                (clockwise(at, normal), clockwise(facing, normal)) if dot(at, normal) == 1 else (at, facing): color
                for (at, facing), color in stickers.items()
            }
    return {face: [[stickers[places[face, r, c]] for c in range(3)] for r in range(3)] for face in AXES}


def test_public_end_positions(shared_data: Path) -> None:
    for row in rows(shared_data, "rubiks_cube"):
        state, solution = CUBE.from_public(row), row["solution"]
        assert turned_in_space(faces(state), solution["moves"]) == solution["end_position"]
        for face, lines in solution["end_position"].items():
            for color in ("red", "green", "blue", "yellow", "orange", "grey"):
                asked = dataclasses.replace(state, query=Query(solution["moves"], face, color))
                assert CUBE.solve(asked) == str(sum(line.count(color) for line in lines))


@pytest.mark.parametrize(
    ("key", "value"), [("query_face", "inside"), ("query_colour", "pink"), ("start_position", dict.fromkeys(AXES, ()))]
)
def test_broken_public_rows(key: str, value: object) -> None:
    solution = {"moves": "U", "query_face": "up", "query_colour": "gray", "start_position": faces(cube(SOLVED))}
    assert CUBE.from_public({"solution": solution}).query == Query("U", "up", "grey")
    with pytest.raises(ValueError, match=key.replace("query_colour", "colour")):
        CUBE.from_public({"solution": solution | {key: value}})


@pytest.mark.parametrize("level", LEVELS)
def test_second_solver(level: int) -> None:
    for seed in range(60):
        state = CUBE.sample(random.Random(seed), level)
        assert state.query
        end = turned_in_space(faces(state), state.query.moves)
        assert CUBE.solve(state) == str(sum(line.count(state.query.colour) for line in end[state.query.face]))


@pytest.mark.parametrize("letter", "UDLRFB")
def test_four_quarter_turns_change_nothing(letter: str) -> None:
    for state in (CUBE.sample(random.Random(seed), 5) for seed in range(3)):
        for face, lines in faces(state).items():
            count = str(sum(line.count("red") for line in lines))
            assert CUBE.solve(dataclasses.replace(state, query=Query(f"{letter}4", face, "red"))) == count  # pyright: ignore[reportArgumentType]
            assert CUBE.solve(dataclasses.replace(state, query=Query(f"{letter} {letter}3", face, "red"))) == count  # pyright: ignore[reportArgumentType]


def swapped(*pairs: tuple[int, int]) -> State:
    squares = list(SOLVED)
    for a, b in pairs:
        squares[a], squares[b] = squares[b], squares[a]
    return cube(squares)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (cube(["red"] * 9 + SOLVED[9:]), "^red: expected nine squares, found 18"),
        (swapped((4, 9)), "^centres: expected six different colours"),
        (swapped((0, 9)), "^pieces: expected those of a cube"),
        (swapped((27, 20)), "^pieces: expected"),
        (swapped((8, 27), (29, 0)), "^pieces: expected"),
        (cube(SOLVED, Query("U X", "up", "red")), "^query: expected moves"),
        (cube(SOLVED, Query("", "up", "red")), "^query: expected moves"),
    ],
)
def test_impossible_states_are_refused(state: State, message: str) -> None:
    CUBE.check(cube(SOLVED))
    with pytest.raises(ValueError, match=message):
        CUBE.draw(state)


def test_a_piece_that_occurs_twice() -> None:
    squares = list(SOLVED)
    up_right, up_left = (5, 28), (3, 10)  # up-left becomes a second up-right, and down-right takes its orange
    squares[up_left[1]], squares[34] = squares[up_right[1]], squares[up_left[1]]
    with pytest.raises(ValueError, match="found one twice"):
        CUBE.check(cube(squares))


def test_solve_needs_a_question() -> None:
    with pytest.raises(ValueError, match="query"):
        CUBE.solve(cube(SOLVED))


TEXT = CUBE.describe(cube(SOLVED))


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.upper().replace("GREY", "Gray"),
        "Sure! The net shows:\n" + "\n".join(f"- **{line}**" for line in reversed(TEXT.splitlines()[1:])),
        "The up face is entirely grey, left is orange, the front face is yellow. Right: all green; back: all blue; bottom: solid red.",
        "U: grey\nL: orange\nF: yellow\nR: green\nB: blue\nD: red",
        TEXT.replace(" / ", "\n"),
        "\n".join(
            f"{face}:\ntop row: {c}, {c}, {c}\nmiddle row: {c}, {c}, {c}\nbottom row: {c}, {c}, {c}"
            for face, c in zip(AXES, SOLVED[::9], strict=True)
        ),
    ],
)
def test_tolerant_reading(text: str) -> None:
    assert CUBE.read(text) == cube(SOLVED)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "description"),
        ("ein Zauberwürfel", "up"),
        (TEXT.replace("yellow / ", "/ ", 1), "front"),
        (TEXT.replace("Back: blue blue blue / blue blue blue / blue blue blue\n", ""), "back"),
        (TEXT.replace("orange", "purple"), "left"),
        (TEXT + "\nDown: blue blue blue / blue blue blue / blue blue blue", "down"),
        (TEXT.replace("red", "blue", 1), "red"),
    ],
)
def test_missing_or_contradictory_text(text: str, field: str) -> None:
    error = CUBE.read(text)
    assert isinstance(error, ReadError)
    assert error.field == field


def test_claims_give_partial_credit() -> None:
    claims = CUBE.claims(TEXT.replace("yellow / ", "/ ", 1).replace("red", "blue", 1))
    facts = CUBE.facts(cube(SOLVED))
    assert len(claims) == 45
    assert {slot for slot, value in claims.items() if facts[slot] != value} == {"down, row 1, column 1"}
    assert CUBE.claims(TEXT + "\nDown: blue") == {}


def test_the_picture_shows_every_square() -> None:
    corners = {"up": (0, 1), "left": (1, 0), "front": (1, 1), "right": (1, 2), "back": (1, 3), "down": (2, 1)}
    for level in LEVELS:
        state = CUBE.sample(random.Random(level), level)
        image = CUBE.draw(state)
        assert image.size == (896, 672)
        for face, (row, column) in corners.items():
            for r, line in enumerate(faces(state)[face]):
                for c, color in enumerate(line):
                    at = (22 + column * 224 + c * 60 + 30, 40 + row * 224 + r * 60 + 30)
                    assert image.getpixel(at) == COLORS[color]
