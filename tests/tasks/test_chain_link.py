"""Chain links: public rows, refused states, free wordings, the authors' steps, and two other solvers.

One searches all ways to cut, middles of runs included. The other knows nothing of runs and cuts: it tries every set of pieces to open and
every order around the necklace, and asks only whether each two neighbours are linked already or one of them is open.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path

import pytest

from tasks.families.chain_link import ChainLink, Query, State
from tasks.family import LEVELS, ReadError
from tests.tasks.public_data import rows

FAMILY = ChainLink()
CHAIN = State(2, (1, 1, 4))
ASKED = replace(CHAIN, query=Query(cut=5, weld=3, open=2, segments=5, pieces=8))
WORDINGS = (
    "Sure! There are two open pieces. Closed segments: 4, 1, 1.",
    "**Closed segments, pieces in each:** [1, 1, 4]\n**Open single pieces:** 2",
    "2 segments each with 1 open piece; two segments of 1 piece and one closed segment with 4 pieces.",
    "TWO OPEN RINGS, TWO SINGLE CLOSED PIECES, 1 CHAIN OF FOUR LINKS",
    "Open: 2\nLengths of the closed segments: 1, 4 and 1",
    "closed = 1 + 1 + 4\nopen = 2",
)
UNREADABLE = (
    ("open", "Closed segments: 1, 1, 4"),
    ("lengths", "Open pieces: 2"),
    ("lengths", "Open pieces: 2\nClosed segments: none"),
    ("open", "Open pieces: 2. Open pieces: 3. Closed segments: 1, 1, 4"),
    ("lengths", "Open pieces: 2. Closed segments: 1, 1, 4. Closed segments: 1, 4."),
    ("lengths", "Open pieces: 2. Two segments of 3 pieces, one segment of 3 pieces."),
    ("lengths", "Open pieces: 2. Closed segments: 1, 40."),
    ("open", "Eine Kette."),
)


def cuts_by_search(state: State) -> int:
    """The fewest cuts, breadth first over (open pieces, multiset of runs); a cut may hit any piece of any run."""
    layer, cuts = {(state.open, tuple(sorted(state.lengths)))}, 0
    while all(opened < len(runs) for opened, runs in layer):
        layer = {(opened + 1, after) for opened, runs in layer for after in _after_a_cut(runs)}
        cuts += 1
    return cuts


def _after_a_cut(runs: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for index, length in enumerate(runs):
        if index and runs[index - 1] == length:
            continue
        for left in range((length + 1) // 2):
            parts = [part for part in (left, length - 1 - left) if part]
            yield tuple(sorted([*runs[:index], *runs[index + 1 :], *parts]))


def opened_by_definition(state: State) -> int:
    """The fewest pieces to cut so that some circular order of all pieces is a necklace, straight from what the question says."""
    pieces = [("open", 0)] * state.open
    linked: set[tuple[int, int]] = set()
    for length in state.lengths:
        start = len(pieces)
        pieces += [("closed", length)] * length
        linked |= {(i, i + 1) for i in range(start, start + length - 1)}
    closed = range(state.open, len(pieces))
    for count in range(len(pieces) + 1):
        for cut in combinations(closed, count):
            if _necklace({*range(state.open), *cut}, len(pieces), linked):
                return count
    raise AssertionError("every piece open is always enough")


def _necklace(opened: set[int], pieces: int, linked: set[tuple[int, int]]) -> bool:
    """Whether a circular order exists in which neighbours are linked or one is open, and no link between closed pieces is given up."""
    kept = {(a, b) for a, b in linked if a not in opened and b not in opened}

    def joint(a: int, b: int) -> bool:
        return a in opened or b in opened or (a, b) in kept or (b, a) in kept

    for order in permutations(range(1, pieces)):
        ring = (0, *order)
        pairs = list(zip(ring, (*ring[1:], ring[0]), strict=True))
        if all(joint(a, b) for a, b in pairs) and kept <= {pair for a, b in pairs for pair in ((a, b), (b, a))}:
            return True
    return False


def cuts_of(state: State) -> int:
    """The cuts in the answer: with a cut of 1,000 minutes and a weld of 1 they can be read off."""
    query = Query(1000, 1, state.open, state.open + len(state.lengths), state.open + sum(state.lengths))
    cuts, welds = divmod(int(FAMILY.solve(replace(state, query=query))), 1000)
    assert welds == state.open + cuts, "every open piece is welded once"
    return cuts


@pytest.mark.parametrize("level", LEVELS)
def test_search_agrees(level: int) -> None:
    for seed in range(25):
        state = FAMILY.sample(random.Random(seed), level)
        assert cuts_of(state) == cuts_by_search(state), state


def _small(pieces: int) -> Iterator[State]:
    for opened in range(4):
        yield from (State(opened, runs) for runs in _partitions(pieces - opened, 1) if runs)


def _partitions(total: int, least: int) -> Iterator[tuple[int, ...]]:
    if total == 0:
        yield ()
    for first in range(least, total + 1):
        yield from ((first, *rest) for rest in _partitions(total - first, first))


def test_the_definition_agrees_on_every_small_chain() -> None:
    states = [state for pieces in (3, 4, 5, 6, 7) for state in _small(pieces)]
    assert len(states) > 90
    for state in states:
        FAMILY.check(state)
        assert cuts_of(state) == opened_by_definition(state) == cuts_by_search(state), state


def test_the_authors_steps(shared_data: Path) -> None:
    """The authors take pieces off the end of the shortest run until there are enough."""
    for row in rows(shared_data, "chain_link"):
        state, steps = FAMILY.from_public(row), row["solution"]["steps"]
        assert cuts_by_search(state) == row["solution"]["cuts"] == cuts_of(state)
        assert [_from_the_shortest(state, done, len(steps[0])) for done in range(len(steps))] == steps


def _from_the_shortest(state: State, cuts: int, width: int) -> list[int]:
    runs = Counter(state.lengths)
    for _ in range(cuts):
        shortest = min(+runs)
        runs[shortest] -= 1
        runs[shortest - 1] += shortest > 1
    return [state.open + cuts, *(runs[length] for length in range(1, width))]


def test_public_row_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^steps: "):
        FAMILY.from_public({"solution": {"steps": [], "each_cut_time": 5, "each_join_time": 2}})


@pytest.mark.parametrize("text", WORDINGS)
def test_free_wordings_are_read(text: str) -> None:
    assert FAMILY.read(text) == CHAIN
    assert FAMILY.claims(text) == FAMILY.facts(CHAIN)


@pytest.mark.parametrize(("field", "text"), UNREADABLE)
def test_what_is_missing_is_named(field: str, text: str) -> None:
    error = FAMILY.read(text)
    assert isinstance(error, ReadError)
    assert error.field == field


def test_no_open_pieces_must_be_said() -> None:
    assert FAMILY.read("There are no open pieces. Closed segments: 3, 4") == State(0, (3, 4))


@pytest.mark.parametrize(
    ("field", "state"),
    [
        ("open", replace(CHAIN, open=-1)),
        ("lengths", replace(CHAIN, lengths=())),
        ("lengths", replace(CHAIN, lengths=(2,) * 23)),
        ("lengths", replace(CHAIN, lengths=(4, 1))),
        ("lengths", replace(CHAIN, lengths=(0, 4))),
        ("lengths", replace(CHAIN, lengths=(1, 10))),
        ("lengths", State(0, (1, 1))),
        ("query", replace(CHAIN, query=Query(0, 3, 2, 5, 8))),
        ("query", replace(CHAIN, query=Query(5, 3, 2, 5, 9))),
    ],
)
def test_impossible_states_are_refused(field: str, state: State) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        FAMILY.draw(state, 84)


def test_no_question_without_a_query() -> None:
    with pytest.raises(ValueError, match=r"^query: "):
        FAMILY.ask(CHAIN)
    assert FAMILY.solve(ASKED) == "14"  # one cut of 5 minutes, three welds of 3


def test_minutes_may_be_named() -> None:
    assert FAMILY.same("14 minutes", "14")
    assert not FAMILY.same("14 hours", "14")
