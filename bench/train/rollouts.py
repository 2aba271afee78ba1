"""Sample rollouts: what completions of a run look like and earn, every few steps, as lines of `rollouts.jsonl` in its folder.

Of the first puzzles of a batch the best and the worst completion are kept: where they are alike, there is nothing to learn from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.store.rollouts import RolloutLog
from bench.train.settings import RolloutSettings


@dataclass(frozen=True, slots=True)
class Rollout:
    """One completion of a batch: drawn after `steps` steps, of which picture, what was asked and written, and what it earned."""

    steps: int
    picture: str
    family: str
    prompt: str
    completion: str
    parts: Mapping[str, float]


class RolloutTable:
    """The table in the folder `out`, continued after step `last`; the file is opened when there is something to keep."""

    def __init__(self, out: Path, settings: RolloutSettings, last: int) -> None:
        self._out, self._last, self._settings = out, last, settings
        self._log: RolloutLog | None = None
        self._due = -(-last // settings.every) * settings.every

    def see(self, batch: Sequence[Rollout]) -> None:
        """Keep a few of `batch`, where it is time.

        Raises:
            UserError: the disk is full.
        """
        if not batch or batch[0].steps < self._due:
            return
        self._due = (batch[0].steps // self._settings.every + 1) * self._settings.every
        self._log = self._log or RolloutLog(self._out, self._last)
        groups: dict[str, list[Rollout]] = {}
        for one in batch:
            groups.setdefault(one.picture, []).append(one)
        for group in list(groups.values())[: self._settings.puzzles]:
            ranked = sorted(group, key=lambda one: -one.parts["total"])
            for one in (ranked[0], ranked[-1]) if len(ranked) > 1 else ranked:
                self._log.add(_line(one))

    def close(self) -> None:
        """Flush to the disk."""
        if self._log is not None:
            self._log.close()


def _line(one: Rollout) -> dict[str, Any]:
    parts = {name: round(value, 6) for name, value in one.parts.items()}
    return {
        "step": one.steps + 1,
        "picture": one.picture,
        "family": one.family,
        "prompt": one.prompt,
        "completion": one.completion,
        "reward": parts.pop("total"),
        "parts": parts,
    }
