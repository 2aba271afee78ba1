"""Recipes for tests: the shipped tiny one on the paper's diverse-8k drawn small, with some of its keys changed."""

from __future__ import annotations

import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import bench.train

DIVERSE = {
    "set": "diverse-8k",
    "suite": "mini",
    "levels": [1, 2],
    "seed": 0,
    "in_domain": ["clock", "maze", "move_box", "n_queens"],
    "out_of_domain": ["checker_move", "number_slide", "rotting_kiwi", "tower_of_hanoi", "water_jugs"],
}
RECIPES = Path(bench.train.__path__[0]) / "recipes"


def table(name: str = "tiny", **changes: Any) -> dict[str, Any]:
    """The shipped recipe `name` as a table; `data__seed=3` sets `[data] seed`, None drops a key."""
    made = tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8"))
    if name == "tiny":
        made["data"] = deepcopy(DIVERSE)
    for path, value in changes.items():
        *tables, key = path.split("__")
        place = made
        for part in tables:
            place = place.setdefault(part, {})
        if value is None:
            del place[key]
        else:
            place[key] = value
    return made


def written(folder: Path, content: dict[str, Any]) -> Path:
    """`content` as a TOML file in `folder`."""
    path = folder / "mine.toml"
    path.write_text("".join(_section((), content)), encoding="utf-8")
    return path


def _section(name: tuple[str, ...], content: dict[str, Any]) -> list[str]:
    lines = [f"[{'.'.join(name)}]\n"] if name else []
    lines += [f"{key} = {_value(value)}\n" for key, value in content.items() if not isinstance(value, dict)]
    for key, value in content.items():
        if isinstance(value, dict):
            lines += _section((*name, key), cast("dict[str, Any]", value))
    return lines


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, cast('list[Any]', value)))}]"
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return "{" + ", ".join(f"{key} = {_value(entry)}" for key, entry in pairs) + "}"
    return f"'{value}'" if isinstance(value, str) else repr(value)
