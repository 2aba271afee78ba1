r"""LaTeX tables for a paper: booktabs, nothing else, so that they compile in any document.

Three tables: accuracy by mode, image versus text by family (the shape of the paper's main table), and checkpoints in and out of domain (the
shape of its table of rewards). Published reference points are rows of their own, marked by a dagger, or a double dagger where they are
known from third-party notes only. A fragment is for `\input` into a document that loads booktabs; `tables.tex` compiles alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from bench.files import write_atomically
from bench.gap.document import Document
from bench.report.paper.rows import (
    IN_DOMAIN,
    MEASURED,
    PUBLISHED,
    THIRD_PARTY,
    WHOLE,
    AccuracyRow,
    ImageTextRow,
    RewardRow,
    accuracy_notes,
    accuracy_rows,
    image_text_rows,
    published,
    reward_rows,
)
from bench.report.paper.tex import escape, name

MOST_MODELS = 12
"""Measured models in a LaTeX table; the CSV file beside it holds all."""
_ACROSS = 2
_MODES = ("image", "caption", "oracle", "blind", "image+caption", "image+oracle", "readback")
_ACROSS_MODES = 4
_MARKS = {MEASURED: "", PUBLISHED: r"$^\dagger$", THIRD_PARTY: r"$^\ddagger$"}
_PREAMBLE = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
"""
_NONE = "--"
_BROKEN = r"$^\ast$"
_Row = TypeVar("_Row", AccuracyRow, ImageTextRow, RewardRow)


def write_latex(document: Document, folder: Path, *, in_domain: Sequence[str] = IN_DOMAIN) -> list[Path]:
    """Write `accuracy.tex`, `image_text.tex` and `rewards.tex` (fragments) and `tables.tex` (all three, alone) into `folder`."""
    parts = {"accuracy": accuracy(document), "image_text": image_text(document), "rewards": rewards(document, in_domain)}
    parts["tables"] = alone("\\clearpage\n".join(parts.values()))
    written: list[Path] = []
    for stem, text in parts.items():
        path = folder / f"{stem}.tex"
        write_atomically(path, text)
        written.append(path)
    return written


def alone(body: str) -> str:
    """A whole LaTeX document around table fragments."""
    return f"{_PREAMBLE}{body}\\end{{document}}\n"


def accuracy(document: Document, *, standalone: bool = False) -> str:
    """Accuracy with 95% interval: a row per model, a column per mode; published averages of the same suite and format below."""
    rows, left = _first_models(accuracy_rows(document))
    modes = [mode for mode in _MODES if any(row.mode == mode for row in rows)]
    panels: list[str] = []
    for begin in range(0, len(modes), _ACROSS_MODES):
        shown = modes[begin : begin + _ACROSS_MODES]
        cells = {(row.origin, row.model, row.mode): row for row in rows}
        keys = list(dict.fromkeys((row.origin, row.model) for row in rows if row.mode in shown))
        lines = [
            [
                next(_model(row) for row in rows if (row.origin, row.model) == (origin, model)),
                *(_rate(cells.get((origin, model, mode))) for mode in shown),
            ]
            for origin, model in keys
        ]
        head = " & ".join(["Model", *(escape(mode) for mode in shown)])
        panels.append(_tabular(rf"p{{0.27\linewidth}}{'r' * len(shown)}", head, _ruled(lines, [origin for origin, _ in keys])))
    notes = [_about(document), *_lost(rows), *_origin_notes(rows), *accuracy_notes(document), *_left(left, "accuracy")]
    caption = r"Accuracy in percent by what the model is shown, with 95\% intervals."
    return _table(panels, caption, "accuracy", notes, standalone=standalone)


def image_text(document: Document, *, standalone: bool = False) -> str:
    """Families by image, text and gap of each model, two models across; the last row is over all puzzles."""
    rows, left = _first_models(image_text_rows(document))
    families = [*sorted({row.family for row in rows} - {WHOLE}), WHOLE]
    columns = list(dict.fromkeys((row.origin, row.model) for row in rows))
    cells = {(row.origin, row.model, row.family): row for row in rows}
    panels: list[str] = []
    for begin in range(0, len(columns), _ACROSS):
        shown = columns[begin : begin + _ACROSS]
        titles = [
            rf"\multicolumn{{3}}{{c}}{{\parbox{{0.38\linewidth}}{{\centering {name(model)}{_MARKS[origin]}}}}}" for origin, model in shown
        ]
        rules = " ".join(rf"\cmidrule(lr){{{2 + 3 * i}-{4 + 3 * i}}}" for i in range(len(shown)))
        head = " & ".join(["", *titles]) + "\\\\\n" + rules + "\n" + " & ".join(["Family", *["image & text & gap"] * len(shown)])
        lines = [[_family(family), *(_image_text(cells.get((*column, family))) for column in shown)] for family in families]
        body = _ruled(lines, [family == WHOLE for family in families])
        panels.append(_tabular(f"l{'rrr' * len(shown)}", head, body))
    text = "Text is the rule-made description of the puzzle's state; gap is text minus image, paired, in points, with its 95% interval."
    notes = [_about(document), text]
    if any(row.origin != MEASURED for row in rows):
        notes.append("Published columns were measured on other puzzles, with open answers; their last row is the mean of nine families.")
    notes += [*_origin_notes(rows), *_left(left, "image_text")]
    return _table(panels, "Image versus text: accuracy in percent by family.", "image-text", notes, standalone=standalone)


