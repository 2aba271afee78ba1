"""Commands with child processes that are told to end: they end as any other does, no child is left alive, and the same command continues.

A process counts as a child of a command where it descends from it, or where a mark stands in its environment, which it inherits whoever
becomes its parent later.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from bench.cli import INTERRUPTED
from bench.train.checkpoints import saved_steps
from tests.chaos.scene import Attempt
from tests.conftest import ROOT
from tests.train import recipes
from tests.train.runs import BASE, SMALL

IDLE_S = 60.0
"""How long all processes of a command together may use no time of a processor before it has stored anything, in seconds."""
WORK_S = 300.0
"""Time of processors that a command may take before it has stored anything: two engines of vLLM need about 110 s, however long that is."""
PATIENCE_S = 240.0
"""How long a command that was told to end may take for it, in seconds."""
GRACE_S = 20.0
"""How long a child may outlive its command, in seconds: it ends by itself where the command was killed."""
RAYS_S = 120.0
"""The same for Ray's own agents, which look for their node about once a minute."""
MARK = "SIGHTGAP_TESTS_CHILD_OF"
VLLM = ROOT / ".venv-vllm" / "bin" / "python"


WAYS = ((signal.SIGTERM, False), (signal.SIGHUP, True), (signal.SIGKILL, False), (signal.SIGINT, True), (signal.SIGTERM, True))
"""What a command is sent, and whether every process of its group is."""


