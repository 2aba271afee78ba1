"""What a data directory from elsewhere must not hold.

A link may lead to any file of the person's own, whose content would then stand in reports; whoever reads a pipe may wait for ever.
"""

from __future__ import annotations

import os
import stat
from itertools import accumulate
from pathlib import Path

from bench.errors import BadDataError


def refuse_traps(path: Path, folder: Path) -> None:
    """See that `path`, all links followed, lies in `folder`, and that it is a file or a folder where there is anything.

    A snapshot of the hub's cache is made of links to the blobs beside it.

    Raises:
        BadDataError: it leads out, or is something else.
    """
    if _plain(path, folder):
        return
    root = folder.resolve()
    snapshots = next((place for place in (root, *root.parents) if place.name == "snapshots" and (place.parent / "blobs").is_dir()), None)
    rooms = [root] if snapshots is None else [root, snapshots.parent / "blobs"]
    target = Path(os.path.realpath(path))  # of a loop too, which is told of where it is opened
    if not any(target.is_relative_to(room) for room in rooms):
        raise BadDataError(f"{path.name!r} is a link that leads out of the data directory")
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise BadDataError(f"{path.name!r} is no file")


def _plain(path: Path, folder: Path) -> bool:
    """Whether `path` is a file or a folder below `folder` with no link on the way: nearly every one is, and this is told by few looks."""
    start, text = os.path.join(folder, ""), os.fspath(path)  # noqa: PTH118 - text: objects of pathlib take longer than the looks
    below = text.removeprefix(start).split(os.sep)  # noqa: PTH206
    if not text.startswith(start) or ".." in below:
        return False
    try:
        *above, last = (os.lstat(place).st_mode for place in accumulate(below, os.path.join, initial=start))
    except OSError:
        return False
    return all(map(stat.S_ISDIR, above)) and (stat.S_ISREG(last) or stat.S_ISDIR(last))