def rewards(document: Document, in_domain: Sequence[str] = IN_DOMAIN, *, standalone: bool = False) -> str:
    """Checkpoints by accuracy on images in domain, out of domain and over all, by gap, and by what is lost to seeing and to thinking."""
    rows, left = _first_models(reward_rows(document, in_domain))
    lines = [
        [
            rf"\raggedright {name(row.model)}{_MARKS[row.origin]}",
            _number(row.in_domain),
            _number(row.out_of_domain),
            _with_interval(row.mean, row.mean_low, row.mean_high),
            _with_interval(row.gap, row.gap_low, row.gap_high, signed=True),
            _number(row.seeing),
            _number(row.thinking),
        ]
        for row in rows
    ]
    head = "Model & in-dom. & out-dom. & mean & gap & seeing & thinking"
    origins = [row.origin for row in rows]
    panel = _tabular(r"p{0.21\linewidth}rrrrrr", head, _ruled(lines, origins))
    inside = ", ".join(family.replace("_", " ") for family in in_domain)
    notes = [
        _about(document),
        f"Accuracy on images in percent; in domain: {inside}. Gap: text minus image in points. Seeing: image wrong, text right; "
        "thinking: both wrong, percent of paired trials. Brackets are 95% intervals; a difference inside them is noise.",
    ]
    if any(origin != MEASURED for origin in origins):
        notes.append(published()["noise"])
    notes += [*_origin_notes(rows), *_left(left, "rewards")]
    return _table([panel], "Checkpoints in and out of domain.", "rewards", notes, standalone=standalone)


def _first_models(rows: Sequence[_Row]) -> tuple[list[_Row], int]:
    """The rows of the first measured models and of everything published, and how many models were left out."""
    measured = list(dict.fromkeys(row.model for row in rows if row.origin == MEASURED))
    kept = set(measured[:MOST_MODELS])
    return [row for row in rows if row.origin != MEASURED or row.model in kept], len(measured) - len(kept)


def _model(row: AccuracyRow) -> str:
    return rf"\raggedright {name(row.model)}{_MARKS[row.origin]}{_BROKEN if row.broken else ''}"


def _rate(row: AccuracyRow | None) -> str:
    return _NONE if row is None else _with_interval(row.accuracy, row.low, row.high)


def _image_text(row: ImageTextRow | None) -> str:
    if row is None:
        return " & ".join([_NONE] * 3)
    return " & ".join([_number(row.image), _number(row.text), _with_interval(row.gap, row.low, row.high, signed=True)])


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1f}"


def _with_interval(value: float | None, low: float | None, high: float | None, *, signed: bool = False) -> str:
    """A number with its interval in small print; a minus sign is a minus sign, not a hyphen."""
    if value is None:
        return _NONE
    shown, *bounds = (f"${number:+.1f}$" if signed else f"{number:.1f}" for number in (value, low, high) if number is not None)
    return f"{shown} {{\\tiny [{', '.join(bounds)}]}}" if len(bounds) == 2 else shown


def _family(family: str) -> str:
    return escape("all puzzles" if family == WHOLE else family.replace("_", " "))


def _ruled(lines: Sequence[Sequence[str]], groups: Sequence[object]) -> str:
    """Rows of a table, with a rule wherever the group changes."""
    out: list[str] = []
    for number, line in enumerate(lines):
        if number and groups[number] != groups[number - 1]:
            out.append("\\midrule")
        out.append(" & ".join(line) + r" \\")
    return "\n".join(out)


def _tabular(columns: str, head: str, body: str) -> str:
    return f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def _table(panels: Sequence[str], caption: str, label: str, notes: Sequence[str], *, standalone: bool) -> str:
    """One float for each panel; the caption and the notes go with the first and the last."""
    last = len(panels) - 1
    out: list[str] = []
    for number, panel in enumerate(panels):
        title = f"\\caption{{{caption}}}\n\\label{{tab:sightgap-{label}}}\n" if number == 0 else ""
        small = "".join(f"{escape(note)}\\par\n" for note in notes) if number == last else ""
        foot = f"\\par\\smallskip\n\\begin{{minipage}}{{\\linewidth}}\\raggedright\\scriptsize\n{small}\\end{{minipage}}\n" if small else ""
        out.append(
            f"\\begin{{table}}[tbp]\n\\centering\n{title}\\footnotesize\\setlength{{\\tabcolsep}}{{3pt}}%\n{panel}{foot}\\end{{table}}\n"
        )
    body = "".join(out) if panels else f"{escape(caption)} No model.\n"
    return alone(body) if standalone else body


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
    for origin, sign in ((PUBLISHED, "†"), (THIRD_PARTY, "‡")):
        sources = list(dict.fromkeys(row.source for row in rows if row.origin == origin))
        if sources:
            notes.append(f"{sign} {origin}: {'; '.join(sources)}.")
    return notes


def _left(number: int, stem: str) -> list[str]:
    return [f"{number} more models are in {stem}.csv."] if number else []
