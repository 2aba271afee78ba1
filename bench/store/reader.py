"""The files of a run directory as bytes and lines. `bench.store.run` makes a run of them; nothing else opens them for reading.

A run directory may come from anywhere, so nothing in it is taken on trust: a symbolic link is not followed, a pipe or a folder is not
opened, and what is no JSON object is refused with the number of its line.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic_core import from_json

from bench.errors import UserError

RUN, TRIALS, CAPTIONS, PUZZLES, BATCHES = "run.json", "trials.jsonl", "captions.jsonl", "puzzles.jsonl", "batches.jsonl"

MAPPED_BYTES = 64_000_000
"""Files above this size are mapped and not read: a run of a million records need not fit into memory."""

Content = mmap.mmap | bytes

_STRETCH = 4_000_000
"""Bytes of a mapped file that one pass keeps in memory behind it."""


def read_file(path: Path) -> Content:
    """The bytes of `path`.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: a symbolic link, no regular file, or one that cannot be read.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = "it is a symbolic link, and those are not followed in a run directory" if path.is_symlink() else error.strerror
        raise UserError(f"{path} cannot be read ({why})") from error
    about = os.fstat(number)
    if not stat.S_ISREG(about.st_mode):
        os.close(number)
        raise UserError(f"{path} cannot be read (it is no file)")
    with os.fdopen(number, "rb", buffering=0) as file:
        try:
            return mmap.mmap(number, 0, access=mmap.ACCESS_READ) if about.st_size > MAPPED_BYTES else file.readall()
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error})") from error


def sha256(content: Content) -> str:
    """SHA-256 of `content`, of which no more than a stretch need be in memory."""
    made = hashlib.sha256()
    for start in range(0, len(content), _STRETCH):
        made.update(content[start : start + _STRETCH])
        _let_go(content, start, start + _STRETCH)
    return made.hexdigest()


def _let_go(content: Content, start: int, end: int) -> None:
    """Give the memory of a mapped stretch that was passed over back to the system, which has the file; a later pass reads it again."""
    if isinstance(content, mmap.mmap):
        first, last = start - start % mmap.PAGESIZE, min(end, len(content))
        content.madvise(mmap.MADV_DONTNEED, first, (last - first) // mmap.PAGESIZE * mmap.PAGESIZE)


@dataclass(frozen=True)
class LineFile:
    """A file of JSON lines.

    Attributes:
        path: where it lies, for messages.
        content: its bytes.
        size: bytes of its whole lines: all, but for a torn last line.
    """

    path: Path
    content: Content
    size: int

    @classmethod
    def read(cls, path: Path) -> LineFile:
        """The file at `path` (raises as `read_file`)."""
        content = read_file(path)
        cut = content.rfind(b"\n") + 1
        return cls(path, content, len(content) if cut == len(content) or is_json(content[cut:]) else cut)

    @classmethod
    def read_if_there(cls, path: Path) -> LineFile:
        """The same, empty where there is no such file."""
        try:
            return cls.read(path)
        except FileNotFoundError:
            return cls(path, b"", 0)

    @property
    def torn(self) -> bool:
        """Whether the last line is being written, or was when its writer was killed; it is left out."""
        return self.size < len(self.content)

    def blocks(self, size: int) -> Iterator[bytes]:
        """The whole lines in blocks of about `size` bytes; each ends with a line break, which the last may lack."""
        start = 0
        while start < self.size:
            end = self.content.rfind(b"\n", start, start + size) + 1 or self._end(start)
            end = self.size if end > self.size else end
            block = self.content[start:end]
            _let_go(self.content, start, end)
            yield block
            start = end

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number, data) of every whole line.

        Raises:
            UserError: a line that is no JSON object; the message names file and line.
        """
        for number, (_, line) in enumerate(self.raw_lines(), start=1):
            yield number, parse_line(line, f"{self.path} line {number}")

    def raw_lines(self) -> Iterator[tuple[int, bytes]]:
        """(place of its first byte, bytes) of every whole line, whatever is in it; its line break included, which the last may lack."""
        start = passed = 0
        while start < self.size:
            end = self._end(start)
            yield start, self.content[start:end]
            start = end
            if start - passed > _STRETCH:
                _let_go(self.content, passed, start)
                passed = start

    def _end(self, start: int) -> int:
        return self.content.find(b"\n", start) + 1 or self.size


def parse_line(line: bytes, where: str) -> dict[str, Any]:
    """The JSON object in `line`.

    Raises:
        UserError: it is none; the message begins with `where`.
    """
    try:  # three times as fast, and equal names and short texts are one object in all lines
        data = from_json(line, allow_inf_nan=False)
    except ValueError:  # it is damaged, or spells half a surrogate pair or more depth than that reader takes
        try:
            data = _DECODER.decode(line.decode())
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}: not a JSON line ({error})") from error
    if not isinstance(data, dict):
        raise UserError(f"{where}: expected a JSON object, found {type(data).__name__}")
    return cast("dict[str, Any]", data)


def is_json(line: bytes) -> bool:
    """Whether `line` is JSON, of a depth that can be read."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)
