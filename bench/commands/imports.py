"""`import`: logs of other harnesses as a run directory."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.commands.console import open_console, parse_modes
from bench.errors import UserError
from bench.files import write_atomically
from bench.imports.harness import read_harness_log
from bench.imports.inspect_logs import load_inspect_log, read_inspect_log
from bench.imports.own_logs import is_own, write_own_run
from bench.imports.pairing import check_pairing
from bench.imports.samples import ForeignLog
from bench.imports.sheets import read_sheet_log
from bench.imports.write import GRADES, Import, Imported, disagreement_rows, write_run
from bench.suggest import did_you_mean
from tasks.custom.columns import parse_columns
from tasks.suites import Suite, SuiteSpec, load_suite

DISAGREEMENTS = "disagreements.csv"
_SHOWN = 10
_INSPECT, _LINES, _SHEETS = (".eval", ".json"), (".jsonl",), (".xlsx", ".tsv", ".csv")


@dataclass(frozen=True)
class Wanted:
    """What a person asks for, as plain values.

    Attributes:
        files: the logs.
        modes: the arm of every log, or one for all; empty for logs of ours, which know theirs.
        out: the run directory.
        model: name of the model, over the logs' own.
        name: name of the suite, over the logs' own.
        suite: the suite itself, whose puzzles the samples are, with its `columns` and `data_dir`.
        filter_name, metric: which filter and which score, where a log has several.
        grades: "given" or "ours".
    """

    files: Sequence[Path]
    modes: Sequence[str]
    out: Path
    model: str | None = None
    name: str | None = None
    suite: str | None = None
    columns: Mapping[str, str] | None = None
    data_dir: Path | None = None
    filter_name: str | None = None
    metric: str | None = None
    grades: str = "given"


def imports(arguments: argparse.Namespace) -> int:
    """`import`: read, pair, write, and list where our grader disagrees."""
    wanted = Wanted(
        files=[Path(name) for name in arguments.files],
        modes=[mode.value for text in arguments.mode or () for mode in parse_modes(text, "--as")],
        out=Path(arguments.out),
        model=arguments.model,
        name=arguments.name,
        suite=arguments.suite,
        columns=parse_columns(arguments.columns or ""),
        data_dir=Path(arguments.data_dir) if arguments.data_dir else None,
        filter_name=arguments.filter,
        metric=arguments.metric,
        grades=arguments.grade,
    )
    for line in import_logs(wanted):
        open_console().print(line, highlight=False, markup=False, soft_wrap=True)
    return 0


def import_logs(wanted: Wanted) -> list[str]:
    """Import the logs; returns lines for a person.

    Raises:
        UserError: a log that cannot be read or paired, or a run directory that cannot be used.
    """
    if wanted.grades not in GRADES:
        raise UserError(f"--grade: expected {' or '.join(GRADES)}, found {wanted.grades!r}{did_you_mean(wanted.grades, GRADES)}")
    own: list[tuple[Path, Any]] = []
    logs: list[ForeignLog] = []
    for path in wanted.files:
        if not path.is_file():
            raise UserError(f"{path}: there is no such file")
        data = load_inspect_log(path) if path.suffix.casefold() in _INSPECT else None
        if data is not None and is_own(data):
            own.append((path, data))
        else:
            logs.append(_read(path, data, wanted))
    if own and logs:
        raise UserError(f"{own[0][0].name} is a log of a run of ours, {logs[0].path.name} is not: import each into its own --out")
    if own:
        trials = write_own_run(own, wanted.out)
        return [f"run {wanted.out}  {trials} trials, as they were exported"]
    return _foreign(wanted, logs)


def _read(path: Path, data: Mapping[str, Any] | None, wanted: Wanted) -> ForeignLog:
    if data is not None:
        return read_inspect_log(path, data, model=wanted.model, scorer=wanted.metric)
    suffix = path.suffix.casefold()
    if suffix in _LINES:
        return read_harness_log(path, model=wanted.model, filter_name=wanted.filter_name, metric=wanted.metric)
    if suffix in _SHEETS:
        return read_sheet_log(path, model=wanted.model)
    raise UserError(
        f"{path.name}: expected a log of Inspect AI ({', '.join(_INSPECT)}), samples of lm-evaluation-harness or lmms-eval (.jsonl), "
        f"or predictions of VLMEvalKit ({', '.join(_SHEETS)})"
    )


def _foreign(wanted: Wanted, logs: Sequence[ForeignLog]) -> list[str]:
    modes = list(wanted.modes) * (len(logs) if len(wanted.modes) == 1 else 1)
    if len(modes) != len(logs):
        raise UserError(f"--as: expected one mode, or one for each of the {len(logs)} files, found {len(wanted.modes)}")
    notes = [*check_pairing(logs, modes), *(note for log in logs for note in log.notes)]
    suite = _suite(wanted)
    asked = Import(logs, modes, suite.name if suite else wanted.name or _task(logs), wanted.grades, suite, wanted.suite)
    done = write_run(asked, wanted.out)
    return [f"run {wanted.out}  {done.trials} trials on {done.puzzles} puzzles of {asked.suite}", *notes, *_compared(done, wanted.out)]


def _suite(wanted: Wanted) -> Suite | None:
    if wanted.suite is None:
        return None
    return load_suite(SuiteSpec.parse(wanted.suite), data_dir=wanted.data_dir, columns=wanted.columns)


def _task(logs: Sequence[ForeignLog]) -> str:
    tasks = list(dict.fromkeys(log.task for log in logs))
    if len(tasks) > 1:
        raise UserError(f"the logs are of several tasks ({', '.join(tasks)}): where these are one set in several arms, name it with --name")
    return tasks[0]


def _compared(done: Imported, out: Path) -> list[str]:
    """How our grader reads the same replies."""
    if not done.compared:
        return ["our grader cannot judge these replies: the logs do not say the right answers"]
    lines = [f"our grader disagrees on {len(done.disagreements)} of {done.compared} replies"]
    for one in done.disagreements[:_SHOWN]:
        read = repr(one.ours.answer) if one.ours.answer is not None else "nothing"
        lines.append(f"  {one.puzzle} ({one.mode}): the log says {one.given}, ours {one.ours.outcome} (read {read}, right is {one.gold!r})")
    if not done.disagreements:
        return lines
    buffer = io.StringIO()
    rows = list(disagreement_rows(done.disagreements))
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(out / DISAGREEMENTS, buffer.getvalue())
    more = len(done.disagreements) - _SHOWN
    return [*lines, *([f"  and {more} more"] if more > 0 else []), f"all of them in {out / DISAGREEMENTS}"]
