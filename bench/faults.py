"""A fault of the program, as opposed to a person's mistake: one line, a file with the traceback, exit code 70.

The boundary of the program is the one place where any exception may end; it is a context manager, so that no code of ours catches
everything by an `except` clause.
"""

from __future__ import annotations

import datetime
import sys
import tempfile
import traceback
from pathlib import Path
from types import TracebackType
from typing import Self

import platformdirs

from bench import env
from bench.scrub import hide
from bench.visible import visible

EXIT_CODE = 70
"""What the command returns after a fault (EX_SOFTWARE of sysexits.h)."""


class FaultBoundary:
    """Ends what runs inside it at the first exception that nobody expected: the traceback goes to a file, a line says where."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> bool:
        if fault is None or kind is None or not issubclass(kind, Exception):
            return False
        text = _without_secrets("".join(traceback.format_exception(kind, fault, trace)))
        summary = _without_secrets(visible(str(fault).splitlines()[0][:200])) if str(fault) else "no message"
        print(f"fault: {kind.__name__}: {summary}; the traceback is in {_written(text)}", file=sys.stderr)  # noqa: T201
        return True


def _without_secrets(text: str) -> str:
    return hide(text, env.secrets())


def _written(text: str) -> str:
    """Where the traceback was written: the user's log folder, a temporary folder where that cannot be written, else nowhere."""
    name = f"fault-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S-%f}.txt"
    for folder in (platformdirs.user_log_path("sightgap"), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        except OSError:
            continue
        return str(folder / name)
    return "no file, since none can be written; here it is:\n" + text
