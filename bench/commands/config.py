"""`config`: the options of a run, as the file that `run --config` reads."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.config import stored_options, to_toml
from bench.store.reader import read_run


def config(arguments: argparse.Namespace) -> int:
    """`config`: print the options of a run directory as TOML."""
    folder = Path(arguments.run)
    sys.stdout.write(to_toml(stored_options(read_run(folder), str(folder))))
    return 0
