"""The puzzles of a report, packed for a page that shows one at a time.

A *row* is one cell of the experiment: a puzzle, a model (with one captioner) and a replicate, with at most one trial per mode. The index,
a few bytes a row, is all that filters need, so the rows that a filter shows are the cells that the document counts. Texts lie in *chunks*
of a few puzzles, each deflated and in base64: a page unpacks the chunks that are looked at. Where all texts together would be too large,
long replies are cut, and the page says so.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.gap.document import CELLS, Document
from bench.mode import Mode
from bench.outcome import Format, Outcome
from bench.report import words
from bench.report.html.material import Material, captioner_label, mode_label
from bench.report.html.thumbs import thumbnails
from bench.report.sources import CaptionFacts, Line, Sources

CHUNK_PUZZLES = 40
CHUNK_CHARS = 600_000
MAX_CHUNK_BYTES = 14_000_000
MAX_THUMB_BYTES = 13_000_000
"""What packed texts and thumbnails may take in all, so that a page stays under 30 MB."""

_TEXT_LIMITS = (None, 32_000, 16_000, 8_000, 4_000, 2_000, 1_000, 500, 200)
_CODES: dict[str, str] = dict(zip(words.OUTCOMES, "cwurtfe", strict=True))
CELL_CODES: dict[str, str] = dict(zip(CELLS, "iwdsn", strict=True))
"""Cell of the attribution -> the letter that stands for it in the index."""
_RIGHT = (("on_image", Mode.IMAGE), ("own_words", Mode.CAPTION), ("true_description", Mode.ORACLE), ("solved", Mode.READBACK))
"""The cells in the order in which they are asked for, with the arm that is right in each (`bench.gap.document.AttributionDoc`)."""
_NONE = "."


@dataclass
class FidelitySum:
    """Facts over the captions of one model and family: captions compared, facts right, wrong and lost, captions that recover all."""

    captions: int = 0
    right: int = 0
    wrong: int = 0
    lost: int = 0
    recovered: int = 0

    def add(self, facts: CaptionFacts) -> None:
        """Count one caption."""
        self.captions += 1
        self.right += facts.right
        self.wrong += len(facts.wrong)
        self.lost += len(facts.lost)
        self.recovered += facts.recovered


@dataclass
class Drilldown:
    """The packed puzzles.

    Attributes:
        index: plain JSON data: modes, families, models, puzzles [id, family, level, gold, chunk, place in it], rows as columns
            (p puzzle, m model, r replicate, o one outcome letter per mode, a the letter of its cell); whether options were shown.
        chunks: base64 of deflated JSON, a list of puzzles with their rows.
        thumbs: for each chunk a list of thumbnails (base64 of WebP or JPEG, or None).
        fidelity: model index -> family -> facts of its captions.
        notes: what was left out or cut.
    """

    index: dict[str, Any]
    chunks: list[str]
    thumbs: list[list[str | None]]
    fidelity: dict[int, dict[str, FidelitySum]]
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class _Row:
    """One cell: its model's index and its trials by mode label."""

    model: int
    replicate: int
    trials: Mapping[str, Line]


def build(document: Document, material: Material, sources: Sources) -> Drilldown:
    """Pack the puzzles of `material` under the models of `document`."""
    modes = _modes(material)
    rows = {puzzle: list(_rows(document, material, puzzle)) for puzzle in material.puzzles}
    compared = _compare(material, rows, sources)
    groups = list(_groups(material, rows))
    chunks, limit = _fitting_chunks(material, groups, rows, modes, compared)
    room = MAX_THUMB_BYTES * 3 // 4 // max(1, len(material.puzzles))  # base64 writes three bytes as four characters
    thumbs = thumbnails(list(material.puzzles), lambda puzzle, side: sources.picture(material.puzzles[puzzle], side), room)
    made = Drilldown(
        _index(document, material, groups, rows, modes),
        chunks,
        [[thumbs[puzzle] for puzzle in group] for group in groups],
        _fidelity(material, rows, compared),
    )
    if len(material.puzzles) < material.total:
        made.notes.append(
            f"{len(material.puzzles)} of {material.total} puzzles are shown here, an even share of each family, so that the page stays "
            "small; every table above counts all of them, and a report of fewer models shows more"
        )
    if limit is not None:
        made.notes.append(f"texts are cut after {limit:,} characters so that the page stays small; the run directory holds them whole")
    return made


# -- rows --------------------------------------------------------------------------------------------------------------------------------
def _modes(material: Material) -> list[str]:
    found = {mode_label(line) for lines in material.trials.values() for line in lines}
    order = {mode.value: place for place, mode in enumerate(Mode)}
    return sorted(found, key=lambda label: (order.get(label.partition(",")[0], len(order)), label))


