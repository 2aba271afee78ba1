"""The gap document beyond gaps: replicates, letters, blind against chance, parts, captions, models against each other, readings, facts."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import binom, poisson_binom

from bench.errors import UserError
from bench.gap.make import gap_document
from bench.gap.replicates import pass_rates, poisson_binomial_tail
from bench.gap.sensitivity import judged
from bench.grader.grade import grade
from bench.outcome import Format, Outcome, Reading
from bench.puzzle import Puzzle
from bench.report.markdown import render
from bench.report.terminal import print_report
from bench.stats.rates import pass_at_k
from bench.store.run import open_runs
from tasks.suites import SuiteSpec, load_suite
from tests.conftest import ROOT
from tests.gap.test_gap import c, cross, simulate, write_run

GOLDEN: list[dict[str, Any]] = json.loads((ROOT / "tests" / "grader" / "golden_grader.json").read_text(encoding="utf-8"))
OPTIONS = ["a", "b", "c", "d"]


def terminal(document: Any) -> str:
    console = Console(file=io.StringIO(), width=100)
    print_report(document, console)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def replicates(table: dict[str, list[str]], *, mode: str = "image", **more: Any) -> list[dict[str, Any]]:
    """One row for each letter of each puzzle's pattern."""
    return [
        {"puzzle": puzzle, "mode": mode, "replicate": index, "outcome": outcome, **more}
        for puzzle, outcomes in table.items()
        for index, outcome in enumerate(outcomes)
        if outcome
    ]


def test_pass_at_k_and_consistency_by_hand(tmp_path: Path) -> None:
    rows = replicates({"p": c("110"), "q": c("000"), "r": c("11e")})
    mode = gap_document(open_runs([write_run(tmp_path / "r", rows)]))["models"][0]["modes"]["image"]
    assert mode.get("pass_at_k") == {"1": pytest.approx((2 / 3 + 0 + 1) / 3, abs=1e-6), "2": pytest.approx(2 / 3, abs=1e-6), "3": 0.5}
    assert mode.get("consistency") == pytest.approx((1 / 3 + 1 + 1) / 3, abs=1e-6)


