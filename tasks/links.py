"""Links in a data directory that lead out of it.

A directory from elsewhere may hold one to any file of the person's own, whose content would then stand in reports.
"""

from __future__ import annotations

import os
from pathlib import Path

from bench.errors import BadDataError


def refuse_way_out(path: Path, folder: Path) -> None:
    """See that `path`, all links followed, lies in `folder`. A snapshot of the hub's cache is made of links to the blobs beside it.

    Raises:
        BadDataError: it leads out.
    """
    root = folder.resolve()
    snapshots = next((place for place in (root, *root.parents) if place.name == "snapshots" and (place.parent / "blobs").is_dir()), None)
    rooms = [root] if snapshots is None else [root, snapshots.parent / "blobs"]
    target = Path(os.path.realpath(path))  # of a loop too, which is told of where it is opened
    if not any(target.is_relative_to(room) for room in rooms):
        raise BadDataError(f"{path.name!r} is a link that leads out of the data directory")
