"""A run directory opened for reading: once, typed, whoever needs something of it.

`open_run` reads `run.json`, and maps the other files when they are first asked for; every later pass goes over the same bytes, so a report
in several formats opens each file once and sees one state of a run that is still being written. Lines are parsed once where the file is
small enough to keep them (`KEPT_BYTES`), and again for every pass where it is not. A run of an older version or of another tool needs no
more than `v`, `suite` and the models' names in its `run.json`; what else is absent is unknown.
"""

from __future__ import annotations

import json
import mmap
import typing
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import UserError
from bench.store.reader import CAPTIONS, PUZZLES, RUN, TRIALS
from bench.store.record import Record
from bench.versions import SCHEMA

KEPT_BYTES = 32_000_000
"""Largest file whose parsed lines are kept: some 20,000 records, 200 MB as Python objects."""

Line = Mapping[str, Any]


class _Data(BaseModel):
    """Tolerant of keys that a newer version wrote, strict about the types of those that are known."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class SuiteInfo(_Data):
    """The suite that a run asked about."""

    name: str
    sha256: str | None = None
    """of its puzzles"""
    n: int | None = Field(default=None, ge=0)
    """how many puzzles"""


class ModelInfo(_Data):
    """A model of a run, as it was resolved."""

    name: str
    provider: str | None = None
    id: str | None = None
    simulated: bool = False


class RunInfo(_Data):
    """The content of `run.json`."""

    v: int = SCHEMA
    suite: SuiteInfo
    models: tuple[ModelInfo, ...]
    version: str | None = None
    """of sightgap"""
    started: str | None = None
    """ISO 8601, UTC"""
    identity: Mapping[str, Any] = Field(default_factory=dict)
    """what must agree for two sessions to be one run"""
    options: Mapping[str, Any] | None = None
    """the options it was made with; None where an older version or another tool wrote it"""
    planned: int | None = Field(default=None, ge=0)
    """trials planned"""
    finished: bool = False
    totals: Mapping[str, Any] | None = None
    servers: Mapping[str, Any] = Field(default_factory=dict)
    """by model: what its server refused and was left out, what it says of its weights"""
    packages: Mapping[str, str] = Field(default_factory=dict)
    commit: str | None = None

    @property
    def simulated(self) -> frozenset[str]:
        """Names of the simulated models."""
        return frozenset(model.name for model in self.models if model.simulated)

    @property
    def answered_by(self) -> Mapping[str, tuple[str, ...]]:
        """By the name of a model: the ids that its provider reported."""
        found: Any = (self.totals or {}).get("models_reported")
        if not isinstance(found, dict):  # an earlier version kept one list for all models
            return {}
        return {str(name): tuple(map(str, ids)) for name, ids in typing.cast("dict[str, list[Any]]", found).items()}

    @property
    def base_url(self) -> str | None:
        """The server that `--base-url` named, None for the providers' own."""
        found = self.identity.get("base_url")
        return found if isinstance(found, str) else None


