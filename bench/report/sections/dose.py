"""The dose-response: accuracy and perception in use against the damage done to the pictures, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from bench.gap.sections import DoseDoc, DoseModelDoc, DosePointDoc
from bench.report import verdict, words
from bench.report.tables import Section, Table

MEANING = {
    "blur": "blur (standard deviation, px)",
    "scale": "scale (factor of both sides)",
    "contrast": "contrast (factor)",
    "noise": "noise (standard deviation, share of full scale)",
    "jpeg": "JPEG quality",
}


def section(doc: DoseDoc) -> Section:
    """The doses as tables: two for each model and kind of damage."""
    return Section(
        "Accuracy against the dose",
        "The same puzzles with degraded pictures; loss is the paired difference from the clear picture in mode image. Perception in use "
        "takes the description and the blind trials, which no damage reaches, for its scale.",
        tuple(chain.from_iterable(_tables(model) for model in doc["models"])),
    )


def title(model: DoseModelDoc) -> str:
    """The model's name, with its captioner where there are several."""
    return model["name"] if model["captioner"] is None else f"{model['name']}, captions by {model['captioner']}"


def label(point: DosePointDoc) -> str:
    """A dose as a tick of an axis or a head of a column."""
    return "clear" if point["amount"] is None else f"{point['amount']:g}"


def _tables(model: DoseModelDoc) -> Iterator[Table]:
    for kind, points in model["kinds"].items():
        name = f"{title(model)}: {MEANING.get(kind, kind)}"
        yield _doses(points, name)
        yield _families(model, kind, f"{name}, accuracy on images by family")


def _doses(points: Sequence[DosePointDoc], name: str) -> Table:
    modes = list(dict.fromkeys(chain.from_iterable(point["modes"] for point in points)))
    rows: list[list[str]] = []
    for point in points:
        rates = [point["modes"].get(mode) for mode in modes]
        shown = [f"{words.percent(rate['accuracy'])} {words.interval(rate['ci'])}" if rate else "-" for rate in rates]
        seen, loss = point["perception"], point["loss"]
        lost = f"{words.points(loss['delta'])} {words.interval(loss['ci'], signed=True)}" if loss else "-"
        rows.append([label(point), *shown, verdict.rate(seen) if seen else "-", lost, words.p_value(loss["p"] if loss else None)])
    return Table(("dose", *modes, verdict.IN_USE, "loss", "p"), rows, name)


def _families(model: DoseModelDoc, kind: str, name: str) -> Table:
    rows: list[list[str]] = []
    for family, kinds in model["families"].items():
        rates = [point["modes"].get("image") for point in kinds[kind]]
        rows.append([family, *(words.percent(rate["accuracy"]) if rate else "-" for rate in rates)])
    return Table(("family", *(label(point) for point in model["kinds"][kind])), rows, name)
