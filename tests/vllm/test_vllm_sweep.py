"""A sweep's checkpoints asked by vLLM, and by a server, instead of by transformers: the same replies. Nothing is trained here."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.store.run import open_run
from bench.train.recipe import load_recipe
from bench.train.sweep.run import Sweep, run_sweep
from tests.conftest import ROOT
from tests.train import recipes
from tests.vllm.conftest import OPTIONS

BASE = ROOT / "results" / "checkpoints" / "tiny-base"
TRAINED = ROOT / "results" / "checkpoints" / "tiny-glance"

pytestmark = pytest.mark.timeout(900)


def undrawn(*_: object) -> None:
    """Instead of curves: this environment has no matplotlib, and nothing was trained."""


def swept(folder: Path, model: str) -> dict[tuple[str, str, str], str | None]:
    """Every reply of a sweep of one reward that is trained already, by run, puzzle and mode."""
    folder.mkdir()
    changes = {
        "sweep__rewards": ["mixture"],
        "sweep__seeds": [0],
        "sweep__controls": [],
        "sweep__lessons__steps": 0,
        "sweep__jobs": 1,
        "sweep__evaluate__model": model,
        "sweep__evaluate__suite": "mini:seed=101,level=1",
        "sweep__evaluate__n": 1,
        "sweep__evaluate__max_tokens": 24,
        "sweep__evaluate__modes": ["image", "oracle"],
        "sweep__evaluate__degrade": [],
    }
    recipe = load_recipe(recipes.written(folder, recipes.table("tiny", **changes)))
    out = folder / "out"
    (out / "checkpoints").mkdir(parents=True)
    checkpoint = out / "checkpoints" / "mixture-0"
    checkpoint.mkdir()
    for file in TRAINED.iterdir():
        (checkpoint / file.name).write_bytes(file.read_bytes())
    (checkpoint / "training.json").write_text(json.dumps({"steps": 1, "finished": True, "stopped": None, "curve": []}))
    assert run_sweep(Sweep(recipe, recipe.sweep.rewards, str(BASE), out), Console(file=io.StringIO())) == out
    assert "mixture" in (out / "sweep.md").read_text(encoding="utf-8")
    replies: dict[tuple[str, str, str], str | None] = {}
    for run in (out / "runs").glob("*/*"):
        for record in open_run(run).records():
            replies[run.name, record.puzzle, record.mode] = record.reply.text if record.reply else None
    return replies


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], str | None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.train.sweep.run.draw_sweep", undrawn)
        return swept(tmp_path_factory.mktemp("sweep") / "hf", "hf/{checkpoint}?dtype=float32")


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.train.sweep.run.draw_sweep", undrawn)


def test_by_vllm(expected: dict[tuple[str, str, str], str | None], alone: None, tmp_path: Path) -> None:
    assert swept(tmp_path / "vllm", f"vllm/{{checkpoint}}?{OPTIONS}") == expected
    assert {run for run, _, _ in expected} == {"base", "mixture-0"}


def test_by_a_server_that_has_the_checkpoints_under_their_names(server: str, tmp_path: Path) -> None:
    """Both names stand for one other checkpoint here: what is asked is whether each checkpoint is asked for by its own."""
    replies = swept(tmp_path / "server", f"openai/{{name}}@{server}")
    assert len(replies) == 36
    named = {record.model for run in (tmp_path / "server" / "out" / "runs").glob("*/*") for record in open_run(run).records()}
    assert named == {f"openai/base@{server}", f"openai/mixture-0@{server}"}
    first = {key[1:]: text for key, text in replies.items() if key[0] == "base"}
    assert first == {key[1:]: text for key, text in replies.items() if key[0] == "mixture-0"}
    assert None not in first.values()
    assert len(set(first.values())) > 9
