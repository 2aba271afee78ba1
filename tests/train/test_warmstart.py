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
from bench.train.tiny.draw import Drawing, Stage, batches, drawn, encoder, spell
from bench.train.tiny.lessons import lesson
from bench.train.tiny.make import Base, Session, corpus, load_base, make_base, session_puzzles
from bench.train.tiny.model import build
from bench.train.tiny.warmstart import MIXED, SEEING, Learned, Schedule, warm_start
from tasks.suites import SuiteSpec, load_suite
from tests.train.test_tiny import SMALL

PUZZLES = load_suite(SuiteSpec.parse("mini:n=4,split=train,level=1")).puzzles


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    return build(tmp_path / "model", corpus(PUZZLES), size=SMALL)


@pytest.mark.parametrize("drawers", [0, 2])
def test_the_loss_falls_and_all_weights_move(fresh: Path, drawers: int) -> None:
    load: Any = importlib.import_module("transformers").AutoModelForImageTextToText
    before = {name: tensor.clone() for name, tensor in load.from_pretrained(fresh, dtype="float32").state_dict().items()}
    seen: list[Learned] = []
    schedule = Schedule((Stage(30, SEEING), Stage(10, MIXED)), batch=4, learning_rate=3e-3, warmup=5, drawers=drawers)
    warm_start(fresh, PUZZLES, schedule, report=seen.append, every=10)
    assert [learned.step for learned in seen] == [10, 20, 30, 40]
    assert seen[2].loss < 0.9 * seen[0].loss
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


def drawing(tokenizer: Any, *stages: Stage, batch: int = 4, families: dict[str, float] | None = None) -> Drawing:
    sizes = [(puzzle.image.info.width, puzzle.image.info.height) for puzzle in PUZZLES]
    return Drawing(PUZZLES, sizes, tokenizer, 14, stages, batch, families or {}, 0)


def test_only_replies_are_learned(fresh: Path) -> None:
    """What is learned are replies and their ends, and nothing of the prompt, the picture or the padding."""
    tokenizer = load_processor(str(fresh)).tokenizer
    pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    for batch in drawn(drawing(tokenizer, Stage(20, MIXED)), 0, 1):
        flat = batch.tokens.flatten()
        assert set(flat[batch.learned - 1]) - {tokenizer.pad_token_id}, "a token stands before each"
        starts = {int(index) // batch.tokens.shape[1] for index in batch.learned}
        assert starts == set(range(len(batch.tokens)))
        for number, row in enumerate(batch.tokens):
            mine = [int(index) for index in batch.learned if int(index) // batch.tokens.shape[1] == number]
            assert tokenizer.decode(flat[mine]).endswith("<|im_end|>")
            before = tokenizer.decode(flat[number * batch.tokens.shape[1] : mine[0]])
            assert before.startswith("<|im_start|>user\n")
            assert before.endswith("<|im_start|>assistant\n")
            if len(batch.pictures):
                width, height = (
                    PUZZLES[int(batch.pictures[number])].image.info.width,
                    PUZZLES[int(batch.pictures[number])].image.info.height,
                )
                assert int((row == pad).sum()) == (width // 14) * (height // 14)
                assert row[batch.start] == pad != row[batch.start - 1]
            else:
                assert pad not in row


def test_the_prompt_is_what_the_trainer_and_the_harness_send(fresh: Path) -> None:
    """Prompts are spelled by hand for speed: they must be the chat template's."""
    processor = load_processor(str(fresh))
    taught = lesson(PUZZLES[0], "solved", random.Random(1))
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": taught.prompt}]}]
    templated = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert spell(encoder(processor.tokenizer), 0, taught).before == processor.tokenizer(templated).input_ids


def test_families_are_drawn_by_their_shares(fresh: Path) -> None:
    tokenizer = load_processor(str(fresh)).tokenizer
    asked = drawing(tokenizer, Stage(60, SEEING), families={"clock": 8.0, "maze": 0.0})
    found = Counter(PUZZLES[int(index)].family for batch in drawn(asked, 0, 1) for index in batch.pictures)
    assert found["maze"] == 0
    assert found["clock"] == pytest.approx(240 * 8 / 15, abs=40)


@pytest.mark.parametrize("drawers", [0, 1, 3])
def test_drawers_share_the_steps_of_every_stage(fresh: Path, drawers: int) -> None:
    tokenizer = load_processor(str(fresh)).tokenizer
    asked = drawing(tokenizer, Stage(7, SEEING), Stage(4, {"guessed": 1.0}), batch=2)
    with batches(asked, drawers) as coming:
        made = [next(coming) for _ in range(11)]
    assert [bool(len(batch.pictures)) for batch in made] == [True] * 7 + [False] * 4
    shares = [len(list(drawn(asked, number, max(1, drawers)))) for number in range(max(1, drawers))]
    assert sum(shares) == 11


# -- the base checkpoint -----------------------------------------------------------------------------------------------------------------
SESSION = Session(seed=1, puzzles={"1": 2, "2": 1}, stages=(Stage(2, SEEING),), batch=2)


def test_a_base_is_made_in_sessions(tmp_path: Path) -> None:
    lines: list[str] = []
    made = make_base(tmp_path / "first", Base((SESSION,), size=SMALL), lines.append)
    record = json.loads((made / "training.json").read_text())
    assert [len(record["sessions"]), record["sessions"][0]["distinct"]] == [1, 27]
    assert record["sessions"][0]["curve"][-1]["step"] == 2
    assert lines[0].startswith("session 0: step 2, loss ")
    safetensors: Any = importlib.import_module("safetensors.torch")
    assert {str(tensor.dtype) for tensor in safetensors.load_file(made / "model.safetensors").values()} == {"torch.float16"}
    again = make_base(tmp_path / "second", Base((SESSION, SESSION), size=SMALL), lines.append, start=made, first=1)
    assert len(json.loads((again / "training.json").read_text())["sessions"]) == 2
    with pytest.raises(UserError, match="not empty"):
        make_base(made, Base((SESSION,)), lines.append)


def test_puzzles_of_a_session_are_fresh_and_never_of_the_evaluation() -> None:
    puzzles = session_puzzles(SESSION)
    assert {puzzle.split for puzzle in puzzles} == {"train"}
    assert Counter(puzzle.level for puzzle in puzzles) == {1: 18, 2: 9}
    assert len({puzzle.id for puzzle in puzzles}) == 27


def test_the_shipped_recipe_of_the_base_can_be_read() -> None:
    assert load_base().sessions


def test_a_broken_recipe_of_a_base_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("sessions = 3\nsleep = 8\n")
    with pytest.raises(UserError, match=r"mine\.toml: not a recipe"):
        load_base(tmp_path / "mine.toml")
