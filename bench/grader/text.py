"""A reply made plain: what a model wrote, in a form in which answers can be looked for.

Three things happen before any rule looks at a reply. Unicode is unified (full-width letters, mathematical bold, invisible marks). What is
no answer is taken out: reasoning between thinking tags, an echo of our own prompt, a repeated list of the options, struck-out text. And
markup is blanked, each character by a space, so that `text` (with Markdown and LaTeX, where bold and boxes can be seen) and `plain`
(without) share their coordinates. Everything is linear in the length of the reply; of a very long one the middle is dropped, except its
last answer tag.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bench.grader.thoughts import split_thoughts

HEAD, TAIL = 1_000, 6_000
"""Characters that are read at either end of a long reply: an answer stands first or last, and degenerate loops run to the token limit."""

_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
_QUOTES = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u00b4"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d"), '"'),
}
_STOPS = {ord("\u3002"): ".", ord("\u3001"): ",", ord("\u2028"): "\n", ord("\u2029"): "\n", ord("\u00a0"): " ", ord("\u00d7"): "x"}
_INVISIBLE = dict.fromkeys([0xAD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)])
# NFKC would glue an exponent to its base and turn 5 squared into 52.
_EXPONENTS = {ord(mark): f"^{digit}" for mark, digit in zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)}
_PLAIN_CHARS = _DASHES | _QUOTES | _STOPS | _INVISIBLE

_LAST_TAG = re.compile(r"<answer>[^<>]{0,400}</answer>", re.IGNORECASE)
# The end of prompts/solve.j2; a test renders that template and compares.
_TEMPLATE_END = re.compile(
    r"on\s+a\s+line\s+of\s+its\s+own,\s+(?:the\s+letter\s+of\s+one\s+option|as\s+short\s+as\s+possible),"
    r"\s+in\s+this\s+form:\s*<answer>[^<>]{0,20}</answer>",
    re.IGNORECASE,
)
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~|<(?:s|del|strike)>[^<\n]{0,200}</(?:s|del|strike)>|\\cancel\s*\{[^{}\n]{0,200}\}", re.IGNORECASE)
_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}|\\[,; ]|[\u2009\u202f])(?=\d{3}(?!\d))")  # 1{,}234 and 1\,234, as LaTeX has it
_STAR_BETWEEN_NUMBERS = re.compile(r"(?<=\d)( ?)\*(?= ?\d)")
_LATEX = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt)?|math(?:bf|rm|it|sf|tt|bb|cal)|bf|rm|it|bm|boldsymbol|boxed|fbox|underline|emph|displaystyle|"
    r"operatorname|q?quad|left|right|large|Large|huge|Huge)(?![A-Za-z])|\\[()\[\],;:! \"]|\^?\\(?:circ|degree)(?![A-Za-z])"
)
_HTML = re.compile(r"</?(?:b|strong|i|em|u|p|br|div|span|center|code|pre|mark|font|h[1-6]|li|ul|ol)\b[^<>\n]{0,80}>", re.IGNORECASE)
_UNDERSCORES = re.compile(r"(?<!\w)_+|_+(?!\w)")
_BULLET = re.compile(r"^[ \t]*(?:#{1,6}|>|[-•+])(?=[ \t])", re.MULTILINE)
_MARKUP_CHARS = str.maketrans(dict.fromkeys("*`${}|", " "))

_LABELLED_LINE = re.compile(r"[ \t]*(?:[-*•+][ \t]+)?[*_]*[(\[]?([A-Za-z])[)\].:]+[*_]*[ \t]*(.*?)[*_ \t.]*$")
_BARE_LINE = re.compile(r"[ \t]*(?:[-*•+][ \t]+|\d{1,2}[.)][ \t]+)?[*_]*(.*?)[*_ \t.]*$")


@dataclass(frozen=True, slots=True)
class ReplyText:
    """What is left of a reply for the rules.

    Attributes:
        text: the reply without thoughts, echoes and repeated options, Unicode unified, markup in place.
        plain: the same, markup blanked: `plain[i]` stands where `text[i]` stood.
        thoughts: what stood between thinking tags.
        echo: whether a copy of our own prompt, or a list of the options, was cut out.
    """

    text: str
    plain: str
    thoughts: str
    echo: bool


def reply_text(raw: str, options: Sequence[str]) -> ReplyText:
    """Make `raw` plain. `options` in the order shown, empty for an open question."""
    said, thoughts = split_thoughts(raw)
    if "\\" in said or "{," in said or not said.isascii():
        said = _THOUSANDS.sub(",", said)
    ends = [match.end() for match in _TEMPLATE_END.finditer(said)]
    if ends:
        said = said[ends[-1] :]
    text = _shortened(unified(_shortened(said)))  # Unicode may lengthen a text, so it is shortened again
    listless = _without_lists(text, options)
    kept = _STRUCK.sub(_spaces, listless) if any(mark in listless for mark in ("~~", "</", "\\")) else listless
    return ReplyText(text=kept, plain=_blanked(kept), thoughts=thoughts, echo=bool(ends) or listless != text)


def unified(text: str) -> str:
    """`text` in Unicode NFKC with plain dashes, quotes, stops and line ends and without invisible characters; case and markup stay."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_EXPONENTS)).translate(_PLAIN_CHARS)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def closing_sentences(plain: str) -> list[str]:
    """The last sentences of `plain`, closing courtesies left out. "A. 4:23" is one: a lone letter and its stop belong to what follows."""
    sentences: list[str] = []
    for sentence in sentences_of(plain[-2_000:]):
        if sentences and _LONE_LETTER.search(sentences[-1]):
            sentences[-1] += f" {sentence}"
        elif not _COURTESY.match(sentence):
            sentences.append(sentence)
    return sentences


