"""Recipes: everything that decides a training run, read from TOML, with nothing left over.

A recipe names its data, the options of TRL's `GRPOConfig` word for word, optional LoRA, when the watcher stops a run, what a sweep trains
and how it is evaluated, and how the run is launched. Unknown keys are refused. What the command line or a sweep decides (folders, seeds) is
no part of `[grpo]`. Reading a recipe needs no torch; `bench.train.trl_options` compares `[grpo]` with the TRL that is installed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bench.degrade import parse_doses
from bench.digest import digest
from bench.errors import UserError
from bench.prompt import CAPTION_PROMPTS
from bench.train.rewards import reward_called
from bench.train.settings import (
    NAMED_SETS,
    STRICT,
    Control,
    Data,
    EqualGroups,
    Evaluate,
    HeldOut,
    Launch,
    Lora,
    PolicySettings,
    RolloutSettings,
    StopRule,
    SweepSettings,
)
from tasks.family import LEVELS
from tasks.suites import GENERATED, MINI_FAMILIES, SuiteSpec

OURS: Mapping[str, str] = {
    "output_dir": "the command's --out decides it",
    "seed": "[sweep] seeds decides it",
    "data_seed": "[data] seed orders the puzzles, [sweep] seeds the rest",
    "remove_unused_columns": "the rewards need all columns, so it is always false",
    "reward_weights": "a reward weighs its own parts",
    "use_vllm": "[launch] vllm decides it",
    "vllm_mode": "[launch] vllm decides it",
    "resume_from_checkpoint": "the command's --resume decides it",
    "deepspeed": "[launch] accelerate names the file that configures it",
    "eval_strategy": "[evaluate] every decides it: held-out puzzles are asked in the arms of the diagnosis",
    "eval_steps": "[evaluate] every decides it",
    "eval_on_start": "[evaluate] asks before the first step",
    "do_eval": "[evaluate] every decides it",
    "load_best_model_at_end": "[evaluate] load_best decides it",
    "metric_for_best_model": "[evaluate] best decides it",
    "greater_is_better": "[evaluate] best decides it",
    "save_only_model": "a run could not be resumed; the weights alone are in the run's folder at its end",
}
"""Options of TRL that a recipe may not set, and why."""

_FOLDER = files("bench.train") / "recipes"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe. `grpo` is handed to `trl.GRPOConfig` as it stands; `lora` is None for full weights; `source` is its file."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    data: Data
    grpo: dict[str, Any]
    sweep: SweepSettings
    stop: StopRule = field(default_factory=StopRule)
    launch: Launch = field(default_factory=Launch)
    lora: Lora | None = None
    policy: PolicySettings = field(default_factory=PolicySettings)
    evaluate: HeldOut = field(default_factory=HeldOut)
    rollouts: RolloutSettings = field(default_factory=RolloutSettings)
    name: str = ""
    source: str = ""

    @property
    def resolved(self) -> dict[str, Any]:
        """Everything that is decided, defaults included, as plain JSON data; not the name and the place of the file."""
        content = {key: value for key, value in asdict(self).items() if key not in ("name", "source")}
        return json.loads(json.dumps(content))

    @property
    def sha256(self) -> str:
        """Hash of what decides one training: not the name and the place of the file, nor what is trained, asked and shown besides.

        Keys that came later stand in it only where they say something: a recipe keeps the hash that it had.
        """
        decided = {key: value for key, value in self.resolved.items() if key not in ("sweep", "evaluate", "rollouts")}
        if self.policy == PolicySettings():
            del decided["policy"]
        if self.stop.untagged_steps == StopRule().untagged_steps:
            del decided["stop"]["untagged_steps"]
        return digest(decided)

    def under(self, control: Control) -> Recipe:
        """This recipe with what `control` changes.

        Raises:
            UserError: a key that there is not, or a value that does not fit.
        """
        table = self.resolved
        table["data"] |= control.data
        table["grpo"] |= control.grpo
        try:
            return _RECIPE.validate_json(json.dumps({**table, "name": f"{self.name}, {control.name}", "source": self.source}), strict=True)
        except ValidationError as error:
            raise UserError(f"sweep.controls {control.name}: {_first(error)}") from None

    @property
    def accelerate_file(self) -> Path | None:
        """The file that `[launch] accelerate` names: beside the recipe, else the shipped one; None where it names none.

        Raises:
            UserError: there is no such file.
        """
        if not self.launch.accelerate:
            return None
        for folder in (Path(self.source).parent, Path(str(_FOLDER))):
            if (found := folder / self.launch.accelerate).is_file():
                return found
        raise UserError(f"{self.source}: launch.accelerate: expected a file beside the recipe, found no {self.launch.accelerate!r}")


_RECIPE: TypeAdapter[Recipe] = TypeAdapter(Recipe)


# -- reading -----------------------------------------------------------------------------------------------------------------------------
def shipped() -> tuple[str, ...]:
    """Names of the recipes that come with the project."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml")))


