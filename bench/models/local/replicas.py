"""`vllm/…?dp=N`: N engines side by side, each in a process of its own with its own devices.

The process of a replica, and those that vLLM starts in it, are a session of their own: what a terminal sends to all processes of its group
would end vLLM's under an engine that waits for them for ever. The command decides, and a replica that is still being loaded then is ended.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from bench import env
from bench.children import deaf, keep_tracker
from bench.errors import Rejected, Unusable
from bench.models.base import Reply, Request
from bench.models.local.checkpoint import Checkpoint
from bench.models.local.processor import one_line
from bench.models.local.vllm import Vllm

TURN_S = 0.05
"""Longest time that a replica runs before it asks what else there is, in seconds."""
CLOSING_S = 60.0
"""How long an engine may take to shut down, in seconds; its process is ended after that."""


def replicas(name: str, checkpoint: Checkpoint, announce: Callable[[str], None]) -> list[Replica]:
    """As many as the checkpoint's `dp` says; the first tells what was loaded."""
    one = replace(checkpoint, extra={key: value for key, value in checkpoint.extra.items() if key != "dp"})
    count, width = int(checkpoint.extra["dp"]), int(checkpoint.extra.get("tp", 1))

    def first(line: str) -> None:
        announce(f"{line}, {count} replicas")

    return [Replica(name, one, range(rank * width, (rank + 1) * width), None if rank else first) for rank in range(count)]


class Replica:
    """An engine in a process of its own.

    Args:
        name: as the person wrote it, for messages.
        checkpoint: what to load.
        devices: which of the devices that this process sees it has.
        announce: told once which device and dtype were chosen; None where another replica tells.
    """

    def __init__(self, name: str, checkpoint: Checkpoint, devices: range, announce: Callable[[str], None] | None) -> None:
        self._name = name
        self._checkpoint = checkpoint
        self._devices = devices
        self._announce = announce
        self._process: ProcessPoolExecutor | None = None
        self._leash: Connection | None = None
        self._loaded = False

    def load(self) -> None:
        """Start the process and its engine; see `RunningEngine.load`."""
        keep_tracker()
        held, self._leash = multiprocessing.Pipe(duplex=False)
        self._process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(held,))
        said = self._call(_open, self._name, self._checkpoint, self._devices)
        self._loaded = True
        if self._announce is not None:
            self._announce(said)

    def turn(self, new: Sequence[tuple[int, Request]], gone: Sequence[int]) -> list[tuple[int, Reply | Rejected]]:
        """See `RunningEngine.turn`."""
        plain = [(number, replace(request, hidden=None)) for number, request in new]  # for the simulated model only, and it need not pickle
        return self._call(_turn, plain, list(gone))

    def stop(self) -> None:
        """End the process if it is still loading: that may take minutes, and nobody waits for it any more."""
        if not self._loaded:
            self._let_go()

    def free(self) -> None:
        """Shut the engine down, whose processes that of the replica would wait for, and end the process."""
        process, self._process, self._loaded = self._process, None, False
        if process is None:
            return
        try:
            process.submit(_close).result(CLOSING_S)
        except BrokenProcessPool:  # it has ended already
            pass
        except TimeoutError:
            self._let_go()
        process.shutdown()
        self._let_go()

    def _let_go(self) -> None:
        leash, self._leash = self._leash, None
        if leash is not None:
            leash.close()

    def _call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        if self._process is None:
            raise Unusable(f"{self._name}: a replica was asked before it was loaded")
        try:
            return self._process.submit(work, *arguments).result()
        except BrokenProcessPool as error:
            raise Unusable(f"{self._name}: a replica's process ended: {one_line(error)}") from error


_engine: Vllm | None = None
"""The engine of a replica's process."""


def _begin(leash: Connection) -> None:
    os.setsid()
    deaf(leash)


def _open(name: str, checkpoint: Checkpoint, devices: range) -> str:
    global _engine
    env.show_devices(devices)
    said: list[str] = []
    _engine = Vllm(name, checkpoint, said.append)
    _engine.load()
    return said[0]


def _close() -> None:
    global _engine
    engine, _engine = _engine, None
    if engine is not None:
        engine.free()


def _turn(new: Sequence[tuple[int, Request]], gone: Sequence[int]) -> list[tuple[int, Reply | Rejected]]:
    """Turns of the engine until something is finished, or there may be something new."""
    if _engine is None:
        raise Unusable("a replica was asked before it was loaded")
    until = time.monotonic() + TURN_S
    done = _engine.turn(new, gone)
    while not done and _engine.busy and time.monotonic() < until:
        done = _engine.turn((), ())
    return done
