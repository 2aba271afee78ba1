"""The rewards: values worked out by hand, agreement with the grader on its golden table, prompts, the interface to TRL."""

from __future__ import annotations

import importlib
import json
import pickle
import subprocess
import sys
from math import isclose, tanh
from typing import Any

import pytest

from bench.errors import UserError
from bench.grader.grade import Item, grade, grade_open
from bench.outcome import Format, Outcome
from bench.prompt import reward_prompt
from bench.puzzle import Puzzle
from bench.train.rewards import REWARDS, SHOWN, Pays, score, suffices, trl_reward
from tasks.fidelity import facts_f1, fidelity, fidelity_to, floor
from tasks.suites import SuiteSpec, load_suite
from tests.conftest import ROOT

STATE: dict[str, Any] = {
    "hour": 3,
    "minute": 23,
    "query": {"name": "Emily", "direction": "after", "hours": 1, "minutes": 0},
}
GOLDEN: list[dict[str, Any]] = json.loads((ROOT / "tests" / "grader" / "golden_grader.json").read_text(encoding="utf-8"))
FULL = (
    "<image description>Current time: 3:23</image description>\n<think>It shows 3:23. <visual>The thin hand is at 23.</visual> One hour "
    "goes by.</think>\n<rethink>3:23 and an hour. It is right. It is right.</rethink>\n<answer>4:23</answer>"
)
ONE, TWO, THREE = tanh(1), tanh(2), tanh(3)


def clock(name: str, text: str, *, answer: str = "4:23", state: dict[str, Any] | None = STATE) -> dict[str, float]:
    parts = score(name, text, family="clock", answer=answer, state=state)
    assert parts is not None
    return parts


# -- values by hand ----------------------------------------------------------------------------------------------------------------------
def test_the_table_of_rewards() -> None:
    """Names as in the paper, weights as in third-party reading notes of it."""
    mixture = {"image description": 0.06, "think": 0.06, "rethink": 0.08, "answer": 0.80}
    assert {name: dict(reward.weights) for name, reward in REWARDS.items()} == {
        "vanilla": {"think": 0.1, "answer": 0.9},
        "only-accuracy": {"answer": 1.0},
        "mixture": mixture,
        "continuous": mixture,
        "visual-fusion": {"think": 0.1, "visual": 0.1, "answer": 0.8},
        "no-accuracy": {"image description": 0.3, "think": 0.3, "rethink": 0.3, "answer": 0.1},
        "perception": mixture,
        "perception-only": {},
        "sufficient": mixture,
        "sufficient-only": {},
        "noise": {},
    }
    assert [name for name, reward in REWARDS.items() if reward.answer is Pays.NEAR] == ["continuous"]
    assert [name for name, reward in REWARDS.items() if reward.answer is Pays.PRESENT] == ["no-accuracy"]
    assert all(isclose(sum(reward.weights.values()), 1) for reward in REWARDS.values() if reward.weights)
    assert len(SHOWN) == 8
    assert all(isclose(reward.seen + reward.solver + reward.noise + reward.told, 1) for reward in REWARDS.values())
    assert all(reward.told == 0 for reward in REWARDS.values() if not reward.weights)


def test_the_example_of_the_issue() -> None:
    parts = clock("vanilla", "<think>The hand is at 3:23.</think><answer>4:23</answer>")
    assert list(parts) == ["total", "think", "answer"]
    assert parts["think"] == pytest.approx(0.7616, abs=5e-5)
    assert parts["answer"] == 1.0
    assert parts["total"] == pytest.approx(0.97616, abs=5e-6)


