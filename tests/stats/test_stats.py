"""Every function of `bench.stats.paired` against another implementation, a published example, an enumeration or a simulation."""

import itertools
import math
from importlib import import_module
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from bench.stats import paired as stats
from bench.stats.exact import binomial
from bench.stats.power import detectable_loss

Ints = NDArray[np.int64]
# statsmodels has no types
_CONTINGENCY: Any = import_module("statsmodels.stats.contingency_tables")
_MULTITEST: Any = import_module("statsmodels.stats.multitest")
_PROPORTION: Any = import_module("statsmodels.stats.proportion")
_SCIPY: Any = import_module("scipy.stats")
_PROPERTY = settings(max_examples=50, deadline=None)
_ALTERNATIVES: tuple[Literal["two-sided", "greater", "less"], ...] = ("two-sided", "greater", "less")


def _arms(seed: int, n: int, replicates: int, a: float, b: float, *, alike: float = 0.5) -> tuple[Ints, Ints, Ints]:
    """Per-puzzle sums of two arms with mean rates a and b <= 0.5 whose puzzles differ in difficulty, and the counts."""
    rng = np.random.default_rng(seed)
    ease = 2 * rng.beta(1 / alike, 1 / alike, n)
    return rng.binomial(replicates, ease * a), rng.binomial(replicates, ease * b), np.full(n, replicates)


class TestWilson:
    @given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from((0.01, 0.05, 0.3)))
    @_PROPERTY
    def test_equals_statsmodels(self, k_of_n: tuple[int, int], alpha: float) -> None:
        k, n = k_of_n
        expected = _PROPORTION.proportion_confint(k, n, alpha=alpha, method="wilson")
        found = stats.wilson(k, n, alpha=alpha)
        assert found == pytest.approx(tuple(expected), abs=1e-12)
        assert found is not None
        assert 0 <= found[0] <= k / n <= found[1] <= 1

    def test_published_example(self) -> None:
        # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29
        for k, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):
            assert stats.wilson(k, n) == pytest.approx((low, high), abs=5e-5)

    def test_edges(self) -> None:
        assert stats.wilson(0, 0) is None
        assert stats.wilson(2.5, 7.3) is not None
        with pytest.raises(ValueError, match="k: expected 0 to n"):
            stats.wilson(3, 2)


class TestClusteredRate:
    @given(st.lists(st.integers(0, 1), min_size=1, max_size=60))
    @_PROPERTY
    def test_single_replicates_are_plain_wilson(self, right: list[int]) -> None:
        rate = stats.clustered_rate(right, [1] * len(right))
        assert rate is not None
        assert (rate.low, rate.high) == stats.wilson(sum(right), len(right))
        assert rate.n_effective == len(right)

    @given(st.lists(st.integers(0, 1), min_size=1, max_size=40), st.integers(2, 9))
    @_PROPERTY
    def test_replicates_that_always_agree_add_nothing(self, right: list[int], replicates: int) -> None:
        rate = stats.clustered_rate(np.array(right) * replicates, [replicates] * len(right))
        assert rate is not None
        assert rate.n_effective == pytest.approx(len(right))
        assert (rate.low, rate.high) == pytest.approx(stats.wilson(sum(right), len(right)))

    @given(st.lists(st.integers(0, 5).flatmap(lambda m: st.tuples(st.integers(0, m), st.just(m))), max_size=30))
    @_PROPERTY
    def test_effective_size_stays_within_its_bounds(self, pairs: list[tuple[int, int]]) -> None:
        sums, counts = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
        rate = stats.clustered_rate(sums, counts)
        if not counts.sum():
            assert rate is None
            return
        assert rate is not None
        least = counts.sum() ** 2 / (counts**2).sum()
        assert least - 1e-9 <= rate.n_effective <= counts.sum() + 1e-9
        assert 0 <= rate.low <= rate.estimate <= rate.high <= 1

    def test_independent_replicates_count_nearly_all(self) -> None:
        rng = np.random.default_rng(0)
        rate = stats.clustered_rate(rng.binomial(4, 0.4, 4000), np.full(4000, 4))
        assert rate is not None
        assert rate.n_effective > 0.93 * 16000

    @pytest.mark.parametrize(("n", "replicates"), [(40, 4), (150, 10)])
    def test_coverage(self, n: int, replicates: int) -> None:
        hits = 0
        for seed in range(400):
            a, _, counts = _arms(seed, n, replicates, 0.4, 0.4)
            rate = stats.clustered_rate(a, counts)
            hits += rate is not None and rate.low <= 0.4 <= rate.high
        assert 0.92 <= hits / 400 <= 0.98  # 95% +- 2.8 standard errors of 400 runs

    def test_refuses_impossible_sums(self) -> None:
        with pytest.raises(ValueError, match="sums: expected 0 to the count"):
            stats.clustered_rate([3], [2])
        with pytest.raises(ValueError, match="expected two arrays of one length"):
            stats.clustered_rate([1, 1], [2])


