"""Options that tell nothing: exchangeable by construction, even over a level, and the check that finds those that are not."""

from __future__ import annotations

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from bench.puzzle import Puzzle
from tasks.family import LEVELS
from tasks.options import OPTIONS, Balance, draw_options, kind_key
from tasks.registry import FAMILIES, family
from tasks.suites import SuiteSpec, load_suite
from tasks.tools.answers import PATH, STATES, counted, needs_counting
from tasks.tools.findings import Code
from tasks.tools.guessing import FOLDS, guess
from tasks.tools.linter import lint
from tests.tasks.test_linter import puzzle
from tests.tasks.test_registry import Dots, State


class Skewed(Dots):
    """One dot in half of all pictures, then fewer and fewer with more dots; the question always the same."""

    def sample(self, rng: random.Random, level: int) -> State:
        return State(1 + min(7, int(rng.expovariate(0.7))))

    def chances(self, state: State, rng: random.Random, level: int) -> Mapping[str, float] | None:
        return None if level == 2 else Counter(self.solve(self.sample(rng, level)) for _ in range(400))


@pytest.mark.parametrize("level", [1, 2])
def test_each_option_is_right_equally_often_whatever_its_value(level: int) -> None:
    """The property itself, on a family whose answers are as uneven as they come; level 2 counts on states that are sampled on the spot."""
    made, rng = Skewed(), random.Random(1)
    excess, offered, ranks = defaultdict[str, float](float), Counter[str](), Counter[tuple[int, int]]()
    for _ in range(8000):
        state = made.sample(rng, level)
        options = draw_options(made, state, made.solve(state), level=level, rng=rng)
        if options is None or len(options) < 3:
            continue
        for option in options:
            excess[option] += (option == made.solve(state)) - 1 / len(options)
        offered.update(options)
        ranks[len(options), sorted(options).index(made.solve(state))] += 1
    assert sum(offered.values()) > 1000
    for value, count in offered.items():
        if count > 150:
            assert abs(excess[value] / count) < 0.07, value
    for size in {size for size, _ in ranks}:
        assert chisquare([ranks[size, rank] for rank in range(size)]).pvalue > 1e-3


def test_a_question_with_one_answer_is_given_up() -> None:
    class Same(Dots):
        def sample(self, rng: random.Random, level: int) -> State:
            return State(5)

    made, rng = Same(), random.Random(0)
    assert draw_options(made, State(5), "5", level=1, rng=rng) is None


def test_an_answer_that_ran_out_is_no_longer_offered() -> None:
    balance = Balance()
    for _ in range(30):
        balance.add(["1", "2", "3", "4"], "1")
    weights = balance.weighted({"1": 1.0, "4": 1.0, "9": 1.0})
    assert weights["4"] < 0.2 < weights["9"] == 1.0 < weights["1"]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_options_of_every_family_tell_little(name: str) -> None:
    """A quick version of tests.benchmarks.bench_leaks, which asks 500 puzzles a family: the mean guess is what is stable here."""
    puzzles = load_suite(SuiteSpec.parse("algo:n=60,seed=5"), families=[name]).puzzles
    assert all(2 <= len(p.options) <= OPTIONS and p.answer in p.options and len(set(p.options)) == len(p.options) for p in puzzles)
    found = guess(puzzles)
    assert found is not None
    assert found.p > 1e-4
    positions = Counter((len(p.options), p.options.index(p.answer)) for p in puzzles)
    assert max(positions.values()) < 0.8 * len(puzzles)


@pytest.mark.parametrize("name", [name for name in FAMILIES if needs_counting(name)])
def test_the_counted_answers_are_those_of_the_families(name: str) -> None:
    """A fresh count of another seed fits the file: run `python -m tasks.tools.answers NAME` where it does not."""
    table = json.loads(PATH.read_text())[name]
    assert set(table) == {str(level) for level in LEVELS}
    assert all(sum(sum(answers.values()) for answers in table[level].values()) == STATES for level in table)
    level = 2
    fresh, filed = Counter[str](), Counter[str]()
    for answers in counted(name, level, 300, seed=1).values():
        fresh.update(answers)
    for answers in table[str(level)].values():
        filed.update(answers)
    expected = np.array([300 * filed[answer] / STATES for answer in sorted(filed) if filed[answer] > 60])
    observed = np.array([fresh[answer] for answer in sorted(filed) if filed[answer] > 60])
    assert chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-4
    state = family(name).sample(random.Random("answers 0 2 0"), 2)
    assert kind_key(name, state) in table["2"]


