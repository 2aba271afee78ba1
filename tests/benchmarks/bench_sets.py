"""How long a large set takes to load and to lint: `python -m tests.benchmarks.bench_sets [--rows 100000]`.

A set in the shape of the public ones whose rows share a hundred pictures, loaded with everything that a plan checks of it; a set whose
pictures are all different, small; and 2,000 rows on one large picture, linted, beside as many on pictures of their own.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.bench_replay import photograph
from tests.benchmarks.child import python
from tests.benchmarks.table import row, show
from tests.tasks.public_data import clock_row, write_set

LOAD_S = 20.0
LINTED = 2000
_LOAD = """
import sys; from pathlib import Path; from tasks.public.load import load_public
print(len(load_public("algopuzzlevqa", data_dir=Path(sys.argv[1])).puzzles))
"""
_LINT = """
import sys; from pathlib import Path; from tasks.public.load import load_public; from tasks.tools.linter import lint
loaded = load_public("algopuzzlevqa", data_dir=Path(sys.argv[1]))
print(len(lint(loaded.puzzles, loaded.problems, loaded.rows).findings))
"""


def public_set(folder: Path, rows: int, pictures: int, side: int) -> str:
    """A set of `rows` rows on `pictures` pictures of `side` px; returns where it lies."""
    data = write_set(folder, {"clock": []})
    for index in range(pictures):
        (data / f"images/clock/clock_{index:04d}.jpg").write_bytes(photograph(side))
    write_set(folder, {"clock": [clock_row(index, image=f"images/clock/clock_{index % pictures:04d}.jpg") for index in range(rows)]})
    return str(folder)


def main() -> None:
    """Write, load, lint, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        shared = python(_LOAD, public_set(here / "shared", rows, 100, 400))
        apart = python(_LOAD, public_set(here / "apart", rows // 20, rows // 20, 100))
        one = python(_LINT, public_set(here / "one", LINTED, 1, 3000))
        each = python(_LINT, public_set(here / "each", LINTED, LINTED, 100))
    show(
        [
            row(f"{rows:,} rows on 100 pictures loaded", shared.cpu_s, None, LOAD_S, unit="s", better="less"),
            row(f"{rows:,} rows loaded, memory", shared.peak_mb, None, None, unit="MB", better="less"),
            row(f"{rows // 20:,} rows on pictures of their own loaded", apart.cpu_s, None, None, unit="s", better="less", note="decoding"),
            row(
                f"{LINTED:,} rows on one picture of 3,000 px linted",
                one.cpu_s,
                each.cpu_s,
                1.5,
                unit="s",
                better="less",
                note="on small ones",
            ),
        ]
    )


if __name__ == "__main__":
    main()
