"""Public minus fresh: the interval of two independent samples, and which runs can be twins."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Console

from bench.cli import build_parser
from bench.commands.options import run_config
from bench.errors import UserError
from bench.gap.frame import load_frame
from bench.gap.twins import Bounded, difference, mean, twin_section
from bench.report import markdown
from bench.report.sections import twins
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from bench.stats.rates import wilson
from bench.store.run import open_runs

_PROPORTION: Any = import_module("statsmodels.stats.proportion")  # statsmodels has no types


def proportion(k: int, n: int) -> Bounded:
    bounds = wilson(k, n)
    assert bounds is not None
    return k / n, *bounds


def test_newcombes_own_example() -> None:
    # Newcombe (1998), table II, method 10: 56/70 - 48/80
    _, low, high = difference(proportion(56, 70), proportion(48, 80))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_the_interval_is_that_of_statsmodels(n: int, m: int, data: st.DataObject) -> None:
    k, j = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    expected = _PROPORTION.confint_proportions_2indep(k, n, j, m, method="newcomb", compare="diff")
    found = difference(proportion(k, n), proportion(j, m))
    assert found[1:] == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.2), st.floats(0, 0.2)), min_size=1, max_size=9))
def test_a_mean_of_families_is_as_sure_as_they_are_together(parts: list[tuple[float, float, float]]) -> None:
    value, low, high = mean([(centre, centre - below, centre + above) for centre, below, above in parts])
    assert low <= value + 1e-12
    assert high >= value - 1e-12
    assume(len(parts) > 1)
    assert high - value <= max(above for _, _, above in parts) + 1e-12


def test_the_interval_of_two_samples_covers() -> None:
    rng, truth, hits = np.random.default_rng(0), 0.1, 0
    for k, j in zip(rng.binomial(80, 0.5, 2000), rng.binomial(120, 0.4, 2000), strict=True):
        _, low, high = difference(proportion(int(k), 80), proportion(int(j), 120))
        hits += low <= truth <= high
    assert 0.935 <= hits / 2000 <= 0.97


def run(out: Path, suite: str, model: str, *more: str) -> pd.DataFrame:
    words = ["run", "--suite", suite, "--model", model, "--cache", "off", "--out", str(out), "--families", "clock,maze", *more]
    run_session(make_plan(run_config(build_parser().parse_args(words))), Console(quiet=True))
    return load_frame(open_runs([out]))


def contaminated(frame: pd.DataFrame, share: float) -> pd.DataFrame:
    """As if that share of the wrong answers on images and blind had been learned by heart."""
    learned = (np.random.default_rng(1).random(len(frame)) < share) & frame["mode"].isin(["image", "blind"]).to_numpy()
    changed = frame.copy()
    changed.loc[learned & (frame["outcome"] != "correct").to_numpy(), "outcome"] = "correct"
    return changed


def test_equal_suites_differ_by_noise_and_a_leak_is_seen_where_it_is(tmp_path: Path) -> None:
    modes = ("--mode", "image,oracle,blind")
    public = run(tmp_path / "a", "mini:n=150", "sim/p=0.5,r=0.8", *modes)
    fresh = run(tmp_path / "b", "mini:n=100,seed=9", "sim/p=0.5,r=0.8", *modes)
    (clean,) = twin_section(public, fresh, seed=1)["models"]
    assert all(row["ci"][0] <= 0 <= row["ci"][1] for row in clean["modes"].values())
    section = twin_section(contaminated(public, 0.6), fresh, seed=1)
    (model,) = section["models"]
    assert model["modes"]["image"]["ci"][0] > 0
    assert model["modes"]["blind"]["ci"][0] > 0
    assert model["modes"]["oracle"] == clean["modes"]["oracle"]
    assert model["gaps"]["oracle-image"]["ci"][1] < 0
    assert model["families"]["clock"]["modes"]["image"].get("puzzles") == [150, 100]
    each = [model["families"][name]["modes"]["image"]["delta"] for name in ("clock", "maze")]
    assert model["modes"]["image"]["delta"] == pytest.approx(sum(each) / 2, abs=1e-5)
    assert "against a fresh twin" in "\n".join(markdown.section(twins.section(section)))


def test_runs_that_are_no_twins_are_refused(tmp_path: Path) -> None:
    one = run(tmp_path / "a", "mini:n=4", "sim/p=1,r=1", "--mode", "image")
    with pytest.raises(UserError, match="puzzles are in both runs"):
        twin_section(one, one, seed=1)
    other = run(tmp_path / "b", "mini:n=4,seed=2", "sim/p=1,r=0.5", "--mode", "image")
    with pytest.raises(UserError, match="no model"):
        twin_section(one, other, seed=1)
    clocks, mazes = (frame[(frame["family"] == name).to_numpy()] for frame, name in ((one, "clock"), (other, "maze")))
    with pytest.raises(UserError, match=r"no family is in both runs: clock there, maze in the twin"):
        twin_section(clocks, mazes, seed=1)
    with pytest.raises(UserError, match="answer formats differ"):
        twin_section(one, run(tmp_path / "c", "mini:n=4,seed=2", "sim/p=1,r=1", "--mode", "image", "--format", "open"), seed=1)
