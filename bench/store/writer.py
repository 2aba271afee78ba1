"""A run directory: `run.json`, `trials.jsonl`, `captions.jsonl` and `puzzles.jsonl`, safe against every kind of ending.

Each record is one line, written whole and flushed before it counts as finished, so a killed process loses at most the line it was writing;
that torn line is cut off when the directory is opened again. A write that fails half-way (a full disk) is taken back at once. One process
at a time may write: the lock is the kernel's, so it ends with the process. A trial asked again after an error is a later line; the last
line of a key is the one that counts.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from bench.errors import SightgapError, UserError
from bench.files import write_atomically
from bench.store.reader import CAPTIONS, PUZZLES, RUN, TRIALS, LineFile, is_json, parse_line, read_file, sha256
from bench.store.record import Record, encode_line
from bench.store.run import Run, open_run, own_hash
from bench.store.schema import CaptionEnd, CaptionLine, check_line, glance


class Log:
    """An append-only JSON-lines file, repaired when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.fdopen(_open_file(path, os.O_APPEND), "ab", buffering=0)
        self._repair()
        self._end = self._file.seek(0, os.SEEK_END)

    def append(self, line: bytes) -> tuple[int, int]:
        """Write one `line` with its line break, straight to the operating system; returns the place of its first byte and its size.

        Raises:
            UserError: the line could not be written whole (a full disk); the part that was is taken back.
        """
        whole, start = line, self._end
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            self._file.truncate(start)
            raise UserError(
                f"{self.path} cannot be written ({error.strerror}): all that was stored is kept; make room and run the same command again"
            ) from error
        self._end += len(whole)
        return start, len(whole)

    def read(self, start: int, size: int) -> bytes:
        """`size` bytes from `start` on.

        Raises:
            UserError: they cannot be read.
        """
        try:
            return os.pread(self._file.fileno(), size, start)
        except OSError as error:
            raise UserError(f"{self.path} cannot be read ({error.strerror})") from error

    def close(self) -> None:
        """Flush to the disk and close."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def _repair(self) -> None:
        """Cut off a torn last line, or complete it with its line break where only that is missing."""
        size = self._file.seek(0, os.SEEK_END)
        if size == 0:
            return
        with self.path.open("rb") as reader:
            tail_start, tail = _last_line(reader, size)
        if tail.endswith(b"\n"):
            return
        if is_json(tail):
            self._file.write(b"\n")
        else:
            self._file.truncate(tail_start)
            self._file.seek(0, os.SEEK_END)


def _open_file(path: Path, flags: int = 0) -> int:
    """A file of a run directory opened for writing, made where there is none; no link is followed, and no pipe or device is opened.

    Raises:
        UserError: it is something else, or it cannot be written.
    """
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | flags, 0o666)
    except OSError as error:
        why = "it is a symbolic link, and those are not followed in a run directory" if path.is_symlink() else error.strerror
        raise UserError(f"{path} cannot be written ({why})") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise UserError(f"{path} cannot be written (it is no file)")
    return number


def _last_line(reader: IO[bytes], size: int) -> tuple[int, bytes]:
    """Start and bytes of the last line of a file of `size` bytes, its line break included; reads backwards in blocks."""
    block, start = 1 << 16, size
    data = b""
    while start > 0:
        step = min(block, start)
        start -= step
        reader.seek(start)
        data = reader.read(step) + data
        cut = data.rfind(b"\n", 0, len(data) - 1)
        if cut >= 0:
            return start + cut + 1, data[cut + 1 :]
    return 0, data


def run_lock(folder: Path) -> IO[str]:
    """Take the lock of a run directory; closing the file, or the end of the process, gives it back.

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    lock = os.fdopen(_open_file(folder / ".lock"), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise UserError(f"{folder} is being written by another process: wait for it, or choose another --out") from None
    return lock


def _sealed(about: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What `run.json` says, with the hashes by which a reader finds out whether a file was changed since."""
    content = json.loads(json.dumps(about))
    content["files"] = {name: sha256(read_file(folder / name)) for name in (TRIALS, CAPTIONS, PUZZLES) if (folder / name).is_file()}
    content["files"][RUN] = own_hash(content)
    return content


def replace_records(run: Run, records: Iterable[Record]) -> None:
    """Put `records` in the place of those of `run`, in one step.

    Raises:
        UserError: they cannot be written; the old ones are kept.
    """
    write_atomically(run.folder / TRIALS, b"".join(record.to_line() for record in records))
    if run.info.files and not run.changed:
        write_atomically(run.folder / RUN, json.dumps(_sealed(run.about, run.folder), indent=1, ensure_ascii=False) + "\n")


class StoredCaptions:
    """Captions by key, the last of each; those that failed are left out, since they are asked for again.

    A run of a million trials has hundreds of thousands of captions, each with its reply: what is held is where each stands in the file.
    """

    def __init__(self, file: Log) -> None:
        """Look through `file`.

        Raises:
            UserError: a line that is no caption of this version; the message names file and line.
        """
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}
        for number, (start, line) in enumerate(LineFile.read(file.path).raw_lines(), start=1):
            end = glance(CaptionEnd, line)
            if end is None:
                end = _checked(line, f"{file.path} line {number}")
            self._place(end, start, len(line))

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def get(self, key: str) -> Mapping[str, Any] | None:
        """The line of a caption; None where there is none.

        Raises:
            UserError: it is no caption of this version, or cannot be read.
        """
        place = self._places.get(key)
        return None if place is None else _checked(self._file.read(*place), f"{self._file.path}, caption {key}")

    def add(self, line: Mapping[str, Any]) -> None:
        """Append a caption (raises `UserError` on a full disk)."""
        self._place(line, *self._file.append(encode_line(line)))

    def _place(self, line: Mapping[str, Any], start: int, size: int) -> None:
        if line.get("error"):
            self._places.pop(line["key"], None)
        else:
            self._places[line["key"]] = (start, size)


def _checked(line: bytes, where: str) -> Mapping[str, Any]:
    data = parse_line(line, where)
    check_line(CaptionLine, data, where)
    return data


def check_begun(folder: Path) -> None:
    """Refuse to resume where nothing was begun.

    Raises:
        UserError: there is no run in `folder`.
    """
    if not (folder / RUN).is_file():
        raise UserError(f"--resume: there is no run at {folder}")


class Store:
    """A run directory opened for writing.

    Attributes:
        finished: keys of trials that need not be asked again (`Record.final`).
        captions: those that need not be asked for again.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any], identity: Mapping[str, Any], *, must_exist: bool = False) -> None:
        """Create `folder` or continue it.

        `run` is what `run.json` is to hold; `identity` is the part of the configuration that must agree with an earlier run there.

        Raises:
            UserError: it `must_exist` and does not, another process writes there, the folder belongs to another configuration (the keys
                that differ are named), or it cannot be written.
        """
        self.folder = folder
        if must_exist:
            check_begun(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder} cannot be used as run directory ({error.strerror})") from error
        self._lock = run_lock(folder)
        try:
            self._run = self._continue({name: value for name, value in run.items() if name not in ("files", "edited")}, identity)
            self.save_run()
            self._trials, self._captions = Log(folder / TRIALS), Log(folder / CAPTIONS)
            self.finished = open_run(folder).finished()
            self.captions = StoredCaptions(self._captions)
        except SightgapError:
            self._lock.close()
            raise

    def _continue(self, run: Mapping[str, Any], identity: Mapping[str, Any]) -> dict[str, Any]:
        path = self.folder / RUN
        if not path.exists():
            if any(entry.name != ".lock" for entry in self.folder.iterdir()):
                raise UserError(f"{self.folder} exists and is not a run directory: choose another --out")
            return dict(run)
        run_there = open_run(self.folder)
        old, edited = run_there.info, run_there.changed
        before = old.identity
        differing = sorted(key for key in {*before, *identity} if before.get(key) != identity.get(key))
        if differing:
            pairs = ", ".join(f"{key} ({before.get(key)!r} there, {identity.get(key)!r} now)" for key in differing)
            raise UserError(f"{self.folder} holds a run of another configuration: {pairs}. Choose another --out")
        return {**run, "started": old.started, "totals": old.totals, **({"edited": list(edited)} if edited else {})}

    @property
    def totals(self) -> Mapping[str, Any]:
        """The totals that earlier sessions left, empty at the first."""
        found: Any = self._run.get("totals")
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    def add(self, record: Record) -> None:
        """Append a finished trial (raises `UserError` on a full disk)."""
        self._trials.append(record.to_line())
        if record.final:
            self.finished.add(record.key)

    def add_caption(self, line: Mapping[str, Any]) -> None:
        """Append a caption; a failed one is kept for the record and will be asked for again."""
        self.captions.add(line)

    def save_puzzles(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write `puzzles.jsonl`, what was asked about, once: reports and `regrade` need neither the suite nor its images."""
        path = self.folder / PUZZLES
        if not path.exists():
            write_atomically(path, b"".join(map(encode_line, rows)))

    def save_run(self, **more: Any) -> None:
        """Write `run.json`, with `more` entries added or replaced."""
        self._run.update(more)
        write_atomically(self.folder / RUN, json.dumps(self._run, indent=1, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Flush everything to the disk, note the hashes of the files, and release the lock."""
        self._trials.close()
        self._captions.close()
        with suppress(UserError):  # of a full disk was told already; without hashes a reader cannot tell whether a file was changed
            self.save_run(files=_sealed(self._run, self.folder)["files"])
        self._lock.close()
