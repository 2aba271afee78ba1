from __future__ import annotations

import random
from itertools import permutations, product
from typing import Any, cast

import networkx as nx
import pytest

from tasks.families.water_jugs import Query, State, WaterJugs
from tasks.family import LEVELS, ReadError

FAMILY = WaterJugs()
PUBLIC = State((4, 2, 1), Query((6, 5, 1), (4, 3, 0)))


def by_networkx(state: State) -> int:
    """The shortest path in the graph of all ways to fill the jugs with as much water."""
    assert state.query is not None
    capacities = state.query.capacities
    graph = cast("Any", nx.DiGraph())
    for held in product(*(range(capacity + 1) for capacity in capacities)):
        if sum(held) != sum(state.amounts):
            continue
        for source, target in permutations(range(len(held)), 2):
            both = held[source] + held[target]
            after = list(held)
            after[target] = min(capacities[target], both)
            after[source] = both - after[target]
            if tuple(after) != held:
                graph.add_edge(held, tuple(after))
    return int(nx.shortest_path_length(graph, state.amounts, state.query.goal))  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize("level", LEVELS)
def test_shortest_paths_agree(level: int) -> None:
    for seed in range(25):
        state = FAMILY.sample(random.Random(seed), level)
        assert int(FAMILY.solve(state)) == by_networkx(state)


@pytest.mark.parametrize(
    ("state", "field", "problem"),
    [
        (State((4,)), "amounts", "expected 2 to 6 jugs"),
        (State((4, -1)), "amounts", "expected 0 to 20 litres, found -1"),
        (State((4, 21)), "amounts", "found 21"),
        (State((4, 2, 1), Query((6, 5), (4, 3, 0))), "query", "expected 3 capacities"),
        (State((4, 2, 1), Query((6, 5, 0), (4, 3, 0))), "query", "capacities of 1 to 20"),
        (State((4, 2, 1), Query((3, 5, 1), (3, 3, 0))), "amounts", "at most"),
        (State((4, 2, 1), Query((6, 5, 1), (4, 2, 2))), "query", "at most"),
        (State((4, 2, 1), Query((6, 5, 1), (4, 2, 0))), "query", "no sequence of pours"),
        (State((4, 2, 1)), "query", "holds none"),
    ],
)
def test_impossible_jugs_are_refused(state: State, field: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: .*{problem}"):
        FAMILY.draw(state)


def test_an_unreachable_goal_has_no_answer() -> None:
    with pytest.raises(ValueError, match="no sequence of pours"):
        FAMILY.solve(State((2, 2, 0), Query((6, 4, 2), (3, 1, 0))))


@pytest.mark.parametrize(
    "text",
    [
        "Jug 1 has 4 of 6 litres, jug 2 contains 2 litres (capacity 5 litres) and jug 3 is holding 1.",
        "**Jug 1:** 4/6\n**Jug 2:** 2/5\n**Jug 3:** 1/1",
        "[4, 2, 1]",
        "The amounts are 4, 2, and 1 litres.",
        "The first jug contains four litres, the second jug two litres, the third jug one litre",
        "Left jug: 4 L; middle jug: 2 L; right jug: 1 L",
        "Jug A: 4\nJug C: 1\nJug B: 2",
        "| Jug 1 | 4 |\n| Jug 2 | 2 |\n| Jug 3 | 1 |",
        "Jug 1:\n- Capacity: 6 litres\n- Water: 4 litres\nJug 2:\n- capacity: 5 litres\n- water: 2 litres\nJug 3: capacity 1, water 1",
        "Jug 1 (6 litre jug) contains 4 litres; jug 2 (5-litre capacity) contains 2 litres; jug 3: 1 litre. The axis goes from 0 to 6.",
        "The jugs 1, 2 and 3 contain 4, 2 and 1 litres respectively.",
    ],
)
def test_other_wordings_are_read(text: str) -> None:
    assert FAMILY.read(text) == FAMILY.visible(PUBLIC)


def test_an_empty_jug_holds_nothing() -> None:
    assert FAMILY.read("Jug 1 is empty, jug 2 holds 3 litres") == State((0, 3))


@pytest.mark.parametrize(
    "text",
    [
        "Jug 1: 4 litres\nJug 1: 5 litres\nJug 2: 1",
        "Jug 1: 4 litres, no, 5 litres. Jug 2: 2",
        "Jug 1: 4.5 litres, jug 2: 3 litres",
        "Jug 1: 4 litres, Jug 3: 1 litre",
        "Jug 1: litres, Jug 2: 4 litres",
        "Jug 1: 4 litres",
        "[4, 2, 1] or [4, 1, 2]",
        "three jugs with some water",
    ],
)
def test_missing_and_contradictory_amounts_are_refused(text: str) -> None:
    read = FAMILY.read(text)
    assert isinstance(read, ReadError)
    assert read.field == "amounts"


def test_single_jugs_are_credited() -> None:
    assert FAMILY.claims("Jug 1: 4 litres, Jug 3: 1 litre") == {"jug 1": "4", "jug 3": "1"}