def load_recipe(where: str | Path) -> Recipe:
    """The recipe called `where`: a shipped name ("tiny") or the path of a TOML file.

    Raises:
        UserError: no such recipe, not TOML, an unknown key, or a value that does not fit; the message names file and key.
    """
    name = str(where)
    path = Path(str(_FOLDER / f"{name}.toml")) if name in shipped() else Path(name)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"recipe {name!r}: expected {' or '.join(shipped())} or a TOML file, found {error.strerror or error}") from None
    except ValueError as error:  # of TOML and of UTF-8 alike
        raise UserError(f"{path}: expected TOML, found an error: {error}") from None
    return _recipe(path, table)


def _recipe(path: Path, table: dict[str, Any]) -> Recipe:
    for key in ("name", "source"):
        if key in table:
            raise UserError(f"{path}: {key}: unknown key; expected one of {_known('')}")
    content = json.dumps({**table, "name": path.stem, "source": str(path)}, default=str)  # a TOML date becomes text, and is refused as such
    try:
        recipe = _RECIPE.validate_json(content, strict=True)
    except ValidationError as error:
        raise UserError(f"{path}: {_first(error)}") from None
    try:
        _check_data(recipe)
        _check_sweep(recipe)
        _check_grpo(recipe)
        _check_held_out(recipe)
        _check_policy(recipe)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return recipe


_TABLES = {
    "data": Data,
    "stop": StopRule,
    "sweep": SweepSettings,
    "sweep.evaluate": Evaluate,
    "sweep.controls": Control,
    "policy": PolicySettings,
    "evaluate": HeldOut,
    "rollouts": RolloutSettings,
    "launch": Launch,
    "lora": Lora,
}


def _known(table: str) -> str:
    owner = _TABLES.get(table, Recipe)
    return ", ".join(entry.name for entry in fields(owner) if owner is not Recipe or entry.name not in ("name", "source"))


def _first(error: ValidationError) -> str:
    """What is wrong first, in one line: the key, what was expected, what was found."""
    found = error.errors()[0]
    place = [str(part) for part in found["loc"]]
    if found["type"] == "unexpected_keyword_argument":
        table = ".".join(part for part in place[:-1] if not part.isdigit())
        return f"{'.'.join(place)}: unknown key; expected one of {_known(table)}"
    if found["type"] in ("missing", "missing_argument"):
        return f"{'.'.join(place)}: expected a value, found none"
    return f"{'.'.join(place)}: {found['msg'][0].lower()}{found['msg'][1:]}, found {found['input']!r:.80}"


# -- what the parts must be to each other ------------------------------------------------------------------------------------------------
def _check_data(recipe: Recipe) -> None:
    data = recipe.data
    if data.set in NAMED_SETS:
        trained = tuple(NAMED_SETS[data.set])
        if set(data.in_domain) != set(trained):
            raise UserError(f"data.in_domain: expected the families of {data.set}, {', '.join(trained)}, found {_listed(data.in_domain)}")
    elif data.set.partition(":")[0] not in GENERATED:
        known = ", ".join([*NAMED_SETS, *GENERATED])
        raise UserError(f"data.set: expected one of {known} (suites may have parameters), found {data.set!r}")
    else:
        spec = SuiteSpec.parse(data.set)
        if data.suite not in (None, spec.name):
            raise UserError(f"data.suite: expected {spec.name!r} as in set, or nothing, found {data.suite!r}")
        if "split=" in data.set and spec.split != "train":
            raise UserError(f"data.set: expected split train, or none, found {data.set!r}")
        if spec.level is not None and data.levels:
            raise UserError(f"data.levels: expected none beside the level in set, found {list(data.levels)}")
    _check_damage(data)
    if not data.in_domain:
        raise UserError("data.in_domain: expected the families to train on, found none")
    wrong = [level for level in data.levels if level not in LEVELS]
    if wrong:
        raise UserError(f"data.levels: expected levels {LEVELS[0]} to {LEVELS[-1]}, found {wrong[0]}")
    _check_domains(data, recipe.sweep.evaluate)


def _check_damage(data: Data) -> None:
    """Whether something is left to be seen: a share of clean pictures only beside damage, and no damage that hides everything."""
    for dose in data.doses:
        if dose.hides:
            raise UserError(f"data.degrade: expected damage that leaves something visible, found {dose}")
    if data.clean and not data.degrade:
        raise UserError(f"data.clean: expected none without data.degrade, since all pictures are clean then, found {data.clean:g}")
    if data.clean == 1.0:
        raise UserError("data.clean: expected less than 1 beside data.degrade, which would damage no picture")


