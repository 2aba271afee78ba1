"""`regrade`: every verdict again from the stored text."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.console import open_console
from bench.runner.regrade import regrade_run


def regrade(arguments: argparse.Namespace) -> int:
    """`regrade`: derive every verdict again from the stored text."""
    changes = regrade_run(Path(arguments.run))
    console = open_console()
    for (before, after), count in sorted(changes.moved.items()):
        console.print(f"{before} -> {after}: {count}", highlight=False)
    console.print(f"{changes.changed} of {changes.total} verdicts changed", highlight=False)
    return 0