class TestExactTests:
    @given(st.integers(0, 60), st.integers(0, 60))
    @_PROPERTY
    def test_mcnemar_equals_statsmodels_and_the_binomial_test(self, b: int, c: int) -> None:
        expected = _CONTINGENCY.mcnemar([[5, b], [c, 5]], exact=True)
        p = stats.mcnemar_exact(b, c)
        assert p == pytest.approx(min(1.0, float(expected.pvalue)), rel=1e-9)
        if b + c:
            assert p == pytest.approx(_SCIPY.binomtest(b, b + c).pvalue, rel=1e-9)

    @given(st.integers(0, 400), st.one_of(st.sampled_from((0.0, 0.5, 1.0)), st.floats(1e-9, 1 - 1e-9)))
    @_PROPERTY
    def test_the_binomial_distribution_is_scipys(self, n: int, chance: float) -> None:
        assert binomial(n, chance) == pytest.approx(_SCIPY.binom.pmf(range(n + 1), n, chance), rel=1e-9, abs=1e-300)

    def test_mcnemar_published_example(self) -> None:
        # Fagerland et al. (2013), airway hyper-responsiveness (Bentur et al. 2009): 1 and 7 discordant, P = 0.0703
        assert stats.mcnemar_exact(1, 7) == pytest.approx(0.0703, abs=5e-5)

    @given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 5))
    @_PROPERTY
    def test_sign_flips_of_single_replicates_are_mcnemar(self, b: int, c: int, ties: int) -> None:
        assert stats.sign_flip_exact([1] * b + [-1] * c + [0] * ties) == pytest.approx(stats.mcnemar_exact(b, c), rel=1e-9)

    @given(st.lists(st.integers(-6, 6), max_size=11))
    @_PROPERTY
    def test_sign_flips_equal_enumeration(self, differences: list[int]) -> None:
        total = sum(differences)
        flips = np.array(list(itertools.product((-1, 1), repeat=len(differences))), dtype=np.int64).reshape(2 ** len(differences), -1)
        sums = flips @ np.array(differences, dtype=np.int64)
        for alternative, extreme in zip(_ALTERNATIVES, (abs(sums) >= abs(total), sums >= total, sums <= total), strict=True):
            assert stats.sign_flip_exact(differences, alternative=alternative) == pytest.approx(float(extreme.mean()), rel=1e-9)

    def test_small_pvalues_are_exact(self) -> None:
        assert stats.sign_flip_exact([3] * 200) == pytest.approx(2.0**-199, rel=1e-9)
        assert stats.sign_flip_exact([1] * 900 + [-1] * 100) == pytest.approx(2 * float(_SCIPY.binom.cdf(100, 1000, 0.5)), rel=1e-9)

    def test_refuses_fractions(self) -> None:
        with pytest.raises(ValueError, match="whole numbers"):
            stats.sign_flip_exact([0.5])
        with pytest.raises(ValueError, match="expected counts"):
            stats.mcnemar_exact(-1, 2)

    @given(st.lists(st.none() | st.floats(0, 1), max_size=9))
    @settings(max_examples=12, deadline=None)  # statsmodels takes 0.1 s a call
    def test_holm_equals_statsmodels(self, pvalues: list[float | None]) -> None:
        tested = [p for p in pvalues if p is not None]
        adjusted = stats.holm(pvalues)
        assert [a is None for a in adjusted] == [p is None for p in pvalues]
        if tested:
            expected = _MULTITEST.multipletests(tested, method="holm")[1]
            assert [a for a in adjusted if a is not None] == pytest.approx(list(expected), abs=1e-12)


