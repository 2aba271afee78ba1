"""A real Ray cluster of two nodes on this machine, one of which is killed in the middle: `make test-ray` runs it, and alone."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.store.run import open_run
from tests.conftest import ROOT
from tests.models.fault_server import FaultServer, Seen, Step, say
from tests.ray.nodes import KEYS, ON_LOOPBACK, document

pytestmark = pytest.mark.timeout(600)

AT_ONCE = 8
"""Requests at once of a whole run."""


@dataclass
class Nodes:
    """A running cluster: its address, its folder of logs, and a way to kill one of the two nodes."""

    address: str
    folder: Path
    kill: Callable[[int], None]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    for last in (False, False, True):
        folder = Path(tempfile.mkdtemp(prefix="ray"))  # sockets lie in it, and their paths may have 107 characters
        command, log = [sys.executable, "-m", "tests.ray.nodes", str(folder), *KEYS], folder / "errors"
        pipe = subprocess.PIPE
        with log.open("w") as errors, subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=errors, text=True) as process:
            address = _line(process, r"127\.0\.0\.1:\d+")
            if address is not None:
                yield Nodes(address, folder, lambda number: _kill(process, number))
            elif last:
                pytest.fail(f"no cluster: {log.read_text(errors='replace')[-2000:]}")
            process.communicate(timeout=100)
        shutil.rmtree(folder, ignore_errors=True)
        if address is not None:
            return


def _line(process: subprocess.Popen[str], pattern: str) -> str | None:
    """The next line that the process prints in this form; None where it ends before."""
    assert process.stdout is not None
    return next((line.strip() for line in process.stdout if re.fullmatch(pattern, line.strip())), None)


def _kill(process: subprocess.Popen[str], number: int) -> None:
    assert process.stdin is not None
    process.stdin.write(f"kill {number}\n")
    process.stdin.flush()
    assert _line(process, "killed") == "killed"


def answer(seen: Seen) -> Step:
    """Always the same to the same question, after a while."""
    picture = [block["image_url"]["url"] for block in seen.content if block["type"] == "image_url"]
    sha = hashlib.sha256(json.dumps([seen.text, picture]).encode()).hexdigest()
    return replace(say(f"<answer>{'ABCD'[int(sha[:8], 16) % 4]}</answer>"), delay_s=0.25)


class Asked:
    """The command against a server, in a process of its own."""

    def __init__(self, server: FaultServer, out: Path, *more: str) -> None:
        self.server, self.out = server, out
        names = ["--model", f"openai/m@{server.openai_url}", "--mode", "image,caption,oracle,blind", "--suite", "mini"]
        names += ["--families", "clock,maze", "--limit", "10", "--out", str(out), "--cache", "off"]
        names += ["--concurrency", str(AT_ONCE), *more]
        self.command = [sys.executable, str(ROOT / "run_bench.py"), "run", *names]
        self.env = {
            **os.environ,
            **ON_LOOPBACK,
            "NO_COLOR": "1",
            "OPENAI_API_KEY": "sk-the-driver-has-no-use-for-one",
            "PYTHONPATH": str(ROOT),
        }

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command,
            cwd=self.out.parent,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def by(self, key: str) -> int:
        """Requests that the node with this key has sent."""
        return sum(seen.headers.get("authorization") == f"Bearer {key}" for seen in list(self.server.seen))

    def wait_until(self, true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        until = time.monotonic() + 200
        while not true():
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                pytest.fail(f"it ended too soon, or never began: {process.communicate()}")
            time.sleep(0.02)


def test_a_node_that_dies_changes_nothing(nodes: Nodes, tmp_path: Path) -> None:
    """Killed in the middle: its parts go on elsewhere from what they stored, the result is the undisturbed one, and no key is told."""
    with FaultServer(rule=answer) as server:
        plain = Asked(server, tmp_path / "plain").start()
        assert plain.wait(200) == 0, plain.communicate()
        needed = len(server.seen)
        server.play(answer)
        ours = Asked(server, tmp_path / "ours", "--ray", nodes.address)
        process = ours.start()
        ours.wait_until(lambda: min(ours.by(key) for key in KEYS) >= 3, process)
        nodes.kill(0)
        before = ours.by(KEYS[0])
        said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        assert ours.by(KEYS[0]) <= before + 3 * AT_ONCE  # its task outlives it by a second or so
        assert len(server.seen) - needed <= AT_ONCE // 2  # what was in flight on the node
        assert document(tmp_path / "ours") == document(tmp_path / "plain")
        keys = [record.key for record in open_run(tmp_path / "ours").records()]
        assert len(keys) == len(set(keys))
        assert not (tmp_path / "ours" / "parts").exists()
        again = Asked(server, tmp_path / "ours", "--ray", nodes.address).start()
        assert again.wait(100) == 0
        assert len(server.seen) - needed <= AT_ONCE // 2
    told = [path for path in nodes.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert told
    assert [path for path in told if any(key.encode() in path.read_bytes() for key in KEYS)] == []
    assert all(key not in said[0] + said[1] for key in KEYS)


def test_ctrl_c_stores_what_is_finished_and_the_same_command_goes_on(nodes: Nodes, tmp_path: Path) -> None:
    with FaultServer(rule=answer) as server:
        ours = Asked(server, tmp_path / "run", "--ray", nodes.address)
        process = ours.start()
        ours.wait_until(lambda: len(server.seen) >= 20, process)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=100)
        assert process.returncode == 130, said
        assert said[1].splitlines()[-1] == "interrupted: what is finished is stored; the same command continues"
        first, stored = len(server.seen), len(open_run(tmp_path / "run").latest())
        time.sleep(1.0)
        assert len(server.seen) == first  # no task went on
        assert stored > 0
        process = ours.start()
        said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        assert len(server.seen) <= 100 + AT_ONCE  # 80 trials and 20 captions, and what was in flight
