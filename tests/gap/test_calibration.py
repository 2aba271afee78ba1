"""A pinned part of the calibration (`make calibration` runs all of it), and proof that its worlds are those of the real pipeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import chisquare

from bench.cli import build_parser
from bench.commands.options import run_config
from bench.gap.frame import load_frame
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from bench.stats.paired import paired_difference
from bench.store.run import open_runs
from tests.benchmarks import calibration, parts
from tests.benchmarks.calibration_report import table
from tests.benchmarks.worlds import MODES, World, cells, gap_interval, joint, spread_out, tally


def test_tables_and_outcomes_are_two_forms_of_one_thing() -> None:
    counts = np.random.default_rng(0).multinomial(200, World.plain(0.6, 0.7, 0.4).chances())
    assert np.array_equal(tally(spread_out(counts) > 0), counts)
    assert joint([0.2, 0.7, 0.5]).sum() == pytest.approx(1)
    assert joint([0.2, 0.7, 0.5]) @ cells(3) == pytest.approx([0.2, 0.7, 0.5])


@pytest.mark.parametrize("world", [World.plain(0.6, 0.7, 0.4), World.plain(1.0, 0.98, 1.0), World.correlated(0.6, 0.6, 0.3)])
def test_the_fast_intervals_are_those_of_the_report(world: World) -> None:
    for n in (30, 400):
        counts = np.random.default_rng(n).multinomial(n, world.chances())
        outcomes = spread_out(counts)
        for a, b in ((1, 0), (2, 0), (0, 3)):
            found = paired_difference(outcomes[:, a], outcomes[:, b], np.ones(n), seed=5)
            assert found is not None
            assert gap_interval(cells(4), counts, a, b, 5) == pytest.approx((found.delta, found.low, found.high), abs=1e-12)


def test_the_worlds_are_those_of_the_simulated_model_through_runner_and_grader(tmp_path: Path) -> None:
    p, r, c = 0.6, 0.8, 0.5
    words = ["run", "--suite", "mini@1:n=100", "--families", "clock,n_queens,number_slide", "--replicates", "2", "--cache", "off"]
    words += ["--model", f"sim/p={p},r={r},c={c}", "--mode", ",".join(MODES), "--out", str(tmp_path / "run")]
    assert run_session(make_plan(run_config(build_parser().parse_args(words))), Console(quiet=True)).missing == 0
    frame = load_frame(open_runs([tmp_path / "run"]))
    assert set(frame["options"]) == {4}
    frame["right"] = frame["outcome"] == "correct"
    wide = frame.astype({"puzzle": str, "mode": str}).pivot_table(index=["puzzle", "replicate"], columns="mode", values="right")
    counts = tally(wide[list(MODES)].to_numpy() > 0)
    chances = World.plain(p, r, c).chances()
    assert int(counts.sum()) == 600
    rare = chances * 600 < 5
    pooled = [np.append(values[~rare], values[rare].sum()) for values in (counts.astype(np.float64), chances * 600)]
    kept = pooled[1] > 0
    assert float(chisquare(pooled[0][kept], pooled[1][kept]).pvalue) > 0.001
    wrong = World.plain(p + 0.2, r, c).chances()  # the check can fail: another p is found out
    assert float(chisquare(counts, wrong * 600).pvalue) < 0.001


def test_intervals_cover_and_estimates_are_not_biased() -> None:
    cell = calibration.coverage(0.6, 0.6, 0.4, 900, runs=150)
    assert calibration.faulty(cell) == []
    assert cell.identifiable == 1
    assert all(abs(bias) < 0.01 for bias in cell.bias.values())


def test_a_wrong_interval_would_be_found() -> None:
    shares = {"oracle-image": 0.87, "perception": 0.95}
    assert calibration.faulty(calibration.Coverage(0.6, 0.6, 0.4, 900, 500, shares, {}, 1.0)) == ["oracle-image"]
    rarely = calibration.Coverage(0.6, 0.05, 0.5, 900, 500, {"perception": 0.7}, {}, 0.06)
    often = calibration.Coverage(0.6, 0.3, 0.5, 100, 500, {"perception": 0.7}, {}, 0.6)
    assert calibration.faulty(rarely) == []
    assert calibration.faulty(often) == ["perception"]


def test_tests_do_not_cry_wolf() -> None:
    alarms = calibration.false_alarms(runs=100, sizes=(100,))
    assert {alarm.test for alarm in alarms} >= {"exact paired test, one gap", "Holm over nine families, any", "image against blind"}
    assert all(alarm.rate <= alarm.bound for alarm in alarms)


@pytest.mark.parametrize("world", list(parts.worlds()), ids=lambda world: world.name)
def test_parts_cover_and_are_named_where_they_are_planted(world: parts.World) -> None:
    found = parts.study(world, runs=120)
    slack = 3.5 * (0.05 * 0.95 / 120) ** 0.5
    assert found.faults(slack) == []
    assert found.truth["using"] + found.truth["seeing"] + found.truth["thinking"] == pytest.approx(found.truth["loss"])


def test_the_old_estimate_is_off_where_its_model_is_wrong() -> None:
    biases = {world.name: parts.study(world, runs=40).old_bias for world in parts.worlds() if "alone" in world.name or "mis" in world.name}
    assert abs(biases["seeing alone"]) < 0.02
    assert biases["using alone"] < -0.15
    assert biases["confident misreadings"] < -0.2


def test_a_fault_would_be_found() -> None:
    found = parts.study(parts.plain("all three", 0.7, 0.8, 0.75), runs=40)
    assert replace(found, covered={**found.covered, "seeing": 0.8}).faults(0.05) == ["seeing: coverage"]
    assert "thinking: not named" in replace(found, named={**found.named, "thinking": 0.5}).faults(0.05)
    unplanted = replace(found, truth={**found.truth, "using": 0.0}, named={**found.named, "using": 0.9})
    assert "using: named without cause" in unplanted.faults(0.05)


def test_one_model_asked_twice_has_not_changed() -> None:
    assert parts.rerun(parts.plain("all three", 0.7, 0.8, 0.75), 300, runs=200) <= 0.05 + 3.1 * (0.05 * 0.95 / 200) ** 0.5


def test_the_report_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]).splitlines() == ["| a | b |", "| --- | ---: |", "| 1 | 2 |"]
