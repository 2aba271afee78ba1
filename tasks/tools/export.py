"""Exporting a suite as a Hugging Face data set: Parquet with an image feature, which `--suite FOLDER` loads back equal."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from bench.errors import UserError
from bench.extras import optional
from bench.image import ImageRef
from tasks.custom.exported import COLUMNS, DRAWN, FURTHER, SOURCE
from tasks.suites import Suite

_SPLIT = re.compile(r"\w+(\.\w+)*", re.ASCII)
"""What may be the name of a split, and so a part of a file's name."""
_NOT_TEXT = ("options", "level", "seed", "sufficient")


def export_suite(suite: Suite, folder: Path) -> Path:
    """Write `suite` to `folder` as `data/<split>-00000-of-00001.parquet` with a README that names its hash; returns the Parquet file.

    `datasets.load_dataset(str(folder))` reads it back; `state` is JSON text, `image` the encoded bytes as they were.

    Raises:
        UserError: the folder holds something, or cannot be written.
        MissingExtraError: `datasets` is not installed.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} exists and is not empty: name another --out")
    split = suite.puzzles[0].split
    split = split if _SPLIT.fullmatch(split) else "eval"  # each row says its own
    path = folder / "data" / f"{split}-00000-of-00001.parquet"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            _dataset(suite, scratch).to_parquet(path)
        (folder / "README.md").write_text(_card(suite, split), encoding="utf-8")
    except (OSError, optional("datasets", "data").exceptions.DatasetsError) as error:
        cause = error.__cause__ or error  # datasets wraps whatever its generator and its writer meet
        raise UserError(f"{folder} cannot be written ({getattr(cause, 'strerror', None) or cause})") from error
    return path


def _dataset(suite: Suite, scratch: str) -> Any:
    """The rows of `suite`, made in `scratch`: `datasets` would find what an earlier version drew in the folder where it keeps such sets."""
    datasets = optional("datasets", "data")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            **{name: datasets.Value("string") for name in COLUMNS if name not in _NOT_TEXT},
            "options": datasets.List(datasets.Value("string")),
            "level": datasets.Value("int64"),
            "seed": datasets.Value("int64"),
            "sufficient": datasets.Value("bool"),
            SOURCE: datasets.Value("string"),
            DRAWN: datasets.Value("bool"),
            **({FURTHER: datasets.List(datasets.Image())} if _several(suite) else {}),
        }
    )
    return datasets.Dataset.from_generator(_rows, features=features, gen_kwargs={"suite": suite}, keep_in_memory=True, cache_dir=scratch)


def _rows(suite: Suite) -> Iterator[dict[str, Any]]:
    several = _several(suite)
    for puzzle in suite.puzzles:
        row = {name: getattr(puzzle, name) for name in COLUMNS}
        row["options"] = list(puzzle.options)
        row["state"] = None if puzzle.state is None else json.dumps(puzzle.state, sort_keys=True)
        row |= {SOURCE: puzzle.image.source, DRAWN: puzzle.image.drawn}
        if several:
            row[FURTHER] = [_stored(image) for image in puzzle.further]
        yield {**row, "image": {"bytes": puzzle.image.data(), "path": None}}


def _stored(image: ImageRef) -> dict[str, Any]:
    return {"bytes": image.data(), "path": PurePosixPath(image.source).name}


def _several(suite: Suite) -> bool:
    return any(puzzle.further for puzzle in suite.puzzles)


def _card(suite: Suite, split: str) -> str:
    return f"""---
configs:
- config_name: default
  data_files:
  - split: {split}
    path: data/{split}-*.parquet
---
# {" ".join(suite.name.split())}

{len(suite.puzzles)} puzzles exported by sightgap; content hash `{suite.sha256}`.
"""
