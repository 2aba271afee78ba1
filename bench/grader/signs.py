"""Signs of an answer, looked at where a reply states none explicitly.

Strong signs are a first line that is an answer, bold type, and a last sentence that ends in an answer. A first line beats a remark that
follows; against a last sentence that names something else it is one of two answers. The weak sign is a text that mentions a single option
and neither denies nor doubts anything. A *remark* says what the picture shows, or how things stood before; a conclusion is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.grader.grammar import clause, unfinished
from bench.grader.kinds import possibility
from bench.grader.reading import NO_SUCH_OPTION, SEVERAL, Found, Mention, Reader, Said
from bench.grader.text import ReplyText, closing_sentences, last_paragraph

_MARK = r"(?<![\w*])\*{1,3}(?=[^\s*])"
_BOLD = re.compile(
    rf"{_MARK}([^*\n]{{1,80}})(?<=\S)\*{{1,3}}(?![\w*])|(?<!\w)__([^_\n]{{1,80}})__(?!\w)|<(?:b|strong)>([^<\n]{{1,80}})</"
    r"|\\(?:text|math)bf\s*\{([^{}\n]{1,80})\}"
)
_CHOICE = re.compile(
    r"(?:\b(?:choose|chose|pick|picked|select|selected|going with|go with|went with|opt for|opted for|settle on|say|guess|think|believe|"
    r"conclude|be|is|are|was|it's|that's|equals?|leaves|leaving|left with|matches|corresponds? to|gives?(?: us| you)?|get|takes?|needs?|"
    r"requires?|(?:comes|adds(?: up)?|sums(?: up)?|amounts|leads) to|therefore|thus|hence|so)\b|[=:]|->|=>|→|⇒)[\s,:]+",
    re.IGNORECASE,
)
_HOLDS = re.compile(r"\b(?:contains|has|have|had)\s+", re.IGNORECASE)  # these state a result only where a conclusion is drawn
_AMOUNTS = re.compile(
    r"\b(?:takes?|needs?|requires?|(?:will|would) (?:have|be|take|need|see|get|require)|leaves|left with|gives|there (?:is|are))\s+"
    r"(?:(?:only|exactly|just|a total of|at least)\s+)?(?=\S)",
    re.IGNORECASE,
)
_PLACED = {"time": re.compile(r"\bat\s+", re.IGNORECASE), "day": re.compile(r"\bon\s+", re.IGNORECASE)}
_CONCLUDES = re.compile(
    r"\b(?:so|therefore|thus|hence|consequently|accordingly|in conclusion|finally|overall|as a result|this means|which means|answer|"
    r"solution|result|in total|altogether|minimum|fewest|choose|pick|select)\b|->|=>|→|⇒",
    re.IGNORECASE,
)
_PICTURE = r"(?:picture|image|figure|diagram|photo|drawing|illustration|screenshot|scene|clock|dial|calendar|description)"
_REMARK = re.compile(
    # what the picture shows
    rf"\b(?:in|on|from|of) (?:the|this) (?:\w+ )?{_PICTURE}\b|\b{_PICTURE}(?: \w+){{0,3}}? (?:shows?|showed|displays?|depicts?|reads?|"
    r"contains?|has|have|says|indicates?|is at|was at)\b|\b(?:shown|depicted|displayed|visible|can be seen)\b|"
    r"\bhands?\b[^.]{0,30}\b(?:is|are|points?|pointing)\b|"
    r"\bthere (?:is|are)\b(?!.*\b(?:now|can be|could be|unique|ways?|needed|required|left|remaining|after|total)\b)|"
    # how things stand before what is asked for happens
    r"\b(?:currently|current(?: \w+)? (?:is|are)|right now|at present|initially|originally|at first|at the (?:start|beginning)|already)\b|"
    r"\b(?:first|1st)(?: day)?(?: of [^.,;]{1,40})? (?:is|falls)\b|\bstart(?:s|ed)? (?:with|from)\b|\b(?:was|were|had)\b|"
    # what the writer is about to do
    r"\blet(?:'s| me| us)\b|\bi (?:can )?(?:need|see|look|looked|notice|observe|know|have to)\b",
    re.IGNORECASE,
)
_OTHER = re.compile(r"\s*(?:the|any|all) others?\b", re.IGNORECASE)
_REASON = re.compile(
    r",?\s\b(?:because|since|given (?:that|the)|due to|as (?:the|it|we|there|this|that|shown))\b.*", re.IGNORECASE | re.DOTALL
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
_KNOWN = re.compile(
    r"\b(?:all|these|those|both|its|their|other|of|with|among|include[sd]?|contain(?:s|ed)?|that|(?:look|looking|focus) (?:at|on) the)\s+$",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"[\s\"'(]*(?:the|an?)?\s*", re.IGNORECASE)
_OR = re.compile(r"[\s)\]\"']*,?\s*or\b", re.IGNORECASE)
_ASIDE = re.compile(r"\s*which (?:is|are|was)\b", re.IGNORECASE)
_LETTER_LINE = re.compile(r"\s*[A-Z][.)]?\s*")
_LETTERS_IN_A_ROW = re.compile(r"(?:^|\s)[A-Z]\.\s+[A-Z]\.(?:\s|$)")
_APART = re.compile(r"[,;\n]|\.\s|\bor\b|\band\b", re.IGNORECASE)
_NO_CANDIDATES = frozenset(
    {"sure", "okay", "ok", "well", "yes", "no", "so", "thus", "therefore", "hence", "finally", "done", "answer", "final answer"}
)


# -- the strong signs --------------------------------------------------------------------------------------------------------------------
def strong(reader: Reader, reply: ReplyText) -> Found | None:
    """What the first line says, bold type, or else the last sentence; None where none of them is an answer."""
    leading = leading_answer(reader, reply.plain)
    closing = _bold(reader, reply) or _closing(reader, reply.plain) or (_mentioned_in_conclusion(reader, reply.plain) if leading else None)
    if leading is None or closing is None or leading.said.answer is None:
        return closing or leading
    if closing.said.answer is not None and reader.same(closing.said.answer, leading.said.answer):
        return leading
    return Found(SEVERAL, closing.how)


def _mentioned_in_conclusion(reader: Reader, plain: str) -> Found | None:
    sentences = closing_sentences(plain)
    found = mentioned_last(reader, plain) if len(sentences) > 1 and _CONCLUDES.search(sentences[-1]) else None
    return found if found is not None and found.said.answer is not None else None


def leading_answer(reader: Reader, plain: str) -> Found | None:
    """A reply that begins with its answer and goes on to explain it."""
    lines = plain.strip().split("\n", 1)
    first = lines[0].strip()
    labels = {match[1].upper() for match in _LABEL_AT_LINE.finditer(plain)}
    listed = len(labels) > 1 and bool(_LABEL_AT_LINE.match(first))  # "A. ...", "B. ...": a list, no answer
    said = _bare(reader, first) if len(lines) > 1 and not listed else None
    if said is None:
        word = _LEADING_WORD.match(first) if reader.kind == "yes-no" else None
        other = _LEADING_WORD.match(first[word.end() :].lstrip(" ,.!;:-")) if word else None
        said = (SEVERAL if other and word and other[1].lower() != word[1].lower() else reader.whole(word[1])) if word else None
    if said is not None and said.letter and len({line.strip(" .)") for line in lines[-1].split("\n") if _LETTER_LINE.fullmatch(line)}) > 1:
        said = SEVERAL  # the alphabet, line by line
    if said is None and not listed:
        said = reader.headed(first) or _first_sentence(reader, first)
    return Found(said, "leading") if said is not None and said != NO_SUCH_OPTION else None


def _first_sentence(reader: Reader, first: str) -> Said | None:
    """A first sentence that is nothing but an answer: "4:23. The clock shows ..."."""
    head, stop, rest = first.partition(". ")
    return _bare(reader, head) if stop and rest.strip() and len(head) > 1 else None


def _bare(reader: Reader, text: str) -> Said | None:
    """The answer that `text` is and nothing else; "it is 3:23 now" may be where a thought begins."""
    said = certain(reader, reader.whole(text))
    short = said is None or said.letter or said.answer is None or len(text.split()) <= max(2, len(said.answer.split()))
    return said if short else None


def _bold(reader: Reader, reply: ReplyText) -> Found | None:
    """Bold type in the last paragraph that is an answer, unless a conclusion follows it."""
    begin = max(0, len(reply.text.rstrip()) - len(last_paragraph(reply.text)))
    read: list[Said] = []
    end = begin
    for match in list(_BOLD.finditer(reply.text, begin))[-20:]:
        said = certain(reader, reader.whole(next(part for part in match.groups() if part)))
        if said is not None and _stands(reader, reply.plain, match.start(), match.end()):
            read.append(said)
            end = match.end()
    if not read or _closing(reader, reply.plain[end:]) is not None:
        return None
    answers = {said.answer for said in read}
    return Found(read[-1] if len(answers) == 1 else SEVERAL, "bold")


def _stands(reader: Reader, plain: str, start: int, end: int) -> bool:
    """Whether what is set bold stands as an answer: not in a remark, and a "no" or "one" not before its noun."""
    line = plain[plain.rfind("\n", 0, start) + 1 : start]
    sentence = re.split(r"(?<=[.!?])\s", line)[-1]
    following = re.split(r"[.!?\n]", plain[end : end + 200], maxsplit=1)[0]
    if reader.kind == "yes-no" and following[:1] == " " and following.strip():
        return False
    return not _is_remark(sentence + plain[start:end] + following)


def _closing(reader: Reader, plain: str) -> Found | None:
    """The last sentence that is no remark, where it ends in an answer."""
    if enumerates(plain):
        return None
    sentences = closing_sentences(plain)
    stated = _without_remarks_behind(reader, sentences)
    if stated and _LETTERS_IN_A_ROW.search(stated[-1]):
        return Found(SEVERAL, "final-sentence")
    if stated and not stated[-1].endswith("?"):
        found = _concluding(reader, stated[-1])
        if found is not None and found.said.answer is not None and not found.said.letter and _is_listed(reader, stated, found.said.answer):
            return Found(SEVERAL, found.how)
        if found is not None:
            return found
    if reader.inferred or not sentences or sentences[-1].endswith("?"):
        return None
    return _concluding(reader, sentences[-1])


def _without_remarks_behind(reader: Reader, sentences: Sequence[str]) -> Sequence[str]:
    """`sentences` up to the last that is no remark."""
    end = next((end for end in range(len(sentences), 0, -1) if not _is_remark(sentences[end - 1])), 0)
    return sentences[:end]


def _is_remark(sentence: str) -> bool:
    statement = _REASON.sub("", sentence)
    return bool(_OTHER.match(statement) or (_REMARK.search(statement) and not _CONCLUDES.search(statement)))


def _concluding(reader: Reader, sentence: str) -> Found | None:
    """A sentence that is an answer or ends in one: "So the distance is 5.", "I choose B, since ...", "not B but C"."""
    said = certain(reader, _ending(reader, sentence))
    if said is not None:
        return Found(said, "final-sentence")
    statement = _REASON.sub("", sentence)
    for match in _connections(reader, statement or sentence):
        before, rest = match.string[: match.start()], match.string[match.end() :]
        starts = [found.end() for found in _SUBCLAUSE.finditer(before)]
        said = None if _DENIES.search(before[starts[-1] if starts else 0 :]) else certain(reader, _ending(reader, rest))
        if said is not None:
            alternatives = [mention for mention in reader.mentions(before) if _OR.match(before, mention.end)]
            differ = any(mention.answer != said.answer for mention in alternatives)
            return Found(SEVERAL if differ else said, "final-sentence")
    if (said := _amount(reader, statement)) is not None:
        return Found(said, "final-sentence")
    contrast = re.search(r"\bnot\b.{1,60}?\bbut\b(.{1,60})$", sentence, re.IGNORECASE)
    said = certain(reader, reader.whole(contrast[1])) if contrast else None
    if said is None and reader.kind == "yes-no":
        said = certain(reader, reader.whole(possibility(clause(sentence)) or ""))
    return Found(said, "final-sentence") if said is not None else None


def _amount(reader: Reader, statement: str) -> Said | None:
    """An amount with its purpose or place: "It takes 3 jumps to reach the end", "there are 18 maps that can be made"."""
    match = next(iter(reversed(list(_AMOUNTS.finditer(statement))[-12:])), None)
    if match is None or _DENIES.search(statement[: match.start()]):
        return None
    return certain(reader, reader.amount(statement[match.end() :]))


def _connections(reader: Reader, statement: str) -> list[re.Match[str]]:
    """The words in `statement` that an answer may follow, the last first."""
    patterns = [_CHOICE]
    if reader.kind in _PLACED:
        patterns.append(_PLACED[reader.kind])
    if _CONCLUDES.search(statement):
        patterns.append(_HOLDS)
    found = [match for pattern in patterns for match in list(pattern.finditer(statement))[-12:]]
    return sorted(found, key=lambda match: match.start(), reverse=True)


def _ending(reader: Reader, rest: str) -> Said | None:
    """What the rest of a sentence says, up to a reason or to an aside that mentions no other answer."""
    statement = clause(rest)
    dropped = rest[len(statement) :].lstrip()
    article = statement.strip().lower() in ("a", "i") and dropped[:1].isalpha()  # "a while"
    rejected = dropped.startswith("-") and _REJECTS.search(dropped)
    said = reader.whole(rest) or (None if rejected or article else reader.whole(statement))
    if said is None and reader.letters and re.match(r"[(\[]?[A-Z][)\]]?\.\s", rest):
        said = reader.headed(rest)
    if said is None and "," in rest:
        head, _, aside = rest.partition(",")
        told = reader.mentions(aside) and not _ASIDE.match(aside)
        said = None if told or _REJECTS.search(aside) else reader.whole(head)
    return said


# -- what may be an answer at all --------------------------------------------------------------------------------------------------------
def certain(reader: Reader, said: Said | None) -> Said | None:
    """`said` where it is an answer that a sign may state: of a choice one of the options, of an open question one of its kind.

    Where any few words could be one (an open question without a kind), only the right ones are a sign.
    """
    if said is None or said.answer is None:
        return said if said is not None and said.why == "conflict" else None
    if reader.options:
        return said if any(reader.same(said.answer, option) for option in reader.options) else None
    if reader.names:
        return said if any(reader.same(said.answer, name) for name in reader.names) else None
    return said if reader.kind is not None or reader.same(said.answer, reader.gold) else None


def _is_listed(reader: Reader, sentences: Sequence[str], answer: str) -> bool:
    """Whether `answer` is one of several that are named in the same words: "x = Car, x = Book", "It may be a car. It may be a book."."""
    pieces = [piece.strip(" .!:*-") for piece in _APART.split("\n".join(sentences[-6:])[-600:]) if piece.strip(" .!:*-")]
    last = next((piece for piece in reversed(pieces) if piece.casefold().endswith(answer.casefold())), None)
    if last is None:
        return False
    words = last[: len(last) - len(answer)].casefold()
    return any(_is_another(reader, piece, words, answer) for piece in pieces)


def _is_another(reader: Reader, piece: str, words: str, answer: str) -> bool:
    """Whether what stands in `piece` after `words` may be an answer too, and is not `answer`."""
    named = piece[len(words) :] if piece.casefold().startswith(words) else ""
    if not named or named.casefold() == answer.casefold() or len(named.split()) > 3:
        return False
    if reader.options or reader.names or reader.kind:
        said = certain(reader, reader.whole(named))
        return said is not None and said.answer is not None and not reader.same(said.answer, answer)
    return bool(words) or (named[:1].isupper() == answer[:1].isupper() and named.casefold() not in _NO_CANDIDATES)


def enumerates(plain: str) -> bool:
    """Whether the last line is an item of a list of options: it bears a letter, and the line before it bears the letter before."""
    lines = [line for line in plain[-2_000:].split("\n") if line.strip()][-2:]
    labels = [match[1].upper() for line in lines if (match := _LABEL_AT_LINE.match(line))]
    return len(labels) == 2 and ord(labels[1]) - ord(labels[0]) == 1


# -- the weak sign -----------------------------------------------------------------------------------------------------------------------
def mentioned_last(reader: Reader, plain: str) -> Found | None:
    """The last sentence that is no remark, where it mentions one option."""
    sentences = closing_sentences(plain)
    stated = _without_remarks_behind(reader, sentences) or ([] if reader.inferred else sentences)
    return mentioned_in(reader, stated[-1]) if stated and not enumerates(plain) else None


def mentioned_in(reader: Reader, text: str, *, anywhere: bool = False) -> Found | None:
    """One option mentioned, and nothing denied or doubted; where it has weight (`_has_weight`), or `anywhere`."""
    if not text or _DOUBTS.search(text) or text.endswith("?"):
        return None
    text = text[-1_000:]
    mentions = reader.mentions(text)
    if not mentions or (reader.kind == "number" and unfinished(text)):
        return None
    said = reader.together(mentions)
    if said.answer is None:
        return Found(said, "mention") if said is SEVERAL else None
    if not anywhere and not any(mention.letter for mention in mentions) and not _has_weight(reader, text, mentions):
        return None
    return Found(said, "mention") if certain(reader, said) else None


def _has_weight(reader: Reader, text: str, mentions: Sequence[Mention]) -> bool:
    """Whether an answer text stands at the end of `text`, or is the subject of a choice; elsewhere it is only in passing."""
    if reader.options and _ARTICLE.fullmatch(text[: mentions[0].start]):
        return True
    return reader.ends_in(text, mentions[-1]) and (bool(reader.options) or not _KNOWN.search(text[: mentions[-1].start]))
