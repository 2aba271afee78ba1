"""Where a reply states an answer: the places, in order, each with the rule that found it and the text that stands there.

*Explicit* places are those where a writer commits: an answer tag, a box, "the answer is ...", "... is correct", a retraction, a last line
that is nothing but an answer. Of these the last one counts. Everything else is a sign (bold type, a leading letter, the last sentence) and
is looked at by the grader only where no explicit place says anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.grader.grammar import clause
from bench.grader.structured import json_statements
from bench.grader.text import ReplyText

MOST = 25
"""How many places of one rule are looked at, the last ones: it bounds the work on hostile text."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One place.

    Attributes:
        how: the rule that found it.
        start, end: where it stands in `ReplyText.plain`, from the cue to the end of what it says.
        content: what stands there, markup blanked; empty for a retraction without a new answer.
        complete: whether it is an answer tag, opened and closed.
    """

    how: str
    start: int
    end: int
    content: str
    complete: bool = False


def explicit(reply: ReplyText) -> list[Cue]:
    """All explicit places but the last line, by where they start; what stands inside an answer tag or a JSON object belongs to it."""
    closed = tags(reply)
    closed += outside(objects(reply), closed)
    plain = without(reply.plain, closed)
    others = [*boxes(reply, plain), *declarations(plain), *verdicts(plain), *retractions(plain)]
    return sorted([*closed, *outside(others, closed)], key=lambda cue: (cue.start, cue.end))


def outside(cues: Iterable[Cue], closed: Sequence[Cue]) -> list[Cue]:
    """Those of `cues` that begin in none of `closed`."""
    return [cue for cue in cues if not any(one.start <= cue.start < one.end for one in closed)]


def without(plain: str, cues: Sequence[Cue]) -> str:
    """`plain` with the places of `cues` blanked."""
    for cue in cues:
        plain = plain[: cue.start] + " " * (cue.end - cue.start) + plain[cue.end :]
    return plain


# -- tags and boxes ----------------------------------------------------------------------------------------------------------------------
_TAG = re.compile(r"[<\[]\s*(/?)\s*(?:final[ _-]?)?answer\s*[>\]]", re.IGNORECASE)
PLACEHOLDER = re.compile(
    r"[\[({<]*(?:(?:your|the|my|insert|put|write)\s)?(?:final\s)?(?:answer|letter|option|choice)(?: here)?[\])}>]*|\.{2,}|_+|x+",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")


def tags(reply: ReplyText) -> list[Cue]:
    """Answer tags with something in them: closed ones, and ones that lack their end (or their beginning)."""
    found, opened, line_start = list[Cue](), None, 0
    marks = list(_TAG.finditer(reply.text))[-2 * MOST :]
    for mark in marks:
        if mark[1] and opened is not None:
            found.append(_tag(reply, opened, opened.end(), mark.start(), mark.end(), complete=True))
            opened = None
        elif mark[1]:
            line_start = max(reply.text.rfind("\n", 0, mark.start()) + 1, found[-1].end if found else 0)
            found.append(Cue("unclosed-tag", line_start, mark.end(), reply.plain[line_start : mark.start()]))
        else:
            if opened is not None:
                found.append(_tag(reply, opened, opened.end(), mark.start(), mark.start(), complete=False))
            opened = mark
    if opened is not None:
        found.append(_tag(reply, opened, opened.end(), len(reply.text), len(reply.text), complete=False))
    return [cue for cue in found if cue.content.strip() and not PLACEHOLDER.fullmatch(" ".join(cue.content.split()))]


def _tag(reply: ReplyText, opened: re.Match[str], start: int, stop: int, end: int, *, complete: bool) -> Cue:
    content = reply.plain[start:stop]
    if complete and "{" in reply.text[start:stop]:
        content = next((says for _, _, says in json_statements(reply.text[start:stop])), content)
    if not complete:  # an unclosed tag holds one line; the text goes on after it
        first = len(content) - len(content.lstrip())
        content = content[: first + len(content[first:].split("\n", 1)[0])]
        content = content.split("<", 1)[0]
        end = start + len(content)
    return Cue("answer-tag" if complete else "unclosed-tag", opened.start(), end, content, complete)


def objects(reply: ReplyText) -> Iterator[Cue]:
    """JSON objects with an answer in them, or with a weight for every option."""
    if "{" in reply.text and '"' in reply.text:
        for start, end, says in json_statements(reply.text):
            yield Cue("json", start, end, says)


def boxes(reply: ReplyText, plain: str) -> Iterator[Cue]:
    r"""Contents of `\boxed{...}` with nested braces; a box that is never closed ends with its line."""
    for match in list(_BOX.finditer(reply.text))[-MOST:]:
        depth, position, limit = 1, match.end(), min(len(reply.text), match.end() + 300)
        while position < limit and depth and reply.text[position] != "\n":
            depth += {"{": 1, "}": -1}.get(reply.text[position], 0)
            position += 1
        yield Cue("boxed", match.start(), position, plain[match.end() : position])


# -- declarations ------------------------------------------------------------------------------------------------------------------------
_NOUN = (
    r"(?:\b(?:answers?|(?:antwort|lösung|réponse|reponse|respuesta|solución|resposta|risposta|odpowiedź|[\u041e\u043e]твет|opción|opcion)"
    r"(?:\s+(?:correcta|correcte|exacte|juste|final|finale|correta|corretta))?|option\s+correcte|solution|conclusion"
    r"|the letter(?: of (?:the|one|my)(?: \w+)? (?:option|answer|choice))?"
    r"|(?:correct|right|best|final|my|most likely)\s+(?:option|choice|pick|guess|selection|result|value|conclusion|letter|time|number)"
    r"|(?:i|my)\s+(?:final\s+)?(?:choice|pick|guess|selection))\b|答案|答え|回答|정답(?:은)?)"
)
_COPULA = (
    r"(?:\s+(?:is|would be|should be|must be|will be|has to be|could be|might be|may be|seems(?: to be)?|appears to be|to be|are|was|ist"
    r"|lautet|wäre|est|sera|serait|es|será|sería|è|é|to)\b\s*:?|[\"']?\s*[:=]+|\s+-+>?(?=\s)|\s*(?:应该?|應該?)?(?:是|は|为|為)\s*:?)"
)
_DECLARATION = re.compile(
    rf"{_NOUN}(?:\s*\([^()\n]{{0,30}}\))?(?:\s+(?:to|for|of|that|here)\b[^.:;!?\n]{{0,60}}?)?{_COPULA}"
    r"|(?<![不没別别])(?:选择|選擇|选|選)[项項]?\s*(?:是|为|為|:)?(?=[\s(]*[A-Z](?![A-Za-z]))",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:wrong|incorrect|tempting|naive|previous|earlier|initial|another|other|alternative|possible|plausible)\s+(?:\w+\s+)?$"
    r"|\b(?:if|whether|unless|suppose|assuming|assume|imagine|where|which|what|had)\b[^.!?\n]{0,30}$",
    re.IGNORECASE,
)
_VERDICT = re.compile(
    r"\b(?:is|was|must be|would be|should be|has to be|seems|looks|appears to be)\s+"
    r"(?:(?:thus|therefore|hence|clearly|definitely|indeed|probably|likely|then)\s+)?"
    r"(?:(?:the\s+)?(?:(?:only|single)\s+)?(?:correct|right|best|final)(?:\s+(?:one|answer|option|choice|solution|match))?|the answer|"
    r"my (?:final )?(?:answer|choice))\b(?!\s+(?:if|for|only|when|time|number|place|position|colou?r|size|order))",
    re.IGNORECASE,
)
_SUBJECT_START = re.compile(r"[.!?;,:]\s|\n|\b(?:so|thus|therefore|hence|that|and so|think|believe|conclude)\s", re.IGNORECASE)


def declarations(plain: str) -> Iterator[Cue]:
    """Finds "the (final, correct) answer is X", "Answer: X", also in some other languages; a rejected or supposed answer is passed over."""
    for match in list(_DECLARATION.finditer(plain))[-MOST:]:
        if not _HYPOTHETICAL.search(plain[max(0, match.start() - 50) : match.start()]):
            yield from _following("answer-is", plain, match)


def _following(how: str, plain: str, match: re.Match[str]) -> Iterator[Cue]:
    """The cue for what follows `match`: the rest of the line, or the next lines where that is empty. A question states nothing."""
    content = plain[match.end() : match.end() + 400]
    skipped = len(content) - len(content.lstrip())
    line = content[skipped:].split("\n", 1)[0]
    said = clause(line)
    if line[len(said) :].lstrip()[:1] != "?" and "\n\n\n" not in content[:skipped]:
        yield Cue(how, match.start(), match.end() + skipped + len(said), line)


def verdicts(plain: str) -> Iterator[Cue]:
    """Finds "X is correct", "X is the (right) answer": the content is the subject."""
    for match in list(_VERDICT.finditer(plain))[-MOST:]:
        start = max(0, match.start() - 80)
        before = plain[start : match.start()]
        starts = [found.end() for found in _SUBJECT_START.finditer(before)]
        subject = before[starts[-1] if starts else 0 :]
        hypothetical = re.search(r"\b(?:if|whether|which|what|not|neither|none|suppose)\b", subject, re.IGNORECASE)
        if not hypothetical and "?" not in plain[match.end() : match.end() + 2]:
            yield Cue("answer-is", match.start() - len(subject), match.end(), subject)


# -- retractions -------------------------------------------------------------------------------------------------------------------------
_BACK = r"wait|actually|sorry|correction|oops|hmm+|scratch that|on second thou?ghts?|i mean(?:t)?|make that"
RETRACTS = re.compile(
    rf"\b(?:no\s*[,.:;!-]|(?:{_BACK})\b|correcting|rather|instead|mistake|wrong|incorrect|let me (?:re|correct|double|fix)|however|but)",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    rf"\b(?:no\s*[,.:;!-]+|(?:{_BACK}|let me correct (?:that|myself|it))\b)"
    rf"(?:[\s,.:;!-]+(?:no(?=\s*[,.:;!-]+\s*\w)|{_BACK}|it(?:'s| is| should be| must be)|that(?:'s| is| should be)|to|rather)\b)*"
    r"[\s,.:;!-]*",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"(?:^|(?<=[.!?\n]))[ \t]*(?:but|however|yet|no|wait|actually|hmm+|on reflection|on second thou?ghts?|after)\b[^.!?\n]{0,120}?"
    r"\bit(?:'s| is| must be| should be| has to be)\s+",
    re.IGNORECASE,
)
_VOID = re.compile(
    r"\b(?:(?:that|this|it)(?:'s| is| was| can't be| cannot be) (?:wrong|incorrect|not (?:right|correct)|a mistake)"
    r"|i (?:was|am) (?:wrong|mistaken)|i made a mistake|scratch that)\b",
    re.IGNORECASE,
)
_RETRACTION_REACH = 3_000


def retractions(plain: str) -> Iterator[Cue]:
    """Finds "no, wait, C", "but then it is C"; and "that is wrong", which takes back without saying what holds. Near the end only."""
    begin = max(0, len(plain) - _RETRACTION_REACH)
    for match in list(_CORRECTION.finditer(plain, begin))[-MOST:]:
        yield from _following("retraction", plain, match)
    for match in list(_TURN.finditer(plain, begin))[-MOST:]:
        yield from _following("retraction", plain, match)
    for match in list(_VOID.finditer(plain, begin))[-MOST:]:
        yield Cue("retracted", match.start(), match.end(), "")
