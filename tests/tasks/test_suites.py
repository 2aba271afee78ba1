"""Suites: named, seeded, fresh, and the same in every process and on every machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import chisquare

from bench.digest import digest
from bench.errors import UserError
from tasks.family import LEVELS
from tasks.kit.drawing import encode
from tasks.registry import FAMILIES, family
from tasks.suites import GENERATED, MINI_FAMILIES, SuiteSpec, drawn_by, instance_seed, load_suite
from tasks.tools.export import export_suite
from tests.conftest import ROOT

GOLDEN = Path(__file__).with_name("golden_hashes.json")
"""By version of `algo`, hashes of the first states and of their decoded pixels. `python -m tests.tasks.golden` writes a new version's.

Those of a version that was published never change.
"""
VERSIONS = ("algo@1", "algo@2")


def golden(version: str, name: str) -> dict[str, str]:
    """Hashes of one instance per level: of the states with their texts, and of the pixels at 896 and 84 px."""
    made = family(name, GENERATED[version].edition)
    states: list[Any] = []
    pixels = hashlib.sha256()
    for level in LEVELS:
        suite = load_suite(SuiteSpec(version, 0, level, 1), families=[name])
        puzzle = suite.puzzles[0]
        states.append([puzzle.id, puzzle.state, puzzle.description, puzzle.question, list(puzzle.options), puzzle.answer])
        assert puzzle.state is not None
        for side in (896, 84):
            image = made.draw(made.load(puzzle.state), side)
            pixels.update(f"{image.mode} {image.size}".encode() + image.tobytes())
    return {"states": digest(states), "pixels": pixels.hexdigest()}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FAMILIES)
def test_states_and_pixels_are_the_pinned_ones(name: str, version: str) -> None:
    assert golden(version, name) == json.loads(GOLDEN.read_text())[version][name], (
        f"{version} makes other puzzles of {name} than before: make a new version (tasks.pinned) and pin it by python -m tests.tasks.golden"
    )


@pytest.mark.parametrize(
    ("words", "sha256"),
    [
        ("mini@1:n=4", "4cd5b8d3ea382aff2ea0bbe3e8e38855a0e377c74d386240904ae9a3b33ba101"),
        ("mini@1:seed=101,level=1,n=20", "47058cc95bbe98f5b092190009e2c207bacc72a8176a8915f0575fdeec9427e8"),
        ("mini@2:n=4", "6ff959e150165963e593db9cbf25acb396e0d2aec0535b2d0aa05ecbb2ccb2b5"),
    ],
)
def test_mini_is_the_pinned_one(words: str, sha256: str) -> None:
    assert load_suite(SuiteSpec.parse(words)).sha256 == sha256


def test_a_name_without_a_version_is_the_newest_and_says_so() -> None:
    for name in ("algo", "mini"):
        newest, first = (load_suite(SuiteSpec.parse(f"{words}:n=2"), families=["clock"]) for words in (name, f"{name}@1"))
        assert newest.name == newest.puzzles[0].suite == f"{name}@2"
        assert newest.sha256 == load_suite(SuiteSpec.parse(f"{name}@2:n=2"), families=["clock"]).sha256
        assert first.name == first.puzzles[0].suite == name
        assert first.puzzles[0].id.startswith(f"{name}/clock/")
        assert drawn_by(first.name) is GENERATED[f"{name}@1"]
        assert drawn_by(newest.name) is GENERATED[f"{name}@2"]
    with pytest.raises(UserError, match="unknown suite 'algo@3'"):
        SuiteSpec.parse("algo@3")


@pytest.mark.parametrize("name", MINI_FAMILIES)
def test_mini_shows_and_asks_what_the_shipped_checkpoints_were_trained_on(name: str) -> None:
    """Version 2 of `mini` differs from version 1 in its options alone."""
    made = family(name, 1)
    for puzzle in load_suite(SuiteSpec.parse("mini:n=3,level=1"), families=[name]).puzzles:
        assert puzzle.state is not None
        state = made.load(puzzle.state)
        assert puzzle.question == made.ask(state)
        assert puzzle.image.data() == encode(made.draw(state, 84))


def test_a_suite_is_the_same_in_every_process() -> None:
    code = "from tasks.suites import *; print(load_suite(SuiteSpec.parse('mini:seed=5,n=4')).sha256)"
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "random")
    }
    assert hashes == {load_suite(SuiteSpec.parse("mini:seed=5,n=4")).sha256 + "\n"}


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_seeds_of_two_splits_suites_or_instances_never_meet(data: st.DataObject) -> None:
    names = st.tuples(
        st.sampled_from(["algo", "mini"]), st.sampled_from(["eval", "train", "warm"]), st.integers(0, 5), st.sampled_from(FAMILIES),
        st.sampled_from(LEVELS), st.integers(0, 50), st.integers(0, 3),
    )  # fmt: skip
    one, two = data.draw(names), data.draw(names)
    seeds = [
        instance_seed(SuiteSpec(suite, seed, None, None, split), name, level, index, attempt)
        for suite, split, seed, name, level, index, attempt in (one, two)
    ]
    assert (seeds[0] == seeds[1]) == (one == two)


@pytest.mark.parametrize("name", MINI_FAMILIES)
def test_no_state_is_in_two_splits(name: str) -> None:
    states = {
        split: {digest(dict(p.state or {})) for p in load_suite(SuiteSpec("mini", seed, 1, 30, split), families=[name]).puzzles}
        for split, seed in (("eval", 0), ("train", 1))
    }
    assert len(states["eval"]) == 30
    assert not states["eval"] & states["train"]


def test_the_parameters_of_a_suite_do_what_they_say() -> None:
    suite = load_suite(SuiteSpec.parse("algo:seed=7,level=3,n=6"), families=["clock", "n_queens"])
    assert Counter(p.family for p in suite.puzzles) == {"clock": 6, "n_queens": 6}
    assert {p.level for p in suite.puzzles} == {3}
    other = load_suite(SuiteSpec.parse("algo:seed=8,level=3,n=6"), families=["clock", "n_queens"])
    assert not {p.id for p in suite.puzzles} & {p.id for p in other.puzzles}
    again = load_suite(SuiteSpec.parse("algo:seed=7,level=3,n=6"), families=["clock", "n_queens"], limit=2)
    assert [p.id for p in again.puzzles] == [p.id for p in suite.puzzles if p.id in {q.id for q in again.puzzles}]
    assert len(again.puzzles) == 4


def test_the_answer_stands_anywhere() -> None:
    puzzles = load_suite(SuiteSpec.parse("mini:n=120")).puzzles
    for count in {len(p.options) for p in puzzles}:
        places = Counter(p.options.index(p.answer) for p in puzzles if len(p.options) == count)
        assert chisquare([places[i] for i in range(count)]).pvalue > 1e-4
    assert all(len(set(p.options)) == len(p.options) for p in puzzles)


@pytest.mark.parametrize("words", ["algo:level=1", "mini:level=1", "algo@1:level=1", "mini@1:level=1"])
def test_a_family_with_few_states_gives_what_it_has_and_says_so(words: str) -> None:
    suite = load_suite(SuiteSpec.parse(words), families=["tower_of_hanoi"])
    assert 30 < len(suite.puzzles) < 100
    assert len({digest(dict(puzzle.state or {})) for puzzle in suite.puzzles}) == len(suite.puzzles)
    assert suite.notes == (
        f"tower_of_hanoi has only {len(suite.puzzles)} different puzzles at level 1 in split eval, where 100 were asked for",
    )
    assert load_suite(SuiteSpec.parse(words), families=["tower_of_hanoi"], limit=5).notes == ()


def test_a_family_without_any_state_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.suites._MISSES", 0)
    with pytest.raises(UserError, match="fewer fresh states"):
        load_suite(SuiteSpec.parse("mini:n=50"), families=["clock"])


def test_an_exported_suite_loads_back_equal(tmp_path: Path) -> None:
    import datasets  # pyright: ignore[reportMissingTypeStubs]

    suite = load_suite(SuiteSpec.parse("mini:n=3"))
    export_suite(suite, tmp_path / "out")
    loaded: Any = datasets.load_dataset(str(tmp_path / "out"), split="eval", cache_dir=str(tmp_path / "cache"))  # pyright: ignore[reportUnknownMemberType]
    assert len(loaded) == len(suite.puzzles)
    for row, puzzle in zip(loaded, suite.puzzles, strict=True):
        for column in ("id", "suite", "family", "question", "answer", "description", "level", "seed", "split", "sufficient"):
            assert row[column] == getattr(puzzle, column), column
        assert tuple(row["options"]) == puzzle.options
        assert json.loads(row["state"]) == puzzle.state
        image: Image.Image = row["image"]
        assert image.size == (puzzle.image.info.width, puzzle.image.info.height)
    raw: Any = loaded.cast_column("image", datasets.Image(decode=False))
    assert [row["image"]["bytes"] for row in raw] == [p.image.data() for p in suite.puzzles]
    with pytest.raises(UserError, match="not empty"):
        export_suite(suite, tmp_path / "out")
    assert suite.sha256 in (tmp_path / "out/README.md").read_text()
