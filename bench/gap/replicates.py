"""What replicates, letters and the blind arm say about luck: pass@k, consistency, blind accuracy against chance, and letter bias."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bench.gap.cells import Cells, Flags
from bench.gap.document import BlindDoc, LetterDoc
from bench.mode import Mode
from bench.stats.exact import binomial
from bench.stats.rates import consistency, pass_at_k

Floats = NDArray[np.float64]

_LETTER_SCORE = 3.29
_LETTER_EXCESS = 0.1
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def pass_rates(sums: Floats, counts: Floats) -> dict[str, float]:
    """The chance that one of k replicates is right, by k: mean over the puzzles with at least k, for k = 1 to the most of one.

    Args:
        sums: (puzzles,) right replicates.
        counts: (puzzles,) counted replicates.
    """
    kinds, tally = np.unique(np.column_stack((counts, sums)).astype(np.int64), axis=0, return_counts=True)
    rates: dict[str, float] = {}
    for k in range(1, int(counts.max(initial=0)) + 1):
        able = kinds[:, 0] >= k
        each = np.array([pass_at_k(int(n), int(c), k) for n, c in kinds[able]])
        rates[str(k)] = round(float(each @ tally[able] / tally[able].sum()), 6)
    return rates


def agreement(sums: Floats, counts: Floats) -> float | None:
    """The chance that two replicates of a puzzle agree in being right (`bench.stats.rates.consistency`), rounded."""
    value = consistency(sums, counts)
    return None if value is None else round(value, 6)


def blind_against_chance(cells: Cells) -> BlindDoc | None:
    """Whether the question alone gives answers away. None where `blind` was not run or no options are shown.

    A puzzle counts as one trial with the mean of its replicates, and the total is rounded down; its distribution under guessing is that of
    independent trials with each puzzle's own chance (Poisson binomial). With one replicate that is the exact test; with several the mean of
    a puzzle varies no more than one trial does, so the test stays on the safe side however alike replicates are.
    """
    where = cells.counted(Mode.BLIND)
    if not where.any():
        return None
    sums, counts = cells.per_puzzle(Mode.BLIND, where)
    used = (counts > 0) & (cells.chance > 0)
    if not used.any():
        return None
    rates, chance = sums[used] / counts[used], cells.chance[used]
    p = poisson_binomial_tail(math.floor(float(rates.sum()) + 1e-9), chance)
    return {"accuracy": round(float(rates.mean()), 6), "chance": round(float(chance.mean()), 6), "p": float(f"{p:.4g}")}


def poisson_binomial_tail(least: int, chances: Floats) -> float:
    """The chance of at least `least` successes in independent trials with `chances` (trials,), by convolution of binomials."""
    distribution = np.ones(1)
    values, tally = np.unique(chances, return_counts=True)
    for chance, n in zip(values.tolist(), tally.tolist(), strict=True):
        distribution = np.convolve(distribution, binomial(n, chance))
    return min(1.0, float(distribution[max(0, least) :].sum()))


def letter_bias(cells: Cells, mode: Mode) -> LetterDoc | None:
    """How often each letter is chosen in `mode`. None where no option was chosen.

    Right answers say nothing about letters (the right one may always be D), so the bias is measured on the wrong ones: where k options are
    shown and the place does not matter, each of the k - 1 wrong places is as likely. `biased` lists letters that are chosen at least 10
    points more often than that, with a score over puzzles of at least 3.29.
    """
    if mode is Mode.READBACK or mode not in cells.right:
        return None
    picked = (cells.chosen[mode] >= 0) & cells.counted(mode)
    if not picked.any():
        return None
    wrong = picked & (cells.chosen[mode] != cells.gold) & (cells.gold >= 0) & (cells.options > 1)
    n = int(cells.options[picked].max())
    tally = np.bincount(cells.chosen[mode][picked], minlength=n)
    return {
        "chosen": {_LETTERS[place]: int(count) for place, count in enumerate(tally)},
        "n": int(picked.sum()),
        "biased": {_LETTERS[place]: found for place in range(n) if (found := _excess(cells, mode, wrong, place))},
    }


def _excess(cells: Cells, mode: Mode, wrong: Flags, place: int) -> list[float] | None:
    """[share of the wrong answers, expected share] of `place` where it is chosen clearly too often."""
    able = wrong & (cells.gold != place) & (cells.options > place)
    total = int(wrong.sum())
    if not able.any():
        return None
    chosen, expected = cells.chosen[mode][able] == place, 1.0 / (cells.options[able] - 1)
    excess = np.bincount(cells.puzzle[able], chosen - expected)
    square = float((excess * excess).sum())
    if square <= 0 or excess.sum() / math.sqrt(square) < _LETTER_SCORE or excess.sum() / total < _LETTER_EXCESS:
        return None
    return [round(float(chosen.sum()) / total, 6), round(float(expected.sum()) / total, 6)]
