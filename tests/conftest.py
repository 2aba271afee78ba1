"""What all tests share: no network but loopback (see `addopts`), no keys from the environment, the public puzzles where they are."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("sightgap", deadline=None, derandomize=True)
hypothesis.settings.load_profile("sightgap")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def authors_data() -> Path:
    """The folder with the first ten puzzles of each public family; skips the test where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the public puzzles (../shared/data) are not on this machine")
    return SHARED


@pytest.fixture(scope="session", params=["own", "authors"] if SHARED.is_dir() else ["own"])
def shared_data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ten puzzles of each public family in the authors' layout: of our own drawing, and theirs where they are."""
    if request.param == "authors":
        return SHARED
    from tests.tasks.authors import write_authors

    return write_authors(tmp_path_factory.mktemp("own"))
