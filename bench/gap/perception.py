"""Perception from `readback`: what the model wrote of the picture, fact by fact, beside perception in use.

A reply in mode readback is a description in the family's notation. Whether it reads back as the whole visible state, and which facts it
states rightly, needs neither a solver nor the assumption that failures to see and to think are independent. The two must agree: a model
that sees p of the pictures gives the whole state at most that often, and a state with the right answer at least that often (a fact
that does not matter may be wrong). Where perception in use lies clearly outside, it does not say how much is seen: failures are not
independent, or the picture is not used.

The same can be read from replies that answer a puzzle (`read_facts` of mode image): what a model says of a picture without being asked to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.gap.cells import Cells
from bench.gap.diagnosis import perception_arms
from bench.gap.document import RateDoc, ReadbackDoc
from bench.gap.numbers import interval, rounded
from bench.gap.rates import denominators, differences, ratio_draws
from bench.mode import Mode
from bench.puzzle import Puzzle
from bench.stats.paired import bootstrap_sums, percentile_interval
from bench.stats.rates import clustered_rate
from bench.store.run import Run
from tasks.family import ReadError
from tasks.fidelity import fidelity, over_floor
from tasks.kit.notation import MAX_TEXT
from tasks.registry import family, known

LIMIT = 50_000
"""Most replies that are read fact by fact without being asked for it."""

_DESCRIPTION_LINES = 60
"""No description of a generated puzzle has as many lines."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one reply states of the picture: whether it is the whole state, its recall, and its precision (None where nothing is stated).

    `above` is its F1 above that of the best description that is the same for every picture (`tasks.fidelity.over_floor`).
    """

    puzzle: int
    whole: bool
    recall: float
    precision: float | None
    above: float = 0.0


def read_facts(runs: Sequence[Run], frame: pd.DataFrame, mode: Mode = Mode.READBACK) -> dict[str, list[Seen]]:
    """Model -> what its replies in `mode` state of the picture, over the rows of `frame`; replies without a known state are left out.

    Raises:
        UserError: a line that is not of this version.
    """
    rows = frame[(frame["mode"] == mode.value) & (frame["dose"] == "")]
    code_of = {key: int(code) for key, code in zip(rows["key"], rows["puzzle"].cat.codes, strict=True)}
    found: dict[str, tuple[str, Seen]] = {}
    for run in runs:
        for line in run.lines():
            puzzle, key = run.stored_puzzles.get(line["puzzle"]), line["key"]
            if line["mode"] != mode or not puzzle or key not in code_of or not line.get("reply"):
                continue
            text = line["reply"]["text"]
            if seen := _seen(text if mode is Mode.READBACK else described(text, puzzle.family), puzzle, code_of[key]):
                found[key] = (line["model"], seen)
    by_model: dict[str, list[Seen]] = {}
    for model, seen in found.values():
        by_model.setdefault(model, []).append(seen)
    return by_model


def described(text: str, name: str) -> str:
    """What `text` says in the notation of the family called `name` before it reasons: its first lines, as many as read as one state.

    All of `text` where no number of its first lines does, or where it is longer than any family reads.
    """
    if not known(name) or len(text) > MAX_TEXT:
        return text
    made, lines = family(name), text.splitlines()
    heads = ("\n".join(lines[:count]) for count in range(min(len(lines), _DESCRIPTION_LINES), 0, -1))
    return next((head for head in heads if not isinstance(made.read(head), ReadError)), text)


def _seen(text: str, puzzle: Puzzle, code: int) -> Seen | None:
    match = fidelity(text, puzzle)
    return Seen(code, match.recovered, match.recall, match.precision, over_floor(match.f1, puzzle.family, puzzle.level)) if match else None


def readback_section(cells: Cells, seen: Sequence[Seen], families: Mapping[str, Cells], seed: int) -> ReadbackDoc | None:
    """The readback perception of one model; None without a reply whose puzzle's state is known.

    Args:
        cells: the model's cells.
        seen: what its readback replies state (`read_facts`).
        families: the model's cells by family.
        seed: of the bootstrap.
    """
    if not seen or Mode.READBACK not in cells.right:
        return None
    at = {int(code): index for index, code in enumerate(cells.ids)}
    mine = [one for one in seen if one.puzzle in at]
    puzzle = np.array([at[one.puzzle] for one in mine], np.int64)
    whole, recall = np.array([float(one.whole) for one in mine]), np.array([one.recall for one in mine])
    above = np.array([one.above for one in mine])
    stated = np.array([one.precision is not None for one in mine], np.bool_)
    precision = np.array([one.precision or 0.0 for one in mine])
    family_of = {int(code): name for name, part in families.items() for code in part.ids}
    names = np.array([family_of.get(one.puzzle, "") for one in mine])
    answers, counts = cells.per_puzzle(Mode.READBACK, cells.counted(Mode.READBACK))
    n = len(cells.ids)
    whole_sums, trials = np.bincount(puzzle, whole, n).astype(np.float64), np.bincount(puzzle, minlength=n).astype(np.float64)
    return {
        "n": len(mine),
        "puzzles": int(np.unique(puzzle).size),
        "whole_state": _rate(puzzle, whole),
        "answer": _clustered(answers, counts),
        "recall": _rate(puzzle, recall),
        "precision": _rate(puzzle[stated], precision[stated]) if stated.any() else None,
        "above_floor": mean_over_puzzles(puzzle, above, seed),
        "families": {name: _rate(puzzle[names == name], recall[names == name]) for name in sorted(set(names.tolist()))},
        "families_above_floor": {
            name: mean_over_puzzles(puzzle[names == name], above[names == name], seed) for name in sorted(set(names.tolist()))
        },
        "suspect": disagreement(arms[:2] if (arms := perception_arms(cells)) else None, (whole_sums, trials), (answers, counts), seed=seed),
    }


Arm = tuple[Floats, Floats]
"""(puzzles,) sums and (puzzles,) counts."""


def disagreement(arms: tuple[Floats, Floats] | None, whole: Arm, answer: Arm, *, seed: int, resamples: int = 2000) -> str | None:
    """How perception in use disagrees with readback; None where it does not, or is not identifiable.

    The estimate minus the rate of right answers from readback, and minus the rate of whole states, over the same resampled puzzles: it is
    too high where the 95% interval of the first lies above zero, too low where that of the second lies below.

    Args:
        arms: (puzzles, 3) sums and (puzzles,) counts, as `bench.gap.rates.estimate` takes them, or None.
        whole: replies that give the whole state.
        answer: replies whose state gives the right answer.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    if arms is None:
        return None
    used = (arms[1] > 0) & (whole[1] > 0) & (answer[1] > 0)
    if not used.any() or denominators(arms[0][used], arms[1][used])[0]:
        return None
    columns = np.column_stack([differences(arms[0][used], arms[1][used]), *(values[used] for values in (*answer, *whole))])
    totals = bootstrap_sums(columns, seed=seed, resamples=resamples)
    perception = ratio_draws(totals[:, :3])[:, 0]
    above = percentile_interval(perception - totals[:, 3] / totals[:, 4])
    below = percentile_interval(perception - totals[:, 5] / totals[:, 6])
    total = columns.sum(0)
    shown = f"{100 * total[0] / total[1]:.1f}%"
    if above and above[0] > 0:
        return f"its {shown} is above the {100 * total[3] / total[4]:.1f}% whose readback gives the right answer"
    if below and below[1] < 0:
        return f"its {shown} is below the {100 * total[5] / total[6]:.1f}% whose readback gives the whole state"
    return None


