"""Where a base comes from: a folder by its weights, a hub id by its commit, in the layout of the hub's own cache."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UserError
from bench.models.local.checkpoint import hub_commit
from bench.models.registry import ModelOptions, resolve
from bench.train.grpo import Training, identity
from bench.train.recipe import load_recipe
from bench.train.weights import load_policy
from tests.conftest import ROOT
from tests.models.local_requests import ask_all, requests

BASE = ROOT / "results" / "checkpoints" / "tiny-base"
ID = "someone/tiny-vl"
COMMITS = ("1" * 40, "2" * 40)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache as a download leaves it, with two commits of one checkpoint, `main` at the first; the hub itself is out of reach."""
    place = tmp_path / f"models--{ID.replace('/', '--')}"
    for commit in COMMITS:
        shutil.copytree(BASE, place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMITS[0])
    constants: Any = import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for module in (constants, import_module("transformers.utils.hub")):
        for name in ("HF_HUB_CACHE", "TRANSFORMERS_CACHE"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, str(tmp_path))
    return place


def test_a_hub_id_is_known_by_its_commit(hub: Path) -> None:
    training = Training(load_recipe("tiny"), "mixture", f"hf/{ID}", hub / "out")
    assert identity(training, "x")["base"] == {"name": ID, "sha256": None, "commit": COMMITS[0]}
    (hub / "refs" / "main").write_text(COMMITS[1])
    assert identity(training, "x")["base"]["commit"] == COMMITS[1]  # so that going on with other weights is refused


def test_the_recorded_commit_is_what_is_read(hub: Path) -> None:
    """Also at the end, when an adapter is merged and the hub may have moved on."""
    torch: Any = import_module("torch")
    (hub / "refs" / "main").write_text(COMMITS[1])
    safetensors: Any = import_module("safetensors.torch")
    file = hub / "snapshots" / COMMITS[1] / "model.safetensors"
    changed = safetensors.load_file(file)
    changed["model.norm.weight"] += 1.0
    safetensors.save_file(changed, file, {"format": "pt"})
    first, now = (load_policy(ID, "float32", revision).model.language_model.norm.weight for revision in (COMMITS[0], None))
    assert not torch.equal(first, now)
    assert torch.equal(first, load_policy(str(BASE), "float32").model.language_model.norm.weight)


def test_replies_of_a_hub_model_name_the_commit(hub: Path) -> None:
    (reply,) = ask_all(resolve(f"hf/{ID}?dtype=float32", ModelOptions()), requests(1, max_tokens=2))
    assert reply.model == f"{ID}?dtype=float32@{COMMITS[0]}"


def test_a_folder_has_no_commit() -> None:
    assert hub_commit(str(BASE)) is None


def test_what_is_neither_there_nor_in_the_cache_is_one_line(hub: Path) -> None:
    with pytest.raises(UserError, match="cannot be loaded for training") as caught:
        identity(Training(load_recipe("tiny"), "mixture", "hf/someone/else", hub / "out"), "x")
    assert "\n" not in str(caught.value)
