"""Processes of our own beside a command's: what ends them, and what must not.

A signal may reach a command alone (`kill`), or every process of its group (Ctrl-C, a closed terminal, a container that stops). In both
cases the command decides: a child that is `deaf` goes on until it is shut down, and one that works by `heeding` is told to end, and once
is enough. A command that is killed can tell nobody: its children see that it is gone, and end.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from bench.stopping import STOPS

T = TypeVar("T")
_ENDING_S = 5.0
"""How long children of a child have to end when the command is gone, in seconds."""


def is_child() -> bool:
    """Whether this process was started by another of ours, which decides when it ends."""
    return multiprocessing.parent_process() is not None


def deaf() -> None:
    """Leave it to the parent process when this one ends: no signal but SIGKILL does, and if the parent is gone, it ends at once.

    For `initializer` of a pool, or as the first call of a process.
    """
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    _when_parent_is_gone(_end_at_once)


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


def _when_parent_is_gone(act: Callable[[], None]) -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
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
