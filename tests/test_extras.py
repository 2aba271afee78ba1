"""Late imports: a missing package is one line with its command, anything else that goes wrong is not hidden."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import errors
from bench.errors import MissingExtraError
from bench.extras import missing, optional, own


def test_what_is_there_is_imported() -> None:
    assert optional("json", "data").loads("[1]") == [1]
    assert own("bench.mode:Mode").__name__ == "Mode"


@pytest.mark.parametrize(
    ("module", "package"), [("sightgap_nowhere", "sightgap_nowhere"), ("sightgap_nowhere.deep.down", "sightgap_nowhere")]
)
def test_a_missing_package_names_its_extra(module: str, package: str) -> None:
    with pytest.raises(MissingExtraError, match=r"^sightgap_nowhere is not installed: run  pip install '\.\[train\]'$"):
        optional(module, "train")


def test_outside_a_clone_the_command_names_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "CHECKOUT", False)
    with pytest.raises(MissingExtraError, match=r"pip install 'sightgap\[figures\]'$"):
        optional("sightgap_nowhere", "figures")


def test_a_package_that_breaks_inside_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there; what it lacks is another package, or its own code is wrong."""
    (tmp_path / "sightgap_broken.py").write_text("import sightgap_nowhere\n")
    (tmp_path / "sightgap_wrong.py").write_text("raise ImportError('built for another machine')\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="sightgap_nowhere"):
        optional("sightgap_broken", "train")
    with pytest.raises(ImportError, match="another machine"):
        optional("sightgap_wrong", "train")


def test_the_first_missing_package() -> None:
    assert missing(("json", "sightgap_nowhere", "sightgap_neither")) == "sightgap_nowhere"
    assert missing(("json", "sys")) is None
    assert missing(()) is None
