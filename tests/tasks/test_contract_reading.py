"""The Family contract where texts come from elsewhere: facts left out, wording changed, nonsense, hostility.

`read` returns a state or a `ReadError`, always, in time; and it never fills in what a text does not say.
"""

from __future__ import annotations

import random
import re
import time
from collections import defaultdict
from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.family import Family, ReadError
from tasks.kit.notation import MAX_TEXT
from tasks.registry import FAMILIES, family
from tests.tasks.contract import EVERY_FAMILY, EVERY_LEVEL, states, tokens

PATIENCE = 0.050
"""Longest time to read or to reject a text, in seconds (issue 3, Bad input)."""
TEXTS = 100
"""Descriptions compared with each other."""
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
FOREIGN = (
    "",
    " \n\t ",
    "Я не вижу картинки.",
    "请告诉我时间是几点",
    "الساعة الثالثة والنصف",
    "I am sorry, I cannot help with that.",
    "\x00\ud800\u202e",
    "\u0663:\u0664\u0665 \uff11\uff12\uff1a\uff13\uff10 \u00b2 \u00bd \u216b",  # digits of other scripts, wide digits, powers, fractions
    "row 1: row 2: row 3:",
    "nan inf -0 1e999 0x10",
    "row 99999999999999999999: 1",
)


@EVERY_LEVEL
@EVERY_FAMILY
def test_a_fact_left_out_is_missed(name: str, level: int) -> None:
    """Whatever token or line differs between the descriptions of two pictures carries a fact, so without it the text is another text."""
    made_family = family(name)
    texts = [made_family.describe(state) for state in states(name, level, TEXTS)]
    by_form: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for text in texts:
        by_form[_form(text)].append(text)
    kept: list[str] = []
    for text in texts[:25]:
        read = made_family.read(text)
        for start, end in _informative(text, by_form[_form(text)]):
            if made_family.read(text[:start] + text[end:]) == read:
                kept.append(f"{text[start:end]!r} at {start} of {text!r}")
    assert not kept, kept[0]


@EVERY_LEVEL
@EVERY_FAMILY
def test_a_line_left_out_is_missed(name: str, level: int) -> None:
    """A line that pictures differ in carries facts; or it repeats what others say, and then another line in its place is noticed."""
    made_family = family(name)
    texts = [made_family.describe(state).splitlines() for state in states(name, level, TEXTS)]
    for lines in texts[:25]:
        read = made_family.read("\n".join(lines))
        for index, line in enumerate(lines):
            others = sorted({other[index] for other in texts if len(other) > index} - {line})
            if others and made_family.read("\n".join(lines[:index] + lines[index + 1 :])) == read:
                assert made_family.read("\n".join([*lines[:index], others[0], *lines[index + 1 :]])) != read, line


@EVERY_FAMILY
def test_a_contradiction_is_not_resolved_silently(name: str) -> None:
    """Two descriptions of different pictures in one text are neither the one nor the other."""
    made_family = family(name)
    for first, second in zip(states(name, 2, TEXTS)[:20], states(name, 2, TEXTS)[20:40], strict=True):
        if made_family.visible(first) != made_family.visible(second):
            both = made_family.read(f"{made_family.describe(first)}\n{made_family.describe(second)}")
            assert both not in (made_family.visible(first), made_family.visible(second)), made_family.describe(first)


@EVERY_LEVEL
@EVERY_FAMILY
def test_wording_around_a_description_does_not_matter(name: str, level: int) -> None:
    made_family = family(name)
    for state in states(name, level, TEXTS)[:25]:
        text = made_family.describe(state)
        lines = text.splitlines()
        for variant in (
            text.upper(),
            f"Sure! Here is what the picture shows:\n\n{text}\n\nI hope this helps.",
            "\n\n".join(f"  {line.replace(' ', '   ')}  " for line in lines),
            "\r\n".join(lines) + "\r\n",
            "\n".join(f"- {line}" for line in lines),
            "\n".join(f"**{line}**" for line in lines),
            f"```\n{text}\n```",
        ):
            assert made_family.read(variant) == made_family.visible(state), variant


def _form(text: str) -> tuple[str, ...]:
    """What two descriptions must share to be compared token by token: signs as they are, the kind of everything else, the line ends."""
    return tuple(
        "\n".join("9" if part.isdigit() else "a" if part.isalpha() else part for part in _parts(line)) for line in text.splitlines()
    )


