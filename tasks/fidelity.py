"""Caption fidelity: how much of what a picture shows a free text carries, fact by fact.

A family lists what can be seen of a state in slots (`Family.facts`) and reads the slots that a text states, right or not
(`Family.claims`). Every fact is then *right* (stated as it is), *wrong* (stated otherwise) or *lost* (not stated), and a claim about a slot
that the picture does not have (a sixth row of five) is wrong too. `recovered` is stricter than recall 1: the whole text reads back as one
state with exactly these facts, so that a perfect reasoner needs nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.errors import BadDataError
from bench.puzzle import Puzzle
from tasks.family import Family, ReadError
from tasks.kit.notation import MAX_TEXT, same_answer
from tasks.registry import family, known


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How a text compares with the visible facts of a puzzle.

    Attributes:
        recall: right facts / all facts.
        precision: right facts / claims; None where nothing is claimed, since nothing can then be said of the claims.
        f1: 2 x right / (facts + claims), the harmonic mean of both; 0 where nothing is claimed.
        recovered: whether the text reads back as the whole visible state.
        lost: slots of the facts that the text does not state, in the order of `Family.facts`.
        wrong: slots that it states wrongly: facts first, then slots that do not exist, in the order of `Family.claims`.
        n_facts: number of visible facts.
    """

    recall: float
    precision: float | None
    f1: float
    recovered: bool
    lost: tuple[str, ...]
    wrong: tuple[str, ...]
    n_facts: int


def fidelity(text: str, puzzle: Puzzle) -> Fidelity | None:
    """Compare `text` (a caption or a description) with what the picture of `puzzle` shows; None where the puzzle's state is not known.

    The same text about the same state is compared once: a report asks for its readbacks, its audit of captions and its pages.

    Raises:
        BadDataError: the puzzle's own state is broken.
    """
    try:
        if puzzle.state is None or not known(puzzle.family):
            return None
        made = family(puzzle.family)
        key = (id(made), json.dumps(puzzle.state, sort_keys=True), sha256(text.encode("utf-8", "surrogatepass")).digest())
        found = _COMPARED.get(key)
        if found is None:
            found = _COMPARED[key] = (made, fidelity_to(text, puzzle.family, puzzle.state))
            if len(_COMPARED) > _COMPARED_MOST:
                del _COMPARED[next(iter(_COMPARED))]
        return found[1]
    except (ValueError, LookupError, TypeError, ArithmeticError, AssertionError) as error:  # of a file that was damaged
        raise BadDataError(f"puzzle {puzzle.id}: its stored state cannot be used ({type(error).__name__}: {error})") from error


_COMPARED: dict[tuple[int, str, bytes], tuple[Family[Any], Fidelity | None]] = {}
_COMPARED_MOST = 4096
"""Comparisons that are remembered, by family (which is held, so that its id stays its own), state and hash of the text."""


def fidelity_to(text: str, name: str, visible: Mapping[str, Any] | None) -> Fidelity | None:
    """Compare `text` with the state `visible` (as `Family.dump` writes it) of the family called `name`: `fidelity` without a puzzle.

    Total in `text`: no text makes it raise, and one longer than `tasks.kit.notation.MAX_TEXT` states nothing, as for `Family.read`.

    Returns:
        None where the state is None or the family is not a generated one.

    Raises:
        ValueError: the state is broken; the message names the field.
    """
    compared = _compared(text, name, visible)
    if compared is None:
        return None
    facts, claims, right = compared
    made = family(name)
    seen = made.read(text)
    return Fidelity(
        recall=len(right) / len(facts),
        precision=len(right) / len(claims) if claims else None,
        f1=2 * len(right) / (len(facts) + len(claims)),
        recovered=not isinstance(seen, ReadError) and dict(made.facts(seen)) == dict(facts),
        lost=tuple(slot for slot in facts if slot not in claims),
        wrong=tuple(slot for slot in dict.fromkeys((*facts, *claims)) if slot in claims and slot not in right),
        n_facts=len(facts),
    )


def facts_f1(text: str, name: str, visible: Mapping[str, Any] | None) -> float | None:
    """The `f1` of `fidelity_to`, at half its cost: what rewards pay for."""
    compared = _compared(text, name, visible)
    if compared is None:
        return None
    facts, claims, right = compared
    return 2 * len(right) / (len(facts) + len(claims))


def _compared(text: str, name: str, visible: Mapping[str, Any] | None) -> tuple[Mapping[str, str], Mapping[str, str], set[str]] | None:
    """The visible facts, what `text` claims, and the slots that it states rightly."""
    if visible is None or not known(name):
        return None
    made = family(name)
    facts = made.facts(made.load(visible))
    claims: Mapping[str, str] = made.claims(text) if len(text) <= MAX_TEXT else {}
    right = {slot for slot, value in claims.items() if slot in facts and (value == facts[slot] or same_answer(value, facts[slot]))}
    return facts, claims, right


# -- what can be had without looking -----------------------------------------------------------------------------------------------------
FLOORS = Path(__file__).parent / "floors.json"
"""Family -> level -> mean F1 of the best fixed description, as `tasks.tools.floors` works it out."""


def floor(name: str, level: int | None = None) -> float:
    """The mean F1 of the best description of family `name` that is the same for all pictures of `level`; of any level where None is given.

    0 for a family or a level that has none.
    """
    levels = _floors().get(name, {})
    return max(levels.values(), default=0.0) if level is None else levels.get(str(level), 0.0)


def over_floor(f1: float, name: str, level: int | None = None) -> float:
    """(f1 - floor) / (1 - floor): how far an F1 gets from the best fixed description (0 on average) to the truth (1); negative below it."""
    least = floor(name, level)
    return (f1 - least) / (1 - least)


def above_floor(f1: float, name: str, level: int | None = None) -> float:
    """`over_floor`, and 0 below the floor: what a reward pays, in [0, 1]. Means are taken of `over_floor`, which favours no spread."""
    return max(0.0, over_floor(f1, name, level))


@cache
def _floors() -> dict[str, dict[str, float]]:
    return json.loads(FLOORS.read_text(encoding="utf-8"))
