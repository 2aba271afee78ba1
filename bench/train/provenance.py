"""Where a checkpoint comes from: versions of everything that trained it, and a hash of the weights that it started from."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from pathlib import Path

from bench.models import aliases
from bench.versions import __version__

RECORD = "training.json"
"""The file beside a checkpoint's weights that says how it was made."""

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "numpy", "pillow", "deepspeed", "vllm")


def versions() -> dict[str, str]:
    """Versions of this project, of Python and of the packages that training runs on, where they are installed."""
    found = {"sightgap": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def checkpoint_place(model: str) -> str:
    """The folder or hub id of a checkpoint that is written as for `--model`: an alias ("tiny-base"), "hf/PATH" or the path itself."""
    alias = aliases.aliases().get(model)
    return aliases.place(alias.id if alias is not None and alias.provider == "hf" else model.removeprefix("hf/"))


def checkpoint_sha256(where: str) -> str | None:
    """SHA-256 over the weight files of the folder `where`, in the order of their names; None for a name that is no folder."""
    files = sorted(Path(where).glob("*.safetensors")) if Path(where).is_dir() else []
    if not files:
        return None
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()
