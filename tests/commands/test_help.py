"""Every help text, pinned: a reviewer sees what a change does to the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest
from syrupy.assertion import SnapshotAssertion

from bench.cli import build_parser


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """`parser` and everything below it."""
    yield parser
    for action in parser._actions:  # pyright: ignore[reportPrivateUsage] - argparse shows its subcommands in no other way
        if isinstance(action, argparse._SubParsersAction):  # pyright: ignore[reportPrivateUsage]
            below: dict[str, argparse.ArgumentParser] = action.choices  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            for child in below.values():
                yield from parsers(child)


EVERY = {parser.prog: parser for parser in parsers(build_parser("run"))}


@pytest.mark.parametrize("called", EVERY)
def test_help(called: str, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert EVERY[called].format_help() == snapshot
