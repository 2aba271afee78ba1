"""Checkers in a row: public rows, refused states, free wordings, and two other solvers: a formula, and a graph searched by networkx."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import networkx as nx  # pyright: ignore[reportMissingTypeStubs]
import pytest

from tasks.families.checker_move import CheckerMove, Query, State
from tasks.family import LEVELS, ReadError
from tests.tasks.public_data import rows

FAMILY = CheckerMove()
ROW = State("G_RR", "RR_G")
WORDINGS = (
    "Sure! The picture shows:\n**Start:** G-RR\n**End:** RR-G",
    "Starting configuration: green, empty, red, red.\nEnding configuration: red, red, empty, green.",
    "Ending configuration: | R | R |   | G |\nStarting configuration: [G, _, R, R]",
    "Top row: Green - Empty - Red - Red; bottom row: Red - Red - Empty - Green",
    "The starting configuration has 1 green checker, an empty square and then two red checkers. "
    "The ending configuration has two red checkers, a gap and 1 green.",
    "Start:\n1. green\n2. empty\n3. red\n4. red\nEnd:\n1. red\n2. red\n3. empty\n4. green",
    "start: square 1 green, square 2 empty, square 3 red, square 4 red; end: square 1 is red, square 2 is red, square 3 is empty, "
    "square 4 is green",
    "Start G . R R\nEnd R R . G",
)
UNREADABLE = (
    ("start", "End: RR_G"),
    ("end", "Start: G_RR"),
    ("start", "Start: G_RR\nEnd: RR_G\nStart: R_GR"),
    ("start", "Start: GRR\nEnd: RR_G"),
    ("end", "Start: G_RR\nEnd: RR_"),
    ("end", "Start: G_RR\nEnd: GR_G"),
    ("end", "Start: RR_G\nEnd: G_RR"),
    ("start", "Start: G__RRR\nEnd: RRR__G"),
    ("start", "Des pions rouges et verts."),
)


def by_formula(state: State) -> int:
    """Squares travelled, less one for every green and red checker that change sides, since they pass by one jump."""
    places = {(row, color): [i for i, square in enumerate(row) if square == color] for row in (state.start, state.end) for color in "GR"}
    green = list(zip(places[state.start, "G"], places[state.end, "G"], strict=True))
    red = list(zip(places[state.start, "R"], places[state.end, "R"], strict=True))
    passes = sum(g < r and g_end > r_end for g, g_end in green for r, r_end in red)
    return sum(end - start for start, end in green) + sum(start - end for start, end in red) - passes


def graph_from(start: str) -> Any:
    """Every arrangement within reach of `start`, as a directed graph: the rules as four rewritings of two or three neighbours."""
    rules = (("G_", "_G"), ("_R", "R_"), ("GR_", "_RG"), ("_GR", "RG_"))
    graph = cast("Any", nx).DiGraph()
    graph.add_node(start)
    ahead = [start]
    while ahead:
        row = ahead.pop()
        for old, new in rules:
            for at in range(len(row)):
                if row.startswith(old, at):
                    after = row[:at] + new + row[at + len(old) :]
                    if after not in graph:
                        ahead.append(after)
                    graph.add_edge(row, after)
    return graph


@pytest.mark.parametrize("level", LEVELS)
def test_three_solvers_agree(level: int) -> None:
    for seed in range(40):
        state = FAMILY.sample(random.Random(seed), level)
        length = cast("Any", nx).shortest_path_length(graph_from(state.start), state.start, state.end)
        assert int(FAMILY.solve(state)) == length == by_formula(state), state


def test_every_way_to_the_end_has_one_length() -> None:
    graph = graph_from("GGG_RRR")
    assert cast("Any", nx).dag_longest_path_length(graph) >= 15
    for end, length in cast("Any", nx).single_source_shortest_path_length(graph, "GGG_RRR").items():
        assert length == by_formula(State("GGG_RRR", end))


def test_out_of_reach_is_refused_exactly() -> None:
    rng, verdicts = random.Random(3), set[bool]()
    for _ in range(300):
        start = "".join(rng.sample("GG_RR", 5))
        end = "".join(rng.sample("GG_RR", 5))
        reachable = end in graph_from(start)
        read = FAMILY.read(f"Start: {start}\nEnd: {end}")
        assert (read == State(start, end)) is reachable
        verdicts.add(reachable)
    assert verdicts == {True, False}


def test_the_whole_exchange() -> None:
    for green in range(1, 6):
        for red in range(1, 6):
            state = State("G" * green + "_" + "R" * red, "R" * red + "_" + "G" * green)
            assert FAMILY.solve(state) == str(green * red + green + red)


def test_the_authors_moves(shared_data: Path) -> None:
    for row in rows(shared_data, "checker_move"):
        assert int(FAMILY.solve(FAMILY.from_public(row))) == len(row["solution"]["moves"]) - 1


@pytest.mark.parametrize("text", WORDINGS)
def test_free_wordings_are_read(text: str) -> None:
    assert FAMILY.read(text) == ROW
    assert FAMILY.claims(text) == FAMILY.facts(ROW)


@pytest.mark.parametrize(("field", "text"), UNREADABLE)
def test_what_is_missing_is_named(field: str, text: str) -> None:
    error = FAMILY.read(text)
    assert isinstance(error, ReadError)
    assert error.field == field


@pytest.mark.parametrize(
    ("field", "state"),
    [
        ("start", replace(ROW, start="G_")),
        ("start", replace(ROW, start="GGGGGGG_RRRRRRR")),
        ("start", replace(ROW, start="G-RR")),
        ("start", replace(ROW, start="GGRR")),
        ("end", replace(ROW, end="R__G")),
        ("end", replace(ROW, end="GR_G")),
        ("end", State("RR_G", "G_RR")),
        ("query", replace(ROW, query=Query(4, 2, 1))),
    ],
)
def test_impossible_states_are_refused(field: str, state: State) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        FAMILY.draw(state, 84)


def test_an_arrangement_out_of_reach_is_not_solved() -> None:
    with pytest.raises(ValueError, match=r"^end: "):
        FAMILY.solve(State("RR_G", "G_RR"))


def test_no_question_without_a_query() -> None:
    with pytest.raises(ValueError, match=r"^query: "):
        FAMILY.ask(ROW)


def test_partial_credit_for_one_row() -> None:
    assert FAMILY.claims("Start: G _ R") == {"start, square 1": "green", "start, square 2": "empty", "start, square 3": "red"}
    assert FAMILY.claims("") == {}


def test_moves_may_be_named() -> None:
    assert FAMILY.same("5 moves", "five")
    assert not FAMILY.same("5 moves", "6")
