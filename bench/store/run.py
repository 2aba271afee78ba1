"""A run directory opened for reading: once, typed, whoever needs something of it.

`open_run` reads `run.json`, and the other files when they are first asked for; every later pass goes over the same bytes, so a report in
several formats opens each file once and sees one state of a run that is still being written. Lines are parsed and held against the schema
(`bench.store.schema`) once where the file is small enough to keep them (`KEPT_BYTES`), and again for every pass where it is not. A run of
an older version or of another tool needs no more than `v`, `suite` and the models' names in its `run.json`; what else is absent is unknown.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict  # pydantic reads that of the standard library from Python 3.12 on

from bench.digest import digest
from bench.errors import UserError
from bench.outcome import Outcome
from bench.puzzle import Puzzle, stored_puzzle
from bench.store.reader import CAPTIONS, PUZZLES, RUN, TRIALS, LineFile, parse_line, read_file, sha256
from bench.store.record import Record, is_final
from bench.store.schema import CaptionLine, EndOfTrial, PuzzleLine, RecordLine, check_line, glance
from bench.versions import SCHEMA

KEPT_BYTES = 32_000_000
"""Largest file whose parsed lines are kept: some 20,000 records, 200 MB as Python objects."""

Line = Mapping[str, Any]


class _Data(BaseModel):
    """Tolerant of keys that a newer version wrote, strict about the types of those that are known."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class SuiteInfo(_Data):
    """The suite that a run asked about."""

    name: str
    sha256: str | None = None
    """of its puzzles"""
    n: int | None = Field(default=None, ge=0)
    """how many puzzles"""
    notes: tuple[str, ...] = ()
    """what it does not hold although it was asked for"""


class ModelInfo(_Data):
    """A model of a run, as it was resolved."""

    name: str
    provider: str | None = None
    id: str | None = None
    simulated: bool = False


_KEY = re.compile(rb'"key":\s*"([^"\\]*)"')
"""The key in a line; in a text within the line every quotation mark has a backslash before it."""


class Totals(TypedDict, total=False):
    """The totals of a run, as far as a reader uses them."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # pyright: ignore[reportGeneralTypeIssues] - pydantic reads it
    planned: int
    finished: int
    missing: int
    cost_usd: Annotated[float, Field(allow_inf_nan=False)] | None
    cost_usd_last: Annotated[float, Field(allow_inf_nan=False)] | None
    cost_in_doubt_usd_last: Annotated[float, Field(allow_inf_nan=False)]
    saved_usd_last: Annotated[float, Field(allow_inf_nan=False)]
    tokens_in_last: Annotated[float, Field(allow_inf_nan=False)]
    """whole, but in runs on Ray of earlier versions, which wrote 12.0"""
    tokens_out_last: Annotated[float, Field(allow_inf_nan=False)]
    models_reported: dict[str, list[str]] | list[str]
    """by the name of a model: the ids that its provider reported; an earlier version kept one list for all models"""


class Served(TypedDict, total=False):
    """What turned out about a model's server."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # pyright: ignore[reportGeneralTypeIssues]
    left_out: list[str]
    serves: dict[str, Any]


