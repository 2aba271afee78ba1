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
from itertools import combinations, permutations
from pathlib import PurePosixPath

from bench.errors import BadDataError
from bench.puzzle import Puzzle
from bench.stats.exact import holm
from tasks.family import ReadError
from tasks.kit.notation import fold
from tasks.public.load import OVERSTATED, Problem
from tasks.registry import same_for
from tasks.tools.findings import ALPHA, Code, Finding, LintReport, Severity
from tasks.tools.guessing import Guess, guess
from tasks.tools.letters import LetterTest, letter_tests
from tasks.tools.verify import Unsolved, solved_label

_SUFFIXES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}
_TOKEN = re.compile(r"\w+(?:[:.,]\w+)*")
_SHOWN = 3
_PROBLEMS = {"row": Code.BAD_ROW, "image": Code.BAD_IMAGE, "answer": Code.ANSWER_MISSING}
_GUESSED = 0.05
"""By how much a guesser without the picture may beat chance, as a share of puzzles."""


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
    guesses = {name: found for name, group in groups.items() if (found := guess([case.puzzle for case in group])) is not None}
    findings += _guessable(guesses, groups)
    order = list(Severity)
    findings.sort(key=lambda item: (order.index(item.severity), item.code.value))
    return LintReport(len(puzzles), tuple(findings), tests, guesses)


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
    overstated = OVERSTATED.get(case.puzzle.family)
    if overstated and same_for(case.puzzle.family)(case.solved, case.puzzle.answer):
        return overstated
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


def _guessable(guesses: Mapping[str, Guess], groups: Mapping[str, Sequence[_Case]]) -> Iterator[Finding]:
    """Families in which question and options alone beat chance by more than `_GUESSED`, significantly after Holm's correction."""
    for (name, found), p in zip(guesses.items(), holm([found.p for found in guesses.values()]), strict=True):
        if p is None or p > ALPHA or found.excess <= _GUESSED:
            continue
        ids = tuple(case.puzzle.id for case in groups[name])
        rows = tuple(case.row for case in groups[name] if case.row)
        message = f"who sees question and options alone is right in {found.trained:.0%} of {found.n}, by chance {found.chance:.0%}"
        yield Finding(Code.GUESSABLE, name, ids, rows, message, p)


# -- between puzzles -------------------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Asked:
    """Puzzles that ask one question of one image: the first, and the first that has another answer."""

    first: _Case
    other: _Case | None = None


def _repeats(cases: Sequence[_Case]) -> Iterator[Finding]:
    """Puzzles that share an image: with one question and one answer, with one question and several answers, or with several questions.

    Linear: each is compared with the first puzzle of its image, and with the first two that ask its question and answer it differently.
    """
    pictured: dict[str, _Case] = {}
    asked: dict[tuple[str, str], _Asked] = {}
    found: dict[tuple[Code, str], list[tuple[_Case, str]]] = {}
    for case in cases:
        if _bad_image(case) is not None:
            continue
        image = "+".join(picture.info.identity for picture in case.puzzle.pictures)
        key = (image, _words(case.puzzle.question))
        if image not in pictured:
            pictured[image], asked[key] = case, _Asked(case)
            continue
        code, earlier = _repeat(case, asked.setdefault(key, _Asked(case)), pictured[image])
        wrong = f"{case.puzzle.id} repeats {earlier.puzzle.id} ({_REPEATS[code]})"
        found.setdefault((code, case.puzzle.family), []).append((case, wrong))
    totals = Counter(case.puzzle.family for case in cases)
    for (code, name), repeated in found.items():
        yield _finding(code, name, repeated, totals[name])


_REPEATS = {
    Code.CONTRADICTION: "same image and question, another answer",
    Code.DUPLICATE_PUZZLE: "same image, question and answer",
    Code.SHARED_IMAGE: "same image, another question",
}


def _repeat(case: _Case, asked: _Asked, pictured: _Case) -> tuple[Code, _Case]:
    """How `case` repeats an earlier puzzle with its image, the gravest kind first, and which one."""
    if asked.first is case:
        return Code.SHARED_IMAGE, pictured
    if not same_for(case.puzzle.family)(asked.first.puzzle.answer, case.puzzle.answer):
        asked.other = asked.other or case
        return Code.CONTRADICTION, asked.first
    return (Code.CONTRADICTION, asked.other) if asked.other else (Code.DUPLICATE_PUZZLE, asked.first)
