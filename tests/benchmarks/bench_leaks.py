"""What question and options give away: `python -m tests.benchmarks.bench_leaks [SUITE ...]`, by default algo and algo@1.

For every family a guesser that sees no picture is trained and tried on other puzzles than it learned from (`tasks.tools.guessing`), beside
guesses that need no training. With scikit-learn installed, gradient boosting learns from the same features as a second opinion. Drawing 500
puzzles of each of eighteen families and learning takes some minutes.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.puzzle import Puzzle
from tasks.suites import SuiteSpec, generated, load_suite
from tasks.tools.guessing import FOLDS, Guess, features, guess

PUZZLES = 500
ALLOWED = 0.05
"""By how much a guesser may beat chance."""
FORBIDDEN: dict[str, str] = {}
"""Families whose answer space does not allow options that tell nothing, with the reason."""


def boosted(puzzles: Sequence[Puzzle], *, seed: int = 0) -> float | None:
    """Accuracy of gradient boosting on the same features, cross-validated; None without scikit-learn."""
    if find_spec("sklearn") is None:
        return None
    ensemble: Any = import_module("sklearn.ensemble")
    blocks, order = features(puzzles), list(range(len(puzzles)))
    random.Random(seed).shuffle(order)
    right = [puzzle.options.index(puzzle.answer) for puzzle in puzzles]
    hits = 0.0
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        learned = [index for at, index in enumerate(order) if at % FOLDS != fold]
        rows = np.vstack([blocks[index] for index in learned])
        labels = np.concatenate([np.arange(len(blocks[index])) == right[index] for index in learned])
        model = ensemble.HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, learning_rate=0.1, random_state=seed)
        model.fit(rows, labels)
        for index in held:
            scores = model.predict_proba(blocks[index])[:, 1]
            hits += float(np.argmax(scores) == right[index])
    return hits / len(puzzles)


def measured(suite: str, family: str, puzzles: int = PUZZLES) -> tuple[Guess, float | None]:
    """What is guessed of `puzzles` puzzles of `family` in `suite`."""
    drawn = load_suite(replace(SuiteSpec.parse(suite), n=puzzles), families=[family]).puzzles
    found = guess(drawn)
    assert found is not None
    return found, boosted(drawn)


def table(suite: str, rows: Sequence[tuple[str, Guess, float | None]]) -> Table:
    """One row a family, and the means."""
    made = Table(title=f"{suite}: right without the picture, in percent", title_justify="left")
    columns = (
        "family",
        "n",
        "chance",
        "logit",
        "boosted",
        "beats chance by",
        "smallest number",
        "nearest to the others",
        "listed most often",
    )
    for column in columns:
        made.add_column(column, justify="left" if column == "family" else "right")
    for name, found, trees in rows:
        best = max(found.trained, trees or 0.0)
        made.add_row(
            name, str(found.n), *map(_points, (found.chance, found.trained, trees)), f"{100 * (best - found.chance):+.1f}",
            *map(_points, (found.smallest, found.middle, found.commonest)),
        )  # fmt: skip
    mean = [float(np.mean([getattr(found, field) for _, found, _ in rows])) for field in ("chance", "trained")]
    made.add_row("mean", "", *map(_points, mean))
    return made


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=["algo", "algo@1"])
    parser.add_argument("--puzzles", type=int, default=PUZZLES, help="of each family")
    arguments = parser.parse_args()
    console = Console(width=150)
    for suite in arguments.suites:
        made = generated(SuiteSpec.parse(suite).name)
        assert made is not None
        rows = [(name, *measured(suite, name, arguments.puzzles)) for name in made.families]
        console.print(table(suite, rows))
        over = [name for name, found, trees in rows if max(found.trained, trees or 0.0) - found.chance > ALLOWED and name not in FORBIDDEN]
        console.print(f"more than {100 * ALLOWED:.0f} points above chance: {', '.join(over) or 'none'}\n")


if __name__ == "__main__":
    main()
