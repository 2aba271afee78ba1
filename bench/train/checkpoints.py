"""The saved steps of a run, and in which state its folder is.

The trainer writes a checkpoint file by file, so that a kill or a full disk leaves a part of one. A checkpoint is *whole* when its marker
lies in it: `whole.json`, written last, when all processes are done, with the sizes of all other files. Only whole ones are resumed, and
older ones are removed after a newer one is whole, never before.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from bench.errors import UserError
from bench.extras import optional
from bench.files import write_atomically
from bench.models.local.processor import one_line
from bench.store.rollouts import ROLLOUTS
from bench.train.provenance import RECORD

STEPS = "steps"
BEST = "best"
EVALUATIONS = "evaluations"
LOGS = "tensorboard"
MARKER = "whole.json"

_MADE_BY_TRAINING = frozenset({RECORD, STEPS, BEST, EVALUATIONS, LOGS, ROLLOUTS})
"""What a run writes into its folder before it ends."""


# -- saved steps -------------------------------------------------------------------------------------------------------------------------
def saved_steps(out: Path) -> list[Path]:
    """The whole checkpoints of the run in `out`, the newest last."""
    return [folder for folder in _all_steps(out) if is_whole(folder)]


def step_of(checkpoint: Path) -> int:
    """The number of steps after which `checkpoint` was saved."""
    return int(checkpoint.name.rpartition("-")[2])


def _all_steps(out: Path) -> list[Path]:
    found = [folder for folder in (out / STEPS).glob("checkpoint-*") if folder.name.rpartition("-")[2].isdigit()]
    return sorted(found, key=step_of)


def mark_whole(checkpoint: Path) -> None:
    """Write the marker of `checkpoint`, all of whose files are written.

    Raises:
        UserError: the disk is full.
    """
    write_atomically(checkpoint / MARKER, json.dumps(_sizes(checkpoint), indent=1) + "\n")


def is_whole(checkpoint: Path) -> bool:
    """Whether the marker of `checkpoint` is there, and all files have the sizes that it names."""
    try:
        named: Any = json.loads((checkpoint / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(named, dict) and _sizes(checkpoint) == cast("dict[str, Any]", named)


def _sizes(checkpoint: Path) -> dict[str, int]:
    files = sorted(file for file in checkpoint.rglob("*") if file.is_file() and file.name != MARKER)
    return {str(file.relative_to(checkpoint)): file.stat().st_size for file in files}


def keep_newest(out: Path, limit: int | None) -> None:
    """Remove all but the newest `limit` whole checkpoints of the run in `out`; None keeps all."""
    for folder in saved_steps(out)[: -limit if limit else 0]:
        shutil.rmtree(folder, ignore_errors=True)


def discard_torn(out: Path) -> None:
    """Remove what is left of checkpoints that were never finished."""
    for folder in _all_steps(out):
        if not is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)


class SavingFailedError(UserError):
    """Weights could not be written (a full disk); the message says what is left and what to do."""


_FULL = ("PytorchStreamWriter", "file write failed", "unexpected pos", "No space left", "File too large")
"""How torch's own writer speaks of a disk that takes no more."""


@contextmanager
def saving(what: Path, out: Path) -> Generator[None]:
    """Turn a failure to write `what`, a part of the run in `out`, into one line; a checkpoint that was half written is removed.

    Raises:
        SavingFailedError: it could not be written.
    """
    safetensors: Any = optional("safetensors", "train")
    try:
        yield
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        if type(error) is RuntimeError and not any(words in str(error) for words in _FULL):
            raise
        if what.parent == out / STEPS:
            shutil.rmtree(what, ignore_errors=True)
        why = (isinstance(error, OSError) and error.strerror) or one_line(error)
        saved = saved_steps(out)
        rest = (
            f"{saved[-1]} is whole: make room, and --resume continues from there" if saved else "no step is saved: make room and begin anew"
        )
        raise SavingFailedError(f"{what} could not be saved ({why}); {rest}") from error


_LATER = ("processes", "sharding")
"""Keys that older records lack."""


def files_and_folders_only(out: Path) -> None:
    """Make sure that a folder in which training goes on holds files and folders alone: they are written to, and older steps are removed.

    Raises:
        UserError: something in it is a symbolic link, or a pipe.
    """
    for folder, folders, files in os.walk(out):
        for path in (Path(folder, name) for name in (*folders, *files)):
            if path.is_symlink():
                raise UserError(f"{path} is a symbolic link, and those are not followed where training goes on")
            if not (path.is_file() or path.is_dir()):
                raise UserError(f"{path} is no file")


