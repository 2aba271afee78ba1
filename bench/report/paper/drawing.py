"""What all figures share: one style, and the same figure as PDF, SVG (vector) and PNG, the same bytes for the same document.

Matplotlib is imported where it is used, without pyplot: no window, no global state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.extras import optional
from bench.visible import REPLACEMENT

Axes = Any
Figure = Any
"""Matplotlib's own types leave their keyword arguments unknown, so that strict checking can say nothing of any call."""

WIDTH = 6.3
"""Inches: the text width of a one-column page."""
_FORMATS: dict[str, dict[str, Any]] = {
    "pdf": {"metadata": {"CreationDate": None, "ModDate": None}},
    "svg": {"metadata": {"Date": None}},
    "png": {"metadata": {"Software": None}, "dpi": 200},
}
_STYLE: dict[str, Any] = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "sightgap",
    "text.parse_math": False,
    "text.usetex": False,
}


def save(stem: str, folder: Path, draw: Callable[[], Figure]) -> list[Path]:
    """Draw in the common style and write `stem` as .pdf, .svg and .png into `folder`; returns the paths.

    Raises:
        UserError: a file cannot be written.
        MissingExtraError: Matplotlib is not installed.
    """
    mpl: Any = optional("matplotlib", "figures")
    written: list[Path] = []
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = draw()
        for suffix, options in _FORMATS.items():
            path = folder / f"{stem}.{suffix}"
            try:
                figure.savefig(path, **options)
            except OSError as error:
                raise UserError(f"{path} cannot be written ({error.strerror})") from error
            written.append(path)
    return written


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` inches."""
    made: Any = optional("matplotlib.figure", "figures").Figure
    return made(figsize=(width, height), layout="constrained")


def new_axes(height: float) -> tuple[Figure, Axes]:
    """A figure as wide as the text, with one plot in it."""
    figure = new_figure(WIDTH, max(1.4, height))
    return figure, figure.add_subplot()


def whiskers(axes: Axes, points: Sequence[tuple[float, float, Sequence[float]]], *, colour: str, marker: str, label: str) -> None:
    """Markers with intervals at heights y; values are shares, drawn as percent."""
    style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.5, "elinewidth": 1.1, "capsize": 2, "linestyle": "none"}
    values = [100 * value for _, value, _ in points]
    below = [100 * max(0.0, value - ci[0]) for _, value, ci in points]
    above = [100 * max(0.0, ci[1] - value) for _, value, ci in points]
    axes.errorbar(
        values, [y for y, _, _ in points], xerr=[below, above], markeredgecolor="#000000", markeredgewidth=0.5, label=label, **style
    )


def rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a plot from the top down."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def key(axes: Axes, columns: int) -> None:
    """The legend, above the plot and as wide as the figure."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.figure.legend(handles, labels, loc="outside upper center", ncols=columns, columnspacing=1.2, handletextpad=0.4)


def remarks(axes: Axes, lines: Sequence[str]) -> None:
    """What the figure shows and lacks, in small print below it."""
    if lines:
        axes.annotate("\n".join(lines), (0, 0), (0, -30), xycoords="axes fraction", textcoords="offset points", va="top", fontsize=6.5)


def drawable(text: str, longest: int | None = None) -> str:
    """`text`, cut to `longest` characters, with a replacement mark for what the font cannot draw, so that nothing is an empty box."""
    shown = text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"
    known = _characters()
    return "".join(char if ord(char) in known and char.isprintable() else REPLACEMENT for char in shown)


@cache
def _characters() -> frozenset[int]:
    fonts: Any = optional("matplotlib.font_manager", "figures")
    return frozenset(fonts.get_font(fonts.findfont("DejaVu Sans")).get_charmap())
