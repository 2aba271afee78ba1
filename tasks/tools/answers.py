"""Counts how often each answer is right, for `tasks.options`: `python -m tasks.tools.answers [FAMILY ...]` writes tasks/answers.json anew.

Needed after a family samples other states, or its `kind` changes; a test compares fresh counts with the file.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.family import LEVELS
from tasks.options import kind_key
from tasks.registry import FAMILIES, family

PATH = Path(__file__).resolve().parent.parent / "answers.json"
STATES = 2000
"""States that are counted for each family and level."""


def counted(name: str, level: int, states: int = STATES, *, seed: int = 0) -> dict[str, dict[str, int]]:
    """Kind -> answer -> how often it is right among `states` sampled states of `level`."""
    made, found = family(name), defaultdict[str, Counter[str]](Counter)
    for index in range(states):
        state = made.sample(random.Random(f"answers {seed} {level} {index}"), level)
        found[kind_key(name, state)][made.solve(state)] += 1
    return {kind: dict(sorted(found[kind].items())) for kind in sorted(found)}


def needs_counting(name: str) -> bool:
    """Whether family `name` does not know the chances of its answers itself."""
    made, rng = family(name), random.Random(0)
    return made.chances(made.sample(rng, 1), rng, 1) is None


def main(names: Sequence[str]) -> None:
    """Count the answers of `names` (default: all that need it) and write the file."""
    table: dict[str, Any] = json.loads(PATH.read_text("utf-8")) if PATH.is_file() and names else {}
    for name in names or [name for name in FAMILIES if needs_counting(name)]:
        table[name] = {str(level): counted(name, level) for level in LEVELS}
    PATH.write_text(json.dumps(table, sort_keys=True, separators=(",", ":")).replace('"},"', '"},\n"') + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
