"""The flags of `run`, made of the options in `bench.config`: one definition each, whoever spells it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from bench.config import PARTS, Option, RunConfig, as_flag, options, read_toml


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every option, in a group for each part; what is not given leaves no attribute."""
    parser.add_argument("--config", metavar="FILE.toml", default=None, help="options from a file; flags win over it (default: no file)")
    groups = {part: parser.add_argument_group((part.__doc__ or "").rstrip(".").lower()) for part in PARTS}
    for option in options():
        _add(groups[option.part], option)
    parser.add_argument("--modes", dest="modes", default=argparse.SUPPRESS, help=argparse.SUPPRESS)  # what people type for --mode


def run_config(arguments: argparse.Namespace, defaults: Mapping[str, object] | None = None) -> RunConfig:
    """The configuration that the arguments of `run` spell: flags, then `--config`, then `defaults`, then what every option defaults to.

    Raises:
        UserError: a value of the wrong kind, or values that contradict each other; the message names the flag.
    """
    given = {option.name: getattr(arguments, option.name) for option in options() if hasattr(arguments, option.name)}
    file = read_toml(Path(arguments.config)) if getattr(arguments, "config", None) else {}
    return RunConfig.of({**(defaults or {}), **file, **given}, spell=as_flag)


def _add(group: argparse._ArgumentGroup, option: Option) -> None:  # pyright: ignore[reportPrivateUsage]
    text = f"{option.help} (default: {_shown(option)})".replace("%", "%%")
    if isinstance(option.default, bool):
        group.add_argument(
            option.spelled,
            dest=option.name,
            action="store_const",
            const=not option.default,
            default=argparse.SUPPRESS,
            help=_switch(option),
        )
    else:
        action = "append" if option.flag.repeatable else "store"
        metavar = option.flag.metavar or option.name.upper()
        group.add_argument(option.spelled, dest=option.name, action=action, metavar=metavar, default=argparse.SUPPRESS, help=text)


def _switch(option: Option) -> str:
    return option.flag.shown or option.help if option.default else f"{option.help} (default: off)"


def _shown(option: Option) -> str:
    """The default as a person would write it."""
    default = option.default
    if default is None or default == ():
        return option.flag.shown or "none"
    if isinstance(default, tuple):
        return ",".join(str(part) for part in default)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return str(default.value if isinstance(default, Enum) else default).removesuffix(".0")
