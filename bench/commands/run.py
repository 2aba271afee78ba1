"""`run`: plan, ask, store, report."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench.commands.console import open_console, open_error_console
from bench.commands.options import run_config
from bench.config import DEFAULT_RUN, RunConfig
from bench.files import writable
from bench.gap.document import PARTS
from bench.mode import DIAGNOSE
from bench.models.image_tokens import Range
from bench.runner.money import unknown_pictures
from bench.runner.plan import Plan, estimate, make_plan
from bench.runner.start import carry_out_now

INCOMPLETE = 3


def run(arguments: argparse.Namespace) -> int:
    """`run`: plan, ask, store, report."""
    config = run_config(arguments, DEFAULT_RUN if arguments.default else None)
    errors = open_error_console()
    out = config.execution.out or config.default_out()
    if not config.execution.replay or config.execution.dry_run or writable(out):
        return _run(config, errors)
    with TemporaryDirectory() as scratch:
        errors.print(f"{out} cannot be written: the replay is shown, and not kept", highlight=False, markup=False, soft_wrap=True)
        return _run(replace(config, execution=replace(config.execution, out=Path(scratch) / out.name)), errors)


def _run(config: RunConfig, errors: Console) -> int:
    plan = make_plan(config)
    for line in plan.warnings:
        errors.print(f"warning: {line}", highlight=False, markup=False, soft_wrap=True)
    if config.execution.dry_run:
        _print_plan(plan, open_console())
        return 0
    try:
        result = carry_out_now(plan, errors)
    except BrokenPipeError:  # whoever read the progress has left, and wants no more
        raise KeyboardInterrupt from None
    console = open_console()
    if result.asked == 0 and result.missing == 0:
        console.print(f"all {result.finished} trials were already stored in {result.folder}", highlight=False, markup=False)
    if result.finished:
        _report(result.folder, config.subject.data_dir, console)
    if result.missing:
        why = "the money bound was reached" if result.over_budget else "see the error records"
        again = f"the same command, or --out {result.folder}, asks for them"
        errors.print(f"{result.missing} trials are missing ({why}); {again}", highlight=False, markup=False, soft_wrap=True)
        return INCOMPLETE
    return 0


def _report(run: Path, data_dir: Path | None, console: Console) -> None:
    """Write the report of the run in this folder, and show it."""
    from bench.publish import published  # here, so that the first request does not wait for them
    from bench.report.terminal import print_report
    from bench.store.run import open_run

    folder = Path("reports") / run.name
    formats = ("md", "html") if writable(folder) else ()
    document = published([open_run(run)], folder, formats, data_dir=data_dir)
    print_report(document, console)
    report = folder / "report.html" if formats else f"not written ({folder} cannot be)"
    console.print(f"\nrun {run}  report {report}", highlight=False, markup=False, soft_wrap=True)


def _print_plan(plan: Plan, console: Console) -> None:
    table = Table(title=f"{plan.total} trials on {len(plan.suite.puzzles)} puzzles of {plan.suite.name} (estimates; nothing was asked)")
    for column in ("model", "mode", "requests", "tokens in", "tokens out", "USD"):
        table.add_column(column, justify="left" if column in ("model", "mode") else "right")
    rows = estimate(plan)
    for row in rows:
        table.add_row(row.model, row.what, str(row.requests), _tokens(row.tokens_in), f"{row.tokens_out:,}", _usd(row.cost))
    table.add_section()
    total = Range(sum(row.tokens_in.low for row in rows), sum(row.tokens_in.high for row in rows))
    costs = [row.cost for row in rows if row.cost is not None]
    known = (sum(least for least, _ in costs), sum(most for _, most in costs)) if len(costs) == len(rows) else None
    requests, written = str(sum(row.requests for row in rows)), sum(row.tokens_out for row in rows)
    table.add_row("total", "", requests, _tokens(total), f"{written:,}", _usd(known))
    console.print(table)
    for name in unknown_pictures(plan.models, plan.options):
        console.print(
            f"{name}: how it counts pictures is unknown; the range is from the least to the most that any published formula gives",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    told = power_words(plan)
    if told:
        console.print(told, highlight=False, markup=False)


def power_words(plan: Plan) -> str:
    """The smallest using, seeing and thinking that the plan detects; "" where it does not ask for all of them."""
    n = len(plan.suite.puzzles)
    if not set(DIAGNOSE[:4]) <= set(plan.config.subject.modes):
        return ""
    from bench.stats.power import detectable_part  # and with it NumPy, which a run itself does not wait for

    found = ", ".join(f"{part} {100 * detectable_part(n, part):.1f}" for part in PARTS)
    return f"with 80% power these {n:,} puzzles show: {found} points or more (arms right half of the time and unrelated)"


def _tokens(count: Range) -> str:
    return f"{count.low:,}" if count.known else f"{count.low:,} to {count.high:,}"


def _usd(cost: tuple[float, float] | None) -> str:
    if cost is None:
        return "unknown"
    least, most = (f"{amount:.2f}" for amount in cost)
    return least if least == most else f"{least} to {most}"
