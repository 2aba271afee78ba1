"""The calibration as a report: printed, and written to reports/example/calibration.md (`make calibration`)."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.gap.document import PARTS
from tests.benchmarks.calibration import (
    CERTAIN,
    GAPS,
    RUNS,
    SIDES,
    Alarm,
    Coverage,
    coverage,
    false_alarms,
    faulty,
    grid,
    replicated,
)
from tests.benchmarks.parts import RERUNS, Found, rerun, study, worlds

TWICE = ("all three", "failures that come together", "all of this at once")
"""The worlds in which one model is asked twice."""
OUT = Path(__file__).parents[2] / "reports" / "example" / "calibration.md"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def coverage_part(found: Sequence[Coverage]) -> list[str]:
    """Coverage by cell and over all cells, with the bias of p and r."""
    names = [*(f"{a}-{b}" for a, b in GAPS), *SIDES]
    rows = [
        [
            f"p={cell.p:g} r={cell.r:g} c={cell.c:g}",
            str(cell.n),
            *(percent(cell.covered[name]) if name in cell.covered else "-" for name in names),
            *(f"{cell.bias[side]:+.4f}" if side in cell.bias else "-" for side in SIDES),
            percent(cell.identifiable),
        ]
        for cell in found
    ]
    sure = [cell for cell in found if cell.identifiable >= CERTAIN]
    means = [float(np.mean([cell.covered[name] for cell in (sure if name == "perception" else found)])) for name in names]
    rows.append(["**mean**", "", *(f"**{percent(mean)}**" for mean in means), "", "", ""])
    odd = "; ".join(f"p={c.p:g} r={c.r:g} n={c.n}: {', '.join(faulty(c))}" for c in found if faulty(c))
    large = [cell for cell in found if cell.n >= 900 and cell.identifiable >= CERTAIN]
    worst = [max((abs(cell.bias[side]) for cell in large), default=0.0) for side in SIDES]
    return [
        "## Coverage of the 95% intervals, and bias",
        table(["cell", "n", *names, "bias of p", "bias of r", "p identifiable"], rows),
        f"Outside 93-97% by more than chance: {odd or 'none'}. Largest bias at n >= 900: p {worst[0]:.4f}, r {worst[1]:.4f}.",
        "Where p is identifiable in some runs only, these are the runs whose oracle accuracy came out high, and coverage among them is no "
        "fair measure; there at most 5% of *all* runs may print an interval without the truth, and the mean leaves those cells out.",
    ]


def replicates_part(shares: dict[str, float]) -> list[str]:
    return [
        f"Three replicates of 300 puzzles, half easy, half hard: the interval of oracle-image covers {percent(shares['gap'])}%, that of "
        f"the oracle accuracy {percent(shares['rate'])}%; with replicates taken for puzzles, {percent(shares['naive rate'])}%."
    ]


def alarms_part(alarms: Sequence[Alarm]) -> list[str]:
    rows = [[a.test, a.world, str(a.n), percent(a.alpha), percent(a.rate)] for a in alarms]
    return ["## False alarms", table(["test", "world", "n", "alpha", "false alarms"], rows)]


def worlds_part(found: Sequence[Found]) -> list[str]:
    """Coverage and naming of using, seeing and thinking, beside the bias of the old estimate."""
    rows = [
        [
            one.world.name,
            *(f"{percent(one.truth[name])}" for name in ("loss", *PARTS)),
            *(_covered(one, name) for name in ("loss", *PARTS, "interaction")),
            *(percent(one.named[name]) for name in PARTS),
            f"{100 * one.old_bias:+.1f}",
        ]
        for one in found
    ]
    header = [
        "world",
        *(f"true {name}" for name in ("loss", *PARTS)),
        *(f"{name} covered" for name in ("loss", *PARTS, "interaction")),
        *(f"{name} named" for name in PARTS),
        "bias of the old p",
    ]
    worst = max(abs(one.old_bias) for one in found)
    faults = "; ".join(f"{one.world.name}: {fault}" for one in found for fault in one.faults()) or "nothing"
    return [
        "## Using, seeing and thinking",
        f"{found[0].n} puzzles, {found[0].runs:,} runs a world. *Covered* is the share of runs whose 95% interval holds the truth, *named* "
        "the share whose verdict calls the part a loss. A dash is a part that is 0 in every run, since nothing of it varies: its interval "
        "always covers. The old p is (A_image - g)/(A_oracle - g) against the share of pictures that are seen, in points.",
        table(header, rows),
        f"Outside what is promised: {faults}. The old p is off by up to {percent(worst)} points in the same runs.",
    ]


def _covered(one: Found, name: str) -> str:
    return "-" if name in one.constant else percent(one.covered[name])


def reruns_part(shares: Sequence[tuple[str, int, float]]) -> list[str]:
    rows = [[name, str(n), percent(share)] for name, n, share in shares]
    return [
        "## One model asked twice",
        f"How often it is said to have changed in using, seeing or thinking (exact tests, Holm over the three); {RERUNS:,} pairs of runs.",
        table(["world", "n", "called changed"], rows),
    ]


def render(runs: int) -> tuple[str, bool]:
    """The whole report as Markdown, and whether everything holds."""
    found = [coverage(*cell, runs=runs) for cell in grid()]
    alarms = false_alarms(runs=runs)
    planted = [study(world, runs=4 * runs) for world in worlds()]
    twice = [(world.name, n, rerun(world, n, runs=2 * runs)) for world in worlds() if world.name in TWICE for n in (100, 300, 900)]
    slack = percent(2 * math.sqrt(0.05 * 0.95 / runs))
    parts = [
        "# Calibration of the instrument",
        f"Written by `make calibration`: {runs} simulated runs a cell, four options, 2,000 bootstrap resamples. Percentages are shares of "
        f"runs; a true coverage of 95% shows as 95 +- {slack} in one cell, a true false-alarm rate of 5% as 5 +- {slack}.",
        *worlds_part(planted),
        *reruns_part(twice),
        *coverage_part(found),
        *replicates_part(replicated(runs=runs)),
        *alarms_part(alarms),
    ]
    holds = not any(faulty(cell) for cell in found) and all(alarm.rate <= alarm.bound for alarm in alarms)
    holds = holds and not any(one.faults() for one in planted) and all(share <= 0.05 for _, _, share in twice)
    return "\n\n".join(parts) + "\n", holds


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report and write it; exit code 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args(argv)
    started = time.monotonic()
    text, holds = render(arguments.runs)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)
    print(f"{time.monotonic() - started:.0f} s; everything holds: {'yes' if holds else 'no'}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
