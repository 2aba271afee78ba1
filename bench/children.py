"""Processes of our own beside a command's: what ends them, and what must not.

A signal may reach a command alone (`kill`), or every process of its group (Ctrl-C, a closed terminal, a container that stops). In both
cases the command decides: a child that is `deaf` goes on until it is shut down, and one that works by `heeding` is told to end, and once
is enough. A command that is killed can tell nobody: its children see that it is gone, and end.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, TypeVar

from bench.stopping import STOPS

T = TypeVar("T")
_ENDING_S = 5.0
"""How long children of a child have to end when the command is gone, in seconds."""


def is_child() -> bool:
    """Whether this process was started by another of ours, which decides when it ends."""
    return multiprocessing.parent_process() is not None


def deaf(leash: Connection | None = None) -> None:
    """Leave it to the parent process when this one ends: no signal but SIGKILL does, and if the parent is gone, it ends at once.

    So it does where the parent closes its end of `leash`, which says that nothing of it is wanted any more, whatever it is at.
    For `initializer` of a pool, or as the first call of a process.
    """
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    _when_parent_is_gone(_end_at_once, leash)


def heeding(work: Callable[..., T], *arguments: Any) -> T:
    """`work(*arguments)`, ended by SIGTERM as Ctrl-C ends it: by the first, so that more of them do not disturb what ends.

    What the terminal sends to everyone is left to the parent, which sends SIGTERM; that it is gone says the same. To be called in the main
    thread of a process of its own.
    """
    told = over = alone = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise KeyboardInterrupt

    def end() -> None:
        nonlocal alone
        alone = True
        if over:
            os._exit(1)
        os.kill(os.getpid(), signal.SIGTERM)

    for number in STOPS:
        signal.signal(number, stop if number == signal.SIGTERM else signal.SIG_IGN)
    _when_parent_is_gone(end)
    try:
        return work(*arguments)
    finally:
        told = over = True
        if alone:  # nobody waits for the result
            os._exit(1)


class Guard:
    """Sees to processes that another package of ours started, and that heed neither us nor our end.

    Where one of them ends by itself `died` is called, in a thread; where this process is gone they are told to end, and then ended, by a
    small process in a session of its own, which no signal to this one reaches.
    """

    def __init__(self, processes: Sequence[BaseProcess], died: Callable[[], None]) -> None:
        self._released, self._ours = multiprocessing.Pipe(duplex=False)
        self._warden = subprocess.Popen(
            [sys.executable, "-S", "-c", _WARDEN, *(str(process.pid) for process in processes)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

        def watch() -> None:
            if self._released not in connection.wait([self._released, *(process.sentinel for process in processes)]):
                died()

        threading.Thread(target=watch, name="guard", daemon=True).start()

    def release(self) -> None:
        """Leave the processes alone from now on."""
        self._ours.close()
        self._warden.kill()
        self._warden.communicate()


_WARDEN = f"""
import os, signal, sys, time
sys.stdin.buffer.read()
for number in (signal.SIGTERM, signal.SIGKILL):
    for pid in map(int, sys.argv[1:]):
        try:
            os.kill(pid, number)
        except OSError:
            pass
    time.sleep({_ENDING_S})
"""


def keep_tracker() -> None:
    """Have multiprocessing's tracker of shared memory started so that a closed terminal does not end it: it is deaf to the other signals.

    Where it ends before the processes that it serves, each tells of names that a new one does not know.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _when_parent_is_gone(act: Callable[[], None], leash: Connection | None = None) -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel] if leash is None else [parent.sentinel, leash])
        act()

    threading.Thread(target=wait, name="parent", daemon=True).start()


def _end_at_once() -> None:
    """End this process and those that it started."""
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(_ENDING_S)
        child.kill()
    os._exit(1)
