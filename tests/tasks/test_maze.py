"""Maze: public labels, reading, refusals, and every answer against a search through all shortest paths by networkx."""

from __future__ import annotations

import dataclasses
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from tasks.families.maze import Maze, Query, State
from tasks.family import LEVELS, ReadError
from tests.tasks.public_data import rows

MAZE = Maze()
RING = State(("#####", "....#", "#.#.#", "#....", "#####"), (2, 1), (4, 5))
"""Two ways from entry to exit, both of seven cells and two turns."""
GRID = "Row 1: #####\nRow 2: S...#\nRow 3: #.#.#\nRow 4: #...E\nRow 5: #####"


def all_answers(state: State) -> dict[str, set[int]]:
    """What the best ways answer to each question, by enumerating every shortest path."""
    free = [(r, c) for r, row in enumerate(state.rows, 1) for c, mark in enumerate(row, 1) if mark == "."]
    graph: nx.Graph[tuple[int, int]] = nx.Graph()
    graph.add_nodes_from(free)
    graph.add_edges_from((a, b) for a in free for b in ((a[0] + 1, a[1]), (a[0], a[1] + 1)) if b in graph)
    counted: list[tuple[int, int, int]] = []
    for path in nx.all_shortest_paths(graph, state.entry, state.exit):
        steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(path)]
        crosses = [p[0] * q[1] - p[1] * q[0] for p, q in pairwise(steps)]
        counted.append((crosses.count(1), crosses.count(-1), len(path)))  # rows grow downwards: +1 is a turn to the left
    fewest = min(left + right for left, right, _ in counted)
    best = [ways for ways in counted if ways[0] + ways[1] == fewest]
    return {
        "left turns": {left for left, _, _ in best},
        "right turns": {right for _, right, _ in best},
        "total turns": {fewest},
        "cells": {cells for _, _, cells in best},
    }


def test_public_turns(shared_data: Path) -> None:
    for row in rows(shared_data, "maze"):
        state, solution = MAZE.from_public(row), row["solution"]
        expected = {"left turns": "left_turns", "right turns": "right_turns", "total turns": "total_turns", "cells": "optimal_path_length"}
        for what, key in expected.items():
            asked = dataclasses.replace(state, query=Query(what))  # pyright: ignore[reportArgumentType]
            assert MAZE.solve(asked) == str(solution[key])


def test_unknown_public_question() -> None:
    row = {"solution": {"maze": [[1, 0, 1], [1, 0, 1], [1, 0, 1]], "optimal_path": [[0, 1], [1, 1], [2, 1]]}, "question": "Which way?"}
    with pytest.raises(ValueError, match="question"):
        MAZE.from_public(row)


@pytest.mark.parametrize("level", LEVELS)
def test_second_solver(level: int) -> None:
    for seed in range(60):
        state = MAZE.sample(random.Random(seed), level)
        for what, counts in all_answers(state).items():
            asked = dataclasses.replace(state, query=Query(what))  # pyright: ignore[reportArgumentType]
            assert counts == {int(MAZE.solve(asked))}


def test_open_halls_have_many_best_ways_and_one_answer() -> None:
    rng = random.Random(5)
    for _ in range(120):
        hall = State(("#######", "#.....#", "#.....#", "......#", "#.....#", "#.....#", "#######"), (4, 1), (1, rng.randint(2, 6)))
        cells = [list(row) for row in hall.rows]
        for r, c in [(hall.exit[0] - 1, hall.exit[1] - 1), *((rng.randint(1, 5), rng.randint(1, 5)) for _ in range(4))]:
            cells[r][c] = "." if r == 0 else "#"
        state = dataclasses.replace(hall, rows=tuple("".join(row) for row in cells))
        try:
            MAZE.check(state)
        except ValueError:
            continue  # the way was walled off
        for what, counts in all_answers(state).items():
            assert counts == {int(MAZE.solve(dataclasses.replace(state, query=Query(what))))}  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rows": ()}, "rows"),
        ({"rows": ("##", "..")}, "rows"),
        ({"rows": ("#####", "....#", "#.#", "#....", "#####")}, "rows"),
        ({"rows": ("#####", "....#", "#.?.#", "#....", "#####")}, "rows"),
        ({"rows": ("##.##", "....#", "#.#.#", "#....", "#####")}, "rows"),
        ({"entry": (2, 2)}, "entry"),
        ({"entry": (1, 1)}, "entry"),
        ({"entry": (3, 1)}, "entry"),
        ({"entry": (9, 1)}, "entry"),
        ({"exit": (2, 1)}, "exit"),
        ({"exit": (5, 3)}, "exit"),
        ({"rows": ("#####", "..#.#", "#.#.#", "#.#..", "#####")}, "exit"),
    ],
)
def test_impossible_states_are_refused(change: dict[str, Any], field: str) -> None:
    MAZE.check(RING)
    with pytest.raises(ValueError, match=f"^{field}: expected .*, found "):
        MAZE.draw(dataclasses.replace(RING, **change))


