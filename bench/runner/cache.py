"""The reply cache: content-addressed, in one SQLite file.

The key is a hash of everything sent (the provider's payload with image content, model and replicate), so a hit is the reply to this very
request. With `replay` the cache is the only source, and a miss is an error: a report can be made again years later without the model, from
a folder that cannot be written as well. Beside the replies it keeps what was learned of a server: what it refuses, which weights it serves.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from bench.digest import digest
from bench.errors import ReplayMissError, UserError
from bench.models.base import Reply
from bench.store.record import plain, reply_from_json

_TOGETHER, _SOON_S = 64, 0.5
"""Most replies that are written together, and within how many seconds: a commit of its own for each would cost as much as all the rest."""

_SCHEMA = (
    "create table if not exists replies (key text primary key, model text not null, request text not null, reply text not null)",
    "create table if not exists learned (key text primary key, value text not null)",
    "create table if not exists templates (name text not null, sha text not null, primary key (name, sha))",
)


def cache_key(
    provider: str, payload: Mapping[str, Any], replicate: int, *, base_url: str | None, served: Mapping[str, Any] | None = None
) -> str:
    """SHA-256 over everything that decides the reply to a request of this `payload`; `served` is what the server says of its weights."""
    said = [dict(served)] if served else []
    return digest([provider, base_url, dict(payload), replicate, *said])


def server_key(url: str | None, extra_body: Mapping[str, Any]) -> str | None:
    """What stands for a server in keys: its address in one spelling, and a hash of what every request carries beside the question."""
    if url is not None:
        parts = urlsplit(url)
        url = urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/"), parts.query, ""))
    return f"{url or ''}#{digest(dict(extra_body))[:16]}" if extra_body else url


class Cache:
    """Replies by key. `folder` None switches the cache off; `replay` answers from it alone.

    Raises:
        UserError: the folder or file cannot be used; or `replay` without a folder.
    """

    def __init__(self, folder: Path | None, *, replay: bool = False) -> None:
        if replay and folder is None:
            raise UserError("--replay answers from the cache alone, and the cache is off: name its folder with --cache DIR")
        self.replay = replay
        self.hits = 0
        self._unwritten: dict[str, tuple[str, str, str, str]] = {}
        self._written_at = -_SOON_S
        self._db = None if folder is None else _open_to_read(folder) if replay else _open(folder)

    def get(self, key: str, what: str) -> Reply | None:
        """The stored reply, marked as cached; None on a miss.

        Raises:
            ReplayMissError: a miss under `replay`; the message is `what` was asked for.
        """
        row: tuple[str, ...] | None = self._unwritten[key][-1:] if key in self._unwritten else None
        if row is None:
            row = self._db.execute("select reply from replies where key = ?", (key,)).fetchone() if self._db else None
        if row is None:
            if self.replay:
                raise ReplayMissError(what)
            return None
        self.hits += 1
        return replace(reply_from_json(json.loads(row[0])), cached=True)

    def put(self, key: str, model: str, payload: Mapping[str, Any], reply: Reply) -> None:
        """Store `reply`; an entry that exists stays. Many in a short time are written together, within `_SOON_S`.

        Raises:
            UserError: the disk is full or the file cannot be written.
        """
        if self._db is None or self.replay:
            return
        self._unwritten[key] = (key, model, json.dumps(payload), json.dumps(plain(reply)))
        if len(self._unwritten) >= _TOGETHER or time.monotonic() - self._written_at > _SOON_S:
            self.flush()

    def flush(self) -> None:
        """Write what was put.

        Raises:
            UserError: the disk is full or the file cannot be written.
        """
        rows, self._written_at = list(self._unwritten.values()), time.monotonic()
        if not rows or self._db is None:
            return
        try:
            self._db.execute("begin immediate")
            self._db.executemany("insert or ignore into replies values (?, ?, ?, ?)", rows)
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise UserError(f"the reply cache cannot be written ({error}): free some space, or switch it off with --cache off") from error
        self._unwritten.clear()

    def recall(self, what: str, where: Sequence[str | None]) -> Any:
        """What was learned of the server and model `where`; None where nothing was."""
        if self._db is None:
            return None
        try:
            row = self._db.execute("select value from learned where key = ?", (digest([what, *where]),)).fetchone()
        except sqlite3.OperationalError:  # a cache of an earlier version, opened to read
            return None
        return json.loads(row[0]) if row is not None else None

    def remember(self, what: str, where: Sequence[str | None], value: Any) -> None:
        """Keep what was learned of the server and model `where`.

        Raises:
            UserError: the disk is full or the file cannot be written.
        """
        self._write("insert or replace into learned values (?, ?)", (digest([what, *where]), json.dumps(value)))

    def note_templates(self, templates: Mapping[str, str]) -> None:
        """Remember with which prompt templates (name -> hash) requests are made, so that a later miss can say what has changed.

        Raises:
            UserError: the file cannot be written.
        """
        if self._db is None or self.replay:
            return
        try:
            self._db.executemany("insert or ignore into templates values (?, ?)", list(templates.items()))
        except sqlite3.Error as error:
            raise UserError(f"the reply cache cannot be written ({error}): free some space, or switch it off with --cache off") from error

    def changed_templates(self, templates: Mapping[str, str]) -> list[str]:
        """Those of `templates` that no request of this cache was made with, while others of their name were."""
        if self._db is None:
            return []
        try:
            rows: list[tuple[str, str]] = self._db.execute("select name, sha from templates").fetchall()
        except sqlite3.OperationalError:  # a cache of an earlier version, opened to read
            return []
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

    def _write(self, statement: str, values: tuple[str, ...]) -> None:
        if self._db is None or self.replay:
            return
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise UserError(f"the reply cache cannot be written ({error}): free some space, or switch it off with --cache off") from error


def _open(folder: Path) -> sqlite3.Connection:
    path = folder / "replies.sqlite"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, timeout=30)
        with closing(db.cursor()) as cursor:
            cursor.execute("pragma journal_mode = wal")
            cursor.execute("pragma synchronous = normal")
            for statement in _SCHEMA:
                cursor.execute(statement)
    except (OSError, sqlite3.Error) as error:
        raise UserError(
            f"the reply cache at {path} cannot be opened ({error}): name another folder with --cache DIR, or --cache off"
        ) from error
    return db


def _open_to_read(folder: Path) -> sqlite3.Connection:
    """The cache, not to be written, nor anything beside it: one that nobody has open, or on a read-only disk, is read as it lies."""
    path = folder / "replies.sqlite"
    if not path.is_file():
        raise UserError(f"--replay: there is no reply cache at {path}")
    trouble: sqlite3.Error | None = None
    ways = ("mode=ro", "mode=ro&immutable=1") if path.with_name(f"{path.name}-wal").exists() else ("mode=ro&immutable=1", "mode=ro")
    for how in ways:
        try:
            db = sqlite3.connect(f"file:{quote(str(path.resolve()))}?{how}", uri=True, isolation_level=None, timeout=30)
            db.execute("select 1 from replies limit 1").fetchone()
        except sqlite3.Error as error:
            trouble = error
        else:
            return db
    raise UserError(f"--replay: the reply cache at {path} cannot be read ({trouble})")
