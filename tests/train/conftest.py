"""One uninterrupted training, shared by the tests that hold others against it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.train.grpo import Training, train
from tests.train.runs import BASE, recipe


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three steps under `mixture` with full weights, without interruption."""
    folder = tmp_path_factory.mktemp("grpo")
    return train(Training(recipe(folder / "recipe"), "mixture", f"hf/{BASE}", folder / "out"))
