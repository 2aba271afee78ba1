"""Map: public labels, reading, refusals, geometry by an independent test, and every answer against plain enumeration."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from tasks.families.map import Map, State
from tasks.family import LEVELS, ReadError
from tasks.kit.drawing import COLORS
from tests.tasks.public_data import rows

MAP = Map()
SMALL = State(("red", "green", "white", "white"), ((1, 2), (1, 3), (2, 3), (3, 4)))
TEXT = "Region 1, red, borders: 2, 3\nRegion 2, green, borders: 1, 3\nRegion 3, white, borders: 1, 2, 4\nRegion 4, white, borders: 3"
PAINTS = ("red", "green", "blue", "yellow")


def enumerated(state: State) -> int:
    """Every way to paint the white regions, tried one by one."""
    whites = [at for at, color in enumerate(state.colours) if color == "white"]
    count = 0
    for paints in product(PAINTS, repeat=len(whites)):
        full = dict(enumerate(state.colours)) | dict(zip(whites, paints, strict=True))
        count += all(full[a - 1] != full[b - 1] for a, b in state.borders)
    return count


def inside(point: tuple[float, float], corners: Any) -> bool:
    """Even-odd rule."""
    x, y = point
    crossings = 0
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            crossings += 1
    return crossings % 2 == 1


def touching(layout: Any) -> tuple[set[tuple[int, int]], float]:
    """Which regions lie on the two sides of some edge, found by stepping off its middle; and the length of the shortest edge."""
    found: set[tuple[int, int]] = set()
    shortest = math.inf
    for number, corners in enumerate(layout, 1):
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            length = math.hypot(x1 - x0, y1 - y0)
            shortest = min(shortest, length)
            across = ((y0 - y1) * 20 / length, (x1 - x0) * 20 / length)
            for sign in (1, -1):
                beside = ((x0 + x1) / 2 + sign * across[0], (y0 + y1) / 2 + sign * across[1])
                found |= {(number, other) for other, shape in enumerate(layout, 1) if other > number and inside(beside, shape)}
    return found, shortest


def test_the_authors_colourings(shared_data: Path) -> None:
    for row in rows(shared_data, "map"):
        state = MAP.from_public(row)
        assert int(MAP.solve(state)) == enumerated(state) == len(row["solution"]["possible_colours_of_unknown"])
        assert MAP.draw(state).size == (896, 896)


def test_public_borders_can_be_seen_in_the_polygons(shared_data: Path) -> None:
    for row in rows(shared_data, "map"):
        state = MAP.from_public(row)
        del row["solution"]["polygon_adjacency_list"]
        assert MAP.from_public(row) == state
        assert touching(state.layout)[0] <= set(state.borders)


def test_broken_public_rows() -> None:
    square = [[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]
    solution = {"polygon_vertices": {"1": square[0], "2": square[1]}, "known_colours": {"1": "Red"}}
    assert MAP.from_public({"solution": solution}) == State(("red", "white"), ((1, 2),))
    stated = MAP.from_public({"solution": solution | {"polygon_adjacency_list": []}})
    assert stated.borders == stated.layout == ()  # polygons that say otherwise are not drawn
    with pytest.raises(ValueError, match="known_colours: expected"):
        MAP.from_public({"solution": solution | {"known_colours": {"1": "Pink"}}})
    with pytest.raises(ValueError, match="polygon_vertices: expected"):
        MAP.from_public({"solution": solution | {"polygon_vertices": {"1": square[0], "3": square[1]}}})
    with pytest.raises(KeyError, match="polygon_vertices"):
        MAP.from_public({"solution": {}})


@pytest.mark.parametrize("level", LEVELS)
def test_second_solver(level: int) -> None:
    for seed in range(24):
        state = MAP.sample(random.Random(seed), level)
        assert MAP.solve(state) == str(enumerated(state))


@pytest.mark.parametrize("level", LEVELS)
def test_the_layout_realises_exactly_the_borders(level: int) -> None:
    for seed in range(12):
        state = MAP.sample(random.Random(seed), level)
        found, shortest = touching(state.layout)
        assert found == set(state.borders)
        assert shortest > 3_400  # 30 px of 896
        area = sum(x0 * y1 - x1 * y0 for shape in state.layout for (x0, y0), (x1, y1) in zip(shape, [*shape[1:], shape[0]], strict=True))
        assert area == pytest.approx(2 * 100_000**2, rel=1e-6)


def test_equality_and_reading_leave_the_layout_out() -> None:
    state = MAP.sample(random.Random(3), 2)
    read = MAP.read(MAP.describe(state))
    assert read == state
    assert isinstance(read, State)
    assert read.layout == ()
    assert MAP.load(json.loads(json.dumps(MAP.dump(state)))).layout == state.layout
    with pytest.raises(ValueError, match="layout: expected"):
        MAP.draw(read)


TILES = dataclasses.replace(
    State(("red", "green", "white"), ((1, 2), (2, 3))),
    layout=(((0, 0), (0, 50), (50, 50), (50, 0)), ((0, 50), (0, 90), (50, 90), (50, 50)), ((0, 90), (0, 100), (50, 100), (50, 90))),
)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colours": ("white",)}, "colours"),
        ({"colours": ("white",) * 61}, "colours"),
        ({"colours": ("red", "green", "blue")}, "colours"),
        ({"colours": ("red", "red", "white")}, "colours"),
        ({"borders": ((1, 4),)}, "borders"),
        ({"borders": ((2, 1), (2, 3))}, "borders"),
        ({"borders": ((2, 3), (1, 2))}, "borders"),
        ({"borders": ((1, 2), (1, 2), (2, 3))}, "borders"),
        ({"borders": ((1, 2), (1, 3), (2, 3))}, "layout"),
        ({"layout": TILES.layout[:2]}, "layout"),
        ({"layout": (*TILES.layout[:2], ((0, 90), (50, 90)))}, "layout"),
        ({"layout": (*TILES.layout[:2], ((0, 90), (50, 90), (200_000, 95)))}, "layout"),
    ],
)
def test_impossible_states_are_refused(change: dict[str, Any], field: str) -> None:
    MAP.check(TILES)
    with pytest.raises(ValueError, match=f"^{field}: expected "):
        MAP.draw(dataclasses.replace(TILES, **change))


def test_more_borders_than_a_map_can_have() -> None:
    with pytest.raises(ValueError, match="borders: expected at most 9"):
        MAP.check(State(("white",) * 5, tuple(combinations(range(1, 6), 2))))


def test_unsolvable_and_free_maps_are_counted() -> None:
    around = State(("red", "green", "blue", "yellow", "white"), ((1, 5), (2, 5), (3, 5), (4, 5)))
    assert MAP.solve(around) == "0"
    assert MAP.solve(State(("white",) * 3, ((1, 2), (1, 3), (2, 3)))) == "24"


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.upper(),
        "Sure! The map shows:\n" + "\n".join(f"- **{line}**" for line in reversed(TEXT.splitlines())),
        "Region 1 is red and borders regions 2 and 3. Region 2 is green and is adjacent to 1, 3. "
        "Region 3 is uncolored; region 3 touches 1, 2 and 4. Region 4 is white, its only neighbour is 3.",
        "Colours: 1 is red, 2 is green, 3 to 4 are white.\nBorders: 1-2, 1-3, 2-3, 3-4",
        "1: red\n2: green\n3: white\n4: white\nAdjacency list:\n1: 2, 3\n2: 1, 3\n3: 1, 2, 4\n4: 3",
        "| 1 | red | 2, 3 |\n| 2 | green | 1, 3 |\n| 3 | white | 1, 2, 4 |\n| 4 | white | 3 |",
        "1 red, 2 green, 3 white, 4 white\nRegions 1 and 2 share a border.\nRegions 1 and 3 share a border.\n"
        "Regions 2 and 3 share a border.\n3 and 4 touch.",
    ],
)
def test_tolerant_reading(text: str) -> None:
    assert MAP.read(text) == SMALL


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "description"),
        ("eine Landkarte", "colours"),
        (TEXT.replace("green, ", ""), "colour of region 2"),
        (TEXT.replace(", borders: 1, 3", ""), "borders of region 2"),
        (TEXT.replace("borders: 1, 3", "borders: 1"), "borders"),
        (TEXT.replace("Region 2, green, borders: 1, 3\n", ""), "colour of region 2"),
        (TEXT + "\nRegion 1 is blue.", "colour of region 1"),
        (TEXT + "\nRegion 1 borders 4.", "borders of region 1"),
        (TEXT.replace("white", "red"), "colours"),
    ],
)
def test_missing_or_contradictory_text(text: str, field: str) -> None:
    error = MAP.read(text)
    assert isinstance(error, ReadError)
    assert error.field == field


def test_a_region_without_neighbours() -> None:
    island = State(("red", "white"), ())
    assert MAP.read(MAP.describe(island)) == island


def test_claims_give_partial_credit() -> None:
    claims = MAP.claims(TEXT.replace("green, ", "").replace("borders: 1, 2, 4", "borders: 1, 2"))
    assert claims == {"region 1": "red", "border 1-2": "shared", "border 1-3": "shared", "border 2-3": "shared", "border 3-4": "shared"}
    assert MAP.claims("nothing to see") == {}


def test_the_picture_shows_the_colours() -> None:
    for level in LEVELS:
        state = MAP.sample(random.Random(level), level)
        image = MAP.draw(state)
        for corners, color in zip(state.layout, state.colours, strict=True):
            middle = [sum(corner[axis] for corner in corners) / len(corners) for axis in (0, 1)]
            for corner in corners:
                x, y = (14 + (0.4 * middle[axis] + 0.6 * corner[axis]) * 868 / 100_000 for axis in (0, 1))
                pixel = image.getpixel((int(x), int(y)))
                assert pixel == COLORS[color]
