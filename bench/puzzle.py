"""A puzzle: one instance, frozen data only.

What makes, draws, describes, reads and solves a puzzle is its family (`tasks.family`); what is logged is this record. Its `id` is a hash of
its content, so runs made on different days, from different directories or in another order pair up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.digest import digest
from bench.image import ImageRef


@dataclass(frozen=True)
class Puzzle:
    """One question about one image.

    Attributes:
        id: "suite/family/hash of the content".
        suite: name of the suite ("algo", "puzzlevqa", ...), without parameters.
        family: registry name of what made it ("clock").
        question: what is asked, without options and without what the image carries.
        options: distinct answers to choose from, in their stored order, the right one among them; strings also where a file held integers.
        answer: the right answer, as it stands in `options`.
        image: reference to the picture; pixels load late.
        state: the latent state as plain JSON data (`Family.dump`), or None where the set carries none.
        description: ground-truth text that may stand for the image, or None.
        level: difficulty 1-5, or None for public sets.
        seed: what the instance was sampled with, or None for public sets.
        split: "eval", "train", ...: instances of two splits never share a seed.
        sufficient: whether `description` is known to carry all that the answer needs; where false, no gap may be claimed from it.
        further: pictures after the first, in the order in which the question counts them; most puzzles have none.
    """

    id: str
    suite: str
    family: str
    question: str
    options: tuple[str, ...]
    answer: str
    image: ImageRef
    state: Mapping[str, Any] | None
    description: str | None
    level: int | None
    seed: int | None
    split: str
    sufficient: bool = True
    further: tuple[ImageRef, ...] = ()

    @property
    def pictures(self) -> tuple[ImageRef, ...]:
        """All pictures, in the order in which they are sent."""
        return (self.image, *self.further)


def puzzle_line(puzzle: Puzzle) -> dict[str, Any]:
    """What a run directory stores of `puzzle`: everything but its picture, of which it names the source."""
    row = {name: getattr(puzzle, name) for name in Puzzle.__dataclass_fields__ if name not in ("image", "further")}
    first, *further = ({"source": image.source, "drawn": image.drawn} for image in puzzle.pictures)
    return {**row, "image": first, **({"further": further} if further else {})}


def stored_puzzle(line: Mapping[str, Any]) -> Puzzle:
    """The puzzle of a stored line, without its picture.

    Raises:
        KeyError, TypeError: the line is no puzzle's.
    """
    fields = {name: line[name] for name in Puzzle.__dataclass_fields__ if name in line and name not in ("image", "options", "further")}
    image, *further = (ImageRef(stored["source"], _no_picture) for stored in (line["image"], *line.get("further", ())))
    return Puzzle(**fields, options=tuple(line["options"]), image=image, further=tuple(further))


def _no_picture() -> bytes:
    raise FileNotFoundError("a stored puzzle has no picture")


def puzzle_id(suite: str, family: str, content: Any) -> str:
    """The id of a puzzle of `suite` and `family` whose identifying content (state or image hash, question, options) is `content`."""
    return f"{suite}/{family}/{digest(content)[:16]}"
