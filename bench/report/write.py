"""Writing reports: one gap document in every format asked for, into one folder.

Formats that only some people want import what they need when they are written. A format from outside is one function of a `Report`,
registered by `register` or offered by an installed package under `GROUP`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from bench import plugins
from bench.errors import UserError
from bench.files import write_atomically
from bench.gap.document import Document
from bench.report import markdown
from bench.report.sections import audit, dose, published, twins
from bench.report.sources import Sources
from bench.store.run import Run


@dataclass(frozen=True, slots=True)
class Report:
    """What is written: the document, the runs behind it, where to, and what only the caller can tell of pictures, facts and prices."""

    document: Document
    runs: Sequence[Run]
    folder: Path
    sources: Sources = field(default_factory=Sources)


_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
Writer = Callable[[Report], None]
"""A format: writes its files into the report's folder."""


GROUP = "sightgap.formats"
"""Entry points by which an installed package offers a format."""
_REGISTERED: dict[str, Writer] = {}


def register(name: str, writer: Writer, *, override: bool = False) -> None:
    """Let reports be written in a format from outside this package, for this process.

    Args:
        name: what `--formats` calls it.
        writer: gets a `Report` and writes its files into `Report.folder`.
        override: replace the format that has this name, one of ours included.

    Raises:
        UserError: not a function, a name that is no name or is taken.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"format name: expected lower-case letters, digits and hyphens, found {name!r}")
    if not callable(writer):
        raise UserError(f"format {name!r}: expected a function of a report, found {writer!r}")
    if name in format_names() and not override:
        raise UserError(f"format {name!r} exists already: choose another name, or register it with override=True")
    _REGISTERED[name] = writer


def format_names() -> tuple[str, ...]:
    """Names of all formats: our own, those of installed packages (not imported for this), those registered."""
    return tuple(dict.fromkeys((*_WRITERS, *plugins.offered(GROUP), *_REGISTERED)))


def _writer(name: str, more: Mapping[str, Writer]) -> Writer:
    """The format called `name`; a registered one comes before ours, ours before an installed package's.

    Raises:
        UserError: there is none, or what a package offers is none.
    """
    if name in _WRITERS or name in more:
        plugins.refuse(GROUP, name)
    found = _REGISTERED.get(name) or more.get(name) or _WRITERS.get(name) or plugins.load(GROUP, name)
    if found is None:
        raise UserError(f"formats: expected some of {', '.join(dict.fromkeys((*format_names(), *more)))}, found {name!r}")
    if not callable(found):
        raise UserError(f"plug-in {name!r} ({GROUP}): expected a function of a report, found {found!r}")
    return cast(Writer, found)


def write_report(report: Report, formats: Sequence[str], more: Mapping[str, Writer] | None = None) -> None:
    """Write `gap.json` and every format of `formats` ("terminal" writes nothing).

    Args:
        report: what is written.
        formats: names in `format_names()` or in `more`.
        more: formats that only the caller has.

    Raises:
        UserError: no such format, the folder cannot be written, or a run cannot be read.
        MissingExtraError: a format needs a package that is not installed.
    """
    writers = [_writer(name, more or {}) for name in formats]
    try:
        report.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{report.folder} cannot be made ({error.strerror})") from error
    text = json.dumps(report.document, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(report.folder / "gap.json", text + "\n")
    for writer in writers:
        writer(report)


def _markdown(report: Report) -> None:
    document = report.document
    found = [published.section(document)]
    found += [audit.section(document["audit"])] if "audit" in document else []
    found += [dose.section(document["dose"])] if "dose" in document else []
    found += [twins.section(document["twins"])] if "twins" in document else []
    lines = [line for part in found if part for line in markdown.section(part)]
    more = "\n" + "\n".join(lines).rstrip() + "\n" if lines else ""
    write_atomically(report.folder / "report.md", markdown.render(document) + more)


def _html(report: Report) -> None:
    from bench.report.html.page import write_html

    write_html(report.document, report.runs, report.folder / "report.html", report.sources)


def _latex(report: Report) -> None:
    from bench.report.paper.latex import write_latex

    write_latex(report.document, report.folder)


def _csv(report: Report) -> None:
    from bench.report.paper.csvs import write_csv

    write_csv(report.document, report.folder)


def _figures(report: Report) -> None:
    from bench.report.paper.figures import write_figures

    write_figures(report.document, report.folder)


def _junit(report: Report) -> None:
    from bench.report.ci.junit import write_junit

    write_junit(report.document, report.folder)


def _terminal(report: Report) -> None:
    """The terminal's table is printed by the command; it leaves no file."""


_WRITERS: Mapping[str, Writer] = {
    "terminal": _terminal,
    "md": _markdown,
    "html": _html,
    "latex": _latex,
    "csv": _csv,
    "figures": _figures,
    "junit": _junit,
}
