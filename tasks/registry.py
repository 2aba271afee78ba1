"""The families by name: one line each. Importing this module imports no drawing until a family draws.

`FAMILIES` are the families that are generated here. Others join them by `register` (a plug-in, a notebook): they are found by name wherever
a family is, and asked by a suite of their own name, but they are in no pinned suite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from bench import plugins
from bench.errors import UserError
from bench.extras import own
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
"""Names of all families that are generated here, in the order of the tables."""

NEWEST = 2
"""The newest edition of the families here. A suite says of which edition its puzzles are (`tasks.suites`)."""

_FIRST: Mapping[str, str] = {
    "board_tile": "tasks.families.first_edition:FirstBoardTile",
    "calendar": "tasks.families.first_edition:FirstCalendar",
    "chain_link": "tasks.families.first_edition:FirstChainLink",
    "checker_move": "tasks.families.first_edition:FirstCheckerMove",
    "colour_hue": "tasks.families.first_edition:FirstColourHue",
    "maze": "tasks.families.first_edition:FirstMaze",
    "move_box": "tasks.families.first_edition:FirstMoveBox",
    "number_slide": "tasks.families.first_edition:FirstNumberSlide",
    "think_dot": "tasks.families.first_edition:FirstThinkDot",
    "water_jugs": "tasks.families.first_edition:FirstWaterJugs",
    "wheel_of_fortune": "tasks.families.first_edition:FirstWheelOfFortune",
}
"""Families whose first edition asks, draws or samples otherwise."""

SUITE_NAMES: tuple[str, ...] = ("algo", "mini", "algopuzzlevqa", "puzzlevqa")
"""Names that no family may take: those of the suites."""

GROUP = "sightgap.families"
"""Entry-point group of the families that installed packages offer: the entry's name is the family's, its object the class."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REGISTERED: dict[str, Family[Any]] = {}
"""What `register` was given, by name: before the families of this package where it overrides one."""


def register(made: Family[Any] | type[Family[Any]], *, override: bool = False) -> None:
    """Make a family from outside this package known by its `name`, for this process.

    Args:
        made: the family, or its class (which then is called without arguments).
        override: replace the family that has this name, one of `FAMILIES` included.

    Raises:
        UserError: not a family, a name that is no name, is a suite's or is taken.
    """
    member = _member(made)
    if known(member.name) and not override:
        raise UserError(f"family {member.name!r} exists already: choose another name, or register it with override=True")
    _REGISTERED[member.name] = member


def _member(made: Any) -> Family[Any]:
    """A family from outside, called into being where it is a class, with a name that can be used."""
    found: object = made() if isinstance(made, type) else made
    if not isinstance(found, Family):
        raise UserError(f"a family is expected to be a subclass of tasks.family.Family, found {made!r}")
    member = cast(Family[Any], found)
    name = getattr(member, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"family name: expected lower-case letters, digits and underscores, found {name!r} in {type(member).__name__}")
    if name in SUITE_NAMES:
        raise UserError(f"family name {name!r} is the name of a suite: choose another")
    return member


def names() -> tuple[str, ...]:
    """Every family that is known: `FAMILIES`, then what was registered, then what installed packages offer."""
    return tuple(dict.fromkeys((*FAMILIES, *_REGISTERED, *plugins.offered(GROUP))))


def known(name: str) -> bool:
    """Whether there is a family called `name`: generated here, registered, or offered by an installed package.

    Raises:
        UserError: an installed package offers it, and cannot be imported or offers something else.
    """
    return name in _REGISTERED or name in _CLASSES or _from_outside(name) is not None


def family(name: str, edition: int = NEWEST) -> Family[Any]:
    """The family called `name`, as `edition` asks, draws and samples; what it describes, reads and solves is the same in all of them.

    Raises:
        UserError: no family has that name, or a package from outside took one of ours.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name in _CLASSES:
        return _own(name, edition)
    offered = _from_outside(name)
    if offered is None:
        raise UserError(f"unknown family {name!r}{did_you_mean(name, names())}: expected one of {', '.join(names())}")
    return offered


@cache
def _offered() -> frozenset[str]:
    return frozenset(plugins.offered(GROUP))


@cache
def _from_outside(name: str) -> Family[Any] | None:
    """The family that an installed package offers as `name`, imported now; None where none does."""
    offered = plugins.load(GROUP, name)
    if offered is None:
        return None
    member = _member(offered)
    if member.name != name:
        raise UserError(f"plug-in {name!r} ({GROUP}) is a family called {member.name!r}: the two names must agree")
    return member


@cache
def _own(name: str, edition: int) -> Family[Any]:
    if name in _offered():
        plugins.refuse(GROUP, name)
    classes = _FIRST if edition == 1 and name in _FIRST else _CLASSES
    return own(classes[name])()


def same_for(name: str) -> Callable[[str, str], bool]:
    """The answer equivalence of family `name`, which may also be a family of a public set that is not known here."""
    return family(name).same if known(name) else same_answer


def names_for(name: str) -> tuple[str, ...]:
    """The words that answers of family `name` are taken from; none where they are no names, or the family is not known here."""
    return family(name).names if known(name) else ()
