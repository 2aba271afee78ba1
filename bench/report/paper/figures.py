"""Figures for a paper: PDF and SVG (vector) and PNG, the same bytes for the same document.

Three: accuracy of every mode with its interval, the image-to-text gap of every family (a forest plot), and what became of the paired trials
(attribution bars). Colours are Okabe and Ito's, told apart by the colour-blind; each also has a marker or a hatch of its own and a grey of
its own, so that a black-and-white print reads the same. Matplotlib is imported where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from bench.errors import UserError
from bench.extras import optional
from bench.gap.document import Document, ModelDoc
from bench.report import words

Axes = Any
Figure = Any
"""Matplotlib's own types leave their keyword arguments unknown, so that strict checking can say nothing of any call."""

MOST_MODELS = 16
"""Models in a figure; the tables hold all."""
_FOREST_MODELS = 4
_LONGEST = 28
_WIDTH = 6.3
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
_MODES = {
    "image": ("#0072B2", "o"),
    "caption": ("#E69F00", "s"),
    "oracle": ("#009E73", "D"),
    "blind": ("#000000", "x"),
    "image+caption": ("#56B4E9", "^"),
    "image+oracle": ("#CC79A7", "v"),
    "readback": ("#D55E00", "P"),
}
_SERIES = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "D"), ("#CC79A7", "^"))
_CELLS = {
    "both_right": ("both right", "#009E73", ""),
    "seeing": ("seeing", "#E69F00", "////"),
    "thinking": ("thinking", "#0072B2", "...."),
    "lucky": ("lucky", "#F0E442", "xxxx"),
}

_CELLS_SAY = "seeing: image wrong, text right; thinking: both wrong; lucky: image right, text wrong"


