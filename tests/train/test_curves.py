"""Curves: the trainer's log as plain rows, and pictures of them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from bench.train.curves import curve, draw_curves, draw_sweep, evaluations

LOG = [
    {
        "step": step,
        "loss": 0.01 * step,
        "reward": 0.1 * step,
        "reward_std": 0.05,
        "completions/mean_length": 30.0 + step,
        "completions/clipped_ratio": 0.0,
        "groups/equal": 0.25,
        "clip_ratio/region_mean": 0.125,
        "sampling/importance_sampling_ratio/mean": 1.01,
        "rewards/mixture/mean": 0.1 * step,
        "rewards/mixture/std": 0.05,
        "rewards/mixture/answer": 0.2,
        "rewards/mixture/image_description": 0.76,
    }
    for step in range(1, 6)
]


def test_rows_hold_reward_components_and_lengths() -> None:
    rows = curve([*LOG, {"step": 5, "train_runtime": 12.0}])
    assert len(rows) == 5
    assert rows[2] == {
        "step": 3.0,
        "reward": 0.3,
        "reward_std": 0.05,
        "tokens": 33.0,
        "clipped": 0.0,
        "equal_groups": 0.25,
        "clip_share": 0.125,
        "importance_ratio": 1.01,
        "loss": 0.03,
        "score answer": 0.2,
        "score image_description": 0.76,
    }


def test_evaluations_stand_beside_the_steps_after_which_they_were_made() -> None:
    log = [{"step": 0, "eval_image": 0.5}, *LOG[:2], {"step": 2, "eval_image": 0.75, "eval_readback.blur-1": 0.25}]
    assert evaluations(log) == [{"step": 0.0, "image": 0.5}, {"step": 2.0, "image": 0.75, "readback.blur-1": 0.25}]
    rows = curve(log)
    assert [row["step"] for row in rows] == [1.0, 2.0]
    assert "eval image" not in rows[0]
    assert (rows[1]["eval image"], rows[1]["eval readback.blur-1"]) == (0.75, 0.25)


def drawn(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")


def test_pictures_show_more_with_more_to_show(tmp_path: Path) -> None:
    draw_curves(curve(LOG), tmp_path / "one.png", "mixture, seed 0")
    draw_sweep({"mixture": [curve(LOG), curve(LOG[:3])], "vanilla": [curve(LOG)]}, tmp_path / "sweep" / "all.png")
    draw_curves(curve(LOG), tmp_path / "asked.png", "mixture, seed 0", [{"step": 0, "image": 0.5}, {"step": 5, "image": 0.75}])
    assert drawn(tmp_path / "asked.png").height > drawn(tmp_path / "one.png").height
    for file in (tmp_path / "one.png", tmp_path / "sweep" / "all.png"):
        image = drawn(file)
        assert min(image.size) > 400
        colours = image.getcolors(1 << 24) or []
        assert len(colours) > 50
