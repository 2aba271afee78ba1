"""GRPO on the small checkpoint with real rewards: everything that is trained moves, a resumed run is the uninterrupted one, bit by bit."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.errors import UserError
from bench.models.registry import ModelOptions, resolve
from bench.train.grpo import Training, TrainingStopped, train
from bench.train.provenance import RECORD
from bench.train.recipe import Recipe, load_recipe
from bench.train.trainer import trainer_class
from tests.conftest import ROOT
from tests.train import recipes

BASE = ROOT / "results" / "checkpoints" / "tiny-base"
SHIPPED = load_recipe("tiny")
SMALL = {
    "data__set": "mini:n=6,level=1",
    "data__in_domain": list(SHIPPED.data.in_domain),
    "data__out_of_domain": list(SHIPPED.data.out_of_domain),
    "grpo__max_steps": 3,
    "grpo__per_device_train_batch_size": 16,
    "grpo__num_generations": 8,
    "grpo__learning_rate": 1e-4,
    "grpo__max_completion_length": 64,
    "grpo__save_steps": 2,
    "sweep__evaluate__n": 2,
}


def recipe(folder: Path, **changes: Any) -> Recipe:
    folder.mkdir(parents=True, exist_ok=True)
    return load_recipe(recipes.written(folder, recipes.table("tiny", data__suite=None, data__levels=None, **(SMALL | changes))))


def weights(folder: Path) -> dict[str, Any]:
    load: Any = importlib.import_module("transformers").AutoModelForImageTextToText
    return dict(load.from_pretrained(folder, dtype="float32").state_dict())


def unmoved(before: Path, after: Path) -> list[str]:
    old, new = weights(before), weights(after)
    assert old.keys() == new.keys()
    return [name for name in old if bool((old[name] == new[name]).all())]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three steps under `mixture` with full weights, without interruption."""
    folder = tmp_path_factory.mktemp("grpo")
    return train(Training(recipe(folder / "recipe"), "mixture", f"hf/{BASE}", folder / "out"))


def test_every_parameter_moves_with_full_weights(whole: Path) -> None:
    assert unmoved(BASE, whole) == []


def test_only_the_language_model_moves_with_lora(tmp_path: Path) -> None:
    out = train(Training(recipe(tmp_path / "recipe", lora__r=4), "perception", str(BASE), tmp_path / "out"))
    adapter: Any = importlib.import_module("safetensors.torch").load_file(out / "adapter" / "adapter_model.safetensors")
    assert adapter
    assert all(bool((tensor != 0).any()) for tensor in adapter.values())  # the B matrices start at zero
    projections = {f"{part}_proj.weight" for part in "qkvo"}
    moved = set(weights(BASE)) - set(unmoved(BASE, out))
    assert moved == {name for name in weights(BASE) if "language_model" in name and name.rpartition("self_attn.")[2] in projections}


def test_resume_is_bit_identical(whole: Path, tmp_path: Path) -> None:
    """Two steps, an interruption, one more step: the weights and the log of three steps."""
    asked = recipe(tmp_path / "recipe")
    out = tmp_path / "out"
    torn = Training(asked, "mixture", str(BASE), out)
    train(torn)
    (out / "steps" / "checkpoint-3").rename(tmp_path / "lost")  # as if it had been killed after step 2
    train(Training(asked, "mixture", str(BASE), out, resume=True))
    first, second = weights(whole), weights(out)
    assert all(bool((first[name] == second[name]).all()) for name in first)
    curves = [json.loads((folder / RECORD).read_text())["curve"] for folder in (whole, out)]
    assert [{k: v for k, v in row.items() if k != "step_time"} for row in curves[0]] == [
        {k: v for k, v in row.items() if k != "step_time"} for row in curves[1]
    ]


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.train.rewards.TrainerReward._scored", interrupt)
    asked, out = recipe(tmp_path / "recipe").source, str(tmp_path / "out")
    assert main(["train", "--recipe", asked, "--reward", "mixture", "--model", str(BASE), "--out", out]) == 130
    assert f"the same command with --resume continues from the last step that was saved in {out}" in capsys.readouterr().err


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


def test_a_taken_folder_is_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not empty"):
        train(Training(recipe(tmp_path / "recipe"), "mixture", str(BASE), whole))


def test_resuming_what_was_begun_otherwise_is_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="reward"):
        train(Training(recipe(tmp_path / "recipe"), "vanilla", str(BASE), whole, resume=True))
    with pytest.raises(UserError, match="recipe_sha256"):
        train(Training(recipe(tmp_path / "other", grpo__learning_rate=3e-4), "mixture", str(BASE), whole, resume=True))
    with pytest.raises(UserError, match="no run to resume"):
        train(Training(recipe(tmp_path / "recipe"), "mixture", str(BASE), tmp_path / "nothing", resume=True))


def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be loaded"):
        train(Training(recipe(tmp_path / "recipe"), "mixture", str(tmp_path / "nowhere"), tmp_path / "out"))
    assert not list((tmp_path / "out").iterdir())  # so that the corrected command can use the folder


def test_a_lost_run_stops_with_its_reason_and_keeps_its_weights(tmp_path: Path) -> None:
    """Completions cut to four tokens earn nothing, all alike: there is nothing to learn from."""
    asked = recipe(tmp_path / "recipe", grpo__max_completion_length=4, grpo__max_steps=8, stop__equal_steps=2)
    with pytest.raises(TrainingStopped, match="earned the same"):
        train(Training(asked, "vanilla", str(BASE), tmp_path / "out"))
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert record["finished"] is False
    assert "earned the same" in record["stopped"]
    assert record["steps"] == 2
    assert (tmp_path / "out" / "model.safetensors").is_file()
