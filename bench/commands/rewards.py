"""`rewards`: what given completions earn under each reward."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bench.commands.console import open_console
from bench.errors import BadDataError, UserError
from bench.train.rewards import SHOWN, score
from bench.visible import in_strings
from tasks.registry import family, known

_SHOWN_CHARS = 76


def rewards(arguments: argparse.Namespace) -> int:
    """`rewards`: what every completion of a file earns under each reward; two lines each in a terminal, JSON lines elsewhere."""
    console = open_console()
    readable = console.is_terminal and not arguments.json
    count = 0
    for line in _lines(arguments.file):
        asked = _completion(*line)
        earned = {name: score(name, asked.completion, family=asked.family, answer=asked.answer, state=asked.state) for name in SHOWN}
        count += 1
        if readable:
            shown = " ".join(asked.completion.split())
            console.print(f"{count}. {shown[:_SHOWN_CHARS]}", highlight=False, markup=False, style="bold")
            totals = "  ".join(f"{name} {_total(parts)}" for name, parts in earned.items())
            console.print(f"   {totals}", highlight=False, markup=False)
        else:
            print(in_strings(json.dumps({name: _rounded(parts) for name, parts in earned.items()})))  # noqa: T201
    if not count:
        raise UserError(f'{_called(arguments.file)} is empty: expected lines {{"family", "answer", "state", "completion"}}')
    return 0


def _total(parts: Mapping[str, float] | None) -> str:
    return "-" if parts is None else f"{parts['total']:.2f}"


@dataclass(frozen=True, slots=True)
class _Completion:
    """One line of the input: a completion, and the puzzle that it answers. `state` is None where it is not known."""

    family: str
    answer: str
    completion: str
    state: Mapping[str, Any] | None


def _called(file: str) -> str:
    return "standard input" if file == "-" else file


def _lines(file: str) -> Iterator[tuple[str, bytes]]:
    """The lines of `file` that are not blank, each with its place in words.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as source:
            for number, line in enumerate(source, 1):
                if line.strip():
                    yield f"{_called(file)} line {number}", line
    except OSError as error:
        raise UserError(f"{_called(file)}: expected a file of JSON lines, found {error.strerror or error}") from None


def _completion(place: str, line: bytes) -> _Completion:
    """What `line` says. Keys that no reward reads are passed over, so that a log can be given as it is.

    Raises:
        BadDataError: not such a line; the message names the place.
    """
    row = _object(place, line)
    answer: Any = row.get("answer")
    if isinstance(answer, int) and not isinstance(answer, bool):
        row["answer"] = str(answer)  # the public files mix integers and strings
    for key in ("family", "answer", "completion"):
        if not isinstance(row.get(key), str):
            raise BadDataError(f"{place}: {key}: expected text, found {row.get(key, 'nothing')!r:.60}")
    state = _state(place, row["family"], row.get("state"))
    return _Completion(row["family"], row["answer"], row["completion"], state)


def _object(place: str, line: bytes) -> dict[str, Any]:
    try:
        row: Any = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise BadDataError(f"{place}: expected a JSON object, found {line[:40].decode('utf-8', 'replace').strip()!r}") from None
    if not isinstance(row, dict):
        raise BadDataError(f"{place}: expected a JSON object, found {line[:40].decode('utf-8', 'replace').strip()!r}")
    return cast("dict[str, Any]", row)


def _state(place: str, name: str, state: Any) -> Mapping[str, Any] | None:
    """`state` if it is one that a picture can show. That of a family that is not known here says nothing, and is dropped."""
    if state is None:
        return None
    if not isinstance(state, dict):
        raise BadDataError(f"{place}: state: expected an object or null, found {state!r:.60}")
    if not known(name):
        return None
    given = cast("dict[str, Any]", state)
    try:
        made = family(name)
        made.check(made.visible(made.load(given)))
    except ValueError as error:
        raise BadDataError(f"{place}: state of {name}: {error}") from None
    return given


def _rounded(parts: Mapping[str, float] | None) -> dict[str, float] | None:
    return {name: round(value, 6) for name, value in parts.items()} if parts is not None else None
