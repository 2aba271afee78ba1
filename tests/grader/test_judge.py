"""From trial to verdict; what each rule is called; special tokens, thoughts and JSON taken apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.grader.grade import Item, grade
from bench.grader.judge import StoredTrial, judge
from bench.grader.rulebook import RULES, explained
from bench.grader.structured import UNDECIDED, json_statements
from bench.grader.thoughts import split_thoughts
from bench.mode import Mode
from bench.models.base import Stop
from bench.outcome import Format, Outcome, Reading
from tasks.suites import SuiteSpec, load_suite
from tests.conftest import ROOT

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parent / "golden_grader.json").read_text(encoding="utf-8"))


# -- judge -------------------------------------------------------------------------------------------------------------------------------
def test_an_answer_is_graded_with_the_options_as_shown() -> None:
    trial = StoredTrial("clock", "4:23", ("2:07", "4:23"), Mode.IMAGE, Format.MCQ)
    assert judge(trial, "B") == grade("B", Item("clock", "4:23", ("2:07", "4:23")))
    assert judge(trial, "The answer is B.", reading=Reading.STRICT).how == "no-tag"
    assert judge(trial, "", stop=Stop.LENGTH).outcome is Outcome.TRUNCATED


def test_a_readback_is_read_and_solved() -> None:
    (puzzle,) = load_suite(SuiteSpec.parse("algo:level=1,n=1"), families=["calendar"]).puzzles
    assert puzzle.description is not None
    trial = StoredTrial(puzzle.family, puzzle.answer, puzzle.options, Mode.READBACK, Format.OPEN, puzzle.state)
    assert judge(trial, puzzle.description).outcome is Outcome.CORRECT
    assert judge(trial, puzzle.answer).outcome is Outcome.UNPARSED
    unknown = StoredTrial(puzzle.family, puzzle.answer, puzzle.options, Mode.READBACK, Format.OPEN)
    with pytest.raises(ValueError, match="state: this puzzle has none"):
        judge(unknown, puzzle.description)


# -- the names of the rules --------------------------------------------------------------------------------------------------------------
def test_every_rule_that_decides_has_a_name_and_words() -> None:
    readings = [grade(r["text"], Item(r["family"], r["gold"]), fmt=Format.OPEN, reading=one).how for r in GOLDEN for one in Reading]
    used = {row["how"] for row in GOLDEN} | set(readings)
    assert used <= set(RULES)
    assert set(RULES) - used <= {"readback", "caption", "error"}
    assert explained("readback: hour: missing") == "readback: hour: missing"


def test_the_docs_name_every_rule() -> None:
    page = (ROOT / "docs/grading.md").read_text(encoding="utf-8")
    assert [how for how in RULES if f"| `{how}` | {RULES[how]} |" not in page] == []


# -- turns, thoughts, JSON ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "said", "thoughts"),
    [
        ("[THINK]a[/THINK]b", "b", "a"),
        ("a[/THINK]b", "b", "a"),
        ("[THINK]a", "", "a"),
        ("\u25c1think\u25b7a\u25c1/think\u25b7b", "b", "a"),
        ("<seed:think>a</seed:think>b", "b", "a"),
        ("<|begin_of_thought|>a<|end_of_thought|>b", "b", "a"),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>c", "b", "a"),
        ("<|channel|>final <|constrain|>json<|message|>b", "b", ""),
        ("<|channel|>commentary<|message|>a", "", "a"),
        ("analysisA thought.assistantfinalb", "b", "A thought."),
        ("analysis of the clock", "analysis of the clock", ""),
        ("b<|im_end|>\n<|im_start|>user\nc", "b", ""),
        ("<|im_start|>assistant\nb", "\nb", ""),
        ("<s>b</s>c", "b", ""),
        ("b <s>struck</s> c", "b <s>struck</s> c", ""),
        ("[INST]a[/INST]b", "b", ""),
        ("<|begin_of_box|>b<|end_of_box|>", " b ", ""),
        ("a < b | c > d", "a < b | c > d", ""),
    ],
)
def test_the_reply_proper(text: str, said: str, thoughts: str) -> None:
    assert split_thoughts(text) == (said, thoughts)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"answer": "C"}', ["C"]),
        ('so {"Final Answer": 5} then', ["5"]),
        ('{"letter": "C", "text": "4:23"}', ["C. 4:23"]),
        ('{"answer": {"option": "C"}}', ["C"]),
        ('{"answer": ["B", "C"]}', ["B or C"]),
        ('{"answer": true}', ["Yes"]),
        ('{"answer": null}', [UNDECIDED]),
        ('{"A": 0.5, "C": 0.5}', [UNDECIDED]),
        ('{"turns": 5}', []),
        ('{"answer": "C"', []),
        ("{" * 2000, []),
        ('{"a":' * 2000, []),
    ],
)
def test_json(text: str, says: list[str]) -> None:
    assert [said for _, _, said in json_statements(text)] == says
