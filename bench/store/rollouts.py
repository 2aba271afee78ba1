"""The table of sample rollouts that a training run leaves: one completion a line, with what it was asked and what it earned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.files import write_atomically
from bench.store.reader import LineFile
from bench.store.record import encode_line
from bench.store.writer import Log

ROLLOUTS = "rollouts.jsonl"


class RolloutLog:
    """`rollouts.jsonl` in the folder of a training run; lines of steps after `last_step`, which are taken again, are dropped first.

    Raises:
        UserError: the file is damaged, or cannot be written.
    """

    def __init__(self, folder: Path, last_step: int = 0) -> None:
        path = folder / ROLLOUTS
        kept = [row for row in read_rollouts(folder) if row.get("step", 0) <= last_step]
        if path.exists():
            write_atomically(path, b"".join(map(encode_line, kept)))
        self._log = Log(path)

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one line (raises UserError where the disk is full)."""
        self._log.append(encode_line(row))

    def close(self) -> None:
        """Flush to the disk."""
        self._log.close()


def read_rollouts(folder: Path) -> list[dict[str, Any]]:
    """All lines of the table in `folder`, none where there is no table.

    Raises:
        UserError: a line that is no JSON object; its number is named.
    """
    return [row for _, row in LineFile.read_if_there(folder / ROLLOUTS).lines()]
