"""Signs of an answer, looked at where a reply states none explicitly; and how a reply looks that only declines.

Strong signs are bold type, a last sentence that ends in an answer, a first line that is one. The weak sign is a text that mentions a single
option and neither denies nor doubts anything. Alternatives at the same place make no answer.
"""

from __future__ import annotations

import re

from bench.grader.reading import NO_SUCH_OPTION, SEVERAL, UNREADABLE, Found, Reader, Said, clause
from bench.grader.text import ReplyText, final_sentence, last_paragraph, sentences_of

# -- refusals ----------------------------------------------------------------------------------------------------------------------------
_UNHELPFUL = r"(?:help|assist|comply|process|view|see|identify)\b"
_DECLINES = re.compile(
    r"(?:(?:i'm|i am|i apologi[sz]e|sorry|unfortunately|as an ai|no)\b[^.\n]{0,60}[,.:]?\s*)?(?:but\s+)?(?:[^.\n]{0,60}\b)?"
    r"(?:i\s+(?:can't|cannot|can not|won't|will not|could not|couldn't|am (?:unable|not able) to|(?:do not|don't) (?:have|see))\b"
    r"(?!\s+(?:determine|tell|say|know|find|decide)\b)"
    rf"|i'm (?:unable|not able)\b|(?:unable to|cannot|can't) {_UNHELPFUL}|no image (?:was|has|is)\b|without (?:the|an|any) image\b)",
    re.IGNORECASE,
)
_APOLOGY = re.compile(
    r"(?:(?:i'm |i am )?(?:really |very |so )?sorry|my apologies|i apologi[sz]e|unfortunately)\b[^.!]{0,40}[.!]",
    re.IGNORECASE,
)


def declines(plain: str) -> bool:
    """Whether a short text begins by declining, or by an apology and then declining."""
    text = " ".join(plain.split())
    sentences = sentences_of(text)[:2] if len(text) <= 500 else []
    if sentences and _DECLINES.match(sentences[0]):
        return True
    return len(sentences) == 2 and bool(_APOLOGY.fullmatch(sentences[0]) and _DECLINES.match(sentences[1]))


# -- signs -------------------------------------------------------------------------------------------------------------------------------
_BOLD = re.compile(
    r"(?<!\*)\*{1,3}([^*\n]{1,80})\*{1,3}(?!\*)|__([^_\n]{1,80})__|<(?:b|strong)>([^<\n]{1,80})</|\\(?:text|math)bf\s*\{([^{}\n]{1,80})\}"
)
_CHOICE = re.compile(
    r"(?:\b(?:choose|chose|pick|picked|select|selected|going with|go with|went with|opt for|opted for|settle on|say|guess|think|believe|"
    r"conclude|be|is|are|was|it's|that's|equals?|leaves|leaving|left with|matches|corresponds? to|gives?(?: us| you)?|get|takes?|needs?|"
    r"requires?|contains|has|have|at|on|to|therefore|thus|hence|so)\b|[=:]|->|=>|→|⇒)[\s,:]+",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:not|never|neither|nor|cannot|hardly|if|unless|whether|wouldn't|no longer|wrong|incorrect)\b|n't\b", re.IGNORECASE
)
_DOUBTS = re.compile(
    r"\b(?:wrong|incorrect|not|no|never|eliminat\w*|rule[sd]? out|exclud\w*|distractor|mistake|too|unless|if|would have|however|except|"
    r"unlike|neither|nor|cannot|because|suppose|assum(?:e|ing)|imagine|whether|wonder|doubt)\b|n't\b",
    re.IGNORECASE,
)
_REJECTS = re.compile(r"\b(?:wrong|incorrect|too|not right|impossible)\b", re.IGNORECASE)
_SUBCLAUSE = re.compile(r"[,;:]\s|\b(?:so|but|therefore|thus|hence|and)\s", re.IGNORECASE)
_LEADING_WORD = re.compile(r"(yes|no)\b\s*(?=[,.!;:]|-\s|$)", re.IGNORECASE)
_LABEL_AT_LINE = re.compile(r"^[ \t]*\(?([A-Za-z])[).:][ \t]", re.MULTILINE)


def strong(reader: Reader, reply: ReplyText) -> Found | None:
    """What bold type, else the last sentence, else the first line says; None where none of them is an answer."""
    concluding = None if enumerates(reply.plain) else _concluding(reader, final_sentence(reply.plain))
    return _bold(reader, reply) or concluding or _leading(reader, reply.plain)


