"""Properties of the grader: an answer rendered in any style is read back, alternatives and prose are no answer, no text breaks it."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.grader.grade import Item, grade, grade_open
from bench.models.base import Stop
from bench.outcome import Format, Outcome, Reading

LETTERS = "ABCD"
CLOCK = Item("clock", "4:23", ("1:14", "8:09", "4:23", "2:07"))


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
    "leading": lambda said, _: f"{said}\n\nI looked at the picture twice.",
    "leading, bold": lambda said, _: f"**{said}**\n\nThe picture shows all that is needed.",
    "going with": lambda said, _: f"I looked at all of it. Going with {said}.",
    "box tokens": lambda said, _: f"<answer><|begin_of_box|>{said}<|end_of_box|></answer><|im_end|>",
    "another turn": lambda said, other: f"{said}<|im_end|>\n<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n{other}",
    "Mistral's thoughts": lambda said, other: f"[THINK]The answer is {other}.[/THINK]{said}",
    "Kimi's thoughts": lambda said, other: f"\u25c1think\u25b7The answer is {other}.\u25c1/think\u25b7{said}",
    "channels": lambda said, other: (
        f"<|channel|>analysis<|message|>{other}<|end|><|start|>assistant<|channel|>final<|message|>{said}<|return|>"
    ),
    "bare channels": lambda said, other: f"analysisThe answer is {other}.assistantfinal{said}",
    "json with a reason": lambda said, _: json.dumps({"reason": "It fits best.", "final answer": said, "confidence": 0.9}),
    "Spanish": lambda said, _: f"La respuesta correcta es {said}.",
    "French": lambda said, _: f"La réponse est {said}.",
    "German": lambda said, _: f"Die richtige Antwort ist {said}.",
    "Chinese": lambda said, _: f"所以答案是{said}。",
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
    "Chinese choice": lambda said, _: f"所以选{said}。",
    "corresponds": lambda said, _: f"That corresponds to option {said}.",
}


@st.composite
def rendered(draw: st.DrawFn) -> tuple[Asked, str, str]:
    """A question, a reply that states one option of it by letter, by text or by both, and the name of the style."""
    question = draw(asked())
    spellings: list[Callable[[str], str]] = [
        question.letter,
        str,
        lambda text: f"{question.letter(text)}. {text}",
        lambda text: f"({question.letter(text)}) {text}",
        lambda text: f"{text} ({question.letter(text)})",
        lambda text: f"option {question.letter(text)}",
    ]
    spell = draw(st.sampled_from(spellings))
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
_WORDS: list[str] = re.findall(
    r"\S+",
    "a A I be the The clock board picture shows hand between near minute hour of and to with there are here we can see that which first "
    "then next so it looks like pattern repeats because left right each row column Bob Company vitamin about As An Both In on 71 83 97",
)


def _prose(rng: random.Random) -> str:
    return " ".join(
        " ".join(rng.choice(_WORDS) for _ in range(rng.randint(3, 14))) + rng.choice(".!\n,:") for _ in range(rng.randint(1, 6))
    )


def test_prose_is_hardly_ever_an_answer() -> None:
    rng, outcomes = random.Random(1), Counter[Outcome]()
    for _ in range(1000):
        family = rng.choice(sorted(POOLS))
        options = tuple(option for option in rng.sample(POOLS[family], min(4, len(POOLS[family]))) if option not in ("71", "83", "97"))
        outcomes[grade(_prose(rng), Item(family, rng.choice(options), options)).outcome] += 1
    assert outcomes[Outcome.UNPARSED] >= 0.95 * 1000, outcomes
    assert outcomes[Outcome.CORRECT] <= 0.01 * 1000, outcomes


# A grammar of remarks: what a reply says on the way to an answer that never comes. {v} is any option, the right one too.
_REMARKS = (
    "The clock in the picture shows {v}.", "There are {n} squares in the picture.", "I need one more look at the picture.",
    "In the image the first one is {v}.", "Initially it was {v}.", "Let me look at {v} again.", "The hands of the clock are at {v}.",
    "I see {v} in the picture.", "{v} can be seen in the top row.", "Both of them are visible.", "Is it {v}?", "The current state is {v}.",
    "I wonder whether it is {v}.", "It is not {v}.", "Step {n} leads to row {n}.", "If it were {v}, the rest would not fit.",
    "The first day of the month shown is {v}.", "At {v} I would look again.", "From {v} on it gets harder.", "Row {n} has {n} of them.",
    "{v} or {o} may be meant.", "{v}, {o} and others were named.", "This is the '{v} problem' of the books.", "No two of them are alike.",
    "A picture like this takes a while to look at.", "The picture shows {v} beside {o}.", "I have to look at all {n} of them again.",
    "**{v}** is what the picture shows at the left.", "Currently the arrow is at {v}.", "Both {v} and {o} seem to fit.",
)  # fmt: skip


def test_remarks_without_an_answer_are_hardly_ever_correct() -> None:
    rng, outcomes = random.Random(2), Counter[Outcome]()
    for _ in range(3000):
        family = rng.choice(sorted(set(POOLS) - {"colour_words"}))  # a family that nobody knows may ask for what the picture shows
        options = tuple(rng.sample(POOLS[family], min(4, len(POOLS[family]))))
        gold, other = rng.sample(options, 2)
        told: list[str] = []
        for _ in range(rng.randint(1, 4)):
            named, another = rng.sample((gold, other), 2)
            told.append(rng.choice(_REMARKS).format(v=named, o=another, n=rng.randint(2, 9)))
        reply = rng.choice((" ", "\n", "\n\n")).join(told)
        fmt = rng.choice(tuple(Format))
        outcomes[grade(reply, Item(family, gold, options), fmt=fmt).outcome] += 1
    assert outcomes[Outcome.CORRECT] <= 0.01 * 3000, outcomes


@settings(max_examples=80, deadline=None)
@given(
    rendered().filter(lambda case: case[2] != "bare channels"),
    st.lists(st.sampled_from([remark for remark in _REMARKS if "{" not in remark]), max_size=2),
)
def test_remarks_before_an_answer_change_nothing(case: tuple[Asked, str, str], remarks: list[str]) -> None:
    question, reply, style = case
    verdict = grade("\n\n".join((*remarks, reply)), question.item)
    assert verdict.answer == question.stated, (style, reply, verdict)


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
