"""The caption audit: what captions keep of the picture, and which give the answer away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.gap.sections import AuditDoc, FidelityDoc, ShareDoc, SlotDoc
from bench.report import words
from bench.report.tables import Section, Table

_HEADER = ("family", "captions", "recall", "precision", "F1", "above one text for all", "whole", "leaks", "most often lost or wrong")
_LEAKS = ("model", "captioner", "trials with a leak", "caption-image", "without those puzzles")


def section(doc: AuditDoc) -> Section:
    """The audit as tables: one for each captioner, and the gaps without leaking captions."""
    return Section(
        "What the captions keep",
        "Captions against the visible facts of each picture: recall is the share of facts stated rightly, precision the share of "
        "statements that are right, above one text for all the F1 above that of the best description that looks at no picture, "
        "(F1 - floor) / (1 - floor), whole the share of captions from which the reader recovers the whole picture. Leaks are captions "
        "that give the answer away.",
        tuple(_tables(doc)),
        tuple(_remarks(doc)),
    )


def _tables(doc: AuditDoc) -> Iterator[Table]:
    for captioner, families in doc["captioners"].items():
        yield Table(_HEADER, [[name, *_row(one)] for name, one in families.items()], f"Captions by {captioner}")
    if any(row["flagged"] for row in doc["gaps"]):
        rows = [
            [
                row["model"],
                row["captioner"],
                f"{row['flagged']} of {row['trials']}",
                f"{words.points(row['gap'])} {words.interval(row['ci'], signed=True)}",
                f"{words.points(row['gap_without'])} {words.interval(row['ci_without'], signed=True)}",
            ]
            for row in doc["gaps"]
        ]
        yield Table(_LEAKS, rows, "Captions that give the answer away", "The gap with and without the puzzles that such captions serve.")


def _remarks(doc: AuditDoc) -> Iterator[str]:
    if not any(row["flagged"] for row in doc["gaps"]):
        yield "No caption gives the answer away."
    else:
        yield from (f"{one['how']}: puzzle {one['puzzle']}, caption {one['caption_key'][:12]}" for one in doc["leaks"])
    if doc["insufficient"]:
        families = ", ".join(f"{name} ({count})" for name, count in doc["insufficient"].items())
        yield f"Descriptions that do not suffice to answer, from which no gap is claimed: {families}."
    else:
        yield "Every ground-truth description was proved sufficient: the exact solver finds the answer from it."
    if "note" in doc:
        yield doc["note"]


def _row(doc: FidelityDoc) -> list[str]:
    shown = str(doc["captions"]) if doc["compared"] == doc["captions"] else f"{doc['captions']} ({doc['compared']} compared)"
    shares = [_share(doc["recall"]), _share(doc["precision"]), _share(doc["f1"]), _share(doc["above_floor"]), _share(doc["recovered"])]
    return [shown, *shares, str(doc["leaks"]), _slots(doc["slots"])]


def _share(doc: ShareDoc | None) -> str:
    return "-" if doc is None else f"{words.percent(doc['estimate'])} {words.interval(doc['ci'])}"


def _slots(slots: Iterable[SlotDoc]) -> str:
    parts = [f"{slot['slot']} ({words.percent(slot['lost'])}% lost, {words.percent(slot['wrong'])}% wrong)" for slot in slots]
    return "; ".join(parts) or "-"
