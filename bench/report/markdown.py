"""The Markdown report: for a repository, a pull request, or reading as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.document import Document, FamilyDoc, ModelDoc
from bench.report import words

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|!~"} | {"\n": " ", "\r": " "})


def render(document: Document) -> str:
    """The whole report as Markdown."""
    suite = document["suite"]
    lines = [
        f"# Image versus description: {text(suite['name'])}",
        "",
        *(f"**{text(words.sentence(model))}**\n" for model in document["models"]),
        f"{suite['n']} puzzles, suite `{suite['sha256'][:12]}`, answer format {document['format']}, sightgap {document['version']}.",
        "Accuracy is correct / (n - error - caption failed), with Wilson's 95% interval over puzzles. Gaps are paired differences on the "
        "puzzles where both modes have an outcome, with a 95% interval by bootstrap over puzzles and an exact paired test (McNemar's where "
        "there is one replicate). *Detectable* is the smallest gap that this many pairs would show with 80% power.",
        "",
        *_notes(document),
    ]
    for model in document["models"]:
        lines += [f"## {text(words.label(model))}", "", *_part(model), *_diagnosis(model), *_families(model)]
    return "\n".join(lines).rstrip() + "\n"


def text(value: str) -> str:
    """`value` with everything escaped that Markdown or HTML could take for markup."""
    return value.translate(_SPECIAL)


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
    diagnosis, cells = model["diagnosis"], model["attribution"]
    return [
        f"- perception: {text(words.estimate(diagnosis['perception']))}",
        f"- reasoning: {text(words.estimate(diagnosis['reasoning']))}",
        f"- guessing: {words.percent(diagnosis['guess'])} (from {diagnosis['guess_from']})",
        "",
        *table(
            ["image \\ oracle", "oracle right", "oracle wrong"],
            [
                ["image right", f"{cells['both_right']} both right", f"{cells['lucky']} lucky"],
                ["image wrong", f"{cells['seeing']} seeing", f"{cells['thinking']} thinking"],
            ],
        ),
    ]


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
