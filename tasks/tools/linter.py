"""What is wrong with a suite as an instrument, whatever the model: findings with a code, a severity and the puzzles concerned.

Errors make single puzzles or whole families unusable as they are (an answer that is not among the options, two right options, a broken
image, letters that give the answer away). Warnings distort a comparison unless one knows of them. Notes are worth knowing and no fault;
they alone do not make a suite fail. One finding gathers all puzzles of a family with the same trouble.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, permutations
from pathlib import PurePosixPath
from typing import Any

from rich.table import Table
from rich.text import Text

from bench.errors import BadDataError
from bench.puzzle import Puzzle
from tasks.family import ReadError
from tasks.kit.notation import fold
from tasks.public.load import Problem
from tasks.registry import same_for
from tasks.tools.letters import LetterTest, letter_tests
from tasks.tools.verify import Unsolved, solved_label

ALPHA = 0.05
"""Family-wise error rate of the two letter tests together, over a suite (see `tasks.tools.letters`)."""

_SUFFIXES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}
_TOKEN = re.compile(r"\w+(?:[:.,]\w+)*")
_SHOWN = 3


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


_SEVERITY: Mapping[Code, Severity] = {
    Code.MISTYPED_IMAGE: Severity.WARNING,
    Code.CONTAINED_OPTION: Severity.WARNING,
    Code.ODD_LABEL: Severity.WARNING,
    Code.DUPLICATE_PUZZLE: Severity.WARNING,
    Code.SHARED_IMAGE: Severity.NOTE,
    Code.INSUFFICIENT: Severity.WARNING,
}
"""Codes that are not errors."""

_PROBLEMS = {"row": Code.BAD_ROW, "image": Code.BAD_IMAGE, "answer": Code.ANSWER_MISSING}


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
    """All findings on `n` puzzles, worst first, and the letter tests of every family."""

    n: int
    findings: tuple[Finding, ...]
    letters: Mapping[str, LetterTest]

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
                }
                for name, test in self.letters.items()
            },
        }

    def count(self, severity: Severity) -> int:
        """Number of findings of that severity."""
        return sum(finding.severity is severity for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Case:
    """A puzzle under the lens: `row` says where it stands ("" where that is not known), `solved` what `solved_label` makes of it."""

    puzzle: Puzzle
    row: str
    solved: str | ReadError | Unsolved


def lint(puzzles: Sequence[Puzzle], problems: Sequence[Problem] = (), rows: Sequence[int] = ()) -> LintReport:
    """Look for everything in `Code`. Reads and decodes every image.

    Args:
        puzzles: of one suite, any families.
        problems: rows that could not be loaded.
        rows: for each puzzle the number of its row, if known (`Loaded.rows`).
    """
    groups: dict[str, list[_Case]] = {}
    for index, puzzle in enumerate(puzzles):
        case = _Case(puzzle, f"row {rows[index]}" if rows else "", solved_label(puzzle))
        groups.setdefault(puzzle.family, []).append(case)
    findings = [*_load_findings(problems)]
    for name, group in groups.items():
        findings += _per_puzzle(name, group)
        findings += _insufficient(name, group)
    findings += _repeats([case for group in groups.values() for case in group])
    tests = letter_tests({name: _positions(group) for name, group in groups.items()})
    for name, test in tests.items():
        findings += _letter_findings(name, test, groups[name])
    order = list(Severity)
    findings.sort(key=lambda item: (order.index(item.severity), item.code.value))
    return LintReport(len(puzzles), tuple(findings), tests)


def _finding(code: Code, family: str, found: Sequence[tuple[_Case, str]], total: int) -> Finding:
    """One finding of several cases, each with what is wrong with it; the message counts them and shows the first."""
    puzzles = tuple(case.puzzle.id for case, _ in found)
    rows = tuple(case.row for case, _ in found if case.row)
    return Finding(code, family, puzzles, rows, f"{len(found)} of {total}: {found[0][1]}")


# -- rows that did not load ------------------------------------------------------------------------------------------------------------
def _load_findings(problems: Sequence[Problem]) -> Iterator[Finding]:
    groups: dict[tuple[Code, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((_PROBLEMS[problem.code], problem.family), []).append(problem)
    for (code, name), group in groups.items():
        shown = "; ".join(map(str, group[:_SHOWN])) + ("; ..." if len(group) > _SHOWN else "")
        yield Finding(code, name, (), tuple(problem.where for problem in group), shown)


# -- one puzzle at a time --------------------------------------------------------------------------------------------------------------
def _per_puzzle(name: str, group: Sequence[_Case]) -> Iterator[Finding]:
    for code, check in _CHECKS.items():
        found = [(case, wrong) for case in group if (wrong := check(case)) is not None]
        if found:
            yield _finding(code, name, found, len(group))


def _bad_image(case: _Case) -> str | None:
    try:
        for image in case.puzzle.pictures:
            image.info  # noqa: B018 - decodes, once
    except BadDataError as error:
        return str(error)
    return None


def _mistyped_image(case: _Case) -> str | None:
    image = case.puzzle.image
    named = _SUFFIXES.get(PurePosixPath(image.source).suffix.casefold())
    if named is None or _bad_image(case) is not None or image.info.media_type == named:
        return None
    return f"{image.source} holds {image.info.media_type}"


def _few_options(case: _Case) -> str | None:
    """An open question has none, and is no fault."""
    return "expected at least 2 options, found 1" if len(case.puzzle.options) == 1 else None


def _answer_missing(case: _Case) -> str | None:
    answer, options = case.puzzle.answer, case.puzzle.options
    return None if answer in options or not options else f"{answer!r} is not among {', '.join(options)}"


def _duplicate_options(case: _Case) -> str | None:
    twice = [(option, count) for option, count in Counter(case.puzzle.options).items() if count > 1]
    return f"{twice[0][0]!r} is listed {twice[0][1]} times" if twice else None


def _equivalent_options(case: _Case) -> str | None:
    same = same_for(case.puzzle.family)
    pairs = [(a, b) for a, b in combinations(dict.fromkeys(case.puzzle.options), 2) if same(a, b)]
    return f"{pairs[0][0]!r} and {pairs[0][1]!r} mean the same" if pairs else None


def _contained_option(case: _Case) -> str | None:
    """Whole words only: "red" in "dark red" misleads a careless grader; the character "1" in "10" misleads none that reads words."""
    for a, b in permutations(dict.fromkeys(case.puzzle.options), 2):
        if f" {_words(a)} " in f" {_words(b)} " and _words(a) not in ("", _words(b)):
            return f"{a!r} is part of {b!r}"
    return None


def _words(text: str) -> str:
    return " ".join(_TOKEN.findall(fold(text)))


def _odd_label(case: _Case) -> str | None:
    """A label that means what the solver says and is spelled otherwise: no dial and no list of options would write 0:37."""
    label, solved = case.puzzle.answer, case.solved
    if not isinstance(solved, str) or _words(solved) == _words(label) or not same_for(case.puzzle.family)(solved, label):
        return None
    return f"the label is {label!r} for what is written {solved!r}"


def _wrong_label(case: _Case) -> str | None:
    label, solved = case.puzzle.answer, case.solved
    if not isinstance(solved, str) or same_for(case.puzzle.family)(solved, label):
        return None
    return f"the label is {label!r}, an exact solver finds {solved!r}"


_CHECKS: Mapping[Code, Callable[[_Case], str | None]] = {
    Code.BAD_IMAGE: _bad_image,
    Code.MISTYPED_IMAGE: _mistyped_image,
    Code.FEW_OPTIONS: _few_options,
    Code.ANSWER_MISSING: _answer_missing,
    Code.DUPLICATE_OPTIONS: _duplicate_options,
    Code.EQUIVALENT_OPTIONS: _equivalent_options,
    Code.CONTAINED_OPTION: _contained_option,
    Code.ODD_LABEL: _odd_label,
    Code.WRONG_LABEL: _wrong_label,
}


# -- a family at a time ----------------------------------------------------------------------------------------------------------------
def _insufficient(name: str, group: Sequence[_Case]) -> Iterator[Finding]:
    found = [(case, _why_insufficient(case)) for case in group if not case.puzzle.sufficient]
    if found:
        yield _finding(Code.INSUFFICIENT, name, found, len(group))


def _why_insufficient(case: _Case) -> str:
    if isinstance(case.solved, Unsolved):
        return case.solved.reason
    if isinstance(case.solved, ReadError):
        return str(case.solved)
    return f"an exact solver finds {case.solved!r} in it where the label is {case.puzzle.answer!r}"


def _positions(group: Sequence[_Case]) -> list[tuple[int, int]]:
    puzzles = [case.puzzle for case in group]
    return [(p.options.index(p.answer), len(p.options)) for p in puzzles if p.answer in p.options and len(p.options) >= 2]


def _letter_findings(name: str, test: LetterTest, group: Sequence[_Case]) -> Iterator[Finding]:
    ids = tuple(case.puzzle.id for case in group)
    rows = tuple(case.row for case in group if case.row)
    if test.skew.p <= ALPHA:
        skew = test.skew
        message = f"the right answer is {skew.letter} in {skew.count} of {test.n}, expected {skew.expected:.1f}"
        yield Finding(Code.POSITION_SKEW, name, ids, rows, message, skew.p)
    if test.best.p <= ALPHA / 2:
        best = test.best
        message = f"always answering {best.letter} is right in {best.count / test.n:.0%}, by chance {test.chance:.0%}"
        yield Finding(Code.FIXED_LETTER, name, ids, rows, message, best.p)


# -- between puzzles -------------------------------------------------------------------------------------------------------------------
def _repeats(cases: Sequence[_Case]) -> Iterator[Finding]:
    """Puzzles that share an image: with one question and one answer, with one question and several answers, or with several questions."""
    images: dict[str, list[_Case]] = {}
    for case in cases:
        if _bad_image(case) is None:
            images.setdefault("+".join(image.info.identity for image in case.puzzle.pictures), []).append(case)
    found: dict[tuple[Code, str], list[tuple[_Case, str]]] = {}
    for group in images.values():
        for index, case in enumerate(group[1:], 1):
            code, first = _repeat(case, group[:index])
            wrong = f"{case.puzzle.id} repeats {first.puzzle.id} ({_REPEATS[code]})"
            found.setdefault((code, case.puzzle.family), []).append((case, wrong))
    totals = Counter(case.puzzle.family for case in cases)
    for (code, name), repeated in found.items():
        yield _finding(code, name, repeated, totals[name])


_REPEATS = {
    Code.CONTRADICTION: "same image and question, another answer",
    Code.DUPLICATE_PUZZLE: "same image, question and answer",
    Code.SHARED_IMAGE: "same image, another question",
}


def _repeat(case: _Case, earlier: Sequence[_Case]) -> tuple[Code, _Case]:
    """How `case` repeats one of the `earlier` puzzles with its image, the gravest kind first, and which one."""
    asked = [other for other in earlier if _words(other.puzzle.question) == _words(case.puzzle.question)]
    if not asked:
        return Code.SHARED_IMAGE, earlier[0]
    same = same_for(case.puzzle.family)
    against = [other for other in asked if not same(other.puzzle.answer, case.puzzle.answer)]
    return (Code.CONTRADICTION, against[0]) if against else (Code.DUPLICATE_PUZZLE, asked[0])


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
