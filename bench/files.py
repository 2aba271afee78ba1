"""Files that are whole or absent, whatever interrupts their writing."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from bench.errors import UserError


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of `path` (raises `OSError`)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def writable(folder: Path) -> bool:
    """Whether files can be written into `folder`, or it can be made: a read-only disk, or a folder of somebody else's, is told before."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` (text as UTF-8) beside `path` and put it in its place in one step, so that a reader or a crash never sees half of it.

    Raises:
        UserError: the disk is full or the folder cannot be written; the old file is kept.
    """
    part = path.with_name(path.name + ".part")
    try:
        if part.is_symlink():  # of a folder from elsewhere: what it points to is not ours to write
            part.unlink()
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # a disk that became read-only keeps the part too
            part.unlink(missing_ok=True)
        raise UserError(f"{path} cannot be written ({error.strerror})") from error
