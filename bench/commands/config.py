"""`config`: the options of a run, as the file that `run --config` reads."""

from __future__ import annotations

import argparse
import sys

from bench.config import stored_options, to_toml
from bench.store.run import open_run
from bench.visible import in_strings


def config(arguments: argparse.Namespace) -> int:
    """`config`: print the options of a run directory as TOML."""
    run = open_run(arguments.run)
    sys.stdout.write(in_strings(to_toml(stored_options(run.info.options, str(run.folder)))))
    return 0
