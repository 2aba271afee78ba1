"""The paper's table with published rows beside ours, where a report answers the paper's question."""

from __future__ import annotations

from bench.gap.document import Document
from bench.presets import PAPER_FAMILIES
from bench.report import words
from bench.report.paper import nine
from bench.report.tables import Section, Table

_HEADER = ("model", "shown", *(family.replace("_", " ") for family in PAPER_FAMILIES), nine.MEAN)


def section(document: Document) -> Section | None:
    """One table with one caption; None where the report answers another question."""
    if not nine.applies(document):
        return None
    found = nine.rows(document)
    rows = [
        [
            _named(row),
            row.evidence,
            *(nine.number(row.values[family], row.evidence) for family in PAPER_FAMILIES),
            f"{nine.number(row.mean, row.evidence)} {_bounds(row)}".rstrip(),
        ]
        for row in found
    ]
    return Section(nine.CAPTION.rstrip("."), tables=(Table(_HEADER, rows),), remarks=tuple(nine.notes(found)))


def _named(row: nine.NineRow) -> str:
    """The model beside its first row, where its numbers are from beside its second."""
    said = {nine.PUBLISHED: "(published)", nine.THIRD_PARTY: "(published, third-party)"}
    return {nine.EVIDENCE[0]: row.model, nine.EVIDENCE[1]: said.get(row.origin, "")}.get(row.evidence, "")


def _bounds(row: nine.NineRow) -> str:
    return "" if row.interval is None else words.interval([row.interval[0] / 100, row.interval[1] / 100], signed=True)
