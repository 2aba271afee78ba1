"""The commands behind the command line: each takes the parsed arguments, does its work and returns an exit code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import env
from bench.analysis.frame import load_frame
from bench.analysis.twins import twin_section
from bench.config import (
    DEFAULT_MODELS,
    DEFAULT_MODES,
    DEFAULT_SUITE,
    Execution,
    Question,
    RunConfig,
    Subject,
    parse_modes,
    parse_reasoning,
    parse_shard,
)
from bench.degrade import parse_doses
from bench.errors import UserError
from bench.gap import SEED, gap_document
from bench.models.base import Sampling
from bench.outcome import Format
from bench.plan import Plan, estimate, make_plan
from bench.regrade import regrade_run
from bench.report.terminal import WIDTH, print_report
from bench.reporting import FORMATS, Report, write_report
from bench.session import run_session
from bench.trial import Captioner
from tasks.suites import Suite, SuiteSpec, load_suite

INCOMPLETE = 3


def run(arguments: argparse.Namespace) -> int:
    """`run`: plan, ask, store, report."""
    config = run_config(arguments)
    errors = Console(stderr=True)
    plan = make_plan(config)
    for line in plan.warnings:
        errors.print(f"warning: {line}", highlight=False, markup=False, soft_wrap=True)
    if config.execution.dry_run:
        _print_plan(plan, _console())
        return 0
    result = run_session(plan, errors)
    console = _console()
    if result.asked == 0 and result.missing == 0:
        console.print(f"all {result.finished} trials were already stored in {result.folder}", highlight=False, markup=False)
    if result.finished:
        document = gap_document([result.folder])
        folder = Path("reports") / result.folder.name
        write_report(Report(document, [result.folder], folder, config.subject.data_dir), ("md", "html"))
        print_report(document, console)
        console.print(f"\nrun {result.folder}  report {folder / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
    if result.missing:
        why = "the money bound was reached" if result.over_budget else "see the error records"
        again = f"the same command, or --out {result.folder}, asks for them"
        errors.print(f"{result.missing} trials are missing ({why}); {again}", highlight=False, markup=False, soft_wrap=True)
        return INCOMPLETE
    return 0


def run_config(arguments: argparse.Namespace) -> RunConfig:
    """The configuration that the arguments of `run` spell.

    Raises:
        UserError: a value of the wrong kind, or values that contradict each other.
    """
    sampling = Sampling(
        arguments.max_tokens,
        arguments.temperature,
        parse_reasoning(arguments.reasoning) if arguments.reasoning else None,
        arguments.seed,
    )
    return RunConfig(
        Subject(
            models=tuple(arguments.model or DEFAULT_MODELS),
            modes=parse_modes(arguments.mode) if arguments.mode else DEFAULT_MODES,
            suite=arguments.suite or DEFAULT_SUITE,
            data_dir=Path(arguments.data_dir) if arguments.data_dir else None,
            families=_names(arguments.families),
            level=arguments.level,
            limit=arguments.limit,
            shard=parse_shard(arguments.shard) if arguments.shard else None,
        ),
        Question(
            captioner=Captioner(arguments.captioner, arguments.caption_prompt),
            fmt=Format(arguments.format),
            replicates=arguments.replicates,
            sampling=sampling,
            base_url=arguments.base_url,
            resize=not arguments.no_resize,
            doses=parse_doses(arguments.degrade or ()),
        ),
        Execution(
            out=Path(arguments.out) if arguments.out else None,
            cache=_cache_folder(arguments.cache),
            concurrency=arguments.concurrency,
            max_cost=arguments.max_cost,
            timeout_s=arguments.timeout,
            attempts=arguments.attempts,
            replay=arguments.replay,
            resume=arguments.resume,
            dry_run=arguments.dry_run,
            skip_bad=arguments.skip_bad,
            batch=arguments.batch,
        ),
    )


def report(arguments: argparse.Namespace) -> int:
    """`report`: merge runs, write gap.json and the formats asked for."""
    formats = _names(arguments.formats)
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise UserError(f"--formats: expected some of {', '.join(FORMATS)}, found {unknown[0]!r}")
    folders = [Path(name) for name in arguments.runs]
    out = Path(arguments.out) if arguments.out else Path("reports") / folders[0].resolve().name
    if arguments.out and out.exists() and any(out.iterdir()) and not arguments.force:
        raise UserError(f"{out} exists and is not empty: name another --out, or add --force")
    document = gap_document(folders, baseline=arguments.baseline, sensitivity=arguments.sensitivity)
    if arguments.twin:
        document["twins"] = twin_section(load_frame(folders), load_frame([Path(name) for name in arguments.twin]), seed=SEED)
    data_dir = Path(arguments.data_dir) if arguments.data_dir else None
    write_report(Report(document, folders, out, data_dir), formats)
    console = _console()
    if "terminal" in formats:
        print_report(document, console)
    console.print(f"\nreport {out}", highlight=False, markup=False, soft_wrap=True)
    return 0


def compare(arguments: argparse.Namespace) -> int:
    """`compare`: 0 no regression, 1 regression, 3 incomplete or underpowered."""
    from bench.compare_command import compare_command

    return compare_command(
        Path(arguments.baseline),
        Path(arguments.candidate),
        margin=arguments.margin,
        alpha=arguments.alpha,
        junit=Path(arguments.junit) if arguments.junit else None,
        summary=Path(arguments.summary) if arguments.summary else None,
        console=_console(),
    )


def regrade(arguments: argparse.Namespace) -> int:
    """`regrade`: derive every verdict again from the stored text."""
    changes = regrade_run(Path(arguments.run))
    console = _console()
    for (before, after), count in sorted(changes.moved.items()):
        console.print(f"{before} -> {after}: {count}", highlight=False)
    console.print(f"{changes.changed} of {changes.total} verdicts changed", highlight=False)
    return 0


def tasks_list(arguments: argparse.Namespace) -> int:
    """`tasks list`: suites and families."""
    from tasks.catalog import families_table, suites_table

    console = _console()
    console.print(suites_table())
    console.print(families_table())
    return 0


def tasks_show(arguments: argparse.Namespace) -> int:
    """`tasks show`: a contact sheet as PNG."""
    from tasks.sheet import contact_sheet

    path = Path(arguments.out) if arguments.out else Path("reports") / f"{arguments.family}.png"
    sheet = contact_sheet(arguments.family, seed=arguments.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    _console().print(f"{path}  {sheet.width} x {sheet.height} px", highlight=False, markup=False, soft_wrap=True)
    return 0


def tasks_export(arguments: argparse.Namespace) -> int:
    """`tasks export`: a Hugging Face data set."""
    from tasks.export import export_suite

    path = export_suite(_suite(arguments), Path(arguments.out))
    _console().print(f"{path}", highlight=False, markup=False, soft_wrap=True)
    return 0


def tasks_lint(arguments: argparse.Namespace) -> int:
    """`tasks lint`: exit code 1 when something is found."""
    from tasks.linter import lint, table

    suite = _suite(arguments, skip_bad=True)
    found = lint(suite.puzzles, suite.problems, suite.rows)
    if arguments.json:
        print(json.dumps(found.to_json()))  # noqa: T201
    else:
        _console().print(table(found))
    return 1 if found.found else 0


def tasks_verify(arguments: argparse.Namespace) -> int:
    """`tasks verify`: a JSON line per family, exit code 1 on a disagreement."""
    from tasks.public import Loaded
    from tasks.verify import verify

    suite, agreed = _suite(arguments), True
    for verdict in verify(Loaded(suite.puzzles, suite.problems, suite.captions, suite.rows)):
        print(json.dumps(verdict.to_json()))  # noqa: T201
        agreed = agreed and not verdict.disagree
    return 0 if agreed else 1


def models_list(arguments: argparse.Namespace) -> int:
    """`models list`: a table of names, ids, prices and dates."""
    from bench.models.registry import listing

    table = Table(title="models", title_justify="left")
    for column in ("name", "provider", "id", "USD/M in", "USD/M out", "retires"):
        table.add_column(column, justify="right" if column.startswith("USD") else "left")
    for row in listing():
        prices = ["" if row[key] is None else f"{row[key]:g}" for key in ("price_in", "price_out")]
        table.add_row(row["name"], row["provider"], row["id"], *prices, row["retires"] or "")
    _console().print(table)
    return 0


def models_show(arguments: argparse.Namespace) -> int:
    """`models show`: what is known of one model."""
    from bench.models.registry import describe

    print(json.dumps(describe(arguments.name), indent=1, ensure_ascii=False))  # noqa: T201
    return 0


def _suite(arguments: argparse.Namespace, *, skip_bad: bool = False) -> Suite:
    return load_suite(
        SuiteSpec.parse(arguments.suite),
        data_dir=Path(arguments.data_dir) if arguments.data_dir else None,
        families=_names(arguments.families) or None,
        limit=arguments.limit,
        skip_bad=skip_bad or arguments.skip_bad,
    )


def _print_plan(plan: Plan, console: Console) -> None:
    table = Table(title=f"{plan.total} trials on {len(plan.suite.puzzles)} puzzles of {plan.suite.name} (estimates; nothing was asked)")
    for column in ("model", "mode", "requests", "tokens in", "tokens out", "USD"):
        table.add_column(column, justify="left" if column in ("model", "mode") else "right")
    rows = estimate(plan)
    for row in rows:
        cost = "unknown" if row.cost is None else f"{row.cost:.2f}"
        table.add_row(row.model, row.what, str(row.requests), f"{row.tokens_in:,}", f"{row.tokens_out:,}", cost)
    known = None if any(row.cost is None for row in rows) else sum(row.cost or 0.0 for row in rows)
    table.add_section()
    total_in, total_out = sum(row.tokens_in for row in rows), sum(row.tokens_out for row in rows)
    requests = str(sum(row.requests for row in rows))
    table.add_row("total", "", requests, f"{total_in:,}", f"{total_out:,}", "unknown" if known is None else f"{known:.2f}")
    console.print(table)


def _console() -> Console:
    """Standard output; as wide as the terminal, `WIDTH` columns where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _cache_folder(text: str | None) -> Path | None:
    if text == "off":
        return None
    return Path(text) if text else env.cache_dir()
