r"""The grader: one function from what a model wrote to a verdict, for evaluation and for rewards alike.

It reads, it never guesses: a reply in which no answer can be read is `unparsed`, whatever the right answer is. The rules, first match wins:

 1. The provider says that the model refused: `refused`.
 2. The reply was cut off at the token limit, and no complete answer tag in it can be read: `truncated`.
 3. Nothing was written (outside thoughts, before the end of the turn, after an echo of the prompt): `unparsed`. Reasoning is no answer.
 4. Explicit statements: `<answer>`, `\boxed{}`, a JSON object, "the answer is", "X is correct", a retraction ("no, wait, C"), a last line
    that is nothing but an answer. The last one that can be read counts. Two in one breath that differ are `several`; so are "A or B", two
    letters, a list, a last line that the first line or the line before contradicts. A letter with another option's text ("B. 4:23" where
    B is 1:14) is a `conflict`; "none of the above", weights and a letter that no option has are no answer: all `unparsed`. An answer tag
    that cannot be read ends the search; other unreadable statements are passed over.
 5. A reply that only declines ("I'm sorry, I can't help"): `refused`. "I can't determine it" is an answer that could not be read.
 6. Strong signs: a reply that begins with an answer ("B. The hands ...", "Yes, ..."), bold type in the last paragraph that no conclusion
    follows, a last sentence that ends in "... is X" or "so X". The beginning beats a remark on what the picture shows; where the end names
    something else than the beginning they are `several`.
 7. A weak sign: the last sentence mentions one option and negates nothing; of an open question, the answer stands at its end.
 8. Lenient reading only: the last paragraph mentions one option; or nothing is written but thoughts, and these are read by rules 4-7.
 9. `unparsed`.

Strict reading accepts an answer tag, opened and closed, that no other tag and nothing later contradicts; what it reads, normal reading
reads alike. An answer that is none of the options is `wrong` where it is clearly one of their kind (17 among numbers, 9:99 among times) and
stated by rule 4, else `unparsed`. A letter names an option by its place, also where another option's text is that letter. Open answers
follow the same rules without letters; units after a number are dropped. Whether an answer is right is the family's `same`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Protocol

from bench.grader.cues import tags
from bench.grader.reading import Found, Reader
from bench.grader.rules import read, strict, tagged
from bench.grader.text import reply_text
from bench.models.base import Stop
from bench.outcome import Format, Outcome, Reading, Verdict
from tasks.public.puzzlevqa import FAMILIES as PUZZLEVQA
from tasks.registry import FAMILIES, names_for, same_for


class Gradable(Protocol):
    """What a reply is graded against: a `Puzzle`, or an `Item` made from a stored record."""

    @property
    def family(self) -> str: ...

    @property
    def options(self) -> tuple[str, ...]: ...

    @property
    def answer(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Item:
    """The least that grading needs: the family, the right answer and, for multiple choice, the options."""

    family: str
    answer: str
    options: tuple[str, ...] = ()


def grade(
    text: str,
    item: Gradable,
    *,
    fmt: Format = Format.MCQ,
    options: Sequence[str] | None = None,
    stop: Stop = Stop.END,
    reading: Reading = Reading.NORMAL,
) -> Verdict:
    """Grade one reply by the rules of this module. Pure, deterministic, linear in the length of `text`; never raises on any text.

    Args:
        text: what the model wrote, raw.
        item: the puzzle.
        fmt: whether options were shown.
        options: the options in the order shown, to which letters refer; by default the item's own order. Ignored for open answers.
        stop: why the model stopped.
        reading: how forgiving to be.

    Returns:
        The verdict; its `answer` is spelled as in the options (mcq) or as the gold answer (open) where it is the same.

    Raises:
        UserError: `item.family` has the name of a generated family that cannot be loaded.
        ValueError: a multiple-choice question without options, or with more than 26.
    """
    shown = tuple(item.options if options is None else options) if fmt is Format.MCQ else ()
    if fmt is Format.MCQ and not 1 <= len(shown) <= 26:
        raise ValueError(f"options: expected 1 to 26 to choose from, found {len(shown)}")
    if stop is Stop.REFUSAL:
        return Verdict(Outcome.REFUSED, None, item.answer, "refusal")
    reader = _reader(item.family, shown, item.answer)
    reply = reply_text(text, shown)
    if stop is Stop.LENGTH and not any(cue.complete and tagged(reader, cue).answer for cue in tags(reply)):
        return Verdict(Outcome.TRUNCATED, None, item.answer, "truncated")
    found = strict(reader, reply) if reading is Reading.STRICT else read(reader, reply, lenient=reading is Reading.LENIENT)
    return _verdict(reader, found)


def grade_open(completion: str, family: str, answer: str, *, stop: Stop = Stop.END, reading: Reading = Reading.NORMAL) -> Verdict:
    """Grade an open answer without a puzzle: what reward functions call, so that the grader that evaluates is the grader that rewards."""
    return grade(completion, Item(family, answer), fmt=Format.OPEN, stop=stop, reading=reading)


@lru_cache(maxsize=4096)
def _reader(family: str, shown: tuple[str, ...], gold: str) -> Reader:
    inferred = family in FAMILIES or family in PUZZLEVQA  # both ask for what follows from the picture, never for what it shows
    return Reader(shown, gold, _same(family), names=names_for(family), inferred=inferred)


@cache
def _same(family: str) -> Callable[[str, str], bool]:
    """The family's equivalence of answers, found once for each pair: a reply is held against the same few options again and again."""
    return lru_cache(maxsize=4096)(same_for(family))


def _verdict(reader: Reader, found: Found) -> Verdict:
    answer, how = found.said.answer, found.how
    if found.said.why == "refusal":
        return Verdict(Outcome.REFUSED, None, reader.gold, "refusal")
    if answer is None:
        return Verdict(Outcome.UNPARSED, None, reader.gold, found.said.why if found.said.why != "unreadable" else how)
    right = answer == reader.gold or reader.same(answer, reader.gold)
    if right and not reader.options:
        answer = reader.gold
    return Verdict(Outcome.CORRECT if right else Outcome.WRONG, answer, reader.gold, how)
