"""The `compare` command: one table, one sentence, and an exit code that CI can act on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.commands.console import open_console, parse_modes
from bench.comparison.answers import with_answers
from bench.comparison.decide import compare as compare_runs
from bench.comparison.needs import needs
from bench.errors import UserError
from bench.files import write_atomically
from bench.mode import Mode
from bench.report.ci import junit as junit_report
from bench.report.ci import summary as summary_report
from bench.report.comparison import print_comparison, print_needs
from bench.store.run import Run, open_runs


def compare(arguments: argparse.Namespace) -> int:
    """`compare`: 0 no regression, 1 regression, 3 incomplete or underpowered. Without a candidate: what a gate would need, and cost."""
    modes = parse_modes(arguments.mode) if arguments.mode else ()
    baselines = open_runs([arguments.baseline, *(arguments.also_baseline or ())])
    console = open_console()
    if arguments.candidate is None:
        if arguments.also_candidate or arguments.junit or arguments.summary or arguments.report:
            raise UserError("compare: expected a CANDIDATE; without one, only what a comparison would need is said")
        print_needs(needs(baselines, margin=arguments.margin, alpha=arguments.alpha, modes=modes, replicates=arguments.replicates), console)
        return 0
    return compare_command(
        baselines,
        open_runs([arguments.candidate, *(arguments.also_candidate or ())]),
        margin=arguments.margin,
        alpha=arguments.alpha,
        junit=Path(arguments.junit) if arguments.junit else None,
        summary=Path(arguments.summary) if arguments.summary else None,
        console=console,
        modes=modes,
        page=arguments.report,
    )


def compare_command(
    baselines: Sequence[Run],
    candidates: Sequence[Run],
    *,
    margin: float,
    alpha: float,
    junit: Path | None,
    summary: Path | None,
    console: Console,
    modes: Sequence[Mode] = (),
    page: str | None = None,
) -> int:
    """Compare the runs of two sides, print the result, write the files asked for, and return the exit code.

    `page` is where the candidate's HTML report is to be found: the summary links every changed puzzle to its place there.
    An existing `summary` is appended to, which is what `$GITHUB_STEP_SUMMARY` expects; an existing `junit` is replaced.

    Raises:
        UserError: a margin or alpha out of range, or a file that cannot be written.
    """
    comparison = compare_runs(baselines, candidates, margin=margin, alpha=alpha, modes=modes)
    print_comparison(comparison, console)
    if junit is not None:
        _make_room(junit)
        write_atomically(junit, junit_report.render_comparison(comparison))
    if summary is not None:
        _make_room(summary)
        _append(summary, summary_report.render(with_answers(comparison, baselines, candidates), page))
    return comparison.exit_code


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror})") from error


def _make_room(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent} cannot be made ({error.strerror})") from error
