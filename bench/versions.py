"""What code made a run: the versions of our package and of others, and the commit of a checkout."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

__version__ = "0.1.0"
SCHEMA = 1
"""Version of records, run.json and gap.json."""
PACKAGES = ("anthropic", "openai", "pillow", "numpy", "pandas", "jinja2", "aiohttp", "datasets", "torch", "transformers", "vllm")


def package_version(package: str) -> str | None:
    """The installed version of a distribution, None where it is not installed."""
    import importlib.metadata  # not at the top: a third of the time that --help takes

    try:
        found = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    said = re.search(r"^Version: *(\S+)", found.read_text("METADATA") or "", re.MULTILINE)
    return said[1] if said else found.version  # which takes three times as long: a parser of mail reads the whole of it


def commit() -> str | None:
    """The commit of the checkout that this code runs from, if it is one; marked where files differ from it."""
    where = Path(__file__).resolve().parent.parent
    if not (where / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(where), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
