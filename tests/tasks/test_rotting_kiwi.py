from __future__ import annotations

import random
from typing import Any, cast

import networkx as nx
import numpy as np
import pytest

from tasks.families.rotting_kiwi import Grid, RottingKiwi, State
from tasks.family import LEVELS, ReadError

FAMILY = RottingKiwi()
PUBLIC = State((("rotten", "fresh", "fresh"), ("fresh", "empty", "fresh"), ("empty", "empty", "fresh")))


def by_simulation(grid: Grid) -> int:
    """Minutes, one array operation a minute."""
    kinds = np.array([["empty", "fresh", "rotten"].index(cell) for row in grid for cell in row]).reshape(len(grid), len(grid[0]))
    minutes = 0
    while (kinds == 1).any():
        rotten = np.pad(kinds == 2, 1)
        near = rotten[:-2, 1:-1] | rotten[2:, 1:-1] | rotten[1:-1, :-2] | rotten[1:-1, 2:]
        kinds[near & (kinds == 1)] = 2
        minutes += 1
        assert minutes <= kinds.size
    return minutes


def by_networkx(grid: Grid) -> int:
    """The greatest distance of a kiwi from the rotten ones in the graph of kiwis."""
    rows, columns = len(grid), len(grid[0])
    graph = cast("Any", nx.grid_2d_graph(rows, columns))  # pyright: ignore[reportUnknownMemberType]
    graph.remove_nodes_from([(r, c) for r in range(rows) for c in range(columns) if grid[r][c] == "empty"])
    rotten = {(r, c) for r in range(rows) for c in range(columns) if grid[r][c] == "rotten"}
    return int(max(nx.multi_source_dijkstra_path_length(graph, rotten).values()))


@pytest.mark.parametrize("level", LEVELS)
def test_simulation_and_shortest_paths_agree(level: int) -> None:
    for seed in range(40):
        state = FAMILY.sample(random.Random(seed), level)
        assert int(FAMILY.solve(state)) == by_simulation(state.grid) == by_networkx(state.grid)


@pytest.mark.parametrize(
    ("grid", "problem"),
    [
        ((), "expected 1 to 12 rows"),
        ((("rotten",), ("fresh", "fresh")), "one width"),
        ((("rotten", "mouldy"),), "found 'mouldy'"),
        ((("fresh", "empty"),), "at least one rotten"),
        ((("rotten", "empty", "fresh"),), "row 1, column 3"),
    ],
)
def test_impossible_grids_are_refused(grid: Grid, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^grid: .*{problem}"):
        FAMILY.draw(State(grid))


@pytest.mark.parametrize(
    "text",
    [
        "R F F\nF . F\n. . F",
        "rff\nf.f\n..f",
        '[["R","F","F"],["F","E","F"],["E","E","F"]]',
        "| Row 1 | rotten | fresh | fresh |\n|---|---|---|---|\n| Row 2 | fresh | none | fresh |\n| Row 3 | empty | none | fresh |",
        "Top row: rotten kiwi, fresh kiwi, fresh kiwi.\nMiddle row: fresh kiwi, no kiwi, fresh kiwi.\nBottom row: empty, empty, fresh.",
        "Row 3: Empty, Empty, Fresh\nRow 1: ROTTEN, a fresh kiwi, a fresh kiwi\nRow 2: fresh, nothing, fresh",
        "Row 1: rotten, fresh, fresh; Row 2: fresh, empty, fresh; Row 3: empty, empty, fresh",
        "Row 0: R, F, F\nRow 1: F, -, F\nRow 2: -, -, F",
        ", ".join(f"({r}, {c}): {cell}" for r, row in enumerate(PUBLIC.grid, 1) for c, cell in enumerate(row, 1)),
        "\n".join(f"Row {r}, column {c} is {cell}" for r, row in enumerate(PUBLIC.grid, 1) for c, cell in enumerate(row, 1)),
    ],
)
def test_other_wordings_are_read(text: str) -> None:
    assert FAMILY.read(text) == PUBLIC


@pytest.mark.parametrize(
    "text",
    [
        "Row 1: rotten, fresh, fresh\nRow 2: fresh, fresh",
        "Row 1: rotten, fresh\nRow 3: fresh, fresh",
        "Row 1: rotten, fresh\nRow 1: fresh, fresh",
        "Row 1: rotten, orange\nRow 2: fresh, fresh",
        "Row 1: rotten, not fresh\nRow 2: fresh, fresh",
        "(1, 1): rotten, (1, 2): fresh, (1, 1): fresh",
        "a grid of kiwis",
        "f " * 500,
        "f f\n" * 200,
    ],
)
def test_missing_and_contradictory_cells_are_refused(text: str) -> None:
    read = FAMILY.read(text)
    assert isinstance(read, ReadError)
    assert read.field == "grid"


def test_single_cells_are_credited() -> None:
    assert FAMILY.claims("Row 1: rotten, ?, fresh") == {"row 1, column 1": "rotten", "row 1, column 3": "fresh"}
