"""What all rows of the chaos suite share: an attempt, a small run that is whole, commands in this process and in forked ones."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cli import main

MODEL = "sim/p=0.6,r=0.8,c=0.7,seed=3"
ASKED: tuple[str, ...] = ("run", "--model", MODEL, "--suite", "mini:n=2", "--families", "clock,maze", "--mode", "image,caption,oracle")
"""The run that everything is tried on: 12 trials and 4 captions."""
TOLD = re.compile(r"was changed after the run was closed|being written|not finished|records are missing")
"""Words by which a report says that something is wrong with a run."""
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing that was tried, and what went wrong with it: None where the promise held."""

    what: str
    trouble: str | None = None


Tries = Callable[[Path, int], Iterator[Attempt]]
"""(empty folder, how many) -> the attempts."""


@dataclass(frozen=True, slots=True)
class Row:
    """One promise: what is done, what must hold, how it is tried, how often in CI and in full (0: not there)."""

    name: str
    promise: str
    tries: Tries
    small: int
    full: int


@dataclass(frozen=True, slots=True)
class Told:
    """How a command ended, and all that it printed."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def lines(self) -> list[str]:
        """What was printed on standard error."""
        return self.err.strip().splitlines()

    def trouble(self) -> str | None:
        """A traceback, a fault, or a refusal in more or less than one line."""
        if self.code == 70 or "Traceback" in self.text:
            return f"a fault: {self.err[-300:]}"
        refusals = [line for line in self.lines if line.startswith("error: ")]
        wrong = self.code == 2 and (len(refusals) != 1 or self.lines[-1] != refusals[0])
        return f"no one line, but {self.err[-300:]!r}" if wrong else None


def told(*command: str) -> Told:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(command))
    return Told(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True, slots=True)
class Whole:
    """A run that nothing happened to, the cache it filled, and what must come out of it again."""

    folder: Path
    cache: Path
    numbers: Any
    verdicts: Mapping[str, Any]


def preload(*names: str) -> None:
    """Import what forked commands would each import for themselves."""
    for name in names:
        importlib.import_module(name)


def make_whole(folder: Path) -> Whole:
    """Ask the run of `ASKED` in `folder`; commands work in there from now on, faults are logged there."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    os.environ["XDG_STATE_HOME"] = str(folder / "log")
    run, cache = folder / "whole", folder / "cache"
    done = told(*ASKED, "--cache", str(cache), "--out", str(run))
    assert done.code == 0, done.text
    _, numbers, _ = report(run, folder / "right")
    return Whole(run, cache, numbers, verdicts(run))


def report(run: Path, out: Path) -> tuple[Told, Any, list[str]]:
    """Report `run`: how that ended, the numbers in gap.json and its notes."""
    done = told("report", str(run), "--formats", "terminal,csv", "--out", str(out))
    if done.code != 0:
        return done, None, []
    document = json.loads((out / "gap.json").read_text(encoding="utf-8"))
    return done, [document["suite"], document["models"]], document["notes"]


def verdicts(run: Path) -> dict[str, Any]:
    """The last verdict on each trial, by its key; the reply's text with it."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in (run / "trials.jsonl").read_text(encoding="utf-8").splitlines()]
    return {line["key"]: [line["verdict"], line["reply"] and line["reply"]["text"]] for line in lines}


def right_or_told(whole: Whole, run: Path, out: Path) -> str | None:
    """What is wrong with the report of `run`: None where it is the right one, says what is wrong, or is refused in a line."""
    done, found, notes = report(run, out)
    trouble = done.trouble()
    if trouble is not None or done.code == 2:
        return trouble
    if done.code != 0:
        return f"exit {done.code}: {done.text[-200:]}"
    return None if found == whole.numbers or any(TOLD.search(note) for note in notes) else "another number at exit 0"


def tree(folder: Path) -> str:
    """A hash over all files in `folder`."""
    made = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        made.update(f"{path.relative_to(folder)}\0".encode() + (path.read_bytes() if path.is_file() else b""))
    return made.hexdigest()


@dataclass(frozen=True, slots=True)
class Child:
    """A command in a forked process, which has everything imported already; what it prints comes through pipes."""

    pid: int
    started: float
    said: tuple[list[str], list[str]]
    readers: tuple[threading.Thread, threading.Thread]

    @classmethod
    def start(cls, *command: str, most_bytes: int | None = None, keep_output: bool = False) -> Child:
        """Start `command`; no file that it writes may grow above `most_bytes`; `keep_output`: it writes to that of this process."""
        sys.stdout.flush()
        sys.stderr.flush()
        pipes = (os.pipe(), os.pipe())
        pid = os.fork()
        if pid:
            said = (list[str](), list[str]())
            readers = [threading.Thread(target=_read, args=(pipe[0], lines)) for pipe, lines in zip(pipes, said, strict=True)]
            for (_, end), reader in zip(pipes, readers, strict=True):
                os.close(end)
                reader.start()
            return cls(pid, time.monotonic(), said, (readers[0], readers[1]))
        code = 99
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number, (_, end) in enumerate(pipes, start=1):
                if number == 2 or not keep_output:
                    os.dup2(end, number)
            if most_bytes is not None:
                sys.dont_write_bytecode = True  # Python itself would leave half a file of byte code, which it cannot read later
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
            with open(1, "w", closefd=False) as out, open(2, "w", 1, closefd=False) as err, redirect_stdout(out), redirect_stderr(err):
                code = main(list(command))
        finally:
            os._exit(code)

    def send(self, number: int, after_s: float) -> Told:
        """Send a signal, `after_s` seconds after the start, and wait for the end."""
        time.sleep(max(0.0, self.started + after_s - time.monotonic()))
        os.kill(self.pid, number)
        return self.wait()

    def wait(self) -> Told:
        """The end; code -9 where the process was killed, -1 where it had to be, since it would not end."""
        while time.monotonic() < self.started + PATIENCE_S:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return self._told(os.waitstatus_to_exitcode(status))
            time.sleep(0.005)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return self._told(-1)

    def _told(self, code: int) -> Told:
        for reader in self.readers:
            reader.join()
        return Told(code, *map("".join, self.said))


def _read(number: int, lines: list[str]) -> None:
    """All that comes out of a pipe whose other end a child has."""
    with open(number, encoding="utf-8", errors="replace") as end:
        lines.extend(end)
