"""Sections of a report as plain tables, which Markdown and HTML show alike: a new section is written once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """A table of plain text. The first column names the row; every row is as long as `header`.

    Attributes:
        header: names of the columns.
        rows: cells, not escaped for any format.
        title: what the table is of; "" where its section says so.
        says: a sentence or two above it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    says: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: a title, what a reader must know, tables, and remarks below them."""

    title: str
    says: str = ""
    tables: Sequence[Table] = field(default_factory=tuple)
    remarks: Sequence[str] = field(default_factory=tuple)
