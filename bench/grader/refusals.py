"""How a reply looks that only declines. Whoever looked and cannot tell has not declined: that is an abstention, and unparsed."""

from __future__ import annotations

import re

from bench.grader.text import sentences_of

_TELLS = r"(?!\s+(?:to\s+)?(?:determine|tell|say|know|find|decide|solve|work out|give a definite)\b)"
_UNHELPFUL = r"(?:help|assist|comply|process|view|see|identify)\b"
_DECLINES = re.compile(
    r"(?:(?:i'm|i am|i apologi[sz]e|sorry|unfortunately|as an ai|no)\b[^.\n]{0,60}[,.:]?\s*)?(?:but\s+)?(?:[^.\n]{0,60}\b)?"
    r"(?:i\s+(?:can't|cannot|can not|won't|will not|could not|couldn't|am (?:unable|not able)|(?:do not|don't) (?:have|see))\b"
    rf"{_TELLS}|i'm (?:unable|not able)\b{_TELLS}|(?:unable to|cannot|can't) {_UNHELPFUL}|no image (?:was|has|is)\b"
    r"|without (?:the|an|any) image\b)",
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
