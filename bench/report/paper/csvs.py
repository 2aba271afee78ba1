"""CSV beside each LaTeX table: every model in full, percent and percentage points, UTF-8, one header line, empty for no number."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from bench.files import write_atomically
from bench.gap.document import Document
from bench.report.paper.rows import (
    IN_DOMAIN,
    AccuracyRow,
    DiagnosisRow,
    ImageTextRow,
    RewardRow,
    accuracy_rows,
    diagnosis_rows,
    image_text_rows,
    reward_rows,
)
from bench.visible import visible

_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""What makes a spreadsheet take a cell for a formula, in both widths (OWASP, CSV Injection)."""


def write_csv(document: Document, folder: Path, *, in_domain: Sequence[str] = IN_DOMAIN) -> list[Path]:
    """Write `diagnosis.csv`, `accuracy.csv`, `image_text.csv` and `rewards.csv` into `folder`; returns what was written."""
    tables: dict[str, tuple[type, Sequence[Any]]] = {
        "diagnosis": (DiagnosisRow, diagnosis_rows(document)),
        "accuracy": (AccuracyRow, accuracy_rows(document)),
        "image_text": (ImageTextRow, image_text_rows(document)),
        "rewards": (RewardRow, reward_rows(document, in_domain)),
    }
    written: list[Path] = []
    for name, (kind, rows) in tables.items():
        path = folder / f"{name}.csv"
        write_atomically(path, render(kind, rows))
        written.append(path)
    return written


def render(kind: type, rows: Sequence[Any]) -> str:
    """Rows of one dataclass `kind` as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows([cell(value) for value in astuple(row)] for row in rows)
    return out.getvalue()


def cell(value: object) -> object:
    """A value as written; text without control characters, with an apostrophe in front where a spreadsheet would run it as a formula."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
