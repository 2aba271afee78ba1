"""The HTML report: one file that needs nothing else, drawn from the gap document, with every puzzle behind it.

What a model wrote reaches the page in two ways only: through Jinja with autoescaping, or as deflated JSON that the page's script turns into
text nodes. A content security policy allows the page's own script and style, by hash, and pictures that the page carries; so even markup
that got through would do nothing. There is no date in it: the same records give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from bench.files import write_atomically
from bench.gap.document import Document, FamilyDoc, GapDoc, ModelDoc
from bench.report import words
from bench.report.html.drilldown import Drilldown, FidelitySum, Sources, build
from bench.report.html.grids import Grid, grids
from bench.report.html.material import Spending, read_material

SHOWN_MODELS = 12
"""Models that every section shows at once; further ones are folded away."""

_EXTRA_SECTIONS = {
    "comparisons": "What changed between models",
    "captioners": "Solvers by captioners",
    "dose": "Degraded pictures",
    "twins": "Twin puzzles",
    "sensitivity": "Strict, normal and lenient reading",
    "audit": "Audit",
}
_CORE = {"v", "version", "suite", "format", "seed", "runs", "models", "barred", "notes"}
_MODEL_CORE = {"name", "simulated", "captioner", "tokens", "modes", "gaps", "diagnosis", "attribution", "families", "levels", "splits"}
_ATTRIBUTION = (
    ("both_right", "b", "both right", "image right, description right"),
    ("seeing", "s", "seeing", "image wrong, description right"),
    ("thinking", "t", "thinking", "both wrong"),
    ("lucky", "l", "lucky", "image right, description wrong"),
)


@dataclass(frozen=True)
class Segment:
    """A piece of a stacked bar: its style, where it starts and how wide it is in percent, a word and a count."""

    kind: str
    start: float
    width: float
    word: str
    count: int
    code: str = ""


@dataclass(frozen=True)
class Heat:
    """A cell of a heat map: the text, and the shade ("h0" to "h10" for rates, "n5" to "p5" for differences, "" for none)."""

    text: str
    shade: str
    detail: str
    mode: str = ""


@dataclass(frozen=True)
class HeatMap:
    """Parts of a model (families, levels or splits) by mode: `rows` of (name, note, cells)."""

    what: str
    header: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[Heat]]]


@dataclass(frozen=True)
class ModelView:
    """What the page shows of one model."""

    place: int
    doc: ModelDoc
    label: str
    sentence: str
    bar: Sequence[Segment]
    maps: Sequence[HeatMap]
    captions: Sequence[tuple[str, FidelitySum, Sequence[Segment]]]
    more: Sequence[Grid]


def write_html(document: Document, folders: Sequence[Path], path: Path, sources: Sources | None = None) -> int:
    """Write the report of `document`, whose runs are in `folders`, to `path`; returns its size in bytes.

    Raises:
        UserError: a run cannot be read, or `path` cannot be written.
    """
    page = render(document, folders, sources)
    write_atomically(path, page)
    return len(page.encode())


def render(document: Document, folders: Sequence[Path], sources: Sources | None = None) -> str:
    """The whole page.

    Args:
        document: the gap document of the runs.
        folders: the run directories, for texts, tokens and seconds.
        sources: pictures, facts of captions and prices, where the caller has them (`bench.report.pictures`).

    Raises:
        UserError: a run holds a line that is no JSON object.
    """
    sources = sources or Sources()
    material = read_material(folders)
    made = build(document, material, sources)
    views = [_view(place, model, made) for place, model in enumerate(document["models"])]
    page = _environment().get_template("report.html.j2").render(
        document=document,
        words=words,
        blocks=[views[:SHOWN_MODELS], views[SHOWN_MODELS:]] if len(views) > SHOWN_MODELS else [views],
        modes=list(dict.fromkeys(mode for model in document["models"] for mode in model["modes"])),
        kinds=_ATTRIBUTION,
        spending=[(entry, _cost(entry, sources)) for entry in material.spending],
        extras=list(_extras(document)),
        notes=_notes(document),
        made=made,
        index=_script_json(made.index),
        thumbs=[_script_json(chunk) for chunk in made.thumbs],
        style=_asset("report.css"),
        script=_asset("report.js"),
        style_hash=_hash(_asset("report.css")),
        script_hash=_hash(_asset("report.js")),
    )  # fmt: skip
    return page.encode("utf-8", "replace").decode()  # half a surrogate pair in a name has no place in UTF-8


# -- assets ------------------------------------------------------------------------------------------------------------------------------
def _source(name: str) -> str:
    return (files("bench.report.html") / "templates" / name).read_text(encoding="utf-8")


def _asset(name: str) -> Markup:
    """A style sheet or script of ours, to stand in the page as it is."""
    return Markup(_source(name))


def _hash(text: str) -> str:
    """`text` as a source in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _script_json(data: Any) -> Markup:
    """`data` as JSON for a data block: ASCII, and no character that could end the block."""
    text = json.dumps(data, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@cache
def _environment() -> Environment:
    made = Environment(loader=FunctionLoader(_source), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=True)
    made.filters.update(percent=words.percent, points=words.points, p_value=words.p_value, slug=_slug)
    return made


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name)


