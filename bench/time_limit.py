"""A bound on the time of code that came from elsewhere: the chat template of a foreign checkpoint may loop for ever.

The clock runs in a thread of its own and raises in the thread that works, wherever that is in Python code; a single operation of C is not
broken off (`bench.models.local.templates` sees to it that none takes long). It raises again until the work has ended, since Python drops
what is raised in a finalizer. There is one such place, so that nothing else needs threads for it.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Generator
from contextlib import contextmanager

_AGAIN_S = 0.1
"""Between one strike and the next."""


class _Expired(BaseException):
    """Raised from outside; no `Exception`, so that nobody on the way takes it for a failure of his own."""


@contextmanager
def time_limit(seconds: float) -> Generator[None]:
    """Run what is inside for at most `seconds`.

    Raises:
        TimeoutError: it took longer, and was broken off.
    """
    clock = _Clock(seconds)
    try:
        try:
            clock.start()
            yield
        finally:
            clock.stop()
    except _Expired:
        clock.stop()
        raise TimeoutError(f"took longer than {seconds:g} s") from None


class _Clock:
    """Raises `_Expired` in the thread that made it, after `seconds` and then again and again, until it is stopped."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._works = ctypes.c_ulong(threading.get_ident())
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="time limit", daemon=True).start()

    def stop(self) -> None:
        """No strike after this; one that is on its way is taken back, or arrives in here, and not in whatever comes next."""
        with self._lock:
            self._stopped.set()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(self._works, None)

    def _run(self) -> None:
        wait = self._seconds
        while not self._stopped.wait(wait):
            with self._lock:
                if not self._stopped.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(self._works, ctypes.py_object(_Expired))
            wait = _AGAIN_S
