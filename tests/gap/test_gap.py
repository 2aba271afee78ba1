"""The gap document: right counts, right pairs, and the closed form of the simulated model."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bench.cli import build_parser
from bench.commands.options import run_config
from bench.errors import UserError
from bench.gap.document import CELLS, Document
from bench.gap.make import gap_document
from bench.outcome import Outcome
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from bench.stats.paired import mcnemar_exact
from bench.store.run import open_runs

OUTCOMES = [outcome.value for outcome in Outcome]


def write_run(folder: Path, rows: list[dict[str, Any]], *, simulated: bool = False, fmt: str = "mcq", suite: str = "algo") -> Path:
    """A run directory with one record per row; what a row leaves out is filled in."""
    folder.mkdir(parents=True)
    models = sorted({row.get("model", "m") for row in rows})
    run = {
        "identity": {},
        "suite": {"name": suite, "sha256": "0" * 64, "n": len({row["puzzle"] for row in rows})},
        "models": [{"name": name, "simulated": simulated} for name in models],
        "finished": True,
    }
    (folder / "run.json").write_text(json.dumps(run))
    with (folder / "trials.jsonl").open("w") as out:
        for index, row in enumerate(rows):
            record = {
                "v": 1, "key": f"{folder.name}{index}", "family": "clock", "suite": suite, "model": "m", "captioner": None, "format": fmt,
                "replicate": 0, "options": ["a", "b", "c", "d"], "reply": None, "verdict": {"outcome": row["outcome"]}, **row,
            }  # fmt: skip
            out.write(json.dumps(record) + "\n")
    return folder


def cross(folder: Path, table: dict[str, list[str]], **more: Any) -> Path:
    """A run in which mode m has outcome table[m][i] on puzzle i ("" leaves the trial out)."""
    rows = [
        {"puzzle": f"p{i}", "mode": mode, "outcome": outcome}
        for mode, column in table.items()
        for i, outcome in enumerate(column)
        if outcome
    ]
    return write_run(folder, rows, **more)


def c(pattern: str) -> list[str]:
    """ "110." as outcomes: correct, correct, wrong, not asked."""
    return [{"1": "correct", "0": "wrong", "e": "error", "u": "unparsed", "f": "caption_failed", ".": ""}[letter] for letter in pattern]


def test_counts_add_up_and_failures_of_the_plumbing_are_left_out(tmp_path: Path) -> None:
    rows = [{"puzzle": f"p{i}", "mode": "image", "outcome": outcome} for i, outcome in enumerate(OUTCOMES * 3)]
    mode = gap_document(open_runs([write_run(tmp_path / "r", rows)]))["models"][0]["modes"]["image"]
    counts: dict[str, Any] = dict(mode)
    assert sum(counts[outcome] for outcome in OUTCOMES) == mode["n"] == 21
    assert mode["accuracy"] == pytest.approx(3 / 15)


def test_gap_and_attribution_by_hand(tmp_path: Path) -> None:
    run = cross(tmp_path / "r", {"image": c("1100110e.1"), "oracle": c("11111001.f")})
    model = gap_document(open_runs([run]))["models"][0]
    gap = model["gaps"]["oracle-image"]
    assert (gap["n"], gap["delta"]) == (7, pytest.approx((5 - 4) / 7, abs=1e-6))
    assert gap["p"] == pytest.approx(mcnemar_exact(2, 1))
    assert model["attribution"] == {"on_image": 4, "own_words": 0, "true_description": 2, "solved": 0, "neither": 1}


def test_a_negative_gap_is_shown_and_never_clipped(tmp_path: Path) -> None:
    run = cross(tmp_path / "r", {"image": c("1" * 30), "caption": c("1" * 18 + "0" * 12)})
    gap = gap_document(open_runs([run]))["models"][0]["gaps"]["caption-image"]
    assert gap["delta"] == pytest.approx(-0.4)
    assert gap["ci"] is not None
    assert gap["ci"][1] < 0


def test_runs_of_different_days_pair_up_by_puzzle(tmp_path: Path) -> None:
    one = cross(tmp_path / "one", {"image": c("10.1")})
    two = cross(tmp_path / "two", {"oracle": c("111.")})
    both = cross(tmp_path / "both", {"image": c("10.1"), "oracle": c("111.")})
    merged, whole = gap_document(open_runs([one, two])), gap_document(open_runs([both]))
    assert merged["models"] == whole["models"]
    assert merged["models"][0]["gaps"]["oracle-image"]["n"] == 2


def test_a_mode_that_was_never_run_says_so(tmp_path: Path) -> None:
    model = gap_document(open_runs([cross(tmp_path / "r", {"image": c("10")})]))["models"][0]
    assert model["gaps"]["oracle-image"] == {
        "n": 0, "trials": 0, "delta": None, "ci": None, "p": None, "mde": None, "why": "no outcome in mode oracle",
        }  # fmt: skip
    assert model["diagnosis"]["perception"]["identifiable"] is False


def test_runs_that_share_no_puzzle_say_so(tmp_path: Path) -> None:
    rows = [{"puzzle": "p1", "mode": "image", "outcome": "correct"}, {"puzzle": "p2", "mode": "oracle", "outcome": "correct"}]
    gap = gap_document(open_runs([write_run(tmp_path / "r", rows)]))["models"][0]["gaps"]["oracle-image"]
    assert (gap["n"], gap.get("why")) == (0, "no puzzle has an outcome in both modes")


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ({"fmt": "mcq"}, {"fmt": "open"}, "answer formats"),
        ({"suite": "algo"}, {"suite": "mini"}, "suites"),
        ({}, {}, "asked in different ways"),
    ],
)
def test_what_must_not_be_merged_is_refused(tmp_path: Path, left: Any, right: Any, message: str) -> None:
    one, two = (cross(tmp_path / name, {"image": c("10")}, **more) for name, more in (("one", left), ("two", right)))
    with pytest.raises(UserError, match=message):
        gap_document(open_runs([one, two]))


def test_the_last_record_of_a_key_counts(tmp_path: Path) -> None:
    rows = [{"key": "k", "puzzle": "p", "mode": "image", "outcome": outcome} for outcome in ("error", "correct")]
    mode = gap_document(open_runs([write_run(tmp_path / "r", rows)]))["models"][0]["modes"]["image"]
    assert (mode["n"], mode["correct"]) == (1, 1)


def test_puzzles_whose_description_does_not_suffice_are_barred_from_oracle_gaps(tmp_path: Path) -> None:
    rows = [
        {"puzzle": f"p{i}", "mode": mode, "outcome": "correct", "sufficient": i % 2 == 0}
        for i, mode in itertools.product(range(10), ("image", "oracle", "blind"))
    ]
    model = gap_document(open_runs([write_run(tmp_path / "r", rows)]))["models"][0]
    assert model["gaps"]["oracle-image"]["n"] == 5
    assert model["gaps"]["image-blind"]["n"] == 10
    assert model["modes"]["oracle"]["n"] == 10


def test_perception_is_not_identifiable_where_the_oracle_does_not_beat_guessing(tmp_path: Path) -> None:
    run = cross(tmp_path / "r", {"image": c("1000" * 10), "oracle": c("0100" * 10), "blind": c("0010" * 10)})
    diagnosis = gap_document(open_runs([run]))["models"][0]["diagnosis"]
    assert diagnosis["perception"]["estimate"] is None
    assert "not clearly above guessing" in diagnosis["perception"].get("why", "")


def test_several_captioners_give_an_entry_each_with_the_other_modes_shared(tmp_path: Path) -> None:
    rows = [{"puzzle": f"p{i}", "mode": "image", "outcome": "wrong"} for i in range(4)]
    rows += [
        {"puzzle": f"p{i}", "mode": "caption", "outcome": "correct", "captioner": name, "caption_prompt": "plain"}
        for i, name in itertools.product(range(4), ("x", "y"))
    ]
    models = gap_document(open_runs([write_run(tmp_path / "r", rows)]))["models"]
    assert [model["name"] for model in models] == ["m (captions: x/plain)", "m (captions: y/plain)"]
    assert all(model["gaps"]["caption-image"]["delta"] == 1 for model in models)


tables = st.integers(1, 12).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            mode: st.lists(st.sampled_from(["correct", "wrong", "unparsed", "error", ""]), min_size=n, max_size=n)
            for mode in ("image", "oracle", "blind")
        }
    )
)


@settings(max_examples=40, deadline=None)
@given(table=tables)
def test_any_run_makes_a_finite_document_that_adds_up(tmp_path_factory: pytest.TempPathFactory, table: dict[str, list[str]]) -> None:
    run = cross(tmp_path_factory.mktemp("runs") / "r", table)
    if not any(outcome for column in table.values() for outcome in column):
        with pytest.raises(UserError, match="no finished trial"):
            gap_document(open_runs([run]))
        return
    document = gap_document(open_runs([run]))
    json.dumps(document, allow_nan=False)
    model = document["models"][0]
    for mode, doc in model["modes"].items():
        assert doc["n"] == sum(1 for outcome in table[mode] if outcome)
    gap, cells = model["gaps"]["oracle-image"], model["attribution"]
    assert sum(int(cells[name]) for name in CELLS) == model["diagnosis"]["trials"]
    if gap["delta"] is not None and gap["ci"] is not None:
        assert -1 <= gap["ci"][0] <= gap["delta"] + 1e-6
        assert gap["delta"] - 1e-6 <= gap["ci"][1] <= 1


def simulate(folder: Path, model: str, *more: str) -> Document:
    arguments = build_parser().parse_args(["run", "--model", model, "--cache", "off", "--out", str(folder), *more])
    run_session(make_plan(run_config(arguments)), Console(file=io.StringIO()))
    return gap_document(open_runs([folder]))


def test_the_simulated_model_agrees_with_its_closed_form(tmp_path: Path, shared_data: Path) -> None:
    document = simulate(
        tmp_path / "r", "sim/p=0.6,r=0.9,c=0.8", "--suite", "algopuzzlevqa", "--data-dir", str(shared_data / "AlgoPuzzleVQA"),
        "--families", "clock,n_queens,rotting_kiwi,water_jugs", "--mode", "image,caption,oracle,blind", "--replicates", "25",
    )  # fmt: skip
    model = document["models"][0]
    assert model["simulated"]
    p, r, caption, g = 0.6, 0.9, 0.8, 0.25
    expected = {"image": g + (1 - g) * p * r, "caption": g + (1 - g) * caption * r, "oracle": g + (1 - g) * r, "blind": g}
    for mode, value in expected.items():
        low, high = model["modes"][mode]["ci"] or (1, 0)
        assert low <= value <= high, mode
    for name in ("caption-image", "oracle-image", "oracle-caption", "image-blind"):
        a, b = name.split("-")
        low, high = model["gaps"][name]["ci"] or (1, 0)
        assert low <= expected[a] - expected[b] <= high, name
    for estimate, value in ((model["diagnosis"]["perception"], p), (model["diagnosis"]["reasoning"], r)):
        low, high = estimate["ci"] or (1, 0)
        assert low <= value <= high
    assert all(mode["unparsed"] == 0 for mode in model["modes"].values()), "an answer of the simulated model was not read"


def test_readback_measures_perception_alone(tmp_path: Path) -> None:
    document = simulate(tmp_path / "r", "sim/p=0.7,r=0.1", "--suite", "mini:n=200", "--families", "clock", "--mode", "readback")
    low, high = document["models"][0]["modes"]["readback"]["ci"] or (1, 0)
    assert low <= 0.7 <= high


def test_a_name_cannot_command_the_terminal(tmp_path: Path) -> None:
    from bench.report.terminal import print_report

    rows = [{"puzzle": "p", "mode": "image", "outcome": "correct", "model": "evil\x1b[2J\x07"}]
    out = io.StringIO()
    print_report(gap_document(open_runs([write_run(tmp_path / "r", rows)])), Console(file=out, width=100))
    assert "\x1b" not in out.getvalue()
    assert "evil?[2J?" in out.getvalue()
