"""The families by name: one line each. Importing this module imports no drawing until a family draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from bench.errors import UserError
from bench.suggest import did_you_mean
from tasks.family import Family
from tasks.kit.notation import same_answer

_CLASSES: Mapping[str, str] = {
    "board_tile": "tasks.families.board_tile:BoardTile",
    "calendar": "tasks.families.calendar:Calendar",
    "chain_link": "tasks.families.chain_link:ChainLink",
    "checker_move": "tasks.families.checker_move:CheckerMove",
    "clock": "tasks.families.clock:Clock",
    "colour_hue": "tasks.families.colour_hue:ColourHue",
    "map": "tasks.families.map:Map",
    "maze": "tasks.families.maze:Maze",
    "move_box": "tasks.families.move_box:MoveBox",
    "n_queens": "tasks.families.n_queens:NQueens",
    "number_slide": "tasks.families.number_slide:NumberSlide",
    "rotting_kiwi": "tasks.families.rotting_kiwi:RottingKiwi",
    "rubiks_cube": "tasks.families.rubiks_cube:RubiksCube",
    "think_dot": "tasks.families.think_dot:ThinkDot",
    "tower_of_hanoi": "tasks.families.tower_of_hanoi:TowerOfHanoi",
    "water_jugs": "tasks.families.water_jugs:WaterJugs",
    "wheel_of_fortune": "tasks.families.wheel_of_fortune:WheelOfFortune",
    "wood_slide": "tasks.families.wood_slide:WoodSlide",
}

FAMILIES: tuple[str, ...] = tuple(_CLASSES)
"""Names of all generated families, in the order of the tables."""


@cache
def family(name: str) -> Family[Any]:
    """The family called `name`.

    Raises:
        UserError: no generated family has that name.
    """
    if name not in _CLASSES:
        raise UserError(f"unknown family {name!r}{did_you_mean(name, FAMILIES)}: expected one of {', '.join(FAMILIES)}")
    module, _, cls = _CLASSES[name].partition(":")
    return getattr(import_module(module), cls)()


def same_for(name: str) -> Callable[[str, str], bool]:
    """The answer equivalence of family `name`, which may also be a family of a public set that is not generated here."""
    return family(name).same if name in _CLASSES else same_answer
