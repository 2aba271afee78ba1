"""The small model: its size, its tokenizer, and that it loads as any checkpoint does."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.train.tiny.make import corpus
from bench.train.tiny.model import TAGS, Size, build, make_tokenizer, sizes
from tasks.suites import SuiteSpec, load_suite

PUZZLES = load_suite(SuiteSpec.parse("mini:n=8,split=train")).puzzles
SMALL = Size(text_width=64, text_layers=2, text_heads=2, text_hidden=96, vision_width=32, vision_layers=1, vision_heads=2, vision_hidden=48)


@cache
def tokenizer() -> Any:
    return make_tokenizer(corpus(PUZZLES))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("tiny") / "model", corpus(PUZZLES[::4]))


def test_the_model_has_one_to_eight_million_parameters(checkpoint: Path) -> None:
    found = sizes(checkpoint)
    assert 1_000_000 <= found["all"] <= 8_000_000
    assert found["all"] == found["vision"] + found["text"]
    assert found["vision"] > 0.2 * found["all"]


def test_it_is_the_real_architecture_and_loads_by_name(checkpoint: Path) -> None:
    transformers: Any = importlib.import_module("transformers")
    assert type(transformers.AutoModelForImageTextToText.from_pretrained(checkpoint)).__name__ == "Qwen2_5_VLForConditionalGeneration"
    rope = transformers.AutoConfig.from_pretrained(checkpoint).text_config.rope_parameters
    assert sum(rope["mrope_section"]) == 16  # half of a head of 32 dimensions


def test_weights_follow_the_seed(tmp_path: Path) -> None:
    from bench.train.provenance import checkpoint_sha256

    made = [checkpoint_sha256(str(build(tmp_path / str(number), ["a b"], size=SMALL, seed=seed))) for number, seed in enumerate((0, 0, 1))]
    assert made[0] == made[1] != made[2]


@given(st.text(max_size=60))
def test_any_text_survives(text: str) -> None:
    assert tokenizer().decode(tokenizer()(text).input_ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) == text


@pytest.mark.parametrize("tag", TAGS)
def test_tags_are_one_token_and_survive_decoding(tag: str) -> None:
    ids = tokenizer()(tag).input_ids
    assert len(ids) == 1
    assert tokenizer().decode(ids, skip_special_tokens=True) == tag


def test_a_puzzle_costs_tens_of_tokens() -> None:
    lengths = [len(tokenizer()(puzzle.description).input_ids) for puzzle in PUZZLES]
    letters = [len(puzzle.description or "") for puzzle in PUZZLES]
    assert sum(lengths) * 2 < sum(letters)
    assert max(lengths) < 80


def test_numbers_up_to_99_are_one_token() -> None:
    for number in range(100):
        assert len(tokenizer()(str(number)).input_ids) == 1
