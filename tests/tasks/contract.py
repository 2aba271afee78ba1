"""What the contract tests share: every registered family, and its states over many seeds, sampled and solved once."""

from __future__ import annotations

import random
import re
from functools import cache
from typing import Any

import pytest

from tasks.family import LEVELS
from tasks.registry import FAMILIES, family

SEEDS = 500
"""Seeds for each family and level (issue 3, item 2)."""
EVERY_FAMILY = pytest.mark.parametrize("name", FAMILIES)
EVERY_LEVEL = pytest.mark.parametrize("level", LEVELS)
_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")


@cache
def states(name: str, level: int, seeds: int = SEEDS) -> tuple[Any, ...]:
    """The states of seeds 0, 1, ... at `level`."""
    return tuple(family(name).sample(random.Random(seed), level) for seed in range(seeds))


@cache
def answers(name: str, level: int) -> tuple[str, ...]:
    """The answers of `states(name, level)`."""
    return tuple(family(name).solve(state) for state in states(name, level))


def tokens(text: str) -> list[tuple[int, int]]:
    """Spans of the words, numbers and signs of `text`."""
    return [match.span() for match in _TOKEN.finditer(text)]
