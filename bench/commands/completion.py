"""`completion`: a script that teaches a shell our commands and options."""

from __future__ import annotations

import argparse

from bench.extras import optional


def completion(arguments: argparse.Namespace) -> int:
    """`completion`: print the script, for `eval "$(sightgap completion bash)"` or a file that the shell reads."""
    parser: argparse.ArgumentParser = arguments.parser
    parser.prog = "sightgap"
    print(optional("shtab", "all").complete(parser, shell=arguments.shell))  # noqa: T201
    return 0
