"""What a reply says of a picture before it reasons."""

from __future__ import annotations

import pytest

from bench.gap.perception import described
from bench.puzzle import Puzzle
from bench.train.tiny.lessons import GLANCE, GUESS
from bench.train.tiny.rationales import rationale
from tasks.fidelity import fidelity
from tasks.suites import SuiteSpec, load_suite

PUZZLES = load_suite(SuiteSpec.parse("mini:n=8,seed=3")).puzzles


@pytest.mark.parametrize("puzzle", PUZZLES, ids=lambda puzzle: f"{puzzle.family}-{puzzle.seed}")
def test_a_description_is_found_before_the_reasoning(puzzle: Puzzle) -> None:
    text = f"{puzzle.description}\n{rationale(puzzle)}\n<answer>{puzzle.answer}</answer>"
    match = fidelity(described(text, puzzle.family), puzzle)
    assert match is not None
    assert match.recall == 1.0
    assert match.recovered


@pytest.mark.parametrize("text", ["", f"{GLANCE}\n{GUESS}\n<answer>3</answer>", "x" * 100_000, "\n" * 500])
def test_what_describes_nothing_stays_as_it_is(text: str) -> None:
    for family in ("n_queens", "rotting_kiwi", "sudoku"):
        assert described(text, family) == text


def test_a_wrong_description_is_read_as_it_stands() -> None:
    queens = [puzzle for puzzle in PUZZLES if puzzle.family == "n_queens"]
    text = f"{queens[1].description}\n{rationale(queens[1])}"
    match = fidelity(described(text, "n_queens"), queens[0])
    assert match is not None
    assert 0 < match.recall < 1