def test_solve_needs_a_question_and_a_way() -> None:
    with pytest.raises(ValueError, match="query"):
        MAZE.solve(RING)
    with pytest.raises(ValueError, match="exit"):
        MAZE.solve(State(("#####", "..#.#", "#.#.#", "#.#..", "#####"), (2, 1), (4, 5), Query("cells")))


@pytest.mark.parametrize(
    "text",
    [
        GRID,
        GRID.upper(),
        "Sure! Here is the maze:\n\n```\n" + GRID.replace("Row ", "").replace(":", ")") + "\n```\nHope that helps.",
        "\n".join(reversed(GRID.splitlines())),
        GRID.replace("Row", "**row**").replace("#", "# ").replace(".", ". ").replace("S", "S "),
        "| row 1 | # | # | # | # | # |\n| row 2 | S | . | . | . | # |\n| row 3 | # | . | # | . | # |\n"
        "| row 4 | # | . | . | . | E |\n| row 5 | # | # | # | # | # |",
        "Entry: row 2, column 1\nExit: row 4, column 5\n[[1,1,1,1,1],\n[0,0,0,0,1],\n[1,0,1,0,1],\n[1,0,0,0,0],\n[1,1,1,1,1]]",
        "First row: wall, wall, wall, wall, wall\nSecond row: entrance, free, free, free, wall\nThird row: wall, free, wall, free, wall\n"
        "Fourth row: wall, free, free, free, exit\nFifth row: wall, wall, wall, wall, wall",
    ],
)
def test_tolerant_reading(text: str) -> None:
    assert MAZE.read(text) == RING


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "description"),
        ("un labyrinthe avec une sortie", "rows"),
        (GRID.replace("S", "."), "entry"),
        (GRID.replace("E", "."), "exit"),
        (GRID.replace("S...", "S.S."), "entry"),
        (GRID.replace("Row 3: #.#.#\n", ""), "rows"),
        (GRID.replace("#.#.#", "#.#."), "rows"),
        (GRID + "\nRow 3: #...#", "rows"),
        (GRID + "\nThe entry is at row 3, column 1.", "entry"),
    ],
)
def test_missing_or_contradictory_text(text: str, field: str) -> None:
    error = MAZE.read(text)
    assert isinstance(error, ReadError)
    assert error.field == field


def test_claims_give_partial_credit() -> None:
    claims = MAZE.claims(GRID.replace("Row 3: #.#.#\n", "").replace("S...", "S.#."))
    facts = MAZE.facts(RING)
    assert len(claims) == 20
    assert {slot for slot, value in claims.items() if facts[slot] != value} == {"row 2, column 3"}


@pytest.mark.parametrize("side", [84, 896])
def test_the_picture_shows_the_cells(side: int) -> None:
    for level in LEVELS:
        state = MAZE.sample(random.Random(level), level)
        image = MAZE.draw(state, side)
        height, width = len(state.rows), len(state.rows[0])
        cell = side / (max(height, width) + 0.5)
        for r, row in enumerate(state.rows, 1):
            for c, mark in enumerate(row, 1):
                at = (side / 2 + (c - 0.5 - width / 2) * cell, side / 2 + (r - 0.5 - height / 2) * cell)
                pixel = image.getpixel((int(at[0]), int(at[1])))
                assert isinstance(pixel, tuple)
                red, green, blue = pixel
                if (r, c) == state.entry:
                    assert green > max(red, blue)
                elif (r, c) == state.exit:
                    assert blue > max(red, green)
                else:
                    assert (min(pixel) > 200) == (mark == ".")
