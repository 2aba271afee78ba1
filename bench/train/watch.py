"""What stands beside a GRPO run: a progress line, and a watch that stops the run when going on is pointless.

The watch knows the ways in which such runs are lost: a loss or reward that is no number; groups in which every completion earns the same,
so that no advantage is left to learn from, for many steps; completions that shrink to nothing; completions that run to the token limit; a
checkpoint that never writes the tags that it is paid for, and so cannot find out that they are.
It stops the trainer, keeps the reason in one line, and leaves the last saved weights where they are.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.extras import optional
from bench.train.rewards import EQUAL_GROUPS, TAGGED
from bench.train.settings import StopRule

LENGTH = "completions/mean_length"
CLIPPED = "completions/clipped_ratio"


class Watch:
    """Judges the log of one step after another. `reason` says why to stop, and is None while all is well."""

    def __init__(self, limits: StopRule) -> None:
        self._limits = limits
        self._equal = self._untagged = 0
        self._lengths: deque[float] = deque(maxlen=limits.window)
        self._clipped: deque[float] = deque(maxlen=limits.window)
        self.reason: str | None = None

    def see(self, step: int, logs: Mapping[str, Any]) -> str | None:
        """Take in the log of step `step`; returns `reason`."""
        self.reason = self.reason or self._lost(step, logs)
        return self.reason

    def _lost(self, step: int, logs: Mapping[str, Any]) -> str | None:
        for name in ("loss", "grad_norm", "reward"):
            value = logs.get(name)
            if isinstance(value, float) and not math.isfinite(value):
                return f"{name} is {value} at step {step}: lower learning_rate or max_grad_norm"
        limits = self._limits
        self._equal = self._equal + 1 if logs.get(EQUAL_GROUPS) == 1.0 else 0
        if self._equal >= limits.equal_steps:
            return f"for {self._equal} steps all completions of each group earned the same (step {step}): there is nothing to learn from"
        self._untagged = self._untagged + 1 if logs.get(TAGGED) == 0.0 else 0
        if self._untagged >= limits.untagged_steps:
            return (
                f"for {self._untagged} steps no completion had any of the tags that the reward pays for (step {step}): this checkpoint "
                "does not write them, so no reward can teach them; teach them first by examples (supervised), start from a checkpoint that "
                "follows instructions, or train under only-accuracy, which pays without them"
            )
        for name, kept in ((LENGTH, self._lengths), (CLIPPED, self._clipped)):
            if isinstance(logs.get(name), (int, float)):
                kept.append(float(logs[name]))
        if len(self._lengths) == limits.window and _mean(self._lengths) < limits.shortest:
            return f"completions have shrunk to {_mean(self._lengths):.1f} tokens on average (step {step}; less than {limits.shortest:g})"
        if len(self._clipped) == limits.window and _mean(self._clipped) > limits.longest_share:
            return (
                f"{_mean(self._clipped):.0%} of the completions run into the token limit (step {step}; more than "
                f"{limits.longest_share:.0%}): raise max_completion_length or lower learning_rate"
            )
        return None


def _mean(values: deque[float]) -> float:
    return sum(values) / len(values)


def watching(watch: Watch) -> Any:
    """A trainer callback that shows `watch` every log and stops the trainer when it says so."""
    base: Any = optional("transformers", "train").TrainerCallback

    class Watching(base):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" in (logs or {}) and watch.see(state.global_step, logs) is not None:
                control.should_training_stop = True

    return Watching()


def showing(title: str) -> Any:
    """A trainer callback with one line of progress on standard error: step, reward and mean completion length; `close` ends the line."""
    base: Any = optional("transformers", "train").TrainerCallback

    class Showing(base):
        def __init__(self) -> None:
            columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
            self.shown = Progress(*columns, console=Console(stderr=True))

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.shown.disable = not state.is_world_process_zero
            self.bar = self.shown.add_task(title, total=state.max_steps, completed=state.global_step, note="")
            self.shown.start()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "reward" in (logs or {}):
                note = f"reward {logs['reward']:.3f}  {logs.get(LENGTH, 0):.0f} tokens"
                self.shown.update(self.bar, completed=state.global_step, note=note)

        def close(self) -> None:
            self.shown.stop()

    return Showing()
