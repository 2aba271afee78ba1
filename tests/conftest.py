"""What all tests share: no network but loopback (see `addopts`), no keys from the environment, the public puzzles where they are."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from bench.cli import GARBAGE

hypothesis.settings.register_profile("sightgap", deadline=None, derandomize=True)
hypothesis.settings.load_profile("sightgap")
gc.set_threshold(*GARBAGE)
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes side by side, each with as many threads as there are processors, lose time

ONE_WORKER = {
    "tests/train/test_during.py": "training", "tests/train/test_endings.py": "training", "tests/train/test_grpo.py": "training",
    "tests/train/test_sweep.py": "sweep", "tests/train/test_data.py": "training sets",
    "tests/report/test_html_browser.py": "browser",
    "tests/models/test_litellm_peer.py": "LiteLLM", "tests/models/test_local_runs.py": "local runs", "tests/test_installed.py": "installed",
}  # fmt: skip
"""Modules whose fixtures take long: pytest's processes do not make them twice. The longest come first, so that none is left for the end."""

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {path: place for place, path in enumerate(ONE_WORKER)}
    items.sort(key=lambda item: places.get(_module(item.nodeid), len(places)))


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # thousands of tests, which stay


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Tests are handed out one by one, and those of `ONE_WORKER` by their groups."""
    from xdist.scheduler import LoadScopeScheduling  # pyright: ignore[reportMissingTypeStubs]

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return ONE_WORKER.get(_module(nodeid), nodeid)

    config.option.loadscopereorder = False
    return Grouped(config, log)


def _module(nodeid: str) -> str:
    return nodeid.partition("::")[0]
