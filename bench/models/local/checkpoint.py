"""What follows `hf/` or `vllm/`: a folder or hub id, and options after a question mark, separated by `&` or a comma.

    hf/results/checkpoints/tiny-base?adapter=runs/grpo/final
    vllm/Qwen/Qwen2.5-VL-7B-Instruct?tp=2,max_len=8192,revision=abc123

A local checkpoint is known by its content: its id is the folder's name and a fingerprint of its files, so that neither moving it loses what
was stored about it nor training it further passes for the same model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from bench.errors import UserError
from bench.extras import optional
from bench.models.local.hashes import Hashes

PACKAGES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "hf": (("torch", "transformers"), "local"),
    "vllm": (("vllm",), "vllm"),
}
"""By provider: the packages that it imports and the extra that installs them."""

DTYPES = ("auto", "float32", "bfloat16", "float16")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")

Reader = Callable[[str], Any]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("a positive number")
    return int(text)


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1.0:
        raise ValueError("a number above 0 and up to 1")
    return value


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("yes or no")
    return text == "yes"


def _dtype(text: str) -> str:
    if text not in DTYPES:
        raise ValueError(f"one of {', '.join(DTYPES)}")
    return text


def _device(text: str) -> str:
    if re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text) is None:
        raise ValueError("auto, cpu, mps, cuda or cuda:N")
    return text


def _word(text: str) -> str:
    if not text:
        raise ValueError("a value")
    return text


_SHARED: Mapping[str, Reader] = {"adapter": _word, "revision": _word, "trust_remote_code": _yes, "dtype": _dtype}
READERS: Mapping[str, Mapping[str, Reader]] = {
    "hf": {**_SHARED, "device": _device, "batch": _count},
    "vllm": {**_SHARED, "tp": _count, "dp": _count, "max_len": _count, "gpu": _fraction, "seqs": _count, "images": _count, "eager": _yes},
}
"""The options of each provider and how their values are read."""

_KINDS = frozenset({".json", ".jinja", ".safetensors", ".bin", ".txt", ".model", ".py"})
_BESIDE = frozenset({"training.json", "trainer_state.json", "training_args.bin", "scheduler.bin", "optimizer.bin"})
"""Kinds of files that make up a checkpoint, and files of those kinds that only stand beside it."""

_CHANGES_REPLIES = ("dtype", "max_len")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as a person named it.

    Attributes:
        where: folder or hub id.
        adapter: folder or hub id of a LoRA adapter to put on it.
        revision: branch, tag or commit of a hub id.
        trust_remote_code: whether code that the checkpoint brings may run.
        extra: the provider's other options, by name.
    """

    where: str
    adapter: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def parse(cls, name: str, provider: str, text: str) -> Checkpoint:
        """Read what follows `provider/` in `name`.

        Raises:
            UserError: an unknown option or value, or a folder that is not there or holds no checkpoint.
        """
        where, _, tail = text.partition("?")
        values: dict[str, Any] = {}
        for part in re.split(r"[&,]", tail) if tail else ():
            key, _, value = part.partition("=")
            reader = READERS[provider].get(key)
            if reader is None:
                raise UserError(f"{name}: unknown option {key!r}; expected some of {', '.join(READERS[provider])}")
            try:
                values[key] = reader(value)
            except ValueError as error:
                raise UserError(f"{name}: {key}: expected {error}, found {value!r}") from None
        shared = {key: values.pop(key) for key in ("adapter", "revision", "trust_remote_code") if key in values}
        made = cls(where, **shared, extra=values)
        _check(name, provider, made)
        return made

    @property
    def local(self) -> bool:
        """Whether it is a folder here rather than a hub id."""
        return Path(self.where).is_dir()

    @cached_property
    def identity(self) -> str:
        """What names its replies: content for folders, the id for the hub, and whatever option changes what is said.

        Found out once, since all files are looked at.
        """
        base = known_as(self.where) + (f"@{self.revision}" if self.revision else "")
        adapter = f"+{known_as(self.adapter)}" if self.adapter else ""
        options = ",".join(f"{key}={self.extra[key]}" for key in _CHANGES_REPLIES if key in self.extra)
        return base + adapter + (f"?{options}" if options else "")


def known_as(where: str) -> str:
    """A hub id as it is; a folder as its name and the first 12 hexadecimal digits of its fingerprint."""
    folder = Path(where)
    return f"{folder.resolve().name}@{fingerprint(folder)[:12]}" if folder.is_dir() else where


def hub_commit(where: str, revision: str | None = None) -> str | None:
    """The commit of the hub id `where` (or of its branch or tag `revision`), by the local cache where the hub is out of reach.

    None for a folder.

    Raises:
        OSError, ValueError: it is neither on the hub nor in the cache.
    """
    if Path(where).is_dir():
        return None
    config: str = optional("huggingface_hub", "local").hf_hub_download(where, "config.json", revision=revision)
    return Path(config).parent.name  # the cache has a folder for each commit


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names, sizes and bytes of the files that make up a checkpoint, all of them: two that differ in one tensor are two.

    Logs, optimizer states and the like beside the checkpoint do not count. Each file is read once and remembered by path, size and time of
    change (`bench.models.local.hashes`).
    """
    made = hashlib.sha256()
    with Hashes() as hashes:
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix in _KINDS and path.name not in _BESIDE:
                made.update(f"{path.name}\0{path.stat().st_size}\0{hashes.of(path)}\0".encode())
    return made.hexdigest()


def _check(name: str, provider: str, checkpoint: Checkpoint) -> None:
    """Refuse at once what a look at the files shows to be hopeless: nothing is imported or loaded for it."""
    if checkpoint.adapter and not Path(checkpoint.adapter).is_dir() and _HUB_ID.fullmatch(checkpoint.adapter) is None:
        raise UserError(f"{name}: there is no adapter folder {checkpoint.adapter!r}")
    if not checkpoint.local:
        if _HUB_ID.fullmatch(checkpoint.where) is None or Path(checkpoint.where).exists():
            raise UserError(f"{name}: expected a folder with a checkpoint or a hub id after {provider}/, found {checkpoint.where!r}")
        return
    if checkpoint.revision:
        raise UserError(f"{name}: revision= pins a hub id, but {checkpoint.where!r} is a folder")
    folder = Path(checkpoint.where)
    if not (folder / "config.json").is_file():
        base = _read_json(folder / "adapter_config.json").get("base_model_name_or_path")
        hint = f"; it is an adapter: write {provider}/{base}?adapter={checkpoint.where}" if base else ""
        raise UserError(f"{name}: {checkpoint.where!r} holds no checkpoint (no config.json){hint}")
    config = _read_json(folder / "config.json")
    if (
        not {"vision_config", "vision_tower_config", "vision_encoder", "visual", "vision_tower"} & config.keys()
        and "auto_map" not in config
    ):
        kind = ", ".join(config.get("architectures") or []) or config.get("model_type")
        raise UserError(f"{name}: {checkpoint.where!r} takes no images (it is a {kind}); a vision-language checkpoint is needed")
    if not _has_template(folder):
        raise UserError(
            f"{name}: {checkpoint.where!r} has no chat template (expected chat_template.jinja or one in tokenizer_config.json): "
            "copy the one of the model that it was made from"
        )


def _has_template(folder: Path) -> bool:
    if (
        any((folder / file).is_file() for file in ("chat_template.jinja", "chat_template.json"))
        or (folder / "additional_chat_templates").is_dir()
    ):
        return True
    return any(_read_json(folder / file).get("chat_template") for file in ("tokenizer_config.json", "processor_config.json"))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
