"""One checkpoint of a sweep, as it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BASE = "base"
"""The name of the start among the rewards."""


@dataclass(frozen=True, slots=True)
class SweepCheckpoint:
    """One checkpoint and its run at a temperature: `reward` "base" for the start, `stopped` why the watch ended the training, if it did."""

    reward: str
    seed: int | None
    model: str
    run: Path
    temperature: float = 0.0
    stopped: str | None = None
