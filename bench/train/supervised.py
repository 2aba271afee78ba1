"""The ceiling beside a sweep: the same puzzles and pictures, as many steps of as many replies, but the replies are the right ones.

What a reward can teach in a run is bounded by what the truth would teach in it. The lessons are those of the warm start: descriptions when
asked for them, and worked solutions under the harness's question and under every reward's prompt.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from bench.train.data import data_sha256, training_puzzles
from bench.train.grpo import Training, identity, write_record
from bench.train.provenance import versions
from bench.train.tiny.draw import Stage
from bench.train.tiny.warmstart import Learned, Schedule, warm_start

SUPERVISED = "supervised"
"""Stands where the name of a reward would."""

_KINDS = {"seen": 0.25, "solved": 0.25, "rewarded": 0.5}


def supervise(training: Training) -> Path:
    """Train the checkpoint on right replies, with the settings of the recipe that mean something here, and return its folder.

    Raises:
        UserError: as `training_puzzles`.
        FloatingPointError: as `warm_start`.
    """
    recipe, out = training.recipe, training.out
    puzzles = training_puzzles(recipe)
    shutil.copytree(training.base, out)
    grpo = recipe.grpo
    steps = int(grpo["max_steps"])
    schedule = Schedule(
        (Stage(steps, _KINDS),),
        batch=int(grpo["per_device_train_batch_size"]) * int(grpo.get("gradient_accumulation_steps", 1)),
        learning_rate=float(grpo["learning_rate"]),
        warmup=int(grpo.get("warmup_steps", 0)) or 1,
        seed=training.seed,
    )
    curve: list[dict[str, float]] = []

    def report(learned: Learned) -> None:
        curve.append({"step": learned.step, "loss": round(learned.loss, 4)})

    started = time.time()
    warm_start(out, puzzles, schedule, report=report, every=10)
    record = {"finished": True, "stopped": None, "steps": steps, "seconds": round(time.time() - started, 1), "versions": versions()}
    write_record(out, identity(training, data_sha256(puzzles)) | record | {"recipe": recipe.resolved, "curve": curve})
    return out
