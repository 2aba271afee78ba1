"""Whether every extra of this project can be installed at all, on every Python that it is for: `make resolve`, nothing is installed.

Two resolvers are asked, since they differ in how far they search before they give up.
- uv, for every extra and every Python, those too that are not here, for a Linux with glibc 2.34: a few seconds each.
- pip, for the extras that hold all others, with the constraints that the docs name beside them, in each Python of PYTHONS that is here: pip
  takes markers from the Python that runs it. vLLM's two hundred packages take it one to two minutes. What has wheels is not built.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

PYTHONS = ("3.11", "3.12", "3.13")
PLATFORM = "x86_64-manylinux_2_34"
GPUS = "constraints-gpus.txt"
PIP = "pip@26.3"
"""The pip that is asked; older ones fetch every wheel whole in a dry run."""
WHOLE: Mapping[str, str | None] = {"dev": "constraints.txt", "inspect": None, "train-gpus": GPUS, "vllm": None}
"""The extras that together hold all others, and the constraints that each is installed with."""
_SOURCES = "deepspeed"
"""What has no wheels."""
UV = Path(sys.executable).with_name("uv")


def extras() -> tuple[str, ...]:
    """The extras of pyproject.toml."""
    return tuple(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])


def conflict(requirements: str, python: str, constraints: str | None = None) -> str | None:
    """What keeps `requirements` (lines as pip reads them) from being installed together on `python`; None where nothing does."""
    command = [str(UV), "pip", "compile", "--quiet", "--no-header", "--python-version", python, "--python-platform", PLATFORM, "-"]
    if constraints is not None:
        command += ["--constraints", constraints]
    done = subprocess.run(command, input=requirements, capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)
    return None if done.returncode == 0 else done.stderr.strip() or f"uv ended with {done.returncode}"


def here(python: str) -> bool:
    """Whether a Python of this version can be run on this machine."""
    command = [str(UV), "python", "find", "--quiet", "--no-project", "--no-python-downloads", python]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def pip_conflict(requirement: str, python: str, constraints: str | Path | None = None, *, lazily: bool = False) -> str | None:
    """What keeps pip, run by a Python of this version, from installing `requirement`, as on its command line; None where nothing does.

    An index that tells no metadata makes pip fetch wheels whole, or `lazily` the part that it needs: slower for many, faster for big ones.
    """
    asked = ["install", "--dry-run", "--ignore-installed", "--only-binary=:all:", f"--no-binary={_SOURCES}"]
    asked += ["--use-feature=fast-deps"] if lazily else []
    asked += [] if constraints is None else ["--constraint", str(constraints)]
    command = [str(UV), "tool", "run", "--quiet", "--no-python-downloads", "--python", python, PIP, *asked, requirement]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        return "pip has found no solution in ten minutes"
    if done.returncode == 0:
        return None
    lines = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith("WARNING")]
    first = next((number for number, line in enumerate(lines) if line.startswith("ERROR")), -1)
    return "\n".join(lines[first:])


@cache
def reachable() -> bool:
    """Whether a package index answers."""
    return UV.is_file() and conflict("sniffio", PYTHONS[0]) is None


def main() -> int:
    """Resolve every extra for every Python, and print one line each."""
    if not reachable():
        print("no package index can be reached")
        return 1
    failed = 0
    for python in PYTHONS:
        for extra, constraints in [(extra, None) for extra in extras()] + [("train-gpus", GPUS)]:
            failed += _told(f"uv   {python}  {extra}", constraints, conflict(f"-e .[{extra}]", python, constraints))
    for python in PYTHONS:
        if not here(python):
            print(f"pip  {python}  not asked: there is no such Python here")
            continue
        for extra, constraints in WHOLE.items():
            failed += _told(f"pip  {python}  {extra}", constraints, pip_conflict(f".[{extra}]", python, constraints, lazily=True))
    return int(failed > 0)


def _told(asked: str, constraints: str | None, why: str | None) -> bool:
    """Print what came of one question; whether nothing can be installed."""
    beside = "" if constraints is None else f" with {constraints}"
    print(f"{asked}{beside}: {'resolves' if why is None else why}", flush=True)
    return why is not None


if __name__ == "__main__":
    sys.exit(main())
