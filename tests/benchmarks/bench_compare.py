"""How `compare` behaves over many simulated re-runs: false alarms of unchanged models, and planted drops that are caught.

Run as a script. Each line is a cell of a grid; the drop is twice the detectable one that an unchanged re-run of the same size prints.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.comparison.comparing import caught, false_alarms

RUNS, DROPS = 1000, 200


def main() -> None:
    """Print both tables."""
    print(f"false alarms in {RUNS} re-runs of an unchanged model (alpha 5%, margin 2 points, two modes)")
    for n, families, replicates in ((200, 1, 1), (200, 4, 1), (400, 4, 1), (400, 9, 1), (200, 4, 3)):
        found = false_alarms(7, RUNS, n=n, families=families, replicates=replicates)
        print(f"  {n} puzzles, {families} families, {replicates} replicates: {100 * found / RUNS:.1f}%")
    print(f"planted drops of twice the printed detectable drop, caught of {DROPS}")
    for n, families, family in ((200, 4, None), (400, 4, None), (400, 4, "f1"), (1200, 9, "f1")):
        found, size = caught(11, DROPS, n=n, families=families, family=family)
        print(f"  {n} puzzles, {families} families, in {family or 'all'} ({100 * size:.0f} points on average): {100 * found / DROPS:.1f}%")


if __name__ == "__main__":
    main()
