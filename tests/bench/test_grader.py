"""The grader: a golden table of replies with their sources, properties over rendered answers, hostile text, and our own prompt echoed."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.grader import Item, grade, grade_open
from bench.models.base import Stop
from bench.outcome import Format, Outcome, Reading, Verdict
from bench.prompt import solve_prompt
from bench.reply_text import HEAD, TAIL, split_thoughts

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


# -- rendered answers --------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Asked:
    """A question, and which option the reply is to state."""

    item: Item
    stated: str
    other: str

    def letter(self, text: str) -> str:
        return LETTERS[self.item.options.index(text)]


_TIMES = [f"{hour}:{minute:02d}" for hour in range(1, 13) for minute in range(0, 60, 7)]
POOLS: dict[str, list[str]] = {
    "clock": _TIMES,
    "n_queens": [str(number) for number in range(120)],
    "triangle": [str(number) for number in range(40)],
    "calendar": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "color_grid": ["red", "green", "blue", "yellow", "orange", "purple"],
    "color_size_circle": [f"{shade} {colour}" for shade in ("light", "dark") for colour in ("red", "green", "blue", "purple")],
    "colour_words": ["blue", "light blue", "dark blue", "green", "light green"],
    "size_grid": ["small", "medium", "large"],
    "shape_morph": ["circle", "triangle", "square", "pentagon", "hexagon"],
    "wheel_of_fortune": ["Camera", "Laptop", "Chocolate", "Car", "Ice Cream", "Yacht", "Money", "Jewelry", "Pizza"],
    "board_tile": ["Yes", "No"],
}


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    family = draw(st.sampled_from(sorted(POOLS)))
    count = draw(st.integers(2, min(4, len(POOLS[family]))))
    options = tuple(draw(st.lists(st.sampled_from(POOLS[family]), min_size=count, max_size=count, unique=True)))
    gold, stated = draw(st.sampled_from(options)), draw(st.sampled_from(options))
    other = draw(st.sampled_from([option for option in options if option != stated]))
    return Asked(Item(family, gold, options), stated, other)


# A style makes a reply from what it states ("B", or "4:23", or "B. 4:23") and what it first considered.
Style = Callable[[str, str], str]
STYLES: dict[str, Style] = {
    "tag": lambda said, _: f"<answer>{said}</answer>",
    "tag after work": lambda said, _: f"Let me look closely at the picture.\n\nI am sure now.\n\n<answer>{said}</answer>",
    "tag, shouted": lambda said, _: f"<ANSWER> {said} </ANSWER>",
    "tag, bold": lambda said, _: f"**<answer>{said}</answer>**",
    "tag with bold": lambda said, _: f"<answer>**{said}**</answer>",
    "tag, unclosed": lambda said, _: f"So I am done.\n<answer>{said}",
    "tags, the last one": lambda said, other: f"<answer>{other}</answer>\nThat overlooked a part.\n<answer>{said}</answer>",
    "tag after a draft": lambda said, other: f"<think>The answer is {other}. <answer>{other}</answer></think>\n<answer>{said}</answer>",
    "boxed": lambda said, _: rf"\boxed{{{said}}}",
    "boxed text": lambda said, _: rf"Thus $\boxed{{\text{{{said}}}}}$.",
    "boxed twice": lambda said, other: rf"\boxed{{{other}}} was too quick." + "\n\n" + rf"\boxed{{{said}}}",
    "answer is": lambda said, _: f"The answer is {said}.",
    "correct answer is": lambda said, _: f"After all that, the correct answer is: **{said}**",
    "answer colon": lambda said, _: f"Answer: {said}",
    "bold label": lambda said, _: f"**Final answer:** {said}",
    "answer below": lambda said, _: f"### Final answer\n\n{said}",
    "answer and a reason": lambda said, _: f"The answer is {said}, because everything else fails.",
    "hedged": lambda said, _: f"I think the answer is probably {said}.",
    "bold": lambda said, _: f"I looked at all of it.\n\n**{said}**",
    "alone": lambda said, _: said,
    "alone, dotted": lambda said, _: f"{said}.",
    "last line": lambda said, _: f"I looked at all of it.\n\n{said}",
    "so it is": lambda said, _: f"I looked at all of it. So it is {said}.",
    "I choose": lambda said, _: f"I looked at all of it, and I choose {said}.",
    "retraction": lambda said, other: f"The answer is {other}. No, wait, it's {said}.",
    "correction": lambda said, other: f"The answer is {other}.\nActually, {said}.",
    "contrast": lambda said, other: f"The answer is not {other} but {said}.",
    "dismissal": lambda said, other: f"The answer is {said}, not {other}.",
    "json": lambda said, _: json.dumps({"answer": said}),
    "full-width": lambda said, _: f"The answer is {''.join(chr(ord(c) + 0xFEE0) if '!' <= c <= '~' else c for c in said)}.",
    "marked": lambda said, _: f"<answer>\u200f{said}\u200e</answer>",
    "later": lambda said, other: f"Answer: {other}\nChecking again, I have to correct this.\nAnswer: {said}",
}
LETTER_STYLES: dict[str, Style] = {
    "bracketed": lambda said, _: f"({said})",
    "option": lambda said, _: f"Option {said}",
    "choice": lambda said, _: f"choice {said}",
    "half bracket": lambda said, _: f"{said})",
    "latex": lambda said, _: rf"The answer is $\mathbf{{{said}}}$.",
    "small": lambda said, _: f"The correct answer is {said.lower()}.",
    "is correct": lambda said, _: f"Option {said} is correct.",
    "leading": lambda said, _: f"{said}. The picture leaves nothing else.",
    "leading bracket": lambda said, _: f"({said}) The picture leaves nothing else.",
    "corresponds": lambda said, _: f"That corresponds to option {said}.",
}


@st.composite
def rendered(draw: st.DrawFn) -> tuple[Asked, str, str]:
    """A question, a reply that states one option of it by letter, by text or by both, and the name of the style."""
    question = draw(asked())
    spell: Callable[[str], str] = draw(
        st.sampled_from(
            (
                question.letter,
                lambda text: text,
                lambda text: f"{question.letter(text)}. {text}",
                lambda text: f"({question.letter(text)}) {text}",
            )
        )
    )
    by_letter = spell == question.letter
    name, style = draw(st.sampled_from(sorted({**STYLES, **(LETTER_STYLES if by_letter else {})}.items(), key=lambda pair: pair[0])))
    return question, style(spell(question.stated), spell(question.other)), name


@settings(max_examples=500, deadline=None)
@given(rendered())
def test_rendered_answer_is_read_back(case: tuple[Asked, str, str]) -> None:
    question, reply, style = case
    right = question.stated == question.item.answer
    verdict = grade(reply, question.item)
    assert (verdict.outcome, verdict.answer) == (Outcome.CORRECT if right else Outcome.WRONG, question.stated), (style, reply, verdict)


@settings(max_examples=250, deadline=None)
@given(asked(), st.sampled_from(sorted(STYLES.items(), key=lambda pair: pair[0])))
def test_rendered_open_answer_is_read_back(question: Asked, named: tuple[str, Style]) -> None:
    name, style = named
    item = Item(question.item.family, question.item.answer)
    reply = style(question.stated, question.other)
    verdict = grade(reply, item, fmt=Format.OPEN)
    if question.stated == item.answer:
        assert (verdict.outcome, verdict.answer) == (Outcome.CORRECT, item.answer), (name, reply, verdict)
    else:
        assert verdict.outcome in (Outcome.WRONG, Outcome.UNPARSED), (name, reply, verdict)
    assert verdict == grade_open(reply, item.family, item.answer)


@settings(max_examples=120, deadline=None)
@given(rendered(), st.randoms(use_true_random=False))
def test_shuffling_options_with_their_letters_changes_nothing(case: tuple[Asked, str, str], rng: random.Random) -> None:
    question, _, name = case
    shown = list(question.item.options)
    rng.shuffle(shown)
    style = {**STYLES, **LETTER_STYLES}[name]
    reply = style(LETTERS[shown.index(question.stated)], LETTERS[shown.index(question.other)])
    straight = style(question.letter(question.stated), question.letter(question.other))
    assert grade(reply, question.item, options=shown) == grade(straight, question.item)


@settings(max_examples=120, deadline=None)
@given(rendered())
def test_stricter_readings_agree_with_normal(case: tuple[Asked, str, str]) -> None:
    question, reply, _ = case
    strict, normal, lenient = (
        grade(reply, question.item, reading=reading) for reading in (Reading.STRICT, Reading.NORMAL, Reading.LENIENT)
    )
    assert strict.outcome is Outcome.UNPARSED or (strict.outcome, strict.answer) == (normal.outcome, normal.answer)
    assert lenient == normal
    assert normal == grade(reply, question.item)


@settings(max_examples=100, deadline=None)
@given(
    asked(),
    st.sampled_from(
        (
            "{a} or {b}",
            "The answer is {a} or {b}.",
            "<answer>{a}, {b}</answer>",
            "either {a} or {b}",
            "<answer>{a}</answer> <answer>{b}</answer>",
            r"\boxed{{{a}}} or \boxed{{{b}}}",
            "Answer: {a} and {b}",
        )
    ),
)
def test_alternatives_are_no_answer(question: Asked, pattern: str) -> None:
    for spell in (question.letter, str):
        verdict = grade(pattern.format(a=spell(question.stated), b=spell(question.other)), question.item)
        assert verdict.outcome is Outcome.UNPARSED, verdict


@settings(max_examples=100, deadline=None)
@given(asked(), st.sampled_from(("<answer>{}. {}</answer>", "{}. {}", "The answer is {} ({}).", r"\boxed{{{}: {}}}", "Answer: {}) {}")))
def test_letter_at_odds_with_its_text_is_no_answer(question: Asked, pattern: str) -> None:
    verdict = grade(pattern.format(question.letter(question.stated), question.other), question.item)
    assert (verdict.outcome, verdict.how) == (Outcome.UNPARSED, "conflict")


# -- prose and arbitrary text ------------------------------------------------------------------------------------------------------------
_WORDS = (
    "a A I be the The clock board picture shows hand between near minute hour of and to with there are here we can see that which first then next "
    "so it looks like pattern repeats because left right each row column Bob Company vitamin about 71 83 97 As An Both Because Certainly In on at"
).split()


def _prose(rng: random.Random) -> str:
    sentences: list[str] = []
    for _ in range(rng.randint(1, 6)):
        sentences.append(" ".join(rng.choice(_WORDS) for _ in range(rng.randint(3, 14))) + rng.choice(".!\n,:"))
    return " ".join(sentences)


def test_prose_is_hardly_ever_an_answer() -> None:
    rng, outcomes = random.Random(1), Counter[Outcome]()
    for _ in range(1500):
        family = rng.choice(sorted(POOLS))
        options = tuple(option for option in rng.sample(POOLS[family], min(4, len(POOLS[family]))) if option not in ("71", "83", "97"))
        outcomes[grade(_prose(rng), Item(family, rng.choice(options), options)).outcome] += 1
    assert outcomes[Outcome.UNPARSED] >= 0.95 * 1500, outcomes
    assert outcomes[Outcome.CORRECT] <= 0.01 * 1500, outcomes


_PIECES = (
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    r"\boxed{",
    "}",
    "**",
    "$",
    "A",
    "B",
    " or ",
    "not ",
    "The answer is ",
    "4:23",
    "8:09",
    "no, ",
    "\n",
    ".",
    "?",
    "(",
    ")",
    "~~",
    " is correct",
    "5",
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.text(max_size=300), st.lists(st.sampled_from(_PIECES), max_size=25).map("".join)),
    st.sampled_from(Format),
    st.sampled_from(Reading),
    st.sampled_from(Stop),
)
def test_any_text_gets_one_verdict(text: str, fmt: Format, reading: Reading, stop: Stop) -> None:
    verdict = grade(text, CLOCK, fmt=fmt, reading=reading, stop=stop)
    assert verdict == grade(text, CLOCK, fmt=fmt, reading=reading, stop=stop)
    assert (verdict.answer is not None) == (verdict.outcome in (Outcome.CORRECT, Outcome.WRONG))
    assert (verdict.outcome is Outcome.CORRECT) == (verdict.answer == CLOCK.answer)
    strict, normal = (grade(text, CLOCK, fmt=fmt, reading=each, stop=stop) for each in (Reading.STRICT, Reading.NORMAL))
    assert strict.answer is None or (strict.outcome, strict.answer) == (normal.outcome, normal.answer)


_SIZE = 100_000
_HOSTILE = (
    "answer is ", "<answer>", "</answer>", "<answer>B</answer>\n", r"\boxed{", "**a", "no, wait, ", "or B, ", "<think>", "<think></think>", "B\n",
    "A. 7\n", "1:", "1,", "7 or ", "is correct ", "(", " ", "\n", "~~", "<b ", "it is ", "not ", "on a line of its own, ", "\u00e9", "a",
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
            if best < 0.05:
                break
        assert best < 0.05, f"{name!r}: {best * 1000:.0f} ms"


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
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            item = Item(path.stem, str(row["answer"]), tuple(str(option) for option in row["options"]))
            for text, fmt in _echoes(row["question"], item.options, row.get("caption")):
                for reading in (Reading.NORMAL, Reading.LENIENT):
                    rows += 1
                    assert grade(text, item, fmt=fmt, reading=reading).outcome is not Outcome.CORRECT, text
    assert rows >= 4000


def test_public_answers_are_read_by_letter_and_by_text(shared_data: Path) -> None:
    for path in sorted(shared_data.glob("*/data/*.json")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            options = tuple(str(option) for option in row["options"])
            item = Item(path.stem, str(row["answer"]), options)
            for letter, option in zip(LETTERS, options, strict=False):
                for text in (
                    f"<answer>{letter}</answer>",
                    f"<answer>{option}</answer>",
                    f"The answer is {letter}. {option}",
                    f"So it is {option}.",
                ):
                    verdict = grade(text, item)
                    assert (verdict.answer, verdict.outcome is Outcome.CORRECT) == (option, option == item.answer), (path.stem, text)


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
