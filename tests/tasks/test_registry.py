"""Families from outside: registered by name, drawn by a suite of their own name, in no pinned suite."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from bench.errors import UserError
from bench.grader.readback import grade_readback
from tasks import registry
from tasks.family import Family
from tasks.fidelity import fidelity
from tasks.kit.drawing import Canvas
from tasks.kit.notation import Unreadable
from tasks.public.load import PUBLIC_SUITES
from tasks.registry import FAMILIES, SUITE_NAMES, family, known, names, register, same_for
from tasks.suites import GENERATED, SuiteSpec, load_suite


@dataclass(frozen=True, slots=True)
class State:
    """Visible: how many `dots` there are."""

    dots: int
    query: None = None


class Dots(Family[State]):
    """Dots to be counted: the smallest family that a plug-in could bring. It is in no public set."""

    name = "dots"
    title = "dots in a row"
    state_type = State

    def sample(self, rng: random.Random, level: int) -> State:
        return State(rng.randint(1, 40 * level))

    def check(self, state: State) -> None:
        if not 1 <= state.dots <= 300:
            raise ValueError(f"dots: expected 1 to 300, found {state.dots}")

    def paint(self, state: State, side: int) -> Image.Image:
        canvas = Canvas(side)
        for index in range(state.dots):
            row, column = divmod(index, 20)
            canvas.disk(40 + 42 * column, 40 + 42 * row, 12, (0, 0, 0))
        return canvas.image

    def ask(self, state: State) -> str:
        return "How many dots are there?"

    def solve(self, state: State) -> str:
        return str(state.dots)

    def distractors(self, state: State) -> Sequence[str]:
        return [str(state.dots + step) for step in (1, 2, 3)]

    def describe(self, state: State) -> str:
        return f"Dots: {state.dots}"

    def parse(self, text: str) -> State:
        _, found, number = text.partition("dots: ")
        if not found or not number.strip().isdigit():
            raise Unreadable("dots", "expected a number of dots")
        return State(int(number))

    def facts(self, state: State) -> Mapping[str, str]:
        return {"dots": str(state.dots)}


class OtherClock(Dots):
    name = "clock"


class AlgoNamed(Dots):
    name = "algo"


class Misnamed(Dots):
    name = "My Dots"


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", {})


def test_a_registered_family_is_found_by_name_and_in_no_pinned_suite() -> None:
    register(Dots)
    assert known("dots")
    assert family("dots").title == "dots in a row"
    assert names() == (*FAMILIES, "dots")
    assert same_for("dots")("five", "5")
    assert len(FAMILIES) == 18
    assert "dots" not in FAMILIES
    assert all("dots" not in made.families for made in GENERATED.values())
    with pytest.raises(UserError, match=r"suite algo has no family 'dots'.*--suite dots"):
        load_suite(SuiteSpec.parse("algo:n=1"), families=["dots"])


@pytest.mark.parametrize("words", ["dots:n=4,level=2", "algo:families=dots,n=4,level=2", "algo:families=clock+dots,n=4,level=2"])
def test_a_registered_family_is_asked_by_name_in_suites(words: str) -> None:
    register(Dots())
    suite = load_suite(SuiteSpec.parse(words))
    made = [puzzle for puzzle in suite.puzzles if puzzle.family == "dots"]
    assert len(made) == 4
    assert {puzzle.level for puzzle in made} == {2}
    assert all(puzzle.sufficient and puzzle.image.info.width == 896 for puzzle in made)
    assert [puzzle.family for puzzle in suite.puzzles] == sorted(puzzle.family for puzzle in suite.puzzles)
    assert grade_readback(f"Dots: {made[0].answer}", made[0]).answer == made[0].answer
    found = fidelity("Dots: 3", made[0])
    assert found is not None


def test_every_family_is_a_suite_of_its_own_name() -> None:
    suite = load_suite(SuiteSpec.parse("clock:seed=3,n=2"))
    assert [puzzle.family for puzzle in suite.puzzles] == ["clock", "clock"]
    assert suite.name == "clock"
    assert suite.puzzles[0].id.startswith("clock/clock/")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (Dots, "family 'dots' exists already: choose another name, or register it with override=True"),
        (OtherClock, "family 'clock' exists already"),
        (AlgoNamed, "family name 'algo' is the name of a suite"),
        (Misnamed, "expected lower-case letters, digits and underscores, found 'My Dots' in Misnamed"),
        ("dots", "expected to be a subclass of tasks.family.Family, found 'dots'"),
        (dict, "expected to be a subclass of tasks.family.Family"),
    ],
)
def test_what_cannot_be_registered_is_one_line(made: Any, message: str) -> None:
    register(Dots)
    with pytest.raises(UserError, match=message) as caught:
        register(made)
    assert "\n" not in str(caught.value)
    assert family("clock").title == "analog clock"


def test_a_family_can_be_replaced_on_purpose() -> None:
    register(OtherClock, override=True)
    assert family("clock").title == "dots in a row"
    assert names() == FAMILIES


def test_a_family_of_no_public_set_says_so() -> None:
    with pytest.raises(ValueError, match="dots has no rows in a public set"):
        Dots().from_public({})


@pytest.mark.parametrize("words", ["algo:families=clock+nothing", "algo:families=", "algo:families=clock+clock", "nothing", "algo:color=1"])
def test_unknown_words_of_a_suite_are_a_users_mistake(words: str) -> None:
    with pytest.raises(UserError):
        SuiteSpec.parse(words)


def test_the_names_of_suites_are_those_that_no_family_may_take() -> None:
    assert set(SUITE_NAMES) == {"algo", "mini", *PUBLIC_SUITES}