class Identity(TypedDict, total=False):
    """What must agree for two sessions to be one run, as far as a reader uses it."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # pyright: ignore[reportGeneralTypeIssues]
    models: list[str]
    modes: list[str]
    prompts: dict[str, str]
    model_ids: dict[str, str]
    sampling: dict[str, Any]
    base_url: str | None


class RunInfo(_Data):
    """The content of `run.json`."""

    v: int = SCHEMA
    suite: SuiteInfo
    models: tuple[ModelInfo, ...]
    version: str | None = None
    """of sightgap"""
    started: str | None = None
    """ISO 8601, UTC"""
    identity: Identity = Field(default_factory=Identity)
    """what must agree for two sessions to be one run"""
    options: Mapping[str, Any] | None = None
    """the options it was made with; None where an older version or another tool wrote it"""
    planned: int | None = Field(default=None, ge=0)
    """trials planned"""
    finished: bool = False
    totals: Totals | None = None
    servers: Mapping[str, Served] = Field(default_factory=dict)
    """by model: what its server refused and was left out, what it says of its weights"""
    files: Mapping[str, str] = Field(default_factory=dict)
    """hashes of the run's files as they were when it was last closed, of this one too (`own_hash`); a run that was killed has none"""
    edited: tuple[str, ...] = ()
    """files that were changed by others before a later session of the run"""
    packages: Mapping[str, str] = Field(default_factory=dict)
    commit: str | None = None

    @property
    def simulated(self) -> frozenset[str]:
        """Names of the simulated models."""
        return frozenset(model.name for model in self.models if model.simulated)

    @property
    def answered_by(self) -> Mapping[str, tuple[str, ...]]:
        """By the name of a model: the ids that its provider reported."""
        found = (self.totals or Totals()).get("models_reported")
        return {name: tuple(ids) for name, ids in found.items()} if isinstance(found, dict) else {}

    def section(self, name: str) -> Mapping[str, Any]:
        """A group of settings of the identity ("sampling", "prompts", "model_ids"); empty where there is none."""
        found = self.identity.get(name)
        return typing.cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    @property
    def base_url(self) -> str | None:
        """The server that `--base-url` named, None for the providers' own."""
        return self.identity.get("base_url")


