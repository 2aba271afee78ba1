"""Move box: public labels, reading, refusals, and every answer against Dijkstra over single steps of the person by networkx."""

from __future__ import annotations

import dataclasses
import random
from itertools import product
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from tasks.families.move_box import MoveBox, State
from tasks.family import LEVELS, ReadError
from tests.tasks.public_data import rows

BOX = MoveBox()
ROOM = State(("######", "#....#", "#....#", "#.#..#", "######"), (2, 2), (2, 3), (2, 5))
GRID = "Row 1: ######\nRow 2: #SB.T#\nRow 3: #....#\nRow 4: #.#..#\nRow 5: ######"


def fewest_pushes(state: State) -> int:
    """Dijkstra over (person, box): a step costs nothing, a push costs one."""
    floor = [(r, c) for r, row in enumerate(state.walls, 1) for c, mark in enumerate(row, 1) if mark == "."]
    graph: nx.DiGraph[Any] = nx.DiGraph()
    for (pr, pc), box, (dr, dc) in product(floor, floor, ((0, 1), (1, 0), (0, -1), (-1, 0))):
        step = (pr + dr, pc + dc)
        if (pr, pc) == box or step not in floor:
            continue
        if step != box:
            graph.add_edge(((pr, pc), box), (step, box), weight=0)
        elif (ahead := (step[0] + dr, step[1] + dc)) in floor:
            graph.add_edge(((pr, pc), box), (step, ahead), weight=1)
            graph.add_edge((step, ahead), ahead, weight=0)
    return int(nx.dijkstra_path_length(graph, (state.person, state.box), state.flag))


def test_the_authors_pushes(shared_data: Path) -> None:
    for row in rows(shared_data, "move_box"):
        assert fewest_pushes(BOX.from_public(row)) == len(row["solution"]["box_location"]) - 1


def test_public_row_without_a_person() -> None:
    grid = [["#", "#", "#"], ["#", "B", "T"]]
    with pytest.raises(ValueError, match="timestep"):
        BOX.from_public({"solution": {"timestep": {"grid_0": grid}, "box_location": [[1, 1]], "target": [1, 2]}})
    with pytest.raises(KeyError, match="timestep"):
        BOX.from_public({"solution": {}})


@pytest.mark.parametrize("level", LEVELS)
def test_second_solver(level: int) -> None:
    for seed in range(24):
        state = BOX.sample(random.Random(seed), level)
        assert BOX.solve(state) == str(fewest_pushes(state))


def test_the_person_must_be_able_to_walk_round() -> None:
    assert BOX.solve(ROOM) == "2"
    corridor = State(("######", "#....#", "######", "######"), (2, 2), (2, 3), (2, 2))
    with pytest.raises(ValueError, match="flag"):
        BOX.check(corridor)
    with pytest.raises(ValueError, match="flag"):
        BOX.solve(corridor)
    assert BOX.solve(dataclasses.replace(corridor, person=(2, 4))) == "1"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"walls": ()}, "walls"),
        ({"walls": ("###", "#.#", "###")}, "walls"),
        ({"walls": ("######", "#....#", "#...#", "#.#..#", "######")}, "walls"),
        ({"walls": ("######", "#....#", "#..?.#", "#.#..#", "######")}, "walls"),
        ({"walls": ("######", "#....#", "#.....", "#.#..#", "######")}, "walls"),
        ({"person": (1, 1)}, "person"),
        ({"person": (0, 3)}, "person"),
        ({"box": (4, 3)}, "box"),
        ({"box": (2, 2)}, "box"),
        ({"box": (2, 5)}, "box"),
        ({"flag": (2, 9)}, "flag"),
        ({"flag": (4, 2)}, "flag"),
    ],
)
def test_impossible_states_are_refused(change: dict[str, Any], field: str) -> None:
    BOX.check(ROOM)
    with pytest.raises(ValueError, match=f"^{field}: expected .*, found "):
        BOX.draw(dataclasses.replace(ROOM, **change))


