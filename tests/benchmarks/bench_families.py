"""How fast the generated families are: a table, nothing asserted (issue 3, Speed). Run by `make bench`, or

    python -m tests.benchmarks.bench_families [--side 896] [--puzzles 40]

One core, processor time: sampling, drawing and encoding over all levels, solving at levels 2 and 3. The first puzzles of a family, which
fill its caches of backgrounds and fonts, are not counted.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from tasks.family import LEVELS, SIDE, Family
from tasks.kit.drawing import encode
from tasks.registry import FAMILIES, family

WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One family: milliseconds a puzzle (mean, worst), parts of the mean, solutions a second by level, mean bytes of a PNG."""

    name: str
    mean_ms: float
    worst_ms: float
    sample_ms: float
    draw_ms: float
    encode_ms: float
    solves: dict[int, float]
    size: float


def measure(name: str, side: int, puzzles: int) -> Row:
    """Time `puzzles` puzzles of each level of family `name`, drawn at `side` px."""
    made = family(name)
    times: list[tuple[float, float, float]] = []
    sizes: list[int] = []
    for level in LEVELS:
        for seed in range(-WARM_UP, puzzles):
            sampled, state = _timed(lambda level=level, seed=seed: made.sample(random.Random(seed), level))
            drawn, image = _timed(lambda state=state: made.draw(state, side))
            encoded, data = _timed(lambda image=image: encode(image))
            if seed >= 0:
                times.append((sampled, drawn, encoded))
                sizes.append(len(data))
    totals = [sum(parts) for parts in times]
    sample_ms, draw_ms, encode_ms = (mean(column) for column in zip(*times, strict=True))
    solves = {level: _solves(made, level, puzzles) for level in (2, 3)}
    return Row(name, mean(totals), max(totals), sample_ms, draw_ms, encode_ms, solves, mean(sizes))


def _solves(made: Family[Any], level: int, puzzles: int) -> float:
    states = [made.sample(random.Random(seed), level) for seed in range(puzzles)]
    for value in vars(sys.modules[type(made).__module__]).values():
        if clear := getattr(value, "cache_clear", None):
            clear()  # what sampling has solved must be solved again
    spent, _ = _timed(lambda: [made.solve(state) for state in states])
    return 1000 * puzzles / max(spent, 1e-6)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds of processor time that `work` takes, and what it returns."""
    start = time.process_time()
    result = work()
    return 1000 * (time.process_time() - start), result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Speed of the generated families, one core.")
    parser.add_argument("--side", type=int, default=SIDE, help="longer side of the drawings in pixels")
    parser.add_argument("--puzzles", type=int, default=40, help="puzzles for each family and level")
    options = parser.parse_args()
    table = Table(title=f"Families at {options.side} px, {options.puzzles} puzzles a level, one core, processor time")
    for heading in ("family", "puzzles/s", "worst ms", "sample ms", "draw ms", "encode ms", "solves/s, level 2", "level 3", "PNG kB"):
        table.add_column(heading, justify="left" if heading == "family" else "right")
    rows = [measure(name, options.side, options.puzzles) for name in FAMILIES]
    for row in rows:
        parts = (f"{value:.1f}" for value in (row.worst_ms, row.sample_ms, row.draw_ms, row.encode_ms))
        solves = (f"{row.solves[level]:,.0f}" for level in (2, 3))
        table.add_row(row.name, f"{1000 / row.mean_ms:,.0f}", *parts, *solves, f"{row.size / 1000:.0f}")
    table.add_section()
    table.add_row("mean over families", f"{1000 / mean(row.mean_ms for row in rows):,.0f}")
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
