"""How many tokens a picture costs: each provider's published formula, by the name that `aliases.toml` gives it.

    patches   ceil(width / patch) x ceil(height / patch), scaled down to `most` patches first, times `multiplier`
    tiles     fitted into `fit` px, the shorter side scaled down to `short` px, then `base` + `each` for each square of `tile` px
    squares   `each` for a picture of at most `whole` px a side, else `each` for each square of `tile` px, bounded by `most` squares,
              and `base` beside
    fixed     `each`, whatever the size

The sources stand beside the entries. Where a provider publishes none, or more than one reading is possible, the count is a range, and
whoever shows it says "unknown": for pictures of a model of which nothing is known, from the least to the most that any formula here gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

from bench.models import tables


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high` tokens, both included; one number where the formula is known."""

    low: int
    high: int

    @property
    def known(self) -> bool:
        """Whether the formula gives one number."""
        return self.low == self.high

    @property
    def middle(self) -> int:
        """What an estimate counts: the middle of the range."""
        return math.ceil((self.low + self.high) / 2)


@dataclass(frozen=True, slots=True)
class Formula:
    """One entry of `[image_tokens.*]`; the fields are explained in the module's text. `source` says where it is published."""

    name: str
    kind: Literal["patches", "tiles", "squares", "fixed"]
    source: str
    patch: int = 28
    most: int | None = None
    multiplier: float = 1.0
    base: int = 0
    each: int = 0
    tile: int = 512
    fit: int = 2048
    short: int = 768
    whole: int = 0

    def count(self, width: int, height: int) -> int:
        """Tokens of a picture of `width` x `height` px as it is sent."""
        match self.kind:
            case "patches":
                return math.ceil(self._patches(width, height) * self.multiplier)
            case "tiles":
                scale = min(1.0, self.fit / max(width, height))
                scale *= min(1.0, self.short / (min(width, height) * scale))
                return self.base + self.each * _squares(width * scale, height * scale, self.tile)
            case "squares":
                if max(width, height) <= self.whole:
                    return self.base + self.each
                squares = _squares(width, height, self.tile)
                return self.base + self.each * (squares if self.most is None else min(squares, self.most))
            case "fixed":
                return self.each

    def _patches(self, width: float, height: float) -> int:
        """The patches that cover the picture, after it was scaled down so that whole patches fit into the budget."""
        if self.most is None or _squares(width, height, self.patch) <= self.most:
            return _squares(width, height, self.patch)
        shrink = math.sqrt(self.patch**2 * self.most / (width * height))
        across, down = width * shrink / self.patch, height * shrink / self.patch
        shrink *= min(max(1, math.floor(across)) / across, max(1, math.floor(down)) / down)
        return min(self.most, _squares(width * shrink, height * shrink, self.patch))


@cache
def formulas() -> dict[str, Formula]:
    """All formulas by name."""
    return dict(tables.section("image_tokens", Formula))


def image_tokens(formula: str | None, width: int, height: int) -> Range:
    """What a picture of `width` x `height` px, as it is sent, costs by the formula of this name; a range where there is none."""
    if formula is not None:
        count = formulas()[formula].count(width, height)
        return Range(count, count)
    counts = [known.count(width, height) for known in formulas().values() if known.multiplier < 2 and known.each < 2000]
    return Range(min(counts), max(counts))


def _squares(width: float, height: float, side: int) -> int:
    """Squares of `side` px that cover the picture; a hair's breadth of rounding does not make another one."""
    return math.ceil(width / side - 1e-9) * math.ceil(height / side - 1e-9)
