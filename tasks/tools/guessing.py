"""How far question and options alone give the answer away: a classifier that sees no picture, against chance.

Each option of a puzzle is described by what can be seen of it without the picture: its rank, size and distances among the options, its
form, how often it stands among the options of other puzzles and how often it was right there, whether the question names it, and how its
rank goes with the numbers and words of the question. A conditional logit model (McFadden 1974; softmax over the options of a puzzle, ridge
penalty, Newton steps) learns on nine tenths of the puzzles which option is right and is tried on the last tenth, in turn. Where it beats
chance, so can a model that looks at nothing.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.puzzle import Puzzle

Matrix = NDArray[np.float64]

FOLDS = 10
MOST = 2000
"""Puzzles of a family that are looked at; of more, the first in an order that their ids fix."""
_RIDGE = 3.0
_STEPS = 12
_NUMBERS = 4
"""Numbers of a question that are looked at, those that differ most between questions."""
_WORDS = 6
"""Words of a question that are looked at, those that stand in the share of questions nearest to a half."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_TIME = re.compile(r"(\d{1,2}):(\d{2})")
_TOKEN = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Guess:
    """How often a guesser without the picture is right on `n` puzzles of one family.

    Attributes:
        chance: the mean of 1/options.
        trained: accuracy of the classifier, cross-validated.
        smallest: accuracy of "always the smallest number"; None where options are no numbers.
        middle: accuracy of "always the option that the others are nearest to" (of numbers).
        commonest: accuracy of "always the option that other puzzles list most often".
    """

    n: int
    chance: float
    trained: float
    smallest: float | None
    middle: float | None
    commonest: float

    @property
    def excess(self) -> float:
        """By how much the classifier beats chance, as a share of puzzles."""
        return self.trained - self.chance

    @property
    def p(self) -> float:
        """How likely a guesser by chance is right at least as often, one-sided, by the normal approximation."""
        spread = math.sqrt(max(self.chance * (1 - self.chance), 1e-9) / self.n)
        return 0.5 * math.erfc(self.excess / spread / math.sqrt(2))


def guess(puzzles: Sequence[Puzzle], *, seed: int = 0) -> Guess | None:
    """What can be guessed of `puzzles` of one family; None below two puzzles a fold, where nothing can be learned."""
    asked = [puzzle for puzzle in puzzles if puzzle.answer in puzzle.options and len(puzzle.options) > 1]
    asked = sorted(asked, key=lambda puzzle: puzzle.id)
    random.Random(seed).shuffle(asked)
    asked = asked[:MOST]
    if len(asked) < 2 * FOLDS:
        return None
    right = [puzzle.options.index(puzzle.answer) for puzzle in asked]
    listed = Counter(option for puzzle in asked for option in puzzle.options)
    numeric = [puzzle for puzzle in asked if _values(puzzle) is not None]
    return Guess(
        n=len(asked),
        chance=float(np.mean([1 / len(puzzle.options) for puzzle in asked])),
        trained=_trained(asked, right),
        smallest=_hits(numeric, lambda puzzle: [-value for value in _values(puzzle) or ()]) if numeric else None,
        middle=_hits(numeric, lambda puzzle: [-away for away in _distances(_values(puzzle) or ())]) if numeric else None,
        commonest=_hits(asked, lambda puzzle: [listed[option] for option in puzzle.options]),
    )


def _hits(puzzles: Sequence[Puzzle], score: Callable[[Puzzle], Sequence[float]]) -> float:
    """How often the option of the best score is right; among several of them one is guessed."""
    total = 0.0
    for puzzle in puzzles:
        scores = score(puzzle)
        best = [option for option, value in zip(puzzle.options, scores, strict=True) if value == max(scores)]
        total += (puzzle.answer in best) / len(best)
    return total / len(puzzles)


def _value(option: str) -> float | None:
    """The number or the time of day, in minutes, that an option states first."""
    if time := _TIME.search(option):
        return 60.0 * int(time[1]) + int(time[2])
    found = _NUMBER.search(option)
    return float(found[0]) if found else None


def _values(puzzle: Puzzle) -> list[float] | None:
    """The numbers of all options; None where one is no number."""
    values = [value for option in puzzle.options if (value := _value(option)) is not None]
    return values if len(values) == len(puzzle.options) else None


def _distances(values: Sequence[float]) -> list[float]:
    return [sum(abs(value - other) for other in values) for value in values]


# -- what is seen of an option -----------------------------------------------------------------------------------------------------------
def features(puzzles: Sequence[Puzzle]) -> list[Matrix]:
    """For each puzzle a matrix (options, features) of what can be seen of its options without picture and without any label."""
    listed = Counter(option for puzzle in puzzles for option in dict.fromkeys(puzzle.options))
    asked = _question_features([puzzle.question for puzzle in puzzles])
    made: list[Matrix] = []
    for puzzle, question in zip(puzzles, asked, strict=True):
        own = np.array([_of_option(puzzle, index, listed) for index in range(len(puzzle.options))])
        leading = own[:, :3]  # rank, size and nearness are what may go with the question
        crossed = (leading[:, :, None] * question[None, None, :]).reshape(len(own), -1)
        made.append(np.hstack([own, crossed]))
    return made


