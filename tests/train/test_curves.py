"""Curves: the trainer's log as plain rows, and pictures of them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from bench.train.curves import curve, draw_curves, draw_sweep

LOG = [
    {
        "step": step,
        "loss": 0.01 * step,
        "reward": 0.1 * step,
        "reward_std": 0.05,
        "completions/mean_length": 30.0 + step,
        "completions/clipped_ratio": 0.0,
        "frac_reward_zero_std": 0.25,
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
        "loss": 0.03,
        "score answer": 0.2,
        "score image_description": 0.76,
    }


def drawn(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")


def test_pictures_show_more_with_more_to_show(tmp_path: Path) -> None:
    draw_curves(curve(LOG), tmp_path / "one.png", "mixture, seed 0")
    draw_sweep({"mixture": [curve(LOG), curve(LOG[:3])], "vanilla": [curve(LOG)]}, tmp_path / "sweep" / "all.png")
    for file in (tmp_path / "one.png", tmp_path / "sweep" / "all.png"):
        image = drawn(file)
        assert min(image.size) > 400
        colours = image.getcolors(1 << 24) or []
        assert len(colours) > 50
