"""A checkpoint is known by all of its bytes, each large file read once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bench.errors import UserError
from bench.files import file_sha256
from bench.models.local import hashes
from bench.models.local.checkpoint import Checkpoint, fingerprint


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTGAP_CACHE", str(tmp_path / "cache"))


def checkpoint(folder: Path, weights: bytes) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    os.utime(folder / "model.safetensors", (1_700_000_000, 1_700_000_000))
    return folder


def test_one_byte_anywhere_makes_another_checkpoint(tmp_path: Path) -> None:
    weights = bytearray(3 << 20)
    first = fingerprint(checkpoint(tmp_path / "a", bytes(weights)))
    assert fingerprint(checkpoint(tmp_path / "same", bytes(weights))) == first
    for place in (0, 70_000, 1_500_001, len(weights) - 1):
        changed = weights.copy()
        changed[place] ^= 1
        assert fingerprint(checkpoint(tmp_path / f"b{place}", bytes(changed))) != first


def test_a_large_file_is_read_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkpoint(tmp_path / "a", bytes(2 << 20))
    first = fingerprint(folder)
    (entry,) = json.loads((tmp_path / "cache" / hashes.NAME).read_text()).values()
    assert entry[0] == 2 << 20
    read: list[str] = []

    def counted(path: Path) -> str:
        read.append(path.name)
        return file_sha256(path)

    monkeypatch.setattr(hashes, "file_sha256", counted)
    assert fingerprint(folder) == first
    assert read == ["config.json"]
    (folder / "model.safetensors").write_bytes(b"\1" + bytes((2 << 20) - 1))
    assert fingerprint(folder) != first


def test_a_broken_memory_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / hashes.NAME).write_text("[")
    folder = checkpoint(tmp_path / "a", bytes(2 << 20))
    assert fingerprint(folder) == fingerprint(folder)


def test_what_stands_beside_a_checkpoint_does_not_count(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "a", b"x")
    before = fingerprint(folder)
    (folder / "training.json").write_text("{}")
    (folder / "notes.md").write_text("x")
    assert fingerprint(folder) == before
    with pytest.raises((UserError, OSError)):
        fingerprint(tmp_path / "none")


def test_files_are_looked_at_once_for_all_replies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    seen: list[Path] = []

    def looked_at(folder: Path) -> str:
        seen.append(folder)
        return "0" * 64

    monkeypatch.setattr("bench.models.local.checkpoint.fingerprint", looked_at)
    made = Checkpoint(str(tmp_path))
    assert {made.identity for _ in range(5)} == {f"{tmp_path.name}@{'0' * 12}"}
    assert len(seen) == 1
