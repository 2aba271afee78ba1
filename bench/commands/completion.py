"""`completion`: a script that teaches a shell our commands and options."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")


def completion(arguments: argparse.Namespace) -> int:
    """`completion`: print the script, for `eval "$(sightgap completion bash)"` or a file that the shell reads."""
    from bench.cli import build_parser

    shtab: Any = import_module("shtab")
    parser = build_parser("run")
    parser.prog = "sightgap"
    print(shtab.complete(parser, shell=arguments.shell))  # noqa: T201
    return 0
