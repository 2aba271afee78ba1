"""Text from elsewhere (names of models and files, error bodies, replies) without the characters that command what shows it.

Each format has one function of its own for what is markup to it, and all of them begin here: Markdown `bench.report.markdown.text`, CSV
`bench.report.paper.csvs.cell`, LaTeX `bench.report.paper.tex.escape`, JUnit `bench.report.ci.junit.clean`, HTML the page's environment,
which escapes by itself; a terminal `bench.commands.console.PlainConsole`, and `on_screen` where a line is printed without it.
"""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"
_TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""What turns the direction of the text that follows (Unicode Standard Annex 9), out of the name it stands in."""
_BREAKS = re.compile("[\n\r\t\v\f\x85\u2028\u2029]")
_COMMANDS = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_TURNING}]")
_ON_SCREEN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_TURNING}]")


def visible(text: str) -> str:
    """`text` on one line: no control character (ESC, BEL, C1), nothing that turns the direction of writing, no half of a character."""
    return _COMMANDS.sub(REPLACEMENT, _BREAKS.sub(" ", text))


def on_screen(text: str) -> str:
    """The same, in lines: line breaks and tabs stay."""
    return _ON_SCREEN.sub(REPLACEMENT, text)


def in_strings(document: str) -> str:
    r"""`document`, JSON or TOML, with the same characters spelled as `\u001b`: they stand in its strings alone, and mean the same there."""
    return _ON_SCREEN.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