class Run:
    """One run directory. Files are opened when they are first needed, and once."""

    def __init__(self, folder: Path, info: RunInfo, about: Mapping[str, Any]) -> None:
        """Take a folder, what its `run.json` says, and all of its content as JSON data."""
        self.folder, self.info, self.about = folder, info, about
        self._kept: dict[str, list[Line]] = {}
        self._files: dict[str, LineFile] = {}

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.resolve().name

    @cached_property
    def content(self) -> LineFile:
        """The records as bytes, as they were when they were first asked for.

        Raises:
            UserError: there is no such file, or it cannot be read.
        """
        try:
            return LineFile.read(self.folder / TRIALS)
        except FileNotFoundError:
            raise UserError(f"{self.folder} is not a run directory: it has no {TRIALS}") from None

    def lines(self) -> Iterator[Line]:
        """The records in the order written, as JSON data; a torn last line, of a run that is being written, is passed over.

        Raises:
            UserError: no file, or a line that is no record of this version; the message names file and line.
        """
        return self._lines(RecordLine, self.content)

    def records(self) -> Iterator[Record]:
        """The same, typed; superseded ones included (see `latest`).

        Raises:
            UserError: as `lines`, or a line that lacks what a record has.
        """
        for number, data in enumerate(self.lines(), start=1):
            try:
                yield Record.from_json(data)
            except (KeyError, TypeError, ValueError) as error:
                where = f"{self.content.path} line {number}"
                raise UserError(f"{where}: not a record of this version ({type(error).__name__}: {error})") from error

    def latest(self) -> dict[str, Record]:
        """The record that counts of each key: the last one."""
        return {record.key: record for record in self.records()}

    def sample(self, share: float) -> dict[str, Line]:
        """The last record of about this share of all keys (0 to 1), by key: always the same ones. Only their lines are parsed and held.

        Raises:
            UserError: as `lines`, of these lines.
        """
        found: dict[str, Line] = {}
        for number, (_, line) in enumerate(self.content.raw_lines(), start=1):
            key = _KEY.search(line)
            if key is not None and crc32(key[1]) >= share * 2**32:
                continue
            where = f"{self.content.path} line {number}"
            data = parse_line(line, where)
            check_line(RecordLine, data, where)
            found[data["key"]] = data
        return found

    def finished(self) -> set[str]:
        """Keys of the trials that need not be asked again. No record is built, and the rest of a line is not looked at.

        Raises:
            UserError: as `lines`, where a line's key or end cannot be told.
        """
        found: set[str] = set()
        for number, (_, line) in enumerate(self.content.raw_lines(), start=1):
            end = glance(EndOfTrial, line)
            if end is None or end["v"] != SCHEMA:
                where = f"{self.content.path} line {number}"
                end = parse_line(line, where)
                check_line(RecordLine, end, where)
            failure: Line = end.get("error") or {}
            if is_final(Outcome(end["verdict"]["outcome"]), failure.get("kind")):
                found.add(end["key"])
            else:
                found.discard(end["key"])
        return found

    @property
    def torn(self) -> bool:
        """Whether the last record is being written."""
        return self.content.torn

    @cached_property
    def puzzles(self) -> Mapping[str, Line]:
        """What was asked about, by puzzle id; empty where the run did not store it."""
        return {line["id"]: line for line in self._lines(PuzzleLine, self._file(PUZZLES))}

    @cached_property
    def stored_puzzles(self) -> Mapping[str, Puzzle]:
        """The same as puzzles, without their pictures.

        Raises:
            UserError: a line that is no puzzle of this version.
        """
        found: dict[str, Puzzle] = {}
        for name, line in self.puzzles.items():
            try:
                found[name] = stored_puzzle(line)
            except (KeyError, TypeError) as error:
                raise UserError(
                    f"{self.folder / PUZZLES}: {name} is no puzzle of this version ({type(error).__name__}: {error})"
                ) from error
        return found

    @cached_property
    def captions(self) -> Mapping[str, Line]:
        """Captions by key, the last of each; empty where there are none."""
        return {line["key"]: line for line in self._lines(CaptionLine, self._file(CAPTIONS))}

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """SHA-256 of its files of lines, as they are now; that of nothing where there is none."""
        return {name: sha256((self.content if name == TRIALS else self._file(name)).content) for name in (TRIALS, CAPTIONS, PUZZLES)}

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of its files that are not as they were when the run was closed: edited, or damaged."""
        noted = self.info.files
        names = [name for name in (RUN, TRIALS, CAPTIONS, PUZZLES) if name in noted and self._hash(name) != noted[name]]
        return tuple(dict.fromkeys((*self.info.edited, *names)))

    def _hash(self, name: str) -> str:
        return own_hash(self.about) if name == RUN else self.hashes[name]

    def _file(self, name: str) -> LineFile:
        if name not in self._files:
            self._files[name] = LineFile.read_if_there(self.folder / name)
        return self._files[name]

    def _lines(self, kind: type, file: LineFile) -> Iterator[Line]:
        if file.path.name in self._kept:
            yield from self._kept[file.path.name]
            return
        keep: list[Line] | None = [] if file.size <= KEPT_BYTES else None
        for number, line in file.lines():
            check_line(kind, line, f"{file.path} line {number}")
            if keep is not None:
                keep.append(line)
            yield line
        if keep is not None:
            self._kept[file.path.name] = keep


def own_hash(about: Mapping[str, Any]) -> str:
    """Hash of all that `run.json` says, the hashes of the other files included: a run whose suite or model is renamed is another one.

    It is over the content and not the bytes, so that a file may be indented anew.
    """
    others = {name: value for name, value in dict(about.get("files") or {}).items() if name != RUN}
    return digest({**about, "files": others})


def open_run(folder: str | Path) -> Run:
    """The run in `folder`.

    Raises:
        UserError: no `run.json`, or one that is unreadable, of another schema version, or lacks what every reader needs.
    """
    folder = Path(folder)
    path = folder / RUN
    try:
        text = bytes(read_file(path))
    except FileNotFoundError:
        raise UserError(f"{folder} is not a run directory: it has no {RUN}") from None
    return Run(folder, _info(text, path), parse_line(text, str(path)))


def open_runs(folders: Sequence[str | Path]) -> tuple[Run, ...]:
    """The runs in `folders` (raises as `open_run`)."""
    return tuple(map(open_run, folders))


def _info(text: bytes, path: Path) -> RunInfo:
    try:
        info = RunInfo.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise UserError(f"{path} cannot be read ({first['msg']})") from error
        where = ".".join(str(part) for part in first["loc"]) or "its content"
        raise UserError(f"{path}: not of this version ({where}: {first['msg'].lower()})") from error
    if info.v != SCHEMA:
        newer = "a newer sightgap wrote it: update this one" if info.v > SCHEMA else "report it with the version that wrote it"
        raise UserError(f"{path}: schema version {info.v}, and this sightgap reads {SCHEMA}; {newer}")
    return info
