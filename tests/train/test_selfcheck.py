"""The check of a recipe without a GPU: the real 7B on the meta device, batches, prompts, launch files, memory."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UserError
from bench.train.recipe import load_recipe
from bench.train.selfcheck import check
from tests.train.recipes import RECIPES, table, written

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def lines(folder: Path, **changes: Any) -> list[str]:
    return check(load_recipe(written(folder, table("qwen2.5-vl-7b", **changes))))


def gb(report: list[str], name: str) -> float:
    """The size in GB in the line of the table that starts with `name`."""
    line = next(line for line in report if line.strip().startswith(f"{name}  "))
    return float(line[: line.index(" GB")].split()[-1])


def test_the_papers_recipe_fits() -> None:
    report = check(load_recipe("qwen2.5-vl-7b"))
    text = "\n".join(report)
    assert "128 completions = 16 puzzles x 8 = 8 GPUs x 4 x 4; 500 steps = 1.00 times the data" in text
    assert "prompt: at most 1024 image tokens" in text
    assert "model: 8.292 B parameters, 8.292 B of them trained" in text
    assert gb(report, "weights") == gb(report, "gradients") == pytest.approx(2 * 8.292 / 8, abs=0.05)
    assert gb(report, "AdamW") == pytest.approx(12 * 8.292 / 8, abs=0.06)
    assert gb(report, "vLLM") == 32.0
    assert gb(report, "peak, update") < 80 > gb(report, "peak, rollout")
    assert "warning" not in text


def test_bounded_pictures_take_fewer_tokens(tmp_path: Path) -> None:
    report = "\n".join(lines(tmp_path, policy__max_pixels=448 * 448))
    assert "prompt: at most 256 image tokens" in report  # a quarter of those of 896 px


def test_the_tiny_recipe() -> None:
    report = check(load_recipe("tiny"))
    assert any("128 completions = 8 puzzles x 16 = CPU x 128 x 1" in line for line in report)


def test_a_folder_is_checked_with_its_own_architecture(tmp_path: Path) -> None:
    from bench.train.tiny.model import build

    folder = build(tmp_path / "model", ["a b"])
    report = "\n".join(check(load_recipe("tiny"), f"hf/{folder}"))
    assert "prompt: at most 36 image tokens" in report
    assert "memory: not estimated for a CPU" in report


def test_adapters_need_less(tmp_path: Path) -> None:
    report = lines(tmp_path, lora__r=16)
    # 28 layers of q (3584 -> 3584), k and v (3584 -> 512) and o (3584 -> 3584)
    trained = 28 * 16 * (2 * (3584 + 3584) + 2 * (3584 + 512))
    assert f"{trained / 1e9:.3f} B of them trained" in "\n".join(report)
    assert gb(report, "AdamW") < 0.1
    with pytest.raises(UserError, match=r"lora\.targets: expected to match linear layers"):
        lines(tmp_path, lora__targets="nothing")


def test_one_gpu_is_too_small_for_full_weights(tmp_path: Path) -> None:
    report = lines(tmp_path, launch__gpus=1, launch__accelerate=None, grpo__bf16=False)
    assert any(line.startswith("warning: ") and "in an update is more than 80 GB" in line for line in report)
    assert gb(report, "weights") == pytest.approx(4 * 8.292, abs=0.05)


def test_sampling_without_vllm_and_on_a_server(tmp_path: Path) -> None:
    options = {f"grpo__{key}": None for key in table("qwen2.5-vl-7b")["grpo"] if key.startswith("vllm_")}
    plain = lines(tmp_path, launch__vllm="", **options)
    assert gb(plain, "weights gathered to sample") == pytest.approx(16.6, abs=0.05)
    served = lines(tmp_path, launch__vllm="server")
    assert gb(served, "rollouts") == 0
    awake = lines(tmp_path, grpo__vllm_enable_sleep_mode=False)
    assert gb(awake, "peak, update") == pytest.approx(gb(served, "peak, update") + 32, abs=0.11)


def test_vllm_gets_room_for_the_weights(tmp_path: Path) -> None:
    assert any("vLLM needs at least 17 GB and gets 16" in line for line in lines(tmp_path, grpo__vllm_gpu_memory_utilization=0.2))


def test_longer_sequences_and_no_checkpointing_take_more(tmp_path: Path) -> None:
    base = check(load_recipe("qwen2.5-vl-7b"))
    longer = lines(tmp_path, grpo__max_completion_length=8192, grpo__vllm_max_model_length=10240)
    assert gb(longer, "activations, text") > 2 * gb(base, "activations, text")
    kept = lines(tmp_path, grpo__gradient_checkpointing=False)
    assert gb(kept, "activations, text") > 5 * gb(base, "activations, text")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grpo__num_generations": 7}, r"num_generations|whole groups"),
        ({"grpo__num_generations": 1}, r"at least 2 generations"),
        ({"grpo__lr_scheduler_type": "constan"}, r"grpo: TRL refuses it: .*constan"),
        ({"grpo__max_prompt_length": 2048}, r"has no such option"),
        ({"grpo__vllm_max_model_length": 3000}, r"vllm_max_model_length: expected at least 1024 \+ \d+ \+ 2048 tokens"),
        ({"launch__gpus": 4}, r"num_processes: expected 4 as in launch\.gpus, found 8"),
        ({"launch__accelerate": None}, r"launch\.accelerate: expected a file for 8 GPUs"),
        ({"launch__accelerate": "none.yaml"}, r"expected a file beside the recipe, found no 'none\.yaml'"),
        ({"grpo__bf16": False}, r"mixed_precision: expected 'no' as in \[grpo\], found 'bf16'"),
    ],
)
def test_what_does_not_add_up_is_told_in_one_line(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        lines(tmp_path, **changes)
    assert "\n" not in str(caught.value)


def test_the_launch_file_is_accelerates_own(tmp_path: Path) -> None:
    loading: Any = import_module("accelerate.commands.config.config_args")
    config = loading.load_config_from_file(str(RECIPES / "accelerate-zero3.yaml"))
    assert isinstance(config, loading.ClusterConfig)
    assert (config.distributed_type.value, config.num_processes, config.mixed_precision) == ("DEEPSPEED", 8, "bf16")
    assert config.deepspeed_config["zero_stage"] == 3
    fsdp = loading.load_config_from_file(str(RECIPES / "accelerate-fsdp.yaml"))
    assert (fsdp.distributed_type.value, fsdp.num_processes, fsdp.mixed_precision) == ("FSDP", 8, "bf16")
    assert gb(lines(tmp_path, launch__accelerate="accelerate-fsdp.yaml"), "weights") == pytest.approx(2 * 8.292 / 8, abs=0.05)
    shutil.copy(RECIPES / "accelerate-zero3.yaml", tmp_path / "own.yaml")
    (tmp_path / "own.yaml").open("a").write("nonsense: 1\n")
    with pytest.raises(UserError, match=r"own\.yaml: expected a configuration of accelerate, found an error: .*nonsense"):
        lines(tmp_path, launch__accelerate="own.yaml")


@pytest.mark.parametrize(
    ("file", "given", "made", "message"),
    [
        ("zero3", "zero3_save_16bit_model: true", "zero3_save_16bit_model: false", r"zero3_save_16bit_model: expected true"),
        ("fsdp", "fsdp_version: 2", "fsdp_version: 1", r"fsdp_version: expected 2, .* found 1"),
    ],
)
def test_a_launch_that_could_not_save_its_weights_is_refused(file: str, given: str, made: str, message: str, tmp_path: Path) -> None:
    text = (RECIPES / f"accelerate-{file}.yaml").read_text(encoding="utf-8")
    assert given in text
    (tmp_path / "own.yaml").write_text(text.replace(given, made), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        lines(tmp_path, launch__accelerate="own.yaml")
