"""The commands about training, as `bench.commands.run`: parsed arguments in, exit code out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bench import env
from bench.commands.console import open_error_console
from bench.errors import UserError
from bench.train.rewards import reward_called
from bench.visible import on_screen

if TYPE_CHECKING:
    from bench.train.recipe import Recipe


def train(arguments: argparse.Namespace) -> int:
    """`train`: one run, a sweep, the recipe's check of itself (--dry-run), or what there is to learn (--diagnose)."""
    from bench.train.recipe import load_recipe

    recipe = load_recipe(arguments.recipe)
    console = open_error_console(quiet=not env.first_process())
    model = arguments.model or recipe.launch.model
    if arguments.dry_run:
        from bench.train.selfcheck import check

        for line in check(recipe, model):
            print(on_screen(line))  # noqa: T201
        return 0
    if arguments.diagnose:
        return _diagnose(arguments, recipe, model)
    for name, value, why in (
        ("--reward", arguments.reward, "the name of a reward, or all"),
        ("--model", model, "the checkpoint to start from, since the recipe names none"),
        ("--out", arguments.out, "a folder for what is trained"),
    ):
        if not value:
            raise UserError(f"train: {name}: expected {why}, found nothing")
    out = Path(arguments.out)
    if arguments.reward == "all":
        from bench.train.sweep.run import Sweep, run_sweep

        if arguments.seed is not None:
            raise UserError(f"train: --seed: expected none with --reward all, since the recipe names the seeds, found {arguments.seed}")
        if run_sweep(Sweep(recipe, recipe.sweep.rewards, model, out), console) is not None:
            print(on_screen((out / "sweep.md").read_text(encoding="utf-8")))  # noqa: T201
        return 0
    from bench.train.checkpoints import RunFolder
    from bench.train.grpo import Training, train

    seed = arguments.seed if arguments.seed is not None else recipe.sweep.seeds[0]
    try:
        folder = train(Training(recipe, reward_called(arguments.reward).name, model, out, seed, arguments.resume))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(RunFolder.of(out).way_on()) from None
    console.print(f"checkpoint {folder}  curves {folder / 'curves.png'}  try it: --model hf/{folder}", highlight=False, markup=False)
    return 0


def _diagnose(arguments: argparse.Namespace, recipe: Recipe, model: str) -> int:
    """`train --diagnose`: of one reward, or of all that the recipe's sweep trains."""
    from bench.train.signal import diagnose

    if not model:
        raise UserError("train: --model: expected the checkpoint to sample from, since the recipe names none, found nothing")
    rewards = recipe.sweep.rewards if arguments.reward in (None, "all") else (arguments.reward,)
    for line in diagnose(recipe, rewards, model):
        print(on_screen(line))  # noqa: T201
    return 0
