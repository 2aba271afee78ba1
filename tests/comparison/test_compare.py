"""`compare`: false alarms, power, and every way in which two runs cannot be compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.comparison import decide
from bench.comparison.decide import ModePairs, judge
from bench.comparison.result import Comparison, Decision
from bench.errors import UserError
from tests.comparison.comparing import caught, compare, false_alarms
from tests.gap.test_gap import write_run
from tests.report.hostile import flat, rows


def run(folder: Path, *, seed: int = 0, n: int = 40, rate: Callable[[str, str], float] = flat, model: str = "m", **more: Any) -> Path:
    return write_run(folder, rows(model, n, rate, seed=seed), **more)


def of(comparison: Comparison, mode: str, family: str | None = None) -> Any:
    return next(case for case in (*comparison.overall, *comparison.cases) if (case.mode, case.family) == (mode, family))


@pytest.mark.parametrize(("n", "replicates", "runs"), [(240, 1, 400), (200, 3, 100)])
def test_null_reruns_raise_alarms_at_most_at_alpha(n: int, replicates: int, runs: int) -> None:
    assert false_alarms(1, runs, n=n, families=2, replicates=replicates) <= 0.05 * runs


@pytest.mark.parametrize(("n", "families", "family"), [(300, 3, None), (400, 2, "f1")])
def test_a_drop_of_twice_the_printed_detectable_one_is_caught(n: int, families: int, family: str | None) -> None:
    found, size = caught(2, 100, n=n, families=families, family=family)
    assert found >= 95
    assert 0.05 < size < 0.45, "a drop this large would be no test of anything"


def test_the_same_run_is_no_regression_once_it_is_large_enough(tmp_path: Path) -> None:
    one = run(tmp_path / "a", n=100)
    result = compare(one, one)
    assert (result.exit_code, result.changes, result.problems) == (0, (), ())
    assert all(case.verdict is Decision.PASS and case.delta == 0 for case in result.overall)


def test_a_small_run_says_how_many_puzzles_would_be_enough(tmp_path: Path) -> None:
    result = compare(run(tmp_path / "a"), run(tmp_path / "b", seed=1))
    assert result.exit_code == 3
    assert result.enough is not None
    assert result.enough > 1000
    assert f"{result.enough:,} puzzles would be enough" in result.sentence
    assert of(result, "image").verdict is Decision.INCONCLUSIVE


def test_the_number_that_is_printed_is_enough() -> None:
    rng = np.random.default_rng(3)

    def pairs(n: int) -> list[ModePairs]:
        chance = rng.beta(0.9, 0.6, n)
        old, new = (rng.binomial(1, chance).astype(np.float64) for _ in range(2))
        return [ModePairs("m", "image", np.full(n, "clock"), old, new, np.ones(n))]

    number = judge(pairs(400), margin=0.05, alpha=0.05)[0][0].enough
    assert number is not None
    passed = sum(judge(pairs(number), margin=0.05, alpha=0.05)[0][0].verdict is Decision.PASS for _ in range(200))
    assert 0.68 <= passed / 200 <= 0.92


def test_a_loss_in_one_family_fails_even_where_the_whole_hides_it() -> None:
    family = np.repeat([f"f{i}" for i in range(10)], 60)
    old, new = np.tile(np.repeat([1.0, 0.0], 30), 10), np.tile(np.repeat([0.0, 1.0], 30), 10)
    old[:60], new[:60] = 1, np.repeat([1.0, 0.0], [40, 20])
    (whole,), parts = judge([ModePairs("m", "image", family, old, new, np.ones(600))], margin=0.02, alpha=0.05)
    assert whole.verdict is Decision.INCONCLUSIVE
    assert [case.family for case in parts if case.verdict is Decision.REGRESSION] == ["f0"]


def test_a_loss_within_the_margin_is_none(tmp_path: Path) -> None:
    n = 4000
    family = np.full(n, "clock")
    old, new = np.ones(n), np.ones(n)
    new[:40] = 0
    (case,), _ = judge([ModePairs("m", "image", family, old, new, np.ones(n))], margin=0.02, alpha=0.05)
    assert case.verdict is Decision.PASS, "1% worse beyond doubt, and within the margin of 2"
    assert case.p_worse is not None
    assert case.p_worse < 1e-9


def test_blind_is_a_control_and_decides_alone_only(tmp_path: Path) -> None:
    def guessing(family: str, mode: str) -> float:
        return 0.9 if mode == "blind" else flat(family, mode)

    old, new = run(tmp_path / "a", n=100, rate=guessing), run(tmp_path / "b", n=100)
    result = compare(old, new)
    assert (result.exit_code, of(result, "blind").verdict) == (0, Decision.LOWER)
    alone = [
        write_run(tmp_path / name, [row for row in rows("m", 100, rate) if row["mode"] == "blind"])
        for name, rate in (("c", guessing), ("d", flat))
    ]
    assert compare(*alone).exit_code == 1


def test_only_models_of_one_name_or_the_only_ones_are_compared(tmp_path: Path) -> None:
    single = compare(run(tmp_path / "a", model="step-1"), run(tmp_path / "b", model="step-2"))
    assert {case.model for case in single.overall} == {"step-1 -> step-2"}
    two = write_run(tmp_path / "two", rows("x", 40, flat) + rows("y", 40, flat))
    result = compare(two, write_run(tmp_path / "other", rows("x", 40, flat) + rows("z", 40, flat)))
    assert {case.model for case in result.overall} == {"x"}
    assert (result.exit_code, result.problems, result.notes) == (3, ("the candidate has no trial of y",), ("only the candidate has z",))


def test_captioners_pair_by_name_where_there_are_several(tmp_path: Path) -> None:
    base = rows("m", 40, flat)
    more = [{**row, "captioner": "other"} for row in base if row["mode"] == "caption"]
    one, two = (write_run(tmp_path / name, base + more) for name in "ab")
    assert [case.mode for case in compare(one, two).overall] == [
        "image",
        "caption by other/plain",
        "caption by self/plain",
        "oracle",
        "blind",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suite": "mini"}, "different suites"),
        ({"fmt": "open"}, "different answer formats"),
    ],
)
def test_other_questions_are_not_compared(tmp_path: Path, change: Any, message: str) -> None:
    result = compare(run(tmp_path / "a"), run(tmp_path / "b", **change))
    assert (result.exit_code, result.overall) == (3, ())
    assert message in result.sentence


Row = dict[str, Any]


def edited(folder: Path, edit: Callable[[Row], Row | None]) -> Path:
    return write_run(folder, [row for row in map(edit, rows("m", 100, flat)) if row is not None])


def two_less(row: Row) -> Row | None:
    return None if row["puzzle"].endswith(("00", "01")) else row


def some_errors(row: Row) -> Row:
    return {**row, "outcome": "error"} if row["puzzle"].endswith("7") else row


def no_caption(row: Row) -> Row:
    return {**row, "outcome": "caption_failed"} if row["mode"] == "caption" else row


def other_puzzles(row: Row) -> Row:
    return {**row, "puzzle": row["puzzle"] + "x"}


def no_oracle(row: Row) -> Row | None:
    return None if row["mode"] == "oracle" else row


def one_less(row: Row) -> Row | None:
    return None if row["puzzle"] == "algo/clock/0000" else row


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (two_less, "image: 6 of 300 trials have no outcome in the candidate"),
        (some_errors, "have no outcome in the candidate"),
        (no_caption, "m, caption: no puzzle has an outcome"),
        (other_puzzles, "no puzzle has an outcome in both runs"),
        (no_oracle, "m, oracle: no puzzle has an outcome"),
    ],
)
def test_missing_trials_are_incomplete_and_never_wrong(tmp_path: Path, edit: Callable[[Row], Row | None], message: str) -> None:
    result = compare(run(tmp_path / "a", n=100), edited(tmp_path / "b", edit))
    assert result.exit_code == 3
    assert any(message in problem for problem in result.problems), result.problems


def test_a_few_missing_trials_are_tolerated(tmp_path: Path) -> None:
    result = compare(run(tmp_path / "a", n=100), edited(tmp_path / "b", one_less))
    assert (result.exit_code, result.problems, of(result, "image").puzzles) == (0, (), 299)


def test_a_run_without_a_finished_trial(tmp_path: Path) -> None:
    one, empty = run(tmp_path / "a"), run(tmp_path / "b")
    (empty / "trials.jsonl").write_text("")
    result = compare(one, empty)
    assert (result.exit_code, result.overall) == (3, ())
    assert "b has no finished trial" in result.sentence


def test_a_single_puzzle_can_tell_nothing(tmp_path: Path) -> None:
    one, two = (
        write_run(tmp_path / name, [{"puzzle": "p", "mode": "image", "outcome": outcome}])
        for name, outcome in (("a", "correct"), ("b", "wrong"))
    )
    result = compare(one, two)
    assert result.exit_code == 3
    assert (result.overall[0].detectable, result.overall[0].verdict) == (None, Decision.INCONCLUSIVE)


def test_replicates_are_paired_and_count_as_one_puzzle(tmp_path: Path) -> None:
    def replicated(folder: Path) -> Path:
        return write_run(folder, [{**row, "replicate": k} for row in rows("m", 30, flat) for k in range(4)])

    case = of(compare(replicated(tmp_path / "a"), replicated(tmp_path / "b")), "image")
    assert (case.puzzles, case.trials) == (90, 360)


@pytest.mark.parametrize("number", [-0.1, 1.0, float("nan")])
def test_a_margin_that_is_none_is_a_mistake(number: float) -> None:
    with pytest.raises(UserError, match="--margin"):
        decide.compare([], [], margin=number)


def test_not_a_run_directory(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run directory"):
        compare(tmp_path, tmp_path)


@pytest.mark.parametrize(("n", "families"), [(60, 1), (180, 1)])
def test_the_detectable_drop_is_detected_as_often_as_promised_at_small_sizes(n: int, families: int) -> None:
    found, _ = caught(11, 120, n=n, families=families, family=None, times=1.0)
    assert found >= 0.8 * 120 - 2 * (120 * 0.8 * 0.2) ** 0.5


def test_the_option_that_draws_enough_puzzles_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        rows = [
            {"puzzle": f"p{i}", "mode": "image", "level": 1, "outcome": "correct" if (i + (name == "b")) % 3 else "wrong"}
            for i in range(60)
        ]
        write_run(tmp_path / name, rows)
    result = compare(tmp_path / "a", tmp_path / "b")
    assert result.enough is not None
    assert result.sentence.endswith(f"--suite algo:n={result.enough}")


def test_the_parts_of_the_loss_are_compared_too(tmp_path: Path) -> None:
    for name, caption in (("a", "0"), ("b", "1")):
        arms = {"image": "0", "caption": caption, "oracle": "1", "readback": "1"}
        outcomes = {"0": "wrong", "1": "correct"}
        said = {mode: {"outcome": outcomes[letter], "answer": "b", "gold": "a"} for mode, letter in arms.items()}
        made = [
            {"puzzle": f"p{i}", "mode": mode, "outcome": verdict["outcome"], "verdict": verdict}
            for mode, verdict in said.items()
            for i in range(40)
        ]
        write_run(tmp_path / name, made)
    (part,) = compare(tmp_path / "a", tmp_path / "b").parts
    assert (part["kind"], part["worse"], part["improved"]) == ("complete", ["using"], ["seeing", "thinking"])
