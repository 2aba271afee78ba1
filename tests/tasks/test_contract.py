"""The Family contract, for every family: what is generated is true, unique, readable, varied, and the same everywhere.

`test_contract_reading.py` holds what concerns texts that nobody's `describe` wrote.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any, cast

import pytest

from bench.digest import digest
from tasks.family import LEVELS, Family, ReadError
from tasks.kit.notation import number
from tasks.registry import FAMILIES, family
from tests.tasks.contract import EVERY_FAMILY, EVERY_LEVEL, SEEDS, answers, states

ROOT = Path(__file__).resolve().parents[2]
YES_NO = {"yes", "no"}
STATES_WHAT_IS_SHOWN = {"wood_slide": "the public question counts the blocks of each size"}
"""Families whose question follows from the picture in part, and why."""
INSTANCES = 80
"""Fewest different instances among `SEEDS`: four times what a suite of the usual size takes from a level."""
POOL = 6
"""Distractors from which a suite draws options."""


@EVERY_LEVEL
@EVERY_FAMILY
def test_a_description_reads_back_as_what_is_visible(name: str, level: int) -> None:
    made_family = family(name)
    for state in states(name, level):
        text = made_family.describe(state)
        read = made_family.read(text)
        assert read == made_family.visible(state), text
        assert made_family.asking(read, state.query) == state


@EVERY_LEVEL
@EVERY_FAMILY
def test_the_answer_follows_from_description_and_question(name: str, level: int) -> None:
    """The states are equal (test above) and solving is deterministic, so a sample shows that `solve` looks at nothing else."""
    made_family = family(name)
    for state, answer in list(zip(states(name, level), answers(name, level), strict=True))[:25]:
        assert answer
        assert made_family.same(answer, answer)
        assert made_family.solve(made_family.asking(made_family.read(made_family.describe(state)), state.query)) == answer


@EVERY_LEVEL
@EVERY_FAMILY
def test_a_state_survives_json(name: str, level: int) -> None:
    made_family = family(name)
    for state in states(name, level):
        data = made_family.dump(state)
        assert json.loads(json.dumps(data)) == data, "dump is plain JSON data"
        assert made_family.load(data) == state


@EVERY_LEVEL
@EVERY_FAMILY
def test_distractors_are_enough_and_distinct_and_wrong(name: str, level: int) -> None:
    made_family = family(name)
    for state, answer in zip(states(name, level), answers(name, level), strict=True):
        wrong = list(made_family.distractors(state))
        assert len(wrong) >= (1 if answer.lower() in YES_NO else 3), (answer, wrong)
        assert all(wrong)
        every = [answer, *wrong]
        clashes = [(a, b) for i, a in enumerate(every) for b in every[:i] if made_family.same(a, b)]
        assert not clashes, state


@EVERY_FAMILY
def test_the_size_of_an_answer_gives_nothing_away(name: str) -> None:
    """Where answers are numbers, the right one is not nearly always the smallest, the largest, or any other rank of the pool."""
    made_family, ranks = family(name), Counter[tuple[int, int]]()
    for level in LEVELS:
        for state, answer in zip(states(name, level), answers(name, level), strict=True):
            options = [answer, *made_family.distractors(state)[:POOL]]
            values = [value for option in options if (value := number(option)) is not None]
            if len(values) == len(options):
                ranks[sum(value < values[0] for value in values), len(values)] += 1
    if ranks:
        (rank, of), count = ranks.most_common(1)[0]
        assert count <= 0.6 * ranks.total(), f"rank {rank + 1} of {of} in {count} of {ranks.total()}"


@EVERY_LEVEL
@EVERY_FAMILY
def test_facts_are_what_a_description_claims(name: str, level: int) -> None:
    made_family = family(name)
    for state in states(name, level):
        facts = made_family.facts(state)
        assert facts
        assert all(isinstance(part, str) and part for pair in facts.items() for part in pair)
        assert made_family.claims(made_family.describe(state)) == facts


@EVERY_LEVEL
@EVERY_FAMILY
def test_different_pictures_have_different_descriptions(name: str, level: int) -> None:
    made_family = family(name)
    texts: dict[str, Any] = {}
    for state in states(name, level):
        visible = made_family.visible(state)
        assert texts.setdefault(made_family.describe(state), visible) == visible


@EVERY_LEVEL
@EVERY_FAMILY
def test_the_question_does_not_tell_what_is_to_be_seen(name: str, level: int) -> None:
    """The same query over another picture with the same slots is the same question; and no line of a description stands in it."""
    made_family = family(name)
    pictures: dict[tuple[str, ...], Any] = {}
    for state in states(name, level)[:200]:
        question = made_family.ask(state)
        assert question.strip()
        lines = [line for line in made_family.describe(state).splitlines() if len(line) > 8]
        assert not [line for line in lines if line.lower() in question.lower()]
        other = pictures.setdefault(tuple(made_family.facts(state)), made_family.visible(state))
        assert name in STATES_WHAT_IS_SHOWN or made_family.ask(made_family.asking(other, state.query)) == question


@EVERY_LEVEL
@EVERY_FAMILY
def test_answers_and_instances_are_varied(name: str, level: int) -> None:
    right = answers(name, level)
    answer, count = Counter(right).most_common(1)[0]
    bound = 0.8 if {other.lower() for other in right} <= YES_NO else 0.6
    assert count <= bound * SEEDS, f"{answer!r} in {count} of {SEEDS}"
    assert len(set(states(name, level))) >= INSTANCES


@EVERY_FAMILY
def test_levels_grow(name: str) -> None:
    """There is never less to see at the next level; and from the first to the last there is more to see, ask or answer."""
    made_family = family(name)
    seen = [mean(len(made_family.facts(state)) for state in states(name, level)) for level in LEVELS]
    assert all(later >= 0.97 * earlier for earlier, later in pairwise(seen)), seen
    first, last = (
        (
            mean(len(made_family.describe(state)) for state in states(name, level)),
            mean(len(made_family.ask(state)) for state in states(name, level)),
            len(set(answers(name, level))),
        )
        for level in (LEVELS[0], LEVELS[-1])
    )
    assert seen[-1] > seen[0] or any(after > 1.02 * before for before, after in zip(first, last, strict=True)), (first, last)


@pytest.mark.parametrize("side", [84, 301, 896])
@EVERY_FAMILY
def test_a_drawing_has_the_size_asked_for(name: str, side: int) -> None:
    for level in LEVELS:
        image = family(name).draw(states(name, level)[level], side)
        assert image.mode == "RGB"
        assert max(image.size) == side
        assert min(image.size) >= 0.1 * side
        assert len(image.getcolors(1_000_000) or ()) > 2, "a blank picture"


@EVERY_FAMILY
def test_drawing_shows_the_state(name: str) -> None:
    """Equal visible states give equal pixels, unequal ones unequal pixels, at the sizes that models are shown."""
    made_family = family(name)
    for side in (84, 448):
        drawn: dict[bytes, set[str]] = {}
        for state in states(name, 3)[:40]:
            assert made_family.draw(state, side).tobytes() == made_family.draw(state, side).tobytes()
            drawn.setdefault(made_family.draw(state, side).tobytes(), set()).add(made_family.describe(state))
        assert all(len(texts) == 1 for texts in drawn.values()), f"two states look the same at {side} px"


@EVERY_FAMILY
def test_nothing_but_a_possible_state_is_drawn(name: str) -> None:
    """Every number of a state pushed far out, and every list cut or emptied: refused by a ValueError that begins with a field's name."""
    made_family = family(name)
    refused = 0
    for level in (1, 3):
        for state in states(name, level)[:3]:
            data = made_family.dump(state)
            fields = _fields(data) | {field.name for field in dataclasses.fields(made_family.state_type)}
            for what, broken in _broken(data):
                try:
                    tampered = made_family.load(broken)
                except ValueError:
                    refused += 1
                    continue
                if _refusal(made_family, tampered, fields, what):
                    refused += 1
                else:
                    assert what == "list", f"{what}: {broken} was drawn"
    assert refused


