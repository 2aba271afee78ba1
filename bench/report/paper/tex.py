"""LaTeX that a person can edit and that goes into a paper as it is: text, cells, tables.

Text is spelled in ASCII. pdfTeX stops at a character its fonts do not have, so accents become accent commands, common signs their names,
and any other character its code point, "[U+4E2D]": the table still compiles in any engine, and says which character it could not show.
Braces stand only where two characters would join or begin a command: `gpt-4o` stays `gpt-4o`.

A table is a float with a caption, a label and notes, on booktabs alone. It is as wide as the text of one column at most; what is wider is
set in panels below each other, split between columns. `table*` spans both columns of a page that has two, and is `table` on others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from bench.visible import visible

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\texttt{\char34}",
    "`": r"\`{}",
}
_JOINS = re.compile(r"(?<=-)(?=-)|(?<=')(?=')|(?<=,)(?=,)|(?<=[?!])(?=\\`)")
"""Between characters that TeX would make one of: two hyphens a dash, two quotes one, ?` an inverted mark."""
_FIRST = frozenset("[*")
"""What begins an argument where it stands first after the end of a row."""
_SIGNS = {
    "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ł": r"\l{}", "Ł": r"\L{}",
    "\u0131": r"\i{}", "\u2013": r"\textendash{}", "\u2014": r"\textemdash{}", "\u2018": r"\textquoteleft{}",
    "\u2019": r"\textquoteright{}",
    "\u201c": r"\textquotedblleft{}", "\u201d": r"\textquotedblright{}", "…": r"\dots{}", "·": r"\textperiodcentered{}", "\u00a0": "~",
    "°": r"$^\circ$", "±": r"$\pm$", "\u00d7": r"$\times$", "→": r"$\rightarrow$", "≥": r"$\geq$", "≤": r"$\leq$", "∞": r"$\infty$",
    "†": r"$^\dagger$", "‡": r"$^\ddagger$", "\u2217": r"$^\ast$",
    "\u00b5": r"$\mu$", "§": r"\S{}", "¶": r"\P{}", "©": r"\textcopyright{}", "®": r"\textregistered{}", "™": r"\texttrademark{}",
}  # fmt: skip
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".", "\u0308": '"', "\u030a": "r",
    "\u030b": "H", "\u030c": "v", "\u0323": "d", "\u0327": "c", "\u0331": "b",
}  # fmt: skip
_GREEK = frozenset(
    {
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "pi",
        "rho",
        "sigma",
    }
    | {"tau", "upsilon", "phi", "chi", "psi", "omega"}
)
_GREEK_CAPITALS = frozenset({"gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"})
_LONGEST_RUN = 16
"""Characters in a row without leave to break the line."""
_BREAK_AFTER = frozenset("/_,:@+|")

TEXT_WIDTH = 345.0
"""Width in pt of the text of LaTeX's article class at 10 pt, the narrowest page that tables are made for."""
_NARROW, _WIDE, _WIDEST = frozenset(" .,:;[]()'ijlt|"), frozenset("+-=QGODHNUVABCKRTXY%$"), frozenset("mwMW")
_SIZES = ((2.9, 4.3, 6.9, 8.8), (2.4, 3.45, 5.4, 6.4))
"""Widths in pt of narrow to widest characters of Computer Modern, in footnotesize and in tiny, rounded up."""
_GAP = 6.0
"""Between two columns, in pt."""
_LINES = 52
"""Most lines of tabulars on a page."""
_NAME = 92.0
"""Most pt that names of rows take before they are broken."""


def escape(text: str) -> str:
    """`text` as ASCII that TeX typesets as it reads."""
    plain = unicodedata.normalize("NFC", " ".join(visible(text).split()))
    made = _JOINS.sub("{}", "".join(map(_char, plain)))
    return f"{{{made[0]}}}{made[1:]}" if made[:1] in _FIRST else made


def name(text: str, longest: int = 60) -> str:
    """A name of at most `longest` characters, escaped; one too long for a line gets leave to break it after its punctuation."""
    plain = " ".join(visible(text).split())
    shown = plain if len(plain) <= longest else f"{plain[: longest - 1]}…"
    return " ".join(_breakable(word) for word in shown.split()) or "~"


def _breakable(word: str) -> str:
    if len(word) <= _LONGEST_RUN and word.isascii():
        return escape(word)
    pieces: list[str] = [""]
    for char in unicodedata.normalize("NFC", word):
        pieces[-1] += char
        width = sum(1 if one.isascii() else _LONGEST_RUN // 2 for one in pieces[-1])
        if (char in _BREAK_AFTER and width >= 4) or width >= _LONGEST_RUN:
            pieces.append("")
    return r"\allowbreak ".join(escape(piece) for piece in pieces if piece)


# -- cells -------------------------------------------------------------------------------------------------------------------------------
NONE = "--"
_NUMBER = re.compile(r"([+-]?\d[\d,]*(?:\.\d+)?)(?: \[([+-]?\d+(?:\.\d+)?), ([+-]?\d+(?:\.\d+)?)\])?")


def number(value: float | None, *, signed: bool = False) -> str:
    """A number with one decimal; a minus sign is a minus sign, not a hyphen."""
    if value is None:
        return NONE
    return _minus(f"{value:+.1f}" if signed else f"{value:.1f}")


def with_interval(value: float | None, low: float | None, high: float | None, *, signed: bool = False) -> str:
    """A number with its interval in small print."""
    shown = number(value, signed=signed)
    if value is None or low is None or high is None:
        return shown
    return f"{shown} {{\\tiny [{number(low, signed=signed)}, {number(high, signed=signed)}]}}"


def cell(text: str) -> str:
    """A cell of plain text; "24.3 [18.3, 29.8]" becomes a number with its interval in small print."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return escape(text) or NONE
    shown, low, high = found.groups()
    return _minus(shown) if low is None else f"{_minus(shown)} {{\\tiny [{_minus(low)}, {_minus(high)}]}}"


def _minus(shown: str) -> str:
    return f"${shown}$" if shown[:1] in "+-" else shown


_WITH_THE_LAST = frozenset({"change", "95% CI", "p"})
"""Heads of columns that say something of the column before them, from which no panel parts them."""


# -- tables ------------------------------------------------------------------------------------------------------------------------------
def panels(header: Sequence[str], rows: Sequence[Sequence[str]], groups: Sequence[object] = ()) -> list[str]:
    """Rows of TeX as tabulars that are no wider than `TEXT_WIDTH`, the first column, of names, again in each.

    Args:
        header: names of the columns, plain text; a long one is broken at its spaces.
        rows: cells in TeX, each row as long as `header`.
        groups: one value for each row: a rule stands wherever it changes.

    A row stands in those panels only where it has something to say.
    """
    widths = [max([_head_width(title), *(_width(row[place]) for row in rows)]) for place, title in enumerate(header)]
    first = min(_NAME, widths[0])
    glued = [title in _WITH_THE_LAST for title in header]
    return [_panel(header, rows, groups, columns, first) for columns in _split(widths, glued, first)]


def _split(widths: Sequence[float], glued: Sequence[bool], first: float) -> list[list[int]]:
    """The columns after the first in as few panels as the page allows, these about equally wide."""
    fewest = _filled(widths, glued, TEXT_WIDTH - first)
    room = sum(width + _GAP for width in widths[1:]) / len(fewest)
    while len(balanced := _filled(widths, glued, room)) > len(fewest):
        room += _GAP
    return balanced


def _filled(widths: Sequence[float], glued: Sequence[bool], room: float) -> list[list[int]]:
    """Columns in panels of at most `room` pt, in order; a glued column goes where the one before it goes."""
    panels: list[list[int]] = [[]]
    left = room
    for place in range(1, len(widths)):
        if glued[place]:
            continue
        block = [place]
        while block[-1] + 1 < len(widths) and glued[block[-1] + 1]:
            block.append(block[-1] + 1)
        width = sum(widths[one] + _GAP for one in block)
        if panels[-1] and width > left:
            panels.append([])
            left = room
        panels[-1] += block
        left -= width
    return panels


def _panel(header: Sequence[str], rows: Sequence[Sequence[str]], groups: Sequence[object], columns: Sequence[int], first: float) -> str:
    head = " & ".join([_head(header[0], "l"), *(_head(header[place], "r") for place in columns)])
    shown = [place for place, row in enumerate(rows) if any(row[column] != NONE for column in columns)]
    lines = [[rf"\raggedright {rows[place][0]}", *(rows[place][column] for column in columns)] for place in shown]
    return tabular(f"p{{{first:.0f}pt}}{'r' * len(columns)}", head, ruled(lines, [groups[place] for place in shown] if groups else ()))


def _width(made: str) -> float:
    """About how wide TeX sets `made`, in pt."""
    tiny = r"\{\\tiny (.*?\])\}"
    return _set(_bare(re.sub(tiny, "", made)), 0) + sum(_set(_bare(part), 1) for part in re.findall(tiny, made))


def _set(text: str, size: int) -> float:
    narrow, common, wide, widest = _SIZES[size]

    def one(char: str) -> float:
        if char in _WIDEST:
            return widest
        return narrow if char in _NARROW else wide if char in _WIDE or not char.isascii() else common

    return sum(map(one, text))


def _bare(made: str) -> str:
    return re.sub(r"\\allowbreak |\\[a-zA-Z]+(?:\{\})?|[${}\\]", "", made)


def _head_width(title: str) -> float:
    return max((_set(line, 0) for line in _lines(title)), default=0.0)


def _lines(title: str) -> list[str]:
    """A head of a column in lines of a word or two."""
    lines: list[str] = []
    for word in title.split():
        if lines and len(lines[-1]) + 1 + len(word) <= 9:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _head(title: str, side: str) -> str:
    lines = [escape(line) for line in _lines(title)]
    return lines[0] if len(lines) == 1 else rf"\shortstack[{side}]{{{(chr(92) * 2).join(lines)}}}" if lines else ""


def ruled(lines: Sequence[Sequence[str]], groups: Sequence[object] = ()) -> str:
    """Rows of a tabular, with a rule wherever the group changes."""
    out: list[str] = []
    for place, line in enumerate(lines):
        if place and groups and groups[place] != groups[place - 1]:
            out.append("\\midrule")
        out.append(" & ".join(line) + r" \\")
    return "\n".join(out)


def tabular(columns: str, head: str, body: str) -> str:
    """A tabular in the manner of booktabs."""
    return f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def table(parts: Sequence[str], caption: str, label: str, notes: Sequence[str]) -> str:
    r"""A table of the panels `parts`: caption (plain text) above, notes (plain text) below; `\ref{tab:sightgap-LABEL}`.

    What does not fit on a page goes on in a further float under the same number.
    """
    floats = list(_pages(parts, sum(1 + len(note) // 90 for note in notes))) or ["No model.\\par\n"]
    small = "".join(f"{escape(note)}\\par\n" for note in notes)
    foot = f"\\par\\smallskip\n\\begin{{minipage}}{{\\linewidth}}\\raggedright\\scriptsize\n{small}\\end{{minipage}}\n" if small else ""
    first = f"\\caption{{{escape(caption)}}}\n\\label{{tab:sightgap-{label}}}\n"
    later = f"\\addtocounter{{table}}{{-1}}\n\\caption{{{escape(caption)} (continued)}}\n"
    return "".join(
        f"\\begin{{table*}}[tbp]\n\\centering\n{later if place else first}"
        f"\\footnotesize\\setlength{{\\tabcolsep}}{{3pt}}%\n{body}{foot if place == len(floats) - 1 else ''}\\end{{table*}}\n"
        for place, body in enumerate(floats)
    )


def _pages(parts: Sequence[str], notes: int) -> Iterator[str]:
    """Panels together as long as they and `notes` lines of notes fit on a page."""
    page: list[str] = []
    for part in parts:
        if page and notes + sum(map(_height, (*page, part))) > _LINES:
            yield "\\par\\medskip\n".join(page)
            page = []
        page.append(part)
    if page:
        yield "\\par\\medskip\n".join(page)


def _height(panel: str) -> int:
    """About how many lines a panel takes, broken names of rows included."""
    found = re.search(r"\{@\{\}p\{(\d+)pt\}", panel)
    broken = [line.partition(" & ")[0] for line in panel.splitlines() if line.startswith(r"\raggedright")] if found else []
    extra = sum(int(_width(name) / (0.8 * float(found[1]))) for name in broken) if found else 0
    return panel.count("\n") + extra


def alone(body: str) -> str:
    """A whole LaTeX document around tables."""
    return f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{body}\\end{{document}}\n"


def _char(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    if " " <= char <= "~":
        return char
    if char in _SIGNS:
        return _SIGNS[char]
    if char.isspace():
        return " "
    return _accented(char) or _greek(char) or f"[U+{ord(char):04X}]"


def _accented(char: str) -> str | None:
    """A letter with accents as accent commands; None where it is none, or has an accent that TeX's first fonts lack."""
    base, *marks = unicodedata.normalize("NFD", char)
    if not marks or not (base.isascii() and base.isalpha()) or any(mark not in _ACCENTS for mark in marks):
        return None
    for mark in marks:
        base = f"\\{_ACCENTS[mark]}{{{base}}}"
    return base


def _greek(char: str) -> str | None:
    """A Greek letter by its name in mathematics; None where it is none, or looks like a Latin one and has no name there."""
    words = unicodedata.name(char, "").lower().split()
    if len(words) != 4 or words[0] != "greek" or words[2] != "letter":
        return None
    letter = "lambda" if words[3] == "lamda" else words[3]
    if words[1] == "small":
        return rf"$\{letter}$" if letter in _GREEK else None
    capital = letter in _GREEK_CAPITALS
    return rf"$\{letter.capitalize()}$" if capital else None
