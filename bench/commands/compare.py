"""The `compare` command: one table, one sentence, and an exit code that CI can act on."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.console import open_console
from bench.compare.decide import compare as compare_runs
from bench.errors import UserError
from bench.files import write_atomically
from bench.report.ci import junit as junit_report
from bench.report.ci import summary as summary_report
from bench.report.comparison import print_comparison


def compare(arguments: argparse.Namespace) -> int:
    """`compare`: prints the result, writes the files asked for, and returns 0 no regression, 1 regression, 3 incomplete or underpowered.

    An existing `--summary` is appended to, which is what `$GITHUB_STEP_SUMMARY` expects; an existing `--junit` is replaced.
    """
    comparison = compare_runs(Path(arguments.baseline), Path(arguments.candidate), margin=arguments.margin, alpha=arguments.alpha)
    print_comparison(comparison, open_console())
    if arguments.junit:
        _make_room(Path(arguments.junit))
        write_atomically(Path(arguments.junit), junit_report.render_comparison(comparison))
    if arguments.summary:
        _make_room(Path(arguments.summary))
        _append(Path(arguments.summary), summary_report.render(comparison))
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
