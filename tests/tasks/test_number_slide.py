from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tasks.families.number_slide import Best, NumberSlide, Query, Reach, State, Walk
from tasks.family import LEVELS, ReadError
from tests.tasks.public_data import rows

FAMILY = NumberSlide()
GRID = ((1, 2, 3), (4, 5, 6), (7, 8, 0))
STEPS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


def walks(board: npt.NDArray[np.int64], moves: int) -> Iterator[tuple[tuple[str, ...], npt.NDArray[np.int64]]]:
    """Every walk of the open position, one by one, with the board it ends on."""
    if not moves:
        yield (), board
        return
    row, column = (int(at[0]) for at in np.nonzero(board == 0))
    for name, (down, across) in STEPS.items():
        if 0 <= row + down < len(board) and 0 <= column + across < len(board):
            after = board.copy()
            after[row, column], after[row + down, column + across] = board[row + down, column + across], 0
            for path, end in walks(after, moves - 1):
                yield (name, *path), end


def by_walking(state: State) -> int:
    query = state.query
    assert query is not None
    start = np.array(state.grid, dtype=np.int64)
    if isinstance(query, Walk):
        end = dict(walks(start, len(query.path)))[query.path]
        row, column = (int(at[0]) for at in np.nonzero(end == 0))
        line = end[row] if query.line == "row" else end[:, column]
        return int({"sum": line.sum(), "maximum": line.max(), "minimum": np.sort(line)[1]}[query.what])
    ends = [end for _, end in walks(start, query.moves)]
    if isinstance(query, Reach):
        return len({end.tobytes() for end in ends})
    edge = {"top most row": np.s_[0], "bottom most row": np.s_[-1], "left most column": np.s_[:, 0], "right most column": np.s_[:, -1]}
    sums = [int(end[edge[query.edge]].sum()) for end in ends]
    return max(sums) if query.what == "maximum" else min(sums)


def test_the_authors_count_of_boards(shared_data: Path) -> None:
    for row in rows(shared_data, "number_slide"):
        solution = row["solution"]
        assert FAMILY.solve(State(FAMILY.from_public(row).grid, Reach(solution["total_moves"]))) == str(solution["unique_positions"])


@pytest.mark.parametrize("level", LEVELS)
def test_walking_every_way_agrees(level: int) -> None:
    for seed in range(25):
        state = FAMILY.sample(random.Random(seed), level)
        assert int(FAMILY.solve(state)) == by_walking(state)


@pytest.mark.parametrize(
    ("state", "field", "problem"),
    [
        (State(((0,),)), "grid", "expected 2 to 8 rows"),
        (State(((1, 2), (3, 0, 4))), "grid", "expected 2 tiles in a row"),
        (State(((1, 2), (3, 3))), "grid", "every number from 1 to 3 once"),
        (State(GRID, Reach(0)), "query", "expected 1 to 8 moves"),
        (State(GRID, Best(9, "maximum", "top most row")), "query", "expected 1 to 8 moves"),
        (State(GRID, Walk(("up", "right"), "sum", "row")), "query", "cannot move up, right"),
    ],
)
def test_impossible_boards_are_refused(state: State, field: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: .*{problem}"):
        FAMILY.draw(state)


@pytest.mark.parametrize(
    "text",
    [
        "Top row: 1, 2, 3\nMiddle row: 4, 5, 6\nBottom row: 7, 8, empty",
        "1 2 3\n4 5 6\n7 8 _",
        "The board is\n1 | 2 | 3\n4 | 5 | 6\n7 | 8 | blank\nand nothing else.",
        "[[1, 2, 3], [4, 5, 6], [7, 8, 0]]",
        "| 1 | 2 | 3 |\n|---|---|---|\n| 4 | 5 | 6 |\n| 7 | 8 | open |",
        "1. 1, 2, 3\n2. 4, 5, 6\n3. 7, 8, gap",
        "row 3: 7 8 OPEN\nrow 1: 1 2 3\nrow 2: 4 5 6",
        "Row 1: 1 2 3, Row 2: 4 5 6, Row 3: 7 8 open",
    ],
)
def test_other_wordings_are_read(text: str) -> None:
    assert FAMILY.read(text) == State(GRID)


@pytest.mark.parametrize(
    "text",
    [
        "Row 1: 1, 2, 3\nRow 2: 4, 5, 6\nRow 3: 7, open",
        "Row 1: 1, 2, 3\nRow 2: 4, 5, 6",
        "Row 1: 1, 2, 3\nRow 2: 4, 5, 6\nRow 3: 7, 8, 8",
        "Row 1: 1, 2, 3\nRow 1: 3, 2, 1\nRow 2: 4, 5, 6\nRow 3: 7, 8, 0",
        "a sliding puzzle with 8 tiles",
    ],
)
def test_missing_and_contradictory_tiles_are_refused(text: str) -> None:
    read = FAMILY.read(text)
    assert isinstance(read, ReadError)
    assert read.field == "grid"


@pytest.mark.parametrize(
    ("asked", "query"),
    [
        ("exactly 1 move. How many unique final board positions can you reach?", Reach(1)),
        ("exactly 1 move. What is the minimum sum that you can achieve across the right most column in the final board position?",
         Best(1, "minimum", "right most column")),
        ("in the following sequence: up. What is the sum of numbers of the column which now has the open position?",
         Walk(("up",), "sum", "column")),
    ],
)  # fmt: skip
def test_public_questions_of_all_kinds_are_understood(asked: str, query: Query) -> None:
    row = {"question": f"You perform {asked}", "solution": {"starting_grid": GRID, "total_moves": 1}}
    assert FAMILY.from_public(row) == State(GRID, query)


@pytest.mark.parametrize("asked", ["What is it?", "What is the sum across it?", "sequence: up, up. What is the maximum number in the row?"])
def test_other_public_questions_are_refused(asked: str) -> None:
    with pytest.raises(ValueError, match=r"^question: "):
        FAMILY.from_public({"question": asked, "solution": {"starting_grid": GRID, "total_moves": 1}})
