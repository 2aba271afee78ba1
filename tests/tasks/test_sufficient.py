"""A generated puzzle is marked sufficient only where the exact solver finds the answer from its description."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.families.clock import Clock
from tasks.registry import FAMILIES
from tasks.suites import SuiteSpec, load_suite


@pytest.mark.parametrize("name", FAMILIES)
def test_every_generated_description_suffices(name: str) -> None:
    assert all(puzzle.sufficient for puzzle in load_suite(SuiteSpec.parse("algo:n=5,seed=11"), families=[name]).puzzles)


@pytest.mark.parametrize("description", ["A clock.", "Current time: 1:02"])
def test_a_description_that_says_too_little_or_something_else_does_not(monkeypatch: pytest.MonkeyPatch, description: str) -> None:
    def describe(self: Clock, state: Any) -> str:
        return description

    monkeypatch.setattr(Clock, "describe", describe)
    made = load_suite(SuiteSpec.parse("mini:n=3"), families=["clock"]).puzzles
    assert [puzzle.sufficient for puzzle in made] == [False] * 3
