"""A cache whose schema holds names that are no UTF-8, as flipped bytes leave it, is set aside like any other damaged one."""

from __future__ import annotations

from pathlib import Path
from sqlite3 import Connection

import pytest

from bench.runner import cache


def test_a_name_that_is_no_text_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.Cache(tmp_path).close()
    whole, tries = cache._open, list[Path]()  # pyright: ignore[reportPrivateUsage]

    def opened(path: Path) -> Connection:
        tries.append(path)
        return whole(path) if len(tries) > 1 else bytes.fromhex("f2").decode()  # pyright: ignore[reportReturnType]

    monkeypatch.setattr(cache, "_open", opened)
    said: list[str] = []
    cache.Cache(tmp_path, announce=said.append).close()
    aside = [path.name for path in tmp_path.glob("replies-set-aside-*.sqlite")]
    assert len(aside) == 1
    assert aside[0] in said[0]
