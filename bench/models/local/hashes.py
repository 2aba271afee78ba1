"""Hashes of large files, read once: remembered by path, size and time of change in a small file beside the reply cache.

A file that was written to within the last seconds is read again next time: two writes within the clock's resolution look like one.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from bench import env
from bench.files import file_sha256, write_atomically

NAME = "checkpoints.json"
SETTLED_S = 2.0
SMALL = 1 << 20
"""Bytes up to which a file is read every time."""


class Hashes:
    """`with Hashes() as hashes: hashes.of(path)`; what is new is kept when the context ends, if it can be."""

    def __init__(self) -> None:
        self._file = env.cache_dir() / NAME
        self._known: dict[str, Any] = {}
        self._new = False

    def __enter__(self) -> Self:
        try:
            found: Any = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        self._known = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._new:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps(self._known))
        except OSError:  # a cache that cannot be written costs time and nothing else
            return

    def of(self, path: Path) -> str:
        """SHA-256 of all bytes of the file at `path`, in hexadecimal digits."""
        state = path.stat()
        key, stamp = str(path.resolve()), [state.st_size, state.st_mtime_ns, state.st_ino]
        entry: Any = self._known.get(key)
        if isinstance(entry, list) and entry[:3] == stamp:
            return str(cast("list[Any]", entry)[3])
        made = file_sha256(path)
        if state.st_size > SMALL and time.time() - state.st_mtime > SETTLED_S:
            self._known[key] = [*stamp, made]
            self._new = True
        return made
