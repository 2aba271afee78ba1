"""Rationales: the answer of every family follows from the last step that is written; lessons show what their kind shows."""

from __future__ import annotations

import random
import re

import pytest

from bench.puzzle import Puzzle
from bench.train.rewards import REWARDS, score
from bench.train.tiny.lessons import KINDS, STYLES, lesson, reply
from bench.train.tiny.rationales import FAMILIES, rationale
from tasks.registry import family
from tasks.suites import MINI_FAMILIES, SuiteSpec, load_suite

PUZZLES = load_suite(SuiteSpec.parse("mini:n=16,seed=3,split=train")).puzzles
HARD = [p for level in (3, 4) for p in load_suite(SuiteSpec.parse(f"algo:n=3,seed=3,level={level}")).puzzles if p.family in FAMILIES]


def name(puzzle: Puzzle) -> str:
    return f"{puzzle.family}-{puzzle.level}-{puzzle.seed}"


def told(puzzle: Puzzle, text: str) -> str:
    """The answer that the steps of `text` lead to, read without the code that wrote them."""
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if puzzle.family == "clock":
        return re.findall(r"\d+:\d\d", text)[-1]
    if puzzle.family in ("checker_move", "tower_of_hanoi", "water_jugs", "rotting_kiwi"):
        return re.findall(r"(?:Move|Step|Minute) (\d+):", text)[-1]
    if puzzle.family == "maze" and "turns" in text:
        return re.findall(r"turns (\d+)", text)[-1]
    if puzzle.family == "number_slide" and re.search(r"(maximum|minimum) number", puzzle.question):
        line = [int(number) for number in re.findall(r"\d+", text.rpartition(" is ")[2])]
        return str(max(line) if "maximum number" in puzzle.question else min(line))
    return str(numbers[-1])


def test_every_family_of_mini_has_rationales() -> None:
    assert set(FAMILIES) == set(MINI_FAMILIES)


@pytest.mark.parametrize("puzzle", [*PUZZLES, *HARD], ids=name)
def test_the_answer_follows_from_the_steps(puzzle: Puzzle) -> None:
    assert family(puzzle.family).same(told(puzzle, rationale(puzzle)), puzzle.answer)


def test_a_family_without_rationale_is_refused() -> None:
    puzzle = load_suite(SuiteSpec.parse("algo:n=1"), families=["calendar"]).puzzles[0]
    with pytest.raises(ValueError, match="calendar"):
        rationale(puzzle)


@pytest.mark.parametrize("style", STYLES)
def test_the_replies_taught_earn_what_the_reward_can_pay(style: str) -> None:
    """The answer counts as right, every tag is found, and a described picture is seen whole."""
    for puzzle in PUZZLES[::5]:
        taught = reply(style, puzzle.description or "", rationale(puzzle), puzzle.answer)
        scored = score(style, taught, family=puzzle.family, answer=puzzle.answer, state=puzzle.state)
        assert scored is not None
        assert scored["answer"] == 1.0, taught
        assert all(scored[tag] > 0 for tag in REWARDS[style].weights), taught
        assert scored.get("seen", 1.0) == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_lessons_show_what_their_kind_shows(kind: str) -> None:
    for puzzle in PUZZLES[::7]:
        taught = lesson(puzzle, kind, random.Random(puzzle.seed))
        description = puzzle.description or ""
        assert taught.picture == (kind in ("seen", "solved", "both", "rewarded", "glanced"))
        assert (description in taught.prompt) == (kind in ("read", "both"))
        if kind != "glanced":
            assert (f"<answer>{puzzle.answer}</answer>" in taught.reply) == (kind != "seen")
        assert (description in taught.reply) == (kind in ("seen", "solved", "rewarded"))


def test_a_glance_guesses_among_the_options() -> None:
    puzzle = next(puzzle for puzzle in PUZZLES if puzzle.family == "n_queens")
    rng = random.Random(0)
    said = [re.findall(r"<answer>(.*)</answer>", lesson(puzzle, "glanced", rng).reply) for _ in range(200)]
    assert {answer for (answer,) in said} == set(puzzle.options)
    assert sum(answer == puzzle.answer for (answer,) in said) == pytest.approx(200 / len(puzzle.options), abs=25)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        lesson(PUZZLES[0], "dreamed", random.Random(0))