def _refusal(made_family: Family[Any], state: Any, fields: set[str], what: str) -> bool:
    try:
        made_family.draw(state, 84)
    except ValueError as error:
        refusal = str(error)
    else:
        return False
    assert refusal.partition(": ")[0] in fields, f"{what}: {refusal!r} does not begin with a field of {sorted(fields)}"
    return True


def _fields(data: Any) -> set[str]:
    names = {str(key) for key in _parts(data)}
    return names.union(*(_fields(value) for value in _parts(data).values()))


def _parts(data: Any) -> dict[Any, Any]:
    """The parts of a JSON object or list by key or index; none of anything else."""
    if isinstance(data, dict):
        return cast("dict[str, Any]", data)
    return dict(enumerate(cast("list[Any]", data))) if isinstance(data, list) else {}


def _broken(data: Any) -> Iterator[tuple[str, Any]]:
    """`data` with one thing broken, and what: "number" far out of any range, or "list" shortened, which may leave a possible state."""
    parts = _parts(data)
    if isinstance(data, list):
        items = list(parts.values())
        yield from (("list", []), ("list", items[:-1]), ("list", [*items, *items[-1:]]))
    for key in parts if isinstance(data, dict) else sorted({0, len(parts) - 1} & parts.keys()):
        for what, broken in _broken(parts[key]):
            changed = {**parts, key: broken}
            yield what, changed if isinstance(data, dict) else list(changed.values())
    if isinstance(data, int) and not isinstance(data, bool):
        yield from (("number", -1_000_003), ("number", 1_000_003))


@EVERY_FAMILY
def test_public_rows_that_lack_something_are_refused(name: str) -> None:
    rows: list[dict[str, Any]] = [
        {},
        {"solution": {}, "question": ""},
        {"solution": {"x": 1}, "question": "?", "options": [], "answer": ""},
    ]
    for row in rows:
        with pytest.raises((KeyError, ValueError)):
            family(name).from_public(row)


def test_the_same_seed_gives_the_same_puzzle_in_any_process() -> None:
    code = "from tests.tasks.test_contract import fingerprints; print(fingerprints())"
    prints = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout.splitlines()
        for hash_seed in ("1", "2")
    ]
    assert prints[0] == prints[1]
    assert prints[0] == fingerprints().splitlines()


def fingerprints() -> str:
    """A line a family: a hash of everything that five puzzles of each level are made of."""
    return "\n".join(f"{name} {digest([_puzzle(name, level, seed) for level in LEVELS for seed in range(5)])}" for name in FAMILIES)


def _puzzle(name: str, level: int, seed: int) -> list[Any]:
    made_family = family(name)
    state = made_family.sample(random.Random(seed), level)
    texts = [made_family.ask(state), made_family.solve(state), made_family.describe(state), *made_family.distractors(state)]
    read = made_family.read(made_family.describe(state))
    assert not isinstance(read, ReadError)
    return [made_family.dump(state), texts, list(made_family.facts(state).items()), made_family.dump(read)]
