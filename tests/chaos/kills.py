"""Kills, stops and full disks, at random moments of what is being written: nothing finished is lost, nothing is there half."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.cli import INTERRUPTED
from tests.chaos.scene import ASKED, Attempt, Child, Told, Whole, make_whole, preload, report, right_or_told, tree, verdicts

LONGER = (*ASKED, "--replicates", "12", "--cache", "off")
"""The same run, long enough to be hit in the middle."""


def _long_run(folder: Path) -> tuple[Whole, Path, float]:
    """The scene, a run of `LONGER` that nothing happened to, and the seconds that it took."""
    whole = make_whole(folder / "scene")
    started = time.monotonic()
    done = Child.start(*LONGER, "--out", str(folder / "whole")).wait()
    assert done.code == 0, done.text
    return whole, folder / "whole", time.monotonic() - started


def runs(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` runs killed at random moments, each twice; then continued to the end."""
    _, long, took = _long_run(folder)
    expected, (_, numbers, _) = verdicts(long), report(long, folder / "right")
    for seed in range(n):
        rng, place = random.Random(f"kill {seed}"), folder / f"{seed}"
        moments = [rng.uniform(0.0, took) for _ in range(2)]
        for moment in moments:
            Child.start(*LONGER, "--out", str(place / "whole")).send(signal.SIGKILL, moment)
        done = Child.start(*LONGER, "--out", str(place / "whole")).wait()
        yield Attempt(f"killed after {moments} s", _same(done, place, expected, numbers))
        shutil.rmtree(place)


def _same(done: Told, place: Path, expected: object, numbers: object) -> str | None:
    if done.code != 0:
        return f"exit {done.code}: {done.text[-300:]}"
    keys = [json.loads(line)["key"] for line in (place / "whole" / "trials.jsonl").read_text(encoding="utf-8").splitlines()]
    if len(keys) != len(set(keys)):
        return f"{len(keys) - len(set(keys))} trials are there twice"
    _, found, notes = report(place / "whole", place / "report")
    if verdicts(place / "whole") != expected or found != numbers:
        return "another verdict"
    return f"notes: {notes}" if notes else None


