"""Wood slide: public labels and ways, reading, refusals, and every answer against a plain search over the places of the blocks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tasks.families.wood_slide import State, WoodSlide
from tasks.family import LEVELS, ReadError
from tests.tasks.public_data import rows

SLIDE = WoodSlide()
SMALL = State(("AAB", "C.B"), ("AAB", ".CB"))
Place = tuple[int, int]


def corners(grid: tuple[str, ...]) -> dict[str, Place]:
    """Block -> its upper left cell."""
    found: dict[str, Place] = {}
    for r, row in enumerate(grid):
        for c, block in enumerate(row):
            if block != ".":
                found.setdefault(block, (r, c))
    return found


def fewest_moves(state: State) -> int:
    """Breadth first over the upper left corners of all blocks, every block tried in every direction."""
    height, width = len(state.start), len(state.start[0])
    names = sorted(corners(state.start))
    start, end = (tuple(corners(grid)[name] for name in names) for grid in (state.start, state.end))
    offsets = [
        [(r - r0, c - c0) for r, row in enumerate(state.start) for c, block in enumerate(row) if block == name]
        for name, (r0, c0) in zip(names, start, strict=True)
    ]

    def fits(places: tuple[Place, ...]) -> bool:
        cells = [(r + dr, c + dc) for (r, c), shape in zip(places, offsets, strict=True) for dr, dc in shape]
        return len(set(cells)) == len(cells) and all(0 <= r < height and 0 <= c < width for r, c in cells)

    def neighbours(places: tuple[Place, ...]) -> Iterator[tuple[Place, ...]]:
        for block, (r, c) in enumerate(places):
            for new in ((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)):
                yield (*places[:block], new, *places[block + 1 :])

    layer, seen, depth = {start}, {start}, 0
    while end not in layer:
        layer = {new for places in layer for new in neighbours(places) if new not in seen and fits(new)}
        seen |= layer
        depth += 1
    return depth


def test_a_plain_search_finds_the_public_answer(shared_data: Path) -> None:
    for row in rows(shared_data, "wood_slide"):
        assert fewest_moves(SLIDE.from_public(row)) == int(row["answer"])


def test_every_step_of_the_public_ways_is_one_move(shared_data: Path) -> None:
    for row in rows(shared_data, "wood_slide"):
        ways = row["solution"]["moves"]
        assert len(ways) == int(row["answer"]) + 1
        for start, end in pairwise(ways):
            assert SLIDE.solve(SLIDE.from_public({"solution": {"start_position": start, "end_position": end}})) == "1"


@pytest.mark.parametrize("level", LEVELS)
def test_the_search_from_both_ends_finds_what_a_plain_search_finds(level: int) -> None:
    for seed in range({1: 40, 2: 40, 3: 30, 4: 12, 5: 4}[level]):
        state = SLIDE.sample(random.Random(seed), level)
        assert SLIDE.solve(state) == str(fewest_moves(state))


def test_blocks_of_one_shape_are_told_apart() -> None:
    """Two single blocks that changed places in a ring of four cells take many moves, although the outlines are the same."""
    swapped = State(("AB", "C."), ("AC", "B."))
    with pytest.raises(ValueError, match="end: no way found"):
        SLIDE.draw(swapped)
    assert SLIDE.solve(State(("AB", "C."), ("CA", ".B"))) == "3"
    assert fewest_moves(State(("AB.", "C.."), ("BA.", "C.."))) == int(SLIDE.solve(State(("AB.", "C.."), ("BA.", "C.."))))


def test_deep_puzzles_are_solved() -> None:
    """Twenty moves in a corridor: deeper than any that is sampled."""
    state = State(("AAB", "AAC", "DE.", "F.."), ("AAB", "AAC", ".ED", "..F"))
    assert SLIDE.solve(state) == str(fewest_moves(state))


@pytest.mark.parametrize(
    "text",
    [
        "START:\nrow 1: a a b\nrow 2: c . b\nEND:\nrow 1: a a b\nrow 2: . c b",
        "Sure! The picture shows:\n\n**Starting configuration**\n```\nXXY\nZ.Y\n```\n**Ending configuration**\n```\nXXY\n.ZY\n```",
        "Start: 112/302\nEnd: 112/032",
        '{"start_position": ["112", "302"], "end_position": ["112", "032"]}',
        "Initial grid\n| 7 | 7 | 2 |\n| 1 | empty | 2 |\nFinal grid\n| 7 | 7 | 2 |\n| empty | 1 | 2 |",
        "End\nSecond row: _ C B\nFirst row: A A B\nStart\nSecond row: C _ B\nFirst row: A A B",
    ],
)
def test_reads_free_wording(text: str) -> None:
    assert SLIDE.read(text) == SMALL
    assert SLIDE.claims(text) == SLIDE.facts(SMALL)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Start:\nRow 1: AAB\nRow 2: C.B", "end"),
        ("End:\nRow 1: AAB\nRow 2: .CB", "start"),
        ("Row 1: AAB\nRow 2: C.B", "start"),
        ("Start:\nRow 1: AAB\nRow 2: C.\nEnd:\nRow 1: AAB\nRow 2: .CB", "start"),
        ("Start:\nRow 1: AAB\nRow 2: C.B\nEnd:\nRow 1: AAB", "end"),
        ("Start:\nRow 1: AAB\nRow 2: C.B\nEnd:\nRow 1: AAD\nRow 2: .CD", "end"),
        ("Start:\nRow 1: AAB\nRow 1: A.B\nRow 2: C.B\nEnd:\nRow 1: AAB\nRow 2: .CB", "start"),
        ("Start:\nRow 1: AAB\nRow 2: C.B\nEnd:\nRow 1: AAB\nRow 2: C.B", "end"),
    ],
)
def test_missing_or_contradictory_text_is_an_error(text: str, field: str) -> None:
    found = SLIDE.read(text)
    assert isinstance(found, ReadError)
    assert found.field == field


def test_claims_of_a_part() -> None:
    claims = SLIDE.claims("Start:\nRow 1: AAB\nEnd:\nRow 2: .BX")
    assert claims["start, row 1, column 2"] == "block from row 1, column 1"
    assert claims["end, row 2, column 1"] == "empty"
    assert claims["end, row 2, column 2"] == "block from row 1, column 3"
    assert claims["end, row 2, column 3"] == "block that is not in the start"
    assert len(claims) == 6
    assert SLIDE.claims("no idea") == SLIDE.claims("") == {}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (State((), ()), "start: expected 2 to 8 cells on a side, found 0 x 0"),
        (State(("A" * 9,) * 2, SMALL.end), "start: expected 2 to 8 cells on a side, found 2 x 9"),
        (State(("AAB", "C."), SMALL.end), "start: expected rows of 3 cells"),
        (State(SMALL.start, ("AAB", ".C")), "end: expected rows of 3 cells"),
        (State(SMALL.start, ("AA", "BB", "C.")), "end: expected a grid of the size"),
        (State(("AA1", "C.1"), SMALL.end), "start: expected letters"),
        (State(("AAB", "A.B"), SMALL.end), "start: expected block A to be one rectangle"),
        (State(("BBA", "C.A"), SMALL.end), "start: expected blocks named A, B"),
        (State(("AAB", "CDB"), ("AAB", "DCB")), "start: expected an empty cell"),
        (State(SMALL.start, ("A.B", "ACB")), "end: expected the blocks of the start"),
        (State(SMALL.start, SMALL.start), "end: expected another arrangement"),
        (State(("AB", "CD", "E."), ("BA", "CD", "E.")), "end: no way found"),
    ],
)
def test_refuses_impossible_states(state: State, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        SLIDE.draw(state)


def test_public_rows_that_contradict_themselves() -> None:
    with pytest.raises(ValueError, match="end_position: block 9"):
        SLIDE.from_public({"solution": {"start_position": "112\n302", "end_position": "119\n039"}})


def test_the_question_counts_the_blocks() -> None:
    assert "It has 3 wooden blocks of varying sizes: one 1 * 2, one 2 * 1, and one 1 * 1." in SLIDE.ask(SMALL)
    assert "also has one empty 1 * 1 space." in SLIDE.ask(SMALL)
    assert "sizes: one 2 * 2 and two 1 * 1." in SLIDE.ask(State(("AAB", "AAC", "..."), ("AA.", "AAB", ".C.")))


def test_answers_with_units() -> None:
    assert SLIDE.same("4 moves", "four")
    assert not SLIDE.same("4", "3")
