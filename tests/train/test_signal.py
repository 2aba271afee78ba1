"""What a reward has to teach: measured on made-up groups, and said in a line."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.puzzle import Puzzle
from bench.train.recipe import load_recipe
from bench.train.rewards import reward_called
from bench.train.signal import Sampled, diagnose, measured, sentence
from tasks.suites import SuiteSpec, load_suite

CLOCK, QUEENS = load_suite(SuiteSpec.parse("mini@1:n=1,level=1,split=train"), families=["clock", "n_queens"]).puzzles


def group(puzzle: Puzzle, texts: Sequence[str]) -> tuple[Puzzle, list[Sampled]]:
    return puzzle, [Sampled(text, 10, text == "cut") for text in texts]


def right(puzzle: Puzzle) -> str:
    return f"<answer>{puzzle.answer}</answer>"


def test_numbers_of_a_reward_for_answers() -> None:
    groups = [group(CLOCK, [right(CLOCK), "no", "no", "no"]), group(QUEENS, ["no"] * 4)]
    by_family = {signal.family: signal for signal in measured(reward_called("only-accuracy"), groups)}
    assert list(by_family) == ["clock", "n_queens", "all"]
    assert (by_family["clock"].passed, by_family["clock"].best, by_family["clock"].varied) == (0.25, 1.0, 1.0)
    assert by_family["clock"].spread == pytest.approx(0.75**0.5 * 0.5)
    assert (by_family["n_queens"].best, by_family["n_queens"].varied, by_family["n_queens"].spread) == (0.0, 0.0, 0.0)
    assert (by_family["all"].passed, by_family["all"].varied, by_family["all"].tokens) == (0.125, 0.5, 10)
    assert "there is something to teach" in sentence(by_family["all"], 4)
    assert "nothing to teach, since nearly all completions" in sentence(by_family["n_queens"], 4)


def test_the_share_of_the_tags() -> None:
    texts = ["<think>One.</think>", "<think>One. Two. Three.</think>", "no"]
    signal = measured(reward_called("vanilla"), [group(CLOCK, texts)])[-1]
    assert signal.tags == pytest.approx(1.0)
    assert "it teaches to write sentences" in sentence(signal, 3)


def test_descriptions_that_do_not_differ_leave_nothing_to_see_better() -> None:
    told = f"<image description>{CLOCK.description}</image description>"
    same = measured(reward_called("perception"), [group(CLOCK, [told + right(CLOCK), told])])[-1]
    assert same.seen == 0.0
    assert "varies by 0.00 within a group: nothing to see better" in sentence(same, 2)
    other = measured(reward_called("perception"), [group(CLOCK, [told, "no"])])[-1]
    assert other.seen == pytest.approx(0.5)
    assert "nothing to see better" not in sentence(other, 2)
    cut = measured(reward_called("vanilla"), [group(CLOCK, ["cut", "cut", right(CLOCK)])])[-1]
    assert "67% of the completions are cut off" in sentence(cut, 3)


@pytest.mark.slow
def test_a_real_checkpoint_is_diagnosed() -> None:
    from dataclasses import replace

    tiny = load_recipe("tiny")
    small = replace(
        tiny, data=replace(tiny.data, set="mini@1:level=1,n=4"), grpo=tiny.grpo | {"num_generations": 2, "max_completion_length": 24}
    )
    lines = diagnose(small, ["perception", "vanilla"], "tiny-base", groups=1)
    assert [line.partition(":")[0] for line in lines[:2]] == ["perception", "vanilla"]
    assert sum(line.startswith("| perception |") for line in lines) == 5
