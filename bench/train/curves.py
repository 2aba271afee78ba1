"""The curves of a GRPO run from the trainer's log: reward and its components, and the length of completions, step by step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.extras import optional
from bench.train.rewards import EQUAL_GROUPS, TAGGED
from bench.train.watch import CLIPPED, LENGTH

_COMPONENT = re.compile(r"rewards/[^/]+/(?!mean$|std$)(.+)")
"""Names of the component scores in the log, beside the mean and the spread of the reward function itself."""


_KEPT: dict[str, str] = {
    "reward": "reward",
    "reward_std": "reward_std",
    LENGTH: "tokens",
    CLIPPED: "clipped",
    EQUAL_GROUPS: "equal_groups",
    TAGGED: "tagged",
    "clip_ratio/region_mean": "clip_share",
    "clip_ratio/low_mean": "clip_share_low",
    "clip_ratio/high_mean": "clip_share_high",
    "cispo_clip_ratio": "clip_share",
    "sampling/importance_sampling_ratio/mean": "importance_ratio",
    "sampling/importance_sampling_ratio/min": "importance_ratio_min",
    "sampling/importance_sampling_ratio/max": "importance_ratio_max",
    **{name: name for name in ("loss", "grad_norm", "entropy", "learning_rate", "step_time", "kl")},
}
"""Names in the trainer's log -> names in a curve. Importance ratios are there where vLLM samples: else the policy samples for itself."""

SHARES: Mapping[str, str] = {
    "equal_groups": "groups without variance",
    "clipped": "cut off at the limit",
    "clip_share": "tokens clipped",
    "tagged": "with any tag",
}
"""Columns of a curve that are shares, and what to call them."""


def curve(log: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The log of a trainer as rows of plain numbers: step, reward and its spread, scores, lengths, shares (`SHARES`), loss and entropy.

    The numbers of an evaluation stand as "eval ..." in the row of the step after which it was made.
    """
    rows: list[dict[str, float]] = []
    asked = {row["step"]: {f"eval {name}": value for name, value in row.items() if name != "step"} for row in evaluations(log)}
    for entry in log:
        if "reward" not in entry:
            continue
        scores = {name: f"score {match[1]}" for name in entry if (match := _COMPONENT.fullmatch(name))}
        row = {short: float(entry[name]) for name, short in (_KEPT | scores).items() if isinstance(entry.get(name), (int, float))}
        step = float(entry["step"])
        rows.append({"step": step, **{name: round(value, 6) for name, value in row.items()}, **asked.get(step, {})})
    return rows


EVALUATED = "eval_"
"""Before the names of an evaluation's numbers in the trainer's log: loggers know it."""


def evaluations(log: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The evaluations in the log of a trainer, each a row of step and numbers."""
    found: list[dict[str, float]] = []
    for entry in log:
        values = {name.removeprefix(EVALUATED): round(float(value), 6) for name, value in entry.items() if name.startswith(EVALUATED)}
        if values:
            found.append({"step": float(entry["step"]), **values})
    return found


def draw_curves(rows: Sequence[Mapping[str, float]], file: Path, title: str, asked: Sequence[Mapping[str, float]] = ()) -> None:
    """Write `file` (PNG): mean reward with its spread and scores, mean completion length, shares, and the evaluations `asked`, if any."""
    mpl: Any = optional("matplotlib", "train")
    canvas: Any = optional("matplotlib.figure", "train").Figure
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        heights = (2, 1, 1, 2) if asked else (2, 1, 1)
        figure = canvas(figsize=(7.2, 1.5 * sum(heights)), dpi=150, layout="constrained")
        above, lengths, shares, *evaluated = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
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
            above.plot(steps, _column(rows, name), linewidth=0.9, alpha=0.8, label=name.removeprefix("score "))
        above.set_ylabel("mean of a step (band: one s.d. of completions)")
        above.set_title(title, loc="left")
        above.legend(fontsize=8, frameon=False, ncols=4, loc="lower right")
        lengths.plot(steps, _column(rows, "tokens"), linewidth=1.2)
        lengths.set_ylabel("tokens a completion")
        lengths.set_ylim(bottom=0)
        for name, label in SHARES.items():
            if any(name in row for row in rows):
                shares.plot(steps, _column(rows, name), linewidth=1.0, label=label)
        shares.set_ylabel("share")
        shares.set_ylim(0, 1)
        shares.legend(fontsize=8, frameon=False, ncols=4, loc="best")
        for panel in evaluated:
            for name in dict.fromkeys(name for row in asked for name in row if name != "step"):
                panel.plot([row["step"] for row in asked], _column(asked, name), marker="o", markersize=3, linewidth=1.0, label=name)
            panel.set_ylabel("held-out puzzles")
            panel.legend(fontsize=7, frameon=False, ncols=5, loc="best")
        figure.get_axes()[-1].set_xlabel("step")
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)


def _column(rows: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [row.get(name, float("nan")) for row in rows]


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