def _rate(puzzle: NDArray[np.int64], values: Floats) -> RateDoc:
    n = int(puzzle.max(initial=0)) + 1
    return _clustered(np.bincount(puzzle, values, n).astype(np.float64), np.bincount(puzzle, minlength=n).astype(np.float64))


def mean_over_puzzles(puzzle: NDArray[np.int64], values: Floats, seed: int) -> RateDoc:
    """The mean of `values` (replies,), which may be negative, with a bootstrap interval over puzzles: `puzzle` holds that of each reply."""
    n = int(puzzle.max(initial=0)) + 1
    columns = np.column_stack([np.bincount(puzzle, values, n), np.bincount(puzzle, minlength=n)])
    totals = bootstrap_sums(columns[columns[:, 1] > 0], seed=seed)
    estimate = float(values.mean())
    return {"estimate": rounded(estimate), "ci": interval(percentile_interval(totals[:, 0] / totals[:, 1]) or (estimate, estimate))}


def _clustered(sums: Floats, counts: Floats) -> RateDoc:
    """Wilson at the effective number of replies; for shares of facts this is on the safe side, since they vary less than yes and no."""
    rate = clustered_rate(np.clip(sums, 0, counts), counts)
    assert rate is not None  # there is a reply
    return {"estimate": rounded(rate.estimate), "ci": interval((rate.low, rate.high))}
