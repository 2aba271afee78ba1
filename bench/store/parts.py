"""Run directories that are parts of one: carried from machine to machine, and merged into the directory of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.files import write_atomically
from bench.store.reader import CAPTIONS, PUZZLES, RUN, TRIALS
from bench.store.run import Run
from bench.store.writer import Store

_FILES = (PUZZLES, CAPTIONS, TRIALS, RUN)
"""The last one makes a folder a run directory, so it is written last."""


def packed(folder: Path) -> dict[str, bytes]:
    """The files of the run in `folder`, by name; empty where there is none."""
    if not (folder / RUN).is_file():
        return {}
    return {name: (folder / name).read_bytes() for name in _FILES if (folder / name).is_file()}


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of a run into `folder`, in the place of those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        if name in files:
            write_atomically(folder / name, files[name])


def holds_run(folder: Path) -> bool:
    """Whether `folder` is a run directory."""
    return (folder / RUN).is_file()


def merge_part(store: Store, part: Run) -> None:
    """Add to `store` what `part` holds and `store` has not finished, so that each trial and each caption is there once."""
    for key, record in part.latest().items():
        if key not in store.finished:
            store.add(record)
    for key, line in part.captions.items():
        if key not in store.captions and not line.get("error"):
            store.add_caption(line)
