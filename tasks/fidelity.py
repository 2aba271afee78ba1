"""Caption fidelity: how much of what a picture shows a free text carries, fact by fact.

A family lists what can be seen of a state in slots (`Family.facts`) and reads the slots that a text states, right or not
(`Family.claims`). Every fact is then *right* (stated as it is), *wrong* (stated otherwise) or *lost* (not stated), and a claim about a slot
that the picture does not have (a sixth row of five) is wrong too. `recovered` is stricter than recall 1: the whole text reads back as one
state with exactly these facts, so that a perfect reasoner needs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.puzzle import Puzzle
from tasks.family import ReadError
from tasks.notation import MAX_TEXT, same_answer
from tasks.registry import FAMILIES, family


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

    Total in `text`: no text makes it raise, and one longer than `tasks.notation.MAX_TEXT` states nothing, as for `Family.read`.

    Raises:
        ValueError: the puzzle's own state is broken; the message names the field.
    """
    if puzzle.state is None or puzzle.family not in FAMILIES:
        return None
    made = family(puzzle.family)
    state = made.load(puzzle.state)
    facts = made.facts(state)
    seen = made.read(text)
    claims: Mapping[str, str] = made.claims(text) if len(text) <= MAX_TEXT else {}
    right = {slot for slot, value in claims.items() if slot in facts and same_answer(value, facts[slot])}
    return Fidelity(
        recall=len(right) / len(facts),
        precision=len(right) / len(claims) if claims else None,
        f1=2 * len(right) / (len(facts) + len(claims)),
        recovered=not isinstance(seen, ReadError) and dict(made.facts(seen)) == dict(facts),
        lost=tuple(slot for slot in facts if slot not in claims),
        wrong=tuple(slot for slot in dict.fromkeys((*facts, *claims)) if slot in claims and slot not in right),
        n_facts=len(facts),
    )