class TestPairedDifference:
    def test_counts_and_direction(self) -> None:
        found = stats.paired_difference([2, 1, 0, 0], [1, 1, 0, 0], [2, 2, 1, 0], seed=0)
        assert found is not None
        assert (found.delta, found.n_clusters, found.n_pairs, found.method) == (0.2, 3, 5, "score")

    @given(st.integers(0, 10_000), st.integers(20, 80), st.integers(1, 4))
    @_PROPERTY
    def test_antisymmetric_and_a_function_of_its_seed(self, seed: int, n: int, replicates: int) -> None:
        a, b, counts = _arms(seed, n, replicates, 0.45, 0.15)
        first, again, other = (stats.paired_difference(*arms, counts, seed=7, resamples=200) for arms in ((a, b), (a, b), (b, a)))
        assert first is not None
        assert other is not None
        assert first == again
        assert first.low <= first.delta <= first.high
        assert other.delta == -first.delta
        assert other.p == pytest.approx(first.p)

    def test_the_order_of_puzzles_does_not_matter(self) -> None:
        a, b, counts = _arms(3, 200, 2, 0.4, 0.3)
        order = np.random.default_rng(1).permutation(200)
        assert stats.paired_difference(a, b, counts, seed=5) == stats.paired_difference(a[order], b[order], counts[order], seed=5)

    def test_the_bootstrap_spread_is_the_textbook_one(self) -> None:
        a, b, counts = _arms(11, 1500, 3, 0.4, 0.3)
        found = stats.paired_difference(a, b, counts, seed=2, resamples=4000)
        assert found is not None
        error = float(np.std((a - b) / 3, ddof=1)) / math.sqrt(1500)
        assert (found.high - found.low) / (2 * 1.95996) == pytest.approx(error, rel=0.05)

    def test_no_width_is_never_claimed(self) -> None:
        # ten puzzles on which the arms never differ: Tango's interval with b = c = 0 is +- z^2 / (n + z^2)
        found = stats.paired_difference([1] * 10, [1] * 10, [1] * 10, seed=0)
        assert found is not None
        assert (found.low, found.high) == pytest.approx((-0.27753, 0.27753), abs=1e-5)
        single = stats.paired_difference([1], [0], [1], seed=0)
        assert single is not None
        assert single.low < 0 < single.delta == 1
        assert stats.paired_difference([], [], [], seed=0) is None
        assert stats.paired_difference([0], [0], [0], seed=0) is None

    @pytest.mark.parametrize(("n", "replicates", "a", "b"), [(40, 1, 0.1, 0.03), (40, 4, 0.5, 0.4), (100, 1, 0.5, 0.4), (400, 2, 0.4, 0.3)])
    def test_coverage_and_false_alarms(self, n: int, replicates: int, a: float, b: float) -> None:
        hits = alarms = 0
        for seed in range(300):
            found = stats.paired_difference(*_arms(seed, n, replicates, a, b), seed=seed, resamples=500)
            null = stats.paired_difference(*_arms(seed + 1000, n, replicates, a, a), seed=seed, resamples=1)
            assert found is not None
            assert null is not None
            hits += found.low <= a - b <= found.high
            alarms += null.p < 0.05
        assert hits / 300 >= 0.915  # 95% less 2.8 standard errors of 300 runs
        assert alarms / 300 <= 0.085


class TestPower:
    @given(st.floats(0.005, 0.9), st.floats(0.0, 1.0), st.sampled_from((0.8, 0.9, 0.95)))
    @_PROPERTY
    def test_required_pairs_inverts_the_detectable_effect(self, delta: float, rate: float, power: float) -> None:
        n = stats.required_pairs(delta, rate, power=power)
        enough = stats.mde_paired(n, rate, power=power)
        assert enough is not None
        assert enough <= delta + 1e-9
        fewer = stats.mde_paired(n - 1, rate, power=power)
        assert fewer is None or fewer >= delta - 1e-9

    def test_published_formula(self) -> None:
        # Connor (1987), equation 4, by hand: (1.959964 sqrt(0.3) + 0.841621 sqrt(0.3 - 0.01))^2 / 0.01
        assert stats.required_pairs(0.1, 0.3) == math.ceil((1.959964 * 0.3**0.5 + 0.841621 * 0.29**0.5) ** 2 / 0.01) == 234

    def test_the_promised_power_is_reached(self) -> None:
        n = stats.required_pairs(0.12, 0.3)
        b, c = np.random.default_rng(4).multinomial(n, [0.21, 0.09, 0.7], size=4000)[:, :2].T
        score = (b - c) / np.sqrt(b + c)
        assert np.mean(score > 1.959964) == pytest.approx(0.8, abs=0.025)

    def test_edges(self) -> None:
        assert stats.mde_paired(0, 0.3) is None
        assert stats.mde_paired(3, 0.3) is None
        one_way = stats.mde_paired(100, 0.0)  # no disagreement seen: the difference itself is the discordant rate
        assert one_way is not None
        assert 100 * one_way == pytest.approx((1.959964 + 0.841621 * math.sqrt(1 - one_way)) ** 2, rel=1e-5)
        with pytest.raises(ValueError, match="delta"):
            stats.required_pairs(0, 0.2)

    @given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=50))
    @_PROPERTY
    def test_single_replicates_are_worth_themselves(self, rows: list[tuple[int, int]]) -> None:
        a, b = zip(*rows, strict=True)
        pairs = stats.effective_pairs(a, b, [1] * len(rows))
        assert pairs.n_effective == len(rows)
        assert pairs.discordant_rate == pytest.approx(sum(x != y for x, y in rows) / len(rows))

    def test_effective_pairs_of_agreeing_replicates(self) -> None:
        a, b = np.array([4, 0, 4, 4, 0, 0]), np.array([0, 0, 4, 0, 4, 0])
        pairs = stats.effective_pairs(a, b, [4] * 6)
        assert (pairs.n_effective, pairs.discordant_rate) == pytest.approx((6, 0.5))
        assert stats.effective_pairs([], [], []) == stats.Pairs(0.0, 0.0)


