"""Processes beside a command's: a signal to any of them, to the command or to all of them ends what it should, and nobody is left alive."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bench.children import Guard, heeding
from bench.stopping import STOPS, handlers_kept
from tests.chaos.children import MARK, marked
from tests.conftest import ROOT

SOON_S = 60.0
"""Patience with processes that start and end on a loaded machine, in seconds."""
_DEAF = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from bench.children import deaf
pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=deaf)
print(pool.submit(os.getpid).result(), flush=True)
time.sleep(600)
"""
_SIDE_BY_SIDE = """
import sys, time
from bench.stopping import stops_like_ctrl_c
from bench.train.sweep.run import _side_by_side
with stops_like_ctrl_c():
    try:
        print("begun", flush=True)
        list(_side_by_side(time.sleep, [600, 600, 600], 2))
    except KeyboardInterrupt:
        sys.exit(130)
"""


_GUARDED = """
import multiprocessing, time
from bench.children import Guard
children = [multiprocessing.get_context("spawn").Process(target=time.sleep, args=[600]) for _ in range(2)]
for child in children:
    child.start()
guard = Guard(children, lambda: print("died", flush=True))
print(children[0].pid, flush=True)
time.sleep(600)
"""


@contextmanager
def started(code: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A program in a group of its own, and the mark of all its processes; none of them outlives the test."""
    mark = uuid.uuid4().hex
    environment = {**os.environ, MARK: mark, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True
    ) as program:
        try:
            yield program, mark
        finally:
            for pid in marked(mark):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def wait_for(mark: str, number: int) -> set[int]:
    """Until so many processes have the mark, or more, and where that is none, no other number."""
    until = time.monotonic() + SOON_S
    while time.monotonic() < until:
        found = marked(mark)
        if len(found) >= number and (number or not found):
            return found
        time.sleep(0.05)
    pytest.fail(f"{len(marked(mark))} processes, and not {number}")


def test_a_child_that_is_deaf_outlives_signals_and_not_its_parent() -> None:
    with started(_DEAF) as (program, mark):
        assert program.stdout is not None
        child = int(program.stdout.readline())
        for number in STOPS:
            os.kill(child, number)
        time.sleep(0.5)
        assert child in marked(mark)
        program.kill()
        wait_for(mark, 0)


def test_a_child_that_heeds_is_told_once(tmp_path: Path) -> None:
    """Signals that follow do not disturb what ends."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        child = pool.submit(os.getpid).result()
        working = pool.submit(heeding, _ends_slowly, tmp_path / "begun")
        while not (tmp_path / "begun").exists() and not working.done():
            time.sleep(0.02)
        for number in STOPS:
            os.kill(child, number)
            time.sleep(0.1)
        assert working.result(SOON_S) == "stored"


def _ends_slowly(begun: Path) -> str:
    begun.touch()
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        time.sleep(0.5)
        return "stored"
    return "nothing came"


@pytest.mark.parametrize("everyone", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_work_side_by_side_ends_with_its_command(number: signal.Signals, everyone: bool) -> None:
    """What waits for its turn is not begun any more."""
    with started(_SIDE_BY_SIDE) as (program, mark):
        wait_for(mark, 4)  # the program, two that work, and Python's own tracker
        time.sleep(2.0)
        (os.killpg if everyone else os.kill)(program.pid, number)
        code = program.wait(SOON_S)
        assert code == (130 if number != signal.SIGKILL else -signal.SIGKILL), program.communicate()
        wait_for(mark, 0)
        assert number == signal.SIGKILL or "Traceback" not in program.communicate()[1]


def test_processes_of_others_that_are_guarded_end_with_their_command() -> None:
    """And where one of them ends by itself, that is told."""
    with started(_GUARDED) as (program, mark):
        assert program.stdout is not None
        os.kill(int(program.stdout.readline()), signal.SIGKILL)
        assert program.stdout.readline() == "died\n"
        program.kill()
        wait_for(mark, 0)


def test_a_guard_that_is_released_leaves_them_alone() -> None:
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=[600])
    child.start()
    told: list[bool] = []
    try:
        Guard([child], lambda: told.append(True)).release()
        time.sleep(0.5)
        assert child.is_alive()
    finally:
        child.kill()
        child.join()
    assert told == []


def test_a_library_that_puts_in_its_own_handlers_changes_nothing() -> None:
    before = [signal.getsignal(number) for number in STOPS]
    with handlers_kept():
        for number in STOPS:
            signal.signal(number, signal.SIG_DFL)
    assert [signal.getsignal(number) for number in STOPS] == before
