"""Real training runs for tests: a recipe of seconds, and what to ask of the weights that it leaves."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from bench.train.recipe import Recipe, load_recipe
from tests.conftest import ROOT
from tests.train import recipes

BASE = ROOT / "results" / "checkpoints" / "tiny-base"
_SHIPPED = load_recipe("tiny")
SMALL = {
    "data__set": "mini:n=6,level=1",
    "data__in_domain": list(_SHIPPED.data.in_domain),
    "data__out_of_domain": list(_SHIPPED.data.out_of_domain),
    "grpo__max_steps": 3,
    "grpo__per_device_train_batch_size": 16,
    "grpo__num_generations": 8,
    "grpo__learning_rate": 1e-4,
    "grpo__max_completion_length": 64,
    "grpo__save_steps": 2,
    "sweep__evaluate__n": 2,
}
TINY = {"grpo__max_steps": 1, "grpo__per_device_train_batch_size": 4, "grpo__num_generations": 2, "grpo__max_completion_length": 16}
"""For what is not about what is learned."""


def recipe(folder: Path, **changes: Any) -> Recipe:
    """The small recipe with some keys changed, written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return load_recipe(recipes.written(folder, recipes.table("tiny", data__suite=None, data__levels=None, **(SMALL | changes))))


def weights(folder: Path) -> dict[str, Any]:
    """All weights of a checkpoint, by name."""
    load: Any = importlib.import_module("transformers").AutoModelForImageTextToText
    return dict(load.from_pretrained(folder, dtype="float32").state_dict())


def unmoved(before: Path, after: Path) -> list[str]:
    """Names of the weights that are bit by bit the same in both checkpoints."""
    old, new = weights(before), weights(after)
    assert old.keys() == new.keys()
    return [name for name in old if bool((old[name] == new[name]).all())]
