"""Verification: is every label what an exact solver finds from the ground truth?

A puzzle with a latent state goes `describe -> read -> solve`, so that a disagreement also shows a description that lost something; a
puzzle with a caption goes to the caption solver of its family. A puzzle without state, or of a family whose captions do not suffice, is
*unsolved*: nothing is known about its label, and it never counts as agreement. The three parts add up to the number of puzzles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from bench.puzzle import Puzzle
from tasks.family import ReadError
from tasks.public import puzzlevqa
from tasks.public.load import Loaded, resolve
from tasks.registry import family, known, same_for


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A label that the solver does not find. `solved` is its answer, or None with the reason in `problem`; `row` counts from 1."""

    row: int
    puzzle: str
    label: str
    solved: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class FamilyVerdict:
    """What became of the puzzles of one family: `n` = `agree` + disagreements + unsolved rows. `reason` says why rows are unsolved."""

    family: str
    n: int
    agree: int
    disagree: tuple[Disagreement, ...]
    unsolved: tuple[int, ...]
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """One line of the command's output; rows count from 1."""
        details = [{"row": d.row, "puzzle": d.puzzle, "label": d.label, "solved": d.solved, "problem": d.problem} for d in self.disagree]
        return {
            "family": self.family,
            "n": self.n,
            "agree": self.agree,
            "disagree": [item.row for item in self.disagree],
            "unsolved": list(self.unsolved),
            "reason": self.reason,
            "details": details,
        }


@dataclass(frozen=True, slots=True)
class Unsolved:
    """Nothing is known about the label; `reason` says why."""

    reason: str


def verdict_table(verdicts: Sequence[FamilyVerdict]) -> Table:
    """The verdicts as a table for a terminal, with the first disagreement of each family."""
    table = Table(title=_total(verdicts), title_justify="left")
    for column in ("family", "puzzles", "agree", "disagree", "unsolved", "what"):
        table.add_column(column, justify="left" if column in ("family", "what") else "right", overflow="fold")
    for verdict in verdicts:
        what = _what(verdict)
        counts = (verdict.n, verdict.agree, len(verdict.disagree), len(verdict.unsolved))
        table.add_row(Text(verdict.family), *map(str, counts), Text(what), style="red" if verdict.disagree else None)
    return table


def _total(verdicts: Sequence[FamilyVerdict]) -> str:
    n, agree = sum(v.n for v in verdicts), sum(v.agree for v in verdicts)
    wrong, unsolved = sum(len(v.disagree) for v in verdicts), sum(len(v.unsolved) for v in verdicts)
    return f"{n} puzzles: {agree} labels agree with an exact solver, {wrong} do not, {unsolved} cannot be solved from what is known"


def _what(verdict: FamilyVerdict) -> str:
    if not verdict.disagree:
        return verdict.reason or ""
    first, more = verdict.disagree[0], len(verdict.disagree) - 1
    found = f"the solver finds {first.solved!r}" if first.solved is not None else first.problem
    return f"row {first.row}: the label is {first.label!r}, {found}" + (f"; and {more} more" if more else "")


def verify(loaded: Loaded) -> Iterator[FamilyVerdict]:
    """One verdict per family, in the order of the puzzles. Where `loaded.rows` is empty, rows are counted within each family."""
    groups: dict[str, list[tuple[int, Puzzle]]] = {}
    for index, puzzle in enumerate(loaded.puzzles):
        group = groups.setdefault(puzzle.family, [])
        group.append((loaded.rows[index] if loaded.rows else len(group) + 1, puzzle))
    for name, group in groups.items():
        yield _verdict(name, group)


def solved_label(puzzle: Puzzle) -> str | ReadError | Unsolved:
    """The answer that an exact solver finds from the ground truth of `puzzle`, or why there is none."""
    if known(puzzle.family):
        if puzzle.state is None:
            return Unsolved("the set carries no latent state")
        try:
            state = family(puzzle.family).load(puzzle.state)
        except ValueError as error:
            return ReadError("state", str(error))
        return resolve(puzzle.family, state)
    if puzzle.family not in puzzlevqa.FAMILIES:
        return Unsolved("no exact solver knows this family")
    lacks = puzzlevqa.sufficiency(puzzle.family)
    if lacks is not None:
        return Unsolved(lacks)
    if puzzle.description is None:
        return Unsolved("the set carries no caption")
    answer = puzzlevqa.solve_caption(puzzle.family, puzzle.question, puzzle.description, puzzle.options)
    return Unsolved("the caption does not determine the answer") if answer is None else answer


def _verdict(name: str, group: list[tuple[int, Puzzle]]) -> FamilyVerdict:
    same = same_for(name)
    disagree: list[Disagreement] = []
    unsolved: list[int] = []
    reason: str | None = None
    for row, puzzle in group:
        solved = solved_label(puzzle)
        if isinstance(solved, Unsolved):
            unsolved.append(row)
            reason = reason or solved.reason
        elif isinstance(solved, ReadError):
            disagree.append(Disagreement(row, puzzle.id, puzzle.answer, None, str(solved)))
        elif not same(solved, puzzle.answer):
            disagree.append(Disagreement(row, puzzle.id, puzzle.answer, solved))
    agree = len(group) - len(disagree) - len(unsolved)
    return FamilyVerdict(name, len(group), agree, tuple(disagree), tuple(unsolved), reason)
