"""The grader: a golden table of replies with their sources, hostile text, our own prompt echoed, the interface."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.grader.grade import Item, grade, grade_open
from bench.grader.text import HEAD, TAIL
from bench.grader.thoughts import split_thoughts
from bench.models.base import Stop
from bench.outcome import Format, Outcome, Reading, Verdict
from bench.prompt import solve_prompt

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parent / "golden_grader.json").read_text(encoding="utf-8"))
LETTERS = "ABCD"
CLOCK = Item("clock", "4:23", ("1:14", "8:09", "4:23", "2:07"))


# -- the golden table --------------------------------------------------------------------------------------------------------------------
def _graded(row: dict[str, Any], reading: Reading | None = None) -> Verdict:
    return grade(
        row["text"],
        Item(row["family"], row["gold"], tuple(row["options"])),
        fmt=Format(row["fmt"]),
        stop=Stop(row.get("stop", "end_turn")),
        reading=reading or Reading(row.get("reading", "normal")),
    )


@pytest.mark.parametrize("row", GOLDEN, ids=[f"{number}-{row['family']}-{row['how']}" for number, row in enumerate(GOLDEN)])
def test_golden(row: dict[str, Any]) -> None:
    assert _graded(row) == Verdict(Outcome(row["outcome"]), row["answer"], row["gold"], row["how"]), row["source"]


def test_golden_table_is_broad() -> None:
    assert len(GOLDEN) >= 400
    assert sum(row.get("adversarial", False) for row in GOLDEN) >= 100
    assert all(row["source"].strip() for row in GOLDEN)
    assert {row["outcome"] for row in GOLDEN} == {"correct", "wrong", "unparsed", "refused", "truncated"}
    assert {"clock", "n_queens", "board_tile", "calendar", "wheel_of_fortune", "tower_of_hanoi"} <= {row["family"] for row in GOLDEN}
    texts = Counter((row["text"], row["family"], row["fmt"], row.get("reading"), row.get("stop"), *row["options"]) for row in GOLDEN)
    assert max(texts.values()) == 1


@pytest.mark.parametrize("row", GOLDEN, ids=range(len(GOLDEN)))
def test_readings_are_nested(row: dict[str, Any]) -> None:
    """What a stricter reading reads, a more forgiving one reads alike."""
    strict, normal, lenient = (_graded(row, reading) for reading in (Reading.STRICT, Reading.NORMAL, Reading.LENIENT))
    if strict.answer is not None:
        assert normal == strict or (normal.outcome, normal.answer) == (strict.outcome, strict.answer)
    if normal.answer is not None:
        assert lenient == normal


# -- hostile text --------------------------------------------------------------------------------------------------------------------------
_SIZE = 100_000
_HOSTILE = (
    "answer is ", "<answer>", "</answer>", "<answer>B</answer>\n", r"\boxed{", "**a", "no, wait, ", "or B, ", "<think>", "<think></think>",
    "B\n", "A. 7\n", "1:", "1,", "7 or ", "is correct ", "(", " ", "\n", "~~", "<b ", "it is ", "not ",
    "on a line of its own, ", "\u00e9", "a",
)  # fmt: skip


def _long_texts() -> Iterator[tuple[str, str]]:
    for piece in _HOSTILE:
        yield piece, (piece * (_SIZE // len(piece) + 1))[:_SIZE]
    yield "gap in a statement", "answer" + " " * _SIZE + "is B"
    yield "gap in a tag", "<answer>" + " " * _SIZE + "B</answer>"
    yield "long tag", "<answer>" + "7 or " * (_SIZE // 5) + "</answer>"


@pytest.mark.parametrize(("name", "text"), list(_long_texts()), ids=[repr(name) for name, _ in _long_texts()])
def test_long_hostile_text_is_read_in_linear_time(name: str, text: str) -> None:
    for item, fmt in ((Item("grid_number", "5", ("7", "9", "1", "5")), Format.MCQ), (Item("grid_number", "5"), Format.OPEN)):
        best = 1.0
        for _ in range(4):
            start = time.process_time()
            grade(text, item, fmt=fmt, reading=Reading.LENIENT)
            best = min(best, time.process_time() - start)
            if best < 0.15:
                break
        assert best < 0.15, f"{name!r}: {best * 1000:.0f} ms"


def test_answer_before_a_long_degenerate_tail_is_still_read() -> None:
    filler = "and so on " * ((HEAD + TAIL) // 5)
    assert grade(f"{filler}\n<answer>C</answer>\n{filler}", CLOCK).outcome is Outcome.CORRECT
    assert grade(f"{filler}\n<answer>C</answer>\n{filler}", CLOCK, stop=Stop.LENGTH).outcome is Outcome.CORRECT
    assert grade(f"{filler}\n<answer>A</answer>\n{filler}", CLOCK, reading=Reading.STRICT).outcome is Outcome.WRONG


# -- our own prompt ----------------------------------------------------------------------------------------------------------------------
def _echoes(question: str, options: Sequence[str], evidence: str | None) -> Iterator[tuple[str, Format]]:
    for fmt, shown in ((Format.MCQ, options), (Format.OPEN, ())):
        prompt = solve_prompt(question, shown, evidence=evidence, picture=True)
        yield prompt, fmt
        yield f"<think>{prompt}</think>\n{prompt}", fmt
        yield question, fmt


def test_echoed_prompt_earns_nothing_wherever_the_right_answer_stands() -> None:
    for options in itertools.permutations(("1:14", "8:09", "4:23")):
        for text, fmt in _echoes("What time is it?", options, "Current time: 3:23"):
            for reading in (Reading.STRICT, Reading.NORMAL):
                assert grade(text, Item("clock", "4:23", options), fmt=fmt, reading=reading).outcome is Outcome.UNPARSED


def test_answer_after_an_echoed_prompt_counts() -> None:
    prompt = solve_prompt("What time is it?", CLOCK.options, evidence=None, picture=True)
    assert grade(f"{prompt}\n<answer>C</answer>", CLOCK).outcome is Outcome.CORRECT
    assert grade(f"{prompt}\n\nThe answer is A.", CLOCK).answer == "1:14"


def test_echoed_public_prompts_earn_nothing(shared_data: Path) -> None:
    rows = 0
    for path in sorted(shared_data.glob("*/data/*.json")):
        for line in path.read_text(encoding="utf-8").splitlines()[:4]:
            row = json.loads(line)
            item = Item(path.stem, str(row["answer"]), tuple(str(option) for option in row["options"]))
            for text, fmt in _echoes(row["question"], item.options, row.get("caption")):
                for reading in (Reading.NORMAL, Reading.LENIENT):
                    rows += 1
                    assert grade(text, item, fmt=fmt, reading=reading).outcome is not Outcome.CORRECT, text
    assert rows >= 1500


def test_public_answers_are_read_by_letter_and_by_text(shared_data: Path) -> None:
    patterns = (
        "<answer>{letter}</answer>",
        "<answer>{text}</answer>",
        "The answer is {letter}. {text}",
        "{text} ({letter})",
        "So it is {text}.",
    )
    for path in sorted(shared_data.glob("*/data/*.json")):
        for line in path.read_text(encoding="utf-8").splitlines()[:4]:
            row = json.loads(line)
            options = tuple(str(option) for option in row["options"])
            item = Item(path.stem, str(row["answer"]), options)
            for (letter, option), pattern in itertools.product(zip(LETTERS, options, strict=False), patterns):
                verdict = grade(pattern.format(letter=letter, text=option), item)
                assert (verdict.answer, verdict.outcome is Outcome.CORRECT) == (option, option == item.answer), (path.stem, pattern)


# -- the interface -----------------------------------------------------------------------------------------------------------------------
def test_letters_refer_to_the_order_shown() -> None:
    shown = ("4:23", "2:07", "1:14", "8:09")
    assert grade("<answer>A</answer>", CLOCK, options=shown).outcome is Outcome.CORRECT
    assert grade("<answer>C</answer>", CLOCK, options=shown).answer == "1:14"


def test_more_letters_than_four() -> None:
    options = tuple(str(number) for number in range(10, 20))
    item = Item("triangle", "18", options)
    assert grade("<answer>I</answer>", item).outcome is Outcome.CORRECT
    assert grade("I think so.", item).outcome is Outcome.UNPARSED
    assert grade("I. 18", item).outcome is Outcome.CORRECT
    assert grade("The answer is C because I computed the integral.", item).answer == "12"


@pytest.mark.parametrize("options", [(), tuple(str(number) for number in range(27))])
def test_impossible_numbers_of_options_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="options: expected 1 to 26"):
        grade("A", Item("triangle", "1", options))


def test_a_public_family_that_is_not_generated_compares_plainly() -> None:
    assert grade_open("<answer>twelve</answer>", "no_such_family", "12").outcome is Outcome.CORRECT


def test_verdict_does_not_depend_on_the_gold_of_a_choice() -> None:
    """Which option is read may never depend on which is right."""
    for row in GOLDEN:
        if row["fmt"] == "mcq":
            read = {
                grade(row["text"], Item(row["family"], gold, tuple(row["options"])), stop=Stop(row.get("stop", "end_turn"))).answer
                for gold in row["options"]
            }
            assert len(read) == 1, row["text"]


@pytest.mark.parametrize(
    ("text", "said", "thoughts"),
    [
        ("<think>a</think>b", "b", "a"),
        ("a</think>b", "b", "a"),
        ("a<think>b", "a", "b"),
        ("<think>a<visual>b</visual></think>c", "c", "a<visual>b</visual>"),
        ("<description>a</description>b", "b", ""),
        ("<thinking>a</think>b</thinking>c", "c", "a</think>b"),
    ],
)
def test_thoughts_are_split_off(text: str, said: str, thoughts: str) -> None:
    assert split_thoughts(text) == (said, thoughts)
