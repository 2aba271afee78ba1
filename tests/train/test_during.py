"""While a policy is trained: it is evaluated without being disturbed, the best is kept, samples are shown, and the [policy] keys hold."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.models.local.processor import load_processor
from bench.store.rollouts import read_rollouts
from bench.store.run import open_run
from bench.train.evaluation import best_of
from bench.train.grpo import Training, train
from bench.train.provenance import RECORD
from bench.train.rewards import equal_groups
from bench.train.rollouts import Rollout, RolloutTable
from bench.train.settings import RolloutSettings
from bench.train.trainer import _without_equal_groups  # pyright: ignore[reportPrivateUsage]
from tests.train.runs import BASE, recipe, unmoved, weights

EVALUATE = {
    "every": 3,
    "n": 1,
    "suite": "mini:seed=202,level=1",
    "families": ["clock"],
    "max_tokens": 64,
    "degrade": ["blur=2"],
    "best": "readback.blur-2",
    "load_best": True,
}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run `whole`, evaluated before the first step and after the last, which leaves the best weights."""
    folder = tmp_path_factory.mktemp("evaluated")
    return train(Training(recipe(folder / "recipe", evaluate=EVALUATE), "mixture", str(BASE), folder / "out"))


def test_evaluation_does_not_disturb_training(whole: Path, evaluated: Path) -> None:
    """The last saved step of a run with evaluations is that of the run without, bit by bit, and so is its log."""
    load: Any = importlib.import_module("safetensors.torch").load_file
    saved = [load(folder / "steps" / "checkpoint-3" / "model.safetensors") for folder in (whole, evaluated)]
    assert saved[0].keys() == saved[1].keys()
    assert all(bool((saved[0][name] == saved[1][name]).all()) for name in saved[0])
    curves = [json.loads((folder / RECORD).read_text())["curve"] for folder in (whole, evaluated)]
    assert [row["reward"] for row in curves[0]] == [row["reward"] for row in curves[1]]


def test_evaluations_are_runs_and_stand_in_the_record(evaluated: Path) -> None:
    record = json.loads((evaluated / RECORD).read_text())
    assert [row["step"] for row in record["evaluations"]] == [0, 3]
    arms = {"image", "caption", "oracle", "readback", "blind"}
    for row in record["evaluations"]:
        assert {*arms, "lost", "using", "seeing", "thinking", "image.blur-2", "seeing.blur-2"} <= set(row)
        assert row["using"] + row["seeing"] + row["thinking"] == pytest.approx(row["lost"], abs=1e-5)
        run = open_run(evaluated / "evaluations" / f"step-{row['step']:g}")
        records = list(run.latest().values())
        assert len(records) == 5 + 3  # one puzzle: five arms on the clean picture, three that look on the damaged one
        clean = [one for one in records if one.mode == "image" and one.dose is None]
        assert row["image"] == sum(one.verdict is not None and one.verdict.outcome == "correct" for one in clean) / len(clean)
    assert "eval image" in record["curve"][-1]
    assert "eval image" not in record["curve"][0]
    events: Any = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    logged = events.EventAccumulator(str(next((evaluated / "tensorboard").rglob("events*")).parent)).Reload()
    assert [event.step for event in logged.Scalars("eval/readback.blur-2")] == [0, 3]


