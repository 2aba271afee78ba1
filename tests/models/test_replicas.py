"""Processes of replicas, without an engine: they are out of reach of what a terminal sends, and end when nobody wants them any more."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from bench.models.base import Request, Sampling
from bench.models.local import replicas
from bench.models.local.checkpoint import Checkpoint
from bench.models.local.refill import Refill
from bench.models.local.replicas import Replica

SOON_S = 60.0
"""Patience with processes that start and end on a loaded machine, in seconds."""
CHECKPOINT = Checkpoint("model")


def _loads_for_ever(name: str, checkpoint: Checkpoint, devices: range) -> str:
    Path(name).write_text(f"{os.getpid()} {os.getsid(0)}")
    time.sleep(600)
    return ""


def _loaded(name: str, checkpoint: Checkpoint, devices: range) -> str:
    Path(name).write_text(f"{os.getpid()} {os.getsid(0)}")
    return "loaded"


def _closes_never() -> None:
    time.sleep(600)


def _ids(path: Path) -> tuple[int, int]:
    """Process and session of the replica that left them in a file."""
    until = time.monotonic() + SOON_S
    while not (path.is_file() and path.read_text().count(" ")):
        assert time.monotonic() < until
        time.sleep(0.02)
    pid, session = map(int, path.read_text().split())
    return pid, session


def _gone(pid: int) -> bool:
    until = time.monotonic() + SOON_S
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return not Path(f"/proc/{pid}").exists()


def test_a_replica_that_is_being_loaded_is_given_up_with_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "_open", _loads_for_ever)
    queue = Refill(Replica(str(tmp_path / "ids"), CHECKPOINT, range(1), None))

    async def interrupted() -> tuple[int, int]:
        asked = asyncio.ensure_future(queue.ask(Request("?", None, Sampling())))
        found = await asyncio.to_thread(_ids, tmp_path / "ids")
        asked.cancel()
        await asyncio.wait_for(queue.close(), SOON_S)
        return found

    pid, session = asyncio.run(interrupted())
    assert session == pid != os.getsid(0)
    assert _gone(pid)


def test_an_engine_that_does_not_shut_down_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "_open", _loaded)
    monkeypatch.setattr(replicas, "_close", _closes_never)
    monkeypatch.setattr(replicas, "CLOSING_S", 0.2)
    said: list[Any] = []
    replica = Replica(str(tmp_path / "ids"), CHECKPOINT, range(1), said.append)
    replica.load()
    pid, _ = _ids(tmp_path / "ids")
    replica.stop()  # it is loaded: nothing is given up
    assert Path(f"/proc/{pid}").exists()
    replica.free()
    assert said == ["loaded"]
    assert _gone(pid)
