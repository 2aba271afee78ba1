"""The table people see first: accuracy per mode, gaps, diagnosis and a sentence of verdict, in 100 columns."""

from __future__ import annotations

from typing import Any, cast

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.gap.document import DiagnosisDoc, Document, ModelDoc
from bench.report import verdict, words
from bench.report.sections import published


def print_report(document: Document, console: Console) -> None:
    """Print every model of `document`, then the verdicts."""
    document = cast(Document, _printable(document))
    suite = document["suite"]
    console.print(
        f"suite {suite['name']}  {suite['n']} puzzles  sha256 {suite['sha256'][:12]}  format {document['format']}", highlight=False
    )
    for model in document["models"]:
        console.print()
        console.print(_modes(model, console))
        console.print(_gaps(model, console))
        _print_diagnosis(model, console)
    _print_across(document, console)
    _print_published(document, console)
    _print_notes(document, console)
    console.print()
    for model in document["models"]:
        console.print(verdict.sentence(model), highlight=False, markup=False, style="bold")


def _printable(value: Any) -> Any:
    """`value` with "?" for control characters: a name from somebody else's run must not command the terminal."""
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else "?" for letter in value)
    if isinstance(value, list):
        return [_printable(item) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in cast(dict[str, Any], value).items()}
    return value


def _print_diagnosis(model: ModelDoc, console: Console) -> None:
    """The loss and its parts, the table behind them, the rates beside them, and what cannot be told."""
    diagnosis = model["diagnosis"]
    if diagnosis["loss"] is not None:
        console.print(_parts(diagnosis, console))
    four = verdict.square(diagnosis)
    if four is not None:
        console.print(_square(four, console))
    for name, text in verdict.rate_rows(diagnosis):
        console.print(f"  {name:<18}{text}", highlight=False, markup=False)
    readback = model.get("readback")
    if readback:
        whole, recall = words.rate(readback["whole_state"]), words.percent(readback["recall"]["estimate"])
        above = words.percent(readback["above_floor"]["estimate"])
        told = f"{whole} of pictures in full, {recall} of the facts ({above} above floor)"
        console.print(f"  {'readback':<18}{told}", highlight=False, markup=False)
    missing = verdict.cannot_tell(diagnosis)
    if missing:
        console.print(f"  {missing}", highlight=False, markup=False)


def _print_across(document: Document, console: Console) -> None:
    """Models against each other, and the reading of answers."""
    for doc in document.get("comparisons", []):
        console.print()
        for line in verdict.comparison(doc):
            console.print(line, highlight=False, markup=False)
    if "sensitivity" in document:
        console.print()
        console.print(words.sensitivity(document["sensitivity"]), highlight=False, markup=False)


def _print_published(document: Document, console: Console) -> None:
    """The paper's table with published rows, where the report answers the paper's question."""
    found = published.section(document)
    if found is None:
        return
    for one in found.tables:
        table = _table(found.title, console)
        table.add_column("model", min_width=16, max_width=22, overflow="fold")
        table.add_column("shown")
        for name in one.header[2:]:
            table.add_column(escape(name.replace(" ", "\n")), justify="right", no_wrap=True)
        for row in one.rows:
            table.add_row(*(escape(cell.partition(" [")[0]) for cell in row), end_section=row[1] == one.rows[-1][1])
        console.print()
        console.print(table)
    for remark in found.remarks:
        console.print(f"  {remark}", highlight=False, markup=False)


def _print_notes(document: Document, console: Console) -> None:
    notes = list(document["notes"])
    notes += [f"no gap is claimed from the descriptions of {family}: {reason}" for family, reason in document["barred"].items()]
    if any(model["simulated"] for model in document["models"]):
        notes.append("simulated models calibrate the instrument: their rates were chosen, not measured on any real model")
    for note in notes:
        console.print(f"note: {note}", highlight=False, markup=False)


def _table(title: str, console: Console) -> Table:
    line = box.SIMPLE_HEAD if not console.options.ascii_only else box.ASCII
    return Table(title=escape(title), title_justify="left", title_style="bold", box=line, padding=(0, 1, 0, 0), pad_edge=False)


def _modes(model: ModelDoc, console: Console) -> Table:
    table = _table(words.label(model), console)
    table.add_column("mode")
    table.add_column("accuracy, 95% CI", justify="right", no_wrap=True)
    table.add_column("n", justify="right")
    short = {"caption_failed": "no capt.", "truncated": "trunc."}
    for name in words.OUTCOMES:
        table.add_column(short.get(name, name), justify="right")
    for name, mode in model["modes"].items():
        table.add_row(name, words.accuracy(mode), str(mode["n"]), *(str(mode[outcome]) for outcome in words.OUTCOMES))
    return table


def _gaps(model: ModelDoc, console: Console) -> Table:
    table = _table("gaps in points (paired)", console)
    for column in ("gap", "difference, 95% CI", "p", "puzzles", "detectable"):
        table.add_column(column, justify="left" if column == "gap" else "right", no_wrap=column.startswith("difference"))
    for name, gap in model["gaps"].items():
        mde = "-" if gap["mde"] is None else words.percent(gap["mde"])
        table.add_row(name, words.gap(gap), words.p_value(gap["p"]), str(gap["n"]), mde)
    return table


def _parts(diagnosis: DiagnosisDoc, console: Console) -> Table:
    table = _table(f"what is lost, in points, over the same {diagnosis['n']} puzzles", console)
    for column in ("part", "points, 95% CI", "range over both orders"):
        table.add_column(column, justify="left" if column == "part" else "right", no_wrap=True)
    for row in verdict.part_rows(diagnosis):
        table.add_row(*row)
    return table


def _square(four: verdict.Square, console: Console) -> Table:
    table = _table("accuracy by description and reasoning", console)
    for column in ("", "own reasoning", "perfect reasoning"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    table.add_row("own description", *four.own)
    table.add_row("true description", *four.true)
    return table
