"""Training data: how many of what, never what an evaluation asks, and rows as TRL takes them."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.digest import digest
from bench.errors import UserError
from bench.image import ImageRef
from bench.prompt import reward_prompt
from bench.puzzle import Puzzle
from bench.train import data
from bench.train.data import COLUMNS, check_fresh, data_sha256, distinct_states, training_puzzles, training_set
from bench.train.recipe import Recipe, load_recipe
from tasks.suites import EVAL_SHARE, Suite, SuiteSpec, load_suite, make_puzzle
from tests.train.recipes import table, written


def small(folder: Path, n: int = 6, **changes: Any) -> Recipe:
    return load_recipe(written(folder, table("tiny", **{"data__set": f"mini:n={n}", "sweep__evaluate__n": 5, **changes})))


FAMILIES = ("clock", "maze", "move_box", "n_queens")


@pytest.fixture(scope="module")
def diverse(tmp_path_factory: pytest.TempPathFactory) -> tuple[Puzzle, ...]:
    """What `diverse-8k` begins with, a quarter of it: the whole takes half a minute to draw."""
    recipe = load_recipe(written(tmp_path_factory.mktemp("recipe"), table(data__set="mini:n=500")))
    return training_puzzles(recipe)


def test_diverse_8k_small(diverse: tuple[Puzzle, ...], tmp_path: Path) -> None:
    assert load_recipe(written(tmp_path, table())).data.counts == dict.fromkeys(FAMILIES, 2000)
    assert Counter(puzzle.family for puzzle in diverse) == dict.fromkeys(FAMILIES, 500)
    assert {(puzzle.split, puzzle.suite) for puzzle in diverse} == {("train", "mini@2")}
    assert {puzzle.level for puzzle in diverse} == {1, 2}
    assert distinct_states(diverse) == dict.fromkeys(FAMILIES, 500)
    assert diverse[0].image.info.width == 84


def test_a_spent_level_leaves_its_share_to_the_others(tmp_path: Path) -> None:
    others = [*table()["data"]["out_of_domain"], "clock", "maze", "move_box"]
    asked = table(data__set="mini:n=2000", data__in_domain=["n_queens"], data__out_of_domain=others)
    puzzles = training_puzzles(load_recipe(written(tmp_path, asked)))
    assert distinct_states(puzzles) == {"n_queens": 2000}
    queens = Counter(puzzle.level for puzzle in puzzles)
    assert queens[1] < 700 < 1300 < queens[2]  # there are about 620 fresh boards of level 1


def test_families_are_mixed(diverse: tuple[Puzzle, ...]) -> None:
    assert len({puzzle.family for puzzle in diverse[:32]}) == 4


def test_no_state_of_any_evaluation_seed_is_trained_on(diverse: tuple[Puzzle, ...]) -> None:
    trained = {(puzzle.family, digest(puzzle.state)) for puzzle in diverse}
    for seed in (101, 7):
        asked = load_suite(SuiteSpec("mini", seed, None, 100), families=sorted({puzzle.family for puzzle in diverse})).puzzles
        assert not trained & {(puzzle.family, digest(puzzle.state)) for puzzle in asked}
    assert all(int(content[:8], 16) % EVAL_SHARE for _, content in trained)


def test_clock_3k(tmp_path: Path) -> None:
    others = [*table()["data"]["out_of_domain"], "maze", "move_box", "n_queens"]
    recipe = load_recipe(written(tmp_path, table(data__set="clock-3k", data__in_domain=["clock"], data__out_of_domain=others)))
    puzzles = training_puzzles(recipe)
    assert Counter(puzzle.family for puzzle in puzzles) == distinct_states(puzzles) == {"clock": 3000}


def test_the_check_finds_what_an_evaluation_asks(tmp_path: Path) -> None:
    puzzles, asked = training_puzzles(small(tmp_path)), load_suite(SuiteSpec("mini", 101, None, 5)).puzzles
    check_fresh(puzzles, asked)
    leaked = replace(puzzles[0], family=asked[0].family, state=asked[0].state)
    with pytest.raises(UserError, match="expected a state that no evaluation asks about"):
        check_fresh([*puzzles, leaked], asked)
    with pytest.raises(UserError, match="expected a state that no evaluation asks about"):
        check_fresh(asked[:1], [])


def test_training_stops_at_a_leak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(tmp_path)
    leak = training_puzzles(recipe)[:1]

    def leaking(spec: SuiteSpec) -> Suite:
        return Suite(spec.name, leak)

    monkeypatch.setattr(data, "load_suite", leaking)
    with pytest.raises(UserError, match="no evaluation asks about"):
        training_puzzles(recipe)


def test_spent_families_repeat_their_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A family with 4 fresh states at one level and 3 at the other, of which 20 puzzles are asked."""
    room = {1: 4, 2: 3}

    def few(spec: SuiteSpec, name: str, *, level: int, index: int, side: int, seen: set[str]) -> Puzzle:
        for attempt in range(room[level]):
            state = f"level {level} state {attempt}"
            if state not in seen:
                seen.add(state)
                return replace(made, id=f"{index}", level=level, state={"state": state})
        raise UserError("spent")

    made = make_puzzle(SuiteSpec("mini", split="train"), "clock", level=1, index=0, side=84, seen=set())
    monkeypatch.setattr(data, "make_puzzle", few)
    recipe = small(tmp_path, 20)
    puzzles = [puzzle for puzzle in training_puzzles(recipe) if puzzle.family == "clock"]
    assert len(puzzles) == 80  # the stand-in calls all four families clocks
    assert distinct_states(puzzles) == {"clock": 7}
    assert max(Counter(digest(puzzle.state) for puzzle in puzzles).values()) == 4 * 3  # ceil(20 / 7) in each of the four
    room.update({1: 0, 2: 0})
    with pytest.raises(UserError, match="spent"):
        training_puzzles(recipe)