@pytest.mark.parametrize(
    "text",
    [
        GRID,
        GRID.upper(),
        "Of course! The storeroom:\n\n```\n" + GRID.replace("Row ", "") + "\n```\nLet me know.",
        "\n".join(reversed(GRID.splitlines())),
        "| row 1 | # | # | # | # | # | # |\n| row 2 | # | S | B | . | T | # |\n| row 3 | # | . | . | . | . | # |\n"
        "| row 4 | # | . | # | . | . | # |\n| row 5 | # | # | # | # | # | # |",
        GRID.replace("#SB.T#", "#....#") + "\nThe person is in row 2, column 2, the box in row 2, column 3.\nFlag: (2, 5)",
        "Row 1: wall, wall, wall, wall, wall, wall\nRow 2: wall, player, crate, floor, goal, wall\n"
        "Row 3: wall, floor, floor, floor, floor, wall\nRow 4: wall, empty, wall, empty, empty, wall\n"
        "Row 5: wall, wall, wall, wall, wall, wall",
        '[["#","#","#","#","#","#"],\n["#","S","B",".","T","#"],\n["#",".",".",".",".","#"],\n["#",".","#",".",".","#"],\n["#","#","#","#","#","#"]]',
    ],
)
def test_tolerant_reading(text: str) -> None:
    assert BOX.read(text) == ROOM


def test_person_on_the_flag() -> None:
    state = dataclasses.replace(ROOM, box=(3, 3), person=(3, 5), flag=(3, 5))
    assert BOX.read(BOX.describe(state)) == state
    assert BOX.facts(state)["row 3, column 5"] == "person on flag"
    grid = GRID.replace("#SB.T#", "#....#").replace("Row 3: #....#", "Row 3: #.B..#")
    assert BOX.read(grid + "\nPerson: row 3, column 5\nFlag: row 3, column 5") == state
    assert BOX.read(grid.replace("#.B..#", "#.B.+#") + "\nPerson: row 3, column 5") == state


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "description"),
        ("ein Lagerraum mit einer Kiste", "walls"),
        (GRID.replace("S", "."), "person"),
        (GRID.replace("B", "."), "box"),
        (GRID.replace("T", "."), "flag"),
        (GRID.replace("#....#", "#..B.#"), "box"),
        (GRID.replace("Row 3: #....#\n", ""), "walls"),
        (GRID.replace("#....#", "#...#"), "walls"),
        (GRID + "\nRow 3: #.##.#", "walls"),
        (GRID + "\nThe person stands at row 1, column 1.", "person"),
    ],
)
def test_missing_or_contradictory_text(text: str, field: str) -> None:
    error = BOX.read(text)
    assert isinstance(error, ReadError)
    assert error.field == field


def test_claims_give_partial_credit() -> None:
    claims = BOX.claims(GRID.replace("Row 3: #....#\n", "").replace("T", "."))
    facts = BOX.facts(ROOM)
    assert len(claims) == 24
    assert {slot for slot, value in claims.items() if facts[slot] != value} == {"row 2, column 5"}


@pytest.mark.parametrize("side", [84, 896])
def test_the_picture_shows_walls_and_floor(side: int) -> None:
    for level in LEVELS:
        state = BOX.sample(random.Random(level), level)
        image = BOX.draw(state, side)
        height, width = len(state.walls), len(state.walls[0])
        cell = side / max(height, width)
        things = {state.person, state.box, state.flag}
        for r, row in enumerate(state.walls, 1):
            for c, mark in enumerate(row, 1):
                middle = (side / 2 + (c - 0.5 - width / 2) * cell, side / 2 + (r - 0.5 - height / 2) * cell)
                around = [
                    image.getpixel((int(middle[0] + dx * cell), int(middle[1] + dy * cell))) for dx in (-0.15, 0.1) for dy in (-0.2, 0.1)
                ]
                pale = sum(isinstance(pixel, tuple) and min(pixel) > 225 for pixel in around)
                if (r, c) in things:
                    assert pale < 4
                else:
                    assert (pale == 4) == (mark == ".")
