"""The curves of a GRPO run from the trainer's log: reward and its components, and the length of completions, step by step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.extras import optional
from bench.train.watch import CLIPPED, EQUAL, LENGTH

_COMPONENT = re.compile(r"rewards/[^/]+/(?!mean$|std$)(.+)")
"""Names of the component scores in the log, beside the mean and the spread of the reward function itself."""


def curve(log: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The log of a trainer as rows of plain numbers: step, reward and its spread, every component score, lengths, loss and entropy."""
    kept = {"reward": "reward", "reward_std": "reward_std", LENGTH: "tokens", CLIPPED: "clipped", EQUAL: "equal_groups"}
    kept |= {name: name for name in ("loss", "grad_norm", "entropy", "learning_rate", "step_time", "kl")}
    rows: list[dict[str, float]] = []
    for entry in log:
        if "reward" not in entry:
            continue
        scores = {name: f"score {match[1]}" for name in entry if (match := _COMPONENT.fullmatch(name))}
        row = {short: float(entry[name]) for name, short in (kept | scores).items() if isinstance(entry.get(name), (int, float))}
        rows.append({"step": float(entry["step"]), **{name: round(value, 6) for name, value in row.items()}})
    return rows


def draw_curves(rows: Sequence[Mapping[str, float]], file: Path, title: str) -> None:
    """Write `file` (PNG): above the mean reward of a step with its spread and component scores, below the mean completion length."""
    mpl: Any = optional("matplotlib", "train")
    canvas: Any = optional("matplotlib.figure", "train").Figure
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = canvas(figsize=(7.2, 5.4), dpi=150, layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        steps = [row["step"] for row in rows]
        reward = [row["reward"] for row in rows]
        spread = [row.get("reward_std", 0.0) for row in rows]
        above.fill_between(
            steps,
            [mean - std for mean, std in zip(reward, spread, strict=True)],
            [mean + std for mean, std in zip(reward, spread, strict=True)],
            alpha=0.15,
            linewidth=0,
        )
        above.plot(steps, reward, linewidth=1.6, label="reward")
        for name in sorted({name for row in rows for name in row if name.startswith("score ")}):
            above.plot(steps, [row.get(name, float("nan")) for row in rows], linewidth=0.9, alpha=0.8, label=name.removeprefix("score "))
        above.set_ylabel("mean of a step (band: one s.d. of completions)")
        above.set_title(title, loc="left")
        above.legend(fontsize=8, frameon=False, ncols=4, loc="lower right")
        below.plot(steps, [row.get("tokens", float("nan")) for row in rows], linewidth=1.2)
        below.set_ylabel("tokens a completion")
        below.set_ylim(bottom=0)
        below.set_xlabel("step")
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)


def draw_sweep(curves: Mapping[str, Sequence[Sequence[Mapping[str, float]]]], file: Path) -> None:
    """Write `file` (PNG): one panel per reward, the mean reward of every seed and its running mean, and the completion length below it."""
    mpl: Any = optional("matplotlib", "train")
    canvas: Any = optional("matplotlib.figure", "train").Figure
    with mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = canvas(figsize=(2.4 * max(2, len(curves)), 4.4), dpi=150, layout="constrained")
        panels = figure.subplots(2, len(curves), sharex=True, sharey="row", squeeze=False, height_ratios=(2, 1))
        for column, (reward, seeds) in enumerate(curves.items()):
            above, below = panels[0][column], panels[1][column]
            for rows in seeds:
                steps = [row["step"] for row in rows]
                means = [row["reward"] for row in rows]
                (line,) = above.plot(steps, means, linewidth=0.5, alpha=0.35)
                above.plot(steps, _running(means), linewidth=1.4, color=line.get_color())
                below.plot(steps, _running([row.get("tokens", float("nan")) for row in rows]), linewidth=1.0, color=line.get_color())
            above.set_title(reward, loc="left")
            below.set_xlabel("step")
        panels[1][0].set_ylim(bottom=0)  # once all are drawn: it ends the automatic scaling of the whole row
        panels[0][0].set_ylabel("mean reward (bold: last 20 steps)")
        panels[1][0].set_ylabel("tokens a completion")
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)


def _running(values: Sequence[float], window: int = 20) -> list[float]:
    """The mean of the last `window` values at every place."""
    return [sum(values[max(0, end - window) : end]) / min(window, end) for end in range(1, len(values) + 1)]
