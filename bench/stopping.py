"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is finished is stored, a line says how to go on, and the exit code is the same.

A scheduler, a container or a closed terminal sends these. Whoever handles Ctrl-C at the time (an event loop, Python itself) is told, so
that nothing else needs to know of them. A signal that the parent process had ignored (`nohup`) stays ignored.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType, TracebackType

from bench.errors import SightgapError

_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)
STOPS = (signal.SIGINT, *_LIKE_CTRL_C)
"""The signals that ask for an end."""

_told = threading.Event()
"""Whether SIGTERM or SIGHUP came."""


@contextmanager
def stops_like_ctrl_c() -> Generator[None]:
    """Inside, SIGTERM and SIGHUP raise what SIGINT raises. Does nothing outside of the main thread, where no signal is handled."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _LIKE_CTRL_C}
    ours = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


class Unwrapped:
    """Inside, a stop by SIGTERM or SIGHUP ends as a `KeyboardInterrupt`, also where a library replaces that by an error of its own.

    NumPy does: a comparison that is interrupted at its start says that its arrays cannot be compared.
    """

    def __enter__(self) -> None:
        _told.clear()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if _told.is_set() and isinstance(error, Exception) and not isinstance(error, SightgapError | OSError):
            raise KeyboardInterrupt from error


@contextmanager
def handlers_kept() -> Generator[None]:
    """After it, the signals that ask for an end mean what they meant before, whatever a library made of them inside."""
    before = {number: signal.getsignal(number) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not signal.getsignal(number):
                signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    del number
    _told.set()
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # a shell that starts something in the background has Ctrl-C ignored, which says nothing of these
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)
