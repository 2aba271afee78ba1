"""The dose-response as figures: accuracy on the image and perception in use against the damage, a panel for each family."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.gap.sections import DoseDoc, DoseModelDoc, DosePointDoc
from bench.report import palette, verdict
from bench.report.paper.drawing import Axes, Figure, drawable, new_figure, save
from bench.report.sections.dose import MEANING, label, title

_COLUMNS = 4
_LONGEST = 60


def write(section: DoseDoc, folder: Path) -> list[Path]:
    """Write a figure for each model and kind of damage, as `dose-1-blur.pdf`, `.svg` and `.png`, into `folder`; returns the paths.

    Raises:
        UserError: a file cannot be written.
    """
    written: list[Path] = []
    for number, model in enumerate(section["models"], start=1):
        for kind in model["kinds"]:
            written += save(f"dose-{number}-{kind}", folder, partial(figure, model, kind))
    return written


def figure(model: DoseModelDoc, kind: str) -> Figure:
    """Accuracy and perception in use against the dose, with 95% intervals: all families, then a panel for each, with ticks of its own."""
    panels = [("all families", model["kinds"][kind]), *((name, kinds[kind]) for name, kinds in model["families"].items())]
    if len(panels) == 2:
        panels = panels[1:]
    columns = min(_COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    made = new_figure(max(4.4, 2.1 * columns), 1.75 * lines + 1.0)
    grid = made.subplots(lines, columns, sharey=True, squeeze=False)
    flat: list[Axes] = list(grid.flat)
    for axes, (name, points) in zip(flat, panels, strict=False):
        _panel(axes, name, points)
    for axes in flat[len(panels) :]:
        axes.set_visible(False)
    made.suptitle(f"{drawable(title(model), _LONGEST)}: {kind}", fontsize=10)
    made.supxlabel(MEANING.get(kind, kind), fontsize=9)
    made.supylabel("percent", fontsize=9)
    handles, labels = flat[0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower right", ncols=2, fontsize=8)
    return made


def _panel(axes: Axes, name: str, points: Sequence[DosePointDoc]) -> None:
    places = list(range(len(points)))
    rates = [point["modes"].get("image") for point in points]
    known = [(place, rate) for place, rate in zip(places, rates, strict=True) if rate]
    seeing, accuracy = palette.IN_USE, palette.ACCURACY
    values, x = [100 * rate["accuracy"] for _, rate in known], [place for place, _ in known]
    axes.plot(x, values, marker=accuracy.marker, color=accuracy.light, ms=3.5, lw=1.4, label="accuracy on the image")
    lows, highs = [100 * rate["ci"][0] for _, rate in known], [100 * rate["ci"][1] for _, rate in known]
    axes.fill_between(x, lows, highs, color=accuracy.light, alpha=0.15, lw=0)
    seen = [(place + 0.08, found) for place, point in zip(places, points, strict=True) if (found := point["perception"]) is not None]
    drawn = [(place, 100 * found["estimate"], found["ci"]) for place, found in seen if found["estimate"] is not None]
    line = {"marker": seeing.marker, "color": seeing.light, "linestyle": "--", "ms": 3.5, "lw": 1.2, "label": verdict.IN_USE}
    axes.plot([place for place, _, _ in drawn], [value for _, value, _ in drawn], **line)
    for place, _, bounds in drawn:
        axes.plot([place] * 2, [100 * bound for bound in bounds or ()], "-", color=seeing.light, lw=1, alpha=0.7)
    axes.set_title(drawable(name.replace("_", " ")), fontsize=8)
    axes.set_xticks(places, [label(point) for point in points], fontsize=7, rotation=45 if len(points) > 5 else 0)
    axes.set_xlim(-0.4, len(points) - 0.6)
    axes.set_ylim(-5, 105)
    axes.tick_params(labelsize=7)
    axes.grid(visible=False, axis="x")
