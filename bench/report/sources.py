"""What a report asks of the floor above it, which alone knows families, public sets and prices (`bench.publish`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

Line = Mapping[str, Any]
"""A line of a run directory's file, as plain JSON data."""


@dataclass(frozen=True, slots=True)
class CaptionFacts:
    """How a caption compares with what the picture shows.

    Attributes:
        right: number of facts stated as they are.
        wrong: (slot, what the picture shows, what the caption says); the second is "" for a slot that the picture does not have.
        lost: (slot, what the picture shows) of facts not stated.
        recovered: whether the caption reads back as the whole picture.
    """

    right: int
    wrong: tuple[tuple[str, str, str], ...]
    lost: tuple[tuple[str, str], ...]
    recovered: bool


def _no_picture(_: Line, __: int) -> None:
    return None


def _no_facts(_: Line, __: str) -> None:
    return None


def _no_cost(_: str, __: int, ___: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Sources:
    """What a report cannot know by itself; each answers None where it does not know.

    Attributes:
        picture: (line of `puzzles.jsonl`, side in px) -> encoded picture, or one drawn with about that longer side.
        facts: (line of `puzzles.jsonl`, caption) -> comparison.
        cost: (model, tokens in, tokens out) -> USD.
    """

    picture: Callable[[Line, int], bytes | Image.Image | None] = _no_picture
    facts: Callable[[Line, str], CaptionFacts | None] = _no_facts
    cost: Callable[[str, int, int], float | None] = _no_cost
