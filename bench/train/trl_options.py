"""What a recipe's `[grpo]` means to the TRL that is installed: every option known there and of the type that it wants."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from bench.errors import UserError
from bench.extras import optional
from bench.suggest import did_you_mean
from bench.train.recipe import Recipe


def grpo_options(recipe: Recipe) -> dict[str, Any]:
    """`[grpo]` and what `[launch]` says of vLLM, as keyword arguments of the installed `trl.GRPOConfig`, known there and of its types.

    Raises:
        UserError: an option that this TRL does not know, with the nearest that it does, or a value of another type.
        MissingExtraError: TRL is not installed.
    """
    config: Any = optional("trl", "train").GRPOConfig
    hints = get_type_hints(config)
    known = [entry.name for entry in fields(config) if entry.init]
    for key, value in recipe.grpo.items():
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.0)[0]
            version = optional("trl", "train").__version__
            raise UserError(f"{recipe.source}: grpo.{key}: TRL {version} has no such option; the nearest is {near}")
        if not _fits(hints[key], value):
            raise UserError(f"{recipe.source}: grpo.{key}: expected {_type_name(hints[key])}, found {value!r}")
    served = {"use_vllm": True, "vllm_mode": recipe.launch.vllm} if recipe.launch.vllm else {}
    check_loggers(recipe)
    waits = {"ddp_timeout": EVALUATION_TIMEOUT_S} if recipe.evaluate.every else {}
    return {**DEFAULTS, **waits, **recipe.grpo, **served, "remove_unused_columns": False}


DEFAULTS: Mapping[str, Any] = {"save_steps": 20, "save_total_limit": 2, "ddp_timeout": 1800}
"""Where a recipe says nothing: little is lost to a kill, and the disk does not fill up. TRL saves every 500 steps and keeps all."""
EVALUATION_TIMEOUT_S = 14400
"""`ddp_timeout` where a recipe evaluates and says nothing: so long the other processes wait for the one that asks."""

LOGGERS: Mapping[str, str] = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow", "trackio": "trackio"}
"""Loggers by name, and the package that each needs; "none" for no logger."""


def check_loggers(recipe: Recipe) -> None:
    """Make sure that the loggers of `report_to` are known and installed.

    Raises:
        UserError: an unknown name, or a package that is not installed; the message says how to install it.
    """
    asked: Any = recipe.grpo.get("report_to", "none")
    names = cast("list[Any]", asked) if isinstance(asked, list) else [asked]
    for name in names:
        if name == "none" and len(names) == 1:
            continue
        if name not in LOGGERS:
            expected = f"{', '.join(LOGGERS)} or none{' alone' * (name == 'none')}"
            raise UserError(f"{recipe.source}: grpo.report_to: expected {expected}, found {name!r}{did_you_mean(str(name), LOGGERS)}")
        if importlib.util.find_spec(LOGGERS[name]) is None:
            raise UserError(
                f"{recipe.source}: grpo.report_to: {name} is not installed: run  pip install {LOGGERS[name]}  or name another logger"
            )


def _fits(hint: Any, value: Any) -> bool:
    """Whether `value` is of the type that TRL annotates, where that is a type that can be checked."""
    try:
        TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError:
        return False
    except (PydanticSchemaGenerationError, PydanticUserError):
        return True
    return True


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
