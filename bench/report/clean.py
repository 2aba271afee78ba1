"""Text from elsewhere (names of models, error bodies, replies) without the characters that command what shows it.

Each format has one function of its own for what is markup to it, and all of them begin here: Markdown `bench.report.markdown.text`, CSV
`bench.report.paper.csvs.cell`, LaTeX `bench.report.paper.tex.escape`, HTML the page's environment, which escapes by itself.
"""

from __future__ import annotations

REPLACEMENT = "\ufffd"
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What turns the direction of the text that follows (Unicode Standard Annex 9), out of the name it stands in."""


def visible(text: str) -> str:
    """`text` on one line: no control character (ESC, BEL, C1), nothing that turns the direction of writing, no half of a character."""
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char in "\n\r\t\v\f\x85\u2028\u2029":
        return " "
    if char in _TURNING or char < " " or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff":
        return REPLACEMENT
    return char
