"""`batches.jsonl`: which requests a run has handed to a provider's batch service, and in which batch they are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from bench.errors import UserError
from bench.store.reader import BATCHES, read_file


class BatchLedger:
    """The batches that a run has handed in: which request is in which batch. The last word on a request counts."""

    def __init__(self, folder: Path, provider: str, model_id: str) -> None:
        """Read what is there.

        Raises:
            UserError: the file cannot be read.
        """
        self._path = folder / BATCHES
        self._who = {"provider": provider, "model": model_id}
        self.batch_of: dict[str, str] = {}
        try:
            text = bytes(read_file(self._path)).decode()
        except FileNotFoundError:
            text = ""
        except ValueError as error:
            raise UserError(f"{self._path}: expected a list of batches, found {error}") from None
        self._torn = text != "" and not text.endswith("\n")
        for entry in _entries(text.splitlines()):
            if {name: entry.get(name) for name in self._who} == self._who:
                self.batch_of |= dict.fromkeys(entry["keys"], entry["batch"] or "")
        self.batch_of = {key: batch for key, batch in self.batch_of.items() if batch}

    def add(self, batch: str, keys: Sequence[str]) -> None:
        """Keep that `keys` are in `batch`.

        Raises:
            UserError: it cannot be written.
        """
        self.batch_of |= dict.fromkeys(keys, batch)
        try:
            self._note(batch, keys)
        except OSError as error:
            raise UserError(f"{self._path}: batch {batch} was handed in but cannot be noted ({error})") from error

    def release(self, keys: Sequence[str]) -> None:
        """`keys` are in no batch any more, also for whoever reads the ledger later.

        Raises:
            UserError: it cannot be written.
        """
        self.batch_of = {key: batch for key, batch in self.batch_of.items() if key not in keys}
        try:
            self._note(None, keys)
        except OSError as error:
            raise UserError(f"{self._path} cannot be written ({error})") from error

    def _note(self, batch: str | None, keys: Sequence[str]) -> None:
        number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(number, "a", encoding="utf-8") as file:
            file.write("\n" * self._torn + json.dumps({"v": 1, **self._who, "batch": batch, "keys": list(keys)}) + "\n")
        self._torn = False

    def forget(self, batch: str) -> None:
        """`batch` has said all that it will."""
        self.batch_of = {key: other for key, other in self.batch_of.items() if other != batch}


def _entries(lines: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The entries of a ledger; a line that is none (one that was torn by a kill, say) is passed over: what it names is handed in again."""
    for line in lines:
        try:
            found: Any = json.loads(line)
        except (ValueError, RecursionError):
            continue
        entry = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        keys, batch = entry.get("keys"), entry.get("batch")
        if isinstance(keys, list) and all(isinstance(key, str) for key in cast("list[Any]", keys)) and isinstance(batch, str | None):
            yield entry