@pytest.mark.parametrize(
    ("name", "total", "parts"),
    [
        ("vanilla", 0.1 * THREE + 0.9, {"think": THREE, "answer": 1}),
        ("only-accuracy", 1.0, {"answer": 1}),
        (
            "mixture",
            0.06 * ONE + 0.06 * THREE + 0.08 * (TWO - ONE) + 0.8,
            {"image description": ONE, "think": THREE, "rethink": TWO - ONE, "answer": 1},
        ),
        (
            "continuous",
            0.06 * ONE + 0.06 * THREE + 0.08 * (TWO - ONE) + 0.8,
            {"image description": ONE, "think": THREE, "rethink": TWO - ONE, "answer": 1},
        ),
        ("visual-fusion", 0.1 * TWO + 0.1 * ONE + 0.8, {"think": TWO, "visual": ONE, "answer": 1}),
        (
            "no-accuracy",
            0.3 * ONE + 0.3 * THREE + 0.3 * (TWO - ONE) + 0.1,
            {"image description": ONE, "think": THREE, "rethink": TWO - ONE, "answer": 1},
        ),
        (
            "perception",
            0.4 + 0.6 * (0.06 * ONE + 0.06 * THREE + 0.08 * (TWO - ONE) + 0.8),
            {"seen": 1, "image description": ONE, "think": THREE, "rethink": TWO - ONE, "answer": 1},
        ),
        ("perception-only", 1.0, {"seen": 1}),
    ],
)
def test_every_reward_of_one_completion(name: str, total: float, parts: dict[str, float]) -> None:
    assert clock(name, FULL) == pytest.approx({"total": total, **parts})


def test_a_wrong_answer_costs_its_weight() -> None:
    wrong = FULL.replace("<answer>4:23", "<answer>9:50")
    for name, reward in REWARDS.items():
        if reward.noise:
            continue
        lost = 0.0 if reward.answer is Pays.PRESENT else reward.told * reward.weights.get("answer", 0.0)
        assert clock(name, wrong)["total"] == pytest.approx(clock(name, FULL)["total"] - lost), name


def test_facts_are_paid_one_by_one() -> None:
    half = FULL.replace("time: 3:23", "time: 3:40")
    least = floor("clock")
    paid = (0.5 - least) / (1 - least)
    assert 0.1 < least < 0.5
    assert clock("perception-only", half)["total"] == pytest.approx(paid), "the hour of two facts, above what is had without looking"
    assert clock("perception", FULL)["total"] - clock("perception", half)["total"] == pytest.approx(0.4 * (1 - paid))
    assert score("perception-only", half, family="clock", answer="4:23", state=STATE, level=2) != pytest.approx(
        {"total": paid, "seen": paid}
    )
    assert clock("perception-only", FULL.replace("image description", "think"))["seen"] == 0.0, "facts elsewhere are not paid"


def test_a_description_is_worth_what_the_solver_makes_of_it() -> None:
    assert clock("sufficient-only", FULL) == {"total": 1.0, "sufficient": 1.0}
    for lost in (FULL.replace("time: 3:23", "time: 3:24"), FULL.replace("Current time", "It shows a dial")[:40], ""):
        assert clock("sufficient-only", lost)["sufficient"] == 0.0, lost
    assert clock("sufficient", FULL)["total"] - clock("sufficient", FULL.replace("time: 3:23", "time: 3:40"))["total"] == pytest.approx(0.4)


@pytest.mark.parametrize("puzzle", load_suite(SuiteSpec.parse("algo:level=2,n=1")).puzzles, ids=lambda puzzle: puzzle.family)
def test_the_true_description_of_every_family_suffices(puzzle: Puzzle) -> None:
    assert suffices(puzzle.description or "", puzzle.family, puzzle.answer, puzzle.state)
    assert not suffices("nothing", puzzle.family, puzzle.answer, puzzle.state)
    assert suffices(puzzle.description or "", puzzle.family, puzzle.answer, None) is None


def test_noise_has_nothing_to_do_with_the_text() -> None:
    drawn = [clock("noise", FULL)["total"] for _ in range(200)]
    assert all(0 <= value < 1 for value in drawn)
    assert len(set(drawn)) == 200


def test_perception_is_none_without_a_state() -> None:
    for name in ("perception", "perception-only", "sufficient"):
        assert score(name, FULL, family="clock", answer="4:23") is None
        assert score(name, FULL, family="a public family", answer="4:23", state=STATE) is None
    assert score("mixture", FULL, family="a public family", answer="4:23") is not None


@pytest.mark.parametrize(
    ("said", "credit"),
    [
        ("4:23", 1.0),
        ("4:20", 0.5 + 0.5 * (1 - 3 / 20)),
        ("5:23", 0.5 * (1 - 1 / 5) + 0.5),
        ("2:33", 0.5 * (1 - 2 / 5) + 0.5 * (1 - 10 / 20)),
        ("1:23", 0.5),
        ("4:34", 0.5),
        ("9:50", 0.0),
        ("4:23 or 4:20", 0.0),
        ("I cannot tell", 0.0),
        ("no idea", 0.0),
    ],
)
def test_partial_credit_of_the_clock(said: str, credit: float) -> None:
    assert clock("continuous", f"<answer>{said}</answer>")["answer"] == pytest.approx(credit)
    assert clock("mixture", f"<answer>{said}</answer>")["answer"] == float(said == "4:23")


