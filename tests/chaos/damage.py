"""Damaged files: every file of a run directory and of the cache, in every way that a disk, an editor or a bad copy leaves behind."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench.runner import cache
from tests.chaos.scene import ASKED, Attempt, Told, Whole, make_whole, report, right_or_told, told
from tests.store.fuzz import KINDS, damaged

Command = Callable[[Whole, Path, Path], str | None]


def run_files(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` faults, one at a time; each run that has one is reported, compared, graded again, continued or shown."""
    whole = make_whole(folder / "scene")
    for seed in range(n):
        name, command = list(_COMMANDS.items())[seed % len(_COMMANDS)]
        run = folder / f"{seed}" / "whole"
        what = f"{damaged(whole.folder, run, seed)}, then {name}"
        yield Attempt(what, command(whole, run, folder / f"{seed}" / "out"))
        shutil.rmtree(folder / f"{seed}")


def _compared(whole: Whole, run: Path, out: Path) -> str | None:
    """No comparison calls a damaged run equal or worse: it is refused, incomplete, or of the same numbers."""
    del out
    done = told("compare", str(whole.folder), str(run), "--margin", "0.5")
    right = told("compare", str(whole.folder), str(whole.folder), "--margin", "0.5")
    if done.trouble() is not None or done.code in (2, 3):
        return done.trouble()
    return None if (done.code, done.out) == (right.code, right.out) else f"exit {done.code}: {done.text[-300:]}"


def _regraded(whole: Whole, run: Path, out: Path) -> str | None:
    done = told("regrade", str(run))
    return done.trouble() or (right_or_told(whole, run, out) if done.code == 0 else None)


def _continued(whole: Whole, run: Path, out: Path) -> str | None:
    done = told(*ASKED, "--cache", "off", "--out", str(run))
    return done.trouble() or (right_or_told(whole, run, out) if done.code == 0 else None)


def _shown(whole: Whole, run: Path, out: Path) -> str | None:
    del out
    puzzle = json.loads((whole.folder / "puzzles.jsonl").read_text(encoding="utf-8").splitlines()[0])["id"]
    done, right = told("show", str(run), puzzle), told("show", str(whole.folder), puzzle)
    if done.trouble() is not None or done.code == 2:
        return done.trouble()
    return None if done.out == right.out or "was changed after the run was closed" in done.err else "another puzzle at exit 0"


_COMMANDS: Mapping[str, Command] = {
    "report": right_or_told, "continue": _continued, "report it": right_or_told, "compare": _compared, "regrade": _regraded, "show": _shown,
}  # fmt: skip


# -- the cache ---------------------------------------------------------------------------------------------------------------------------
def _page(data: bytes, rng: random.Random) -> bytes:
    """A page of the file is noise."""
    at = rng.randrange(len(data) // 512) * 512
    return data[:at] + rng.randbytes(512) + data[at + 512 :]


def _flips(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 10, 200])):
        data = KINDS["flip"](data, rng)
    return data


def _text(data: bytes, rng: random.Random) -> bytes:
    """Every letter and digit of a reply is another one."""
    start = rng.choice([found.end() for found in re.finditer(rb'"text": ?"', data)])
    end = data.index(b'"', start)
    return data[:start] + re.sub(rb"[a-yA-Y0-8]", lambda found: bytes([found[0][0] + 1]), data[start:end]) + data[end:]


def _no_database(data: bytes, rng: random.Random) -> bytes:
    return rng.choice([b"", b"no database\n" * 900, b"\x00" * len(data), data[100:]])


_CACHES: Mapping[str, Callable[[bytes, random.Random], bytes]] = {
    "flips": _flips, "text": _text, "page": _page, "cut": KINDS["cut"], "hole": KINDS["hole"], "no database": _no_database,
}  # fmt: skip


def cache_files(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` damaged caches, each used by a run, every third for a replay: the right numbers, and a line where something was set aside."""
    whole = make_whole(folder / "scene")
    content = _content(whole.cache)
    for seed in range(n):
        rng = random.Random(f"cache {seed}")
        kind = [*_CACHES][seed % len(_CACHES)]
        place = folder / str(seed)
        (place / "cache").mkdir(parents=True)
        (place / "cache" / cache.NAME).write_bytes(_CACHES[kind](content, rng))
        yield Attempt(f"{kind} of the cache (seed {seed})", _used(whole, place, replay=seed % 3 == 2))
        shutil.rmtree(place)
    yield from _strange_caches(whole, folder / "strange", content)


def _content(folder: Path) -> bytes:
    """The file of a cache, with all that its journal holds."""
    with sqlite3.connect(folder / cache.NAME) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    return (folder / cache.NAME).read_bytes()


def _used(whole: Whole, place: Path, *, replay: bool = False) -> str | None:
    done = told(*ASKED, "--cache", str(place / "cache"), "--out", str(place / "run"), *(["--replay"] if replay else []))
    if done.trouble() is not None or (replay and done.code in (2, 3)):
        return done.trouble()
    if done.code != 0:
        return f"exit {done.code}: {done.text[-300:]}"
    _, found, notes = report(place / "run", place / "report")
    if found != whole.numbers or notes:
        return f"another number at exit 0 {notes}"
    return _unnamed(place / "cache", done)


def _unnamed(folder: Path, done: Told) -> str | None:
    """Files that were set aside and not named."""
    aside = [path.name for path in folder.glob("replies-set-aside-*.sqlite") if path.name not in done.err]
    return f"set aside without a word: {aside}" if aside else None


def _strange_caches(whole: Whole, folder: Path, content: bytes) -> Iterator[Attempt]:
    for name, statements in {
        "a newer layout": ["pragma user_version = 7"],
        "another table": ["drop table replies", "create table replies (a, b)"],
        "no table": ["drop table replies", "drop table learned"],
        "a trigger": ["create trigger t after insert on replies begin delete from replies; end"],
        "from before the hashes": ["alter table replies drop column sha", "alter table learned drop column sha", "pragma user_version = 0"],
    }.items():
        (folder / name / "cache").mkdir(parents=True)
        (folder / name / "cache" / cache.NAME).write_bytes(content)
        with sqlite3.connect(folder / name / "cache" / cache.NAME) as db:
            for statement in statements:
                db.execute(statement)
        yield Attempt(name, _used(whole, folder / name))
    (folder / "locked" / "cache").mkdir(parents=True)
    (folder / "locked" / "cache" / cache.NAME).write_bytes(content)
    with sqlite3.connect(folder / "locked" / "cache" / cache.NAME, isolation_level=None) as db:
        db.execute("pragma locking_mode = exclusive")
        db.execute("begin exclusive")
        waits, cache.LOCKED_S = cache.LOCKED_S, 0.1
        try:
            yield Attempt("locked by another process", _used(whole, folder / "locked"))
        finally:
            cache.LOCKED_S = waits