def test_same_recipe_same_puzzles_and_another_seed_others(tmp_path: Path) -> None:
    first, again = training_puzzles(small(tmp_path)), training_puzzles(small(tmp_path))
    other, suite = training_puzzles(small(tmp_path, data__seed=1)), training_puzzles(small(tmp_path, data__set="mini:n=6,seed=1"))
    hashes = [data_sha256(puzzles) for puzzles in (first, again, other, suite, first[::-1])]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4
    assert {puzzle.id for puzzle in other} == {puzzle.id for puzzle in suite}


def test_rows_are_what_trl_takes(tmp_path: Path) -> None:
    from trl.data_utils import is_conversational, prepare_multimodal_messages  # pyright: ignore

    puzzles = training_puzzles(small(tmp_path))
    rows: Any = training_set(puzzles, "perception")
    assert tuple(rows.column_names) == COLUMNS
    assert len(rows) == len(puzzles) == 24
    for row, puzzle in zip((rows[index] for index in range(4)), puzzles, strict=False):
        assert tuple(row) == COLUMNS
        assert isinstance(row["image"], Image.Image)
        assert (row["image"].mode, max(row["image"].size)) == ("RGB", 84)
        assert row["prompt"] == [{"role": "user", "content": reward_prompt("perception", puzzle)}]
        assert (row["family"], row["answer"], json.loads(row["state"])) == (puzzle.family, puzzle.answer, puzzle.state)
        assert is_conversational(row)
        parts: Sequence[dict[str, Any]] = prepare_multimodal_messages(row["prompt"], images=[row["image"]])[0]["content"]
        assert [part["type"] for part in parts] == ["image", "text"]
        assert parts[0]["image"] is row["image"]


def test_pictures_are_drawn_late_and_shared_by_a_group(tmp_path: Path) -> None:
    puzzles = training_puzzles(small(tmp_path))
    drawn: list[str] = []

    def counted(puzzle: Puzzle) -> Puzzle:
        def load() -> bytes:
            drawn.append(puzzle.id)
            return puzzle.image.data()

        return replace(puzzle, image=ImageRef("counted", load))

    rows: Any = training_set([counted(puzzle) for puzzle in puzzles], "mixture")
    assert drawn == []
    assert rows.with_format(None)["family"][:2] == [puzzle.family for puzzle in puzzles[:2]]
    assert drawn == []
    batch = rows.__getitems__([3] * 8 + [5] * 8)
    assert drawn == [puzzles[3].id, puzzles[5].id]
    assert batch[0]["image"] is batch[7]["image"]
    assert batch[8]["image"].tobytes() == rows[5]["image"].tobytes()


def test_a_data_set_goes_to_a_worker(tmp_path: Path) -> None:
    rows: Any = training_set(training_puzzles(small(tmp_path)), "vanilla")
    assert pickle.loads(pickle.dumps(rows))[2]["image"].tobytes() == rows[2]["image"].tobytes()


def test_a_puzzle_without_a_state_has_none(tmp_path: Path) -> None:
    puzzle = replace(training_puzzles(small(tmp_path))[0], state=None)
    assert training_set([puzzle], "vanilla")[0]["state"] is None


def test_an_unknown_reward() -> None:
    with pytest.raises(UserError, match="unknown reward 'mixtur'"):
        training_set((), "mixtur")


# -- damage ------------------------------------------------------------------------------------------------------------------------------
def test_the_share_of_clean_pictures_is_kept_and_the_puzzles_are_the_same(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"data__set": "mini@1:level=1,n=40", "data__suite": None, "data__levels": None}
    plain = load_recipe(written(tmp_path, table("tiny", **changes)))
    hurt = load_recipe(written(tmp_path, table("tiny", **changes, data__degrade=["blur=1,2", "noise=0.2"], data__clean=0.25)))
    clean, damaged = training_puzzles(plain), training_puzzles(hurt)
    assert [puzzle.id for puzzle in clean] == [puzzle.id for puzzle in damaged]
    kinds = Counter(puzzle.image.source.partition(" ")[2] for puzzle in damaged)
    assert set(kinds) == {"", "(blur=1)", "(blur=2)", "(noise=0.2)"}
    assert kinds[""] / len(damaged) == pytest.approx(0.25, abs=0.12)
    assert data_sha256(clean) != data_sha256(damaged) == data_sha256(training_puzzles(hurt))
    rows = training_set(damaged, "vanilla")
    number = next(index for index, puzzle in enumerate(damaged) if puzzle.image.source.endswith("(blur=2)"))
    assert rows[number]["image"].tobytes() != training_set(clean, "vanilla")[number]["image"].tobytes()
    assert rows[number]["level"] == 1
