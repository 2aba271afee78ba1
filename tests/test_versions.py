"""Versions as a run records them are those that Python's own reader of metadata says."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from bench.versions import package_version


def test_the_version_of_everything_that_is_installed() -> None:
    found = {each.name: each.version for each in importlib.metadata.distributions()}
    assert len(found) > 50
    assert {name: package_version(name) for name in found} == {name: importlib.metadata.version(name) for name in found}
    assert package_version("no-such-package") is None


def test_metadata_of_an_old_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old_form.egg-info").mkdir()
    (tmp_path / "old_form.egg-info" / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old-form\nVersion: 3.1\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert package_version("old-form") == "3.1"
