"""What the page shows, made from the gap document: plain values that the template only lays out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from bench.gap.document import ComparisonDoc, DiagnosisDoc, Document, FamilyDoc, GapDoc, ModeDoc, ModelDoc, PartChangeDoc, PointsDoc, RunDoc
from bench.gap.sections import EstimateDoc
from bench.report import verdict, words
from bench.report.html.drilldown import Drilldown, FidelitySum
from bench.report.html.grids import grids
from bench.report.sections import across, audit, dose, published, twins
from bench.report.sections.model import tables as model_tables
from bench.report.tables import Section, Table

SHOWS = {
    "image": "the picture",
    "caption": "a text about the picture by its captioner",
    "oracle": "the true description",
    "readback": "the model's own notation of the picture, solved exactly",
    "blind": "the question alone",
    "image+caption": "the picture and the caption",
    "image+oracle": "the picture and the true description",
}
"""What each arm shows, in a few words."""
PartName = Literal["using", "seeing", "picture", "thinking"]
PARTS: Final[tuple[PartName, ...]] = ("using", "seeing", "picture", "thinking")

_DOCUMENT_KEYS = {"v", "version", "suite", "format", "seed", "runs", "models", "barred", "notes", "comparisons"}
_SECTION_KEYS = {"captioners", "multimodal", "sensitivity", "audit", "dose", "twins"}
_MODEL_KEYS = {"name", "simulated", "captioner", "tokens", "modes", "gaps", "diagnosis", "attribution", "families", "levels", "splits"}
_TABLE_KEYS = {"blind", "barred", "caption_loss", "readback", "letters"}


@dataclass(frozen=True, slots=True)
class BarSegment:
    """A piece of a stacked bar: its style, where it starts and how wide it is in percent, a word and a count."""

    kind: str
    start: float
    width: float
    word: str
    count: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of the loss on an axis in points: its word, style, size and interval, as shown and as places from -100 to 100."""

    word: str
    text: str
    orders: str
    points: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Heat:
    """A cell of a heat map: text, what stands below it, shade ("h0" to "h10" rates, "n5" to "p5" differences), a mode to link to."""

    text: str
    small: str = ""
    shade: str = ""
    detail: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Families, levels or splits of a model: `rows` of (name, note, cells)."""

    what: str
    header: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[Heat]]]


@dataclass(frozen=True, slots=True)
class ModelView:
    """What the page shows of one model."""

    doc: ModelDoc
    label: str
    sentence: str
    marks: Sequence[Mark]
    rows: Sequence[Table]
    bar: Sequence[BarSegment]
    maps: Sequence[HeatMap]
    captions: Sequence[tuple[str, FidelitySum, Sequence[BarSegment]]]
    more: Sequence[Table]


@dataclass(frozen=True, slots=True)
class ChangeView:
    """What changed from one model to another: the verdict, and a row for each part: (word, change, corrected p)."""

    title: str
    verdict: str
    rows: Sequence[tuple[str, str, str]]


def models(document: Document, made: Drilldown) -> list[ModelView]:
    """The models in the order of the document; their families in one order for all of them."""
    families = sorted({family for model in document["models"] for family in model["families"]})
    return [_model(place, model, made, families) for place, model in enumerate(document["models"])]


def _model(place: int, model: ModelDoc, made: Drilldown, families: Sequence[str]) -> ModelView:
    cells = cast(Mapping[str, int], model["attribution"])
    maps = [_heat_map("family", model, [(family, model["families"].get(family)) for family in families])]
    for what, parts in (("level", model["levels"]), ("split", model["splits"])):
        if parts:
            maps.append(_heat_map(what, model, list(parts.items())))
    captions = [(family, each, _caption_bar(each)) for family, each in sorted(made.fidelity.get(place, {}).items())]
    unknown = [(key, value) for key, value in model.items() if key not in _MODEL_KEYS | _TABLE_KEYS]
    more = [*model_tables(model), *(table for key, value in unknown for table in grids(_words(key), value))]
    return ModelView(
        model,
        words.label(model),
        verdict.sentence(model),
        list(_marks(model["diagnosis"])),
        list(_diagnosis(model["diagnosis"])),
        bar([(cell, verdict.CELL_NAMES[cell], count) for cell, count in cells.items()]),
        maps,
        captions,
        more,
    )


# -- the first screen --------------------------------------------------------------------------------------------------------------------
def asked(document: Document) -> list[tuple[str, str]]:
    """(what, value) of how the puzzles were asked: date, temperature, prompts, revisions of the models."""
    runs = document["runs"]
    dates = sorted({started[:10] for run in runs if (started := run.get("started"))})
    heats = sorted({_temperature(run) for run in runs} - {""})
    prompts = {f"{name} {sha[:8]}": None for run in runs for name, sha in (run.get("prompts") or {}).items()}
    ids = {name: id_ for run in runs for name, id_ in (run.get("model_ids") or {}).items()}
    reported = sorted({said for run in runs for said in _reported(run.get("reported") or (), ids)})
    facts = [
        ("asked", " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "date not on record"),
        ("temperature", ", ".join(heats) or "not on record"),
        ("prompts", ", ".join(prompts) or "not on record"),
        ("models", ", ".join(name if name == id_ else f"{name} = {id_}" for name, id_ in sorted(ids.items())) or "revision not on record"),
    ]
    return [*facts, *([("reported by the provider", ", ".join(reported))] if reported else [])]


def _reported(given: Mapping[str, Sequence[str]] | Sequence[str], ids: Mapping[str, str]) -> Iterator[str]:
    """The ids that providers gave where other ones were asked for, with the name of the model where it is on record."""
    if isinstance(given, Mapping):
        yield from (f"{name} = {said}" for name, every in given.items() for said in every if said != ids.get(name))
    else:
        yield from (said for said in given if said not in ids.values())


def _temperature(run: RunDoc) -> str:
    """The temperature of a run in words; "" where it does not say."""
    if run.get("temperature") is not None:
        return f"{run['temperature']:g}"
    return "the provider's own" if "temperature" in (run["identity"].get("sampling") or {}) else ""


def _marks(diagnosis: DiagnosisDoc) -> Iterator[Mark]:
    """The parts of the loss that are known, in the order of the words."""
    orders = {row.name: row.orders for row in verdict.part_rows(diagnosis)}
    known: Mapping[str, PointsDoc | None] = {name: diagnosis[name] for name in PARTS}
    for name, doc in known.items():
        if doc is not None:
            low, high = (max(-100.0, min(100.0, 100 * bound)) for bound in doc["ci"])
            yield Mark(name, verdict.with_interval(doc), orders.get(name, ""), 100 * doc["points"], low, high)


def _diagnosis(diagnosis: DiagnosisDoc) -> Iterator[Table]:
    """The parts with both orders of repair, and the rates beside them."""
    parts = verdict.part_rows(diagnosis)
    if parts:
        says = f"In points, over the {diagnosis['n']} puzzles with an outcome in every arm. {verdict.cannot_tell(diagnosis)}".rstrip()
        rows = [[row.name, row.points, row.orders or "-"] for row in parts]
        yield Table(("part", "points, 95% CI", "repaired first or last"), rows, "Points lost", says)
    guess = "unknown" if diagnosis["guess"] is None else f"{words.percent(diagnosis['guess'])} (from {diagnosis['guess_from']})"
    says = f"In percent, after guessing, which is right in {guess}."
    rates = diagnosis["rates"]
    named = (("sees", rates["sees"]), ("uses", rates["uses"]), ("thinks", rates["thinks"]), (verdict.IN_USE, diagnosis["perception"]))
    yield Table(("rate", "percent, 95% CI", "remarks"), [[name, *_rate(doc)] for name, doc in named], "Rates beside the points", says)


def _rate(doc: EstimateDoc) -> tuple[str, str]:
    """A rate with its interval, and what a reader must know of it."""
    if not doc["identifiable"]:
        return "not identifiable", doc.get("why", "")
    without = doc.get("unidentified", [])
    remarks = [f"not identifiable in {len(without)} families, taken one by one"] if without else []
    remarks += [doc["note"]] if "note" in doc else []
    return f"{words.percent(doc['estimate'])} {words.interval(doc['ci'])}", "; ".join(remarks)


def changes(document: Document) -> list[ChangeView]:
    """What changed between models."""
    return [
        ChangeView(f"{doc['model']} against {doc['baseline']}, {doc['n']} puzzles", verdict.improved(doc), list(_changed(doc)))
        for doc in document.get("comparisons", [])
    ]


def _changed(doc: ComparisonDoc) -> Iterator[tuple[str, str, str]]:
    parts: list[tuple[str, PartChangeDoc]] = [("loss", doc["loss"]), ("using", doc["using"]), ("seeing", doc["seeing"])]
    for name, part in (*parts, ("the picture", doc["picture"]), ("thinking", doc["thinking"])):
        if part["delta"] is not None:
            yield name, words.change(part), words.p_value(part.get("p_holm", part.get("p")))
    for word, part in (("accuracy on the image", doc["image"]), ("accuracy with the true description", doc["oracle"])):
        if part["delta"] is not None:
            yield word, words.change(part), words.p_value(part.get("p"))


# -- bars and heat maps ------------------------------------------------------------------------------------------------------------------
def bar(counts: Sequence[tuple[str, str, int]]) -> list[BarSegment]:
    """(style, word, count) as pieces of one bar, empty ones left out."""
    total, start = sum(count for _, _, count in counts), 0.0
    pieces: list[BarSegment] = []
    for kind, word, count in counts:
        if count:
            width = 100 * count / total
            pieces.append(BarSegment(kind, round(start, 3), round(width, 3), word, count))
            start += width
    return pieces


def _caption_bar(each: FidelitySum) -> list[BarSegment]:
    return bar([("right", "right", each.right), ("wrong", "wrong", each.wrong), ("lost", "lost", each.lost)])


def _heat_map(what: str, model: ModelDoc, parts: Sequence[tuple[str, FamilyDoc | None]]) -> HeatMap:
    modes = list(model["modes"])
    gaps = [name for name in ("oracle-image", "caption-image") if name in model["gaps"] and model["gaps"][name]["delta"] is not None]
    lost: list[PartName] = [name for name in PARTS if any(doc and doc["diagnosis"][name] for _, doc in parts)]
    rows: list[tuple[str, str, Sequence[Heat]]] = []
    for name, doc in parts:
        if doc is None:
            rows.append((name, "", [Heat("-", detail="not asked")] * (len(modes) + len(gaps) + len(lost))))
        else:
            cells = [*(_rate_cell(doc, mode) for mode in modes), *(_gap_cell(doc["gaps"][gap]) for gap in gaps)]
            rows.append((name, doc.get("barred", ""), [*cells, *(_part_cell(doc["diagnosis"][part]) for part in lost)]))
    return HeatMap(what, [*modes, *(f"{gap}, points" for gap in gaps), *(f"{part}, points" for part in lost)], rows)


def _rate_cell(doc: FamilyDoc, mode: str) -> Heat:
    entry = doc["modes"].get(mode)
    if entry is None or entry["accuracy"] is None:
        return Heat("-", detail="no outcome")
    counted = _counted(entry)
    small = f"{words.interval(entry['ci'])} n {counted}"
    shade = f"h{round(10 * entry['accuracy'])}"
    return Heat(words.percent(entry["accuracy"]), small, shade, f"{entry['correct']} of {counted} right", mode)


def _counted(entry: ModeDoc) -> int:
    return entry["n"] - entry["error"] - entry["caption_failed"]


def _gap_cell(gap: GapDoc) -> Heat:
    if gap["delta"] is None:
        return Heat("-", detail=gap.get("why", ""))
    corrected = gap.get("p_holm")
    star = "*" if corrected is not None and corrected < 0.05 else ""
    detail = f"p {words.p_value(gap['p'])}, corrected {words.p_value(corrected)}"
    small = f"{words.interval(gap['ci'], signed=True)} n {gap['n']}"
    return Heat(f"{words.points(gap['delta'])}{star}", small, _shade(gap["delta"]), detail)


def _part_cell(part: PointsDoc | None) -> Heat:
    if part is None:
        return Heat("-", detail="cannot be told here")
    return Heat(words.percent(part["points"]), words.interval(part["ci"]), _shade(part["points"]), "points of the loss, 95% interval below")


def _shade(value: float) -> str:
    size = min(5, round(abs(value) * 10))
    return f"{'n' if value < 0 else 'p'}{size}" if size else ""


# -- the rest ----------------------------------------------------------------------------------------------------------------------------
def sections(document: Document) -> list[Section]:
    """Everything else that the document holds, worded for people; what is not known is written out plainly, last."""
    found = published.section(document)
    made = [found] if found else []
    if "dose" in document:
        made.append(dose.section(document["dose"]))
    if "twins" in document:
        made.append(twins.section(document["twins"]))
    made += across.sections(document)
    if "audit" in document:
        made.append(audit.section(document["audit"]))
    for key, value in document.items():
        if key not in _DOCUMENT_KEYS | _SECTION_KEYS:
            tables = list(grids("", value))
            made += [Section(_words(key).capitalize(), tables=tables)] if tables else []
    return made


def _words(key: str) -> str:
    return key.replace("_", " ")


def notes(document: Document) -> list[str]:
    """What a reader must know before the numbers."""
    found = list(document["notes"])
    found += [f"no gap is claimed from the descriptions of {family}: {reason}" for family, reason in document["barred"].items()]
    if any(model["simulated"] for model in document["models"]):
        found.append("simulated models calibrate the instrument: their rates were chosen, not measured on any real model")
    return found