def enumerates(plain: str) -> bool:
    """Whether the last line is an item of a list of options: it bears a letter, and the line before it bears the letter before."""
    lines = [line for line in plain[-2_000:].split("\n") if line.strip()][-2:]
    labels = [match[1].upper() for line in lines if (match := _LABEL_AT_LINE.match(line))]
    return len(labels) == 2 and ord(labels[1]) - ord(labels[0]) == 1


def _bold(reader: Reader, reply: ReplyText) -> Found | None:
    """Bold type in the last paragraph that is an answer."""
    begin = len(reply.text.rstrip()) - len(last_paragraph(reply.text))
    spans = [next(part for part in match.groups() if part) for match in _BOLD.finditer(reply.text, max(0, begin))]
    read = [said for span in spans[-20:] if (said := certain(reader, reader.whole(span))) is not None]
    if not read:
        return None
    answers = {said.answer for said in read}
    return Found(read[-1] if len(answers) == 1 else SEVERAL, "bold")


def _concluding(reader: Reader, sentence: str) -> Found | None:
    """A last sentence that is an answer or ends in one: "So the distance is 5.", "I choose B, since ...", "not B but C"."""
    said = certain(reader, _ending(reader, sentence))
    if said is not None:
        return Found(said, "final-sentence")
    for match in reversed(list(_CHOICE.finditer(sentence))[-12:]):
        before, rest = sentence[: match.start()], sentence[match.end() :]
        starts = [found.end() for found in _SUBCLAUSE.finditer(before)]
        said = None if _DENIES.search(before[starts[-1] if starts else 0 :]) else certain(reader, _ending(reader, rest))
        if said is not None:
            alternatives = reader.mentions(before) if re.search(r"\bor\b", before, re.IGNORECASE) else []
            differ = any(mention.answer != said.answer for mention in alternatives)
            return Found(SEVERAL if differ else said, "final-sentence")
    contrast = re.search(r"\bnot\b.{1,60}?\bbut\b(.{1,60})$", sentence, re.IGNORECASE)
    said = certain(reader, reader.whole(contrast[1])) if contrast else None
    return Found(said, "final-sentence") if said is not None else None


def _ending(reader: Reader, rest: str) -> Said | None:
    """What the rest of a sentence says, up to a reason or to an aside that mentions no other answer."""
    statement = clause(rest)
    dropped = rest[len(statement) :].lstrip()
    said = reader.whole(rest) or (None if dropped.startswith("-") and _REJECTS.search(dropped) else reader.whole(statement))
    if said is None and "," in rest:
        head, _, aside = rest.partition(",")
        said = None if reader.mentions(aside) or _REJECTS.search(aside) else reader.whole(head)
    return said


def certain(reader: Reader, said: Said | None) -> Said | None:
    """`said` where it is an answer. Where any few words could be one (an open question without a kind), only the right ones are a sign."""
    if said is None or said.answer is None:
        return None
    any_words = not reader.options and reader.kind is None
    return None if any_words and not reader.same(said.answer, reader.gold) else said


def _leading(reader: Reader, plain: str) -> Found | None:
    """A reply that begins with its answer and goes on to explain it."""
    lines = plain.strip().split("\n", 1)
    first = lines[0].strip()
    listed = len({match[1].upper() for match in _LABEL_AT_LINE.finditer(plain)}) > 1  # "A. ...", "B. ...": a list, no answer
    said = reader.whole(first) if len(lines) > 1 and not listed else None
    if said is None:
        word = _LEADING_WORD.match(first) if reader.kind == "yes-no" else None
        said = reader.whole(word[1]) if word else None
    if said is None and not listed:
        said = reader.headed(first)
    return Found(said, "leading") if said is not None and said != NO_SUCH_OPTION else None


def mentioned_in(reader: Reader, text: str) -> Found | None:
    """One option mentioned, and nothing denied or doubted."""
    if not text or _DOUBTS.search(text) or text.endswith("?"):
        return None
    mentions = reader.mentions(text[-1_000:])
    said = reader.together(mentions) if mentions else UNREADABLE
    if said.answer is None:
        return Found(said, "mention") if said is SEVERAL else None
    listed = not reader.options or said.answer in reader.options
    return Found(said, "mention") if listed else None