# -- views -------------------------------------------------------------------------------------------------------------------------------
def _view(place: int, model: ModelDoc, made: Drilldown) -> ModelView:
    cells = cast(Mapping[str, int], model["attribution"])
    counts = [(kind, cells[kind], word, code) for kind, code, word, _ in _ATTRIBUTION]
    maps = [_heat_map("family", model, words.family_rows(model))]
    for what, key in (("level", "levels"), ("split", "splits")):
        parts: Mapping[str, FamilyDoc] = model.get(key) or {}
        if parts:
            maps.append(_heat_map(what, model, list(parts.items())))
    captions = [(family, each, _caption_bar(each)) for family, each in sorted(made.fidelity.get(place, {}).items())]
    more = [grid for key, value in model.items() if key not in _MODEL_CORE for grid in grids(key.replace("_", " "), value)]
    return ModelView(place, model, words.label(model), words.sentence(model), _bar(counts), maps, captions, more)


def _bar(counts: Sequence[tuple[str, int, str, str]]) -> list[Segment]:
    """Counts as pieces of one bar, empty ones left out."""
    total, start = sum(count for _, count, _, _ in counts), 0.0
    pieces: list[Segment] = []
    for kind, count, word, code in counts:
        if count:
            width = 100 * count / total
            pieces.append(Segment(kind, round(start, 3), round(width, 3), word, count, code))
            start += width
    return pieces


def _caption_bar(each: FidelitySum) -> list[Segment]:
    return _bar([("right", each.right, "right", ""), ("wrong", each.wrong, "wrong", ""), ("lost", each.lost, "lost", "")])


def _heat_map(what: str, model: ModelDoc, parts: Sequence[tuple[str, FamilyDoc]]) -> HeatMap:
    modes = list(model["modes"])
    gaps = [name for name in ("oracle-image", "caption-image") if model["gaps"][name]["delta"] is not None]
    rows: list[tuple[str, str, Sequence[Heat]]] = []
    for name, doc in parts:
        cells = [_rate_cell(doc, mode) for mode in modes]
        rows.append((name, doc.get("barred", ""), [*cells, *(_gap_cell(doc["gaps"][gap]) for gap in gaps)]))
    return HeatMap(what, [*modes, *(f"{gap}, points" for gap in gaps)], rows)


def _rate_cell(doc: FamilyDoc, mode: str) -> Heat:
    entry = doc["modes"].get(mode)
    if entry is None or entry["accuracy"] is None:
        return Heat("-", "", "no outcome")
    detail = f"{words.accuracy(entry)}, {entry['correct']} of {entry['n'] - entry['error'] - entry['caption_failed']}"
    return Heat(words.percent(entry["accuracy"]), f"h{round(10 * entry['accuracy'])}", detail, mode)


def _gap_cell(gap: GapDoc) -> Heat:
    if gap["delta"] is None:
        return Heat("-", "", gap.get("why", ""))
    size = min(5, round(abs(gap["delta"]) * 10))
    corrected = gap.get("p_holm")
    star = "*" if corrected is not None and corrected < 0.05 else ""
    detail = f"{words.gap(gap)}, p {words.p_value(gap['p'])}, corrected {words.p_value(corrected)}, {gap['n']} puzzles"
    return Heat(f"{words.points(gap['delta'])}{star}", f"{'n' if gap['delta'] < 0 else 'p'}{size}" if size else "", detail)


def _cost(entry: Spending, sources: Sources) -> str:
    cost = sources.cost(entry.model, entry.tokens_in, entry.tokens_out)
    return "unknown" if cost is None else f"{cost:.2f}"


def _extras(document: Document) -> Iterator[tuple[str, list[Grid]]]:
    """(title, tables) of every section of the document beyond the core, in a fixed order, unknown ones last."""
    later = [key for key in document if key not in _CORE and key not in _EXTRA_SECTIONS]
    for key in (*_EXTRA_SECTIONS, *later):
        found = list(grids("", document.get(key)))
        if found:
            yield _EXTRA_SECTIONS.get(key, key.replace("_", " ").capitalize()), found


def _notes(document: Document) -> list[str]:
    notes = list(document["notes"])
    notes += [f"no gap is claimed from the descriptions of {family}: {reason}" for family, reason in document["barred"].items()]
    if any(model["simulated"] for model in document["models"]):
        notes.append("simulated models calibrate the instrument: their rates were chosen, not measured on any real model")
    return notes
