"""The chaos suite, small: every promise is tried and holds; and each way of trying finds what breaks it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.runner import cache
from tests.chaos import damage, kills, mixing
from tests.chaos.__main__ import tried
from tests.chaos.rows import ROWS
from tests.chaos.scene import Row, Tries

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Keys, addresses and the working directory are as they were."""
    before, place = dict(os.environ), Path.cwd()
    yield
    os.chdir(place)
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("row", [row for row in ROWS if row.small], ids=lambda row: row.name)
def test_the_promise_holds(row: Row) -> None:
    count, troubles = tried(row, row.small)
    assert count >= 1
    assert troubles == []


def _same(*_: str) -> str:
    return "same"


def _fine(*_: Any) -> None:
    return None


BROKEN: dict[str, tuple[Any, str, Any, Tries, int]] = {
    "no hashes in the cache": (cache, "_hash", _same, damage.cache_files, 14),
    "a clock that never strikes": (mixing.processor, "why_unfit", _fine, mixing.loops, 0),
    "an interruption that looks like success": (kills, "INTERRUPTED", 0, kills.stops, 1),
}
"""What is taken away, and the row that must notice."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, attribute, value, tries, n = BROKEN[name]
    monkeypatch.setattr(place, attribute, value)
    assert any(attempt.trouble for attempt in tries(tmp_path, n))
