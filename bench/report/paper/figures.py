"""Figures for a paper: the parts of the loss, accuracy of every mode, the image-to-text gap of every family, what the trials show, doses.

Each word has the look of `bench.report.palette`, as on the page; every series also has a marker or a hatch of its own and
bars a grey of their own, so that a black-and-white print reads the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, cast

from bench.gap.document import Document, ModelDoc, PointsDoc
from bench.report import palette, verdict, words
from bench.report.paper import dose_figures
from bench.report.paper.drawing import Axes, Figure, drawable, key, new_axes, remarks, rows, save, whiskers

MOST_MODELS = 16
"""Models in a figure; the tables hold all."""
_FOREST_MODELS = 4
_LONGEST = 28
_MARKERS = ("o", "s", "D", "^")
_PartName = Literal["using", "seeing", "picture", "thinking"]
_PARTS: Final[tuple[_PartName, ...]] = ("using", "seeing", "picture", "thinking")


def write_figures(document: Document, folder: Path) -> list[Path]:
    """Write `diagnosis`, `accuracy`, `gaps`, `cells` and the doses as .pdf, .svg and .png into `folder`; returns what was written.

    Raises:
        UserError: a file cannot be written.
    """
    draws: Mapping[str, Callable[[Document], Figure]] = {"diagnosis": _diagnosis, "accuracy": _accuracy, "gaps": _gaps, "cells": _cells}
    written = [path for stem, draw in draws.items() for path in save(stem, folder, partial(draw, document))]
    if "dose" in document:
        written += dose_figures.write(document["dose"], folder)
    return written


def _diagnosis(document: Document) -> Figure:
    models, left = document["models"][:MOST_MODELS], len(document["models"]) - MOST_MODELS
    shown = [part for part in _PARTS if any(model["diagnosis"][part] for model in models)]
    step = 0.18
    height = 0.2 + step * max(1, len(shown))
    figure, axes = new_axes(len(models) * height + 0.9)
    axes.axvline(0, color="#000000", linewidth=0.8)
    for number, part in enumerate(shown):
        shift = step * (number - (len(shown) - 1) / 2) / height
        found: list[tuple[int, PointsDoc | None]] = [(place, model["diagnosis"][part]) for place, model in enumerate(models)]
        points = [(place + shift, doc["points"], doc["ci"]) for place, doc in found if doc]
        look = palette.PARTS[part]
        whiskers(axes, points, colour=look.light, marker=look.marker, label="the picture" if part == "picture" else part)
    rows(axes, [_label(model) for model in models])
    axes.set_xlabel("points of the loss on pictures (95% interval)")
    key(axes, len(shown))
    unsplit = [_label(model) for model in models if not any(model["diagnosis"][part] for part in _PARTS)]
    remarks(axes, [*_left(left), *([f"not split: {', '.join(unsplit)}"] if unsplit else []), *_simulated(models)])
    return figure


def _accuracy(document: Document) -> Figure:
    models, left = document["models"][:MOST_MODELS], len(document["models"]) - MOST_MODELS
    modes = [mode for mode in palette.MODES if any(mode in model["modes"] for model in models)]
    step = 0.16
    height = 0.2 + step * len(modes)
    figure, axes = new_axes(len(models) * height + 0.9)
    for number, mode in enumerate(modes):
        look = palette.MODES[mode]
        shift = step * (number - (len(modes) - 1) / 2)
        shown = [(place + shift / height, model["modes"][mode]) for place, model in enumerate(models) if mode in model["modes"]]
        points = [(y, doc["accuracy"], doc["ci"]) for y, doc in shown if doc["accuracy"] is not None and doc["ci"] is not None]
        whiskers(axes, points, colour=look.light, marker=look.marker, label=mode)
    rows(axes, [_label(model) for model in models])
    axes.set_xlim(-2, 102)
    axes.set_xlabel("accuracy, percent (95% interval)")
    key(axes, min(4, max(1, len(modes))))
    silent = [_label(model) for model in models if all(doc["accuracy"] is None for doc in model["modes"].values())]
    remarks(axes, [*_left(left), *([f"no outcome: {', '.join(silent)}"] if silent else []), *_simulated(models)])
    return figure


def _gaps(document: Document) -> Figure:
    models, left = document["models"][:_FOREST_MODELS], len(document["models"]) - _FOREST_MODELS
    families = sorted({family for model in models for family in model["families"]})
    names = [*families, "all puzzles"]
    step = 0.15
    height = 0.16 + step * max(1, len(models))
    figure, axes = new_axes(len(names) * height + 0.9)
    axes.axvline(0, color="#000000", linewidth=0.8)
    lacking = 0
    for number, model in enumerate(models):
        shift = step * (number - (len(models) - 1) / 2) / height
        docs = [model["families"][name]["gaps"]["oracle-image"] if name in model["families"] else None for name in families]
        gaps = [*docs, model["gaps"]["oracle-image"]]
        points = [
            (place + shift, gap["delta"], gap["ci"])
            for place, gap in enumerate(gaps)
            if gap and gap["delta"] is not None and gap["ci"] is not None
        ]
        lacking += len(names) - len(points)
        whiskers(axes, points, colour=palette.SERIES[number], marker=_MARKERS[number], label=_label(model))
    axes.axhline(len(families) - 0.5, color="#000000", linewidth=0.8)
    rows(axes, [drawable(name.replace("_", " ")) for name in names])
    axes.set_xlabel("true description minus image, points (paired, 95% interval)")
    key(axes, 2)
    remarks(axes, [*_left(left), *([f"{lacking} gaps without pairs are not drawn"] if lacking else []), *_simulated(models)])
    return figure


def _cells(document: Document) -> Figure:
    models, left = document["models"][:MOST_MODELS], len(document["models"]) - MOST_MODELS
    cells = [cast("Mapping[str, int]", model["attribution"]) for model in models]
    totals = [sum(found.values()) for found in cells]
    figure, axes = new_axes(len(models) * 0.36 + 1.2)
    start = [0.0] * len(models)
    for cell, look in palette.CELLS.items():
        shares = [100 * found[cell] / total if total else 0.0 for found, total in zip(cells, totals, strict=True)]
        style: dict[str, Any] = {"color": look.light, "edgecolor": "#000000", "linewidth": 0.6, "hatch": look.hatch}
        axes.barh(range(len(models)), shares, left=start, height=0.62, label=verdict.CELL_NAMES[cell], **style)
        for row, (begin, share) in enumerate(zip(start, shares, strict=True)):
            if share >= 6:
                _number(axes, begin + share / 2, row, f"{share:.0f}")
        start = [begin + share for begin, share in zip(start, shares, strict=True)]
    for row, total in enumerate(totals):
        if not total:
            axes.text(1, row, "no puzzle with an outcome in every arm", va="center")
    rows(axes, [_label(model) for model in models])
    axes.set_xlim(0, 100)
    axes.set_xlabel("trials of the diagnosis, percent")
    key(axes, 2)
    remarks(axes, ["asked in this order; a trial is counted in the first that fits", *_left(left), *_simulated(models)])
    return figure


def _number(axes: Axes, x: float, y: float, text: str) -> None:
    box = {"boxstyle": "round,pad=0.12", "facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.85}
    axes.text(x, y, text, ha="center", va="center", fontsize=7, bbox=box)


def _left(number: int) -> list[str]:
    return [f"{number} more models are in the tables"] if number > 0 else []


def _simulated(models: Sequence[ModelDoc]) -> list[str]:
    return ["simulated models calibrate the instrument: their rates were chosen"] if any(model["simulated"] for model in models) else []


def _label(model: ModelDoc) -> str:
    name = drawable(model["name"], _LONGEST)
    return f"{name} ({words.SIMULATED})" if model["simulated"] else name