def test_the_clock_goes_round() -> None:
    def credit(said: str, right: str) -> float:
        return clock("continuous", f"<answer>{said}</answer>", answer=right)["answer"]

    assert credit("12:58", "1:02") == pytest.approx(0.5 * (1 - 1 / 5) + 0.5 * (1 - 4 / 20))
    assert credit("11:00", "1:00") == pytest.approx(0.5 * (1 - 2 / 5) + 0.5)
    assert credit("0:37", "12:37") == 1.0, "one time in two spellings"


@pytest.mark.parametrize(
    ("said", "credit"),
    [
        ("7", 1),
        ("seven", 1),
        ("8", 1 / 2),
        ("5", 1 / 3),
        ("12", 1 / 6),
        ("2", 1 / 6),
        ("13", 0),
        ("-7", 0),
        ("7.5", 0),  # between 7 and 8, and nearer to each than they are to one another
        ("7.01", 0),
        ("7.0", 1),
        ("six", 1 / 2),
    ],
)
def test_partial_credit_of_numbers(said: str, credit: float) -> None:
    parts = score("continuous", f"<answer>{said}</answer>", family="n_queens", answer="7")
    assert parts is not None
    assert parts["answer"] == pytest.approx(credit)


def test_no_partial_credit_for_words() -> None:
    parts = score("continuous", "<answer>Monday</answer>", family="calendar", answer="Tuesday")
    assert parts == {"total": 0.0, "image description": 0.0, "think": 0.0, "rethink": 0.0, "answer": 0.0}


# -- the grader that evaluates is the grader that rewards --------------------------------------------------------------------------------
@pytest.mark.parametrize("row", GOLDEN, ids=range(len(GOLDEN)))
def test_evaluation_and_reward_agree_on_the_golden_table(row: dict[str, Any]) -> None:
    """Every row asked openly; the open rows of the table also against the outcome that is written there."""
    state = STATE if row["family"] == "clock" else None
    verdict = grade(row["text"], Item(row["family"], row["gold"], tuple(row["options"])), fmt=Format.OPEN)
    for name, reward in REWARDS.items():
        if "answer" in reward.weights and reward.answer is not Pays.PRESENT:
            parts = score(name, row["text"], family=row["family"], answer=row["gold"], state=state)
            if parts is not None:
                assert (parts["answer"] == 1.0) == (verdict.outcome is Outcome.CORRECT), name
    if row["fmt"] == "open" and "reading" not in row and "stop" not in row:
        parts = score("only-accuracy", row["text"], family=row["family"], answer=row["gold"])
        assert parts == {"total": float(row["outcome"] == "correct"), "answer": float(row["outcome"] == "correct")}


def test_the_golden_table_exercises_the_agreement() -> None:
    outcomes = [grade_open(row["text"], row["family"], row["gold"]).outcome for row in GOLDEN]
    assert outcomes.count(Outcome.CORRECT) > 50
    assert outcomes.count(Outcome.UNPARSED) > 50
    assert sum(row["fmt"] == "open" for row in GOLDEN) > 40


def test_an_answer_outside_the_answer_tag_counts_as_in_an_evaluation() -> None:
    assert clock("vanilla", "The answer is 4:23.")["answer"] == 1.0
    assert clock("no-accuracy", "The answer is 4:23.")["answer"] == 0.0, "it asks for the tag, and for nothing in particular in it"
    assert clock("no-accuracy", "<answer>blue</answer>")["answer"] == 1.0


# -- prompts -----------------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", REWARDS)
def test_prompts_ask_for_the_tags_that_are_paid(name: str) -> None:
    puzzle = load_suite(SuiteSpec.parse("algo:n=1"), families=["maze"]).puzzles[0]
    prompt = reward_prompt(name, puzzle)
    assert puzzle.question in prompt
    assert (ROOT / "prompts" / f"{REWARDS[name].template}.j2").is_file()
    for tag in REWARDS[name].tags:
        assert f"<{tag}>" in prompt
        assert f"</{tag}>" in prompt
    assert str(puzzle.description) not in prompt
    for reward in SHOWN:
        parts = score(reward, prompt, family=puzzle.family, answer=puzzle.answer, state=puzzle.state)
        assert parts is not None
        assert REWARDS[reward].answer is Pays.PRESENT or parts["answer"] == 0.0


