"""The pinned suites that are drawn here, and their versions.

Versions: `algo` and `mini` are the newest version of themselves, `algo@1` is the first, puzzle for puzzle. Files name a version as well
(suite and ids "algo@2"), except the first, whose puzzles were written before there were versions: in a file "algo" is version 1. From
version 2 on options are drawn so that they tell nothing (`tasks.options`), and `algo` asks in better English, with clearer pictures
(edition 2 of the families). `mini` keeps edition 1, on which the shipped checkpoints were trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tasks.family import LEVELS, SIDE
from tasks.registry import NEWEST, known

_ALGO_FAMILIES = (
    "board_tile",
    "calendar",
    "chain_link",
    "checker_move",
    "clock",
    "colour_hue",
    "map",
    "maze",
    "move_box",
    "n_queens",
    "number_slide",
    "rotting_kiwi",
    "rubiks_cube",
    "think_dot",
    "tower_of_hanoi",
    "water_jugs",
    "wheel_of_fortune",
    "wood_slide",
)
"""The pinned eighteen, whatever else is generated here."""

MINI_FAMILIES = (
    "checker_move",
    "clock",
    "maze",
    "move_box",
    "n_queens",
    "number_slide",
    "rotting_kiwi",
    "tower_of_hanoi",
    "water_jugs",
)
"""The nine families of the paper; which the ninth is could not be learned, and rotting_kiwi stands in for it."""


@dataclass(frozen=True, slots=True)
class GeneratedSuite:
    """What makes a version of a generated suite.

    Attributes:
        label: its name in files, ids and seeds.
        families: registry names.
        side: longer side of the images in px.
        levels: taken in turn where none is asked for.
        n: puzzles per family.
        edition: of the families' questions and drawings.
        balanced: whether options are drawn so that they tell nothing; in version 1 they are the most tempting wrong answers.
    """

    label: str

    families: tuple[str, ...]
    side: int
    levels: tuple[int, ...]
    n: int = 100
    edition: int = NEWEST
    balanced: bool = True


_ALGO = GeneratedSuite("algo@2", _ALGO_FAMILIES, SIDE, LEVELS)
_MINI = GeneratedSuite("mini@2", MINI_FAMILIES, 84, (1, 2), edition=1)
GENERATED: Mapping[str, GeneratedSuite] = {
    "algo": _ALGO,
    "mini": _MINI,
    "algo@2": _ALGO,
    "algo@1": replace(_ALGO, label="algo", edition=1, balanced=False),
    "mini@2": _MINI,
    "mini@1": replace(_MINI, label="mini", balanced=False),
}
"""The pinned suites as they are asked for: without a version the newest."""


def generated(name: str) -> GeneratedSuite | None:
    """What makes the suite `name`: a pinned one, or the suite of one family that is called like it; None for any other name."""
    if name in GENERATED:
        return GENERATED[name]
    return GeneratedSuite(name, (name,), SIDE, LEVELS) if known(name) else None


def drawn_by(label: str) -> GeneratedSuite | None:
    """What made the puzzles of a file that names its suite `label`; None where they were not drawn here."""
    return next((made for made in GENERATED.values() if made.label == label), None) or generated(label)