def test_the_best_weights_are_kept_and_left(evaluated: Path) -> None:
    record = json.loads((evaluated / RECORD).read_text())
    values = {row["step"]: row["readback.blur-2"] for row in record["evaluations"]}
    best = max(values, key=lambda step: (values[step], -step))
    assert record["best"] == {"step": best, "readback.blur-2": values[best]}
    assert record["weights"] == "best"
    kept, left = weights(evaluated / "best"), weights(evaluated)
    assert all(bool((kept[name] == left[name]).all()) for name in kept)
    assert (unmoved(BASE, evaluated / "best") == []) == (best == 3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_the_best_is_the_earliest_of_the_highest_or_of_the_fewest_lost(values: list[float]) -> None:
    rows = [{"step": float(10 * index), "image": value, "seeing.blur-1": value} for index, value in enumerate(values)]
    highest, fewest = best_of(rows, "image"), best_of(rows, "seeing.blur-1")
    assert highest is not None
    assert fewest is not None
    assert (highest.value, highest.step) == (max(values), 10 * values.index(max(values)))
    assert (fewest.value, fewest.step) == (min(values), 10 * values.index(min(values)))
    assert best_of(rows, "oracle") is None


def test_the_policy_keys_hold(tmp_path: Path) -> None:
    """A frozen tower, bounded pictures, dropped groups: two steps, in which only the language model moves."""
    asked = recipe(
        tmp_path / "recipe",
        grpo__max_steps=2,
        grpo__report_to="none",
        policy={"freeze_vision": True, "max_pixels": 2000, "equal_groups": "drop"},
    )
    out = train(Training(asked, "mixture", str(BASE), tmp_path / "out"))
    still = unmoved(BASE, out)
    assert still
    assert all("visual" in name for name in still)
    assert {name for name in weights(BASE) if "visual" in name} == set(still)
    assert dict(load_processor(str(out)).image_processor.size)["longest_edge"] == 2000
    assert not (out / "tensorboard").exists()


# -- groups ------------------------------------------------------------------------------------------------------------------------------
def test_groups_are_the_completions_of_one_picture() -> None:
    assert equal_groups(["a", "a", "b", "b"], [0.1, 0.1 + 1e-9, 0.0, 1.0]) == 0.5
    assert equal_groups(["a", "b", "a"], [0.2, 0.7, 0.2]) == 1.0


def test_dropped_groups_leave_the_mean() -> None:
    """Without its equal groups, a batch is the batch that never had them: the mean over tokens is that of the others."""
    torch: Any = importlib.import_module("torch")
    alone = SimpleNamespace(gather=lambda tensor: tensor)  # pyright: ignore[reportUnknownLambdaType]
    inputs = [{"picture": name} for name in ("even", "even", "mixed", "mixed")]
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0]])
    scored = {"advantages": torch.tensor([0.0, 3e-7, 0.0, 0.5]), "completion_mask": mask, "num_items_in_batch": mask.sum()}
    kept = _without_equal_groups(alone, inputs, scored)
    assert kept["completion_mask"].tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert int(kept["num_items_in_batch"]) == 3
    assert scored["completion_mask"] is mask


# -- samples -----------------------------------------------------------------------------------------------------------------------------
def batch(steps: int) -> list[Rollout]:
    return [Rollout(steps, f"p{n // 2}", "clock", "What time?", f"text {n}", {"total": n / 10, "answer": n / 10}) for n in range(6)]


def test_the_best_and_the_worst_of_a_few_puzzles_are_shown(tmp_path: Path) -> None:
    table = RolloutTable(tmp_path, RolloutSettings(every=2, puzzles=2), 0)
    for steps in range(5):
        table.see(batch(steps))
    table.close()
    rows = read_rollouts(tmp_path)
    assert [row["step"] for row in rows] == [1] * 4 + [3] * 4 + [5] * 4
    assert [row["completion"] for row in rows[:4]] == ["text 1", "text 0", "text 3", "text 2"]
    assert rows[0] == {
        "step": 1,
        "picture": "p0",
        "family": "clock",
        "prompt": "What time?",
        "completion": "text 1",
        "reward": 0.1,
        "parts": {"answer": 0.1},
    }


def test_a_resumed_run_shows_no_step_twice(tmp_path: Path) -> None:
    table = RolloutTable(tmp_path, RolloutSettings(every=2, puzzles=1), 0)
    for steps in range(5):
        table.see(batch(steps))
    table.close()
    with (tmp_path / "rollouts.jsonl").open("a") as file:
        file.write('{"step": 7, "pict')  # a torn line, as a kill leaves it
    again = RolloutTable(tmp_path, RolloutSettings(every=2, puzzles=1), 3)  # the last saved step
    for steps in range(3, 6):
        again.see(batch(steps))
    again.close()
    assert [row["step"] for row in read_rollouts(tmp_path)] == [1, 1, 3, 3, 5, 5]