def _rows(document: Document, material: Material, puzzle: str) -> Iterator[_Row]:
    """The cells of `puzzle`. A model with several captioners has one entry for each in the document, which share the other modes."""
    cells: dict[tuple[int, int], dict[str, Line]] = defaultdict(dict)
    names = {model["name"]: place for place, model in enumerate(document["models"])}
    for line in material.trials[puzzle]:
        model, shown = line["model"], captioner_label(line)
        several = material.captioners.get(model, [])
        labels = [model] if len(several) < 2 else [f"{model} (captions: {c})" for c in several if shown in ("", c)]
        for label in labels:
            if label in names:
                cells[names[label], line.get("replicate", 0)][mode_label(line)] = line
    for (model, replicate), trials in sorted(cells.items()):
        yield _Row(model, replicate, trials)


def _cell(trials: Mapping[str, Line], arms: Collection[str]) -> str:
    """The letter of a trial's cell; "." where an arm has no counted outcome, or the description may not be used."""
    found = {mode: trials.get(mode.value) for mode in (*(mode for _, mode in _RIGHT), Mode.BLIND) if mode.value in arms}
    right: dict[Mode, bool] = {}
    for mode, line in found.items():
        if line is None or not line.get("sufficient", True) or not Outcome(line["verdict"]["outcome"]).counted:
            return _NONE
        right[mode] = line["verdict"]["outcome"] == Outcome.CORRECT.value
    if not right:
        return _NONE
    return CELL_CODES[next((cell for cell, mode in _RIGHT if right.get(mode)), "neither")]


def _index(
    document: Document, material: Material, groups: Sequence[Sequence[str]], rows: Mapping[str, Sequence[_Row]], modes: Sequence[str]
) -> dict[str, Any]:
    families = sorted({str(line["family"]) for line in material.puzzles.values()})
    puzzles: list[list[Any]] = []
    columns: dict[str, list[Any]] = {name: [] for name in "pmroa"}
    for chunk, group in enumerate(groups):
        for place, puzzle in enumerate(group):
            line = material.puzzles[puzzle]
            for row in rows[puzzle]:
                codes = "".join(_CODES[row.trials[mode]["verdict"]["outcome"]] if mode in row.trials else _NONE for mode in modes)
                cell = _cell(row.trials, document["models"][row.model]["diagnosis"]["arms"])
                for name, value in zip("pmroa", (len(puzzles), row.model, row.replicate, codes, cell), strict=True):
                    columns[name].append(value)
            puzzles.append([puzzle, families.index(str(line["family"])), line.get("level"), line.get("answer"), chunk, place])
    labels = [words.label(model) for model in document["models"]]
    listed = document["format"] == Format.MCQ.value
    return {"modes": list(modes), "families": families, "models": labels, "puzzles": puzzles, "rows": columns, "listed": listed}


# -- captions ----------------------------------------------------------------------------------------------------------------------------
Compared = Mapping[str, CaptionFacts]


def _caption_lines(material: Material, row: _Row) -> dict[str, Line]:
    """The captions that the trials of a row were shown, by key."""
    keys = dict.fromkeys(line.get("caption_key") for line in row.trials.values())
    return {key: material.captions[key] for key in keys if key in material.captions}


def _compare(material: Material, rows: Mapping[str, Sequence[_Row]], sources: Sources) -> dict[str, CaptionFacts]:
    """Caption key -> comparison, where one can be made."""
    found: dict[str, CaptionFacts] = {}
    for puzzle, cells in rows.items():
        for row in cells:
            for key, line in _caption_lines(material, row).items():
                if key not in found and line.get("text"):
                    facts = sources.facts(material.puzzles[puzzle], line["text"])
                    if facts is not None:
                        found[key] = facts
    return found


def _fidelity(material: Material, rows: Mapping[str, Sequence[_Row]], compared: Compared) -> dict[int, dict[str, FidelitySum]]:
    sums: dict[int, dict[str, FidelitySum]] = defaultdict(dict)
    for puzzle, cells in rows.items():
        family = str(material.puzzles[puzzle]["family"])
        for model, key in dict.fromkeys((row.model, key) for row in cells for key in _caption_lines(material, row)):
            if key in compared:
                sums[model].setdefault(family, FidelitySum()).add(compared[key])
    return dict(sums)