@given(st.lists(st.integers(1, 6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=12))
def test_pass_rates_are_the_mean_of_the_unbiased_estimator(puzzles: list[tuple[int, int]]) -> None:
    sums, counts = np.array(puzzles, np.float64).T
    for k, rate in pass_rates(sums, counts).items():
        assert rate == pytest.approx(np.mean([pass_at_k(n, right, int(k)) for right, n in puzzles if n >= int(k)]), abs=1e-6)


@given(chances=st.lists(st.sampled_from([0.25, 1 / 3, 0.5]), min_size=1, max_size=60), data=st.data())
def test_the_poisson_binomial_tail_is_scipys(chances: list[float], data: st.DataObject) -> None:
    least = data.draw(st.integers(0, len(chances)))
    assert poisson_binomial_tail(least, np.array(chances)) == pytest.approx(float(poisson_binom.sf(least - 1, chances)), abs=1e-12)


def test_blind_above_chance_is_tested_exactly_and_said_out_loud(tmp_path: Path) -> None:
    rows = [
        {"puzzle": f"{family}{i}", "family": family, "mode": "blind", "outcome": "correct" if i < right else "wrong"}
        for family, right in (("clock", 40), ("maze", 12))
        for i in range(50)
    ]
    document = gap_document(open_runs([write_run(tmp_path / "r", rows)]))
    clock = document["models"][0]["families"]["clock"].get("blind")
    assert clock is not None
    assert clock["p"] == pytest.approx(binom.sf(39, 50, 0.25), rel=1e-3)
    notes = [note for note in document["notes"] if "the question alone" in note]
    assert notes == ["m: the question alone gives answers away in clock (80.0% against 25.0%)"]


def test_the_blind_test_keeps_its_level_whatever_replicates_have_in_common(tmp_path: Path) -> None:
    rng, alarms, runs = np.random.default_rng(1), 0, 40
    for run in range(runs):
        same = rng.random(40) < 0.25  # all five replicates of a puzzle agree: the worst case for a test that counts trials
        rows = replicates({f"p{i}": c("1" * 5 if right else "0" * 5) for i, right in enumerate(same)}, mode="blind")
        alarms += gap_document(open_runs([write_run(tmp_path / str(run), rows)]))["models"][0].get("blind", {"p": 1})["p"] < 0.05
    assert alarms <= 6  # 2 expected at most; more than 6 of 40 with chance 0.003


def letters(picks: str, gold: str) -> list[dict[str, Any]]:
    return [
        {
            "puzzle": f"p{i}", "mode": "blind", "outcome": "correct" if pick == right else "wrong",
            "verdict": {"outcome": "correct" if pick == right else "wrong", "answer": OPTIONS[pick_at], "gold": OPTIONS[gold_at]},
        }
        for i, (pick, right) in enumerate(zip(picks, gold, strict=True))
        for pick_at, gold_at in [("ABCD".index(pick), "ABCD".index(right))]
    ]  # fmt: skip


def test_a_favoured_letter_is_noted(tmp_path: Path) -> None:
    document = gap_document(open_runs([write_run(tmp_path / "r", letters("A" * 80, "ABCD" * 20))]))
    doc = document["models"][0]["letters"]["blind"]
    assert doc["chosen"] == {"A": 80, "B": 0, "C": 0, "D": 0}
    assert doc["biased"] == {"A": [1.0, pytest.approx(1 / 3, abs=1e-6)]}
    assert any("favours a letter" in note and "A in blind" in note for note in document["notes"])
    assert "favoured" in render(document)


def test_a_right_answer_that_is_always_d_is_no_letter_bias(tmp_path: Path) -> None:
    document = gap_document(open_runs([write_run(tmp_path / "r", letters("D" * 60 + "ABC" * 10, "D" * 90))]))
    assert document["models"][0]["letters"]["blind"]["biased"] == {}


def test_levels_and_splits_are_parts_like_families(tmp_path: Path) -> None:
    rows = [
        {"puzzle": f"p{level}{i}", "mode": mode, "outcome": "correct" if mode == "oracle" or level == 1 else "wrong", "level": level}
        for level, i, mode in itertools.product((1, 2), range(20), ("image", "oracle"))
    ]
    model = gap_document(open_runs([write_run(tmp_path / "r", rows)]))["models"][0]
    assert [model["levels"][level]["gaps"]["oracle-image"]["delta"] for level in ("1", "2")] == [0, 1]
    assert model["splits"] == {}


def test_the_caption_split_adds_up(tmp_path: Path) -> None:
    run = cross(tmp_path / "r", {"image": c("0010.0"), "caption": c("01101f"), "oracle": c("111111")})
    loss = gap_document(open_runs([run]))["models"][0].get("caption_loss")
    assert loss is not None
    assert loss["total"]["n"] == 4
    deltas = [loss[part]["delta"] for part in ("total", "lost_by_captioner", "said_not_used")]
    assert deltas == [0.75, 0.5, 0.25]


def test_several_captioners_make_a_matrix(tmp_path: Path) -> None:
    rows = [
        {"puzzle": f"p{i}", "mode": mode, "model": model, "outcome": "correct", **({"captioner": name} if mode == "caption" else {})}
        for i, model, name, mode in itertools.product(range(4), ("m", "n"), ("x", "y"), ("caption", "image"))
        if mode == "caption" or name == "x"
    ]
    document = gap_document(open_runs([write_run(tmp_path / "r", rows)]))
    cells = document.get("captioners", [])
    assert [(cell["captioner"], cell["model"]) for cell in cells] == [
        ("x/plain", "m"),
        ("y/plain", "m"),
        ("x/plain", "n"),
        ("y/plain", "n"),
    ]
    assert "## Captioners" in render(document)


def drawn(model: str, p: float, r: float, n: int, seed: int) -> list[dict[str, Any]]:
    """The records of a model that sees with chance p and reasons with chance r, independently, and else guesses one of four."""
    rng = np.random.default_rng(seed)
    knows = {"image": p * r, "caption": p * r, "oracle": r, "readback": p, "blind": 0.0}
    rates = {mode: 0.25 + 0.75 * chance for mode, chance in knows.items()}
    return [
        {"puzzle": f"p{i}", "mode": mode, "model": model, "outcome": "correct" if rng.random() < rate else "wrong"}
        for i in range(n)
        for mode, rate in rates.items()
    ]


def test_training_that_fixed_seeing_is_told_from_training_that_fixed_thinking(tmp_path: Path) -> None:
    rows = [*drawn("base", 0.5, 0.7, 900, 1), *drawn("sees", 0.9, 0.7, 900, 2), *drawn("thinks", 0.5, 0.98, 900, 3)]
    document = gap_document(open_runs([write_run(tmp_path / "r", rows)]))
    seeing, thinking = document.get("comparisons", [])
    assert (seeing["improved"], thinking["improved"]) == (["seeing"], ["thinking"])
    assert [doc["kind"] for doc in (seeing, thinking)] == ["complete", "complete"]
    for doc in (seeing, thinking):
        parts = [doc[part]["delta"] for part in ("using", "seeing", "thinking")]
        assert sum(part or 0 for part in parts) == pytest.approx(doc["loss"]["delta"])
    assert seeing["baseline"] == "base"
    low, high = seeing["perception"]["ci"] or (1, 0)
    assert low <= 0.4 <= high
    assert (seeing["oracle_image"]["delta"] or 0) < 0 < (thinking["oracle"]["delta"] or 0)
    text = terminal(document)
    assert "improved in seeing" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "## Change from" in render(document)
    other = gap_document(open_runs([tmp_path / "r"]), baseline="sees")
    assert {doc["baseline"] for doc in other.get("comparisons", [])} == {"sees"}
    with pytest.raises(UserError, match="--baseline: expected one of"):
        gap_document(open_runs([tmp_path / "r"]), baseline="nobody")


def stored(row: dict[str, Any], outcome: str, answer: str | None, how: str, key: str = "k") -> dict[str, Any]:
    """A whole record of a golden reply."""
    return {
        "v": 1, "key": key, "puzzle": "p", "family": row["family"], "suite": "algo", "model": "m", "mode": "image", "captioner": None,
        "caption_key": None, "format": row["fmt"], "replicate": 0, "prompt_sha": "", "options": row.get("options") or [], "image": None,
        "reply": {"text": row["text"], "stop": row.get("stop", "end_turn"), "usage": {"input": 1, "output": 1}, "latency_s": 0.0},
        "verdict": {"outcome": outcome, "answer": answer, "gold": row["gold"], "how": how}, "error": None,
    }  # fmt: skip


@pytest.mark.parametrize("reading", [Reading.STRICT, Reading.LENIENT])
def test_what_is_not_read_again_would_have_been_read_alike(reading: Reading) -> None:
    compared = 0
    for row in GOLDEN:
        line = stored(row, "unparsed", None, "")
        fmt, options = Format(row["fmt"]), tuple(line["options"])
        if row.get("stop", "end_turn") != "end_turn" or (fmt is Format.MCQ and not options):
            continue
        item = Puzzle("p", "algo", row["family"], "", options, row["gold"], None, None, None, None, None, "eval")  # pyright: ignore[reportArgumentType]
        normal, direct = (grade(row["text"], item, fmt=fmt, reading=one) for one in (Reading.NORMAL, reading))
        found = judged(stored(row, normal.outcome.value, normal.answer, normal.how), reading)
        assert (found is Outcome.CORRECT) == (direct.outcome is Outcome.CORRECT), row["text"]
        compared += 1
    assert compared > 100


def test_a_ranking_that_flips_is_flagged(tmp_path: Path) -> None:
    options = {"family": "clock", "options": ["1:14", "8:09"], "gold": "8:09", "fmt": "mcq"}
    rows: list[dict[str, Any]] = []
    for model, text, right in (("loose", "The answer is B.", 20), ("tidy", "<answer>B</answer>", 12)):
        for i in range(20):
            shown = text if i < right else text.replace("B", "A")
            outcome = "correct" if i < right else "wrong"
            how = "answer-tag" if "<" in text else "answer-is"
            line = stored({**options, "text": shown}, outcome, "8:09" if i < right else "1:14", how, key=f"{model}{i}")
            rows.append({**line, "model": model, "puzzle": f"p{i}", "outcome": outcome})
    document = gap_document(open_runs([write_run(tmp_path / "r", rows)]))
    section = document.get("sensitivity")
    assert section is not None
    assert section["models"]["loose"]["strict"] == {"accuracy": {"image": 0.0}, "oracle_image": None, "changed": 20}
    assert section["flips"] == ["loose and tidy change places in mode image under the strict reading"]
    assert "1 rankings flip" in terminal(document)
    assert "change places" in render(document)


def test_readback_is_read_fact_by_fact(tmp_path: Path) -> None:
    document = simulate(
        tmp_path / "r", "sim/p=0.7,r=0.9", "--suite", "mini:n=200", "--mode", "readback,image,oracle,blind", "--families", "clock,n_queens"
    )
    model = document["models"][0]
    doc = model.get("readback")
    assert doc is not None
    assert doc["n"] == 400
    assert doc["whole_state"]["estimate"] <= doc["answer"]["estimate"]
    assert doc["whole_state"]["ci"][0] <= 0.7 <= doc["whole_state"]["ci"][1]
    assert doc["whole_state"]["estimate"] <= doc["recall"]["estimate"] <= 1
    assert set(doc["families"]) == {"clock", "n_queens"}
    assert doc["suspect"] is None
    assert document["models"][0].get("readback") is not None


def test_perfect_readback_is_whole(tmp_path: Path) -> None:
    document = simulate(tmp_path / "r", "sim/p=1,r=0", "--suite", "mini:n=5", "--mode", "readback")
    doc = document["models"][0].get("readback")
    assert doc is not None
    assert doc["whole_state"]["estimate"] == doc["answer"]["estimate"] == doc["recall"]["estimate"] == 1
    assert len(load_suite(SuiteSpec.parse("mini:n=5")).puzzles) == doc["n"]


def test_an_open_answer_cannot_be_guessed(tmp_path: Path) -> None:
    run = cross(tmp_path / "r", {"image": c("10" * 20), "oracle": c("11" * 20)}, fmt="open")
    diagnosis = gap_document(open_runs([run]))["models"][0]["diagnosis"]
    assert (diagnosis["guess"], diagnosis["guess_from"]) == (0, "open")
    assert diagnosis["perception"]["estimate"] == 0.5


def test_a_blind_arm_on_part_of_the_puzzles_is_noted_and_used(tmp_path: Path) -> None:
    run = cross(tmp_path / "r", {"image": c("1010" * 20), "oracle": c("1111" * 20), "blind": c("1000" * 10 + "....." * 8)})
    document = gap_document(open_runs([run]))
    diagnosis = document["models"][0]["diagnosis"]
    assert (diagnosis["guess"], diagnosis["n"]) == (0.25, 40)
    assert any("rests on the 40 of 80 puzzles" in note for note in document["notes"])


def test_blind_trials_without_an_answer_are_held_against_the_guess_rate(tmp_path: Path) -> None:
    run = cross(tmp_path / "r", {"image": c("1010" * 20), "oracle": c("1110" * 20), "blind": c("u" * 80)})
    notes = gap_document(open_runs([run]))["notes"]
    assert any("100% of blind trials gave no answer" in note and "perception in use is 50.0% and not 66.7%" in note for note in notes)


def test_what_is_owed_to_the_picture_and_what_leaked(tmp_path: Path) -> None:
    arms = {"m": {"image": "1" * 30 + "0" * 10, "blind": "1" * 20 + "0" * 20}, "text": {"blind": "1" * 10 + "0" * 30}}
    rows = [
        {"puzzle": f"p{i}", "mode": mode, "model": model, "outcome": outcome}
        for model, modes in arms.items()
        for mode, pattern in modes.items()
        for i, outcome in enumerate(c(pattern))
    ]
    document = gap_document(open_runs([write_run(tmp_path / "r", rows)]), text_base="text")
    (owed,) = document.get("multimodal", [])
    assert (owed["gain"]["delta"], owed["leakage"]) == (0.25, 0.25)
    assert "## What is owed to the picture" in render(document)
    with pytest.raises(UserError, match="--text-base"):
        gap_document(open_runs([tmp_path / "r"]), text_base="nobody")


def test_the_exact_solver_ranks_captioners_that_wrote_notation(tmp_path: Path) -> None:
    rows = [{"puzzle": f"p{i}", "mode": "readback", "model": name, "outcome": "correct"} for i in range(8) for name in ("x", "y")]
    rows += [
        {"puzzle": f"p{i}", "mode": "caption", "model": "solver", "captioner": name, "caption_prompt": "notation", "outcome": "correct"}
        for i in range(8)
        for name in ("x", "y")
    ]
    cells = gap_document(open_runs([write_run(tmp_path / "r", rows)])).get("captioners", [])
    assert [(cell["captioner"], cell["model"]) for cell in cells] == [
        ("x/notation", "solver"), ("y/notation", "solver"), ("x/notation", "exact solver"), ("y/notation", "exact solver"),
    ]  # fmt: skip
    assert all(cell["caption"]["ci"] for cell in cells)
