from __future__ import annotations

import random
from itertools import combinations
from typing import Any, cast

import networkx as nx
import pytest

from tasks.families.n_queens import NQueens, State
from tasks.family import LEVELS, ReadError

FAMILY = NQueens()
EIGHT = State(8, ((1, 7), (2, 3), (4, 6), (5, 8), (6, 5), (8, 4)))


def by_brute_force(state: State) -> set[int]:
    """Distances of all pairs of squares that complete the board: independent sets of a graph of attacks."""
    squares = [(r, c) for r in range(1, state.size + 1) for c in range(1, state.size + 1)]
    attacks = cast("Any", nx.Graph())
    attacks.add_nodes_from(squares)
    for (r, c), other in combinations(squares, 2):
        if not {("row", r), ("column", c), ("rise", r + c), ("fall", r - c)}.isdisjoint(
            {("row", other[0]), ("column", other[1]), ("rise", sum(other)), ("fall", other[0] - other[1])}
        ):
            attacks.add_edge((r, c), other)
    taken = set(state.queens).union(*(attacks[queen] for queen in state.queens))
    free = [square for square in squares if square not in taken]
    return {abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in combinations(free, 2) if not attacks.has_edge(a, b)}


@pytest.mark.parametrize("level", LEVELS)
def test_brute_force_agrees(level: int) -> None:
    for seed in range(25):
        state = FAMILY.sample(random.Random(seed), level)
        assert by_brute_force(state) == {int(FAMILY.solve(state))}


@pytest.mark.parametrize(
    ("state", "field", "problem"),
    [
        (State(3, ((1, 2),)), "size", "expected 4 to 16"),
        (State(8, (*EIGHT.queens[:5], (8, 9))), "queens", "rows and columns 1 to 8"),
        (State(8, EIGHT.queens[::-1]), "queens", "reading order"),
        (State(8, EIGHT.queens[:5]), "queens", "expected 6 on a board of 8, found 5"),
        (State(8, ((1, 7), (2, 8), *EIGHT.queens[2:])), "queens", "attack each other"),
        (State(4, ((1, 1), (3, 2))), "queens", "cannot be placed"),
    ],
)
def test_impossible_boards_are_refused(state: State, field: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: .*{problem}"):
        FAMILY.draw(state)


def _grid(mark: str, empty: str, gap: str) -> str:
    return "\n".join(gap.join(mark if (r, c) in EIGHT.queens else empty for c in range(1, 9)) for r in range(1, 9))


@pytest.mark.parametrize(
    "text",
    [
        "An 8x8 chessboard with queens at " + " and ".join(f"row {r}, column {c}" for r, c in EIGHT.queens),
        "8 by 8 board; " + "; ".join(f"column {c}, row {r}" for r, c in EIGHT.queens),
        "Board 8 x 8. " + str([list(queen) for queen in reversed(EIGHT.queens)]),
        "It is an 8 x 8 board. Queens stand on " + ", ".join("abcdefgh"[c - 1] + str(9 - r) for r, c in EIGHT.queens),
        _grid("Q", ".", " "),
        _grid("Q", ".", ""),
        _grid("1", "0", ", "),
        _grid("\u2655", "_", " | "),
    ],
)
def test_other_wordings_are_read(text: str) -> None:
    assert FAMILY.read(text) == EIGHT


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (f"Queens: {EIGHT.queens}", "size"),
        (f"Board: 8 x 8, no, 9 x 9. Queens: {EIGHT.queens}", "size"),
        ("Board: 8 x 8", "queens"),
        (f"Board: 8 x 8\nQueens: {EIGHT.queens[:-1]}", "queens"),
        (f"Board: 8 x 8\nQueens: {(*EIGHT.queens, (7, 1))}", "queens"),
        (_grid("Q", ".", " ") + "\n. . . . . . . .", "queens"),
        ("Board: 8 x 8\nQueens: " + str(EIGHT.queens).replace("(1, 7)", "(1, )"), "queens"),
    ],
)
def test_missing_and_contradictory_facts_are_named(text: str, field: str) -> None:
    read = FAMILY.read(text)
    assert isinstance(read, ReadError)
    assert read.field == field


def test_single_queens_are_credited() -> None:
    assert FAMILY.claims("Queens at (1, 7), (2, 3) and (2, 4)") == {"queen in row 1": "column 7", "queen in row 2": "column 3 and 4"}
    assert FAMILY.claims("nothing to see") == {}


def test_a_public_board_must_be_square() -> None:
    with pytest.raises(ValueError, match="columns"):
        FAMILY.from_public({"solution": {"rows": 8, "columns": 7, "given_queen_positions": []}})