# -- chunks ------------------------------------------------------------------------------------------------------------------------------
def _groups(material: Material, rows: Mapping[str, Sequence[_Row]]) -> Iterator[list[str]]:
    """Puzzles in chunks of bounded number and text."""
    group: list[str] = []
    chars = 0
    for puzzle in material.puzzles:
        size = sum(_chars(line) for row in rows[puzzle] for line in row.trials.values())
        if group and (len(group) >= CHUNK_PUZZLES or chars + size > CHUNK_CHARS):
            yield group
            group, chars = [], 0
        group.append(puzzle)
        chars += size
    if group:
        yield group


def _chars(line: Line) -> int:
    reply: Line = line.get("reply") or {}
    return len(str(reply.get("text", ""))) + 200


def _fitting_chunks(
    material: Material, groups: Sequence[Sequence[str]], rows: Mapping[str, Sequence[_Row]], modes: Sequence[str], compared: Compared
) -> tuple[list[str], int | None]:
    """The packed chunks with the longest texts that fit, and the bound in characters (None for none)."""
    longest = max((_chars(line) for lines in material.trials.values() for line in lines), default=0)
    limits = [limit for limit in _TEXT_LIMITS if limit is None or limit < longest]
    for limit in limits:
        packer = _Packer(material, modes, compared, limit)
        chunks = [_pack([packer.puzzle(puzzle, rows[puzzle]) for puzzle in group]) for group in groups]
        if sum(map(len, chunks)) <= MAX_CHUNK_BYTES or limit == limits[-1]:
            return chunks, limit if packer.cuts else None
    raise AssertionError("the last limit is always taken")


def _pack(data: Any) -> str:
    text = json.dumps(data, separators=(",", ":"))  # ASCII: half a surrogate pair, which a model may write, survives
    return base64.b64encode(zlib.compress(text.encode(), 6)).decode()


class _Packer:
    """Turns puzzles into the plain data that the page reads; counts the texts that it cuts."""

    def __init__(self, material: Material, modes: Sequence[str], compared: Compared, limit: int | None) -> None:
        self._material, self._modes, self._compared, self._limit = material, modes, compared, limit
        self.cuts = 0

    def puzzle(self, puzzle: str, rows: Sequence[_Row]) -> dict[str, Any]:
        """Keys: q question, o options, d description, s source of the image, rows."""
        line = self._material.puzzles[puzzle]
        options = list(line.get("options") or ())
        image: Line = line.get("image") or {}
        head = {"q": self._cut(line.get("question")), "o": options, "d": self._cut(line.get("description")), "s": image.get("source", "")}
        return {**head, "rows": [self._row(row, options) for row in rows]}

    def _row(self, row: _Row, options: Sequence[str]) -> dict[str, Any]:
        captions = _caption_lines(self._material, row)
        places = {key: place for place, key in enumerate(captions)}
        trials = {self._modes.index(mode): self._trial(line, options, places) for mode, line in row.trials.items()}
        return {"c": [self._caption(line) for line in captions.values()], "t": trials}

    def _trial(self, line: Line, options: Sequence[str], places: Mapping[str, int]) -> dict[str, Any]:
        """Keys: x text, a answer, h how it was read, s stop, n tokens in and out, l seconds, e error, p options if reordered, k caption."""
        reply: Line = line.get("reply") or {}
        verdict: Line = line["verdict"]
        usage: Line = reply.get("usage") or {}
        shown = list(line.get("options") or ())
        trial: dict[str, Any] = {
            "x": self._cut(reply.get("text")),
            "a": verdict.get("answer"),
            "h": verdict.get("how"),
            "s": reply.get("stop"),
            "n": [usage.get("input", 0), usage.get("output", 0)] if reply else None,
            "l": reply.get("latency_s"),
            "e": _error(line),
            "p": shown if shown != list(options) else None,
            "k": places.get(line.get("caption_key") or ""),
        }
        return {name: value for name, value in trial.items() if value is not None}

    def _caption(self, line: Line) -> dict[str, Any]:
        """Keys: by, x text, e error, f facts as [right, wrong, lost, recovered]."""
        facts = self._compared.get(line["key"])
        by = f"{line.get('model') or line.get('captioner') or '?'}, prompt {line.get('prompt') or '?'}"
        caption: dict[str, Any] = {"by": by, "x": self._cut(line.get("text")), "e": _error(line)}
        if facts is not None:
            caption["f"] = [facts.right, facts.wrong, facts.lost, facts.recovered]
        return {name: value for name, value in caption.items() if value is not None}

    def _cut(self, text: str | None) -> str | None:
        if text is None or self._limit is None or len(text) <= self._limit:
            return text
        self.cuts += 1
        return f"{text[: self._limit]}\n[cut here: {len(text) - self._limit:,} more characters]"


def _error(line: Line) -> str | None:
    error: Line | None = line.get("error")
    return f"{error.get('kind', 'error')}: {error.get('message', '')}" if error else None
