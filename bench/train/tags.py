"""What stands in the tags of a completion, and what the sentences there are worth.

A policy under training finds every gap in a reader, so this one is built such that text pays once and nothing pays for being repeated:

- A tag is read only where it is opened and closed; it runs to the next closing mark of its own name, as in the grader. Names may be in
  any case, "image description" also with an underscore or a hyphen. What is never closed, and a closing mark on its own, is no tag.
- Of tags inside one another the outermost counts, and the inner marks are blanked: text cannot be paid as `think` and as `rethink`. The one
  exception is `visual`, which belongs inside `think`: its spans are taken out of the text of `think` and read together.
- Of several tags of one name the first with something in it counts. Every sentence of the others counts as repeated, whatever it says.
- The order of the tags makes no difference.
- Special tokens of the model (`<|image_pad|>`) are blanks, also in the middle of a mark, which they break.

A *sentence* ends with a full stop, exclamation or question mark before a blank, or with the line. Sentences are compared after folding
case, white space, invisible characters and the punctuation around them; what holds no letter and no digit is none, nor is the bare number
that begins a point of a list. Everything is linear in the length of the completion.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass

from bench.grader.text import sentences_of, unified

NAMES = ("image description", "think", "rethink", "visual", "answer")
"""The tags that rewards know, as the prompts write them."""

_MARK = re.compile(r"<[ \t]{0,4}(/?)[ \t]{0,4}(image[ _-]description|think|rethink|visual|answer)[ \t]{0,4}>", re.IGNORECASE)
_SPECIAL = re.compile(r"<\|[\w ]{1,60}\|>")
# The characters that Unicode calls default ignorable: they are drawn as nothing and would make one sentence look like many.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_WIDE_STOPS = str.maketrans({"\u3002": ". ", "\uff01": "! ", "\uff1f": "? "})  # no blank follows them where they are used
_EDGES = " \t.,;:!?*_`\"'()[]<>-"
_SAYS, _LABEL = re.compile(r"[^\W_]"), re.compile(r"\d{1,3}")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of a completion: the `text` in the one that counts, and the texts in the `others` of its name, as they come."""

    text: str
    others: tuple[str, ...] = ()


def read_tags(completion: str, names: Collection[str]) -> dict[str, Tag]:
    """The tags of `completion` that are called one of `names` and have something in them, by name; `visual` only inside `think`."""
    text = _SPECIAL.sub(" ", completion) if "<|" in completion else completion
    found: dict[str, list[str]] = {}
    for name, content in _spans(text, [name for name in names if name != "visual"])[0]:
        if visible(content):
            found.setdefault(name, []).append(content)
    tags = {name: Tag(contents[0], tuple(contents[1:])) for name, contents in found.items()}
    if "visual" in names and "think" in tags:
        spans, rest = _spans(tags["think"].text, ["visual"])
        tags["think"] = Tag(rest, tags["think"].others)
        if seen := "\n".join(content for _, content in spans):
            tags["visual"] = Tag(seen)
    return {name: Tag(_unmarked(tag.text), tuple(map(_unmarked, tag.others))) for name, tag in tags.items()}


def _spans(text: str, names: Collection[str]) -> tuple[list[tuple[str, str]], str]:
    """Name and content of the outermost tags of `text` that are called one of `names`, in order; and `text` with them blanked."""
    marks = [(mark, mark[2].lower().replace("_", " ").replace("-", " ")) for mark in _MARK.finditer(text)]
    marks = [(mark, name) for mark, name in marks if name in names]
    closing = _next_closing([(bool(mark[1]), name) for mark, name in marks])
    found, rest, end, index = list[tuple[str, str]](), list[str](), 0, 0
    while index < len(marks):
        mark, name = marks[index]
        close = closing[index]
        if mark[1] or close is None:
            index += 1
            continue
        found.append((name, text[mark.end() : marks[close][0].start()]))
        rest.append(text[end : mark.start()])
        end, index = marks[close][0].end(), close + 1
    return found, " ".join((*rest, text[end:]))


def _next_closing(marks: list[tuple[bool, str]]) -> list[int | None]:
    """For every mark (closing or not, name) the index of the next closing mark of its name behind it."""
    ahead: dict[str, int] = {}
    found: list[int | None] = [None] * len(marks)
    for index in range(len(marks) - 1, -1, -1):
        closes, name = marks[index]
        found[index] = ahead.get(name)
        if closes:
            ahead[name] = index
    return found


def _unmarked(text: str) -> str:
    return _MARK.sub(" ", text) if "<" in text else text


def visible(text: str) -> bool:
    """Whether `text` has anything in it that can be seen: more than blanks, invisible characters and marks of tags."""
    return bool(_drawn(_unmarked(text)).strip())


def _drawn(text: str) -> str:
    return text if text.isascii() else _IGNORABLE.sub("", text)


def sentences(text: str) -> list[str]:
    """The sentences of `text`, folded for comparison, in order."""
    plain = unified(text if text.isascii() else _drawn(text.translate(_WIDE_STOPS)))
    folded = (" ".join(sentence.casefold().split()).strip(_EDGES) for sentence in sentences_of(plain))
    return [sentence for sentence in folded if _SAYS.search(sentence) and not _LABEL.fullmatch(sentence)]


def sentence_score(tag: Tag | None) -> float:
    """tanh(distinct sentences) - tanh(repeated sentences) of `tag`, in [tanh(1) - 1, 1]; 0 where it is missing or says nothing.

    Repeated are all sentences but the first of each kind, and all those of the other tags of the name. Source of the formula: third-party
    reading notes of arXiv 2601.00215. It saturates after two or three sentences and does not ask whether they are true.
    """
    said = sentences(tag.text) if tag else []
    if not tag or not said:
        return 0.0
    distinct = len(set(said))
    repeated = len(said) - distinct + sum(len(sentences(other)) for other in tag.others)
    return math.tanh(distinct) - math.tanh(repeated)
