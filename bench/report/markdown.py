"""The Markdown report: for a repository, a pull request, or reading as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from bench.gap.document import CELLS, PARTS, AttributionDoc, DiagnosisDoc, Document, FamilyDoc, ModelDoc, PartChangeDoc
from bench.report import verdict, words
from bench.report.sections import across
from bench.report.sections.model import tables as model_tables
from bench.report.tables import Section, Table
from bench.visible import visible

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|!~&"})
_CALLS = re.compile(r"(@(?=[\w-])|\\#(?=\d)|\b(?:https?|ftp|mailto|www)(?=[:.]))", re.IGNORECASE)
"""What a code host reads as a mention, a number of an issue or a link; a space without width after it prevents that."""


def render(document: Document) -> str:
    """The whole report as Markdown."""
    suite = document["suite"]
    lines = [
        f"# Image versus description: {text(suite['name'])}",
        "",
        *(f"**{text(verdict.sentence(model))}**\n" for model in document["models"]),
        f"{suite['n']} puzzles, suite `{suite['sha256'][:12]}`, answer format {document['format']}, sightgap {document['version']}.",
        "Using is what its own words give it that the picture did not; seeing is what true descriptions would give it, thinking what "
        "perfect reasoning would, each the mean of both orders of repair; the three add up to the loss.",
        "Accuracy is correct / (n - error - caption failed), with Wilson's 95% interval over puzzles. Gaps are paired differences on the "
        "puzzles where both modes have an outcome, with a 95% interval by bootstrap over puzzles and an exact paired test (McNemar's where "
        "there is one replicate). *Detectable* is the smallest gap that this many pairs would show with 80% power.",
        "",
        *_notes(document),
    ]
    for model in document["models"]:
        lines += [f"## {text(words.label(model))}", "", *_part(model), *_diagnosis(model), *_families(model), *_more(model)]
    lines += _comparisons(document)
    for part in across.sections(document):
        lines += section(part)
    return "\n".join(lines).rstrip() + "\n"


def text(value: str) -> str:
    """`value` with everything neutralised that Markdown, HTML or the place it is shown in could take for a command.

    Control characters, markup of Markdown and HTML, names after @ and numbers after # (which code hosts turn into mentions), and
    addresses that would become links.
    """
    return _CALLS.sub(r"\1&#8203;", visible(value).translate(_SPECIAL))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A pipe table; the first column is left, the others right-aligned."""
    return [
        "| " + " | ".join(header) + " |",
        "| " + " | ".join(["---", *["---:"] * (len(header) - 1)]) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def _notes(document: Document) -> list[str]:
    notes = list(document["notes"])
    notes += [f"No gap is claimed from the descriptions of {family}: {reason}" for family, reason in document["barred"].items()]
    if any(model["simulated"] for model in document["models"]):
        notes.append("Simulated models calibrate the instrument: their rates were chosen, not measured on any real model.")
    return [*(f"- {text(note)}" for note in notes), ""] if notes else []


def _part(part: FamilyDoc) -> list[str]:
    modes = table(
        ["mode", "accuracy", "95% CI", "n", *(name.replace("_", " ") for name in words.OUTCOMES)],
        (
            [name, words.percent(mode["accuracy"]), words.interval(mode["ci"]), str(mode["n"]), *(str(mode[o]) for o in words.OUTCOMES)]
            for name, mode in part["modes"].items()
        ),
    )
    gaps = table(
        ["gap", "points", "95% CI", "p", "puzzles", "detectable"],
        (
            [
                name,
                words.points(gap["delta"]),
                words.interval(gap["ci"], signed=True) or text(gap.get("why", "")),
                words.p_value(gap["p"]),
                str(gap["n"]),
                words.percent(gap["mde"]),
            ]
            for name, gap in part["gaps"].items()
        ),
    )
    return [*modes, *gaps]


def _diagnosis(model: ModelDoc) -> list[str]:
    diagnosis = model["diagnosis"]
    if diagnosis["loss"] is None:
        return [f"No diagnosis: {text(diagnosis.get('why', ''))}.", ""]
    rates = [f"- {name}: {text(shown)}" for name, shown in verdict.rate_rows(diagnosis)]
    guess = f"- guessing: {words.percent(diagnosis['guess'])} (from {diagnosis['guess_from']})"
    missing = verdict.cannot_tell(diagnosis)
    return [
        f"What is lost, in points, over the same {diagnosis['n']} puzzles in every arm:",
        "",
        *table(["part", "points (95% CI)", "range over both orders"], verdict.part_rows(diagnosis)),
        *_square(diagnosis),
        *([text(missing), ""] if missing else []),
        *rates,
        guess,
        "",
        *_attribution(model["attribution"], diagnosis["trials"]),
    ]


def _square(diagnosis: DiagnosisDoc) -> list[str]:
    four = verdict.square(diagnosis)
    if four is None:
        return []
    return table(["accuracy", "own reasoning", "perfect reasoning"], [["own description", *four.own], ["true description", *four.true]])


def _attribution(cells: AttributionDoc, trials: int) -> list[str]:
    """What was observed of each paired trial."""
    counts = {name: int(cells[name]) for name in CELLS}
    return table(["trials", "n", "percent"], [[verdict.CELL_NAMES[name], str(n), words.percent(n / trials)] for name, n in counts.items()])


def _families(model: ModelDoc) -> list[str]:
    modes = list(model["modes"])
    shown = [name for name in ("caption-image", "oracle-image") if model["gaps"][name]["delta"] is not None]
    header = ["family", *modes, *(f"{name} (95% CI)" for name in shown), *(f"p, {name}" for name in shown)]
    rows: list[list[str]] = []
    for family, doc in words.family_rows(model):
        rates = [words.percent(doc["modes"][mode]["accuracy"]) if mode in doc["modes"] else "-" for mode in modes]
        gaps = [text(words.gap(doc["gaps"][name])) for name in shown]
        rows.append([text(family), *rates, *gaps, *(words.p_value(doc["gaps"][name].get("p_holm")) for name in shown)])
    return ["Accuracy by family in percent; p is corrected for the number of families (Holm).", "", *table(header, rows)]


def _more(model: ModelDoc) -> list[str]:
    """What not every model has: levels, splits, and what stands in `bench.report.sections.model`."""
    lines = [*_compact("level", model["levels"]), *_compact("split", model["splits"])]
    for part in model_tables(model):
        lines += tables(part)
    return lines


def _compact(what: str, parts: Mapping[str, FamilyDoc]) -> list[str]:
    """Levels or splits: accuracies, the oracle-image gap and the parts of the loss, a row each."""
    if not parts:
        return []
    modes = list(dict.fromkeys(mode for doc in parts.values() for mode in doc["modes"]))
    rows = [
        [
            text(name),
            *(words.percent(doc["modes"][mode]["accuracy"]) if mode in doc["modes"] else "-" for mode in modes),
            text(words.gap(doc["gaps"]["oracle-image"])),
            *(verdict.with_interval(part) for part in verdict.lost(doc["diagnosis"])),
        ]
        for name, doc in parts.items()
    ]
    return [f"By {what}:", "", *table([what, *modes, "oracle-image (95% CI)", *PARTS], rows)]


def _comparisons(document: Document) -> list[str]:
    rows = [
        [
            text(doc["model"]),
            *(text(_changed(part)) for part in (doc["using"], doc["seeing"], doc["thinking"])),
            words.change(doc["image"]),
            words.change(doc["oracle"]),
            words.change(doc["oracle_image"]),
            verdict.improved(doc),
        ]
        for doc in document.get("comparisons", [])
    ]
    if not rows:
        return []
    header = ["model", *(f"{part} (p)" for part in PARTS), "image", "oracle", "oracle-image gap", "verdict"]
    baseline = document.get("comparisons", [])[0]["baseline"]
    return [
        f"## Change from {text(baseline)}",
        "",
        "Differences in points on the puzzles that both models have, with 95% intervals over puzzles. Using, seeing and thinking are "
        "points *lost*: below 0, the model loses less than before. Their p is exact and corrected (Holm) over the parts and the models; "
        "only what stays below 0.05 is said to have changed. The gap also grows when reasoning alone improves.",
        "",
        *table(header, rows),
    ]


def _changed(part: PartChangeDoc) -> str:
    """A change of points lost with its corrected p."""
    return words.change(part) if part["delta"] is None else f"{words.change(part)} ({words.p_value(part.get('p_holm'))})"


def section(part: Section, level: int = 2) -> list[str]:
    """A section of tables, with everything from elsewhere escaped."""
    lines = [f"{'#' * level} {text(part.title)}", ""]
    lines += [text(part.says), ""] if part.says else []
    for one in part.tables:
        lines += tables(one, level + 1)
    lines += [*(f"- {text(remark)}" for remark in part.remarks), ""] if part.remarks else []
    return lines


def tables(one: Table, level: int = 3) -> list[str]:
    """A table with its title and what it says."""
    lines = [f"{'#' * level} {text(one.title)}", ""] if one.title else []
    lines += [text(one.says), ""] if one.says else []
    return [*lines, *table([text(name) for name in one.header], ([text(cell) for cell in row] for row in one.rows))]
