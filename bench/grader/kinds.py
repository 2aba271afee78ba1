"""Kinds of answers: numbers, times, days, colours, sizes, shapes, yes/no.

The kind of a question's options (or of its right answer) says what in a text may be an answer to it at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.kit.notation import NUMBER_WORDS, number

_COLOURS = "red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|gr[ae]y|cyan|magenta|teal|indigo|turquoise|maroon|navy|gold"
_NUMBER = r"(?<![\w.,:/^])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w:/^]|[.,]\d)"
KINDS = {
    "number": rf"{_NUMBER}|\b(?:{'|'.join(NUMBER_WORDS)})\b",
    "time": r"(?<![\d:.])\d{1,2}\s?[:.h]\s?\d{2}(?::\d{2})?(?![\d:])(?:\s*[ap]\.?m\b\.?)?|\b\d{1,2} o'clock\b",
    "day": r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b",
    "colour": rf"\b(?:(?:light|dark|pale|deep|bright)[ -]?)?(?:{_COLOURS})\b",
    "size": r"\b(?:(?:extra|very|x)[ -]?)?(?:small|medium|large|big|tiny|huge)\b",
    "shape": r"\b(?:circle|triangle|square|rectangle|pentagon|hexagon|heptagon|octagon|star|diamond)s?\b",
    "yes-no": r"\b(?:yes|no)\b",
}
"""Kind -> pattern of one answer inside a text, case aside; a question is of the first kind that fits all its answers."""
WHOLE = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in KINDS.items()}
"""The same, compiled, for a text that is one answer."""


def kind_of(answers: Sequence[str]) -> str | None:
    """The kind that all of `answers` are of, or None."""
    plain = [answer.strip().rstrip(".") for answer in answers]
    return next((kind for kind, pattern in WHOLE.items() if plain and all(pattern.fullmatch(answer) for answer in plain)), None)


def standard(text: str) -> str:
    """Numbers in digits without commas, "4 o'clock" and 4:00:00 as 4:00; other text as it is."""
    value = number(text)
    if value is not None:
        return f"{value:g}" if abs(value) < 1e6 else text
    return _SPOKEN_OR_SECONDS.sub(lambda found: found[2] or f"{found[1]}:00", text)


_SPOKEN_OR_SECONDS = re.compile(r"^(\d{1,2}) o'clock$|^(\d{1,2}:\d{2}):00(?=$|\s)", re.IGNORECASE)

# -- yes and no in other words -----------------------------------------------------------------------------------------------------------
_DONE = r"(?:cover(?:ed)?|tiled?|fill(?:ed)?|done|complet(?:e|ed)|solved?|placed?|achieved?|reach(?:ed)?|made|fit)"
_WHAT = r"(?:it|this|that|which|dominoes|(?:the|such an?|an?|all)\s(?:\w+\s){0,3}?\w+)"
_POSSIBLE = re.compile(
    rf"\b{_WHAT}(?:\s(?:is|are|was|would be|seems)|'s)(?:\s(?:indeed|clearly|thus|therefore|definitely|always|still))?"
    rf"\s(?:possible|feasible)\b|\b{_WHAT} can(?:\s\w+)? be (?:\w+ )?{_DONE}\b",
    re.IGNORECASE,
)
_IMPOSSIBLE = re.compile(
    rf"\b(?:impossible|not (?:be )?(?:\w+ )?(?:possible|feasible)|isn't (?:\w+ )?(?:possible|feasible)|infeasible)\b"
    rf"|\b{_WHAT}\s(?:cannot|can't|can not|could not|couldn't)\s(?:\w+ )?(?:be )?(?:\w+ )?{_DONE}\b",
    re.IGNORECASE,
)
_NO_STATEMENT = re.compile(
    r"\b(?:if|whether|unless|when|nothing|wonder|sure|suppose|assum\w+|check|determine|tell|say|know|see|answer|decide|find|view|why|how)\b|\?",
    re.IGNORECASE,
)


def possibility(statement: str) -> str | None:
    """Yes or no in other words: "it is not possible", "the board can be covered"; None for what asks, supposes or abstains."""
    if _NO_STATEMENT.search(statement):
        return None
    return "No" if _IMPOSSIBLE.search(statement) else "Yes" if _POSSIBLE.search(statement) else None
