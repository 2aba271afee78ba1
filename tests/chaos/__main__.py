"""`make chaos`: every row of the chaos suite in full, as a table. Exit code 1 where a promise did not hold.

python -m tests.chaos [--small] [ROW ...]
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.rows import ROWS, Row


def tried(row: Row, n: int) -> tuple[int, list[str]]:
    """How many attempts there were, and what went wrong in those that did not hold."""
    place = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        try:
            found = list(row.tries(Path(folder), n))
        finally:
            os.chdir(place)
    return len(found), [f"{attempt.what}: {attempt.trouble}" for attempt in found if attempt.trouble is not None]


def main(arguments: list[str]) -> int:
    """Try the rows named, or all, and print the table."""
    small, wanted = "--small" in arguments, [name for name in arguments if not name.startswith("-")]
    started, broken = time.monotonic(), 0
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # servers of the tests tell of connections that were meant to break
    print("| what is done | what must hold | tried | held |\n| --- | --- | ---: | ---: |", flush=True)
    for row in ROWS:
        n = row.small if small else row.full
        if n and (not wanted or row.name in wanted):
            count, troubles = tried(row, n)
            broken += len(troubles) + (count == 0)
            print(f"| {row.name} | {row.promise} | {count:,} | {count - len(troubles):,} |", flush=True)
            for trouble in troubles:
                print(f"  {trouble}", file=sys.stderr)
    print(f"\n{broken} did not hold; {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
