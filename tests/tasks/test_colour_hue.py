"""Colour hues: public rows, refused states, free and imprecise wordings, and two other solvers (components, breadth-first search)."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import networkx as nx  # pyright: ignore[reportMissingTypeStubs]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.families.colour_hue import ColourHue, Query, State
from tasks.family import LEVELS, ReadError
from tests.tasks.public_data import rows

FAMILY = ColourHue()
IDEAL = ("#d73173", "#e3546c", "#ef7765", "#fb9a5c")
BOARDS = State((("#e3546c", "#d73173", "#fb9a5c", "#ef7765"),), (IDEAL,))
WORDINGS = (
    "Sure! Here are the boards:\n**(A):** #E3546C, #D73173, #FB9A5C, #EF7765\n**(B):** #d73173, #e3546c, #ef7765, #fb9a5c",
    "Ideal board: #d73173 #e3546c #ef7765 #fb9a5c. Shuffled board: #e3546c #d73173 #fb9a5c #ef7765.",
    "A: (227, 84, 108), (215,49,115), [251, 154, 92], rgb(239, 119, 101)\nB: rgb(215, 49, 115) rgb(227, 84, 108) #ef7765 #fb9a5c",
    "Board B:\n1. #d73173\n2. #e3546c\n3. #ef7765\n4. #fb9a5c\nBoard A:\n1. #e3546c\n2. #d73173\n3. #fb9a5c\n4. #ef7765",
    "The random state is shown in (A): | #e3546c | #d73173 | #fb9a5c | #ef7765 |\n(B): | #d73173 | #e3546c | #ef7765 | #fb9a5c |",
    "(A): #e85a70 #d02f70 #ff9f60 #ea7060\n(B): #d73173 #e3546c #ef7765 #fb9a5c",
)
UNREADABLE = (
    ("ideal", "(A): #e3546c #d73173"),
    ("shuffled", "(B): #e3546c #d73173"),
    ("shuffled", "(A): #e3546c #d73173 #fb9a5c\n(B): #d73173 #e3546c #ef7765 #fb9a5c"),
    ("shuffled", "(A): #e3546c #e3546c #fb9a5c #ef7765\n(B): #d73173 #e3546c #ef7765 #fb9a5c"),
    ("shuffled", "(A): #0000ff #d73173 #fb9a5c #ef7765\n(B): #d73173 #e3546c #ef7765 #fb9a5c"),
    ("shuffled", "(A): (300, 0, 0), (0, 0, 0)\n(B): (255, 0, 0), (0, 0, 0)"),
    ("ideal", "(A): red green\n(B): deep red, green"),
    ("ideal", "(A): red green\n(B): red green\n(B): green red"),
    ("shuffled", "(A): red red\n(B): red red"),
    ("ideal", "Zwei bunte Bretter."),
)


def order(state: State) -> tuple[int, ...]:
    """The places in (B) of the tiles of (A)."""
    ideal = [tile for row in state.ideal for tile in row]
    return tuple(ideal.index(tile) for row in state.shuffled for tile in row)


def by_components(state: State) -> int:
    graph = cast("Any", nx).Graph()
    graph.add_nodes_from(range(len(order(state))))
    graph.add_edges_from(enumerate(order(state)))
    return len(order(state)) - cast("Any", nx).number_connected_components(graph)


def by_search(state: State) -> int:
    """The fewest swaps, breadth first over the orders."""
    layer, seen, swaps = {order(state)}, set[tuple[int, ...]](), 0
    while not any(list(tiles) == sorted(tiles) for tiles in layer):
        seen |= layer
        layer = {_swapped(tiles, i, j) for tiles in layer for i, j in combinations(range(len(tiles)), 2)} - seen
        swaps += 1
    return swaps


def _swapped(tiles: tuple[int, ...], i: int, j: int) -> tuple[int, ...]:
    after = list(tiles)
    after[i], after[j] = after[j], after[i]
    return tuple(after)


@pytest.mark.parametrize("level", LEVELS)
def test_solvers_agree(level: int) -> None:
    for seed in range(80):
        state = FAMILY.sample(random.Random(seed), level)
        assert int(FAMILY.solve(state)) == by_components(state) > 0
        if len(order(state)) <= 5:
            assert int(FAMILY.solve(state)) == by_search(state)


def test_tiles_can_be_told_apart() -> None:
    for level in LEVELS:
        for seed in range(40):
            tiles = [bytes.fromhex(t[1:]) for row in FAMILY.sample(random.Random(seed), level).ideal for t in row]
            assert all(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) >= 22**2 for a, b in combinations(tiles, 2))


def test_the_authors_order(shared_data: Path) -> None:
    for row in rows(shared_data, "colour_hue"):
        assert list(order(FAMILY.from_public(row))) == row["solution"]["shuffled_order"]


@pytest.mark.parametrize("text", WORDINGS)
def test_free_wordings_are_read(text: str) -> None:
    assert FAMILY.read(text) == BOARDS
    assert FAMILY.claims(text) == FAMILY.facts(BOARDS)


def test_colours_may_be_named() -> None:
    read = FAMILY.read("Board (A): gold, red, green, dark orange\nBoard (B): red, darkorange, gold, green")
    assert not isinstance(read, ReadError)
    assert read.ideal == (("#ff0000", "#ff8c00", "#ffd700", "#008000"),)
    assert order(read) == (2, 0, 3, 1)


def test_rows_of_a_larger_board_are_kept() -> None:
    read = FAMILY.read("(A): #111111 #333333\n#555555 #777777\n(B): #333333 #111111 / #555555 #777777")
    assert not isinstance(read, ReadError)
    assert read.ideal == (("#333333", "#111111"), ("#555555", "#777777"))


@given(st.integers(0, 10**6), st.lists(st.integers(-3, 3), min_size=72, max_size=72))
def test_slightly_wrong_colours_give_the_same_answer(seed: int, noise: list[int]) -> None:
    """Codes off by up to 3 a channel on both boards put a tile at most 10.4 from itself, and any other is at least 22 - 10.4 away."""
    state = FAMILY.sample(random.Random(seed), 3)
    shift = iter(noise)
    blurred = [
        " ".join("#" + bytes(min(255, max(0, part + next(shift))) for part in bytes.fromhex(tile[1:])).hex() for tile in board[0])
        for board in (state.shuffled, state.ideal)
    ]
    text = f"(A): {blurred[0]}\n(B): {blurred[1]}"
    read = FAMILY.read(text)
    assert not isinstance(read, ReadError)
    assert order(read) == order(state)
    assert FAMILY.claims(text) == FAMILY.facts(state)


@pytest.mark.parametrize(("field", "text"), UNREADABLE)
def test_what_is_missing_is_named(field: str, text: str) -> None:
    error = FAMILY.read(text)
    assert isinstance(error, ReadError)
    assert error.field == field


@pytest.mark.parametrize(
    ("field", "state"),
    [
        ("shuffled", replace(BOARDS, shuffled=())),
        ("ideal", replace(BOARDS, ideal=(IDEAL[:2], IDEAL[2:3]))),
        ("ideal", replace(BOARDS, ideal=(("#D73173", *IDEAL[1:]),))),
        ("ideal", replace(BOARDS, ideal=((IDEAL[0], *IDEAL[:3]),))),
        ("shuffled", replace(BOARDS, ideal=(("#000000", *IDEAL[1:]),))),
        ("shuffled", replace(BOARDS, ideal=(IDEAL[:2], IDEAL[2:]))),
        ("query", replace(BOARDS, query=Query(2, 2))),
    ],
)
def test_impossible_states_are_refused(field: str, state: State) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        FAMILY.draw(state, 84)


def test_no_question_without_a_query() -> None:
    with pytest.raises(ValueError, match=r"^query: "):
        FAMILY.ask(BOARDS)


def test_partial_credit_for_doubtful_tiles() -> None:
    """A tile of (A) that is like none of (B) claims nothing; the others do."""
    claims = FAMILY.claims("(A): #0000ff #d73173 #fb9a5c #ef7765\n(B): #d73173 #e3546c #ef7765 #fb9a5c")
    assert claims == {"tile 2 of (A)": "tile 1 of (B)", "tile 3 of (A)": "tile 4 of (B)", "tile 4 of (A)": "tile 3 of (B)"}
    assert FAMILY.claims("(A): red") == {}


def test_swaps_may_be_named() -> None:
    assert FAMILY.same("2 swaps", "two")
    assert not FAMILY.same("2 swaps", "3")
