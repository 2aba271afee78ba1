"""The rules, in order of precedence, by which an answer is found in a reply."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.grader.cues import RETRACTS, Cue, explicit, tags, without
from bench.grader.grammar import clause
from bench.grader.reading import NO_SUCH_OPTION, SEVERAL, UNREADABLE, Found, Reader, Said
from bench.grader.refusals import declines
from bench.grader.signs import certain, enumerates, leading_answer, mentioned_in, mentioned_last, strong
from bench.grader.text import ReplyText, last_paragraph, reply_text


# -- the order of the rules --------------------------------------------------------------------------------------------------------------
def read(reader: Reader, reply: ReplyText, *, lenient: bool) -> Found:
    """Rules 3 to 9."""
    if not reply.plain.strip():
        if lenient and reply.thoughts.strip():
            inner = read(reader, reply_text(reply.thoughts, reader.options), lenient=False)
            return Found(inner.said, "thoughts" if inner.said.answer else inner.how)
        return Found(UNREADABLE, "echo" if reply.echo else "thoughts-only" if reply.thoughts.strip() else "empty")
    found = _explicit(reader, reply)
    if found is not None:
        return found
    if declines(reply.plain):
        return Found(Said(None, "refusal"), "refusal")
    signs = strong(reader, reply) or mentioned_last(reader, reply.plain)
    if signs is None and lenient:
        signs = mentioned_in(reader, last_paragraph(reply.plain), anywhere=True)
    return signs or Found(UNREADABLE, "nothing-found")


def strict(reader: Reader, reply: ReplyText) -> Found:
    """The last complete answer tag, unless another tag or something later says otherwise."""
    complete = [cue for cue in tags(reply) if cue.complete]
    if not complete:
        return Found(UNREADABLE, "no-tag")
    each = [tagged(reader, cue).answer for cue in complete]
    if any(one is not None and each[-1] is not None and not reader.same(one, each[-1]) for one in each):
        return Found(SEVERAL, "answer-tag")
    said, normal = tagged(reader, complete[-1]), read(reader, reply, lenient=False)
    if said.answer is None or normal.said.answer is None:
        return Found(said if said.answer is None else normal.said, normal.how)
    agree = reader.same(said.answer, normal.said.answer)
    return Found(normal.said, "answer-tag") if agree else Found(SEVERAL, normal.how)


# -- rule 4: explicit statements ---------------------------------------------------------------------------------------------------------
def _explicit(reader: Reader, reply: ReplyText) -> Found | None:
    """The last explicit statement that can be read."""
    tag = tags(reply)
    if tag and tag[-1].complete and _stands_alone_at_end(reply.plain, tag[-1]) and not _follows_at_once(reply.plain, tag):
        return Found(tagged(reader, tag[-1]), "answer-tag")  # as the prompt asks: no other statement can change it
    cues = explicit(reply)
    plain = without(reply.plain, [cue for cue in cues if cue.how in ("answer-tag", "unclosed-tag")])
    line = _last_line(reader, plain)
    if line is not None and not any(cue.start >= line.start for cue in cues):
        cues.append(line)
    latest = _latest(reader, plain, cues)
    stated = line is not None and any(cue.start < line.start < cue.end for cue in cues)  # "Answer:" stands above it
    if latest and line is not None and latest[0] is line and not stated and _disagrees(reader, plain, line, latest[1]):
        return Found(SEVERAL, "last-line")
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
            listed = said.answer is None or not reader.options or said.answer in reader.options
            differs = listed and not reader.same(said.answer or "", latest[1].answer or "")
            return (latest[0], SEVERAL) if differs and _in_one_breath(plain, cue, latest[0]) else latest
    return latest


def _follows_at_once(plain: str, cues: Sequence[Cue]) -> bool:
    """Whether nothing but a gap stands between the last two of `cues`, both closed: neither takes the other back."""
    if len(cues) < 2:
        return False
    first, second = cues[-2:]
    return all(cue.complete or cue.how == "json" for cue in (first, second)) and not plain[first.end : second.start].strip()


def _stands_alone_at_end(plain: str, cue: Cue) -> bool:
    """Whether nothing follows `cue`, and nothing stands before it on its line."""
    return not plain[cue.end :].strip() and not plain[plain.rfind("\n", 0, cue.start) + 1 : cue.start].strip()


_NO, _YES_NO = re.compile(r"no\b", re.IGNORECASE), re.compile(r"\b(?:yes|no)\b", re.IGNORECASE)
_PLAIN_NO = re.compile(r"no\s*[,.:;!-]+\s*(?:yes|no)\b", re.IGNORECASE)  # two answers, not a retraction and an answer


def _said(reader: Reader, cue: Cue, plain: str, earlier: Sequence[Cue]) -> Said:
    """What the explicit place `cue` says; UNREADABLE where it turns out to be none."""
    if cue.how == "answer-tag":
        return tagged(reader, cue)
    if cue.how in ("boxed", "json", "unclosed-tag", "last-line"):
        return reader.whole(cue.content) or (reader.stated(cue.content) if cue.how in ("boxed", "json") else UNREADABLE)
    if cue.how == "retracted":
        after = any(0 <= cue.start - before.end <= 40 and before.how != "retracted" for before in earlier)
        return Said(None, "retracted") if after else UNREADABLE
    if cue.how == "retraction":
        if reader.kind == "yes-no" and (
            _PLAIN_NO.match(plain, cue.start) or (_NO.match(plain, cue.start) and not _YES_NO.search(cue.content))
        ):
            return UNREADABLE
        near_end = len(plain.rstrip()) - cue.end <= 3
        follows = any(0 <= cue.start - before.end <= 200 for before in earlier)
        return (reader.whole(clause(cue.content)) or reader.whole(cue.content) or UNREADABLE) if near_end or follows else UNREADABLE
    return reader.stated(cue.content)


def tagged(reader: Reader, cue: Cue) -> Said:
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
    return reader.stated(cue.content, committed=True)


_APART = re.compile(r"\n|;|->|\u2192")  # what separates one answer from another where each stands by itself


def _last_line(reader: Reader, plain: str) -> Cue | None:
    """The last line with something on it, where all of it is an answer."""
    stripped = plain.rstrip()
    start = stripped.rfind("\n") + 1
    said = None if stripped.endswith("?") or enumerates(stripped) else reader.whole(_unlabelled(reader, stripped[start:]))
    if said is None or said is NO_SUCH_OPTION or (len(stripped[start:].split()) > 2 and said.answer and certain(reader, said) is None):
        return None
    return Cue("last-line", start, len(stripped), stripped[start:])


def _unlabelled(reader: Reader, line: str) -> str:
    """`line` without the mark of a list; where answers are numbers, a number is no such mark."""
    return line if reader.kind == "number" else _ITEM.sub("", line)


_ITEM = re.compile(r"^\s*(?:[-\u2022+]|\d{1,2}[.)])\s+(?=\S)")


def _disagrees(reader: Reader, plain: str, line: Cue, said: Said) -> bool:
    """Whether the line before `line`, or the first one, is another answer, and nothing between them takes it back."""
    before = plain[: line.start]
    lines = [one for one in before.split("\n") if one.strip()]
    if said.answer is None or not lines or RETRACTS.search(before[-400:]):
        return False
    leading = leading_answer(reader, f"{before}\n.")
    if leading is not None and leading.said.why == "conflict":
        return True
    others = (certain(reader, reader.whole(_unlabelled(reader, lines[-1]))), leading.said if leading else None)
    return any(other is not None and other.answer is not None and not reader.same(other.answer, said.answer) for other in others)


def _in_one_breath(plain: str, first: Cue, second: Cue) -> bool:
    """Whether two statements stand on one line with neither a retraction nor another sentence between them."""
    if first.end >= second.start:
        return True
    if _follows_at_once(plain, (first, second)):
        return True
    gap = plain[first.end : second.start]
    apart = re.search(r"\w|\n\s*\n", gap) is not None  # what stands between them may be a second thought
    if not apart and not RETRACTS.search(plain[second.start : second.start + 12]):
        return True
    if "\n" in plain[first.start : second.start] or RETRACTS.search(gap + plain[second.start : second.start + 12]):
        return False
    return len(gap) <= 30 or (first.complete and second.complete)
