"""GRPO on the small checkpoint with real rewards: everything that is trained moves, a resumed run is the uninterrupted one, bit by bit."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UserError
from bench.models.registry import ModelOptions, resolve
from bench.store.rollouts import read_rollouts
from bench.train.grpo import Training, train
from bench.train.provenance import RECORD
from bench.train.recipe import load_recipe
from bench.train.trainer import trainer_class
from tests.train.runs import BASE, recipe, unmoved, weights


def test_every_parameter_moves_with_full_weights(whole: Path) -> None:
    assert unmoved(BASE, whole) == []


def test_only_the_language_model_moves_with_lora(tmp_path: Path) -> None:
    out = train(Training(recipe(tmp_path / "recipe", lora__r=4, grpo__max_steps=2), "perception", str(BASE), tmp_path / "out"))
    adapter: Any = importlib.import_module("safetensors.torch").load_file(out / "adapter" / "adapter_model.safetensors")
    assert adapter
    assert all(bool((tensor != 0).any()) for tensor in adapter.values())  # the B matrices start at zero
    projections = {f"{part}_proj.weight" for part in "qkvo"}
    moved = set(weights(BASE)) - set(unmoved(BASE, out))
    assert moved == {name for name in weights(BASE) if "language_model" in name and name.rpartition("self_attn.")[2] in projections}


def test_without_the_override_nothing_would_be_restored(whole: Path) -> None:
    """The fault that the override mends is still there; when this fails, the override can go."""
    base: Any = importlib.import_module("trl").GRPOTrainer
    assert trainer_class()._load_from_checkpoint is not base._load_from_checkpoint
    safetensors: Any = importlib.import_module("safetensors")
    with safetensors.safe_open(whole / "steps" / "checkpoint-2" / "model.safetensors", "pt") as file:
        stored = set(file.keys())
    load: Any = importlib.import_module("transformers").AutoModelForImageTextToText
    assert stored.isdisjoint(load.from_pretrained(whole).state_dict())


def test_what_is_left_behind(whole: Path) -> None:
    record = json.loads((whole / RECORD).read_text())
    assert record["finished"] is True
    assert record["stopped"] is None
    assert record["steps"] == 3
    assert record["reward"] == "mixture"
    assert len(record["base"]["sha256"]) == len(record["data_sha256"]) == 64
    assert record["recipe"]["grpo"]["max_steps"] == 3
    assert {"torch", "trl", "transformers"} <= set(record["versions"])
    assert [row["step"] for row in record["curve"]] == [1, 2, 3]
    assert {"reward", "tokens", "score answer", "score think", "score image_description", "score rethink"} <= set(record["curve"][0])
    assert all(math.isfinite(value) for row in record["curve"] for value in row.values())
    assert [row["step"] for row in read_rollouts(whole)] == [1] * 4  # the best and the worst of two puzzles, every ten steps
    assert (whole / "curves.png").stat().st_size > 10_000
    assert list((whole / "tensorboard").rglob("events*"))
    assert (whole / "tokenizer.json").read_text() == (BASE / "tokenizer.json").read_text()


def test_the_checkpoint_is_one_more_model(whole: Path) -> None:
    model = resolve(f"hf/{whole}", ModelOptions())
    assert model.provider == "hf"


def test_a_model_is_named_as_on_the_command_line(tmp_path: Path) -> None:
    shipped = load_recipe("tiny")
    names = ("tiny-base", f"hf/{tmp_path}", str(tmp_path))
    assert [Training(shipped, "mixture", name, tmp_path).base for name in names] == ["results/checkpoints/tiny-base", *[str(tmp_path)] * 2]


def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be loaded"):
        train(Training(recipe(tmp_path / "recipe"), "mixture", str(tmp_path / "nowhere"), tmp_path / "out"))
    assert not list((tmp_path / "out").glob("*"))  # so that the corrected command can use the folder
