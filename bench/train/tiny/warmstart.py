"""A supervised warm start from scratch: the small model learns to see, to describe, to reason and to answer in tags, on the `mini` suite.

One stage follows another, each a mixture of the kinds of `bench.train.tiny.lessons` with its own number of steps. Seeing comes first, since
nothing else can be learned from a picture that is not understood; then everything is mixed, text-only examples included, which teach
reasoning several times faster than pictures do. It is meant to stop while there is headroom: GRPO sharpens partial skill only.

The loss is the cross-entropy of the reply's tokens, AdamW with a linear warm-up and a cosine decay over all stages. Pictures lie on the
device as bytes; lessons are drawn by `bench.train.tiny.draw`, the model is run by `bench.train.tiny.forward`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bench.extras import optional
from bench.models.local.processor import load_processor, pixels
from bench.puzzle import Puzzle
from bench.train.tiny.draw import Batch, Drawing, Integers, Size, Stage, batches, side_by_side
from bench.train.tiny.forward import Forward

SEEING: Mapping[str, float] = {"seen": 1.0}
MIXED: Mapping[str, float] = {"seen": 0.10, "solved": 0.22, "read": 0.22, "both": 0.03, "guessed": 0.05, "rewarded": 0.38}


@dataclass(frozen=True, slots=True)
class Schedule:
    """The whole warm start.

    Attributes:
        stages: one after another.
        batch: examples a step.
        learning_rate: AdamW's, at its highest.
        warmup: steps until then.
        weight_decay: AdamW's.
        seed: draws lessons and their order.
        drawers: processes that draw lessons; 0 for the training process itself.
        families: how often each is drawn against the others; 1 where not named.
        until: the step to stop after, where that is before the last stage ends; the learning rate decays as if it were not.
    """

    stages: tuple[Stage, ...] = (Stage(3000, SEEING), Stage(9000, MIXED))
    batch: int = 16
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.01
    seed: int = 0
    drawers: int = 0
    families: Mapping[str, float] = field(default_factory=dict[str, float])
    until: int | None = None

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def last(self) -> int:
        """The step after which it ends."""
        return self.steps if self.until is None else min(self.until, self.steps)


@dataclass(frozen=True, slots=True)
class Learned:
    """The state of a warm start after `step` steps: mean loss per token of the last steps, and seconds since it began."""

    step: int
    loss: float
    seconds: float


class Pictures:
    """The pictures of puzzles as bytes on a device, by the puzzle's index: those of one size together."""

    def __init__(self, torch: Any, puzzles: Sequence[Puzzle], processes: int = 0) -> None:
        arrays = list(side_by_side(_pixels, puzzles, processes))
        self.sizes: list[Size] = [(array.shape[1], array.shape[0]) for array in arrays]
        self._places = np.zeros(len(arrays), np.int64)
        self._stacks: dict[Size, Any] = {}
        for size in dict.fromkeys(self.sizes):
            indices = [index for index, other in enumerate(self.sizes) if other == size]
            self._places[indices] = np.arange(len(indices))
            self._stacks[size] = torch.from_numpy(np.stack([arrays[index] for index in indices]))
        self._torch, self.device = torch, "cpu"

    def to(self, device: str) -> Pictures:
        """Move all pictures to `device`; returns itself."""
        self._stacks = {size: stack.to(device) for size, stack in self._stacks.items()}
        self.device = device
        return self

    def shown(self, indices: Integers) -> Any:
        """(pictures, height, width, 3) bytes of the puzzles at `indices`, all of one size."""
        stack = self._stacks[self.sizes[int(indices[0])]]
        return stack[self._torch.from_numpy(self._places[np.asarray(indices)]).to(stack.device, non_blocking=True)]


def _pixels(puzzle: Puzzle) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(pixels(puzzle.image.data()))


def warm_start(
    folder: Path,
    puzzles: Sequence[Puzzle],
    schedule: Schedule | None = None,
    *,
    report: Callable[[Learned], None] | None = None,
    every: int = 100,
) -> None:
    """Train the checkpoint in `folder` in place, with full weights in float32, on the CPU or the accelerator that torch sees.

    Args:
        folder: a checkpoint as `bench.train.tiny.model.build` writes it.
        puzzles: what to learn from, of families that have rationales and never of the evaluation split.
        schedule: stages and settings.
        report: called when the weights have been saved.
        every: steps between two reports; the last step has one too.

    Raises:
        ValueError: a puzzle of the evaluation split.
        FloatingPointError: the loss is no number any more.
    """
    schedule = schedule or Schedule()
    if any(puzzle.split == "eval" for puzzle in puzzles):
        raise ValueError("puzzles: expected none of the evaluation split")
    torch: Any = optional("torch", "train")
    processor = load_processor(str(folder))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pictures = Pictures(torch, puzzles, schedule.drawers)  # drawers are forked from this process: no accelerator is touched before
    patch = int(processor.image_processor.patch_size)
    drawing = Drawing(
        puzzles, pictures.sizes, processor.tokenizer, patch, schedule.stages, schedule.batch, schedule.families, schedule.seed
    )
    with batches(drawing, schedule.drawers) as coming:
        _learn(folder, pictures.to(device), islice(coming, schedule.last), schedule, report or _ignore, every)


def _ignore(_: Learned) -> None:
    """For whoever wants no report."""


def _learn(folder: Path, pictures: Pictures, coming: Any, schedule: Schedule, report: Callable[[Learned], None], every: int) -> None:
    torch: Any = optional("torch", "train")
    transformers: Any = optional("transformers", "train")
    device = pictures.device
    model: Any = transformers.AutoModelForImageTextToText.from_pretrained(folder).float().to(device).train()
    forward, weights = Forward(model), list(model.parameters())
    optimizer = torch.optim.AdamW(
        weights, lr=schedule.learning_rate, weight_decay=schedule.weight_decay, betas=(0.9, 0.98), fused=device == "cuda"
    )
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_rate, schedule=schedule))
    started, losses = time.perf_counter(), list[Any]()
    batch: Batch
    for step, batch in enumerate(coming, 1):
        tokens, learned = (torch.from_numpy(part).to(device, non_blocking=True) for part in (batch.tokens, batch.learned))
        shown = pictures.shown(batch.pictures) if len(batch.pictures) else None
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):  # on a CPU without AMX float32 is 1.5 times faster
            loss = forward.loss(tokens, learned, pictures=shown, start=batch.start)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([weight for weight in weights if weight.grad is not None], 1.0)
        optimizer.step()
        decay.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())  # read at reports only: reading waits for the device
        if step % every == 0 or step == schedule.last:
            mean = float(torch.stack(losses).mean())
            if not math.isfinite(mean):
                raise FloatingPointError(f"warm start: the loss is {mean} at step {step}; lower the learning rate")
            model.save_pretrained(folder)
            report(Learned(step, mean, time.perf_counter() - started))
            losses.clear()


def _rate(step: int, schedule: Schedule) -> float:
    """The learning rate of a step as a share of the highest: linear warm-up, then half a cosine down to a hundredth."""
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    done = (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