@given(st.integers(0, 10_000), st.sampled_from(LEVELS))
def test_a_wheel_never_comes_back_to_where_it_started(seed: int, level: int) -> None:
    state = family("wheel_of_fortune").sample(random.Random(seed), level)
    query = state.query
    assert query.amount * (360 if query.unit == "rotations" else 1) % 360 != 0


def test_the_two_checkers_differ_for_eyes_that_see_no_red_and_green() -> None:
    """Deuteranopia and protanopia after Machado, Oliveira and Fernandes (2009), on linear light: lightness and form tell them apart."""
    sight = (
        np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
        np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    )
    for edition, apart in ((1, False), (2, True)):
        made = family("checker_move", edition)
        picture = np.asarray(made.draw(made.read("Start: G _ R\nEnd: _ G R"), 896)) / 255
        for matrix in sight:
            seen = np.clip(np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4) @ matrix.T, 0, 1)
            light = seen @ np.array([0.2126, 0.7152, 0.0722])
            green, red = (light[176, left : left + 120] for left in (212, 564))  # the width of the disks and no more
            assert (np.max(red) > 3 * np.max(green)) == apart, edition
            assert (np.ptp(red) > 0.5) == apart
            assert np.ptp(green) < 0.02


# -- the check ---------------------------------------------------------------------------------------------------------------------------
def leaky(count: int, trick: str) -> list[Puzzle]:
    rng = random.Random(3)
    made: list[Puzzle] = []
    for index in range(count):
        values = rng.sample(range(10, 90), 4)
        answer = {"smallest": min(values), "commonest": 7, "even": 2 * values[0], "none": values[0]}[trick]
        wrong = [2 * value + 1 for value in values[1:]] if trick == "even" else [value for value in values if value != answer][:3]
        options = [str(answer), *map(str, wrong)]
        rng.shuffle(options)
        made.append(replace(puzzle(index), options=tuple(options), answer=str(answer), family="odd_family", sufficient=True))
    return made


@pytest.mark.parametrize("trick", ["smallest", "commonest", "even"])
def test_lint_finds_answers_that_the_options_give_away(trick: str) -> None:
    report = lint(leaky(150, trick))
    (finding,) = [found for found in report.findings if found.code is Code.GUESSABLE]
    assert "who sees question and options alone is right in" in finding.message
    assert finding.p is not None
    assert finding.p < 1e-6
    assert report.guesses["odd_family"].trained > 0.8
    assert report.to_json()["families"]["odd_family"]["guessed_without_picture"] > 0.8


def test_lint_is_silent_where_nothing_is_given_away() -> None:
    assert Code.GUESSABLE not in [found.code for found in lint(leaky(150, "none")).findings]
    assert guess(leaky(2 * FOLDS - 1, "none")) is None


def test_many_rows_on_one_picture_are_linted_in_time() -> None:
    image = puzzle().image
    rows = [replace(puzzle(index), image=image, question=f"Question {index % 3}?") for index in range(2000)]
    start = time.process_time()
    report = lint(rows)
    assert time.process_time() - start < 20
    repeats = next(found for found in report.findings if found.code is Code.DUPLICATE_PUZZLE)
    assert repeats.message.startswith("1997 of 2000")


def test_the_gravest_repeat_is_named() -> None:
    image = puzzle().image
    answers = ("20", "20", "11", "20", "12")
    rows = [replace(puzzle(index), image=image, question="One?", answer=answer) for index, answer in enumerate(answers)]
    found = {finding.code: finding for finding in lint(rows).findings}
    assert len(found[Code.DUPLICATE_PUZZLE].puzzles) == 1
    assert len(found[Code.CONTRADICTION].puzzles) == 3
