"""Text that TeX takes as text: every special character escaped, everything beyond ASCII spelled in ASCII.

pdfTeX stops at a character its fonts do not have, so accents become accent commands, common signs their names, and any other character its
code point, "[U+4E2D]": the table still compiles in any engine, and says which character it could not show.
"""

from __future__ import annotations

import unicodedata

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
    "'": "{'}",
    "`": r"\`{}",
    "-": "{-}",  # two in a row would become a dash
    "[": "{[}",  # after a line break it would begin an optional argument
    "]": "{]}",
    "*": "{*}",
    "?": "{?}",
    "!": "{!}",
    ",": "{,}",
}
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
_LONGEST_RUN = 12
"""Characters in a row without leave to break the line."""
_BREAK_AFTER = frozenset("/-_=,:.@+|")


def escape(text: str) -> str:
    """`text` as ASCII that TeX typesets as it reads."""
    return "".join(map(_char, unicodedata.normalize("NFC", " ".join(text.split()))))


def name(text: str, longest: int = 60) -> str:
    """A name of at most `longest` characters, escaped, with leave to break the line after its punctuation and inside long words."""
    shown = text if len(text) <= longest else f"{text[: longest - 1]}…"
    out: list[str] = []
    run = 0
    for char in unicodedata.normalize("NFC", shown):
        piece = _char(char)
        out.append(piece)
        run = 0 if char == " " else run + (1 if char.isascii() else _LONGEST_RUN)
        if char in _BREAK_AFTER or run >= _LONGEST_RUN:
            out.append(r"\allowbreak{}")
            run = 0
    return "".join(out).strip() or "~"


def _char(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    if " " <= char <= "~":
        return char
    if char in _SIGNS:
        return _SIGNS[char]
    if char.isspace():
        return " "
    return _accented(char) or _greek(char) or f"{{[}}U+{ord(char):04X}{{]}}"


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
