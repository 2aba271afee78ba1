"""Recipes: what the shipped ones say, and that nothing wrong in one goes through or is answered with more than a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.digest import digest
from bench.errors import UserError
from bench.mode import Mode
from bench.train.recipe import load_recipe, shipped
from bench.train.trl_options import grpo_options
from tasks.suites import MINI_FAMILIES, SuiteSpec
from tests.conftest import ROOT
from tests.train.recipes import table, written

IN = ["clock", "maze", "move_box", "n_queens"]
OUT = ["checker_move", "number_slide", "rotting_kiwi", "tower_of_hanoi", "water_jugs"]


def test_the_shipped_recipes_are_known_by_name() -> None:
    assert shipped() == ("qwen2.5-vl-7b", "tiny")
    assert all(load_recipe(name).name == name for name in shipped())


def test_the_papers_setting() -> None:
    recipe = load_recipe("qwen2.5-vl-7b")
    asked = ("max_steps", "learning_rate", "temperature", "beta", "max_completion_length", "vllm_max_model_length")
    assert [recipe.grpo[key] for key in asked] == [500, 1e-6, 1.0, 0.0, 2048, 4096]
    assert recipe.launch.gpus * recipe.grpo["per_device_train_batch_size"] * recipe.grpo["gradient_accumulation_steps"] == 128
    assert recipe.data.counts == dict.fromkeys(IN, 2000)
    assert set(recipe.data.in_domain) | set(recipe.data.out_of_domain) == set(MINI_FAMILIES)
    assert recipe.lora is None


def test_the_tiny_recipe_draws_small_pictures_of_the_first_level() -> None:
    recipe = load_recipe("tiny")
    assert recipe.data.spec == SuiteSpec("mini@1", level=1, n=300, split="train")
    assert recipe.data.chosen_levels == (1,)
    assert recipe.sweep.evaluate.modes == (Mode.IMAGE, Mode.CAPTION, Mode.ORACLE, Mode.READBACK, Mode.BLIND)
    assert SuiteSpec.parse(recipe.sweep.evaluate.words) == recipe.sweep.evaluate.spec == SuiteSpec("mini@1", 101, 1, 40)


@pytest.mark.parametrize(("wrong", "why"), [([], "at least one"), ([0.0, 0.0], "each once"), ([-1.0], "greater than or equal to 0")])
def test_an_evaluation_has_temperatures(tmp_path: Path, wrong: list[float], why: str) -> None:
    with pytest.raises(UserError, match=rf"sweep\.evaluate\.temperatures.*{why}"):
        load_recipe(written(tmp_path, table(sweep__evaluate__temperatures=wrong)))


def test_a_suite_gives_counts_levels_and_seed(tmp_path: Path) -> None:
    data = load_recipe(written(tmp_path, table(data__set="mini:n=7,seed=3,level=2", data__suite=None, data__levels=None))).data
    assert data.spec == SuiteSpec("mini", 3, 2, 7, "train")
    assert data.counts == dict.fromkeys(IN, 7)
    assert data.chosen_levels == (2,)


def test_the_nine_of_the_paper_or_the_whole_suite_are_evaluated(tmp_path: Path) -> None:
    from tasks.suites import GENERATED

    others = [name for name in GENERATED["algo"].families if name not in IN]
    changes: dict[str, Any] = {"data__suite": "algo", "data__levels": None, "sweep__evaluate__suite": "algo:seed=9"}
    assert load_recipe(written(tmp_path, table("tiny", **changes))).data.out_of_domain == tuple(OUT)
    assert load_recipe(written(tmp_path, table(**changes, data__out_of_domain=others))).data.out_of_domain == tuple(others)
    with pytest.raises(UserError, match="found them without"):
        load_recipe(written(tmp_path, table(**changes, data__out_of_domain=others[:-1])))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"data__degrade": ["blur=900"]}, r"data\.degrade: expected damage that leaves something visible, found blur=900$"),
    ({"data__degrade": ["fog=1"]}, r"expected one of blur, .*, found 'fog=1'$"),
    ({"data__degrade": [], "data__clean": 0.5}, r"data\.clean: expected none without data\.degrade"),
    ({"data__degrade": ["blur=1"], "data__clean": 1.0}, r"data\.clean: expected less than 1"),
    ({"sweep__controls": [{"name": "noise", "data": {"sett": "x"}}]}, r"sweep\.controls noise: data\.sett: unknown key"),
    (
        {"sweep__controls": [{"name": "vanilla", "reward": "noise"}]},
        r"sweep\.controls: expected names of their own, found 'vanilla' twice$",
    ),
    ({"sweep__controls": [{"name": "other", "reward": "luck"}]}, r"unknown reward 'luck'"),
    ({"sweep__evaluate__caption_prompt": "long"}, r"sweep\.evaluate\.caption_prompt: expected one of .*notation, found 'long'$"),
    ({"sweep__evaluate__model": "vllm/mine"}, r"sweep\.evaluate\.model: expected the name of a model with .checkpoint. or .name."),
    ({"sweep__evaluate__model": "vllm/{folder}"}, r"sweep\.evaluate\.model: expected .* found 'vllm/.folder.'$"),
    ({"sweep__evaluate__model": "{name}"}, r"sweep\.evaluate\.model: expected .* found '.name.'$"),
    ({"data__sett": "x"}, r"data\.sett: unknown key; expected one of set, in_domain, out_of_domain, suite, levels, seed, degrade, clean$"),
    ({"extra__x": 1}, r"extra: unknown key; expected one of data, grpo, sweep, stop, launch, lora, policy, evaluate, rollouts$"),
    ({"source": "x"}, r"source: unknown key"),
    ({"sweep__evaluate__nn": 1}, r"sweep\.evaluate\.nn: unknown key; expected one of suite, n, modes"),
    ({"stop__window": 0}, r"stop\.window: .*greater than or equal to 1, found 0"),
    ({"stop__window": "20"}, r"stop\.window: .*integer, found '20'"),
    ({"stop__longest_share": 1.5}, r"stop\.longest_share: .*1\.5"),
    ({"stop__shortest": float("inf")}, r"stop\.shortest: .*finite"),
    ({"data__set": None}, r"data\.set: expected a value, found none"),
    ({"data__set": "puzzlevqa"}, r"data\.set: expected one of clock-3k, diverse-8k, algo, mini, .*found 'puzzlevqa'"),
    ({"data__set": "mini:n=x", "data__levels": None}, r"expected a whole number, found 'x'"),
    ({"data__set": "mini:split=eval"}, r"data\.set: expected split train"),
    ({"data__set": "mini:level=1"}, r"data\.levels: expected none beside the level in set"),
    ({"data__set": "algo:n=5"}, r"data\.suite: expected 'algo' as in set"),
    ({"data__suite": "puzzlevqa"}, r"data\.suite: .*'mini' or 'mini@1'"),
    ({"data__levels": [1, 6]}, r"data\.levels: expected levels 1 to 5, found 6"),
    ({"data__in_domain": ["clock"]}, r"data\.in_domain: expected the families of diverse-8k"),
    ({"data__set": "mini:n=5", "data__in_domain": []}, r"data\.in_domain: expected the families to train on"),
    ({"data__out_of_domain": [*OUT, "clock"]}, r"'clock' twice"),
    ({"data__out_of_domain": OUT[1:]}, r"found them without checker_move"),
    ({"data__out_of_domain": [*OUT, "calendar"]}, r"expected families of suite mini@1 .*found 'calendar'"),
    ({"sweep__evaluate__suite": "mini:split=train"}, r"sweep\.evaluate\.suite: expected split eval"),
    ({"sweep__evaluate__suite": "algopuzzlevqa"}, r"sweep\.evaluate\.suite: expected one of algo, mini"),
    ({"sweep__evaluate__modes": ["image", "images"]}, r"sweep\.evaluate\.modes\.1: .*found 'images'"),
    ({"sweep__evaluate__format": "free"}, r"sweep\.evaluate\.format: .*found 'free'"),
    ({"sweep__rewards": ["mixtur"]}, r"unknown reward 'mixtur'"),
    ({"sweep__rewards": []}, r"sweep\.rewards: expected at least one"),
    ({"sweep__seeds": [1, 1]}, r"sweep\.seeds: .*each once"),
    ({"grpo__output_dir": "x"}, r"grpo\.output_dir: expected to be left out \(the command's --out"),
    ({"grpo__use_vllm": True}, r"grpo\.use_vllm: expected to be left out"),
    ({"grpo__max_steps": None}, r"grpo\.max_steps: expected a number of steps"),
    ({"lora__r": 0}, r"lora\.r: "),
    ({"lora__targets": "("}, r"lora\.targets: expected a regular expression"),
    ({"launch__vllm": "servr"}, r"launch\.vllm: "),
    (
        {"sweep__controls": [{"name": "a", "sedes": [1]}]},
        r"sweep\.controls\.0\.sedes: unknown key; expected one of name, reward, seeds, data",
    ),
    ({"evaluate__evry": 5}, r"evaluate\.evry: unknown key; expected one of suite, n, modes, .*every, families, best, load_best$"),
    ({"evaluate__best": "imgae"}, r"evaluate\.best: expected one of image, .*seeing, thinking, picture, found 'imgae'$"),
    ({"evaluate__best": "image.blur-1"}, r"evaluate\.best: .*found 'image\.blur-1'$"),
    ({"evaluate__load_best": True}, r"evaluate\.load_best: expected false without evaluate\.every"),
    ({"evaluate__suite": "mini:split=train"}, r"evaluate\.suite: expected split eval"),
    ({"evaluate__suite": "puzzlevqa"}, r"evaluate\.suite: expected one of algo, mini"),
    ({"evaluate__temperatures": [0.0, 1.0]}, r"evaluate\.temperatures: expected one"),
    ({"evaluate__families": ["clocks"]}, r"evaluate\.families: expected families of suite mini .*found 'clocks'$"),
    ({"evaluate__degrade": ["fog=1"]}, r"expected one of blur"),
    ({"policy__equal_groups": "skip"}, r"policy\.equal_groups: .*'count' or 'drop'"),
    ({"policy__equal_groups": "drop", "grpo__loss_type": "grpo"}, r"policy\.equal_groups: expected 'count' with loss_type 'grpo'"),
    ({"policy__freeze_vision": True, "lora__r": 4}, r"policy\.freeze_vision: expected false beside \[lora\]"),
    ({"policy__max_pixels": 0}, r"policy\.max_pixels: .*greater than or equal to 1"),
    ({"grpo__eval_strategy": "steps"}, r"grpo\.eval_strategy: expected to be left out \(\[evaluate\] every decides it: held-out puzzles"),
    ({"grpo__load_best_model_at_end": True}, r"grpo\.load_best_model_at_end: expected to be left out \(\[evaluate\] load_best"),
    ({"grpo__save_only_model": True}, r"grpo\.save_only_model: expected to be left out \(a run could not be resumed"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[next(iter(changes)) for changes, _ in WRONG])
def test_what_is_wrong_is_told_in_one_line_with_file_and_key(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = written(tmp_path, table("tiny", **changes))
    with pytest.raises(UserError, match=message) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_what_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"recipe 'tyny': expected qwen2.5-vl-7b or tiny or a TOML file, found No such file"):
        load_recipe("tyny")
    with pytest.raises(UserError, match="found Is a directory"):
        load_recipe(tmp_path)
    (bad := tmp_path / "bad.toml").write_bytes(b"[data\n")
    with pytest.raises(UserError, match="expected TOML"):
        load_recipe(bad)
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="expected TOML"):
        load_recipe(bad)


def test_the_hash_is_of_what_is_decided(tmp_path: Path) -> None:
    tiny = load_recipe(written(tmp_path, table()))
    assert load_recipe(written(tmp_path, table(sweep__seeds=[7], sweep__evaluate__n=3))).sha256 == tiny.sha256
    assert load_recipe(written(tmp_path, table(stop__equal_steps=50, data__seed=0, launch__gpus=0))).sha256 == tiny.sha256
    beside = {"evaluate__every": 5, "rollouts__every": 1, "policy__freeze_vision": False, "stop__untagged_steps": 20}
    assert load_recipe(written(tmp_path, table("tiny", **beside))).sha256 == tiny.sha256
    for changes in ({"policy__freeze_vision": True}, {"policy__max_pixels": 9000}, {"stop__untagged_steps": 21}):
        assert load_recipe(written(tmp_path, table("tiny", **changes))).sha256 != tiny.sha256


def test_recipes_keep_the_hash_that_they_had() -> None:
    """Keys that came later are no part of it where they say nothing new: a sweep that was begun before them goes on."""
    for name in shipped():
        recipe = load_recipe(name)
        first = {key: recipe.resolved[key] for key in ("data", "grpo", "stop", "launch", "lora")}
        first["stop"] = {key: first["stop"][key] for key in ("equal_steps", "shortest", "longest_share", "window")}
        assert recipe.sha256 == digest(first)


@given(st.sampled_from(["data__seed", "grpo__max_steps", "stop__window", "lora__r"]), st.integers(3, 10**6))
def test_every_decision_changes_the_hash(key: str, value: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        first = load_recipe(written(Path(folder), table()))
        changed = load_recipe(written(Path(folder), table("tiny", **{key: value})))
    shared = {"grpo__max_steps": 200, "stop__window": 20}
    assert (changed.sha256 == first.sha256) == (shared.get(key) == value)


def test_reading_needs_no_torch_and_no_trl() -> None:
    code = (
        "import sys, bench.train.data; from bench.train.recipe import load_recipe; load_recipe('qwen2.5-vl-7b');"
        "print(sorted({'torch', 'transformers', 'trl', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_options_are_those_of_the_installed_trl() -> None:
    tiny, large = load_recipe("tiny"), load_recipe("qwen2.5-vl-7b")
    ours = {"remove_unused_columns": False, "save_total_limit": 2, "ddp_timeout": 1800}
    assert grpo_options(tiny) == {**tiny.grpo, **ours}
    assert grpo_options(large) == {**large.grpo, **ours, "use_vllm": True, "vllm_mode": "colocate"}


def test_little_is_lost_to_a_kill_where_a_recipe_says_nothing(tmp_path: Path) -> None:
    options = grpo_options(load_recipe(written(tmp_path, table(grpo__save_steps=None))))
    assert (options["save_steps"], options["save_total_limit"]) == (20, 2)
    options = grpo_options(load_recipe(written(tmp_path, table(grpo__save_steps=500, grpo__save_total_limit=9))))
    assert (options["save_steps"], options["save_total_limit"]) == (500, 9)


def test_processes_wait_longer_where_one_of_them_evaluates(tmp_path: Path) -> None:
    waits: list[dict[str, Any]] = [{}, {"evaluate__every": 5}, {"evaluate__every": 5, "grpo__ddp_timeout": 60}]
    found = [grpo_options(load_recipe(written(tmp_path, table(**changes))))["ddp_timeout"] for changes in waits]
    assert found == [1800, 14400, 60]


@pytest.mark.parametrize("known", ["tensorboard", "none", ["tensorboard"]])
def test_loggers_are_named(known: Any, tmp_path: Path) -> None:
    assert grpo_options(load_recipe(written(tmp_path, table(grpo__report_to=known))))["report_to"] == known


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("all", r"grpo\.report_to: expected tensorboard, wandb, mlflow, trackio or none, found 'all'$"),
        ("wandbb", r"found 'wandbb' \(did you mean 'wandb'\?\)$"),
        (["tensorboard", "none"], r"or none alone, found 'none'$"),
        *[
            (name, rf"grpo\.report_to: {name} is not installed: run  pip install {name}  or name another logger$")
            for name in ("wandb", "mlflow")
        ],
        (["tensorboard", "trackio"], r"trackio is not installed"),
    ],
)
def test_a_logger_that_is_not_there_is_told_in_one_line(wrong: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wandb", "mlflow", "trackio"):
        monkeypatch.setitem(sys.modules, name, None)  # as where it is not installed
    with pytest.raises(UserError, match=message):
        grpo_options(load_recipe(written(tmp_path, table(grpo__report_to=wrong))))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("max_completion_len", 5, r"grpo\.max_completion_len: TRL .* has no such option; the nearest is max_completion_length$"),
        ("max_prompt_length", 5, r"grpo\.max_prompt_length: TRL"),
        ("learning_rate", "1e-6", r"grpo\.learning_rate: expected float, found '1e-6'"),
        ("max_steps", 1.5, r"grpo\.max_steps: expected int, found 1\.5"),
        ("bf16", 1, r"grpo\.bf16: expected bool \\| None, found 1"),
    ],
)
def test_an_option_that_trl_does_not_know(key: str, value: Any, message: str, tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, table("tiny", **{f"grpo__{key}": value})))
    with pytest.raises(UserError, match=message):
        grpo_options(recipe)
