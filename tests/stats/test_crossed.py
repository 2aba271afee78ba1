"""The difference of two ways of training holds for fresh seeds and fresh puzzles, and is a known test at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from bench.stats.crossed import crossed_difference


@pytest.mark.parametrize(("seed_sd", "puzzle_sd"), [(0.02, 0.3), (0.0, 0.3), (0.05, 0.05)])
def test_the_interval_covers_fresh_seeds_and_puzzles(seed_sd: float, puzzle_sd: float) -> None:
    rng = np.random.default_rng(1)
    held, worlds, seeds, puzzles, truth = 0, 400, 3, 120, 0.04
    for _ in range(worlds):
        shared, each = rng.normal(0, puzzle_sd, puzzles), rng.normal(0, puzzle_sd / 3, puzzles)

        def asked(shift: float, taste: NDArray[np.float64], shared: NDArray[np.float64] = shared) -> NDArray[np.float64]:
            return shift + rng.normal(0, seed_sd, (seeds, 1)) + shared + taste + rng.normal(0, 0.3, (seeds, puzzles))

        found = crossed_difference(asked(truth, each), asked(0.0, np.zeros(puzzles)))
        assert found is not None
        held += found.low <= truth <= found.high
    assert held / worlds >= 0.93


def test_without_spread_of_seeds_it_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(0, 1, 60), rng.normal(0.2, 1, 60)
    found = crossed_difference(np.stack([one, one]), np.stack([other, other]))
    expected = stats.ttest_rel(one, other)
    assert found is not None
    assert found.p == pytest.approx(float(expected.pvalue))
    low, high = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((float(low), float(high)))


def test_many_puzzles_do_not_make_up_for_few_seeds() -> None:
    rng = np.random.default_rng(3)
    means = np.array([[0.50], [0.60], [0.55]])
    a, b = means + rng.normal(0, 0.01, (3, 5000)), means - 0.05 + rng.normal(0, 0.01, (3, 5000))
    found = crossed_difference(a, b)
    assert found is not None
    welch = stats.ttest_ind(a.mean(axis=1), b.mean(axis=1), equal_var=False)
    assert found.p == pytest.approx(float(welch.pvalue), rel=0.02)


def test_one_seed_tells_nothing_of_the_next_and_gaps_are_left_out() -> None:
    assert crossed_difference([[1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]) is None
    found = crossed_difference([[1.0, np.nan, 0.0], [1.0, 1.0, 0.0]], [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    assert found is not None
    assert found.delta == 0.5
