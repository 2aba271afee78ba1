"""Tower of Hanoi: public labels, reading, refusals, and the recursion against a search through all arrangements by networkx."""

from __future__ import annotations

import itertools
import random
from functools import cache

import networkx as nx
import pytest

from tasks.families.tower_of_hanoi import Rods, State, TowerOfHanoi
from tasks.family import LEVELS, ReadError

HANOI = TowerOfHanoi()
SMALL = State(start=((3,), (2, 1), ()), end=((), (), (3, 2, 1)))


@cache
def arrangements(disks: int) -> nx.Graph[Rods]:
    """Every legal arrangement of `disks` disks, joined where one move leads from one to the other."""
    graph: nx.Graph[Rods] = nx.Graph()
    for places in itertools.product(range(3), repeat=disks):
        rods = [[disk for disk in range(disks, 0, -1) if places[disk - 1] == rod] for rod in range(3)]
        for source, target in itertools.permutations(range(3), 2):
            if rods[source] and (not rods[target] or rods[target][-1] > rods[source][-1]):
                moved = [list(rod) for rod in rods]
                moved[target].append(moved[source].pop())
                graph.add_edge(tuple(map(tuple, rods)), tuple(map(tuple, moved)))
    return graph


@pytest.mark.parametrize("level", LEVELS)
def test_the_recursion_finds_what_a_search_finds(level: int) -> None:
    for seed in range(40):
        state = HANOI.sample(random.Random(seed), level)
        graph = arrangements(sum(map(len, state.start)))
        assert HANOI.solve(state) == str(nx.single_source_shortest_path_length(graph, state.start)[state.end])


def test_the_recursion_on_every_pair_of_four_disks() -> None:
    lengths = dict(nx.all_pairs_shortest_path_length(arrangements(4)))
    for start, ends in lengths.items():
        assert all(HANOI.solve(State(start, end)) == str(moves) for end, moves in ends.items())


def test_a_full_tower_takes_all_the_moves() -> None:
    for disks in range(1, 11):
        tower = tuple(range(disks, 0, -1))
        assert HANOI.solve(State((tower, (), ()), ((), (), tower))) == str(2**disks - 1)


@pytest.mark.parametrize(
    "text",
    [
        "START\nrod 1: 3\nrod 2: 2,1\nrod 3: empty\nEND\nrod 1: none\nrod 2: empty\nrod 3: 3 2 1",
        "Sure! The picture shows:\n**Starting configuration**\n- Left rod: [3]\n- Middle rod: [2, 1]\n- Right rod: []\n\n"
        "**Ending configuration**\n- Left rod: []\n- Middle rod: []\n- Right rod: [3, 2, 1]",
        "End: A: empty, B: empty, C: 3, 2, 1\nStart: A: 3, B: 2, 1, C: empty",
        '{"start_position": [[3], [2, 1], []], "end_position": [[], [], [3, 2, 1]]}',
        "Initially, peg 1 holds disk 3, peg 2 holds disk 2 with disk 1 on it, peg 3 is empty. "
        "In the final picture peg 1 is empty, peg 2 is empty and peg 3 holds 3, 2 and 1.",
        "Start, from top to bottom: rod 1: 3; rod 2: 1, 2; rod 3: no disks. Goal: rod 1: empty; rod 2: empty; rod 3: 1, 2, 3.",
        "Top half: first rod has 1 disk: 3. second rod has 2 disks: 2, 1. third rod is empty.\n"
        "Bottom half: first rod is empty. second rod is empty. third rod has 3 disks: 3, 2, 1.",
    ],
)
def test_reads_free_wording(text: str) -> None:
    assert HANOI.read(text) == SMALL
    assert HANOI.claims(text) == HANOI.facts(SMALL)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("Start, rod 2: 2, 1\n", ""), "start"),
        (("End, rod 1: empty\n", ""), "end"),
        (("End, rod 3: 3, 2, 1", "End, rod 3: 3, 2"), "end"),
        (("Start, rod 1: 3", "Start, rod 1: 2"), "start"),
        (("Start, rod 2: 2, 1", "Start, rod 2: 2, 1\nStart, rod 2: 2"), "start"),
        (("Start", "Picture"), "start"),
    ],
)
def test_missing_or_contradictory_text_is_an_error(change: tuple[str, str], field: str) -> None:
    found = HANOI.read(HANOI.describe(SMALL).replace(*change))
    assert isinstance(found, ReadError)
    assert found.field == field


def test_claims_of_a_part() -> None:
    claims = HANOI.claims("In the start, rod 2: 2, 1. I cannot see the rest.")
    assert claims == {"start, disk 2": "rod 2", "start, disk 1": "rod 2"}
    assert HANOI.claims("Start rod 1: 2\nStart rod 3: 2") == {"start, disk 2": "rod 1 and 3"}
    assert HANOI.claims("no idea") == HANOI.claims("") == {}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (State(((1,), ()), ((), (1,), ())), "start: expected 3 rods, found 2"),
        (State(((1, 2), (), ()), ((), (2, 1), ())), "start: expected every disk of rod 1 on a larger one"),
        (State(((2, 1), (), ()), ((), (2, 2), ())), "end: expected every disk of rod 2"),
        (State(((3, 1), (), ()), ((), (3, 1), ())), "start: expected disks 1 to"),
        (State(((), (), ()), ((), (), ())), "start: expected disks 1 to"),
        (State((tuple(range(11, 0, -1)), (), ()), ((), tuple(range(11, 0, -1)), ())), "start: expected disks 1 to"),
        (State(((2, 1), (), ()), ((), (2,), ())), "end: expected the 2 disks"),
        (State(((2, 1), (), ()), ((2, 1), (), ())), "end: expected another arrangement"),
    ],
)
def test_refuses_impossible_states(state: State, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        HANOI.draw(state, 84)


def test_answers_with_units() -> None:
    assert HANOI.same("4 moves", "4")
    assert HANOI.same("One move", "1")
    assert not HANOI.same("4", "5 moves")


@pytest.mark.parametrize("side", [84, 896])
def test_every_disk_can_be_seen(side: int) -> None:
    """A disk moved to another rod changes the picture there, and nothing else tells the two pictures apart."""
    state = HANOI.sample(random.Random(1), 5)
    pictures = {
        HANOI.draw(State(state.start, end), side).tobytes() for end in itertools.islice(arrangements(7).nodes, 60) if end != state.start
    }
    assert len(pictures) >= 59
