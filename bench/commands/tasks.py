"""`tasks`: families and suites, listed, drawn, exported, checked."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.commands.console import names, open_console
from bench.errors import UserError
from bench.suggest import did_you_mean
from bench.visible import in_strings
from tasks.custom.columns import parse_columns
from tasks.registry import SUITE_NAMES, known
from tasks.registry import names as family_names
from tasks.suites import Suite, SuiteSpec, load_suite, suite_label

SHOWN = 12
"""Puzzles on the sheet of a suite."""


def tasks_list(arguments: argparse.Namespace) -> int:
    """`tasks list`: suites and families."""
    from tasks.tools.catalog import families_table, public_table, suites_table

    console = open_console()
    for table in (suites_table(), families_table(), public_table()):
        console.print(table)
    return 0


def tasks_show(arguments: argparse.Namespace) -> int:
    """`tasks show`: a contact sheet as PNG, of a family or of the first puzzles of a suite."""
    from tasks.tools.sheet import contact_sheet, suite_sheet

    text: str = arguments.family
    if known(text):
        sheet = contact_sheet(text, seed=arguments.seed)
    else:
        _refuse_unknown(text)
        puzzles = suite_of(arguments, text).puzzles[: arguments.limit or SHOWN]
        sheet = suite_sheet(puzzles)
    path = Path(arguments.out) if arguments.out else Path("reports") / f"{text if known(text) else suite_label(text)}.png"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path, format="PNG")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error})") from error
    open_console().print(f"{path}  {sheet.width} x {sheet.height} px", highlight=False, markup=False, soft_wrap=True)
    return 0


def _refuse_unknown(text: str) -> None:
    try:
        SuiteSpec.parse(text)
    except UserError as error:
        every = (*family_names(), *SUITE_NAMES)
        if text.partition(":")[0] in SUITE_NAMES:
            raise
        raise UserError(f"unknown family or suite {text!r}{did_you_mean(text, every)}: see  tasks list") from error


def tasks_export(arguments: argparse.Namespace) -> int:
    """`tasks export`: a Hugging Face data set."""
    from tasks.tools.export import export_suite

    path = export_suite(suite_of(arguments, arguments.suite), Path(arguments.out))
    open_console().print(f"{path}", highlight=False, markup=False, soft_wrap=True)
    return 0


def tasks_lint(arguments: argparse.Namespace) -> int:
    """`tasks lint`: exit code 1 where there is an error, or with --strict a warning."""
    from tasks.tools.findings import table
    from tasks.tools.linter import lint

    suite = suite_of(arguments, arguments.suite, skip_bad=True)
    found = lint(suite.puzzles, suite.problems, suite.rows)
    if arguments.json:
        print(in_strings(json.dumps(found.to_json())))  # noqa: T201
    else:
        open_console().print(table(found))
    return 1 if found.fails or (arguments.strict and found.found) else 0


def tasks_verify(arguments: argparse.Namespace) -> int:
    """`tasks verify`: a table in a terminal, a JSON line per family elsewhere; exit code 1 on a disagreement."""
    from tasks.public.load import Loaded
    from tasks.tools.verify import verdict_table, verify

    suite, console = suite_of(arguments, arguments.suite), open_console()
    verdicts = list(verify(Loaded(suite.puzzles, suite.problems, suite.captions, suite.rows)))
    if console.is_terminal and not arguments.json:
        console.print(verdict_table(verdicts))
    else:
        for verdict in verdicts:
            print(in_strings(json.dumps(verdict.to_json())))  # noqa: T201
    return 1 if any(verdict.disagree for verdict in verdicts) else 0


def suite_of(arguments: argparse.Namespace, text: str, *, skip_bad: bool = False) -> Suite:
    """The suite that the command line names as `text`."""
    return load_suite(
        SuiteSpec.parse(text),
        data_dir=Path(arguments.data_dir) if arguments.data_dir else None,
        families=names(arguments.families) or None,
        limit=arguments.limit,
        skip_bad=skip_bad or arguments.skip_bad,
        columns=parse_columns(arguments.columns or ""),
    )
