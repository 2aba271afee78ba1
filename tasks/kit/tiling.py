"""Tilings: random convex regions that fill a square, and which of them share an edge.

A tiling is a Voronoi diagram of a shaken lattice, taken only if no edge is so short that it could be overlooked. Corners are whole numbers,
so that neighbours meet in exactly the same points and a tiling can be stored and compared without rounding.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

Border = tuple[int, int]
"""Two regions, counted from 1, the smaller first."""
Corner = tuple[int, int]
Point = tuple[float, float]
T = TypeVar("T")

UNIT = 100_000
"""Corners are whole numbers from 0 to this, rightwards and downwards."""
_SHORTEST = 0.035
"""Shortest edge of a region, as a share of the side: 30 px of 896."""


def tiling(rng: random.Random, rows: Sequence[int]) -> tuple[tuple[tuple[Corner, ...], ...], tuple[Border, ...]]:
    """Polygons that fill the square, none with an edge shorter than `_SHORTEST`, and which of them share an edge."""
    while True:
        seeds = _shaken_lattice(rng, rows)
        for _ in range(20):
            cells: list[list[Point]] = []
            while len(cells) < len(seeds) and _long_edged(cell := _cell(len(cells), seeds)):
                cells.append(cell)
            if len(cells) == len(seeds):
                layout = tuple(tuple((round(x * UNIT), round(y * UNIT)) for x, y in cell) for cell in cells)
                return layout, shared_edges(layout)
            x, y = seeds[len(cells)]
            seeds[len(cells)] = (_within(x + rng.uniform(-0.05, 0.05)), _within(y + rng.uniform(-0.05, 0.05)))


def _long_edged(cell: Sequence[Point]) -> bool:
    return all(math.dist(a, b) >= _SHORTEST for a, b in edges(cell))


def _within(at: float) -> float:
    return min(0.97, max(0.03, at))


def _shaken_lattice(rng: random.Random, rows: Sequence[int]) -> list[Point]:
    widest, shake = max(rows), 0.2
    seeds = [
        ((k + (0.5 if count == widest else 1) + rng.uniform(-shake, shake)) / widest, (row + 0.5 + rng.uniform(-shake, shake)) / len(rows))
        for row, count in enumerate(rows)
        for k in range(count)
    ]
    return [(y, x) for x, y in seeds] if rng.random() < 0.5 else seeds


def _cell(at: int, seeds: Sequence[Point]) -> list[Point]:
    """The Voronoi cell of a seed within the unit square: the square cut by the bisectors towards the other seeds, nearest first."""
    seed = seeds[at]
    cell: list[Point] = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    for other in sorted((other for other in seeds if other is not seed), key=lambda other: math.dist(seed, other)):
        if math.dist(seed, other) > 2 * max(math.dist(seed, corner) for corner in cell):
            break  # this bisector and all later ones pass outside the cell
        cell = _cut(cell, ((seed[0] + other[0]) / 2, (seed[1] + other[1]) / 2), (other[0] - seed[0], other[1] - seed[1]))
    return cell


def _cut(polygon: Sequence[Point], through: Point, beyond: Point) -> list[Point]:
    """The part of a convex polygon behind the line `through` a point, seen in the direction `beyond` (Sutherland and Hodgman, 1974)."""
    ahead = [(x - through[0]) * beyond[0] + (y - through[1]) * beyond[1] for x, y in polygon]
    kept: list[Point] = []
    for k, (x, y) in enumerate(polygon):
        before = k - 1
        if (ahead[k] <= 0) != (ahead[before] <= 0):
            t = ahead[before] / (ahead[before] - ahead[k])
            (x0, y0) = polygon[before]
            kept.append((x0 + t * (x - x0), y0 + t * (y - y0)))
        if ahead[k] <= 0:
            kept.append((x, y))
    return kept


def edges(corners: Sequence[T]) -> Iterator[tuple[T, T]]:
    """Each corner of a polygon with the next one, the last with the first."""
    return zip(corners, [*corners[1:], corners[0]], strict=True)


def shared_edges(layout: Sequence[Sequence[Corner]]) -> tuple[Border, ...]:
    """Which polygons have an edge in common."""
    owners: dict[tuple[Corner, Corner], list[int]] = {}
    for number, corners in enumerate(layout, 1):
        for a, b in edges(corners):
            owners.setdefault((min(a, b), max(a, b)), []).append(number)
    return tuple(sorted({(pair[0], pair[1]) for pair in owners.values() if len(pair) == 2}))
