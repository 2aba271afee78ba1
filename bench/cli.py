"""The command line: `run_bench.py [run|report|compare|show|import|tasks|models|...] ...`, or `sightgap` where it is installed.

This module only reads arguments; the modules of `bench.commands` do the work and are imported when their command starts, so that `--help`
answers at once. The flags of `run` are made of the options in `bench.config`. Exit codes: 0 done, 1 the question asked has a negative
answer, 2 a person's mistake or damaged input, 3 finished with missing trials, 70 a fault of the program, 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, cast

from bench.defaults import MARGIN
from bench.errors import SightgapError, UserError
from bench.extras import own
from bench.stats.level import ALPHA
from bench.stopping import Unwrapped, stops_like_ctrl_c
from bench.suggest import did_you_mean
from bench.versions import __version__
from bench.visible import visible

INTERRUPTED = 130
_EXITS = (
    "exit codes: 0 done, 1 negative answer, 2 mistake in the call or damaged input, 3 finished with missing trials, "
    "70 a fault of the program, 130 interrupted (resumable)"
)


_OUTSIDE = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE),
        *(errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO),
    }
)
"""What a machine says of its disks and limits: a person's matter wherever it is met, and no fault of the program."""

GARBAGE = (50_000, 20, 20)
"""When garbage is looked for. At Python's own (700, 10, 10) a seventh of a report went there, nearly all of it among imported modules."""

