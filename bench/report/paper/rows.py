"""The rows of the paper's tables: measured models first, published reference points after them, marked.

LaTeX and CSV are drawn from the same rows, so that they agree. All numbers are percent or percentage points; None where there is none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from bench.gap.document import Document, FamilyDoc, Interval, ModelDoc
from bench.report import words

IN_DOMAIN = ("clock", "maze", "move_box", "n_queens")
"""The families that the paper trains on (third-party reading notes of arXiv 2601.00215); the others are out of domain."""
MEASURED, PUBLISHED, THIRD_PARTY = "measured", "published", "published (third-party notes)"
WHOLE = "all"
"""The row over all puzzles; for published models the mean of the paper's nine families."""


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    """Accuracy of one model in one mode, with its 95% interval; `lost` trials have no outcome."""

    model: str
    mode: str
    accuracy: float | None
    low: float | None
    high: float | None
    n: int | None
    lost: int | None
    origin: str
    source: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class ImageTextRow:
    """Image versus description of one model on one family: accuracies, and the paired gap (text - image) with its 95% interval."""

    model: str
    family: str
    image: float | None
    text: float | None
    gap: float | None
    low: float | None
    high: float | None
    puzzles: int | None
    origin: str
    source: str


@dataclass(frozen=True, slots=True)
class RewardRow:
    """One checkpoint: accuracy on images in and out of domain and over all, the gap, and the shares lost to seeing and to thinking."""

    model: str
    origin: str
    source: str
    in_domain: float | None = None
    out_of_domain: float | None = None
    mean: float | None = None
    mean_low: float | None = None
    mean_high: float | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    seeing: float | None = None
    thinking: float | None = None


@cache
def published() -> Mapping[str, Any]:
    """The content of `published.toml`."""
    return tomllib.loads(resources.files("bench.report.paper").joinpath("published.toml").read_text(encoding="utf-8"))


def accuracy_rows(document: Document) -> list[AccuracyRow]:
    """Every model and mode; then, for a public suite, what was published about it in the same answer format."""
    rows = [
        AccuracyRow(
            words.label(model),
            mode,
            _percent(doc["accuracy"]),
            *_bounds(doc["ci"]),
            doc["n"],
            doc["error"] + doc["caption_failed"],
            MEASURED,
            "",
        )
        for model in document["models"]
        for mode, doc in model["modes"].items()
    ]
    suite = published()["suite"].get(_suite(document))
    return rows + list(_published_accuracy(suite, document["format"])) if suite else rows


def accuracy_notes(document: Document) -> list[str]:
    """What a reader must know of the published accuracies of this suite."""
    data = published()
    suite = data["suite"].get(_suite(document))
    if not suite:
        return []
    broken = [data["broken"]] if any(row.get("broken") for row in suite["row"]) else []
    return [*(data[name] for name in suite["notes"][document["format"]]), *broken]


def _published_accuracy(suite: Mapping[str, Any], fmt: str) -> Iterable[AccuracyRow]:
    origin, source = _origin(suite["source"])
    for row in suite["row"]:
        for mode, key in (("image", fmt), ("image+oracle", f"{fmt}_oracle")):
            if key in row:
                yield AccuracyRow(row["model"], mode, float(row[key]), None, None, None, None, origin, source, bool(row.get("broken")))
    for what in ("chance", "fixed_letter"):
        if fmt in suite[what]:
            name = {"chance": "chance", "fixed_letter": "best fixed letter per family"}[what]
            yield AccuracyRow(name, "blind", float(suite[what][fmt]), None, None, None, None, origin, source)


def image_text_rows(document: Document) -> list[ImageTextRow]:
    """Every model and family and the whole; then the published models, where the suite has families of theirs."""
    rows: list[ImageTextRow] = []
    for model in document["models"]:
        parts: list[tuple[str, FamilyDoc]] = [*sorted(model["families"].items()), (WHOLE, model)]
        rows += [_image_text(words.label(model), name, part) for name, part in parts]
    families = {row.family for row in rows}
    for entry in published()["image_text"]:
        if families & set(entry["families"]):
            rows += _published_image_text(entry, families)
    return rows


def _image_text(label: str, family: str, part: FamilyDoc) -> ImageTextRow:
    gap = part["gaps"]["oracle-image"]
    image, text = (_accuracy(part, mode) for mode in ("image", "oracle"))
    return ImageTextRow(label, family, image, text, _percent(gap["delta"]), *_bounds(gap["ci"]), gap["n"], MEASURED, "")


def _published_image_text(entry: Mapping[str, Any], families: set[str]) -> Iterable[ImageTextRow]:
    origin, source = _origin(entry["source"])
    for family, (image, text) in sorted(entry["families"].items()):
        if family in families:
            gap = round(float(text) - float(image), 6)
            yield ImageTextRow(entry["model"], family, float(image), float(text), gap, None, None, 100, origin, source)
    image, text = entry["mean"]
    _, gap_source = _origin(entry["gap"]["source"])
    source = f"{source}; gap: {gap_source}"
    yield ImageTextRow(entry["model"], WHOLE, float(image), float(text), float(entry["gap"]["value"]), None, None, 900, origin, source)


def reward_rows(document: Document, in_domain: Sequence[str] = IN_DOMAIN) -> list[RewardRow]:
    """Every model of the document, then the published rewards where the suite has a family of theirs."""
    rows = [_reward(model, in_domain) for model in document["models"]]
    if not any(family in model["families"] for model in document["models"] for family in IN_DOMAIN):
        return rows
    for entry in published()["reward"]:
        origin, source = _origin(entry["source"])
        rows.append(RewardRow(entry["model"], origin, source, entry.get("in_domain"), entry.get("out_of_domain"), entry.get("mean")))
    return rows


def _reward(model: ModelDoc, in_domain: Sequence[str]) -> RewardRow:
    image, gap, cells = model["modes"].get("image"), model["gaps"]["oracle-image"], model["attribution"]
    parts = {True: list[FamilyDoc](), False: list[FamilyDoc]()}
    for family, part in model["families"].items():
        parts[family in in_domain].append(part)
    total = cells["both_right"] + cells["seeing"] + cells["thinking"] + cells["lucky"]
    return RewardRow(
        words.label(model),
        MEASURED,
        "",
        _pooled(parts[True]),
        _pooled(parts[False]),
        _percent(image["accuracy"] if image else None),
        *_bounds(image["ci"] if image else None),
        _percent(gap["delta"]),
        *_bounds(gap["ci"]),
        _percent(cells["seeing"] / total if total else None),
        _percent(cells["thinking"] / total if total else None),
    )


def _pooled(parts: Sequence[FamilyDoc]) -> float | None:
    """Accuracy on images over several families, each weighted by its trials."""
    modes = [part["modes"]["image"] for part in parts if "image" in part["modes"]]
    counted = sum(mode["n"] - mode["error"] - mode["caption_failed"] for mode in modes)
    return _percent(sum(mode["correct"] for mode in modes) / counted) if counted else None


def _accuracy(part: FamilyDoc, mode: str) -> float | None:
    return _percent(part["modes"][mode]["accuracy"]) if mode in part["modes"] else None


def _origin(name: str) -> tuple[str, str]:
    source = published()["source"][name]
    return THIRD_PARTY if source["third_party"] else PUBLISHED, source["text"]


def _suite(document: Document) -> str:
    return document["suite"]["name"].partition(":")[0]


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 4)


def _bounds(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (_percent(interval[0]), _percent(interval[1]))
