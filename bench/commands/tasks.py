"""`tasks`: families and suites, listed, drawn, exported, checked."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.commands.console import names, open_console
from tasks.suites import Suite, SuiteSpec, load_suite


def tasks_list(arguments: argparse.Namespace) -> int:
    """`tasks list`: suites and families."""
    from tasks.tools.catalog import families_table, suites_table

    console = open_console()
    console.print(suites_table())
    console.print(families_table())
    return 0


def tasks_show(arguments: argparse.Namespace) -> int:
    """`tasks show`: a contact sheet as PNG."""
    from tasks.tools.sheet import contact_sheet

    path = Path(arguments.out) if arguments.out else Path("reports") / f"{arguments.family}.png"
    sheet = contact_sheet(arguments.family, seed=arguments.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    open_console().print(f"{path}  {sheet.width} x {sheet.height} px", highlight=False, markup=False, soft_wrap=True)
    return 0


def tasks_export(arguments: argparse.Namespace) -> int:
    """`tasks export`: a Hugging Face data set."""
    from tasks.tools.export import export_suite

    path = export_suite(suite_of(arguments), Path(arguments.out))
    open_console().print(f"{path}", highlight=False, markup=False, soft_wrap=True)
    return 0


def tasks_lint(arguments: argparse.Namespace) -> int:
    """`tasks lint`: exit code 1 when something is found."""
    from tasks.tools.findings import table
    from tasks.tools.linter import lint

    suite = suite_of(arguments, skip_bad=True)
    found = lint(suite.puzzles, suite.problems, suite.rows)
    if arguments.json:
        print(json.dumps(found.to_json()))  # noqa: T201
    else:
        open_console().print(table(found))
    return 1 if found.found else 0


def tasks_verify(arguments: argparse.Namespace) -> int:
    """`tasks verify`: a JSON line per family, exit code 1 on a disagreement."""
    from tasks.public.load import Loaded
    from tasks.tools.verify import verify

    suite, agreed = suite_of(arguments), True
    for verdict in verify(Loaded(suite.puzzles, suite.problems, suite.captions, suite.rows)):
        print(json.dumps(verdict.to_json()))  # noqa: T201
        agreed = agreed and not verdict.disagree
    return 0 if agreed else 1


def suite_of(arguments: argparse.Namespace, *, skip_bad: bool = False) -> Suite:
    """The suite that the command line names."""
    return load_suite(
        SuiteSpec.parse(arguments.suite),
        data_dir=Path(arguments.data_dir) if arguments.data_dir else None,
        families=names(arguments.families) or None,
        limit=arguments.limit,
        skip_bad=skip_bad or arguments.skip_bad,
    )
