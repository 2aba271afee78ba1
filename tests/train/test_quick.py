"""The quick forward pass and sampler of small models: the same results as transformers', and the original methods for all else."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bench.models.local.processor import load_processor, pixels
from bench.prompt import reward_prompt
from bench.puzzle import Puzzle
from bench.train.tiny.forward import Forward
from bench.train.tiny.quick import quicken
from tasks.suites import SuiteSpec, load_suite
from tests.conftest import ROOT

BASE = ROOT / "results" / "checkpoints" / "tiny-base"
SQUARE = load_suite(SuiteSpec.parse("mini@1:n=1,split=train"), families=["clock", "maze", "n_queens"]).puzzles
WIDE = load_suite(SuiteSpec.parse("mini@1:n=1,split=train"), families=["checker_move"]).puzzles


@pytest.fixture
def model() -> Any:
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)
    return importlib.import_module("transformers").AutoModelForImageTextToText.from_pretrained(BASE, dtype="float32").eval()


def inputs(puzzles: Sequence[Puzzle], side: str = "left") -> Any:
    """Prompts of different lengths, so that there is padding."""
    processor = load_processor(str(BASE))
    chats = [
        [
            {
                "role": "user",
                "content": [{"type": "image", "image": pixels(p.image.data())}, {"type": "text", "text": reward_prompt(style, p)}],
            }
        ]
        for p, style in zip(puzzles, ("perception", "only-accuracy", "mixture"), strict=False)
    ]
    padding = {"padding": True, "padding_side": side}
    return processor.apply_chat_template(
        chats, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt", processor_kwargs=padding
    )


@pytest.mark.parametrize("puzzles", [SQUARE, WIDE], ids=["square", "wide"])
def test_the_forward_pass_is_the_same(model: Any, puzzles: Sequence[Puzzle]) -> None:
    torch: Any = importlib.import_module("torch")
    given = inputs(puzzles, "right")
    start = int((given["input_ids"][0] == model.config.image_token_id).nonzero()[0])
    pictures = torch.tensor(np.stack([np.asarray(pixels(puzzle.image.data())) for puzzle in puzzles]))
    with torch.inference_mode():
        right = model(**given).logits
        found = Forward(model).logits(given["input_ids"], pictures=pictures, start=start)
    shown = given["attention_mask"].bool()
    assert float((right - found)[shown].abs().max()) < 1e-3 * float(right[shown].abs().max())


def test_a_quick_model_answers_and_scores_as_before(model: Any) -> None:
    torch: Any = importlib.import_module("torch")
    given, greedy = inputs(SQUARE), settings(model)
    with torch.inference_mode():
        right, scores = model.generate(**given, generation_config=greedy), model(**given).logits
        assert quicken(model)
        found, quick = model.generate(**given, generation_config=greedy), model(**given).logits
    width = min(right.shape[1], found.shape[1])
    assert bool((right[:, :width] == found[:, :width]).all())
    shown = given["attention_mask"].bool()
    assert float((scores - quick)[shown].abs().max()) < 1e-3 * float(scores[shown].abs().max())


def test_pictures_of_two_sizes_go_the_old_way(model: Any) -> None:
    torch: Any = importlib.import_module("torch")
    given, greedy = inputs([*SQUARE[:1], *WIDE]), settings(model)
    with torch.inference_mode():
        right = model.generate(**given, generation_config=greedy)
        quicken(model)
        assert bool((model.generate(**given, generation_config=greedy) == right).all())


def test_draws_follow_the_model_and_never_what_is_suppressed(model: Any) -> None:
    """At a temperature near 0 a draw is the likeliest token; the likeliest, suppressed, never comes."""
    torch: Any = importlib.import_module("torch")
    given = inputs(SQUARE)
    quicken(model)
    greedy = model.generate(**given, generation_config=settings(model))[:, given["input_ids"].shape[1] :]
    cold = model.generate(**given, generation_config=settings(model, do_sample=True, temperature=1e-4))[:, given["input_ids"].shape[1] :]
    width = min(greedy.shape[1], cold.shape[1])
    assert bool((greedy[:, :width] == cold[:, :width]).all())
    first = int(greedy[0, 0])
    without = model.generate(**given, generation_config=settings(model, suppress_tokens=[first]))
    assert first not in without[:, given["input_ids"].shape[1] :].tolist()[0]
    torch.manual_seed(0)
    drawn = [model.generate(**given, generation_config=settings(model, do_sample=True, temperature=3.0)).tolist() for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_other_models_are_left_alone() -> None:
    transformers: Any = importlib.import_module("transformers")
    assert not quicken(
        transformers.LlamaForCausalLM(transformers.LlamaConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9))
    )


def settings(model: Any, **options: Any) -> Any:
    made = {"do_sample": False, "max_new_tokens": 24, "eos_token_id": model.generation_config.eos_token_id, "pad_token_id": 256}
    sampling = {"top_k": 0, "top_p": 1.0} if options.get("do_sample") else {}
    return importlib.import_module("transformers").GenerationConfig(**made | sampling | options)