class Run:
    """One run directory. Files are opened when they are first needed, and once."""

    def __init__(self, folder: Path, info: RunInfo) -> None:
        self.folder, self.info = folder, info
        self._kept: dict[str, list[Line]] = {}
        self._torn: set[str] = set()

    @property
    def trials(self) -> Path:
        """Where the records are, for messages."""
        return self.folder / TRIALS

    @cached_property
    def content(self) -> memoryview:
        """The bytes of `trials.jsonl`, as they were when they were first asked for.

        Raises:
            UserError: there is no such file, or it cannot be read.
        """
        return self._bytes(TRIALS, needed=True)

    def lines(self) -> Iterator[Line]:
        """The records in the order written, as JSON data; a torn last line, of a run that is being written, is passed over.

        Raises:
            UserError: no file, or a line that is no JSON object; the message names file and line.
        """
        return self._lines(TRIALS)

    def records(self) -> Iterator[Record]:
        """The same, typed; superseded ones included (see `latest`).

        Raises:
            UserError: as `lines`, or a line that is no record of this version.
        """
        for number, data in enumerate(self.lines(), start=1):
            try:
                yield Record.from_json(data)
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(f"{self.trials} line {number}: not a record of this version ({type(error).__name__}: {error})") from error

    def latest(self) -> dict[str, Record]:
        """The record that counts of each key: the last one."""
        return {record.key: record for record in self.records()}

    @cached_property
    def puzzles(self) -> Mapping[str, Line]:
        """What was asked about, by puzzle id; empty where the run did not store it."""
        return self._by("id", PUZZLES)

    @cached_property
    def captions(self) -> Mapping[str, Line]:
        """Captions by key, the last of each; empty where there are none."""
        return self._by("key", CAPTIONS)

    @property
    def torn(self) -> bool:
        """Whether the last record is being written; known after a pass over `lines`."""
        return TRIALS in self._torn

    def _by(self, key: str, name: str) -> Mapping[str, Line]:
        found: dict[str, Line] = {}
        for number, line in enumerate(self._lines(name), start=1):
            if not isinstance(line.get(key), str):
                raise UserError(f"{self.folder / name} line {number}: it has no {key!r}")
            found[line[key]] = line
        return found

    def _bytes(self, name: str, *, needed: bool) -> memoryview:
        path = self.folder / name
        try:
            with path.open("rb") as file:
                if not file.seek(0, 2):
                    return memoryview(b"")
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except FileNotFoundError:
            if needed:
                raise UserError(f"{self.folder} is not a run directory: it has no {name}") from None
            return memoryview(b"")
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error})") from error

    def _lines(self, name: str) -> Iterator[Line]:
        if name in self._kept:
            yield from self._kept[name]
            return
        content = self.content if name == TRIALS else self._bytes(name, needed=False)
        keep: list[Line] | None = [] if len(content) <= KEPT_BYTES else None
        for line in self._parsed(content, name):
            if keep is not None:
                keep.append(line)
            yield line
        if keep is not None:
            self._kept[name] = keep

    def _parsed(self, content: memoryview, name: str) -> Iterator[Line]:
        for number, line in enumerate(whole_lines(content), start=1):
            where = f"{self.folder / name} line {number}"
            try:
                data = json.loads(line)
            except (ValueError, RecursionError) as error:
                if not line.endswith(b"\n"):
                    self._torn.add(name)
                    return
                raise UserError(f"{where}: not a JSON line ({error})") from error
            if not isinstance(data, dict):
                raise UserError(f"{where}: expected a JSON object, found {type(data).__name__}")
            yield data


def whole_lines(content: memoryview) -> Iterator[bytes]:
    """The lines of a file, each with its line break; the last may lack it."""
    mapped = content.obj
    start, size = 0, len(content)
    while start < size:
        end = mapped.find(b"\n", start) if isinstance(mapped, mmap.mmap) else bytes(content).find(b"\n", start)
        end = size if end < 0 else end + 1
        yield bytes(content[start:end])
        start = end


def open_run(folder: str | Path) -> Run:
    """The run in `folder`.

    Raises:
        UserError: no `run.json`, or one that is unreadable, of another schema version, or lacks what every reader needs.
    """
    folder = Path(folder)
    path = folder / RUN
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} is not a run directory: it has no {RUN}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error})") from error
    return Run(folder, _info(data, path))


def _info(data: object, path: Path) -> RunInfo:
    try:
        info = RunInfo.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "its content"
        raise UserError(f"{path}: not of this version ({where}: {first['msg'].lower()})") from error
    if info.v != SCHEMA:
        newer = "a newer sightgap wrote it: update this one" if info.v > SCHEMA else "report it with the version that wrote it"
        raise UserError(f"{path}: schema version {info.v}, and this sightgap reads {SCHEMA}; {newer}")
    return info