def _parts(line: str) -> list[str]:
    return [line[start:end] for start, end in tokens(line)]


def _informative(text: str, others: list[str]) -> list[tuple[int, int]]:
    """Spans of the words and numbers of `text` that are others in some text of the same form; a plural s is no difference."""
    spans = tokens(text)
    mine = [text[start:end].lower().rstrip("s") for start, end in spans]
    differs = [False] * len(spans)
    for other in others[:60]:
        for index, (start, end) in enumerate(tokens(other)):
            differs[index] = differs[index] or other[start:end].lower().rstrip("s") != mine[index]
    return [span for span, informative in zip(spans, differs, strict=True) if informative and text[slice(*span)].isalnum()]


# -- hostile texts ---------------------------------------------------------------------------------------------------------------------
def _tolerates(made_family: Family[Any], text: str) -> None:
    """`read` and `claims` return, with the right types; and a state that was read is a checked one without a query."""
    result = made_family.read(text)
    if isinstance(result, ReadError):
        assert result.field
        assert result.problem
    else:
        assert isinstance(result, made_family.state_type)
        assert made_family.visible(result) == result
        assert made_family.read(made_family.describe(result)) == result
    for slot, value in made_family.claims(text).items():
        assert isinstance(slot, str)
        assert isinstance(value, str)


@EVERY_FAMILY
def test_no_text_is_too_strange(name: str) -> None:
    for text in FOREIGN:
        _tolerates(family(name), text)


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(name=st.sampled_from(FAMILIES), text=st.text())
def test_any_text_is_read_or_refused(name: str, text: str) -> None:
    _tolerates(family(name), text)


@settings(max_examples=900, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_any_edit_of_a_description_is_read_or_refused(data: st.DataObject) -> None:
    made_family = family(data.draw(st.sampled_from(FAMILIES)))
    text = made_family.describe(states(made_family.name, data.draw(st.integers(1, 5)), TEXTS)[data.draw(st.integers(0, 19))])
    for _ in range(data.draw(st.integers(1, 4))):
        start, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
        insert = data.draw(st.one_of(st.just(""), st.text(max_size=6), st.just(text[start:end] * 2), st.sampled_from(_parts(text) or [""])))
        text = text[:start] + insert + text[min(end, start + 12) :]
    _tolerates(made_family, text)


@EVERY_FAMILY
def test_every_swap_of_two_tokens_is_read_or_refused(name: str) -> None:
    made_family, rng = family(name), random.Random(0)
    for state in states(name, 2, TEXTS)[:10]:
        text = made_family.describe(state)
        spans = tokens(text)
        for _ in range(30):
            first, second = sorted(rng.sample(spans, 2))
            swapped = text[: first[0]] + text[slice(*second)] + text[first[1] : second[0]] + text[slice(*first)] + text[second[1] :]
            _tolerates(made_family, swapped)


@EVERY_FAMILY
def test_hostile_texts_cost_little(name: str) -> None:
    """Long repetitions, which an expression with nested repeats would take for ever on, in at most 50 ms (the best of some tries)."""
    made_family = family(name)
    description = made_family.describe(states(name, 3, TEXTS)[0])
    pieces = {*" \n\t0129azx|,:.;-_([{\"'#*`>/=", "row 1: ", "row 1: 1\n", "1, ", "(1, ", "[[", "a b ", "1 x ", "no ", "one ", "1 and "}
    pieces |= {description, description[:-1], *description.splitlines(), *_parts(description)}
    pieces |= {f"{a} {b} " for a, b in product(sorted(set(re.findall(r"[a-z]+", description.lower())))[:6], ("1", ",", "and"))}
    slowest, culprit = max(
        (_cost(made_family, (piece * MAX_TEXT)[:length]), piece) for piece in sorted(pieces) for length in (MAX_TEXT, 100_000)
    )
    print(f"{name}: at most {slowest * 1000:.1f} ms, for {culprit[:20]!r} repeated")
    assert slowest < PATIENCE, culprit


def _cost(made_family: Family[Any], text: str) -> float:
    """Processor seconds that the slower of `read` and `claims` takes; tried again while it is too long, since caches may be cold."""
    best = [float("inf"), float("inf")]
    for _ in range(5):
        for index, look in enumerate((made_family.read, made_family.claims)):
            start = time.thread_time()
            look(text)
            best[index] = min(best[index], time.thread_time() - start)
        if max(best) < PATIENCE:
            break
    return max(best)
