"""What a report says over all its models: captioners by solvers, what is owed to the picture, the reading of answers."""

from __future__ import annotations

from collections.abc import Sequence

from bench.gap.document import Document, MatrixDoc, MultimodalDoc, SensitivityDoc
from bench.report import words
from bench.report.tables import Section, Table


def sections(document: Document) -> list[Section]:
    """All of these that the document has."""
    made: list[Section] = []
    if cells := document.get("captioners"):
        made.append(captioners(cells))
    if docs := document.get("multimodal"):
        made.append(multimodal(docs))
    made += [sensitivity(document["sensitivity"])] if "sensitivity" in document else []
    return made


def captioners(cells: Sequence[MatrixDoc]) -> Section:
    """Each solver with the captions of each captioner."""
    names = list(dict.fromkeys(cell["captioner"] for cell in cells))
    solvers = list(dict.fromkeys(cell["model"] for cell in cells))
    found = {(cell["captioner"], cell["model"]): f"{words.accuracy(cell['caption'])}; {words.gap(cell['gap'])}" for cell in cells}
    rows = [[name, *(found.get((name, solver), "-") for solver in solvers)] for name in names]
    return Section(
        "Captioners by solvers",
        "Accuracy of each solver (columns) with the captions of each captioner (rows), then the gap to the image in points. One "
        "column ranks captioners by what one solver makes of their words; the exact solver's ranks their seeing alone.",
        (Table(("captioner", *solvers), rows),),
    )


def multimodal(docs: Sequence[MultimodalDoc]) -> Section:
    """What each model owes to the picture."""
    rows = [
        [
            doc["model"],
            words.gap(doc["gain"]),
            doc["base"] or "none named",
            "-" if doc["leakage"] is None else words.percent(doc["leakage"]),
            words.change(doc["difference"]) if "difference" in doc else "-",
        ]
        for doc in docs
    ]
    return Section(
        "What is owed to the picture",
        "Multi-modal gain is image minus blind; leakage is what a model knows blind beyond its text-only base, where one is named (both as "
        "in MMStar, arXiv 2403.20330).",
        (Table(("model", "gain, points", "text-only base", "leakage, points", "blind - base"), rows),),
    )


def sensitivity(doc: SensitivityDoc) -> Section:
    """The same replies read strictly, normally and leniently."""
    modes = list(dict.fromkeys(mode for readings in doc["models"].values() for mode in readings["normal"]["accuracy"]))
    rows = [
        [
            name,
            reading,
            *(words.percent(one["accuracy"].get(mode)) for mode in modes),
            words.points(one["oracle_image"]),
            str(one["changed"]),
        ]
        for name, readings in doc["models"].items()
        for reading, one in readings.items()
    ]
    said = words.sensitivity(doc)
    return Section(
        "Strict, normal and lenient reading of answers",
        f"{said[0].upper()}{said[1:]}.",
        (Table(("model", "reading", *modes, "oracle-image", "verdicts that differ"), rows),),
        tuple(doc["flips"]),
    )
