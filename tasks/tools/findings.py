"""What a linter says: findings with a code, a severity and the puzzles concerned; as plain data and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rich.table import Table
from rich.text import Text

from tasks.tools.guessing import Guess
from tasks.tools.letters import LetterTest

ALPHA = 0.05
"""Family-wise error rate, over a suite, of the two letter tests together (see `tasks.tools.letters`), and of the test of guessing."""


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Code(StrEnum):
    """What kind of finding; the values are what a script may rely on."""

    BAD_ROW = "bad-row"
    BAD_IMAGE = "bad-image"
    MISTYPED_IMAGE = "mistyped-image"
    FEW_OPTIONS = "few-options"
    ANSWER_MISSING = "answer-missing"
    DUPLICATE_OPTIONS = "duplicate-options"
    EQUIVALENT_OPTIONS = "equivalent-options"
    CONTAINED_OPTION = "contained-option"
    ODD_LABEL = "odd-label"
    WRONG_LABEL = "wrong-label"
    CONTRADICTION = "contradiction"
    DUPLICATE_PUZZLE = "duplicate-puzzle"
    SHARED_IMAGE = "shared-image"
    POSITION_SKEW = "position-skew"
    FIXED_LETTER = "fixed-letter"
    INSUFFICIENT = "insufficient-description"
    GUESSABLE = "guessable"


_SEVERITY: Mapping[Code, Severity] = {
    Code.MISTYPED_IMAGE: Severity.WARNING,
    Code.CONTAINED_OPTION: Severity.WARNING,
    Code.ODD_LABEL: Severity.WARNING,
    Code.DUPLICATE_PUZZLE: Severity.WARNING,
    Code.SHARED_IMAGE: Severity.NOTE,
    Code.INSUFFICIENT: Severity.WARNING,
    Code.GUESSABLE: Severity.WARNING,
}
"""Codes that are not errors."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of trouble in one family.

    Attributes:
        family: "" where it is not known.
        puzzles: ids of the puzzles concerned; empty for rows that could not be loaded.
        rows: where those puzzles, or the rows that could not be loaded, stand ("clock.json line 3"), as far as known.
        message: what was found, with an example.
        p: the adjusted p-value, where the finding is a test's.
    """

    code: Code
    family: str
    puzzles: tuple[str, ...]
    rows: tuple[str, ...]
    message: str
    p: float | None = None

    @property
    def severity(self) -> Severity:
        return _SEVERITY.get(self.code, Severity.ERROR)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "code": self.code.value,
            "severity": self.severity.value,
            "family": self.family,
            "puzzles": list(self.puzzles),
            "rows": list(self.rows),
            "message": self.message,
            "p": self.p,
        }


@dataclass(frozen=True, slots=True)
class LintReport:
    """All findings on `n` puzzles, worst first, the letter tests of every family, and what can be guessed of the larger ones."""

    n: int
    findings: tuple[Finding, ...]
    letters: Mapping[str, LetterTest]
    guesses: Mapping[str, Guess] = field(default_factory=dict[str, Guess])

    @property
    def found(self) -> bool:
        """Whether there is any error or warning."""
        return any(finding.severity is not Severity.NOTE for finding in self.findings)

    @property
    def fails(self) -> bool:
        """Whether the suite fails: any error. Warnings are for people to weigh."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain data: totals, findings, and per family the best fixed letter against chance."""
        return {
            "n": self.n,
            "found": self.found,
            "alpha": ALPHA,
            "totals": {level.value: self.count(level) for level in Severity},
            "findings": [finding.to_json() for finding in self.findings],
            "families": {
                name: {
                    "n": test.n,
                    "chance": test.chance,
                    "best_letter": test.best.letter,
                    "best_letter_accuracy": test.best.count / test.n,
                    "best_letter_p": test.best.p,
                    "skew_p": test.skew.p,
                    "guessed_without_picture": self.guesses[name].trained if name in self.guesses else None,
                }
                for name, test in self.letters.items()
            },
        }

    def count(self, severity: Severity) -> int:
        """Number of findings of that severity."""
        return sum(finding.severity is severity for finding in self.findings)


# -- for people ------------------------------------------------------------------------------------------------------------------------
_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def table(report: LintReport) -> Table:
    """The findings as a table for a terminal, worst first."""
    counts = ", ".join(f"{report.count(level)} {level.value}{'' if report.count(level) == 1 else 's'}" for level in Severity)
    result = Table(title=f"{report.n} puzzles of {len(report.letters)} families: {counts}", title_justify="left")
    for column in ("severity", "family", "finding", "what"):
        result.add_column(column, overflow="fold")
    result.add_column("p", justify="right")
    for finding in report.findings:
        level = finding.severity
        p = "" if finding.p is None else f"{finding.p:.2g}"
        cells = (level.value, finding.family, finding.code.value, finding.message, p)
        result.add_row(*map(Text, cells), style=_STYLES[level])
    return result
