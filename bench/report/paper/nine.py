"""The table of arXiv 2601.00215: image versus text on nine families, what was measured and what was published in one table.

It is drawn where a document answers the paper's question: its families, open answers, image and description. Published rows are marked;
where they are known from other people's reading notes only, they are marked as third-party.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.gap.document import Document, FamilyDoc, ModelDoc
from bench.outcome import Format
from bench.presets import PAPER_FAMILIES, PAPER_SUITES
from bench.report import words
from bench.report.paper.rows import MEASURED, PUBLISHED, THIRD_PARTY, origin_of, published

CAPTION = "Image versus text on the nine families of arXiv 2601.00215: accuracy in percent."
EVIDENCE = ("image", "text", "gap")
"""The rows of a model: accuracy on the image, accuracy with the description, and their difference in points."""
MEAN = "mean"
_MODES = {"image": "image", "text": "oracle"}


@dataclass(frozen=True, slots=True)
class NineRow:
    """One model and one kind of evidence: `values` by family, in percent (points for a gap), `mean` over all, `interval` of a gap."""

    model: str
    evidence: str
    origin: str
    source: str
    values: Mapping[str, float | None]
    mean: float | None
    interval: tuple[float, float] | None = None


def applies(document: Document) -> bool:
    """Whether the document answers the paper's question, on some of its families."""
    suite = document["suite"]["name"].partition("@")[0]  # whichever version: the questions and their kind of picture are the same
    asked = any(_MODES["text"] in model["modes"] and "image" in model["modes"] for model in document["models"])
    present = {family for model in document["models"] for family in model["families"]}
    return suite in PAPER_SUITES and document["format"] == Format.OPEN.value and asked and bool(present) and present <= set(PAPER_FAMILIES)


def rows(document: Document) -> list[NineRow]:
    """Three rows for each model: first those measured, then those published."""
    measured = [row for model in document["models"] for row in _measured(model)]
    return [*measured, *(row for entry in published()["image_text"] for row in _published(entry))]


def _measured(model: ModelDoc) -> Iterator[NineRow]:
    for evidence in EVIDENCE:
        values = {family: _value(model["families"].get(family), evidence) for family in PAPER_FAMILIES}
        ci = model["gaps"]["oracle-image"]["ci"] if evidence == "gap" else None
        bounds = (100 * ci[0], 100 * ci[1]) if ci else None
        yield NineRow(words.label(model), evidence, MEASURED, "", values, _value(model, evidence), bounds)


def _value(part: FamilyDoc | None, evidence: str) -> float | None:
    if part is None:
        return None
    mode = _MODES.get(evidence)
    found = part["gaps"]["oracle-image"]["delta"] if mode is None else part["modes"][mode]["accuracy"] if mode in part["modes"] else None
    return None if found is None else 100 * found


def _published(entry: Mapping[str, Any]) -> Iterator[NineRow]:
    origin, source = origin_of(entry["source"])
    pairs: Mapping[str, Sequence[float]] = entry["families"]
    for place, evidence in enumerate(EVIDENCE[:2]):
        values = {family: float(pairs[family][place]) if family in pairs else None for family in PAPER_FAMILIES}
        yield NineRow(entry["model"], evidence, origin, source, values, float(entry["mean"][place]))
    gaps = {family: float(pairs[family][1] - pairs[family][0]) if family in pairs else None for family in PAPER_FAMILIES}
    _, abstract = origin_of(entry["gap"]["source"])
    yield NineRow(entry["model"], "gap", origin, f"mean gap: {abstract}", gaps, float(entry["gap"]["value"]))


def number(value: float | None, evidence: str) -> str:
    """A cell as text: signed for a gap, "-" for none."""
    return "-" if value is None else f"{value:+.1f}" if evidence == "gap" else f"{value:.1f}"


def notes(found: Sequence[NineRow]) -> list[str]:
    """What a reader must know of the table."""
    said = [
        "Text is the rule-made description of the puzzle's state; gap is text minus image, paired by puzzle where it was measured, in "
        "points. Brackets are 95% intervals.",
        "Published rows were measured on other puzzles with other prompts and another grader; their mean is over nine families of 100, of "
        "which six are known one by one.",
    ]
    for origin in (PUBLISHED, THIRD_PARTY):
        sources = dict.fromkeys(row.source for row in found if row.origin == origin)
        if sources:
            said.append(f"{origin[0].upper()}{origin[1:]}: {'; '.join(sources)}.")
    return said
