"""`show`: one puzzle of a run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.commands.console import names, open_console, open_error_console, parse_modes
from bench.commands.one_puzzle import find_puzzle, print_puzzle
from bench.errors import UserError
from bench.store.run import Run, open_run
from bench.visible import in_strings


def show(arguments: argparse.Namespace) -> int:
    """`show`: everything that was sent and came back; JSON when piped."""
    run = open_run(arguments.run)
    if run.changed:
        line = f"warning: {', '.join(run.changed)} of {run.name} was changed after the run was closed: edited, or damaged"
        open_error_console().print(line, highlight=False, markup=False, soft_wrap=True)
    modes = [mode.value for mode in parse_modes(arguments.mode)] if arguments.mode else []
    found = find_puzzle(run, arguments.puzzle, models=names(arguments.model), modes=modes)
    picture = None
    if arguments.picture:
        picture = Path(arguments.picture)
        _write_picture(run, found.id, picture, Path(arguments.data_dir) if arguments.data_dir else None)
    console = open_console()
    if arguments.json or not console.is_terminal:
        print(in_strings(json.dumps(found.to_json(), ensure_ascii=False, indent=1)))  # noqa: T201
    else:
        print_puzzle(found, console, picture)
    return 0


def _write_picture(run: Run, puzzle: str, path: Path, data_dir: Path | None) -> None:
    from bench.publish import encoded_picture

    data = encoded_picture(run, puzzle, data_dir=data_dir)
    if data is None:
        raise UserError(f"--picture: the picture of {puzzle} can be neither drawn nor read; name its data with --data-dir")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror})") from error
