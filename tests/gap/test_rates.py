"""The rates of the independence model: closed forms, coverage, identifiability, and what readback and a second model add."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.gap.changes import rate_changes
from bench.gap.perception import disagreement
from bench.gap.rates import ALL_GUESSED, NO_ROOM, estimate, ratio_interval

Floats = NDArray[np.float64]
G = 0.25


def arms(rng: np.random.Generator, n: int, p: float, r: float, *, g: float = G, m: int = 1, known: bool = False) -> tuple[Floats, Floats]:
    """Sums and counts of image, oracle and guess under the independence model."""

    def right(rate: float) -> Floats:
        return ((rng.random((n, m)) < rate) | (rng.random((n, m)) < g)).sum(1).astype(np.float64)

    guess = np.full(n, m * g) if known else right(0.0)
    return np.column_stack([right(p * r), right(r), guess]), np.full(n, float(m))


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(("n", "p", "r"), [(900, 0.6, 0.9), (100, 0.95, 0.98), (60, 0.6, 0.9)])
def test_intervals_cover_what_they_promise(n: int, p: float, r: float, known: bool) -> None:
    rng, runs, hits = np.random.default_rng(5), 200, np.zeros(2)
    bias = np.zeros(2)
    for seed in range(runs):
        found = estimate(*arms(rng, n, p, r, known=known), seed=seed, guess_known=known, resamples=500)
        assert found is not None
        for index, (one, truth) in enumerate(((found.perception, p), (found.reasoning, r))):
            assert one.value is not None
            assert one.interval is not None
            hits[index] += one.interval[0] <= truth <= one.interval[1]
            bias[index] += (one.value - truth) / runs
    # a 95% interval covers at least 178 times of 200 with chance 0.999, and Wilson's at 1.5% of 100 is one of 93.4% (it is discrete)
    assert (hits >= 176).all(), hits
    assert (np.abs(bias) < (0.01 if n == 900 else 0.03)).all(), bias


def test_where_all_answers_are_right_the_interval_still_has_a_width() -> None:
    n = 50
    sums = np.column_stack([np.ones(n), np.ones(n), np.arange(n) % 4 == 0])
    found = estimate(sums, np.ones(n), seed=1)
    assert found is not None
    assert found.reasoning.value == 1
    assert found.reasoning.interval is not None
    assert found.reasoning.interval[0] < 0.93
    assert found.reasoning.method == "score"


def test_what_is_not_identifiable_gets_a_reason_and_no_number() -> None:
    n = 200
    alternating = (np.arange(n) % 2).astype(np.float64)
    no_room = estimate(np.column_stack([alternating, alternating, alternating]), np.ones(n), seed=1)
    assert no_room is not None
    assert (no_room.perception.value, no_room.perception.why) == (None, NO_ROOM)
    assert no_room.reasoning.value == pytest.approx(0.0)
    guessed = estimate(np.column_stack([np.ones(n), np.ones(n), np.arange(n) > 3]), np.ones(n), seed=1)
    assert guessed is not None
    assert guessed.perception.why == guessed.reasoning.why == ALL_GUESSED
    few = estimate(np.column_stack([np.ones(8), np.ones(8), np.zeros(8)]), np.ones(8), seed=1)
    assert few is not None
    assert "too few puzzles (8)" in few.perception.why
    assert estimate(np.zeros((3, 3)), np.zeros(3), seed=1) is None


def test_a_description_worse_than_guessing_is_not_clipped() -> None:
    n = 400
    oracle, guess = np.arange(n) % 5 == 0, np.arange(n) % 2 == 0
    found = estimate(np.column_stack([oracle, oracle, guess]), np.ones(n), seed=1)
    assert found is not None
    assert found.reasoning.value == pytest.approx((0.2 - 0.5) / 0.5)
    assert found.perception.value is None


@given(
    a=st.floats(-0.5, 0.9),
    b=st.floats(0.3, 0.9),
    da=st.floats(0.001, 0.2),
    db=st.floats(0.001, 0.2),
    correlation=st.floats(-0.9, 0.9),
)
def test_the_ratio_interval_is_fiellers_where_its_parts_are_symmetric(a: float, b: float, da: float, db: float, correlation: float) -> None:
    found = ratio_interval((a, a - da, a + da), (b, b - db, b + db), correlation)
    assert found is not None
    assert found[0] <= a / b <= found[1]
    for bound in found:  # Fieller (1954): (a - R b)^2 = var(a - R b)
        variance = da**2 + (bound * db) ** 2 - 2 * correlation * bound * da * db
        assert (a - bound * b) ** 2 == pytest.approx(variance, rel=1e-6, abs=1e-9)


def test_a_denominator_that_may_be_zero_has_no_interval() -> None:
    assert ratio_interval((0.3, 0.2, 0.4), (0.1, -0.01, 0.2), 0.0) is None


@settings(max_examples=40, deadline=None)
@given(data=st.data(), n=st.integers(1, 40), m=st.integers(1, 4))
def test_any_outcomes_give_finite_numbers_or_a_reason(data: st.DataObject, n: int, m: int) -> None:
    rows = data.draw(st.lists(st.tuples(*[st.integers(0, m)] * 3), min_size=n, max_size=n))
    found = estimate(np.array(rows), np.full(n, m), seed=0, resamples=200)
    assert found is not None
    for one in (found.perception, found.reasoning):
        if one.value is None:
            assert one.why
            assert one.interval is None
        else:
            assert one.interval is not None
            assert all(map(math.isfinite, (one.value, *one.interval)))
            assert one.interval[0] <= one.value + 1e-9
            assert one.value <= one.interval[1] + 1e-9


@pytest.mark.parametrize(("p", "r", "sides"), [(0.8, 0.8, [True, False]), (0.5, 0.98, [False, True])])
def test_an_improvement_is_put_down_to_the_right_side(p: float, r: float, sides: list[bool]) -> None:
    rng, right = np.random.default_rng(7), 0
    for seed in range(60):
        old, new = arms(rng, 900, 0.5, 0.8), arms(rng, 900, p, r)
        found = rate_changes(old, new, seed=seed, resamples=400)
        right += [one.interval is not None and one.interval[0] > 0 for one in found] == sides
    assert right >= 54


def test_two_equal_models_differ_by_exactly_nothing() -> None:
    one = arms(np.random.default_rng(1), 300, 0.6, 0.8)
    for change in rate_changes(one, one, seed=3):
        assert change.value == 0
        assert change.interval == (0, 0)


def test_readback_reveals_failures_that_are_not_independent() -> None:
    rng, n = np.random.default_rng(2), 900
    guess, counts = (rng.random(n) < G).astype(np.float64), np.ones(n)
    hard = rng.random(n) < 0.5  # seeing and thinking fail on the same puzzles
    sees, reasons = np.where(hard, 0.2, 0.9), np.where(hard, 0.2, 0.9)
    image = ((rng.random(n) < sees * reasons) | (rng.random(n) < G)).astype(np.float64)
    oracle = ((rng.random(n) < reasons) | (rng.random(n) < G)).astype(np.float64)
    whole = (rng.random(n) < sees).astype(np.float64)
    said = disagreement((np.column_stack([image, oracle, guess]), counts), (whole, counts), (whole, counts), seed=1)
    assert said is not None
    assert "above" in said


def test_readback_agrees_with_an_independent_model() -> None:
    rng, alarms = np.random.default_rng(3), 0
    for seed in range(40):
        whole = (rng.random(600) < 0.6).astype(np.float64)
        alarms += disagreement(arms(rng, 600, 0.6, 0.8), (whole, np.ones(600)), (whole, np.ones(600)), seed=seed, resamples=400) is not None
    assert alarms <= 6
