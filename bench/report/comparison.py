"""A comparison of two runs, and what one would need, as tables in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.comparison.result import Case, Comparison, Decision, Needs
from bench.report import verdict, words

_SHOWN = 20
"""Most lines of problems, and most families, that are printed; the files hold all."""


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the table of modes, the families that are worse, what is missing, and the verdict."""
    console.print(
        f"baseline {comparison.baseline}  candidate {comparison.candidate}  suite {comparison.suite}  "
        f"margin {100 * comparison.margin:g} points  alpha {comparison.alpha:g}",
        highlight=False,
        markup=False,
    )
    worse = [case for case in comparison.regressions if case.family]
    for model in dict.fromkeys(case.model for case in comparison.overall):
        rows = [case for case in comparison.overall if case.model == model]
        rows += [case for case in worse[:_SHOWN] if case.model == model]
        console.print(_table(model, rows, comparison, console))
    if len(worse) > _SHOWN:
        console.print(f"and {len(worse) - _SHOWN} more families that are worse", highlight=False)
    for kind, lines in (("incomplete", comparison.problems), ("note", comparison.notes)):
        for line in lines[:_SHOWN]:
            console.print(f"{kind}: {line}", highlight=False, markup=False)
        if len(lines) > _SHOWN:
            console.print(f"{kind}: and {len(lines) - _SHOWN} more", highlight=False)
    for part in comparison.parts:
        if part["n"]:
            for line in verdict.comparison(part):
                console.print(line, highlight=False, markup=False)
    console.print(comparison.sentence, style="bold", highlight=False, markup=False)


def print_needs(needs: Needs, console: Console) -> None:
    """Print how many puzzles each mode of a baseline needs, what draws them, and what they cost."""
    line = box.SIMPLE_HEAD if not console.options.ascii_only else box.ASCII
    asked = f"{needs.replicates} replicate{'s' if needs.replicates > 1 else ''}"
    console.print(
        f"baseline {needs.baseline}  margin {100 * needs.margin:g} points  alpha {needs.alpha:g}  {asked}  power 80%",
        highlight=False,
        markup=False,
    )
    for model in dict.fromkeys(need.model for need in needs.needs):
        table = Table(title=escape(model), title_justify="left", title_style="bold", box=line, padding=(0, 1, 0, 0), pad_edge=False)
        for column in ("mode", "accuracy", "differ by chance", "puzzles enough", "there are", "or replicates", "USD"):
            table.add_column(column, justify="left" if column == "mode" else "right")
        mine = [need for need in needs.needs if need.model == model]
        for need in mine:
            bound = "" if need.measured else "at most "
            table.add_row(
                need.mode,
                words.percent(need.accuracy),
                f"{bound}{words.percent(need.disagreement)}",
                f"{need.puzzles:,}",
                f"{need.have:,}",
                "-" if need.replicates is None else str(need.replicates),
                "unknown" if need.cost is None else f"{need.cost:.2f}",
            )
        console.print(table)
        largest = max(mine, key=lambda need: need.puzzles)
        if largest.draw is not None:
            console.print(f"ask both with {largest.draw} --replicates {needs.replicates}", highlight=False, markup=False)
        if largest.replicates is not None:
            console.print(f"or on the same puzzles with --replicates {largest.replicates}", highlight=False, markup=False)
    if not all(need.measured for need in needs.needs):
        console.print("a baseline of two replicates measures how often equal runs differ, and needs fewer puzzles", highlight=False)


def _table(model: str, cases: list[Case], comparison: Comparison, console: Console) -> Table:
    line = box.SIMPLE_HEAD if not console.options.ascii_only else box.ASCII
    table = Table(title=escape(model), title_justify="left", title_style="bold", box=line, padding=(0, 1, 0, 0), pad_edge=False)
    interval = f"points, {100 * (1 - 2 * comparison.alpha):g}% CI"
    for column in ("mode", "before", "after", interval, "verdict", "detect.", "puzzles", "enough"):
        table.add_column(column, justify="left" if column in ("mode", "verdict") else "right", no_wrap=column == interval)
    for case in cases:
        name = f"{case.mode}, {case.family}" if case.family else case.mode if case.decides else f"{case.mode} (control)"
        bounds = "" if case.low is None or case.high is None else words.interval([case.low, case.high], signed=True)
        table.add_row(
            escape(name),
            words.percent(case.baseline),
            words.percent(case.candidate),
            f"{words.points(case.delta)} {bounds}".rstrip(),
            case.verdict.value,
            words.percent(case.detectable),
            str(case.puzzles),
            "-" if case.enough is None else f"{case.enough:,}",
            style="bold" if case.verdict is Decision.REGRESSION else None,
        )
    return table
