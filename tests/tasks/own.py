"""Tables of a user's own, for tests: pictures and rows in every format that is read."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tasks.suites import Suite, SuiteSpec, load_suite


def png(number: int, side: int = 12) -> bytes:
    """A picture of one colour, another for every number."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), (number * 37 % 256, number * 91 % 256, number % 256)).save(out, format="PNG")
    return out.getvalue()


def base64_png(number: int) -> str:
    return base64.b64encode(png(number, 60)).decode()


def charts(folder: Path, n: int = 4) -> list[dict[str, Any]]:
    """Pictures in `folder`/pics, and the rows of a table about them."""
    (folder / "pics").mkdir(parents=True, exist_ok=True)
    for number in range(n):
        (folder / "pics" / f"{number}.png").write_bytes(png(number))
    return [
        {
            "image": f"pics/{number}.png",
            "question": f"How many bars has chart {number}?",
            "options": ["3", "4", "5", "6"],
            "answer": str(3 + number % 4),
            "description": f"A chart with {3 + number % 4} bars.",
            "family": ("bars", "lines")[number % 2],
        }
        for number in range(n)
    ]


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_sheet(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A sheet as CSV or, by its ending, TSV; lists as JSON text."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()})
    return path


def load(where: Path | str, **more: Any) -> Suite:
    return load_suite(SuiteSpec.parse(str(where)), **more)


def asked(suite: Suite) -> list[tuple[Any, ...]]:
    """What a suite asks, without where it was found."""
    return [
        (p.question, p.options, p.answer, p.description, p.family, p.split, [i.info.identity for i in p.pictures]) for p in suite.puzzles
    ]
