"""Board tiling: public rows, refused states, free wordings, and a second solver (a sweep over the cells) beside the matching."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from functools import cache

import pytest

from tasks.families.board_tile import BoardTile, Query, State
from tasks.family import LEVELS, ReadError

FAMILY = BoardTile()
BOARD = State(3, 4, ((1, 2), (2, 1)))
WORDINGS = (
    "Sure! The picture shows a board of 3 rows and 4 columns. Missing: row 1, column 2 and row 2, column 1.",
    "**Board:** 3 x 4\n- removed: (2, 1)\n- removed: (1,2)",
    "REMOVED SQUARES: [1, 2]; [2, 1]. ROWS: 3, COLUMNS: 4",
    "A 3 by 4 checkerboard without r1c2 and r2c1.",
    "Board: 3 * 4\nHoles (row, column): (1, 2), (2, 1), (1, 2)",
    "columns = 4\nrows = 3\nwhite cells: row 2 col 1; row 1 col 2",
)
UNREADABLE = (
    ("removed", "Board: 3 rows x 4 columns"),
    ("removed", "Board: 3 rows x 4 columns\nRemoved squares: none"),
    ("rows", "Removed squares (row, column): (1, 2), (2, 1)"),
    ("columns", "Board: 3 rows\nRemoved squares: (1, 2), (2, 1)"),
    ("rows", "Board: 3 rows x 4 columns, that is 5 rows. Removed: (1, 2), (2, 1)"),
    ("removed", "Board: 3 rows x 4 columns. Removed: (1, 2)"),
    ("removed", "Board: 3 rows x 4 columns. Removed: (0, 2), (2, 1)"),
    ("removed", "Ein Brett mit Loechern."),
)


def coverings(state: State) -> int:
    """How many coverings by dominoes a board has: cell by cell, keeping which of the next cells are already covered."""
    cells = list(itertools.product(range(1, state.rows + 1), range(1, state.columns + 1)))
    covered = sum(1 << index for index, cell in enumerate(cells) if cell in state.removed)

    @cache
    def count(index: int, taken: int) -> int:
        if index == len(cells):
            return 1
        if taken & 1:
            return count(index + 1, taken >> 1 | (covered >> index + state.columns + 1 & 1) << state.columns)
        total = 0
        ahead = taken >> 1 | (covered >> index + state.columns + 1 & 1) << state.columns
        if cells[index][1] < state.columns and not taken & 2:
            total += count(index + 1, ahead | 1)
        if cells[index][0] < state.rows and not taken >> state.columns & 1:
            total += count(index + 1, ahead | 1 << state.columns - 1)
        return total

    return count(0, covered & (1 << state.columns + 1) - 1)


def test_the_second_solver_counts_known_coverings() -> None:
    assert coverings(State(8, 8, ())) == 12_988_816  # Kasteleyn, 1961
    assert coverings(State(4, 4, ())) == 36
    assert coverings(State(8, 8, ((1, 1), (8, 8)))) == 0  # the mutilated chessboard


@pytest.mark.parametrize("level", LEVELS)
def test_both_solvers_agree_on_samples(level: int) -> None:
    for seed in range(60):
        state = FAMILY.sample(random.Random(seed), level)
        assert FAMILY.solve(state) == ("Yes" if coverings(state) else "No")


def test_both_solvers_agree_on_any_holes() -> None:
    rng = random.Random(5)
    answers: set[str] = set()
    for _ in range(300):
        rows, columns = rng.randint(2, 6), rng.randint(2, 6)
        cells = list(itertools.product(range(1, rows + 1), range(1, columns + 1)))
        removed = tuple(sorted(rng.sample(cells, rng.randint(1, min(10, len(cells))))))
        state = State(rows, columns, removed)
        assert FAMILY.solve(state) == ("Yes" if coverings(state) else "No")
        answers.add(FAMILY.solve(state))
    assert answers == {"Yes", "No"}


def test_colour_counting_does_not_solve_the_hard_levels() -> None:
    """Some boards with as many dark as light squares cannot be covered."""
    states = [FAMILY.sample(random.Random(seed), 5) for seed in range(100)]
    fair = [s for s in states if 2 * sum((r + c) % 2 == 0 for r, c in s.removed) - len(s.removed) == s.rows * s.columns % 2]
    assert sum(FAMILY.solve(state) == "No" for state in fair) >= 15


@pytest.mark.parametrize("text", WORDINGS)
def test_free_wordings_are_read(text: str) -> None:
    assert FAMILY.read(text) == BOARD
    assert FAMILY.claims(text) == FAMILY.facts(BOARD)


@pytest.mark.parametrize(("field", "text"), UNREADABLE)
def test_what_is_missing_is_named(field: str, text: str) -> None:
    error = FAMILY.read(text)
    assert isinstance(error, ReadError)
    assert error.field == field


@pytest.mark.parametrize(
    ("field", "state"),
    [
        ("rows", replace(BOARD, rows=1)),
        ("columns", replace(BOARD, columns=17)),
        ("removed", replace(BOARD, removed=())),
        ("removed", State(8, 8, tuple((row, column) for row in (1, 2) for column in range(1, 7)))),
        ("removed", replace(BOARD, removed=((1, 2), (4, 1)))),
        ("removed", replace(BOARD, removed=((2, 1), (1, 2)))),
        ("removed", replace(BOARD, removed=((1, 2), (1, 2)))),
        ("removed", replace(BOARD, removed=((1, 2),))),
        ("query", replace(BOARD, query=Query(3, 5, 2))),
    ],
)
def test_impossible_states_are_refused(field: str, state: State) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        FAMILY.draw(state, 84)


def test_no_question_without_a_query() -> None:
    with pytest.raises(ValueError, match=r"^query: "):
        FAMILY.ask(BOARD)


def test_partial_credit_without_the_size() -> None:
    assert FAMILY.claims("Holes at (1, 2) and (3, 3).") == {"row 1, column 2": "removed", "row 3, column 3": "removed"}
    assert FAMILY.claims("") == {}
