"""What can be had without looking: how many of the visible facts one fixed description states rightly, per family and level.

`python -m tasks.tools.floors` works the floors out and writes `tasks/floors.json`, which `tasks.fidelity` reads.

The best fixed description claims, slot by slot, the value that is most often right. Slots are claimed in the order of how often that is,
and as many of them as make the mean F1 over the drawn states largest. States are drawn from the split "train" of no particular suite.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.family import LEVELS, Family
from tasks.fidelity import FLOORS
from tasks.registry import FAMILIES, family

STATES = 1000
"""Of each family and level."""


def sampled(made: Family[Any], level: int, count: int = STATES) -> list[Mapping[str, str]]:
    """The visible facts of `count` random states."""
    rng = random.Random(f"floor of {made.name}, level {level}")
    return [made.facts(made.visible(made.sample(rng, level))) for _ in range(count)]


def best_fixed(states: Sequence[Mapping[str, str]]) -> tuple[dict[str, str], float]:
    """The claims of the best fixed description of `states`, and their mean F1."""
    counts: dict[str, Counter[str]] = {}
    for facts in states:
        for slot, value in facts.items():
            counts.setdefault(slot, Counter())[value] += 1
    order = sorted(counts, key=lambda slot: -counts[slot].most_common(1)[0][1])
    right, best, claims = [0] * len(states), (0, 0.0), dict[str, str]()
    for number, slot in enumerate(order, 1):
        claims[slot] = counts[slot].most_common(1)[0][0]
        right = [hits + (facts.get(slot) == claims[slot]) for hits, facts in zip(right, states, strict=True)]
        mean = sum(2 * hits / (len(facts) + number) for hits, facts in zip(right, states, strict=True)) / len(states)
        best = max(best, (number, mean), key=lambda found: found[1])
    return {slot: claims[slot] for slot in order[: best[0]]}, best[1]


def floors() -> dict[str, dict[str, float]]:
    """Family -> level -> mean F1 of the best fixed description."""
    return {name: {str(level): round(best_fixed(sampled(family(name), level))[1], 4) for level in LEVELS} for name in FAMILIES}


def main() -> None:
    """Write the floors."""
    FLOORS.write_text(json.dumps(floors(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
