"""Writing reports: one gap document in every format asked for, into one folder.

Formats that only some people want import what they need when they are written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UserError
from bench.files import write_atomically
from bench.gap.document import Document
from bench.report import markdown
from bench.report.sections import audit, dose, twins


@dataclass(frozen=True, slots=True)
class Report:
    """What is written: the document, the runs behind it, where to, and the authors' clone that holds the pictures of a public set."""

    document: Document
    runs: Sequence[Path]
    folder: Path
    data_dir: Path | None = None


def write_report(report: Report, formats: Sequence[str]) -> None:
    """Write `gap.json` and every format of `formats` (names in `FORMATS`; "terminal" writes nothing).

    Raises:
        UserError: the folder cannot be written, or a run cannot be read.
        MissingExtraError: a format needs a package that is not installed.
    """
    try:
        report.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{report.folder} cannot be made ({error.strerror})") from error
    text = json.dumps(report.document, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(report.folder / "gap.json", text + "\n")
    for name in formats:
        _WRITERS[name](report)


def _markdown(report: Report) -> None:
    document = report.document
    lines: list[str] = []
    if "audit" in document:
        lines += audit.markdown(document["audit"])
    if "dose" in document:
        lines += dose.markdown(document["dose"])
    if "twins" in document:
        lines += twins.markdown(document["twins"])
    body = markdown.render(document)
    more = "\n" + "\n".join(lines).rstrip() + "\n" if lines else ""
    write_atomically(report.folder / "report.md", body + more)


def _html(report: Report) -> None:
    from bench.report.html.page import write_html
    from bench.report.pictures import sources

    write_html(report.document, report.runs, report.folder / "report.html", sources(report.runs, data_dir=report.data_dir))


def _latex(report: Report) -> None:
    from bench.report.paper.latex import write_latex

    write_latex(report.document, report.folder)


def _csv(report: Report) -> None:
    from bench.report.paper.csvs import write_csv

    write_csv(report.document, report.folder)


def _figures(report: Report) -> None:
    from bench.report.paper.figures import write_figures

    write_figures(report.document, report.folder)
    if "dose" in report.document:
        dose.write_figures(report.document["dose"], report.folder)


def _junit(report: Report) -> None:
    from bench.report.ci.junit import write_junit

    write_junit(report.document, report.folder)


def _inspect(report: Report) -> None:
    from bench.image import inspect
    from bench.inspect.log import write_inspect_logs
    from bench.report.pictures import sources

    shown = sources(report.runs, data_dir=report.data_dir)

    def picture(puzzle: str) -> tuple[bytes, str] | None:
        data = shown.picture(puzzle)
        return (data, inspect(data).media_type) if data else None

    write_inspect_logs(report.runs, report.folder / "inspect", picture)


def _terminal(report: Report) -> None:
    """The terminal's table is printed by the command; it leaves no file."""


_WRITERS: Mapping[str, Callable[[Report], None]] = {
    "terminal": _terminal,
    "md": _markdown,
    "html": _html,
    "latex": _latex,
    "csv": _csv,
    "figures": _figures,
    "junit": _junit,
    "inspect": _inspect,
}
FORMATS = tuple(_WRITERS)
"""Names of the formats."""
