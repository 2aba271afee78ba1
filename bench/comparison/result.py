"""What a comparison of two runs found: plain data, from which the table, JUnit XML and the Markdown summary are drawn.

A *case* is one test: a mode over all puzzles ("overall"), or a mode on one family. See `bench.comparison.decide` for the decision rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bench.gap.document import ComparisonDoc

NO_REGRESSION, REGRESSION, UNDECIDED = 0, 1, 3
"""Exit codes of `compare`."""


class Decision(StrEnum):
    """What a case says of the candidate."""

    IMPROVED = "improved"
    PASS = "no regression"
    REGRESSION = "regression"
    LOWER = "lower"  # of a control: worse, and no regression
    INCONCLUSIVE = "inconclusive"
    MISSING = "no pairs"


@dataclass(frozen=True, slots=True)
class Case:
    """One test of candidate minus baseline. Rates and differences are shares, not percent; None where there is no pair.

    Attributes:
        model: the model's name, or "old -> new" where the names differ.
        mode: the mode; with the captioner where a model was run with several.
        family: the family, or None over all puzzles.
        decides: whether the case counts towards the exit code (`blind` is a control and does not).
        puzzles, trials: what was paired: puzzles, and replicates on them.
        baseline, candidate: accuracy on the pairs.
        delta: candidate - baseline.
        low, high: one-sided bounds of `delta`, each at level 1 - alpha.
        p: one-sided p-value of "worse by the margin or more".
        p_worse: one-sided exact p-value of "no worse at all", corrected for all cases of the comparison.
        p_better: one-sided exact p-value of "no better at all", corrected likewise; None of a control.
        detectable: smallest drop that is called a regression with 80% power; None where even a total loss would not be.
        enough: puzzles with which two equal models would be shown equal within the margin with 80% power; None where no number is.
        verdict: see `Decision`.
    """

    model: str
    mode: str
    family: str | None
    decides: bool
    puzzles: int = 0
    trials: int = 0
    baseline: float | None = None
    candidate: float | None = None
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_worse: float | None = None
    p_better: float | None = None
    detectable: float | None = None
    enough: int | None = None
    verdict: Decision = Decision.MISSING


@dataclass(frozen=True, slots=True)
class Change:
    """A puzzle on which the two sides differ: right replicates `before` and `after`, of `trials` paired ones.

    `models` are the names on the two sides. Question and answers are known where they were asked for (`bench.comparison.answers`): `said`
    are the answers before and after, one for each replicate, and `where` are the run directories in which to look.
    """

    model: str
    mode: str
    family: str
    puzzle: str
    before: int
    after: int
    trials: int
    models: tuple[str, str] = ("", "")
    question: str | None = None
    gold: str | None = None
    said: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    where: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared.

    Attributes:
        baseline, candidate: names of the run directories, several joined by " + ".
        suite: name of the suite, with the format of the answers.
        margin: largest tolerable loss, as a share.
        alpha: chance of calling two equal models a regression, over the whole comparison.
        overall: a case for each model and mode.
        cases: a case for each model, family and mode.
        changes: puzzles that changed, losses first.
        parts: of each model, how what it loses to using, seeing and thinking has changed.
        problems: why the comparison is incomplete; empty where it is not.
        notes: what a reader should know besides.
    """

    baseline: str
    candidate: str
    suite: str
    margin: float
    alpha: float
    overall: tuple[Case, ...]
    cases: tuple[Case, ...]
    changes: tuple[Change, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    parts: tuple[ComparisonDoc, ...] = ()
    draws: str = ""
    """The option that draws more puzzles, with {n} for their number in each family; "" where the suite has no more."""
    families: int = 1

    @property
    def regressions(self) -> tuple[Case, ...]:
        """The cases that fail the comparison, overall ones first."""
        return tuple(case for case in (*self.overall, *self.cases) if case.verdict is Decision.REGRESSION)

    @property
    def undecided(self) -> tuple[Case, ...]:
        """The overall cases that count and are too small to tell."""
        return tuple(case for case in self.overall if case.decides and case.verdict in (Decision.INCONCLUSIVE, Decision.MISSING))

    @property
    def improved(self) -> tuple[Case, ...]:
        """The overall cases that are better."""
        return tuple(case for case in self.overall if case.verdict is Decision.IMPROVED)

    @property
    def open_question(self) -> bool:
        """Whether an undecided case leaves the verdict open: nothing improved, or it was seen to be worse by more than the margin."""
        if not self.undecided:
            return False
        return not self.improved or any(case.delta is None or case.delta < -self.margin for case in self.undecided)

    @property
    def enough(self) -> int | None:
        """Puzzles that would be enough for every undecided case; None where no number would."""
        wanted = [case.enough for case in self.undecided]
        known = [number for number in wanted if number is not None]
        return max(known) if known and len(known) == len(wanted) else None

    @property
    def exit_code(self) -> int:
        """1 with a regression; else 3 where something is missing or too small to tell and nothing else improved; else 0."""
        if self.regressions:
            return REGRESSION
        return UNDECIDED if self.problems or self.open_question or not self.overall else NO_REGRESSION

    @property
    def sentence(self) -> str:
        """The verdict in one sentence, with the numbers that decided it."""
        margin = f"{100 * self.margin:g} points"
        if self.regressions:
            worst = self.regressions[0]
            more = f" and {len(self.regressions) - 1} more" if len(self.regressions) > 1 else ""
            return f"regression: {_name(worst)} {100 * (worst.delta or 0):+.1f} points{more}"
        if self.problems:
            return f"incomplete: {self.problems[0]}"
        if self.open_question:
            return f"too small to tell: {_names(self.undecided)} cannot be shown to be within {margin}; {self._advice()}"
        if self.improved:
            gains = ", ".join(f"{_name(case)} {100 * (case.delta or 0):+.1f} points" for case in self.improved)
            rest = f"; {_names(self.undecided)} too small to tell, and not seen to be worse" if self.undecided else ""
            return f"improved: {gains}{rest}"
        return f"no regression: every mode is at most {margin} worse, with {100 * (1 - self.alpha):g}% confidence"

    def _advice(self) -> str:
        if not self.margin:
            return "a margin of 0 cannot be shown with any number of puzzles, so allow a --margin"
        if self.enough is None:
            return "there are no pairs"
        most = max(case.puzzles for case in self.undecided)
        option = self.draws.format(n=math.ceil(self.enough / self.families)) or "this suite has no more of them: compare more --replicates"
        return f"{self.enough:,} puzzles would be enough for equal models (there are {most:,}): {option}"


@dataclass(frozen=True, slots=True)
class Need:
    """What one model in one mode needs.

    Attributes:
        accuracy: of the baseline.
        disagreement: of two equal runs on a puzzle (a share); `measured` where replicates show it, else the largest that it can be.
        puzzles: enough for the margin with the replicates that were asked for.
        have: puzzles of the baseline.
        draw: the option that draws so many; None where the suite is no generated one.
        replicates: the fewest replicates with which the puzzles of the baseline are enough; None where 64 are not enough.
        cost: USD for the candidate on `puzzles` with those replicates, captions apart; None where the price is not known.
    """

    model: str
    mode: str
    accuracy: float
    disagreement: float
    measured: bool
    puzzles: int
    have: int
    draw: str | None
    replicates: int | None
    cost: float | None


@dataclass(frozen=True, slots=True)
class Needs:
    """What a comparison needs, for each model and mode of a baseline."""

    baseline: str
    margin: float
    alpha: float
    replicates: int
    needs: tuple[Need, ...]


def _name(case: Case) -> str:
    return f"{case.mode}, {case.family}" if case.family else f"{case.mode} overall"


def _names(cases: Sequence[Case]) -> str:
    return ", ".join(dict.fromkeys(case.mode for case in cases))
