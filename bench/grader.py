r"""The grader: one function from what a model wrote to a verdict, for evaluation and for rewards alike.

It reads, it never guesses: a reply in which no answer can be read is `unparsed`, whatever the right answer is. The rules, first match wins:

 1. The provider says that the model refused: `refused`.
 2. The reply was cut off at the token limit, and no complete answer tag in it can be read: `truncated`.
 3. Nothing was written (outside thinking tags, after an echo of the prompt): `unparsed`. Reasoning is no answer.
 4. Explicit statements: `<answer>`, `\boxed{}`, "the answer is", "X is correct", a retraction ("no, wait, C"), a last line that is nothing
    but an answer. The last one that can be read counts. Two in one breath that differ are `several`; so are "A or B" and two letters. A
    letter with another option's text ("B. 4:23" where B is 1:14) is a `conflict`; "none of the above" and a letter that no option has
    are no answer: all `unparsed`. An answer tag that cannot be read ends the search; other unreadable statements are passed over.
 5. A reply that only declines ("I'm sorry, I can't ..."): `refused`.
 6. Strong signs, in this order: bold type in the last paragraph; a last sentence that ends in "... is X" or "so X"; a reply that begins
    with an answer ("B. The hands ...", "Yes, ...") and explains it.
 7. A weak sign: the last sentence mentions one option and negates nothing.
 8. Lenient reading only: the last paragraph mentions one option; or nothing is written but thoughts, and these are read by rules 4-7.
 9. `unparsed`.

Strict reading accepts an answer tag, opened and closed, that nothing later contradicts; what it reads, normal reading reads alike.
An answer that is none of the options is `wrong` where it is clearly one of their kind (17 among numbers, 9:99 among times) and stated by
rule 4 or 6, else `unparsed`. A letter names an option by its place, also where another option's text is that letter. Open answers follow
the same rules without letters; units after a number are dropped. Whether an answer is right is the family's `same`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from bench.answers.cues import RETRACTS, Cue, explicit, tags, without
from bench.answers.reading import NO_SUCH_OPTION, SEVERAL, UNREADABLE, Found, Reader, Said, clause
from bench.answers.signs import certain, declines, enumerates, mentioned_in, strong
from bench.answers.text import ReplyText, final_sentence, last_paragraph, reply_text
from bench.models.base import Stop
from bench.outcome import Format, Outcome, Reading, Verdict
from tasks.registry import same_for


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
    if stop is Stop.LENGTH and not any(cue.complete and _tagged(reader, cue).answer for cue in tags(reply)):
        return Verdict(Outcome.TRUNCATED, None, item.answer, "truncated")
    found = _strict(reader, reply) if reading is Reading.STRICT else _read(reader, reply, lenient=reading is Reading.LENIENT)
    return _verdict(reader, found)


def grade_open(completion: str, family: str, answer: str, *, stop: Stop = Stop.END, reading: Reading = Reading.NORMAL) -> Verdict:
    """Grade an open answer without a puzzle: what reward functions call, so that the grader that evaluates is the grader that rewards."""
    return grade(completion, Item(family, answer), fmt=Format.OPEN, stop=stop, reading=reading)


@lru_cache(maxsize=4096)
def _reader(family: str, shown: tuple[str, ...], gold: str) -> Reader:
    return Reader(shown, gold, same_for(family))


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


# -- the order of the rules --------------------------------------------------------------------------------------------------------------
def _read(reader: Reader, reply: ReplyText, *, lenient: bool) -> Found:
    """Rules 3 to 9."""
    if not reply.plain.strip():
        if lenient and reply.thoughts.strip():
            inner = _read(reader, reply_text(reply.thoughts, reader.options), lenient=False)
            return Found(inner.said, "thoughts" if inner.said.answer else inner.how)
        return Found(UNREADABLE, "echo" if reply.echo else "thoughts-only" if reply.thoughts.strip() else "empty")
    found = _explicit(reader, reply)
    if found is not None:
        return found
    if declines(reply.plain):
        return Found(Said(None, "refusal"), "refusal")
    signs = strong(reader, reply) or (None if enumerates(reply.plain) else mentioned_in(reader, final_sentence(reply.plain)))
    if signs is None and lenient:
        signs = mentioned_in(reader, last_paragraph(reply.plain))
    return signs or Found(UNREADABLE, "nothing-found")


def _strict(reader: Reader, reply: ReplyText) -> Found:
    """The last complete answer tag, unless something later says otherwise."""
    complete = [cue for cue in tags(reply) if cue.complete]
    if not complete:
        return Found(UNREADABLE, "no-tag")
    said, normal = _tagged(reader, complete[-1]), _read(reader, reply, lenient=False)
    if said.answer is None or normal.said.answer is None:
        return Found(said if said.answer is None else normal.said, normal.how)
    agree = reader.same(said.answer, normal.said.answer)
    return Found(normal.said, "answer-tag") if agree else Found(SEVERAL, normal.how)


# -- rule 4: explicit statements ---------------------------------------------------------------------------------------------------------
def _explicit(reader: Reader, reply: ReplyText) -> Found | None:
    """The last explicit statement that can be read."""
    tag = tags(reply)[-1:]
    if tag and tag[0].complete and _stands_alone_at_end(reply.plain, tag[0]):
        return Found(_tagged(reader, tag[0]), "answer-tag")  # as the prompt asks: no other statement can change it
    cues = explicit(reply)
    plain = without(reply.plain, [cue for cue in cues if cue.how in ("answer-tag", "unclosed-tag")])
    line = _last_line(reader, plain)
    if line is not None and not any(cue.start >= line.start for cue in cues):
        cues.append(line)
    latest = _latest(reader, plain, cues)
    return Found(latest[1], latest[0].how) if latest else None


def _latest(reader: Reader, plain: str, cues: Sequence[Cue]) -> tuple[Cue, Said] | None:
    """The last of `cues` (in order) that says something, and what: SEVERAL where the one before says something else in one breath."""
    latest: tuple[Cue, Said] | None = None
    for position in range(len(cues) - 1, -1, -1):
        cue = cues[position]
        said = _said(reader, cue, plain, cues[:position])
        if said == UNREADABLE and not cue.complete:
            continue
        if latest is None:
            latest = (cue, said)
            if said.answer is None:
                break
        elif said.answer is not None or said == SEVERAL:
            differs = said.answer is None or not reader.same(said.answer, latest[1].answer or "")
            return (latest[0], SEVERAL) if differs and _in_one_breath(plain, cue, latest[0]) else latest
    return latest


def _stands_alone_at_end(plain: str, cue: Cue) -> bool:
    """Whether nothing follows `cue`, and nothing stands before it on its line."""
    return not plain[cue.end :].strip() and not plain[plain.rfind("\n", 0, cue.start) + 1 : cue.start].strip()


_PLAIN_NO = re.compile(r"no\s*[,.:;!-]+\s*(?:yes|no)\b", re.IGNORECASE)  # two answers, not a retraction and an answer


def _said(reader: Reader, cue: Cue, plain: str, earlier: Sequence[Cue]) -> Said:
    """What the explicit place `cue` says; UNREADABLE where it turns out to be none."""
    if cue.how == "answer-tag":
        return _tagged(reader, cue)
    if cue.how in ("boxed", "unclosed-tag", "last-line"):
        return reader.whole(cue.content) or (reader.stated(cue.content) if cue.how == "boxed" else UNREADABLE)
    if cue.how == "retracted":
        after = any(0 <= cue.start - before.end <= 40 and before.how != "retracted" for before in earlier)
        return Said(None, "retracted") if after else UNREADABLE
    if cue.how == "retraction":
        if reader.kind == "yes-no" and _PLAIN_NO.match(plain, cue.start):
            return UNREADABLE
        near_end = len(plain.rstrip()) - cue.end <= 3
        follows = any(0 <= cue.start - before.end <= 200 for before in earlier)
        return (reader.whole(clause(cue.content)) or reader.whole(cue.content) or UNREADABLE) if near_end or follows else UNREADABLE
    return reader.stated(cue.content)


def _tagged(reader: Reader, cue: Cue) -> Said:
    """What an answer tag says: all of it, its head, or the statement inside it."""
    said = reader.whole(cue.content)
    if said is not None:
        return said
    inner = _latest(reader, cue.content, explicit(ReplyText(cue.content, cue.content, "", echo=False)))
    if inner is not None:
        return inner[1]
    if declines(cue.content):
        return Said(None, "refusal")
    lines = [line for line in _APART.split(cue.content) if line.strip()]
    each = [reader.whole(line) for line in lines[:20]]
    if len(lines) > 1 and all(each):
        answers = {said.answer for said in each if said}
        return SEVERAL if len(answers) > 1 else each[0] or UNREADABLE
    return reader.stated(cue.content)


_APART = re.compile(r"\n|;|->|\u2192")  # what separates one answer from another where each stands by itself


def _last_line(reader: Reader, plain: str) -> Cue | None:
    """The last line with something on it, where all of it is an answer."""
    stripped = plain.rstrip()
    start = stripped.rfind("\n") + 1
    said = None if stripped.endswith("?") or enumerates(stripped) else reader.whole(stripped[start:])
    if said is None or said is NO_SUCH_OPTION or (len(stripped[start:].split()) > 2 and said.answer and certain(reader, said) is None):
        return None
    return Cue("last-line", start, len(stripped), stripped[start:])


def _in_one_breath(plain: str, first: Cue, second: Cue) -> bool:
    """Whether two statements stand on one line with neither a retraction nor another sentence between them."""
    if first.end >= second.start:
        return True
    gap = plain[first.end : second.start]
    if "\n" in plain[first.start : second.start] or RETRACTS.search(gap + plain[second.start : second.start + 12]):
        return False
    return len(gap) <= 30 or (first.complete and second.complete)
