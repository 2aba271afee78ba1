"""A bound on the time of foreign code: it is broken off in any thread, and whoever is in time notices nothing."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import pytest

from bench.time_limit import time_limit


def endless() -> None:
    try:
        with time_limit(0.1):
            while True:
                pass
    except TimeoutError as error:
        assert str(error) == "took longer than 0.1 s"  # noqa: PT017 - in a thread, too
    else:
        raise AssertionError("it went on")


def test_a_loop_is_broken_off_in_the_main_thread_and_in_another() -> None:
    endless()
    failed: list[threading.ExceptHookArgs] = []
    threading.excepthook, before = failed.append, threading.excepthook
    try:
        thread = threading.Thread(target=endless)
        thread.start()
        thread.join(10)
    finally:
        threading.excepthook = before
    assert not thread.is_alive()
    assert failed == []


def test_an_error_inside_comes_out_and_no_clock_strikes_later() -> None:
    with pytest.raises(KeyError), time_limit(0.05):
        raise KeyError
    time.sleep(0.1)


def test_ends_close_to_the_bound_strike_inside_or_not_at_all() -> None:
    """Nothing is raised outside of the block, however close its end and the clock are together."""
    struck = 0
    for _ in range(200):
        try:
            with time_limit(0.002):
                time.sleep(0.002)
        except TimeoutError:
            struck += 1
        time.sleep(0)
    assert 0 <= struck <= 200


def test_a_strike_that_python_drops_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is raised in a finalizer is printed and dropped; the work is broken off by the next one."""

    class Finalized:
        def __del__(self) -> None:
            until = time.monotonic() + 0.2
            while time.monotonic() < until:
                pass

    def loop() -> None:
        with time_limit(0.1):
            Finalized()
            while True:
                pass

    dropped: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    with pytest.raises(TimeoutError):
        loop()
    assert len(dropped) == 1
