"""The `compare` command: one table, one sentence, and an exit code that CI can act on."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from bench.commands.console import open_console
from bench.comparison.decide import compare as compare_runs
from bench.errors import UserError
from bench.files import write_atomically
from bench.report.ci import junit as junit_report
from bench.report.ci import summary as summary_report
from bench.report.comparison import print_comparison


def compare(arguments: argparse.Namespace) -> int:
    """`compare`: 0 no regression, 1 regression, 3 incomplete or underpowered."""
    return compare_command(
        Path(arguments.baseline),
        Path(arguments.candidate),
        margin=arguments.margin,
        alpha=arguments.alpha,
        junit=Path(arguments.junit) if arguments.junit else None,
        summary=Path(arguments.summary) if arguments.summary else None,
        console=open_console(),
    )


def compare_command(
    baseline: Path, candidate: Path, *, margin: float, alpha: float, junit: Path | None, summary: Path | None, console: Console
) -> int:
    """Compare two run directories, print the result, write the files asked for, and return the exit code.

    An existing `summary` is appended to, which is what `$GITHUB_STEP_SUMMARY` expects; an existing `junit` is replaced.

    Raises:
        UserError: no run directory, a margin or alpha out of range, or a file that cannot be written.
    """
    comparison = compare_runs(baseline, candidate, margin=margin, alpha=alpha)
    print_comparison(comparison, console)
    if junit is not None:
        _make_room(junit)
        write_atomically(junit, junit_report.render_comparison(comparison))
    if summary is not None:
        _make_room(summary)
        _append(summary, summary_report.render(comparison))
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