def stops(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` runs stopped by SIGINT, SIGTERM or SIGHUP: one message, totals, exit code 130, and the same command continues."""
    _, long, took = _long_run(folder)
    expected, (_, numbers, _) = verdicts(long), report(long, folder / "right")
    for seed in range(n):
        rng, place = random.Random(f"stop {seed}"), folder / f"{seed}"
        number = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)[seed % 3]
        child = Child.start(*LONGER, "--out", str(place / "whole"))
        while not _begun(place) and time.monotonic() < child.started + took:
            time.sleep(0.002)
        moment = time.monotonic() - child.started + rng.uniform(0.0, took / 2)
        done = child.send(number, moment)
        trouble = _stopped(done, place) if done.code != 0 else None  # 0: it had finished before
        if trouble is None:
            trouble = _same(Child.start(*LONGER, "--out", str(place / "whole")).wait(), place, expected, numbers)
        yield Attempt(f"{number.name} after {moment:.2f} s", trouble)
        shutil.rmtree(place)


def _begun(place: Path) -> bool:
    with suppress(OSError):
        return (place / "whole" / "trials.jsonl").stat().st_size > 0
    return False


def _stopped(done: Told, place: Path) -> str | None:
    if done.code != INTERRUPTED or "interrupted: " not in done.err or "Traceback" in done.err:
        return f"exit {done.code}: {done.err[-300:]}"
    about = json.loads((place / "whole" / "run.json").read_text(encoding="utf-8"))
    lines = len((place / "whole" / "trials.jsonl").read_text(encoding="utf-8").splitlines())
    totals = about["totals"]
    if not isinstance(totals, dict) or totals["finished"] != lines or "files" not in about:
        return f"totals say {totals} of {lines} records"
    return None


def reports(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` reports and regradings killed while they write: each file is there whole or not at all, and the next one is the right one."""
    whole = make_whole(folder / "scene")
    for seed in range(n):
        rng, place = random.Random(f"report {seed}"), folder / f"{seed}"
        shutil.copytree(whole.folder, place / "whole")
        regrades = seed % 4 == 3
        written = ("report", str(place / "whole"), "--formats", "md,html,csv,junit", "--out", str(place / "out"))
        command = ("regrade", str(place / "whole")) if regrades else written
        Child.start(*command).send(signal.SIGKILL, rng.uniform(0.0, 0.4))
        trouble = next((f"{path.name} is not whole" for path in (place / "out").glob("*.json") if not _is_json(path)), None)
        yield Attempt(f"{command[0]} killed (seed {seed})", trouble or right_or_told(whole, place / "whole", place / "again"))
        shutil.rmtree(place)


def _is_json(path: Path) -> bool:
    with suppress(ValueError):
        json.loads(path.read_text(encoding="utf-8"))
        return True
    return False


def disks(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` commands that may write only so many bytes to a file: one line and exit code 2; what was there stays; with room it works."""
    whole = make_whole(folder / "scene")
    preload("datasets", "tasks.tools.export", "tasks.tools.sheet", "bench.report.paper.latex", "bench.report.html.page", "shtab")
    largest = max(path.stat().st_size for path in whole.folder.iterdir())
    for seed in range(n):
        rng, place = random.Random(f"disk {seed}"), folder / f"{seed}"
        shutil.copytree(whole.folder, place / "whole")
        name, command = _writing(place)[seed % len(_writing(place))]
        room = rng.choice([0, 1, rng.randrange(largest)])
        before = tree(place / "whole")
        done = Child.start(*command, most_bytes=room).wait()
        trouble = done.trouble() or (f"exit {done.code}: {done.err[-200:]}" if done.code not in (0, 2) else None)
        if trouble is None and name not in ("run", "continue") and tree(place / "whole") != before:
            trouble = "the run was changed"
        if trouble is None and name in ("run", "continue"):
            again = Child.start(*command).wait()
            trouble = (
                right_or_told(whole, place / ("fresh" if name == "run" else "whole"), place / "last") if again.code == 0 else again.err
            )
        yield Attempt(f"{name} with room for {room} bytes", trouble)
        shutil.rmtree(place)


def _writing(place: Path) -> list[tuple[str, tuple[str, ...]]]:
    run = str(place / "whole")
    return [
        ("run", (*ASKED, "--cache", str(place / "cache"), "--out", str(place / "fresh"))),
        ("report", ("report", run, "--formats", "md,html,csv,latex,junit", "--out", str(place / "out"))),
        ("continue", (*ASKED, "--cache", "off", "--out", run)),
        ("compare", ("compare", run, run, "--margin", "0.9", "--junit", str(place / "j" / "x.xml"), "--summary", str(place / "s.md"))),
        ("tasks show", ("tasks", "show", "clock", "--out", str(place / "sheet.png"))),
        ("tasks export", ("tasks", "export", "mini:n=2", "--families", "clock", "--out", str(place / "set"))),
        ("show", ("show", run, "clock", "--picture", str(place / "p.png"))),
        ("completion", ("completion", "bash")),
    ]


def full_outputs(folder: Path, n: int) -> Iterator[Attempt]:
    """Commands whose output goes to a full device or to a pipe that is closed: one line, or none, and no exit code that means another."""
    whole = make_whole(folder / "scene")
    run = str(whole.folder)
    commands = [
        ("report", run, "--formats", "terminal", "--force", "--out", str(folder / "out")),
        ("tasks", "list"),
        ("models", "list"),
        (*ASKED, "--cache", "off", "--out", run),
        ("compare", run, run, "--margin", "0.9"),
        ("config", run),
        ("tasks", "lint", "mini:n=2", "--families", "clock", "--json"),
    ]
    for number in range(n):
        command, piped = commands[number % len(commands)], number % 2 == 0
        ends = os.pipe() if piped else (os.open("/dev/null", os.O_RDONLY), os.open("/dev/full", os.O_WRONLY))
        os.close(ends[0])
        kept = os.dup(1)
        os.dup2(ends[1], 1)
        os.close(ends[1])
        try:
            done = Child.start(*command, keep_output=True).wait()
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        trouble = f"exit {done.code}: {done.err[-200:]}" if done.code != (0 if piped else 2) or len(done.lines) > 2 else done.trouble()
        yield Attempt(f"{command[0]} into {'a closed pipe' if piped else 'a full device'}", trouble)
