"""What one task of a run on several machines does: ask one part of the run, where the others find what it stores.

Where the node sees the driver's run directory (a file system that they share), the part is stored there, record by record, so whoever takes
the part up again asks only for the rest. Where it does not, the part is stored on the node and its files are returned when it ends.
"""

from __future__ import annotations

import contextlib
import io
import socket
import tempfile
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.config import RunConfig
from bench.errors import ModelError, SightgapError, UserError
from bench.runner.plan import make_plan
from bench.runner.session import run_identity, run_session
from bench.store.parts import packed, unpack
from bench.store.writer import run_lock
from bench.versions import __version__

MARK = ".driver"
"""Beside the parts' folders: a file whose content tells a node that it sees the driver's disk."""
PATIENCE_S = 60.0
"""How long a part waits for the process that had it before, in seconds: it ends soon after its node does."""


@dataclass(frozen=True, slots=True)
class PartJob:
    """One part, as it is sent to a node. It holds no credential: a node has its own.

    Attributes:
        options: of the part, as `RunConfig.of` reads them.
        identity: what the part's run must be, so that no other checkpoint, prompt or suite slips in on a node.
        folder: where the driver keeps the part; `mark` is what the file `MARK` beside it holds.
        started_in: the driver's folder, which relative paths start from.
        version: of sightgap on the driver.
        before: the files of an earlier attempt.
    """

    options: Mapping[str, Any]
    identity: Mapping[str, Any]
    folder: str
    mark: str
    started_in: str
    version: str = __version__
    before: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


@dataclass(frozen=True, slots=True)
class PartDone:
    """What became of a part: the node, trials missing and asked, trouble that ended it, and its files where the driver does not see them.

    `unusable` where the trouble lies with the model's provider, and not with what a person typed.
    """

    node: str
    missing: int = 0
    asked: int = 0
    trouble: str | None = None
    unusable: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


def do_part(job: PartJob) -> PartDone:
    """Ask what the part lacks. Trouble is returned, with what was stored before it."""
    node = socket.gethostname()
    with _place(job) as (folder, shared):
        try:
            if job.version != __version__:
                raise UserError(f"sightgap {__version__} is installed there, and {job.version} started the run")
            _wait_for(folder)
            with _in_folder(job.started_in):
                result = run_session(_plan(job, folder), Console(file=io.StringIO()))
            done = PartDone(node, result.missing, result.asked)
        except SightgapError as error:
            done = PartDone(node, trouble=str(error), unusable=isinstance(error, ModelError))
        return done if shared else PartDone(done.node, done.missing, done.asked, done.trouble, done.unusable, packed(folder))


def _plan(job: PartJob, folder: Path) -> Any:
    plan = make_plan(RunConfig.of({**job.options, "out": str(folder)}))
    here = run_identity(plan)
    differing = sorted(name for name in {*here, *job.identity} if here.get(name) != job.identity.get(name))
    if differing:
        pairs = ", ".join(f"{name} ({here.get(name)!r} there, {job.identity.get(name)!r} on the driver)" for name in differing)
        raise UserError(f"it is not the same run there: {pairs}")
    return plan


@contextlib.contextmanager
def _place(job: PartJob) -> Generator[tuple[Path, bool]]:
    """The folder of the part, and whether it is the driver's."""
    folder = Path(job.folder)
    try:
        shared = (folder.parent / MARK).read_text(encoding="utf-8") == job.mark
    except OSError:
        shared = False
    if shared:
        yield folder, True
        return
    with tempfile.TemporaryDirectory(prefix="sightgap-") as own:
        unpack(job.before, Path(own) / "part")
        yield Path(own) / "part", False


@contextlib.contextmanager
def _in_folder(where: str) -> Generator[None]:
    """Start relative paths where the driver started them, if that folder is there."""
    if not Path(where).is_dir():
        yield
        return
    with contextlib.chdir(where):
        yield


def _wait_for(folder: Path) -> None:
    """Until the process that had the part before has let go of it.

    Raises:
        UserError: it does not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            run_lock(folder).close()
        except UserError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return
