"""The warm start: what is learned from, what is not, and that a model learns."""

from __future__ import annotations

import importlib
import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UserError
from bench.models.local.processor import load_processor
from bench.train.provenance import checkpoint_sha256
from bench.train.tiny import warmstart
from bench.train.tiny.lessons import lesson
from bench.train.tiny.make import Base, Sitting, corpus, load_base, make_base, sitting_puzzles
from bench.train.tiny.model import build
from bench.train.tiny.warmstart import MIXED, SEEING, Learned, Schedule, Stage, warm_start
from tasks.suites import SuiteSpec, load_suite
from tests.train.test_tiny import SMALL

PUZZLES = load_suite(SuiteSpec.parse("mini:n=4,split=train,level=1")).puzzles


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    return build(tmp_path / "model", corpus(PUZZLES), size=SMALL)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_loss_falls_and_all_weights_move(fresh: Path, workers: int) -> None:
    load: Any = importlib.import_module("transformers").AutoModelForImageTextToText
    before = {name: tensor.clone() for name, tensor in load.from_pretrained(fresh, dtype="float32").state_dict().items()}
    seen: list[Learned] = []
    schedule = Schedule((Stage(30, SEEING), Stage(10, MIXED)), batch=4, learning_rate=3e-3, warmup=5, workers=workers)
    warm_start(fresh, PUZZLES, schedule, report=seen.append, every=10)
    assert [learned.step for learned in seen] == [10, 20, 30, 40]
    assert seen[2].loss < 0.8 * seen[0].loss
    after = load.from_pretrained(fresh, dtype="float32").state_dict()
    assert [name for name in before if bool((before[name] == after[name]).all())] == []


def test_the_same_seed_gives_the_same_weights(fresh: Path, tmp_path: Path) -> None:
    other = shutil.copytree(fresh, tmp_path / "other")
    for folder in (fresh, other):
        warm_start(folder, PUZZLES, Schedule((Stage(3, MIXED),), batch=2, seed=5))
    assert checkpoint_sha256(str(fresh)) == checkpoint_sha256(str(other))


def test_a_puzzle_of_the_evaluation_split_is_refused(fresh: Path) -> None:
    with pytest.raises(ValueError, match="evaluation"):
        warm_start(fresh, load_suite(SuiteSpec.parse("mini:n=1")).puzzles, Schedule((Stage(1, SEEING),)))


def test_it_stops_where_it_is_told_to(fresh: Path) -> None:
    seen: list[Learned] = []
    warm_start(fresh, PUZZLES, Schedule((Stage(50, SEEING),), batch=2, until=3), report=seen.append, every=10)
    assert [learned.step for learned in seen] == [3]


def test_a_loss_that_is_no_number_is_an_error(fresh: Path) -> None:
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        warm_start(fresh, PUZZLES, Schedule((Stage(30, SEEING),), batch=2, learning_rate=1e30, warmup=1))


def test_only_replies_are_learned(fresh: Path) -> None:
    """Labels cover the reply and its end, and nothing of the prompt, the picture or the padding."""
    torch: Any = importlib.import_module("torch")
    processor = load_processor(str(fresh))
    rng = random.Random(0)
    taught = [lesson(puzzle, kind, rng) for puzzle, kind in zip(PUZZLES, ("seen", "read", "rewarded", "guessed"), strict=False)]
    desk = warmstart._Desk(processor)  # pyright: ignore[reportPrivateUsage]
    spelled = [warmstart._spell(processor.tokenizer, one) for one in taught]  # pyright: ignore[reportPrivateUsage]
    made = warmstart._tensors(torch, desk, spelled)  # pyright: ignore[reportPrivateUsage]
    for one, labels, tokens, mask in zip(taught, made["labels"], made["input_ids"], made["attention_mask"], strict=True):
        assert processor.tokenizer.decode(labels[labels != -100]) == f"{one.reply}<|im_end|>"
        shown = processor.tokenizer.decode(tokens[mask.bool()])
        assert shown.startswith("<|im_start|>user\n")
        assert ("<|image_pad|>" in shown) == one.picture
    pictures = sum(one.picture for one in taught)
    assert len(made["image_grid_thw"]) == pictures
    assert int((made["input_ids"] == processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")).sum()) == len(made["pixel_values"])


def test_the_prompt_is_what_the_trainer_and_the_harness_send(fresh: Path) -> None:
    """Prompts are spelled by hand for speed: they must be the chat template's."""
    processor = load_processor(str(fresh))
    taught = lesson(PUZZLES[0], "solved", random.Random(1))
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": taught.prompt}]}]
    templated = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert warmstart._spell(processor.tokenizer, taught).before == processor.tokenizer(templated).input_ids  # pyright: ignore[reportPrivateUsage]


def test_families_are_drawn_by_their_shares(fresh: Path) -> None:
    schedule = Schedule((Stage(60, SEEING),), batch=4, families={"clock": 8.0, "maze": 0.0})
    tokenizer = load_processor(str(fresh)).tokenizer
    drawn = Counter(s.lesson.puzzle.family for batch in warmstart._batches(PUZZLES, schedule, tokenizer, 0) for s in batch)  # pyright: ignore[reportPrivateUsage]
    assert drawn["maze"] == 0
    assert drawn["clock"] == pytest.approx(240 * 8 / 15, abs=40)


# -- the base checkpoint -----------------------------------------------------------------------------------------------------------------
SITTING = Sitting(seed=1, puzzles={"1": 2, "2": 1}, stages=(Stage(2, SEEING),), batch=2)


def test_a_base_is_made_in_sittings(tmp_path: Path) -> None:
    lines: list[str] = []
    made = make_base(tmp_path / "first", Base((SITTING,), size=SMALL), lines.append)
    record = json.loads((made / "training.json").read_text())
    assert [len(record["sittings"]), record["sittings"][0]["distinct"]] == [1, 27]
    assert record["sittings"][0]["curve"][-1]["step"] == 2
    assert lines[0].startswith("sitting 0: step 2, loss ")
    safetensors: Any = importlib.import_module("safetensors.torch")
    assert {str(tensor.dtype) for tensor in safetensors.load_file(made / "model.safetensors").values()} == {"torch.float16"}
    again = make_base(tmp_path / "second", Base((SITTING, SITTING), size=SMALL), lines.append, start=made, first=1)
    assert len(json.loads((again / "training.json").read_text())["sittings"]) == 2
    with pytest.raises(UserError, match="not empty"):
        make_base(made, Base((SITTING,)), lines.append)


def test_puzzles_of_a_sitting_are_fresh_and_never_of_the_evaluation() -> None:
    puzzles = sitting_puzzles(SITTING)
    assert {puzzle.split for puzzle in puzzles} == {"train"}
    assert Counter(puzzle.level for puzzle in puzzles) == {1: 18, 2: 9}
    assert len({puzzle.id for puzzle in puzzles}) == 27


def test_the_shipped_recipe_of_the_base_can_be_read() -> None:
    assert load_base().sittings


def test_a_broken_recipe_of_a_base_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("sittings = 3\nsleep = 8\n")
    with pytest.raises(UserError, match=r"mine\.toml: not a recipe"):
        load_base(tmp_path / "mine.toml")
