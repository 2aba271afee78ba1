"""Batches of lessons: drawn, spelled in tokens, and grouped so that little is padding; by processes of their own, so that nothing waits.

A batch holds lessons with pictures of one size, or without, and of like length. Every drawer has a seed of its own and batches are taken
from the drawers in turn, so that the same schedule gives the same batches with the same number of drawers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np

from bench.children import deaf
from bench.puzzle import Puzzle
from bench.train.tiny.lessons import Lesson, lesson

T = TypeVar("T")
R = TypeVar("R")
Size = tuple[int, int]
"""Width and height of a picture in px."""
Integers = np.ndarray[Any, np.dtype[np.int64]]

_POOL = 8
"""So many batches are drawn at once and sorted by length, so that a batch holds examples of like length."""
_AHEAD = 6
"""Batches that a drawer has ready."""
_MULTIPLE = 16
"""Rows are padded to a multiple of so many tokens, so that few shapes occur."""


@dataclass(frozen=True, slots=True)
class Stage:
    """So many steps of lessons of these kinds; the weights need not add up to 1."""

    steps: int
    kinds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn: from which puzzles, which stages, how many lessons a batch, how often each family (1 where not named).

    `sizes` are those of the puzzles' pictures, `tokenizer` spells, `patch` is the side of a patch in px.
    """

    puzzles: Sequence[Puzzle]
    sizes: Sequence[Size]
    tokenizer: Any
    patch: int
    stages: Sequence[Stage]
    batch: int
    families: Mapping[str, float]
    seed: int


@dataclass(frozen=True, slots=True)
class Spelled:
    """A lesson as tokens: of the prompt, with the picture as one placeholder, and of the reply. `index` is the puzzle's."""

    index: int
    lesson: Lesson
    before: Sequence[int]
    after: Sequence[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch padded on the right.

    Attributes:
        tokens: (batch, length); a picture's placeholders are `start` and so many behind it as it has patches.
        learned: indices into the flattened tokens of the replies and their ends.
        pictures: indices of the puzzles whose pictures are shown; empty where none are.
        start: index of the first placeholder; 0 where there is none.
    """

    tokens: Integers
    learned: Integers
    pictures: Integers
    start: int


@contextmanager
def batches(drawing: Drawing, drawers: int) -> Generator[Iterator[Batch]]:
    """The batches of `drawing`, as many as its stages have steps; by `drawers` processes, or here where that is 0."""
    if not drawers:
        yield drawn(drawing, 0, 1)
        return
    context = get_context("fork")  # the puzzles are shared, not copied
    ready: list[Any] = [context.Queue(_AHEAD) for _ in range(drawers)]
    working = [context.Process(target=_fill, args=(drawing, number, ready), daemon=True) for number in range(drawers)]
    for process in working:
        process.start()
    try:
        yield (ready[number].get(timeout=300) for number in cycle(range(drawers)))
    finally:
        for process in working:
            process.kill()


def side_by_side(work: Callable[[T], R], items: Iterable[T], processes: int) -> Iterator[R]:
    """`work` on all `items`, in their order; by `processes`, or here where that is 0."""
    if not processes:
        yield from map(work, items)
        return
    given = list(items)
    with ProcessPoolExecutor(processes, get_context("fork"), initializer=deaf) as pool:
        yield from pool.map(work, given, chunksize=max(1, len(given) // (20 * processes)))


def _fill(drawing: Drawing, number: int, ready: Sequence[Any]) -> None:
    deaf()
    for batch in drawn(drawing, number, len(ready)):
        ready[number].put(batch)


def drawn(drawing: Drawing, number: int, drawers: int) -> Iterator[Batch]:
    """The share of drawer `number` of `drawers` in the batches of `drawing`."""
    pad, fill = drawing.tokenizer.convert_tokens_to_ids("<|image_pad|>"), drawing.tokenizer.pad_token_id
    for group in _groups(drawing, number, drawers):
        yield _batch(group, drawing, pad, fill)


def _groups(drawing: Drawing, number: int, drawers: int) -> Iterator[list[Spelled]]:
    """The lessons of every batch: of one size of picture, and of like length."""
    rng = random.Random(f"lessons {drawing.seed}, drawer {number}")
    of_family: dict[str, list[int]] = {}
    for index, puzzle in enumerate(drawing.puzzles):
        of_family.setdefault(puzzle.family, []).append(index)
    families = sorted(of_family)
    shares = [drawing.families.get(name, 1.0) for name in families]
    waiting: dict[Size | None, list[Spelled]] = {}
    encode, done = encoder(drawing.tokenizer), 0
    for stage in drawing.stages:
        done += stage.steps
        left = len(range(done - stage.steps + (number - done + stage.steps) % drawers, done, drawers))
        kinds, weights = list(stage.kinds), list(stage.kinds.values())
        while left:
            for _ in range(_POOL * drawing.batch):
                index = rng.choice(of_family[rng.choices(families, shares)[0]])
                taught = lesson(drawing.puzzles[index], rng.choices(kinds, weights)[0], rng)
                waiting.setdefault(drawing.sizes[index] if taught.picture else None, []).append(spell(encode, index, taught))
            full = list(_full(waiting, drawing.batch))
            rng.shuffle(full)
            yield from full[:left]
            left -= len(full[:left])


def _full(waiting: dict[Size | None, list[Spelled]], size: int) -> Iterator[list[Spelled]]:
    """Take full batches out of what waits, the shortest lessons first."""
    for lessons in waiting.values():
        lessons.sort(key=lambda one: len(one.before) + len(one.after))
        while len(lessons) >= size:
            yield lessons[:size]
            del lessons[:size]


def spell(encode: Callable[[str], Sequence[int]], index: int, taught: Lesson) -> Spelled:
    """Prompt and reply as tokens, apart: what is generated later begins where a prompt ends."""
    picture = "<|vision_start|><|image_pad|><|vision_end|>" if taught.picture else ""
    before = f"<|im_start|>user\n{picture}{taught.prompt}<|im_end|>\n<|im_start|>assistant\n"
    return Spelled(index, taught, encode(before), encode(f"{taught.reply}<|im_end|>"))


def encoder(tokenizer: Any) -> Callable[[str], Sequence[int]]:
    """Text to tokens, special ones included; requests come again and again, and are remembered."""
    fast = tokenizer.backend_tokenizer
    fast.no_padding()
    fast.no_truncation()

    @lru_cache(100_000)
    def encode(text: str) -> Sequence[int]:
        return fast.encode(text, add_special_tokens=False).ids

    return encode


def _batch(group: Sequence[Spelled], drawing: Drawing, pad: int, fill: int) -> Batch:
    start = patches = 0
    if group[0].lesson.picture:
        width, height = drawing.sizes[group[0].index]
        start, patches = group[0].before.index(pad), (width // drawing.patch) * (height // drawing.patch)
    rows = [[*one.before[:start], *[pad] * patches, *one.before[start + bool(patches) :]] for one in group]
    longest = max(len(row) + len(one.after) for row, one in zip(rows, group, strict=True))
    length = -(-longest // _MULTIPLE) * _MULTIPLE
    tokens = np.full((len(group), length), fill, np.int64)
    learned: list[Integers] = []
    for number, (row, one) in enumerate(zip(rows, group, strict=True)):
        end = len(row) + len(one.after)
        tokens[number, :end] = [*row, *one.after]
        learned.append(np.arange(len(row), end) + number * length)
    shown = [one.index for one in group] if patches else []
    return Batch(tokens, np.concatenate(learned), np.array(shown, np.int64), start)
