"""A comparison as Markdown for a pull-request comment or `$GITHUB_STEP_SUMMARY`: the verdict first, details folded away.

GitHub refuses a comment of more than 65,536 characters, so every part has a budget in bytes and says what it left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from bench.comparison.result import NO_REGRESSION, REGRESSION, Case, Change, Comparison, Decision
from bench.gap.document import PARTS
from bench.report import verdict, words
from bench.report.html.links import link
from bench.report.markdown import table, text

LIMIT = 60_000
"""Most bytes of a summary."""
_CASES, _QUIET, _FAMILIES, _CHANGES, _LINES, _PARTS = (LIMIT * share // 100 for share in (22, 11, 18, 26, 6, 6))
"""Most bytes of the rows of each part; what is left, a tenth, is for the heads."""
_LONGEST = 120
_QUESTION = 200
_ANSWERS = 3
_MARKS = {NO_REGRESSION: "✅", REGRESSION: "❌"}


def render(comparison: Comparison, page: str | None = None) -> str:
    """The whole summary; `page` is the address of the candidate's HTML report, None where the changed puzzles are to have no links."""
    several = len({case.model for case in comparison.overall}) > 1
    head = f"### {_MARKS.get(comparison.exit_code, '⚠️')} {_cell(comparison.sentence, 400)}"
    about = (
        f"`compare` {_cell(comparison.baseline)} (baseline) with {_cell(comparison.candidate)} (candidate): suite "
        f"{_cell(comparison.suite)}, margin {100 * comparison.margin:g} points, alpha {comparison.alpha:g}."
    )
    lines = [head, "", about, "", *_bullets((*comparison.problems, *comparison.notes))]
    telling = [case for case in comparison.overall if _says_something(case)]
    quiet = [case for case in comparison.overall if not _says_something(case)]
    lines += _cases(telling, comparison, several=several, budget=_CASES)
    lines += _parts(comparison)
    lines += _folded("Without a change that counts", _cases(quiet, comparison, several=several, budget=_QUIET), len(quiet))
    lines += _folded("By family", _by_family(comparison, several=several), len(comparison.cases))
    lines += _folded("Puzzles that changed", _changed(comparison.changes, page, several=several), len(comparison.changes))
    return "\n".join(lines).rstrip() + "\n"


def _parts(comparison: Comparison) -> list[str]:
    """How what each model loses to using, seeing and thinking has changed."""
    rows = [
        [_cell(doc["model"]), *(words.change(part) for part in (doc["using"], doc["seeing"], doc["thinking"])), verdict.improved(doc)]
        for doc in comparison.parts
        if doc["kind"] in ("complete", "order")
    ]
    kept, left = _fit(rows, _PARTS)
    head = ["Change of the points lost:", "", *table(["model", *PARTS, "verdict"], kept)]
    return [*head, *([f"and {left} more models", ""] if left else [])] if rows else []


def _says_something(case: Case) -> bool:
    """Whether a reader must see a case: a verdict other than "no regression", or one of the arms that changed at all."""
    return case.decides and (case.verdict is not Decision.PASS or bool(case.delta))


def _cell(value: str, longest: int = _LONGEST) -> str:
    """Escaped text of bounded length."""
    return text(value if len(value) <= longest else f"{value[: longest - 1]}…")


def _bullets(lines: Sequence[str]) -> list[str]:
    kept, left = _fit([[f"- {_cell(line, 400)}"] for line in lines], _LINES)
    return [*(row[0] for row in kept), *([f"- and {left} more"] if left else []), ""] if lines else []


def _cases(cases: Sequence[Case], comparison: Comparison, *, several: bool, budget: int) -> list[str]:
    """A table of cases, regressions first."""
    interval = f"{100 * (1 - 2 * comparison.alpha):g}% CI"
    family = any(case.family for case in cases)
    header = [
        "mode",
        *(["family"] if family else []),
        "baseline",
        "candidate",
        "points",
        interval,
        "verdict",
        "detectable",
        "puzzles",
        "enough",
    ]
    rows = [_row(case, family=family) for case in sorted(cases, key=lambda case: case.verdict is not Decision.REGRESSION)]
    if several:
        header = ["model", *header]
        ordered = sorted(cases, key=lambda case: case.verdict is not Decision.REGRESSION)
        rows = [[_cell(case.model), *row] for case, row in zip(ordered, rows, strict=True)]
    kept, left = _fit(rows, budget)
    return [*table(header, kept), *([f"and {left} more rows", ""] if left else [])] if rows else []


