"""Caption fidelity: the arithmetic on a family made for the purpose, the properties on every family of the registry."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BadDataError
from bench.image import ImageRef
from bench.puzzle import Puzzle
from tasks.family import LEVELS, ReadError
from tasks.fidelity import Fidelity, fidelity
from tasks.kit.notation import MAX_TEXT, same_answer
from tasks.registry import FAMILIES, family

PROSE = ("Sure! Here is what I can see in the picture.", "I hope that this helps. Ask me if something is unclear.")


def puzzle_of(name: str, state: Mapping[str, Any] | None) -> Puzzle:
    image = ImageRef("none", lambda: b"")
    return Puzzle("id", "algo", name, "question", ("a", "b"), "a", image, state, None, 1, 0, "eval")


@cache
def sampled(name: str, level: int, seed: int) -> tuple[Puzzle, str]:
    """A puzzle of a family and its ground-truth description."""
    made = family(name)
    state = made.sample(random.Random(f"{name} {level} {seed}"), level)
    return puzzle_of(name, made.dump(state)), made.describe(state)


def measured(text: str, puzzle: Puzzle) -> Fidelity:
    result = fidelity(text, puzzle)
    assert result is not None
    return result


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", FAMILIES)
def test_the_description_states_every_fact(name: str, level: int) -> None:
    for seed in range(5):
        puzzle, text = sampled(name, level, seed)
        result = measured(text, puzzle)
        assert result == Fidelity(1.0, 1.0, 1.0, True, (), (), result.n_facts)
        assert result.n_facts > 0


@pytest.mark.parametrize("name", FAMILIES)
def test_prose_around_changes_nothing(name: str) -> None:
    for seed in range(5):
        puzzle, text = sampled(name, 3, seed)
        whole = measured(text, puzzle)
        for before, after in (PROSE, PROSE[::-1], ("", PROSE[0]), (PROSE[1], "")):
            assert measured(f"{before}\n\n{text}\n\n{after}", puzzle) == whole
        assert measured(text.upper(), puzzle) == whole
        assert measured(text.replace("\n", "\r\n") + "  \n", puzzle) == whole


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("text", ["", " \n ", "A picture.", "Je ne vois rien du tout.", "x" * 100_000])
def test_a_text_that_states_nothing_scores_nothing(name: str, text: str) -> None:
    puzzle, _ = sampled(name, 2, 0)
    result = measured(text, puzzle)
    facts = family(name).facts(family(name).load(puzzle.state or {}))
    assert result == Fidelity(0.0, None, 0.0, False, tuple(facts), (), len(facts))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_description_of_another_state_loses_facts(name: str) -> None:
    made = family(name)
    compared = 0
    for seed in range(12):
        puzzle, _ = sampled(name, 3, seed)
        other, text = sampled(name, 3, seed + 1)
        state, claimed = made.load(puzzle.state or {}), made.load(other.state or {})
        if made.visible(state) == made.visible(claimed):
            continue
        compared += 1
        result = measured(text, puzzle)
        assert not result.recovered
        assert result.f1 < 1
        assert result.lost or result.wrong
        truth, stated = made.facts(state), made.facts(claimed)
        agreed = [slot for slot in truth if slot in stated and same_answer(truth[slot], stated[slot])]
        assert result.recall == pytest.approx(len(agreed) / len(truth))
        assert result.precision == pytest.approx(len(agreed) / len(stated))
        assert set(result.lost) == set(truth) - set(stated)
        assert set(result.wrong) == set(stated) - set(agreed)
    assert compared > 5


@pytest.mark.parametrize("name", FAMILIES)
def test_the_parts_add_up_for_any_damaged_description(name: str) -> None:
    for seed in range(40):
        rng = random.Random(f"damage {name} {seed}")
        puzzle, text = sampled(name, 1 + seed % 5, seed // 5)
        start = rng.randrange(len(text))
        damaged = text[:start] + rng.choice(("", "?", "7", "red", "\n")) + text[start + rng.randrange(8) :]
        result = measured(damaged, puzzle)
        right = round(result.recall * result.n_facts)
        wrong_facts = result.n_facts - right - len(result.lost)
        assert 0 <= wrong_facts <= len(result.wrong)
        assert result.precision == (right / (right + len(result.wrong)) if right + len(result.wrong) else None)
        assert result.f1 == pytest.approx(2 * right / (result.n_facts + right + len(result.wrong)))
        assert not result.recovered or (result.recall == 1 and not result.lost)


@pytest.mark.parametrize("name", FAMILIES)
@given(text=st.text(max_size=400), place=st.integers(0, 2_000), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_no_text_makes_it_raise(name: str, text: str, place: int, seed: int) -> None:
    puzzle, description = sampled(name, 2, seed)
    for caption in (text, description[:place] + text + description[place:]):
        result = measured(caption, puzzle)
        assert 0 <= result.recall <= 1
        assert 0 <= result.f1 <= 1


@pytest.mark.parametrize("name", FAMILIES)
def test_huge_and_hostile_texts_are_bounded(name: str) -> None:
    puzzle, description = sampled(name, 5, 0)
    longest = (description + "\n") * (MAX_TEXT // (len(description) + 1))
    texts = [description * (100_000 // len(description)), longest, "1:" * 9_999, "row 1: " * 2_800, "(" * MAX_TEXT, "1, " * 6_600]
    assert measured(texts[0], puzzle).precision is None
    for text in texts:
        started = time.process_time()
        measured(text, puzzle)
        assert time.process_time() - started < 0.25, text[:20]


def test_a_text_about_a_state_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, asked = family("clock"), list[str]()
    claims = made.claims

    def watched(text: str) -> Mapping[str, str]:
        asked.append(text)
        return claims(text)

    monkeypatch.setattr(made, "claims", watched)
    (puzzle, text), (other, _) = sampled("clock", 2, 101), sampled("clock", 2, 102)
    again = replace(puzzle, id="another", state=dict(reversed([*(puzzle.state or {}).items()])))
    assert measured(text, puzzle) is measured(text, again)
    assert measured(text, other).recall < 1, "another state is another comparison"
    assert measured(f"{text} ", puzzle).recall == 1, "another text is another comparison"
    assert asked == [text, text, f"{text} "]


# -- the arithmetic, by hand -----------------------------------------------------------------------------------------------------------
class _Fixed:
    """A family of three facts whose texts are "slot=value" words: what the numbers must be can be counted by hand."""

    FACTS: Mapping[str, str] = {"a": "red", "b": "2", "c": "Left"}

    def load(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if data:
            raise ValueError("a: expected nothing")
        return data

    def visible(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        return state

    def facts(self, state: Mapping[str, Any]) -> Mapping[str, str]:
        return {**state, **self.FACTS}

    def claims(self, text: str) -> Mapping[str, str]:
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def read(self, text: str) -> Mapping[str, Any] | ReadError:
        return {} if len(self.claims(text)) == 3 else ReadError("a", "unread")


def _fixed(_: str) -> _Fixed:
    return _Fixed()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=red b=2 c=left", Fidelity(1.0, 1.0, 1.0, True, (), (), 3)),
        ("a=RED b=two c=Left", Fidelity(1.0, 1.0, 1.0, True, (), (), 3)),
        ("a=red b=3 c=left", Fidelity(2 / 3, 2 / 3, 2 / 3, True, (), ("b",), 3)),
        ("b=2", Fidelity(1 / 3, 1.0, 0.5, False, ("a", "c"), (), 3)),
        ("b=2 d=up", Fidelity(1 / 3, 0.5, 0.4, False, ("a", "c"), ("d",), 3)),
        ("z=1 y=2 x=3 d=up c=right", Fidelity(0.0, 0.0, 0.0, False, ("a", "b"), ("c", "z", "y", "x", "d"), 3)),
        ("a=red" + " " * MAX_TEXT, Fidelity(0.0, None, 0.0, False, ("a", "b", "c"), (), 3)),
        ("nothing", Fidelity(0.0, None, 0.0, False, ("a", "b", "c"), (), 3)),
    ],
)
def test_the_numbers(monkeypatch: pytest.MonkeyPatch, text: str, expected: Fidelity) -> None:
    monkeypatch.setattr("tasks.fidelity.family", _fixed)
    assert fidelity(text, puzzle_of("clock", {})) == expected


def test_a_broken_state_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.fidelity.family", _fixed)
    with pytest.raises(BadDataError, match="a: expected nothing"):
        fidelity("a=red", puzzle_of("clock", {"a": 1}))


def test_puzzles_without_a_known_state_have_no_fidelity() -> None:
    puzzle, text = sampled("clock", 1, 0)
    assert fidelity(text, replace(puzzle, state=None)) is None
    assert fidelity(text, replace(puzzle, family="shape_morph")) is None


def test_a_half_read_clock() -> None:
    result = measured("The clock shows 4:30.", puzzle_of("clock", {"hour": 4, "minute": 35}))
    assert result == Fidelity(0.5, 0.5, 0.5, False, (), ("minute",), 2)