def write_figures(document: Document, folder: Path) -> list[Path]:
    """Write `accuracy`, `gaps` and `attribution` as .pdf, .svg and .png into `folder`; returns what was written.

    Raises:
        UserError: a file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    mpl: Any = optional("matplotlib", "figures")
    written: list[Path] = []
    for stem, draw in (("accuracy", _accuracy), ("gaps", _gaps), ("attribution", _attribution)):
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_STYLE)
            figure = draw(document)
            for suffix, options in _FORMATS.items():
                path = folder / f"{stem}.{suffix}"
                _save(figure, path, options)
                written.append(path)
    return written


def _save(figure: Figure, path: Path, options: dict[str, Any]) -> None:
    try:
        figure.savefig(path, **options)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror})") from error


def _accuracy(document: Document) -> Figure:
    models, left = document["models"][:MOST_MODELS], len(document["models"]) - MOST_MODELS
    modes = [mode for mode in _MODES if any(mode in model["modes"] for model in models)]
    step = 0.16
    figure, axes = _axes(len(models) * (0.2 + step * len(modes)) + 0.9)
    for number, mode in enumerate(modes):
        colour, marker = _MODES[mode]
        shift = step * (number - (len(modes) - 1) / 2)
        shown = [(i + shift / (0.2 + step * len(modes)), model["modes"][mode]) for i, model in enumerate(models) if mode in model["modes"]]
        points = [(y, doc["accuracy"], doc["ci"]) for y, doc in shown if doc["accuracy"] is not None and doc["ci"] is not None]
        _whiskers(axes, points, colour=colour, marker=marker, label=mode)
    _rows(axes, [_label(model) for model in models])
    axes.set_xlim(-2, 102)
    axes.set_xlabel("accuracy, percent (95% interval)")
    _key(axes, max(1, len(modes)))
    silent = [_label(model) for model in models if all(doc["accuracy"] is None for doc in model["modes"].values())]
    _remarks(axes, [*_left(left), *([f"no outcome: {', '.join(silent)}"] if silent else []), *_simulated(models)])
    return figure


def _gaps(document: Document) -> Figure:
    models, left = document["models"][:_FOREST_MODELS], len(document["models"]) - _FOREST_MODELS
    families = _by_gap(models)
    names = [*families, "all puzzles"]
    step = 0.15
    height = 0.16 + step * max(1, len(models))
    figure, axes = _axes(len(names) * height + 0.9)
    axes.axvline(0, color="#000000", linewidth=0.8)
    lacking = 0
    for number, model in enumerate(models):
        shift = step * (number - (len(models) - 1) / 2) / height
        docs = [model["families"][name]["gaps"]["oracle-image"] if name in model["families"] else None for name in families]
        gaps = [*docs, model["gaps"]["oracle-image"]]
        points = [
            (i + shift, gap["delta"], gap["ci"]) for i, gap in enumerate(gaps) if gap and gap["delta"] is not None and gap["ci"] is not None
        ]
        lacking += len(names) - len(points)
        colour, marker = _SERIES[number]
        _whiskers(axes, points, colour=colour, marker=marker, label=_label(model))
    axes.axhline(len(families) - 0.5, color="#000000", linewidth=0.8)
    _rows(axes, [_drawable(name.replace("_", " ")) for name in names])
    axes.set_xlabel("text minus image, points (paired, 95% interval); right of zero: lost to seeing")
    _key(axes, 2)
    _remarks(axes, [*_left(left), *([f"{lacking} gaps without pairs are not drawn"] if lacking else []), *_simulated(models)])
    return figure


def _attribution(document: Document) -> Figure:
    models, left = document["models"][:MOST_MODELS], len(document["models"]) - MOST_MODELS
    cells = [cast("Mapping[str, int]", model["attribution"]) for model in models]
    totals = [sum(found.values()) for found in cells]
    figure, axes = _axes(len(models) * 0.36 + 1.0)
    start = [0.0] * len(models)
    for cell, (label, colour, hatch) in _CELLS.items():
        shares = [100 * found[cell] / total if total else 0.0 for found, total in zip(cells, totals, strict=True)]
        style: dict[str, Any] = {"color": colour, "edgecolor": "#000000", "linewidth": 0.6, "hatch": hatch, "label": label}
        axes.barh(range(len(models)), shares, left=start, height=0.62, **style)
        for row, (begin, share) in enumerate(zip(start, shares, strict=True)):
            if share >= 6:
                _number(axes, begin + share / 2, row, f"{share:.0f}")
        start = [begin + share for begin, share in zip(start, shares, strict=True)]
    for row, total in enumerate(totals):
        if not total:
            axes.text(1, row, "no puzzle with an outcome in both modes", va="center")
    _rows(axes, [_label(model) for model in models])
    axes.set_xlim(0, 100)
    axes.set_xlabel("paired trials, percent")
    _key(axes, 4)
    _remarks(axes, [_CELLS_SAY, *_left(left), *_simulated(models)])
    return figure


def _axes(height: float) -> tuple[Figure, Axes]:
    new_figure: Any = optional("matplotlib.figure", "figures").Figure  # without pyplot: no window, no global state
    figure = new_figure(figsize=(_WIDTH, max(1.4, height)), layout="constrained")
    return figure, figure.add_subplot()


def _whiskers(axes: Axes, points: Sequence[tuple[float, float, Sequence[float]]], *, colour: str, marker: str, label: str) -> None:
    """Markers with intervals at heights y; values are shares, drawn as percent."""
    style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.5, "elinewidth": 1.1, "capsize": 2, "linestyle": "none"}
    values = [100 * value for _, value, _ in points]
    below = [100 * max(0.0, value - ci[0]) for _, value, ci in points]
    above = [100 * max(0.0, ci[1] - value) for _, value, ci in points]
    axes.errorbar(
        values, [y for y, _, _ in points], xerr=[below, above], markeredgecolor="#000000", markeredgewidth=0.5, label=label, **style
    )


def _number(axes: Axes, x: float, y: float, text: str) -> None:
    box = {"boxstyle": "round,pad=0.12", "facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.85}
    axes.text(x, y, text, ha="center", va="center", fontsize=7, bbox=box)


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _key(axes: Axes, columns: int) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(columns, 4), borderaxespad=0.2, columnspacing=1.2, handletextpad=0.4)


def _remarks(axes: Axes, remarks: Sequence[str]) -> None:
    """What the figure shows and lacks, in small print below it."""
    if remarks:
        axes.annotate("\n".join(remarks), (0, 0), (0, -30), xycoords="axes fraction", textcoords="offset points", va="top", fontsize=6.5)


def _left(number: int) -> list[str]:
    return [f"{number} more models are in the tables"] if number > 0 else []


def _simulated(models: Sequence[ModelDoc]) -> list[str]:
    return ["simulated models calibrate the instrument: their rates were chosen"] if any(model["simulated"] for model in models) else []


def _label(model: ModelDoc) -> str:
    name = model["name"] if len(model["name"]) <= _LONGEST else f"{model['name'][: _LONGEST - 1]}…"
    return _drawable(f"{name} ({words.SIMULATED})" if model["simulated"] else name)


def _drawable(text: str) -> str:
    """`text` with a replacement mark for what the font cannot draw, so that nothing is drawn as an empty box."""
    known = _font_characters()
    return "".join(char if ord(char) in known and char.isprintable() else "\ufffd" for char in text)


def _by_gap(models: Sequence[ModelDoc]) -> list[str]:
    """All families, the largest gap of the first model that has one on top."""
    order: dict[str, float] = {}
    for model in models:
        for family, doc in words.family_rows(model):
            delta = doc["gaps"]["oracle-image"]["delta"]
            order.setdefault(family, math.inf if delta is None else -delta)
    return sorted(order, key=lambda family: (order[family], family))


def _font_characters() -> frozenset[int]:
    fonts: Any = optional("matplotlib.font_manager", "figures")
    return frozenset(fonts.get_font(fonts.findfont("DejaVu Sans")).get_charmap())