_LONE_LETTER = re.compile(r"(?:^|[\s(\"'])[A-Z]\.$")
_COURTESY = re.compile(
    r"(?:let me know|(?:i )?hope (?:this|that|it)|feel free|please (?:let|feel|note|ask)|if you (?:have|need|want|would)|thanks?|"
    r"good luck|happy to|is there anything|would you like|do you (?:want|need|have))\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=\S)|\n+")


def sentences_of(plain: str) -> list[str]:
    """The sentences of `plain`, stripped, none empty; a line break ends a sentence too."""
    return [part.strip() for part in _SENTENCE_END.split(plain) if part.strip()]


def last_paragraph(plain: str) -> str:
    """The text after the last empty line."""
    return re.split(r"\n[ \t]*\n", plain[-2_000:].strip())[-1]


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _blanked(text: str) -> str:
    for pattern, mark in ((_LATEX, "\\"), (_HTML, "<"), (_BULLET, "")):
        if mark in text:
            text = pattern.sub(_spaces, text)
    if "*" in text:
        text = _STAR_BETWEEN_NUMBERS.sub(r"\1x", text)
    text = text.translate(_MARKUP_CHARS)
    return _UNDERSCORES.sub(_spaces, text) if "_" in text else text


def _shortened(text: str) -> str:
    if len(text) <= HEAD + TAIL:
        return text
    middle = [match[0] for match in _LAST_TAG.finditer(text, HEAD, len(text) - TAIL)]
    return "\n".join((text[:HEAD], *middle[-1:], text[-TAIL:]))


# -- repeated options --------------------------------------------------------------------------------------------------------------------
def _without_lists(text: str, options: Sequence[str]) -> str:
    """`text` without runs of two or more lines that only repeat different options, with their letters or without."""
    if not options:
        return text
    lines = text.split("\n")
    if len(lines) < 2:
        return text
    shown, whole = _keys(tuple(options)), _key(text)
    if sum(option in whole for option in shown) < 2:  # most replies, found out fast
        return text
    for index_of in (_labelled(shown), _bare(shown)):
        for run in _runs(lines, index_of):
            for line in run:
                lines[line] = " " * len(lines[line])
    return "\n".join(lines)


def _runs(lines: Sequence[str], index_of: Callable[[str], int | None]) -> Iterator[list[int]]:
    """Numbers of the lines of each run that names at least two different options; empty lines do not end a run."""
    run: list[int] = []
    seen: set[int] = set()
    for number, line in enumerate((*lines, "end of text")):
        if not line.strip():
            continue
        index = index_of(line)
        if index is None or index in seen:  # an option named again after the list is an answer
            if len(seen) > 1:
                yield run
            run, seen = [], set[int]()
        if index is not None:
            run.append(number)
            seen.add(index)


def _labelled(shown: Sequence[str]) -> Callable[[str], int | None]:
    def index_of(line: str) -> int | None:
        match = _LABELLED_LINE.match(line) if len(line) < 200 else None
        if not match:
            return None
        index = ord(match[1].upper()) - ord("A")
        return index if index < len(shown) and _key(match[2]) == shown[index] else None

    return index_of


def _bare(shown: Sequence[str]) -> Callable[[str], int | None]:
    def index_of(line: str) -> int | None:
        match = _BARE_LINE.match(line) if len(line) < 200 else None
        return shown.index(key) if match and (key := _key(match[1])) in shown else None

    return index_of


@lru_cache(maxsize=4096)
def _keys(options: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_key, options))


def _key(option: str) -> str:
    return " ".join(option.translate(_MARKUP_CHARS).casefold().split())