def _check_domains(data: Data, evaluate: Evaluate) -> None:
    """Every evaluated family is in one domain: those of the evaluation suite, or the nine of the paper among them."""
    both = [*data.in_domain, *data.out_of_domain]
    twice = next((name for name in both if both.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"data.out_of_domain: expected every family in one place once, found {twice!r} twice")
    if evaluate.suite.partition(":")[0] not in GENERATED:
        raise UserError(f"sweep.evaluate.suite: expected one of {', '.join(GENERATED)} with parameters, found {evaluate.suite!r}")
    families = GENERATED[evaluate.spec.name].families
    unknown = next((name for name in both if name not in families), None)
    if unknown is not None:
        raise UserError(f"data: expected families of suite {evaluate.spec.name} ({', '.join(families)}), found {unknown!r}")
    if set(both) not in (set(families), set(MINI_FAMILIES)):
        missing = [name for name in MINI_FAMILIES if name not in both] or [name for name in families if name not in both]
        raise UserError(
            f"data: expected in_domain and out_of_domain to hold all families of suite {evaluate.spec.name}, or the nine of the paper, "
            f"found them without {', '.join(missing)}"
        )


def _check_sweep(recipe: Recipe) -> None:
    sweep = recipe.sweep
    _once("sweep.rewards", sweep.rewards)
    _once("sweep.seeds", sweep.seeds)
    for name in sweep.rewards:
        reward_called(name)
    _check_controls(recipe)
    _check_evaluate("sweep.evaluate", sweep.evaluate)
    _check_asked(sweep.evaluate.model)


def _once(key: str, values: Sequence[object]) -> None:
    if not values or len(set(values)) < len(values):
        raise UserError(f"{key}: expected at least one, and each once, found {list(map(str, values))}")


def _check_evaluate(table: str, evaluate: Evaluate) -> None:
    _once(f"{table}.modes", evaluate.modes)
    _once(f"{table}.temperatures", evaluate.temperatures)
    parse_doses(evaluate.degrade)
    if evaluate.caption_prompt not in CAPTION_PROMPTS:
        raise UserError(f"{table}.caption_prompt: expected one of {', '.join(CAPTION_PROMPTS)}, found {evaluate.caption_prompt!r}")
    if evaluate.spec.split != "eval":
        raise UserError(f"{table}.suite: expected split eval, or none, found {evaluate.suite!r}")


def _check_held_out(recipe: Recipe) -> None:
    asked = recipe.evaluate
    if asked.suite.partition(":")[0] not in GENERATED:
        raise UserError(f"evaluate.suite: expected one of {', '.join(GENERATED)} with parameters, found {asked.suite!r}")
    _check_evaluate("evaluate", asked)
    if len(asked.temperatures) > 1:
        raise UserError(f"evaluate.temperatures: expected one, since runs are compared by it, found {list(asked.temperatures)}")
    families = GENERATED[asked.spec.name].families
    for name in asked.families:
        if name not in families:
            raise UserError(f"evaluate.families: expected families of suite {asked.spec.name} ({', '.join(families)}), found {name!r}")
    if asked.best not in asked.numbers:
        raise UserError(f"evaluate.best: expected one of {', '.join(asked.numbers)}, found {asked.best!r}")
    if asked.load_best and not asked.every:
        raise UserError("evaluate.load_best: expected false without evaluate.every, since nothing says then which checkpoint is best")


_MEAN_OVER_TOKENS = ("dapo", "bnpo", "cispo", "vespo")
"""Losses that are a mean over tokens, of which those of a group can be left out; the others divide by the number of completions."""


def _check_policy(recipe: Recipe) -> None:
    policy, loss = recipe.policy, recipe.grpo.get("loss_type", "dapo")
    if policy.freeze_vision and recipe.lora is not None:
        raise UserError("policy.freeze_vision: expected false beside [lora], whose targets say what is trained, found true")
    if policy.equal_groups is EqualGroups.DROP and loss not in _MEAN_OVER_TOKENS:
        raise UserError(
            f"policy.equal_groups: expected 'count' with loss_type {loss!r}, whose mean is over completions (drop needs one of "
            f"{', '.join(_MEAN_OVER_TOKENS)}), found 'drop'"
        )


def _check_asked(model: str) -> None:
    """Whether a way to name checkpoints tells them apart, and has no other gaps."""
    if not model:
        return
    try:
        named = {model.format(checkpoint=place, name=place) for place in ("a", "b")}
    except (KeyError, IndexError, ValueError):
        named = set[str]()
    if len(named) < 2 or "/" not in model:
        raise UserError(
            "sweep.evaluate.model: expected the name of a model with {checkpoint} or {name} in it, as in 'vllm/{checkpoint}', "
            f"found {model!r}"
        )


def _check_controls(recipe: Recipe) -> None:
    taken = [*recipe.sweep.rewards, "base"]
    for control in recipe.sweep.controls:
        if control.name in taken:
            raise UserError(f"sweep.controls: expected names of their own, found {control.name!r} twice")
        taken.append(control.name)
        if control.reward:
            reward_called(control.reward)
        made = recipe.under(control)
        _check_data(made)
        _check_grpo(made)


def _check_grpo(recipe: Recipe) -> None:
    if "max_steps" not in recipe.grpo:
        raise UserError("grpo.max_steps: expected a number of steps, found none")
    for key, why in OURS.items():
        if key in recipe.grpo:
            raise UserError(f"grpo.{key}: expected to be left out ({why}), found {recipe.grpo[key]!r}")
    if recipe.lora is not None:
        try:
            re.compile(recipe.lora.targets)
        except re.error as error:
            raise UserError(f"lora.targets: expected a regular expression, found {recipe.lora.targets!r} ({error})") from None


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