def _of_option(puzzle: Puzzle, index: int, listed: Mapping[str, int]) -> list[float]:
    option, others = puzzle.options[index], [other for at, other in enumerate(puzzle.options) if at != index]
    values = _values(puzzle) or [0.0] * len(puzzle.options)
    value, rest = values[index], [other for at, other in enumerate(values) if at != index]
    spread = (max(values) - min(values)) or 1.0
    nearest = min(abs(value - other) for other in rest)
    return [
        sum(other < value for other in rest) / len(rest),
        (value - float(np.mean(rest))) / spread,
        sum(abs(value - other) for other in rest) / len(rest) / spread,
        float(value == min(values)),
        float(value == max(values)),
        nearest / spread,
        float(nearest == 1),
        math.log1p(abs(value)),
        float(value % 2 == 0),
        float(value % 5 == 0),
        float(value % 10 == 0),
        float(len(option)),
        len(option) - float(np.mean([len(other) for other in others])),
        float(len(option.split())),
        float(sum(other[:1] == option[:1] for other in others)),
        float(sum(other[-1:] == option[-1:] for other in others)),
        float(any(sign.isdigit() for sign in option)),
        math.log(listed[option]),
        float(f" {option.casefold()} " in f" {puzzle.question.casefold()} "),
        float(any(_form(other) != _form(option) for other in others)),
    ]


def _form(option: str) -> str:
    return "".join("9" if sign.isdigit() else sign for sign in option)


def _question_features(questions: Sequence[str]) -> Matrix:
    """(questions, features): the numbers and words by which the questions differ most, at mean 0 and deviation 1."""
    numbers = [[float(found) for found in _NUMBER.findall(question)] for question in questions]
    width = max(map(len, numbers), default=0)
    padded = np.array([[*row, *[0.0] * (width - len(row))] for row in numbers]).reshape(len(questions), width)
    words = [set(_TOKEN.findall(question.casefold())) for question in questions]
    counts = Counter(word for found in words for word in sorted(found))
    chosen = sorted(counts, key=lambda word: (abs(counts[word] / len(questions) - 0.5), word))[:_WORDS]
    shown = np.array([[float(word in found) for word in chosen] for found in words]).reshape(len(questions), len(chosen))
    kept = np.argsort(-_distinct(padded), kind="stable")[:_NUMBERS]
    return _standardised(np.hstack([padded[:, kept], shown]))


def _distinct(columns: Matrix) -> NDArray[np.int64]:
    return np.array([len(np.unique(column)) for column in columns.T], dtype=np.int64)


def _standardised(columns: Matrix) -> Matrix:
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


# -- learning ----------------------------------------------------------------------------------------------------------------------------
def _trained(puzzles: Sequence[Puzzle], right: Sequence[int]) -> float:
    """Accuracy of the classifier on folds that it did not learn on."""
    seen = features(puzzles)
    scaled = _standardised(np.vstack(seen))
    starts = np.cumsum([0, *map(len, seen)])
    blocks = [scaled[a:b] for a, b in pairwise(starts)]
    folds = [list(range(fold, len(puzzles), FOLDS)) for fold in range(FOLDS)]
    total = 0.0
    for fold in folds:
        held = set(fold)
        learned = [index for index in range(len(puzzles)) if index not in held]
        rates = _Rates([(puzzles[index].options, right[index]) for index in learned])
        weights = _fit([np.hstack([blocks[i], rates.of(puzzles[i].options, right[i])]) for i in learned], [right[i] for i in learned])
        for index in fold:
            scores = np.hstack([blocks[index], rates.of(puzzles[index].options)]) @ weights
            best = np.flatnonzero(scores >= scores.max() - 1e-9)
            total += float(right[index] in best) / len(best)
    return total / len(puzzles)


class _Rates:
    """How often each option was right where it was shown, against what chance gives."""

    def __init__(self, puzzles: Sequence[tuple[Sequence[str], int]]) -> None:
        self._excess: defaultdict[str, float] = defaultdict(float)
        self._shown: Counter[str] = Counter()
        for options, right in puzzles:
            for index, option in enumerate(options):
                self._excess[option] += (index == right) - 1 / len(options)
                self._shown[option] += 1

    def of(self, options: Sequence[str], right: int | None = None) -> Matrix:
        """(options, 1); a puzzle that was learned from is left out of its own rates by naming what is `right` in it."""
        rates: list[list[float]] = []
        for index, option in enumerate(options):
            own = 0.0 if right is None else (index == right) - 1 / len(options)
            rates.append([(self._excess[option] - own) / (self._shown[option] - (right is not None) + 10.0)])
        return np.array(rates)


def _fit(blocks: Sequence[Matrix], right: Sequence[int]) -> Matrix:
    """Weights (features,) of the conditional logit model with a ridge penalty, by Newton's method."""
    rows, groups = np.vstack(blocks), np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    starts = np.cumsum([0, *[len(block) for block in blocks[:-1]]])
    chosen = np.zeros(len(rows))
    chosen[starts + np.array(right)] = 1.0
    weights = np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        scores = rows @ weights
        odds = np.exp(scores - np.maximum.reduceat(scores, starts)[groups])
        shares = odds / np.add.reduceat(odds, starts)[groups]
        means = np.add.reduceat(shares[:, None] * rows, starts, axis=0)
        slope = rows.T @ (chosen - shares) - _RIDGE * weights
        centred = rows - means[groups]
        curve = (centred * shares[:, None]).T @ centred + _RIDGE * np.eye(rows.shape[1])
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-5:
            break
    return weights