# -- the folder of a run -----------------------------------------------------------------------------------------------------------------
class FolderState(StrEnum):
    """What there is in the folder of a run."""

    EMPTY = "empty"
    FOREIGN = "foreign"
    BEGUN = "begun"
    SAVED = "saved"
    STOPPED = "stopped"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder `out` as it was found: its `state`, the `record` of the run in it, and the last step that is saved whole."""

    out: Path
    state: FolderState
    record: Mapping[str, Any]
    last: Path | None = None

    @classmethod
    def of(cls, out: Path) -> RunFolder:
        """Look into `out`, which need not exist.

        Raises:
            UserError: it holds a run, and something in it is neither a file nor a folder.
        """
        present = {entry.name for entry in out.iterdir()} if out.is_dir() else {out.name} if out.exists() else set[str]()
        if not present:
            return cls(out, FolderState.EMPTY, {})
        record = _record(out)
        if record is None:
            return cls(out, FolderState.FOREIGN, {})
        files_and_folders_only(out)
        last = (saved_steps(out) or [None])[-1]
        if record.get("finished") is True:
            return cls(out, FolderState.FINISHED, record, last)
        if record.get("stopped"):
            return cls(out, FolderState.STOPPED, record, last)
        if last is not None:
            return cls(out, FolderState.SAVED, record, last)
        return cls(out, FolderState.BEGUN if present <= _MADE_BY_TRAINING | {f"{RECORD}.part"} else FolderState.FOREIGN, record)

    def refuse_to_begin(self) -> None:
        """Make sure that a run may begin here: the folder is empty, or what is there was cut off before a step was saved, and goes.

        Raises:
            UserError: the folder is taken; the message says by what, and what to do.
        """
        other = "choose another --out"
        if self.state is FolderState.FOREIGN:
            raise UserError(f"{self.out} is not empty, and holds no run of this command: {other}")
        if self.state is FolderState.FINISHED:
            raise UserError(f"{self.out} is not empty: it holds a finished run: {other}")
        if self.state is FolderState.STOPPED:
            raise UserError(f"{self.out} is not empty: it holds a run that was stopped ({self.record['stopped']}): {other}")
        if self.last is not None:
            raise UserError(
                f"{self.out} is not empty: it holds a run that was cut off, saved after step {step_of(self.last)}: continue it with "
                f"--resume, or {other}"
            )

    def refuse_to_resume(self, given: Mapping[str, Any]) -> None:
        """Make sure that the run here can be continued with the settings `given`.

        Raises:
            UserError: there is no run, it was begun otherwise, or it was stopped before a step was saved.
        """
        if self.state in (FolderState.EMPTY, FolderState.FOREIGN):
            found = "nothing" if self.state is FolderState.EMPTY else f"other files, and no {RECORD} of an unfinished run"
            raise UserError(f"{self.out} holds no run to resume: found {found}; leave --resume out to begin one in an empty folder")
        processes, now = self.record.get("processes", given["processes"]), given["processes"]
        if processes != now:
            raise UserError(
                f"{self.out} was begun by {processes} process{'es' * (processes != 1)}, found {now}: a step would hold other completions; "
                f"launch as many (accelerate launch --num_processes {processes}) or choose another --out"
            )
        spread, now = (found or "none" for found in (self.record.get("sharding", given["sharding"]), given["sharding"]))
        if spread != now:
            raise UserError(
                f"{self.out} was begun with sharding by {spread}, found {now}: what is saved of the optimizer has the form of the one; "
                "launch with the same file (accelerate launch --config_file FILE) or choose another --out"
            )
        differing = [key for key, value in given.items() if self.record.get(key, value if key in _LATER else None) != value]
        if differing:
            raise UserError(
                f"{self.out} was begun otherwise: {', '.join(differing)} differ; resume with the same settings or choose another --out"
            )
        if self.state is FolderState.STOPPED and self.last is None:
            raise UserError(
                f"{self.out} holds a run that was stopped before a step was saved ({self.record['stopped']}): nothing to resume; choose "
                "another --out"
            )

    def clear(self) -> None:
        """Remove what an unfinished run left here."""
        for name in (*_MADE_BY_TRAINING, f"{RECORD}.part"):
            path = self.out / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def way_on(self) -> str:
        """What to do with a run that was interrupted here, in words."""
        if self.state is FolderState.FINISHED:
            return f"the run in {self.out} is finished"
        if self.last is None:
            return f"no step is saved in {self.out}: the same command begins anew"
        return f"the same command with --resume continues from step {step_of(self.last)}, the last that was saved in {self.out}"


def _record(out: Path) -> dict[str, Any] | None:
    """`training.json` of a run of this command; None where there is no such file that can be read (a link or a pipe is none)."""
    if (out / RECORD).is_symlink() or not (out / RECORD).is_file():
        return None
    try:
        found: Any = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) and "finished" in found else None
