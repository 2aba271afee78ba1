"""The simulated model: its rates are what they say, whatever the order and the process."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from bench.errors import UserError
from bench.grader.grade import grade
from bench.image import ImageLimits, fit
from bench.models.base import Hidden, Purpose, Request, Sampling
from bench.models.simulated import Simulated
from bench.outcome import Format, Outcome
from bench.puzzle import Puzzle
from tasks.registry import family
from tasks.suites import SuiteSpec, load_suite

N = 1500


@pytest.fixture(scope="module")
def puzzle() -> Puzzle:
    return load_suite(SuiteSpec.parse("mini:n=1"), families=["clock"]).puzzles[0]


def ask(model: Simulated, puzzle: Puzzle, mode: str, replicate: int, *, fmt: Format = Format.MCQ, evidence: str | None = None) -> str:
    purpose = {"caption": Purpose.CAPTION, "readback": Purpose.READBACK}.get(mode, Purpose.SOLVE)
    if mode == "told":
        mode = "caption"
    shown = mode in ("image", "readback") or purpose is Purpose.CAPTION
    options = puzzle.options if fmt is Format.MCQ else ()
    hidden = Hidden(puzzle, purpose, mode, options, evidence)
    picture = fit(puzzle.image, ImageLimits()) if shown else None
    return asyncio.run(model.ask(Request("?", picture, Sampling(), replicate, hidden))).text


def share(model: Simulated, puzzle: Puzzle, mode: str, **more: Any) -> float:
    fmt = more.get("fmt", Format.MCQ)
    right = 0
    for replicate in range(N):
        verdict = grade(ask(model, puzzle, mode, replicate, **more), puzzle, fmt=fmt)
        assert verdict.outcome in (Outcome.CORRECT, Outcome.WRONG), verdict
        right += verdict.outcome is Outcome.CORRECT
    return right / N


@pytest.mark.parametrize("fmt", list(Format))
def test_rates_are_as_promised(puzzle: Puzzle, fmt: Format) -> None:
    model = Simulated.from_name("sim/p=0.6,r=0.9,c=0.8,seed=3")
    g, told = 0.25, puzzle.description
    for mode, evidence, rate in (
        ("image", None, g + (1 - g) * 0.6 * 0.9),
        ("oracle", told, g + (1 - g) * 0.9),
        ("blind", None, g),
        ("told", "Current time: 1:01, I think", g),
    ):
        found = share(model, puzzle, mode, fmt=fmt, evidence=evidence)
        assert abs(found - rate) < 4 * math.sqrt(rate * (1 - rate) / N), mode


def test_captions_are_right_with_rate_c_and_notations_with_rate_p(puzzle: Puzzle) -> None:
    model = Simulated.from_name("sim/p=0.3,r=0.9,c=0.8")
    made = family("clock")
    assert puzzle.state is not None
    truth = made.visible(made.load(puzzle.state))
    for mode, rate in (("caption", 0.8), ("readback", 0.3)):
        found = sum(made.read(ask(model, puzzle, mode, i)) == truth for i in range(N)) / N
        assert abs(found - rate) < 4 * math.sqrt(rate * (1 - rate) / N)


def test_it_reads_another_captioners_words(puzzle: Puzzle) -> None:
    model = Simulated.from_name("sim/p=0,r=1")
    assert puzzle.description is not None
    time = puzzle.description.split(": ")[1]
    assert share(model, puzzle, "told", evidence=f"On the wall hangs a clock. The TIME it shows is **{time}**.") == 1


def test_the_same_request_gets_the_same_reply_and_another_seed_another(puzzle: Puzzle) -> None:
    one, same, other = (Simulated.from_name(f"sim/p=0.5,r=0.5,seed={seed}") for seed in (1, 1, 2))
    replies = [[ask(model, puzzle, "image", i) for i in range(40)] for model in (one, same, other)]
    assert replies[0] == replies[1] != replies[2]


def test_answers_are_worded_in_many_ways(puzzle: Puzzle) -> None:
    model = Simulated.from_name("sim/p=1,r=1")
    assert len({ask(model, puzzle, "image", i) for i in range(200)}) >= 8


@pytest.mark.parametrize("name", ["sim/", "sim/p=1", "sim/p=1,r=x", "sim/p=1,r=1,q=1", "sim/p=-1,r=1", "sim/p=1,r=1,seed=1.5"])
def test_a_wrong_name_is_a_mistake(name: str) -> None:
    with pytest.raises(UserError, match="simulated model"):
        Simulated.from_name(name)
