"""Whether every extra of this project can be installed at all, on every Python that it is for: `make resolve`, nothing is installed.

uv resolves from the index's metadata as pip would, for a Linux with glibc 2.34 and for Pythons that need not be here, in seconds; pip
takes minutes for vLLM's two hundred packages, and reads markers for the Python that runs it alone.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

PYTHONS = ("3.11", "3.12", "3.13")
PLATFORM = "x86_64-manylinux_2_34"
GPUS = "constraints-gpus.txt"
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


@cache
def reachable() -> bool:
    """Whether a package index answers."""
    return UV.is_file() and conflict("sniffio", PYTHONS[0]) is None


def main() -> int:
    """Resolve every extra for every Python, and print one line each."""
    if not reachable():
        print("no package index can be reached")
        return 1
    asked = [(extra, None) for extra in extras()] + [("train-gpus", GPUS)]
    failed = 0
    for python in PYTHONS:
        for extra, constraints in asked:
            why = conflict(f"-e .[{extra}]", python, constraints)
            failed += why is not None
            beside = "" if constraints is None else f" with {constraints}"
            print(f"{python}  {extra}{beside}: {'resolves' if why is None else why}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