def ends(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` commands with child processes, ended in all ways in turn: message, totals, exit code 130, and nobody is left."""
    for number, ((name, family), way) in enumerate(product(families(folder / "scene").items(), WAYS)):
        if number < n:
            who = "everyone" if way[1] else "it alone"
            place = folder / (name if family.continued else str(number))
            yield Attempt(f"{name}, {way[0].name} to {who}", family.told(way[0], place, everyone=way[1]))


@dataclass(frozen=True, slots=True)
class Family:
    """A command with child processes.

    `least`: as many children it has at work; `stored`: what it has stored, from the folder that it writes into, which grows as it works;
    `kept`: what is wrong with that once it is told to end; `loud`: the children are not of our making, and may tell of their own end;
    `continued`: each attempt goes on where the one before was ended.
    """

    command: tuple[str, ...]
    least: int
    stored: Callable[[Path], Mapping[str, bytes]]
    kept: Callable[[Path], str | None]
    python: Path = Path(sys.executable)
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    loud: bool = False
    continued: bool = True
    grace_s: float = GRACE_S

    def told(self, number: int, folder: Path, *, everyone: bool) -> str | None:
        """Start it in `folder`, send it a signal once it works, or `everyone` of its group; what went wrong."""
        mark = uuid.uuid4().hex
        environment = {**os.environ, **self.environment, MARK: mark, "SPT_NOENV": "1", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
        folder.mkdir(parents=True, exist_ok=True)
        before = self.stored(folder / "out")
        with (
            (folder / "said").open("w") as said,
            subprocess.Popen(
                [str(self.python), str(ROOT / "run_bench.py"), *self.command, "--out", str(folder / "out")],
                cwd=folder, env=environment, stdout=said, stderr=said, start_new_session=True,
            ) as process,
        ):  # fmt: skip
            try:
                trouble = self._told(process, number, folder, mark, before, everyone=everyone)
            finally:
                for pid in marked(mark):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        return trouble and f"{trouble}; it said: {(folder / 'said').read_text(errors='replace')[-600:]}"

    def _told(
        self, process: subprocess.Popen[bytes], number: int, folder: Path, mark: str, before: Mapping[str, bytes], *, everyone: bool
    ) -> str | None:
        if trouble := self._idle(process, folder, mark, before):
            return trouble
        (os.killpg if everyone else os.kill)(process.pid, number)
        try:
            code = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"it does not end: {names(marked(mark))}"
        now = self.stored(folder / "out")
        if not all(now.get(name, b"").startswith(content) for name, content in before.items()):
            return "what was stored before is not there any more"
        killed = number == signal.SIGKILL
        until = time.monotonic() + (self.grace_s if killed else 1.0)
        while (left := marked(mark)) and time.monotonic() < until:
            time.sleep(0.05)
        if left:
            return f"exit {code}, and these are left alive: {names(left)}"
        if killed and self.continued:  # its totals are those of the session before; the next attempt goes on with what is stored
            return None if size(now) > size(before) else "nothing more was stored"
        said = (folder / "said").read_text(errors="replace")
        if killed:
            return self.kept(folder / "out")
        if code != INTERRUPTED or said.count("\ninterrupted: ") != 1:
            return f"exit {code}"
        return "a traceback" if "Traceback" in said and not self.loud else self.kept(folder / "out")

    def _idle(self, process: subprocess.Popen[bytes], folder: Path, mark: str, before: Mapping[str, bytes]) -> str | None:
        """Wait until it works; why it does not."""
        worked, since = 0.0, time.monotonic()
        while size(self.stored(folder / "out")) <= size(before) or len(marked(mark) - {process.pid}) < self.least:
            if (used := processor_time(marked(mark))) > worked:
                worked, since = used, time.monotonic()
            if process.poll() is not None or worked > WORK_S or time.monotonic() - since > IDLE_S:
                return f"it never came to work (exit {process.poll()}, {worked:.0f} s of work, {names(marked(mark))})"
            time.sleep(0.2)
        return None


def marked(mark: str) -> set[int]:
    """The processes that are alive and have `mark` in their environment, or descend from one that has."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state in "ZX":
                continue
            parents[int(folder.name)] = int(parent)
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def size(stored: Mapping[str, bytes]) -> int:
    """Bytes of all that is stored."""
    return sum(map(len, stored.values()))


def processor_time(pids: set[int]) -> float:
    """What they have used of processors so far, in seconds."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            ticks += sum(map(int, (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def names(pids: set[int]) -> list[str]:
    """What they are, for a person."""
    told: list[str] = []
    for pid in sorted(pids):
        with suppress(OSError):
            told.append((Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120].strip())
    return told


# -- what has children -------------------------------------------------------------------------------------------------------------------
def families(folder: Path) -> dict[str, Family]:
    """The commands that have child processes, as far as what they need is installed; their files are made in `folder`."""
    found = {"trainings side by side": _sweep(folder)}
    if find_spec("ray") is not None:
        found["a cluster of its own"] = _ray()
    if VLLM.is_file():
        found |= {"an engine": _engine(""), "two replicas": _engine(",dp=2")}
    return found


def _sweep(folder: Path) -> Family:
    """Two trainings that take long, each in a process of its own."""
    changes = SMALL | {"data__suite": None, "data__levels": None, "grpo__max_steps": 400, "grpo__save_steps": 200}
    one = {"sweep__seeds": [0], "sweep__lessons": None, "sweep__controls": []}
    more = {**one, "sweep__jobs": 2, "sweep__rewards": ["mixture", "perception"]}
    folder.mkdir(parents=True, exist_ok=True)
    asked = recipes.written(folder, recipes.table("tiny", **(changes | more)))

    def begun(out: Path) -> dict[str, bytes]:
        return {"both": b"begun"} if len([*out.glob("checkpoints/*/training.json")]) == 2 else {}

    def kept(out: Path) -> str | None:
        saved = [len(saved_steps(training)) for training in out.glob("checkpoints/*")]
        return None if saved == [1, 1] else f"whole steps that were saved of each: {saved}"

    return Family(("train", "--recipe", str(asked), "--reward", "all", "--model", str(BASE)), 2, begun, kept, continued=False)


def _asked(model: str, *more: str) -> tuple[str, ...]:
    return ("run", "--model", model, "--suite", "mini:n=40", "--families", "clock", "--mode", "blind", "--cache", "off", *more)


def _ray() -> Family:
    return Family(_asked("sim/p=0.6,r=0.8", "--ray", "local", "--replicates", "4000"), 4, _trials, _stored, grace_s=RAYS_S)


def _engine(more: str) -> Family:
    model = f"vllm/{BASE}?dtype=float32,eager=yes,max_len=512{more}"
    environment = {"OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_HOST_IP": "127.0.0.1", "VLLM_NO_USAGE_STATS": "1"}
    command = _asked(model, "--replicates", "400", "--max-tokens", "200", "--temperature", "1", "--concurrency", "8")
    return Family(command, 4 if more else 1, _trials, _stored, VLLM, {**environment, "HF_HUB_OFFLINE": "1"}, loud=True)


def _trials(out: Path) -> dict[str, bytes]:
    """The whole lines of what is stored, of the run itself or of its parts."""
    files = [*out.glob("trials.jsonl"), *out.glob("parts/*/trials.jsonl")]
    return {str(file): file.read_bytes().rpartition(b"\n")[0] for file in files}


def _stored(out: Path) -> str | None:
    """What is wrong with the totals of a run that was told to end."""
    lines = len((out / "trials.jsonl").read_bytes().splitlines())
    totals = json.loads((out / "run.json").read_text(encoding="utf-8"))["totals"]
    return None if lines > 0 and totals["finished"] == lines else f"totals say {totals} of {lines} records"
