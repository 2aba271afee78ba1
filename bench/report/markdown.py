"""The Markdown report: for a repository, a pull request, or reading as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.gap.document import CELLS, PARTS, AttributionDoc, DiagnosisDoc, Document, FamilyDoc, ModelDoc, PartChangeDoc, SensitivityDoc
from bench.report import verdict, words

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|!~"} | {"\n": " ", "\r": " "})


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
    lines += [*_comparisons(document), *_captioners(document), *_multimodal(document)]
    if "sensitivity" in document:
        lines += _sensitivity(document["sensitivity"])
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
    """What not every model has: levels, splits, the caption split, readback, replicates, letters."""
    return [
        *_compact("level", model["levels"]),
        *_compact("split", model["splits"]),
        *_caption_loss(model),
        *_readback(model),
        *_replicates(model),
        *_letters(model),
    ]


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


def _caption_loss(model: ModelDoc) -> list[str]:
    loss = model.get("caption_loss")
    if not loss or model["diagnosis"]["using"] is not None:  # with its own captions, the diagnosis says it
        return []
    rows = [
        ["description - image", words.gap(loss["total"])],
        ["of it, lost by the captioner (description - caption)", words.gap(loss["lost_by_captioner"])],
        ["of it, said in the caption and not used from the image (caption - image)", words.gap(loss["said_not_used"])],
    ]
    head = f"What the caption keeps, on the {loss['total']['n']} puzzles with all three modes:"
    return [head, "", *table(["loss", "points (95% CI)"], rows)]


def _readback(model: ModelDoc) -> list[str]:
    doc = model.get("readback")
    if not doc:
        return []
    rows = [
        ["whole state", words.rate(doc["whole_state"])],
        ["right answer from the state", words.rate(doc["answer"])],
        ["recall of facts", words.rate(doc["recall"])],
        ["precision of facts", words.rate(doc["precision"])],
        *([f"recall in {text(family)}", words.rate(rate)] for family, rate in doc["families"].items() if len(doc["families"]) > 1),
    ]
    agrees = (
        f"Perception in use is not how much is seen: {doc['suspect']}." if doc["suspect"] else "It does not contradict perception in use."
    )
    head = f"What readback states of the picture ({doc['n']} replies on {doc['puzzles']} puzzles). {agrees}"
    return [head, "", *table(["readback", "percent (95% CI)"], rows)]


def _replicates(model: ModelDoc) -> list[str]:
    several = {name: mode["pass_at_k"] for name, mode in model["modes"].items() if "pass_at_k" in mode}
    if not several:
        return []
    most = max(len(rates) for rates in several.values())
    ks = sorted({k for k in (1, 2, 3, 4, 5, 8, 10, 16, 25, 32, 64, most) if k <= most})
    rows = [
        [name, *(words.percent(rates.get(str(k))) for k in ks), words.percent(model["modes"][name].get("consistency"))]
        for name, rates in several.items()
    ]
    return ["Replicates, in percent:", "", *table(["mode", *(f"pass@{k}" for k in ks), "consistency"], rows)]


def _letters(model: ModelDoc) -> list[str]:
    biased = {mode: doc for mode, doc in model["letters"].items() if doc["biased"]}
    if not biased:
        return []
    letters = list(dict.fromkeys(letter for doc in biased.values() for letter in doc["chosen"]))
    rows = [
        [mode, *(words.percent(doc["chosen"].get(letter, 0) / doc["n"]) for letter in letters), ", ".join(doc["biased"])]
        for mode, doc in biased.items()
    ]
    return ["How often each letter was chosen, in percent, where one is favoured:", "", *table(["mode", *letters, "favoured"], rows)]


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


def _multimodal(document: Document) -> list[str]:
    rows = [
        [
            text(doc["model"]),
            words.gap(doc["gain"]),
            text(doc["base"] or "-"),
            words.points(doc["leakage"]),
            words.change(doc["difference"]) if "difference" in doc else "-",
        ]
        for doc in document.get("multimodal", [])
    ]
    if not rows:
        return []
    head = "Gain is image - blind; leakage is max(0, blind - the text-only base), where a base is named (MMStar, arXiv 2403.20330)."
    return ["## What is owed to the picture", "", head, "", *table(["model", "gain", "text-only base", "leakage", "blind - base"], rows)]


def _captioners(document: Document) -> list[str]:
    cells = document.get("captioners", [])
    if not cells:
        return []
    names = list(dict.fromkeys(cell["captioner"] for cell in cells))
    found = {(cell["captioner"], cell["model"]): f"{words.accuracy(cell['caption'])}, {words.gap(cell['gap'])}" for cell in cells}
    models = list(dict.fromkeys(cell["model"] for cell in cells))
    rows = [[text(name), *(text(found.get((name, model), "-")) for model in models)] for name in names]
    head = (
        "Accuracy of each solver (columns) with the captions of each captioner (rows), and the gap to the image in points. One column "
        "ranks captioners by what one solver makes of their words; the exact solver's ranks their seeing alone."
    )
    return ["## Captioners", "", head, "", *table(["captioner", *map(text, models)], rows)]


def _sensitivity(doc: SensitivityDoc) -> list[str]:
    modes = list(dict.fromkeys(mode for readings in doc["models"].values() for mode in readings["normal"]["accuracy"]))
    rows = [
        [
            text(name),
            reading,
            *(words.percent(one["accuracy"].get(mode)) for mode in modes),
            words.points(one["oracle_image"]),
            str(one["changed"]),
        ]
        for name, readings in doc["models"].items()
        for reading, one in readings.items()
    ]
    return [
        "## Reading of answers",
        "",
        f"{text(words.sensitivity(doc))}.",
        "",
        *table(["model", "reading", *modes, "oracle-image", "verdicts that differ"], rows),
        *(f"- {text(flip)}" for flip in doc["flips"]),
    ]