_UNRECOGNIZED = "unrecognized arguments: "


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        hint = ""
        if message.startswith(_UNRECOGNIZED):
            typed = message.removeprefix(_UNRECOGNIZED).split(" ")[0].partition("=")[0]
            hint = did_you_mean(typed, _spellings(self))
        raise UserError(f"{message}{hint} (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # argparse's own says no near name before Python 3.14
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            what = action.metavar or "/".join(action.option_strings) or action.dest
            self.error(f"{what}: expected one of {', '.join(known)}, found {value!r}{did_you_mean(str(value), known)}")


def _spellings(parser: argparse.ArgumentParser) -> list[str]:
    """Every flag of a parser and of its commands."""
    found: list[str] = []
    for action in parser._actions:  # pyright: ignore[reportPrivateUsage] - argparse has no other way to ask
        found += action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # pyright: ignore[reportPrivateUsage]
            choices = cast("Mapping[str, argparse.ArgumentParser]", action.choices)  # pyright: ignore[reportUnknownMemberType]
            found += [flag for sub in choices.values() for flag in _spellings(sub)]
    return list(dict.fromkeys(found))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    from bench.faults import EXIT_CODE, FaultBoundary

    with FaultBoundary(), stops_like_ctrl_c():
        return _main(list(sys.argv[1:] if argv is None else argv))
    return EXIT_CODE


def _main(arguments: list[str]) -> int:
    try:
        default = not arguments
        if default or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version")):
            arguments.insert(0, "run")
        parsed = build_parser(arguments[0]).parse_args(arguments)
        parsed.default = default
        if parsed.command != "train":  # there a cycle may hold what fills a device
            gc.set_threshold(*GARBAGE)
        with Unwrapped():
            code = _command(parsed.command)(parsed)
        sys.stdout.flush()
    except SightgapError as error:
        return _say(f"error: {error}", error.exit_code)
    except BrokenPipeError:  # whoever read our output has left: nobody to tell
        _write_no_more()
        return 0
    except KeyboardInterrupt as stop:  # a command that is continued in another way says how
        return _say(f"interrupted: {str(stop) or 'what is finished is stored; the same command continues'}", INTERRUPTED)
    except OSError as error:
        if error.errno not in _OUTSIDE:
            raise
        code = _say(f"error: {error.filename or 'the output cannot be written'}: {error.strerror}", UserError.exit_code)
        if error.filename is None:
            _write_no_more()
    return code


def _say(line: str, code: int) -> int:
    """`code`, after a line on standard error, where there still is one."""
    with suppress(OSError):
        print(visible(line), file=sys.stderr, flush=True)  # noqa: T201
        return code
    _write_no_more()
    return code


def _write_no_more() -> None:
    """Let nothing be flushed at exit to where nothing can be written any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # replaced by something that is no file
            os.dup2(nowhere, stream.fileno())


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """`tasks_list` is in `bench.commands.tasks`, `compare` in `bench.commands.compare`: imported only when it is asked for."""
    from bench.env import set_default

    set_default("ARROW_DEFAULT_MEMORY_POOL", "system")  # Arrow's own pool keeps 50 MB of what a report of 100,000 trials needs for a moment
    return own(f"bench.commands.{name.partition('_')[0]}:{name}")


def _called() -> str:
    """How the person called us: `sightgap` after an installation, else the script of a checkout."""
    return "sightgap" if Path(sys.argv[0]).stem == "sightgap" else "run_bench.py"


def build_parser(command: str = "run") -> argparse.ArgumentParser:
    """The parser of the whole command line; the flags of `run` are made only where the `command` needs them."""
    parser = _Parser(
        prog=_called(),
        description="Is my model failing to see, failing to use what it sees, or failing to think?",
        epilog=_EXITS,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sightgap {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser, required=True)
    _add_run(commands, flags=command in ("run", "completion"))
    _add_report(commands)
    _add_compare(commands)
    for name, text in (
        ("regrade", "re-derive every verdict of a run from the stored text"),
        ("config", "print the options of a run as a file that run --config reads"),
    ):
        about_a_run = commands.add_parser(name, help=text, allow_abbrev=False)
        about_a_run.add_argument("run", metavar="RUN_DIR")
        about_a_run.set_defaults(command=name)
    _add_show(commands)
    _add_import(commands)
    _add_tasks(commands)
    _add_models(commands)
    _add_train(commands)
    rewards = commands.add_parser("rewards", help="what given completions earn under each training reward", allow_abbrev=False)
    rewards.add_argument("file", metavar="FILE.jsonl", help='lines {"family", "answer", "state", "completion"}; - is standard input')
    rewards.add_argument("--json", action="store_true", help="print JSON lines (the default when piped)")
    rewards.set_defaults(command="rewards")
    completion = commands.add_parser("completion", help="print a script that completes our commands in a shell", allow_abbrev=False)
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"), metavar="SHELL", help="bash, zsh or tcsh")
    completion.set_defaults(command="completion", parser=parser)
    return parser


def _add_run(commands: argparse._SubParsersAction[_Parser], *, flags: bool) -> None:  # pyright: ignore[reportPrivateUsage]
    run = commands.add_parser("run", help="ask models the puzzles of a suite (the default command)", epilog=_EXITS, allow_abbrev=False)
    run.set_defaults(command="run")
    if flags:
        from bench.commands.options import add_run_options

        add_run_options(run)


def _add_compare(commands: argparse._SubParsersAction[_Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    compare = commands.add_parser(
        "compare",
        help="is the candidate worse than the baseline? for CI",
        epilog="exit codes: 0 no, 1 yes, 3 cannot tell",
        allow_abbrev=False,
    )
    compare.add_argument("baseline", metavar="BASELINE")
    compare.add_argument(
        "candidate", nargs="?", metavar="CANDIDATE", help="left out: says how many puzzles the margin needs, and their cost"
    )
    compare.add_argument("--baseline", action="append", dest="also_baseline", metavar="RUN_DIR", help="a further run of the baseline")
    compare.add_argument("--candidate", action="append", dest="also_candidate", metavar="RUN_DIR", help="a further run of the candidate")
    compare.add_argument("--mode", metavar="M1,M2", help="the modes that decide (default: all)")
    compare.add_argument("--replicates", type=int, default=1, metavar="K", help="without CANDIDATE: times each trial will be asked")
    compare.add_argument(
        "--margin", type=float, default=MARGIN, metavar="M", help=f"largest tolerable loss of accuracy (default: {MARGIN})"
    )
    compare.add_argument("--alpha", type=float, default=ALPHA, metavar="A", help=f"chance of a false alarm (default: {ALPHA})")
    compare.add_argument("--junit", metavar="FILE", help="write JUnit XML (default: none)")
    compare.add_argument("--summary", metavar="FILE", help="append a Markdown summary (default: none)")
    compare.add_argument("--report", metavar="URL", help="the candidate's report.html, for links from the summary (default: none)")
    compare.set_defaults(command="compare")


def _add_report(commands: argparse._SubParsersAction[_Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    report = commands.add_parser("report", help="merge runs and write gap.json and reports", allow_abbrev=False)
    report.add_argument("runs", nargs="+", metavar="RUN_DIR")
    report.add_argument("--out", metavar="DIR", help="default: reports/ and the first run's name")
    report.add_argument(
        "--formats", default="terminal,md,html", metavar="F1,F2", help="terminal, md, html, latex, csv, figures, junit, inspect"
    )
    report.add_argument("--baseline", metavar="MODEL", help="compare the other models with this one (default: the first)")
    report.add_argument("--text-base", metavar="MODEL", help="text-only model that leakage is measured against (default: none)")
    report.add_argument("--twin", action="append", metavar="RUN_DIR", help="a run on a fresh suite of the same families; repeatable")
    report.add_argument("--sensitivity", action="store_true", help="derive strict and lenient readings however many replies there are")
    report.add_argument("--data-dir", metavar="DIR", help="the authors' clone of a public set, for its pictures")
    report.add_argument("--force", action="store_true", help="write into a folder that exists")
    report.set_defaults(command="report")


def _add_show(commands: argparse._SubParsersAction[_Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    show = commands.add_parser("show", help="one puzzle of a run: what was sent and what came back", allow_abbrev=False)
    show.add_argument("run", metavar="RUN_DIR")
    show.add_argument("puzzle", metavar="PUZZLE", help="its id, or the part of it that no other puzzle has")
    show.add_argument("--model", metavar="NAME", help="only this model's replies")
    show.add_argument("--mode", metavar="M1,M2", help="only these arms")
    show.add_argument("--picture", metavar="FILE", help="write the picture there")
    show.add_argument("--data-dir", metavar="DIR", help="the authors' clone of a public set, for its pictures")
    show.add_argument("--json", action="store_true", help="print JSON (the default when piped)")
    show.set_defaults(command="show")


def _add_import(commands: argparse._SubParsersAction[_Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    imports = commands.add_parser("import", help="other harnesses' logs as a run directory", epilog=_EXITS, allow_abbrev=False)
    imports.add_argument("files", nargs="+", metavar="FILE", help="Inspect AI, lm-evaluation-harness, lmms-eval or VLMEvalKit")
    imports.add_argument("--as", action="append", dest="mode", metavar="MODE", help="the arm: one for all files, or one for each, in order")
    imports.add_argument("--out", required=True, metavar="RUN_DIR")
    imports.add_argument("--model", metavar="NAME", help="default: what the log says")
    imports.add_argument("--name", metavar="NAME", help="of the suite; default: the log's task")
    imports.add_argument("--suite", metavar="NAME|PATH", help="the puzzles themselves, matched by id: pictures, options, descriptions")
    imports.add_argument("--columns", metavar="FIELD=COL,...", help="columns of --suite")
    imports.add_argument("--data-dir", metavar="DIR", help="where --suite lies")
    imports.add_argument("--filter", metavar="NAME", help="which filter, where samples were filtered in several ways")
    imports.add_argument("--metric", metavar="NAME", help="which score, where samples have several")
    imports.add_argument("--grade", default="given", metavar="WHOSE", help="given (the log's score, default) or ours")
    imports.set_defaults(command="imports")


def _add_tasks(commands: argparse._SubParsersAction[_Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    tasks = commands.add_parser("tasks", help="the puzzle families and suites", allow_abbrev=False)
    verbs = tasks.add_subparsers(title="verbs", metavar="VERB", parser_class=_Parser, required=True)
    listing = verbs.add_parser("list", help="a table of suites and families")
    listing.set_defaults(command="tasks_list")
    show = verbs.add_parser("show", help="write a contact sheet of a family, or of a suite, as PNG", allow_abbrev=False)
    show.add_argument("family", metavar="FAMILY|SUITE")
    show.add_argument("--out", metavar="FILE", help="default: reports/NAME.png")
    show.add_argument("--seed", type=int, default=0, metavar="S", help="of a family's instances")
    _add_suite_options(show)
    show.set_defaults(command="tasks_show")
    for verb, text in (
        ("export", "write a suite as a Hugging Face data set, which --suite loads back equal"),
        ("lint", "look for labels, options and images that spoil a benchmark"),
        ("verify", "solve every puzzle again from its state and compare with its label"),
    ):
        sub = verbs.add_parser(verb, help=text, allow_abbrev=False)
        sub.add_argument("suite", metavar="SUITE")
        _add_suite_options(sub)
        if verb == "export":
            sub.add_argument("--out", metavar="DIR", required=True)
        else:
            sub.add_argument("--json", action="store_true", help="print JSON instead of a table")
        if verb == "lint":
            sub.add_argument("--strict", action="store_true", help="exit with 1 on a warning as well, not only on an error")
        sub.set_defaults(command=f"tasks_{verb}")


def _add_suite_options(parser: _Parser) -> None:
    parser.add_argument("--columns", metavar="FIELD=COL,...", help="columns of your own table")
    parser.add_argument("--data-dir", metavar="DIR")
    parser.add_argument("--families", metavar="A,B")
    parser.add_argument("--limit", type=int, metavar="N")
    parser.add_argument("--skip-bad", action="store_true")


def _add_train(commands: argparse._SubParsersAction[_Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    train = commands.add_parser(
        "train", help="train a checkpoint by GRPO under one reward, or under all of them", epilog=_EXITS, allow_abbrev=False
    )
    train.add_argument("--recipe", required=True, metavar="NAME", help="tiny, qwen2.5-vl-7b, or the path of a TOML file")
    train.add_argument("--reward", metavar="NAME", help="the reward, or all: a sweep over the recipe's rewards and seeds, with its tables")
    train.add_argument("--model", metavar="PATH", help="the checkpoint to start from (default: the recipe's)")
    train.add_argument("--out", metavar="DIR", help="where the checkpoint goes; for all, where the sweep goes")
    train.add_argument("--seed", type=int, metavar="S", help="of one run (default: the recipe's first)")
    train.add_argument("--resume", action="store_true", help="continue the run in --out from its last step that was saved")
    train.add_argument("--dry-run", action="store_true", help="check the recipe and estimate its memory, train nothing")
    train.add_argument(
        "--diagnose", action="store_true", help="say what each reward has to teach --model, from a few samples; train nothing"
    )
    train.set_defaults(command="train")


def _add_models(commands: argparse._SubParsersAction[_Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    models = commands.add_parser("models", help="the table of models", allow_abbrev=False)
    verbs = models.add_subparsers(title="verbs", metavar="VERB", parser_class=_Parser, required=True)
    verbs.add_parser("list", help="a table of names, ids, prices and dates").set_defaults(command="models_list")
    show = verbs.add_parser("show", help="what is known of one model", allow_abbrev=False)
    show.add_argument("name", metavar="NAME")
    show.set_defaults(command="models_show")
