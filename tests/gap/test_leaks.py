"""Captions that give the answer away, and captions that only say what can be seen."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gap.leaks import leak
from bench.puzzle import Puzzle
from tasks.registry import FAMILIES
from tasks.suites import SuiteSpec, load_suite

LEADS = ("", "The picture shows the following.\n", "Here is what I can see:\n\n", "Description\n\n")
DECLARATIONS = (
    "The answer is {text}.",
    "<answer>{letter}</answer>",
    "So the correct answer is {letter}.",
    "\\boxed{{{text}}}",
    "Option {letter} is correct.",
    "**Answer:** {letter}",
    "I choose option {letter}.",
    "{letter}.",
)


@cache
def puzzles(n: int = 6) -> dict[str, list[Puzzle]]:
    suite = load_suite(SuiteSpec.parse(f"algo:n={n},seed=3"))
    return {name: [puzzle for puzzle in suite.puzzles if puzzle.family == name] for name in FAMILIES}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_ground_truth_description_gives_nothing_away(name: str) -> None:
    for puzzle in puzzles()[name]:
        assert [leak(lead + (puzzle.description or ""), puzzle) for lead in LEADS] == [None] * len(LEADS)


@settings(deadline=None)
@given(st.sampled_from(FAMILIES), st.integers(0, 5), st.sampled_from(DECLARATIONS), st.integers(0, 3))
def test_an_answer_stated_as_such_is_found_right_or_wrong(name: str, index: int, form: str, choice: int) -> None:
    puzzle = puzzles()[name][index]
    option = puzzle.options[choice % len(puzzle.options)]
    text = form.format(text=option, letter="ABCD"[puzzle.options.index(option)])
    assert leak(f"{puzzle.description}\n\n{text}", puzzle) == "declared"


@settings(deadline=None)
@given(st.text(max_size=300), st.sampled_from(FAMILIES))
def test_any_text_is_judged_without_an_exception(text: str, name: str) -> None:
    assert leak(text, puzzles()[name][0]) in (None, "declared", "concluded")


def with_answer(name: str, *, shown: bool) -> Puzzle:
    """A puzzle of a family whose answer is (not) a number that the description mentions."""
    return next(p for p in puzzles(20)[name] if (p.answer in (p.description or "").replace(",", " ").split()) == shown)


def test_a_conclusion_is_found_only_where_it_is_right_and_cannot_be_seen() -> None:
    puzzle = with_answer("maze", shown=False)
    wrong = next(option for option in puzzle.options if option != puzzle.answer)
    assert leak(f"{puzzle.description}\nSo at least {puzzle.answer} left turns are needed.", puzzle) == "concluded"
    assert leak(f"{puzzle.description}\nSo at least {wrong} left turns are needed.", puzzle) is None
    assert leak(f"{puzzle.description}\nThere are {puzzle.answer} dark squares near the entry.", puzzle) is None


def test_a_fact_that_can_be_seen_may_be_concluded() -> None:
    puzzle = with_answer("number_slide", shown=True)
    assert leak(f"{puzzle.description}\nSo the last tile would be {puzzle.answer}.", puzzle) is None


@pytest.mark.parametrize(
    "text",
    [
        "The person is right of the box. The box is right next to the wall.",
        "There are 4 kiwis in the first row and 5 in the second, 9 in all.",
        "The correct way to read the grid is row by row.",
        "Three options of colour appear: red, green and blue.",
        "The board must be read from the top; the first row is empty.",
        "A green square, a red square.",
    ],
)
@pytest.mark.parametrize("name", ["move_box", "rotting_kiwi", "maze", "checker_move"])
def test_plain_descriptions_in_free_words_are_left_alone(text: str, name: str) -> None:
    assert all(leak(text, puzzle) is None for puzzle in puzzles()[name])


def test_public_captions_give_nothing_away(shared_data: object) -> None:
    from pathlib import Path

    suite = load_suite(SuiteSpec.parse("puzzlevqa"), data_dir=Path(str(shared_data)) / "PuzzleVQA")
    assert [puzzle.id for puzzle in suite.puzzles if leak(puzzle.description or "", puzzle)] == []
