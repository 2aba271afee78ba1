"""The reply cache: content-addressed, in one SQLite file.

The key is a hash of everything sent (the provider's payload with image content, model and replicate), so a hit is the reply to this very
request. With `replay` the cache is the only source, and a miss is an error: a report can be made again years later without the model, from
a folder that cannot be written as well. Beside the replies it keeps what was learned of a server: what it refuses, which weights it serves.

No reply is taken on trust: each entry carries a hash of itself, and one that does not agree is passed over and asked for again. A file that
is no cache of this version is set aside under another name; one that cannot be written is read, one that is locked is left alone. Each is
told in a line, and the run goes on.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from bench.digest import canonical, digest, digest_of_rows
from bench.errors import ReplayMissError, UserError
from bench.models.base import Reply
from bench.store.record import reply_from_json, reply_to_json

NAME = "replies.sqlite"
VERSION = 1
"""The layout of the file (SQLite's `user_version`); 0 are caches from before there were hashes."""
_TOGETHER, _SOON_S = 64, 0.5
"""Most replies that are written together, and within how many seconds: a commit of its own for each would cost as much as all the rest."""

_SCHEMA = (
    "create table if not exists replies (key text primary key, model text not null, request text not null, reply text not null, sha text)",
    "create table if not exists learned (key text primary key, value text not null, sha text)",
    "create table if not exists templates (name text not null, sha text not null, primary key (name, sha))",
)
LOCKED_S = 10.0
"""Seconds to wait for another process that holds the file."""
_READ_ONLY = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})
_UNWRITABLE = _READ_ONLY | {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_TROUBLE = (sqlite3.Error, UnicodeDecodeError)
"""What reading and writing may meet; names of a damaged schema that are no UTF-8 come as the second."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_SCHEMA})


def _silent(line: str) -> None:
    del line


def cache_key(provider: str, payload: str, replicate: int, *, base_url: str | None, served: Mapping[str, Any] | None = None) -> str:
    """SHA-256 over everything that decides the reply to a request.

    Args:
        provider: whose model is asked.
        payload: the canonical JSON of what is sent.
        replicate: its number.
        base_url: the server, where it is not the provider's own.
        served: what the server says of its weights.
    """
    said = [canonical(dict(served))] if served else []
    return digest_of_rows([canonical(provider), canonical(base_url), payload, canonical(replicate), *said])


def server_key(url: str | None, extra_body: Mapping[str, Any]) -> str | None:
    """What stands for a server in keys: its address in one spelling, and a hash of what every request carries beside the question."""
    if url is not None:
        parts = urlsplit(url)
        url = urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/"), parts.query, ""))
    return f"{url or ''}#{digest(dict(extra_body))[:16]}" if extra_body else url


class Cache:
    """Replies by key. `folder` None switches the cache off; `replay` answers from it alone; `announce` is told what is wrong with the file.

    Raises:
        UserError: the folder cannot be used; or `replay` from a file that cannot be read.
    """

    def __init__(self, folder: Path | None, *, replay: bool = False, announce: Callable[[str], None] = _silent) -> None:
        self.replay = replay
        self.hits = 0
        self._announce = announce
        self._unwritten: dict[str, tuple[str, str, str, str, str]] = {}
        self._written_at = -_SOON_S
        self._writes = not replay
        self._path = (folder or Path()) / NAME
        self._db = None if folder is None else _open_to_read(self._path) if replay else self._opened(again=False)
        self._sha = "sha" if self._db is not None and _has_hashes(self._db) else "null"
        self._damaged = 0

    def get(self, key: str, what: str) -> Reply | None:
        """The stored reply, marked as cached; None on a miss.

        Raises:
            ReplayMissError: a miss under `replay`; the message is `what` was asked for.
        """
        found = json.loads(self._unwritten[key][3]) if key in self._unwritten else self._value("replies", "reply", key)
        try:
            reply = reply_from_json(found) if found is not None else None
        except (KeyError, TypeError, ValueError):
            reply = self._drop("replies", key)
        if reply is None:
            if self.replay:
                raise ReplayMissError(what)
            return None
        self.hits += 1
        return replace(reply, cached=True)

    def put(self, key: str, model: str, payload: str, reply: Reply) -> None:
        """Store `reply` to a request of this `payload` (JSON); an entry that exists stays.

        Many in a short time are written together, within `_SOON_S`.

        Raises:
            UserError: the disk is full or the file cannot be written.
        """
        if self._db is None or not self._writes:
            return
        text = reply_to_json(reply)
        self._unwritten[key] = (key, model, payload, text, _hash(key, text))
        if len(self._unwritten) >= _TOGETHER or time.monotonic() - self._written_at > _SOON_S:
            self.flush()

    def flush(self) -> None:
        """Write what was put.

        Raises:
            UserError: the disk is full or the file cannot be written.
        """
        rows, self._unwritten, self._written_at = list(self._unwritten.values()), {}, time.monotonic()
        if rows:
            self._write("insert or ignore into replies values (?, ?, ?, ?, ?)", rows)

    def recall(self, what: str, where: Sequence[str | None]) -> Any:
        """What was learned of the server and model `where`; None where nothing was."""
        return self._value("learned", "value", digest([what, *where]))

    def remember(self, what: str, where: Sequence[str | None], value: Any) -> None:
        """Keep what was learned of the server and model `where`.

        Raises:
            UserError: the disk is full or the file cannot be written.
        """
        key, text = digest([what, *where]), json.dumps(value)
        self._write("insert or replace into learned values (?, ?, ?)", [(key, text, _hash(key, text))])

    def note_templates(self, templates: Mapping[str, str]) -> None:
        """Remember with which prompt templates (name -> hash) requests are made, so that a later miss can say what has changed.

        Raises:
            UserError: the disk is full or the file cannot be written.
        """
        self._write("insert or ignore into templates values (?, ?)", list(templates.items()))

    def changed_templates(self, templates: Mapping[str, str]) -> list[str]:
        """Those of `templates` that no request of this cache was made with, while others of their name were."""
        rows = self._rows("select name, sha from templates")
        known = {name for name, _ in rows}
        return [name for name, sha in templates.items() if name in known and (name, sha) not in rows]

    def close(self) -> None:
        """Close the file; what was put is durable."""
        if self._db:
            try:
                self.flush()
            finally:
                self._db.close()
                self._db = None

    def _value(self, table: str, column: str, key: str) -> Any:
        """The JSON value of an entry; None where there is none, or one that is not as it was written."""
        rows = self._rows(f"select {column}, {self._sha} from {table} where key = ?", (key,))
        if not rows:
            return None
        text, sha = rows[0]
        if not isinstance(text, str) or sha not in (None, _hash(key, text)):
            return self._drop(table, key)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return self._drop(table, key)

    def _drop(self, table: str, key: str) -> None:
        """Forget an entry that is damaged, so that what is asked again finds its place."""
        self._damaged += 1
        if self._damaged == 1:
            again = "is passed over" if self.replay else "is asked for again"
            self._announce(f"the reply cache at {self._path} holds a damaged entry: it, and any other, {again}")
        self._write(f"delete from {table} where key = ?", [(key,)])

    def _rows(self, query: str, values: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        if self._db is None:
            return []
        try:
            return self._db.execute(query, values).fetchall()
        except _TROUBLE as error:
            if self.replay and _kind(error) == sqlite3.SQLITE_ERROR:  # a cache of an earlier version lacks tables
                return []
            if self.replay:
                raise UserError(f"--replay: the reply cache at {self._path} cannot be read ({error})") from error
            self._recover(error)
            return []

    def _write(self, statement: str, rows: Sequence[Sequence[str]], *, again: bool = True) -> None:
        """Write `rows` together; after trouble with the file once more, into what has taken its place."""
        if self._db is None or not self._writes:
            return
        try:
            self._db.execute("begin immediate")
            self._db.executemany(statement, rows)
            self._db.execute("commit")
        except _TROUBLE as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            if _kind(error) in _UNWRITABLE:
                raise UserError(
                    f"the reply cache cannot be written ({error}): free some space, or switch it off with --cache off"
                ) from error
            self._recover(error)
            if again:
                self._write(statement, rows, again=False)

    # -- a file that is not as it should be --------------------------------------------------------------------------------------------
    def _opened(self, *, again: bool) -> sqlite3.Connection | None:
        """The file, made where it is missing; None where the run goes on without it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return _open(self._path)
        except (OSError, *_TROUBLE) as error:
            kind = _kind(error)
            if kind in _LOCKED:
                self._announce(f"the reply cache at {self._path} is locked by another process: this run goes on without it")
                return None
            if kind in _DAMAGED and not again:
                return self._opened(again=True) if self._set_aside(error) else None
            if kind in _READ_ONLY and self._path.is_file():
                db, self._writes = _open_to_read(self._path), False
                self._announce(f"the reply cache at {self._path} cannot be written ({error}): it is read, and new replies are not kept")
                return db
            raise UserError(
                f"the reply cache at {self._path} cannot be opened ({error}): name another folder with --cache DIR, or --cache off"
            ) from error

    def _recover(self, error: Exception) -> None:
        """Go on after trouble in the middle of a run: with a new file where this one is damaged, else without one."""
        if self._db is not None:
            self._db.close()
            self._db = None
        if _kind(error) in _LOCKED:
            self._announce(f"the reply cache at {self._path} is locked by another process: this run goes on without it")
        elif self._set_aside(error):
            self._db, self._sha = self._opened(again=True), "sha"

    def _set_aside(self, error: Exception) -> bool:
        """Give the file another name, and say so; whether that could be done."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        names = (f"replies-set-aside-{stamp}{more}.sqlite" for more in ("", *(f"-{number}" for number in range(2, 1000))))
        aside = next(self._path.with_name(name) for name in names if not self._path.with_name(name).exists())
        try:
            for end in ("", "-wal", "-shm"):
                part = self._path.with_name(f"{NAME}{end}")
                if not end or part.exists():
                    part.rename(aside.with_name(f"{aside.name}{end}"))
        except OSError as trouble:
            self._announce(
                f"the reply cache at {self._path} is damaged ({error}) and stays ({trouble.strerror}): this run goes on without it"
            )
            return False
        self._announce(
            f"the reply cache at {self._path} cannot be used ({error}): it was set aside as {aside.name}, and a new one is begun"
        )
        return True


def _hash(key: str, text: str) -> str:
    """By which an entry is known to be as it was written."""
    return digest_of_rows((canonical(key), canonical(text)))[:32]


def _kind(error: Exception) -> int:
    """SQLite's primary result code; that of a damaged file where there is none (a text that is not UTF-8)."""
    if isinstance(error, OSError):
        return sqlite3.SQLITE_CANTOPEN
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF


def _connected(where: str, *, uri: bool = False) -> sqlite3.Connection:
    db = sqlite3.connect(where, uri=uri, isolation_level=None, timeout=LOCKED_S)
    db.text_factory = _text
    db.execute("pragma trusted_schema = off")  # a file from elsewhere runs nothing
    db.execute("pragma cell_size_check = on")
    return db


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _has_hashes(db: sqlite3.Connection) -> bool:
    return any(column[1] == "sha" for column in db.execute("pragma table_info(replies)"))


def _open(path: Path) -> sqlite3.Connection:
    """The file, with all of its tables.

    Raises:
        sqlite3.Error: it cannot be opened, or is no cache of this version.
    """
    db = _connected(str(path))
    try:
        with closing(db.cursor()) as cursor:
            (version,) = cursor.execute("pragma user_version").fetchone()
            if version > VERSION:
                raise sqlite3.DatabaseError(f"a newer sightgap wrote it: layout {version}, and this one knows {VERSION}")
            cursor.execute("pragma journal_mode = wal")
            cursor.execute("pragma synchronous = normal")
            for statement in _SCHEMA:
                cursor.execute(statement)
            if version < VERSION:
                for table in ("replies", "learned"):
                    if not any(column[1] == "sha" for column in cursor.execute(f"pragma table_info({table})").fetchall()):
                        cursor.execute(f"alter table {table} add column sha text")
                cursor.execute(f"pragma user_version = {VERSION}")
            for query in (
                "select key, model, request, reply, sha from replies",
                "select key, value, sha from learned",
                "select name, sha from templates",
            ):
                cursor.execute(f"{query} limit 1").fetchall()
    except _TROUBLE:
        db.close()
        raise
    return db


def _open_to_read(path: Path) -> sqlite3.Connection:
    """The cache, not to be written, nor anything beside it: one that nobody has open, or on a read-only disk, is read as it lies."""
    if not path.is_file():
        raise UserError(f"--replay: there is no reply cache at {path}")
    trouble: Exception | None = None
    ways = ("mode=ro", "mode=ro&immutable=1") if path.with_name(f"{path.name}-wal").exists() else ("mode=ro&immutable=1", "mode=ro")
    for how in ways:
        try:
            db = _connected(f"file:{quote(str(path.resolve()))}?{how}", uri=True)
            db.execute("select 1 from replies limit 1").fetchone()
        except _TROUBLE as error:
            trouble = error
        else:
            return db
    raise UserError(f"the reply cache at {path} cannot be read ({trouble})")
