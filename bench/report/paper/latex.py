r"""LaTeX tables for a paper: booktabs, nothing else, so that they compile in any document.

The diagnosis by model, accuracy by mode, image versus text by family, checkpoints in and out of domain, and, where a report answers the
question of arXiv 2601.00215, its table with ours. Published reference points are rows of their own, marked by a dagger, or a double dagger
where they are known from third-party notes only. A fragment is for `\\input` into a document that loads booktabs; `tables.tex` compiles
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from bench.files import write_atomically
from bench.gap.document import Document
from bench.presets import PAPER_FAMILIES
from bench.report.paper import nine, tex
from bench.report.paper.rows import (
    IN_DOMAIN,
    MEASURED,
    PUBLISHED,
    THIRD_PARTY,
    WHOLE,
    AccuracyRow,
    DiagnosisRow,
    ImageTextRow,
    RewardRow,
    accuracy_notes,
    accuracy_rows,
    diagnosis_notes,
    diagnosis_rows,
    image_text_rows,
    published,
    reward_rows,
)

MOST_MODELS = 12
"""Measured models in a LaTeX table; the CSV file beside it holds all."""
_ACROSS = 2
_MODES = ("image", "caption", "oracle", "blind", "image+caption", "image+oracle", "readback")
_MARKS = {MEASURED: "", PUBLISHED: r"$^\dagger$", THIRD_PARTY: r"$^\ddagger$"}
_SIGNS = {PUBLISHED: "†", THIRD_PARTY: "‡"}
_BROKEN = r"$^\ast$"
_Row = TypeVar("_Row", AccuracyRow, DiagnosisRow, ImageTextRow, RewardRow)


def write_latex(document: Document, folder: Path, *, in_domain: Sequence[str] = IN_DOMAIN) -> list[Path]:
    """Write `diagnosis.tex`, `accuracy.tex`, `image_text.tex` and `rewards.tex` (fragments) and `tables.tex` (all, alone) into `folder`.

    `paper.tex` is among them where the document answers the paper's question.
    """
    parts = {
        "diagnosis": diagnosis(document),
        "accuracy": accuracy(document),
        "image_text": image_text(document),
        "rewards": rewards(document, in_domain),
    }
    if nine.applies(document):
        parts["paper"] = paper(document)
    parts["tables"] = tex.alone("\\clearpage\n".join(parts.values()))
    written: list[Path] = []
    for stem, text in parts.items():
        path = folder / f"{stem}.tex"
        write_atomically(path, text)
        written.append(path)
    return written


def diagnosis(document: Document) -> str:
    """The loss of each model and its parts, with 95% intervals, and the accuracy of every arm on the same puzzles."""
    rows, left = _first_models(diagnosis_rows(document))
    whole = [row for row in rows if row.family == WHOLE]
    parts = list(dict.fromkeys(row.part for kind in ("part", "arm") for row in whole if row.kind == kind))
    found = {(row.model, row.part): row for row in whole}
    names = list(dict.fromkeys(row.model for row in whole))
    lines = [[tex.name(model), *(_part(found.get((model, part))) for part in parts)] for model in names]
    notes = [_about(document), *diagnosis_notes(), *_left(left, "diagnosis")]
    caption = "What is lost on pictures, in points, and the accuracy of each arm on the same puzzles, in percent, with 95% intervals."
    return tex.table(tex.panels(["Model", *parts], lines) if lines else [], caption, "diagnosis", notes)


def accuracy(document: Document) -> str:
    """Accuracy with 95% interval: a row per model, a column per mode; published averages of the same suite and format below."""
    rows, left = _first_models(accuracy_rows(document))
    modes = [mode for mode in _MODES if any(row.mode == mode for row in rows)]
    cells = {(row.origin, row.model, row.mode): row for row in rows}
    keys = list(dict.fromkeys((row.origin, row.model) for row in rows))
    broken = {(row.origin, row.model) for row in rows if row.broken}
    lines = [
        [
            f"{tex.name(model)}{_MARKS[origin]}{_BROKEN if (origin, model) in broken else ''}",
            *(_rate(cells.get((origin, model, mode))) for mode in modes),
        ]
        for origin, model in keys
    ]
    made = tex.panels(["Model", *modes], lines, [origin for origin, _ in keys]) if modes else []
    notes = [_about(document), *_lost(rows), *_origin_notes(rows), *accuracy_notes(document), *_left(left, "accuracy")]
    return tex.table(made, "Accuracy in percent by what the model is shown, with 95% intervals.", "accuracy", notes)


def image_text(document: Document) -> str:
    """Families by image, text and gap of each model, two models across; the last row is over all puzzles."""
    rows, left = _first_models(image_text_rows(document))
    families = [*sorted({row.family for row in rows} - {WHOLE}), WHOLE]
    columns = list(dict.fromkeys((row.origin, row.model) for row in rows))
    cells = {(row.origin, row.model, row.family): row for row in rows}
    made: list[str] = []
    for begin in range(0, len(columns), _ACROSS):
        shown = columns[begin : begin + _ACROSS]
        titles = [
            rf"\multicolumn{{3}}{{c}}{{\parbox{{0.38\linewidth}}{{\centering {tex.name(model)}{_MARKS[origin]}}}}}"
            for origin, model in shown
        ]
        rules = " ".join(rf"\cmidrule(lr){{{2 + 3 * i}-{4 + 3 * i}}}" for i in range(len(shown)))
        head = " & ".join(["", *titles]) + "\\\\\n" + rules + "\n" + " & ".join(["Family", *["image & text & gap"] * len(shown)])
        lines = [[_family(family), *(_image_text(cells.get((*column, family))) for column in shown)] for family in families]
        made.append(tex.tabular(f"l{'rrr' * len(shown)}", head, tex.ruled(lines, [family == WHOLE for family in families])))
    text = "Text is the rule-made description of the puzzle's state; gap is text minus image, paired, in points, with its 95% interval."
    notes = [_about(document), text]
    if any(row.origin != MEASURED for row in rows):
        notes.append("Published columns were measured on other puzzles, with open answers; their last row is the mean of nine families.")
    notes += [*_origin_notes(rows), *_left(left, "image_text")]
    return tex.table(made, "Image versus text: accuracy in percent by family.", "image-text", notes)


def rewards(document: Document, in_domain: Sequence[str] = IN_DOMAIN) -> str:
    """Checkpoints by accuracy on images in domain, out of domain and over all, by gap, and by what is lost to using, seeing, thinking."""
    rows, left = _first_models(reward_rows(document, in_domain))
    lines = [
        [
            f"{tex.name(row.model)}{_MARKS[row.origin]}",
            tex.number(row.in_domain),
            tex.number(row.out_of_domain),
            tex.with_interval(row.mean, row.mean_low, row.mean_high),
            tex.with_interval(row.gap, row.gap_low, row.gap_high, signed=True),
            *(tex.number(value) for value in (row.using, row.seeing, row.thinking)),
        ]
        for row in rows
    ]
    header = ["Model", "in domain", "out of domain", "mean", "gap", "using", "seeing", "thinking"]
    origins = [row.origin for row in rows]
    inside = ", ".join(family.replace("_", " ") for family in in_domain)
    notes = [
        _about(document),
        f"Accuracy on images in percent; in domain: {inside}. Gap: text minus image in points. Using, seeing, thinking: points lost. "
        "Brackets are 95% intervals; a difference inside them is noise.",
    ]
    if any(origin != MEASURED for origin in origins):
        notes.append(published()["noise"])
    notes += [*_origin_notes(rows), *_left(left, "rewards")]
    return tex.table(tex.panels(header, lines, origins) if lines else [], "Checkpoints in and out of domain.", "rewards", notes)


def paper(document: Document) -> str:
    """The table of arXiv 2601.00215: one table with one caption, published rows marked."""
    found = nine.rows(document)
    lines = [
        [
            f"{tex.name(row.model)}{_MARKS[row.origin]}, image" if row.evidence == nine.EVIDENCE[0] else rf"\quad {row.evidence}",
            *(tex.number(row.values[family], signed=row.evidence == "gap") for family in PAPER_FAMILIES),
            tex.number(row.mean, signed=row.evidence == "gap"),
        ]
        for row in found
    ]
    header = ["Model", *(family.replace("_", " ") for family in PAPER_FAMILIES), nine.MEAN]
    bounds = [
        f"{row.model}: {row.mean:+.1f} [{row.interval[0]:+.1f}, {row.interval[1]:+.1f}]" for row in found if row.mean and row.interval
    ]
    said = nine.notes(found)
    for origin, sign in _SIGNS.items():
        said = [f"{sign} {note}" if note.startswith(origin.capitalize() + ":") else note for note in said]
    notes = [_about(document), *said, *([f"Mean gaps with 95% intervals: {'; '.join(bounds)}."] if bounds else [])]
    return tex.table(tex.panels(header, lines, [row.model for row in found]), nine.CAPTION, "paper", notes)


def _first_models(rows: Sequence[_Row]) -> tuple[list[_Row], int]:
    """The rows of the first measured models and of everything published, and how many models were left out."""
    measured = list(dict.fromkeys(row.model for row in rows if row.origin == MEASURED))
    kept = set(measured[:MOST_MODELS])
    return [row for row in rows if row.origin != MEASURED or row.model in kept], len(measured) - len(kept)


def _part(row: DiagnosisRow | None) -> str:
    return tex.NONE if row is None else tex.with_interval(row.points, row.low, row.high)


def _rate(row: AccuracyRow | None) -> str:
    return tex.NONE if row is None else tex.with_interval(row.accuracy, row.low, row.high)


def _image_text(row: ImageTextRow | None) -> str:
    if row is None:
        return " & ".join([tex.NONE] * 3)
    return " & ".join([tex.number(row.image), tex.number(row.text), tex.with_interval(row.gap, row.low, row.high, signed=True)])


def _family(family: str) -> str:
    return tex.escape("all puzzles" if family == WHOLE else family.replace("_", " "))


def _about(document: Document) -> str:
    suite = document["suite"]
    simulated = any(model["simulated"] for model in document["models"])
    more = " Simulated models calibrate the instrument: their rates were chosen." if simulated else ""
    return f"Suite {suite['name']}, {suite['n']} puzzles, answer format {document['format']}, sightgap {document['version']}.{more}"


def _lost(rows: Sequence[AccuracyRow]) -> list[str]:
    """What accuracy leaves out, and models without any outcome."""
    lost = sum(row.lost or 0 for row in rows)
    silent = [row for row in rows if row.origin == MEASURED and row.accuracy is None]
    notes = [f"{lost} trials have no outcome (errors, failed captions) and are left out."] if lost else []
    return [*notes, f"{len(silent)} cells have no outcome at all."] if silent else notes


def _origin_notes(rows: Sequence[AccuracyRow | ImageTextRow | RewardRow]) -> list[str]:
    """What each mark means, with the sources behind it."""
    notes: list[str] = []
    for origin, sign in _SIGNS.items():
        sources = list(dict.fromkeys(row.source for row in rows if row.origin == origin))
        if sources:
            notes.append(f"{sign} {origin}: {'; '.join(sources)}.")
    return notes


def _left(number: int, stem: str) -> list[str]:
    return [f"{number} more models are in {stem}.csv."] if number else []
