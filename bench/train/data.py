"""Training data: puzzles of the split "train", and the data set that TRL's trainer reads.

Puzzles are drawn until each family has as many as the recipe says, its levels in turn. Small state spaces run out: a level that is spent
leaves the turn, and where all levels are spent, states are drawn again. How many are distinct is counted, never assumed.

A state of the evaluation share never gets here (`tasks.suites`), and `check_fresh` compares the states with those of an evaluation all the
same. Pictures are drawn and decoded when a batch asks for them, so that 8,000 of 896 px cost no memory and no start-up time.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.digest import digest
from bench.errors import UserError
from bench.extras import optional
from bench.image import ImageRef
from bench.prompt import reward_prompt
from bench.puzzle import Puzzle
from bench.train.recipe import Data, Recipe
from bench.train.rewards import reward_called
from tasks.suites import GENERATED, Suite, SuiteSpec, load_suite, make_puzzle

COLUMNS = ("prompt", "image", "picture", "family", "answer", "level", "state")
"""Of the data set: a conversation of one user message, a picture and its name, and what the rewards read (the state as JSON, or None)."""


def training_puzzles(recipe: Recipe) -> tuple[Puzzle, ...]:
    """The puzzles that `recipe` trains on, families mixed, in an order that its data seed fixes. Same recipe, same puzzles.

    Raises:
        UserError: a state that the recipe's evaluation asks about is among them.
    """
    data = recipe.data
    drawn = [puzzle for name, count in data.counts.items() for puzzle in _drawn(data.spec, name, count, data.chosen_levels)]
    random.Random(f"order of training data {data.seed}").shuffle(drawn)
    for asked in (recipe.sweep.evaluate, recipe.evaluate) if recipe.evaluate.every else (recipe.sweep.evaluate,):
        check_fresh(drawn, load_suite(asked.spec).puzzles)
    return damaged(drawn, data)


def damaged(puzzles: Sequence[Puzzle], data: Data) -> tuple[Puzzle, ...]:
    """`puzzles` with the damage that `data` names, one dose each, and the share of clean pictures that it asks for, drawn by its seed."""
    doses = data.doses
    if not doses:
        return tuple(puzzles)
    rng = random.Random(f"damage to training data {data.seed}")
    chosen = [None if rng.random() < data.clean else rng.choice(doses) for _ in puzzles]
    return tuple(
        puzzle if dose is None else replace(puzzle, image=dose.image(puzzle.image)) for puzzle, dose in zip(puzzles, chosen, strict=True)
    )


def _drawn(spec: SuiteSpec, name: str, count: int, levels: Sequence[int]) -> Iterator[Puzzle]:
    """`count` puzzles of family `name`: fresh states while any of `levels` has them, then states over again."""
    side, seen, open_levels = GENERATED[spec.name].side, set[str](), list(levels)
    turn = made = 0
    while made < count:
        level = open_levels[turn % len(open_levels)]
        try:
            yield make_puzzle(spec, name, level=level, index=turn, side=side, seen=seen)
        except UserError:  # no fresh state is left at this level
            if not seen:
                raise
            open_levels.remove(level)
            if not open_levels:
                open_levels = list(levels)
                seen.clear()
        else:
            made += 1
        turn += 1


def check_fresh(puzzles: Iterable[Puzzle], evaluation: Iterable[Puzzle]) -> None:
    """Make sure that no state of `evaluation` is among `puzzles`.

    Raises:
        UserError: one is, or a puzzle is of the evaluation split.
    """
    asked = {_content(puzzle) for puzzle in evaluation if puzzle.state is not None}
    for puzzle in puzzles:
        if puzzle.split == "eval" or _content(puzzle) in asked:
            raise UserError(f"training puzzle {puzzle.id}: expected a state that no evaluation asks about; draw another suite or seed")


def _content(puzzle: Puzzle) -> tuple[str, str]:
    return puzzle.family, digest(puzzle.state)


def distinct_states(puzzles: Iterable[Puzzle]) -> Mapping[str, int]:
    """How many different states (query included) each family has among `puzzles`."""
    return Counter(name for name, _ in sorted({_content(puzzle) for puzzle in puzzles}))


def data_sha256(puzzles: Sequence[Puzzle]) -> str:
    """Hash of everything that is asked and known, and of the damage to each picture, in its order; the same on every machine."""
    return digest([Suite("training", tuple(puzzles)).sha256, [puzzle.image.source for puzzle in puzzles]])


# -- for the trainer ---------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Pictures:
    """Turns a batch of rows into what the trainer is handed: the ids in column `image` become pictures, one for each id.

    The trainer asks for every row once per completion; these then share one decoded picture.
    """

    images: Mapping[str, ImageRef]

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if "image" not in batch:
            return batch
        from bench.models.local.processor import pixels

        shown = {name: pixels(self.images[name].data()) for name in dict.fromkeys(batch["image"])}
        return {**batch, "image": [shown[name] for name in batch["image"]]}


def training_set(puzzles: Sequence[Puzzle], reward: str) -> Any:
    """A `datasets.Dataset` of `puzzles`, in their order, asked with the prompt of `reward`; see `COLUMNS`.

    The prompt's content is plain text: TRL puts the picture before it. Rows come with a PIL picture in RGB, drawn on demand; reading any
    whole column draws all of them, unless it is read `with_format(None)`. For the trainer, `remove_unused_columns` must be false.

    Raises:
        UserError: no such reward.
        MissingExtraError: `datasets` is not installed.
    """
    name = reward_called(reward).name
    datasets: Any = optional("datasets", "train")
    rows: dict[str, list[Any]] = {
        "prompt": [[{"role": "user", "content": reward_prompt(name, puzzle)}] for puzzle in puzzles],
        "image": [_shown(puzzle) for puzzle in puzzles],
        "picture": [_shown(puzzle) for puzzle in puzzles],
        "family": [puzzle.family for puzzle in puzzles],
        "answer": [puzzle.answer for puzzle in puzzles],
        "level": [puzzle.level for puzzle in puzzles],
        "state": [None if puzzle.state is None else json.dumps(puzzle.state, sort_keys=True) for puzzle in puzzles],
    }
    return datasets.Dataset.from_dict(rows).with_transform(_Pictures({_shown(puzzle): puzzle.image for puzzle in puzzles}))


def _shown(puzzle: Puzzle) -> str:
    """Names the picture of a puzzle, its damage included."""
    return f"{puzzle.id} {puzzle.image.source}"
