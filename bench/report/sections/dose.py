# matplotlib leaves its keyword arguments untyped:
# pyright: reportUnknownMemberType=false
"""The dose-response as Markdown and as figures: accuracy and perception against the damage, a panel for each family."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from bench.gap.sections import DoseDoc, DoseModelDoc, DosePointDoc
from bench.report import words
from bench.report.markdown import table, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEANING = {
    "blur": "blur (standard deviation, px)",
    "scale": "scale (factor of both sides)",
    "contrast": "contrast (factor)",
    "noise": "noise (standard deviation, share of full scale)",
    "jpeg": "JPEG quality",
}
_SEEING, _SCORING = "#b3421f", "#22577a"
_COLUMNS = 4


def markdown(section: DoseDoc) -> list[str]:
    """The section as lines of Markdown."""
    lines = [
        "## Accuracy against the dose",
        "",
        "The same puzzles with degraded pictures; *loss* is the paired difference from the clear picture in mode image. Perception takes "
        "the description and the blind trials, which no damage reaches, for its scale.",
        "",
    ]
    for model in section["models"]:
        for kind, points in model["kinds"].items():
            lines += [f"### {text(_title(model))}: {MEANING[kind]}", "", *_table(points), *_families(model, kind)]
    return lines


def _title(model: DoseModelDoc) -> str:
    return model["name"] if model["captioner"] is None else f"{model['name']}, captions by {model['captioner']}"


def _label(point: DosePointDoc) -> str:
    return "clear" if point["amount"] is None else f"{point['amount']:g}"


def _table(points: Sequence[DosePointDoc]) -> list[str]:
    modes = list(dict.fromkeys(chain.from_iterable(point["modes"] for point in points)))
    rows: list[list[str]] = []
    for point in points:
        rates = [point["modes"].get(mode) for mode in modes]
        shown = [f"{words.percent(rate['accuracy'])} {words.interval(rate['ci'])}" if rate else "-" for rate in rates]
        seen, loss = point["perception"], point["loss"]
        lost = f"{words.points(loss['delta'])} {words.interval(loss['ci'], signed=True)}" if loss else "-"
        rows.append([_label(point), *shown, text(words.estimate(seen)) if seen else "-", lost, words.p_value(loss["p"] if loss else None)])
    return table(["dose", *modes, "perception", "loss", "p"], rows)


def _families(model: DoseModelDoc, kind: str) -> list[str]:
    rows: list[list[str]] = []
    for name, kinds in model["families"].items():
        rates = [point["modes"].get("image") for point in kinds[kind]]
        rows.append([text(name), *(words.percent(rate["accuracy"]) if rate else "-" for rate in rates)])
    return table(["accuracy on images", *(_label(point) for point in model["kinds"][kind])], rows)


def write_figures(section: DoseDoc, folder: Path) -> list[Path]:
    """Write a figure for each model and kind of damage, as `dose-1-blur.png` and `.svg`, into `folder`; returns the paths."""
    written: list[Path] = []
    for number, model in enumerate(section["models"], start=1):
        for kind in model["kinds"]:
            drawn = figure(model, kind)
            for ending in ("png", "svg"):
                path = folder / f"dose-{number}-{kind}.{ending}"
                drawn.savefig(path, dpi=150, metadata={"Date": None} if ending == "svg" else None)
                written.append(path)
    return written


def figure(model: DoseModelDoc, kind: str) -> Figure:
    """Accuracy on images and perception against the dose, with 95% intervals: all families, then a panel for each."""
    from matplotlib.figure import Figure

    panels = [("all families", model["kinds"][kind]), *((name, kinds[kind]) for name, kinds in model["families"].items())]
    if len(panels) == 2:
        panels = panels[1:]
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    drawn = Figure(figsize=(2.9 * columns + 0.8, 2.4 * rows + 1.2), layout="constrained")
    axes = drawn.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    flat: list[Axes] = list(axes.flat)
    for axis, (name, points) in zip(flat, panels, strict=False):
        _panel(axis, name, points)
    for axis in flat[len(panels) :]:
        axis.set_visible(False)
    drawn.suptitle(f"{_title(model)}: {kind}", fontsize=11)
    drawn.supxlabel(MEANING[kind], fontsize=10)
    drawn.supylabel("%", fontsize=10)
    handles, labels = flat[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower right", ncols=2, fontsize=9, frameon=False)
    return drawn


def _panel(axis: Axes, name: str, points: Sequence[DosePointDoc]) -> None:
    places = list(range(len(points)))
    rates = [point["modes"].get("image") for point in points]
    known = [(place, rate) for place, rate in zip(places, rates, strict=True) if rate]
    axis.plot([x for x, _ in known], [100 * rate["accuracy"] for _, rate in known], "o-", color=_SCORING, ms=4, lw=1.6, label="accuracy")
    lows, highs = [100 * rate["ci"][0] for _, rate in known], [100 * rate["ci"][1] for _, rate in known]
    axis.fill_between([x for x, _ in known], lows, highs, color=_SCORING, alpha=0.15, lw=0)
    seeing = [(place + 0.06, seen) for place, point in zip(places, points, strict=True) if (seen := point["perception"]) is not None]
    drawn = [(place, 100 * seen["estimate"], seen["ci"]) for place, seen in seeing if seen["estimate"] is not None]
    axis.plot([x for x, _, _ in drawn], [y for _, y, _ in drawn], "s--", color=_SEEING, ms=4, lw=1.4, label="perception")
    for place, _, bounds in drawn:
        axis.plot([place] * 2, [100 * bound for bound in bounds or ()], "-", color=_SEEING, lw=1, alpha=0.7)
    axis.set_title(name, fontsize=9)
    axis.set_xticks(places, [_label(point) for point in points], fontsize=8)
    axis.set_ylim(-5, 105)
    axis.tick_params(labelsize=8)
    axis.grid(axis="y", lw=0.4, alpha=0.5)
    axis.spines[["top", "right"]].set_visible(False)