def _row(case: Case, *, family: bool) -> list[str]:
    name = _cell(case.mode if case.decides else f"{case.mode} (control)")
    verdict = f"**{case.verdict.value}**" if case.verdict is Decision.REGRESSION else case.verdict.value
    bounds = "" if case.low is None or case.high is None else words.interval([case.low, case.high], signed=True)
    return [
        name,
        *([_cell(case.family or "all")] if family else []),
        words.percent(case.baseline),
        words.percent(case.candidate),
        words.points(case.delta),
        bounds,
        verdict,
        words.percent(case.detectable),
        str(case.puzzles),
        "-" if case.enough is None else f"{case.enough:,}",
    ]


def _by_family(comparison: Comparison, *, several: bool) -> list[str]:
    return _cases(comparison.cases, comparison, several=several, budget=_FAMILIES)


def _changed(changes: Sequence[Change], page: str | None, *, several: bool) -> list[str]:
    lost = sum(1 for change in changes if change.after < change.before)
    header = [*(["model"] if several else []), "puzzle", "mode", "question", "right answer", "before", "after", "see it"]
    rows = [[*([_cell(change.model)] if several else []), *_changed_row(change, page)] for change in changes]
    kept, left = _fit(rows, _CHANGES)
    more = [f"and {left} more puzzles", ""] if left else []
    head, line, *body = table(header, kept)
    texts = [head, line.replace("---:", "---"), *body]  # these are words, not numbers
    return [f"{lost} right → wrong, {len(changes) - lost} wrong → right.", "", *texts, *more] if rows else []


def _changed_row(change: Change, page: str | None) -> list[str]:
    counts = (change.before, change.after)
    answers = [_answers(said, right, change.trials) for said, right in zip(change.said, counts, strict=True)]
    folder = change.where[1] or change.where[0]
    see = _code(f"show {shlex.quote(folder)} {shlex.quote(change.puzzle)} --mode {change.mode.partition(' ')[0]}") if folder else ""
    return [
        _linked(_cell(change.puzzle), change, page),
        _cell(change.mode),
        _cell(change.question or "", _QUESTION),
        _cell(change.gold or ""),
        *answers,
        see,
    ]


def _linked(shown: str, change: Change, page: str | None) -> str:
    """The puzzle's name as a link to its place in the candidate's HTML report, where that is known."""
    if page is None:
        return shown
    address = quote(page, safe=":/?=&%@+,~") + link(puzzle=change.puzzle, of=change.models[1] or change.model)
    return f"[{shown}]({address})"


def _answers(said: Sequence[str], right: int, trials: int) -> str:
    """The answers of a side, with how many of its replicates were right where there are several."""
    distinct = list(dict.fromkeys(said))
    shown = _cell(", ".join(distinct[:_ANSWERS]) + (", …" if len(distinct) > _ANSWERS else ""), _QUESTION)
    counted = f"{right}/{trials}" if trials > 1 or not shown else ("right" if right else "wrong")
    return f"{shown} ({counted})" if shown else counted


def _code(command: str) -> str:
    """A command as code in a cell of a table, where a bar must be escaped and a backtick ends the code."""
    return "`" + command.replace("`", "'").replace("|", "\\|").replace("\n", " ") + "`"


def _folded(title: str, lines: Sequence[str], number: int) -> list[str]:
    return ["<details>", f"<summary>{title} ({number})</summary>", "", *lines, "</details>", ""] if lines else []


def _fit(rows: Iterable[Sequence[str]], budget: int) -> tuple[list[Sequence[str]], int]:
    """The first rows that take at most `budget` bytes as lines of a table, and how many were left out."""
    kept: list[Sequence[str]] = []
    left = 0
    for row in rows:
        budget -= sum(len(cell.encode("utf-8", "replace")) + 3 for cell in row) + 2
        if budget < 0 or left:
            left += 1
        else:
            kept.append(row)
    return kept, left
