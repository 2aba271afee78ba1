"""A supervised warm start from scratch: the small model learns to see, to describe, to reason and to answer in tags, on the `mini` suite.

One stage follows another, each a mixture of the kinds of `bench.train.tiny.lessons` with its own number of steps. Seeing comes first, since
nothing else can be learned from a picture that is not understood; then everything is mixed, text-only examples included, which taught it to
look a cell up three times faster than pictures alone did. It is meant to stop while there is headroom: GRPO sharpens partial skill only.

The loss is the cross-entropy of the reply's tokens, AdamW with a linear warm-up and a cosine decay over all stages. Batches are small, and
made of examples of like length, since padding is what costs on a CPU. Several workers (one process and one thread each) draw batches
of their own and average their gradients.
"""

from __future__ import annotations

import io
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from bench.extras import optional
from bench.puzzle import Puzzle
from bench.train.tiny.lessons import Lesson, lesson

SEEING: Mapping[str, float] = {"seen": 1.0}
MIXED: Mapping[str, float] = {"seen": 0.10, "solved": 0.22, "read": 0.22, "both": 0.03, "guessed": 0.05, "rewarded": 0.38}


@dataclass(frozen=True, slots=True)
class Stage:
    """So many steps of lessons of these kinds; the weights need not add up to 1."""

    steps: int
    kinds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The whole warm start.

    Attributes:
        stages: one after another.
        batch: examples a step of each worker.
        learning_rate: AdamW's, at its highest.
        warmup: steps until then.
        weight_decay: AdamW's.
        seed: draws lessons and their order.
        workers: processes of one thread each; 1 for this process with torch's own threads.
        families: how often each is drawn against the others; 1 where not named.
        until: the step to stop after, where that is before the last stage ends; the learning rate decays as if it were not.
    """

    stages: tuple[Stage, ...] = (Stage(3000, SEEING), Stage(9000, MIXED))
    batch: int = 16
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.01
    seed: int = 0
    workers: int = 1
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


@dataclass
class _Desk:
    """What a lesson is turned into tensors with. `pictures` holds (patches, values) arrays and grids by puzzle id."""

    processor: Any
    pictures: dict[str, tuple[Any, Any]] = field(default_factory=dict[str, tuple[Any, Any]])

    def picture(self, puzzle: Puzzle) -> tuple[Any, Any]:
        if puzzle.id not in self.pictures:
            from PIL import Image

            image: Any = Image.open(io.BytesIO(puzzle.image.data())).convert("RGB")
            made = self.processor.image_processor(images=[image], return_tensors="pt")
            self.pictures[puzzle.id] = made["pixel_values"].half(), made["image_grid_thw"]
        return self.pictures[puzzle.id]


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
    if schedule.workers == 1:
        _work(0, folder, puzzles, schedule, every, report or _ignore, None)
        return
    processes: Any = optional("torch.multiprocessing", "train")
    reports = processes.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory() as scratch:
        meeting = (Path(scratch) / "meeting").as_uri()
        given = (folder, tuple(puzzles), schedule, every, reports.put, meeting)
        working = processes.spawn(_work, given, nprocs=schedule.workers, join=False)
        ended = False
        while not ended:
            ended = working.join(timeout=1)
            while not reports.empty():
                (report or _ignore)(reports.get())


def _ignore(_: Learned) -> None:
    """For whoever wants no report."""


def _work(
    rank: int,
    folder: Path,
    puzzles: Sequence[Puzzle],
    schedule: Schedule,
    every: int,
    report: Callable[[Learned], None],
    meeting: str | None,
) -> None:
    """One worker; several meet at the file `meeting`."""
    torch: Any = optional("torch", "train")
    transformers: Any = optional("transformers", "train")
    from bench.models.local.processor import load_processor

    if meeting is not None:
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=schedule.workers)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    desk = _Desk(load_processor(str(folder)))
    torch.manual_seed(schedule.seed)
    model: Any = transformers.AutoModelForImageTextToText.from_pretrained(folder).float().to(device).train()
    _multiply_patches(torch, model)
    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(weights, lr=schedule.learning_rate, weight_decay=schedule.weight_decay, betas=(0.9, 0.98))
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_rate, schedule=schedule))
    started, losses = time.perf_counter(), list[float]()
    batches = islice(_batches(puzzles, schedule, desk.processor.tokenizer, rank), schedule.last)
    for step, lessons in enumerate(batches, 1):
        inputs = {name: value.to(device) for name, value in _tensors(torch, desk, lessons).items()}
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):  # on a CPU without AMX float32 is 1.5 times faster
            loss = model(**inputs).loss
        loss.backward()
        if meeting is not None:
            _average(torch, weights, schedule.workers)
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        decay.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"warm start: the loss is {losses[-1]} at step {step}; lower the learning rate")
        if rank == 0 and (step % every == 0 or step == schedule.last):
            model.save_pretrained(folder)
            report(Learned(step, sum(losses) / len(losses), time.perf_counter() - started))
            losses.clear()
    if meeting is not None:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _multiply_patches(torch: Any, model: Any) -> None:
    """Let the patches' embedding, a convolution whose steps are as wide as its kernel, be the matrix product that it is: that is faster."""
    embedding = model.model.visual.patch_embed.proj

    def product(patches: Any) -> Any:
        return torch.nn.functional.linear(patches.flatten(1), embedding.weight.flatten(1))

    embedding.forward = product


