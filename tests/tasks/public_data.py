"""Small public sets made on the spot, in the authors' layout."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tasks.public.load import Loaded, load_public


def rows(root: Path, family: str, folder: str = "AlgoPuzzleVQA") -> list[dict[str, Any]]:
    """The rows of `family` in the authors' clone at `root`."""
    lines = (root / folder / "data" / f"{family}.json").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def clock_row(index: int = 0, **changes: Any) -> dict[str, Any]:
    """A right row of `clock`: 2:43 and 1 h 40 min make 4:23; the image of number `index`."""
    row: dict[str, Any] = {
        "image": f"images/clock/clock_{index:04d}.jpg",
        "question": f"Daniel's event number {index} is going to start in 1 hour 40 minutes. What will be the time when the event starts?",
        "options": ["1:14", "8:09", "4:23", "2:07"],
        "answer": "4:23",
        "solution": {"current_hour": 2, "current_minute": 43, "add_hour": 1, "add_minute": 40},
    }
    return {**row, **changes}


def triangle_row(index: int = 0, **changes: Any) -> dict[str, Any]:
    """A right row of `triangle`, with integers among the strings."""
    row: dict[str, Any] = {
        "image": f"images/triangle/triangle_{index:04d}.png",
        "question": "What is the missing number of the part denoted with a question mark?",
        "options": ["62", 46, "39", 20],
        "answer": 20,
        "caption": "There are three groups of numbers with a triangle arrangement in the image. "
        "The first group is [4, 5, '?'], the second group is [3, 1, 3], and the third group is [9, 7, 63].",
    }
    return {**row, **changes}


def picture(color: int = 0, *, kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (16, 12)) -> bytes:
    """An encoded image of one colour."""
    out = io.BytesIO()
    Image.new(mode, size, (color % 256,) * len(mode) if len(mode) > 1 else color % 256).save(out, kind)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of under 100 bytes whose header claims `width` x `height` pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def write_set(root: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]], folder: str = "AlgoPuzzleVQA") -> Path:
    """Write `rows` by family under `root`/`folder`/data, with an image for each where there is none yet. Returns the data folder."""
    data = root / folder / "data"
    for family, items in rows.items():
        lines = [json.dumps(item) for item in items]
        (data / "images" / family).mkdir(parents=True, exist_ok=True)
        (data / f"{family}.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for index, item in enumerate(items):
            path = data / str(item.get("image"))
            if path.parent.is_dir() and not path.exists():
                path.write_bytes(picture(index, kind="PNG" if path.suffix == ".png" else "JPEG"))
    return data


def load(root: Path, name: str = "algopuzzlevqa", **options: Any) -> Loaded:
    """`load_public` from `root`."""
    return load_public(name, data_dir=root, **options)


def messages(loaded: Loaded) -> list[str]:
    """The problems, each as `where: message`."""
    return [str(problem) for problem in loaded.problems]