class TestNonInferiority:
    def test_tango_published_examples(self) -> None:
        # Fagerland et al. (2014) and the tests of R's contingencytables: Bentur et al. 2009 and Cavo et al. 2012
        assert stats.tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)
        assert stats.tango(6, 16, 161) == pytest.approx((-0.1240, -0.0054), abs=5e-5)
        # Tango (1998), soft contact lenses: Z = 1.709 against a margin of 10 points
        assert stats.tango_score(0, 1, 44, -0.1) == pytest.approx(1.709, abs=5e-4)

    @given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60))
    @_PROPERTY
    def test_the_score_interval_inverts_the_score_test(self, b: int, c: int, rest: int) -> None:
        n = b + c + rest
        low, high = stats.tango(b, c, n)
        assert stats.tango_score(b, c, n, low) == pytest.approx(1.959964, abs=1e-5)
        assert stats.tango_score(b, c, n, high) == pytest.approx(-1.959964, abs=1e-5)
        assert stats.tango_score(b, c, n, 0.0) == pytest.approx((b - c) / math.sqrt(b + c) if b + c else 0.0)  # McNemar's

    @pytest.mark.parametrize(("n", "margin"), [(30, 0.1), (60, 0.05), (100, 0.1)])
    def test_exact_size_is_at_most_alpha(self, n: int, margin: float) -> None:
        grid = [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]
        level = 1.6448536269514722
        rejected = np.array([stats.tango_score(b, c, n, -margin, continuity=0.5) > level for b, c in grid])
        b, c = np.array(grid).T
        for rate in (margin, margin + 0.02, 0.2, 0.35, 0.5):
            gain = (rate - margin) / 2  # the truth lies on the margin
            chance = _SCIPY.binom.pmf(b + c, n, rate) * _SCIPY.binom.pmf(b, b + c, gain / rate)
            assert chance.sum() == pytest.approx(1)
            assert chance[rejected].sum() <= 0.05

    def test_bounds_agree_with_the_test(self) -> None:
        for seed in range(40):
            old, new, counts = _arms(seed, 120, 1 + seed % 3, 0.4, 0.38)
            found = stats.noninferiority(old, new, counts, margin=0.1)
            assert found is not None
            assert (found.p < 0.05) == (found.lower_bound > -0.1)
            assert found.lower_bound <= found.delta <= found.upper_bound

    def test_verdicts(self) -> None:
        same = np.tile([1, 0], 200)
        worse = same.copy()
        worse[:60] = 0
        ones = np.ones(400, dtype=np.int64)
        for old, new, n, verdict in ((same, same, 400, "non_inferior"), (same, worse, 400, "worse"), (same, same, 12, "inconclusive")):
            found = stats.noninferiority(old[:n], new[:n], ones[:n], margin=0.02)
            assert found is not None
            assert found.verdict == verdict
        assert stats.noninferiority([], [], [], margin=0.02) is None
        with pytest.raises(ValueError, match="margin"):
            stats.noninferiority([1], [1], [1], margin=1.0)

    @pytest.mark.parametrize("replicates", [1, 4])
    def test_false_alarms(self, replicates: int) -> None:
        worse = non_inferior = 0
        for seed in range(400):
            equal = stats.noninferiority(*_arms(seed, 150, replicates, 0.35, 0.35), margin=0.02)
            lower = stats.noninferiority(*_arms(seed, 150, replicates, 0.4, 0.32), margin=0.08)
            assert equal is not None
            assert lower is not None
            worse += equal.verdict == "worse"
            non_inferior += lower.verdict == "non_inferior"
        assert worse / 400 <= 0.08  # 5% and 2.8 standard errors of 400 runs
        assert non_inferior / 400 <= 0.08


