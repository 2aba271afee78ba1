"""One look per word: the colour, the marker and the hatch that a mode, a part of the loss or a cell has in every page and figure.

The modes have the colours of Okabe and Ito, which the colour-blind tell apart; the parts of the loss have three that no mode has, and that
also differ as greys. A cell has the colour of the arm that was right in it. What a chart shows by colour it also shows by marker, hatch or
position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """How a word looks.

    Attributes:
        light: colour on a light page and in figures, "#rrggbb".
        dark: colour on a dark page.
        marker: Matplotlib's sign of the shape that stands for it in a plot.
        hatch: Matplotlib's hatch that stands for it in a bar.
    """

    light: str
    dark: str
    marker: str = "o"
    hatch: str = ""


MODES: Mapping[str, Look] = {
    "image": Look("#0072b2", "#4ba6e0", "o"),
    "caption": Look("#e69f00", "#e69f00", "s"),
    "oracle": Look("#009e73", "#1fb88c", "D"),
    "blind": Look("#6b7280", "#9aa3b0", "^"),
    "readback": Look("#cc79a7", "#d98abb", "v"),
    "image+caption": Look("#d55e00", "#f0803c", "P"),
    "image+oracle": Look("#56b4e9", "#8ccbf0", "X"),
}
PARTS: Mapping[str, Look] = {
    "using": Look("#b5a642", "#d0c35a", "o", "////"),
    "seeing": Look("#aa4466", "#d98099", "s", "...."),
    "thinking": Look("#332288", "#9a8fe6", "D", "xxxx"),
    "picture": Look("#7a5c3a", "#c2a27e", "^", "\\\\\\\\"),
}
"""The parts of the loss; "picture" is using and seeing where they cannot be told apart."""
CELLS: Mapping[str, Look] = {
    "on_image": MODES["image"],
    "own_words": Look(MODES["caption"].light, MODES["caption"].dark, hatch="////"),
    "true_description": Look(MODES["oracle"].light, MODES["oracle"].dark, hatch="...."),
    "solved": Look(MODES["readback"].light, MODES["readback"].dark, hatch="xxxx"),
    "neither": Look("#c9ced6", "#565d68"),
}
FACTS: Mapping[str, Look] = {
    "right": Look("#7fd1b9", "#2d7d68"),
    "wrong": Look("#f0b64a", "#8a6316", hatch="////"),
    "lost": Look("#dba3c5", "#7d4a68", hatch="...."),
}
"""What became of a visible fact in a caption."""
ACCURACY, IN_USE = MODES["image"], Look("#882255", "#cf6b9a", "s")
"""In a plot against the dose: accuracy on the image, and perception in use."""
SERIES = ("#000000", "#8a8a8a", "#4d4d4d", "#b8b8b8")
"""Models side by side in one plot: greys, since colours stand for words; told apart by marker as well."""


def slug(name: str) -> str:
    """`name` as part of a name in CSS."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name)


def css() -> str:
    """Colours as custom properties, and the classes that take them: `m-` a mode, `part-` a part of the loss, `b-` a piece of a bar."""
    groups = {"m": MODES, "part": PARTS, "b": {**CELLS, **FACTS}}
    looks = [(f"{group}-{slug(word)}", look) for group, words in groups.items() for word, look in words.items()]
    variables = "\n".join(f"  --{name}: light-dark({look.light}, {look.dark});" for name, look in looks)
    rules = "\n".join(f".{name} {{ {'fill' if name.startswith('b-') else 'color'}: var(--{name}); }}" for name, _ in looks)
    return f":root {{\n{variables}\n}}\n{rules}\n"
