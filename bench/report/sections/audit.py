"""The caption audit as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from bench.gap.sections import AuditDoc, FidelityDoc, ShareDoc, SlotDoc
from bench.report import words
from bench.report.markdown import table, text


def markdown(section: AuditDoc) -> list[str]:
    """The section as lines of Markdown."""
    lines = [
        "## What the captions keep",
        "",
        "Captions against the visible facts of each picture: recall is the share of facts stated rightly, precision the share of "
        "statements that are right, *whole* the share of captions from which the reader recovers the whole picture. *Leaks* are captions "
        "that give the answer away.",
        "",
    ]
    for captioner, families in section["captioners"].items():
        lines += [f"### Captions by {text(captioner)}", ""]
        header = ["family", "captions", "recall", "precision", "F1", "whole", "leaks", "most often lost or wrong"]
        lines += table(header, ([text(name), *_row(doc)] for name, doc in families.items()))
    return [*lines, *_gaps(section), *_insufficient(section)]


def _row(doc: FidelityDoc) -> list[str]:
    shown = str(doc["captions"]) if doc["compared"] == doc["captions"] else f"{doc['captions']} ({doc['compared']} compared)"
    shares = [_share(doc["recall"]), _share(doc["precision"]), _share(doc["f1"]), _share(doc["recovered"])]
    return [shown, *shares, str(doc["leaks"]), _slots(doc["slots"])]


def _share(doc: ShareDoc | None) -> str:
    return "-" if doc is None else f"{words.percent(doc['estimate'])} {words.interval(doc['ci'])}"


def _slots(slots: Iterable[SlotDoc]) -> str:
    parts = [f"{slot['slot']} ({words.percent(slot['lost'])}% lost, {words.percent(slot['wrong'])}% wrong)" for slot in slots]
    return text("; ".join(parts)) or "-"


def _gaps(section: AuditDoc) -> list[str]:
    if not any(row["flagged"] for row in section["gaps"]):
        return ["No caption gives the answer away.", ""]
    rows = [
        [
            text(row["model"]),
            text(row["captioner"]),
            f"{row['flagged']} of {row['trials']}",
            f"{words.points(row['gap'])} {words.interval(row['ci'], signed=True)}",
            f"{words.points(row['gap_without'])} {words.interval(row['ci_without'], signed=True)}",
        ]
        for row in section["gaps"]
    ]
    header = ["model", "captioner", "trials with a leak", "caption-image", "without those puzzles"]
    listed = [f"- {one['how']}: puzzle {text(one['puzzle'])}, caption {one['caption_key'][:12]}" for one in section["leaks"]]
    return [
        "Captions that give the answer away, and the gap with and without the puzzles they serve:",
        "",
        *table(header, rows),
        *listed,
        "",
    ]


def _insufficient(section: AuditDoc) -> list[str]:
    if not section["insufficient"]:
        return ["Every ground-truth description was proved sufficient: the exact solver finds the answer from it.", ""]
    families = ", ".join(f"{name} ({count})" for name, count in section["insufficient"].items())
    return [f"Descriptions that do not suffice to answer, from which no gap is claimed: {text(families)}.", ""]