def _average(torch: Any, weights: Sequence[Any], workers: int) -> None:
    """Put the mean of all workers' gradients in place; a worker whose batch showed no picture counts as zero for the vision part."""
    flat = torch.cat([(torch.zeros_like(weight) if weight.grad is None else weight.grad).flatten() for weight in weights])
    torch.distributed.all_reduce(flat)
    flat /= workers
    start = 0
    for weight in weights:
        weight.grad = flat[start : start + weight.numel()].view_as(weight)
        start += weight.numel()


def _rate(step: int, schedule: Schedule) -> float:
    """The learning rate of a step as a share of the highest: linear warm-up, then half a cosine down to a hundredth."""
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    done = (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


@dataclass(frozen=True, slots=True)
class _Spelled:
    lesson: Lesson
    before: list[int]
    after: list[int]


_POOL = 8
"""So many batches are drawn at once and sorted by length, so that a batch holds examples of like length."""


def _batches(puzzles: Sequence[Puzzle], schedule: Schedule, tokenizer: Any, rank: int) -> Iterator[list[_Spelled]]:
    """The batches of one worker over the whole schedule, drawn by its seed."""
    rng = random.Random(f"warm start {schedule.seed}, worker {rank}")
    order = random.Random(f"order of warm start {schedule.seed}")  # of all workers alike: they wait for each other
    by_family: dict[str, list[Puzzle]] = {}
    for puzzle in puzzles:
        by_family.setdefault(puzzle.family, []).append(puzzle)
    families = sorted(by_family)
    shares = [schedule.families.get(name, 1.0) for name in families]
    for stage in schedule.stages:
        kinds, weights = list(stage.kinds), list(stage.kinds.values())
        left = stage.steps
        while left:
            count = min(_POOL, left)
            drawn = [
                _spell(tokenizer, lesson(rng.choice(by_family[rng.choices(families, shares)[0]]), rng.choices(kinds, weights)[0], rng))
                for _ in range(count * schedule.batch)
            ]
            drawn.sort(key=lambda spelled: len(spelled.before) + len(spelled.after))
            batches = [drawn[start : start + schedule.batch] for start in range(0, len(drawn), schedule.batch)]
            order.shuffle(batches)
            yield from batches
            left -= count


def _spell(tokenizer: Any, taught: Lesson) -> _Spelled:
    """Prompt and reply as tokens, apart: what is generated later begins where a prompt ends. The picture is one token here."""
    picture = "<|vision_start|><|image_pad|><|vision_end|>" if taught.picture else ""
    before = f"<|im_start|>user\n{picture}{taught.prompt}<|im_end|>\n<|im_start|>assistant\n"
    return _Spelled(taught, tokenizer(before).input_ids, tokenizer(f"{taught.reply}<|im_end|>").input_ids)


def _tensors(torch: Any, desk: _Desk, batch: Sequence[_Spelled]) -> dict[str, Any]:
    """A batch padded on the right, with labels on the replies alone."""
    pad = desk.processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    rows: list[tuple[list[int], int]] = []
    pixels: list[Any] = []
    grids: list[Any] = []
    for spelled in batch:
        before = spelled.before
        if spelled.lesson.picture:
            values, grid = desk.picture(spelled.lesson.puzzle)
            pixels.append(values)
            grids.append(grid)
            at = before.index(pad)
            before = [*before[:at], *[pad] * len(values), *before[at + 1 :]]
        rows.append(([*before, *spelled.after], len(before)))
    width = max(len(row) for row, _ in rows)
    tokens = torch.full((len(rows), width), desk.processor.tokenizer.pad_token_id)
    mask, labels = torch.zeros_like(tokens), torch.full_like(tokens, -100)
    for index, (row, start) in enumerate(rows):
        tokens[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
        labels[index, start : len(row)] = tokens[index, start : len(row)]
    made = {"input_ids": tokens, "attention_mask": mask, "labels": labels, "mm_token_type_ids": (tokens == pad).int()}
    if pixels:
        made |= {"pixel_values": torch.cat(pixels).float(), "image_grid_thw": torch.cat(grids)}
    return made
