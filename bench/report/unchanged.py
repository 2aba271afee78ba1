"""A report that stands as it is: the same runs, options and code would write the same files again, so they are not written again.

Beside a report lies what it was made of (`MADE`): a hash of everything that went into it, and the hashes of its files. Where both still
hold, its document is read back in place of being computed; whatever differs, an edited report or a byte of this package included, makes
it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from bench.digest import digest
from bench.files import file_sha256, write_atomically
from bench.gap.document import Document
from bench.store.run import Run
from bench.versions import PACKAGES, __version__, package_version

MADE = ".made.json"
FILES: Mapping[str, tuple[str, ...]] = {"terminal": (), "md": ("report.md",), "html": ("report.html",)}
"""The formats that are known to leave these files and no others."""


def made_of(runs: Sequence[Run], formats: Iterable[str], **options: Any) -> str | None:
    """A hash of what a report of `runs` is made of; None where that cannot be told of one of `formats`.

    `options` are those of the report, as JSON data.

    Raises:
        UserError: a run cannot be read.
    """
    names = sorted(formats)
    if not set(names) <= {*FILES}:
        return None
    packages = {name: package_version(name) for name in PACKAGES}
    return digest([__version__, _code(), packages, names, options, [_run(run) for run in runs]])


def unchanged(folder: Path, made: str | None) -> Document | None:
    """The document of the report in `folder`, where that was made of the very same (`made_of`) and its files are as they were left."""
    try:
        found = json.loads((folder / MADE).read_text(encoding="utf-8"))
        if made is None or found["of"] != made or _hashes(folder, found["files"]) != found["files"]:
            return None
        return cast(Document, json.loads((folder / "gap.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError):  # no report, or a file that somebody else left there
        return None


def note_made(folder: Path, made: str | None, formats: Iterable[str]) -> None:
    """Leave beside the report in `folder` what it was made of.

    Raises:
        UserError: it cannot be written.
    """
    if made is None:
        (folder / MADE).unlink(missing_ok=True)
        return
    files = _hashes(folder, ["gap.json", *(name for kind in formats for name in FILES[kind])])
    write_atomically(folder / MADE, json.dumps({"of": made, "files": files}, indent=1) + "\n")


def _hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    return {name: file_sha256(folder / name) for name in names}


def _run(run: Run) -> list[Any]:
    """What a report takes from a run: its files, and what run.json says of it; not when and how often it was gone on with."""
    about = {name: value for name, value in run.info.model_dump(mode="json").items() if name not in ("totals", "files")}
    return [
        run.name,
        str(run.folder),
        about,
        {name: list(ids) for name, ids in run.info.answered_by.items()},
        dict(run.hashes),
        run.changed,
    ]


def _code() -> str:
    """Which files this package is made of, by size and time of change."""
    packages = Path(__file__).resolve().parents[2]
    roots = [packages / name for name in ("bench", "tasks", "prompts")]
    files = sorted(path for root in roots for path in root.rglob("*") if path.suffix in (".py", ".toml", ".j2", ".js", ".css", ".json"))
    return digest([[str(path), (about := path.stat()).st_size, about.st_mtime_ns] for path in files])
