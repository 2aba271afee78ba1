"""A bound on the time of code that came from elsewhere: the chat template of a foreign checkpoint may loop for ever.

The clock runs in a thread of its own and raises in the thread that works, wherever that is in Python code; a single operation of C (a power
of huge numbers) is not broken off. There is one such place, so that nothing else needs threads for it.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager


class _Expired(BaseException):
    """Raised from outside; no `Exception`, so that nobody on the way takes it for a failure of his own."""


@contextmanager
def time_limit(seconds: float) -> Generator[None]:
    """Run what is inside for at most `seconds`.

    Raises:
        TimeoutError: it took longer, and was broken off.
    """
    clock = _Clock(threading.get_ident())
    timer = threading.Timer(seconds, clock.strike)
    timer.daemon = True
    try:
        try:
            timer.start()
            yield
        finally:
            timer.cancel()
            if not isinstance(sys.exception(), _Expired):
                clock.stop()
    except _Expired:
        raise TimeoutError(f"took longer than {seconds:g} s") from None


class _Clock:
    """Raises `_Expired` in `thread` once, unless it was stopped before."""

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._lock = threading.Lock()
        self._stopped = self._struck = False

    def strike(self) -> None:
        with self._lock:
            if not self._stopped:
                self._struck = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(_Expired))

    def stop(self) -> None:
        """No strike after this; one that is on its way arrives in here, and not in whatever comes next."""
        with self._lock:
            self._stopped = True
        while self._struck:
            time.sleep(0.001)