class TestBootstrap:
    def test_equals_drawing_puzzles_one_by_one(self) -> None:
        rng = np.random.default_rng(0)
        rows = rng.integers(0, 3, (50, 2)).astype(np.float64)
        fast = stats.bootstrap_sums(rows, seed=1, resamples=20_000)
        slow = rows[rng.integers(0, 50, (20_000, 50))].sum(axis=1)
        assert fast.mean(axis=0) == pytest.approx(slow.mean(axis=0), rel=0.01)
        assert np.cov(fast.T) == pytest.approx(np.cov(slow.T), abs=0.06 * float(np.cov(slow.T).max()))

    def test_chunks_do_not_change_the_shape(self) -> None:
        rows = np.arange(12_000, dtype=np.float64).reshape(6000, 2)
        draws = stats.bootstrap_sums(rows, seed=0, resamples=700)
        assert draws.shape == (700, 2)
        assert np.all(draws[:, 1] - draws[:, 0] == 6000)

    def test_estimates_of_perception_and_reasoning(self) -> None:
        rng = np.random.default_rng(9)
        sees, thinks, guesses = rng.random((4000, 1)) < 0.6, rng.random((4000, 2)) < 0.8, rng.random((4000, 3)) < 0.25
        image, oracle = (sees[:, 0] & thinks[:, 0]) | guesses[:, 0], thinks[:, 1] | guesses[:, 1]
        sums = np.column_stack((image, oracle, guesses[:, 2])).astype(np.int64)

        def estimate(means: NDArray[np.float64]) -> NDArray[np.float64]:
            seen, told, guess = means.T
            return np.column_stack(((seen - guess) / (told - guess), (told - guess) / (1 - guess)))

        draws = stats.bootstrap_estimates(sums, np.ones_like(sums), estimate, seed=0, resamples=500)
        assert draws.shape == (500, 2)
        for column, truth in ((0, 0.6), (1, 0.8)):
            interval = stats.percentile_interval(draws[:, column])
            assert interval is not None
            assert interval[0] < truth < interval[1]
            assert interval[1] - interval[0] < 0.1

    def test_an_arm_without_trials_is_nan_and_has_no_interval(self) -> None:
        draws = stats.bootstrap_estimates([[1, 0]], [[1, 0]], lambda means: means, seed=0, resamples=3)
        assert np.isnan(draws[:, 1]).all()
        assert stats.percentile_interval(draws[:, 1]) is None
        assert stats.percentile_interval([]) is None
        assert stats.percentile_interval(draws[:, 0]) == (1.0, 1.0)


class TestReplicates:
    @given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
    @_PROPERTY
    def test_pass_at_k_equals_enumeration(self, case: tuple[int, int, int]) -> None:
        n, c, k = case
        draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
        assert stats.pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))

    def test_consistency(self) -> None:
        assert stats.consistency([4, 0, 1], [4, 4, 1]) == 1.0
        assert stats.consistency([2], [4]) == pytest.approx(1 / 3)
        assert stats.consistency([1], [1]) is None
        with pytest.raises(ValueError, match="n, c, k"):
            stats.pass_at_k(2, 3, 1)


@pytest.mark.parametrize(("n", "rate", "alpha"), [(40, 0.3, 0.05), (180, 0.2, 0.025), (180, 0.0, 0.01), (4001, 0.2, 0.025)])
def test_the_detectable_loss_has_the_power_that_is_promised(n: int, rate: float, alpha: float) -> None:
    loss = detectable_loss(n, rate, alpha=alpha)
    assert loss is not None
    rng = np.random.default_rng(3)
    draws = rng.multinomial(n, [rate / 2 + loss, rate / 2, 1 - rate - loss], size=1500)
    caught = np.mean(
        [binomtest(int(lost), int(lost + back), 0.5, alternative="greater").pvalue <= alpha for lost, back, _ in draws if lost + back]
    )
    assert 0.78 <= caught <= 0.9  # at least 80%, but for chance; the test is discrete, so it may be more
    assert detectable_loss(3, rate, alpha=alpha) is None