def test_the_example_of_the_prompt_is_another_picture() -> None:
    for family in ("clock", "maze", "n_queens", "move_box"):
        for puzzle in load_suite(SuiteSpec.parse("algo:n=5"), families=[family]).puzzles:
            parts = score("perception-only", reward_prompt("perception", puzzle), family=family, answer=puzzle.answer, state=puzzle.state)
            assert parts is not None
            assert parts["total"] < 1.0


def test_fidelity_with_and_without_a_puzzle() -> None:
    for puzzle in load_suite(SuiteSpec.parse("algo:n=1")).puzzles:
        assert puzzle.description is not None
        for text in (puzzle.description, puzzle.description[: len(puzzle.description) // 2], puzzle.description.replace("1", "2"), ""):
            compared = fidelity(text, puzzle)
            assert compared == fidelity_to(text, puzzle.family, puzzle.state)
            assert compared is not None
            assert facts_f1(text, puzzle.family, puzzle.state) == compared.f1
        parts = score(
            "perception-only",
            f"<image description>{puzzle.description}</image description>",
            family=puzzle.family,
            answer=puzzle.answer,
            state=puzzle.state,
        )
        assert parts == {"total": 1.0, "seen": 1.0}, puzzle.family


# -- for the trainer ---------------------------------------------------------------------------------------------------------------------
def test_the_trainer_gets_totals_and_components() -> None:
    metrics: dict[str, float] = {}
    extra: dict[str, list[Any]] = {}
    texts = [FULL, "<think>Late.</think><answer>9:50</answer>"]
    columns: dict[str, Any] = {
        "family": ["clock"] * 2,
        "answer": ["4:23"] * 2,
        "state": [json.dumps(STATE)] * 2,
        "prompts": ["p", "p"],
        "completion_ids": [[1], [2]],
        "trainer_state": object(),
        "image": [None, None],
    }
    totals = [clock("perception", text)["total"] for text in texts]
    reward = pickle.loads(pickle.dumps(trl_reward("perception")))
    conversations = [[{"role": "assistant", "content": text}] for text in texts]
    assert reward(completions=conversations, log_metric=metrics.__setitem__, log_extra=extra.__setitem__, **columns) == totals
    assert reward(completions=texts, **columns) == totals
    assert reward([[{"role": "assistant", "content": [{"type": "text", "text": text}]}] for text in texts], **columns) == totals
    assert metrics["rewards/perception/answer"] == 0.5
    assert metrics["rewards/perception/seen"] == pytest.approx(sum(extra["perception/seen"]) / 2)
    assert set(metrics) == {f"rewards/perception/{part}" for part in ("seen", "image_description", "think", "rethink", "answer")} | {
        "tags/any"
    }
    assert extra["perception/answer"] == [1.0, 0.0]
    assert trl_reward("vanilla")([], family=[], answer=[]) == []


@pytest.mark.slow
def test_the_trainer_logs_the_name() -> None:
    utils = pytest.importorskip("trl.trainer.utils")
    for name in REWARDS:
        assert utils.get_callable_name(trl_reward(name)) == name
        assert not utils.is_async_callable(trl_reward(name))


def test_mistakes_of_the_trainer() -> None:
    with pytest.raises(UserError, match="pays for the description"):
        trl_reward("perception")([FULL], family=["clock"], answer=["4:23"])
    with pytest.raises(UserError, match="unknown reward 'accuracy'"):
        trl_reward("accuracy")
    with pytest.raises(ValueError, match="hour"):
        score("perception", FULL, family="clock", answer="4:23", state={"hour": "x"})


def test_the_rewards_import_nothing_heavy() -> None:
    code = "import sys, bench.train.rewards; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    for heavy in ("'torch'", "'transformers'", "'trl'", "'datasets'", "'matplotlib'", "'pandas'"):
        assert heavy not in loaded
    assert importlib.import_module("bench.train").__doc__
