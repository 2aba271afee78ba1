"""Export and back is the identity, for suites of ours and of the user's own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import png
from bench.errors import UserError
from tasks import suites
from tasks.registry import FAMILIES
from tasks.suites import MINI_FAMILIES, Suite, SuiteSpec, load_suite
from tasks.tools.export import export_suite
from tests.tasks.own import charts, load, write_lines


def everything(suite: Suite) -> list[dict[str, Any]]:
    """All that is known of every puzzle, pictures by their bytes."""
    return [
        {name: getattr(puzzle, name) for name in puzzle.__dataclass_fields__ if name not in ("image", "further")}
        | {"pictures": [(image.data(), image.info) for image in puzzle.pictures], "source": puzzle.image.source}
        for puzzle in suite.puzzles
    ]


def assert_round_trip(suite: Suite, folder: Path) -> Suite:
    export_suite(suite, folder)
    again = load(folder)
    assert (again.name, again.sha256, again.captions) == (suite.name, suite.sha256, suite.captions)
    assert everything(again) == everything(suite)
    return again


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(["mini", "algo"]),
    seed=st.integers(0, 10**6),
    split=st.sampled_from(["eval", "train"]),
    level=st.sampled_from([None, 1, 2]),
    families=st.lists(st.sampled_from(FAMILIES), min_size=1, max_size=2, unique=True),
)
def test_a_generated_suite_comes_back_with_oracle_and_readback(
    name: str, seed: int, split: str, level: int | None, families: list[str]
) -> None:
    if name == "mini":
        families = [family for family in families if family in MINI_FAMILIES] or ["clock"]
    suite = load_suite(SuiteSpec(name, seed, level, 2, split), families=families)
    with tempfile.TemporaryDirectory() as folder:
        again = assert_round_trip(suite, Path(folder) / "out")
    assert all(puzzle.description and puzzle.state for puzzle in again.puzzles)


def test_a_set_of_the_users_own_comes_back_several_pictures_included(tmp_path: Path) -> None:
    rows = charts(tmp_path, 6)
    for number, row in enumerate(rows):
        row |= {"pictures": ["pics/1.png", "pics/2.png"][: 1 + number % 2], "id": f"q/{number}", "split": ("a", "b")[number % 2]}
        del row["image"]
    own = load(write_lines(tmp_path / "rows.jsonl", rows), columns={"images": "pictures"})
    assert {len(puzzle.pictures) for puzzle in own.puzzles} == {1, 2}
    assert_round_trip(own, tmp_path / "out")


def test_a_cell_of_an_export_that_was_edited_is_named(tmp_path: Path) -> None:
    import pandas as pd

    path = export_suite(load_suite(SuiteSpec("mini", n=1), families=["clock"]), tmp_path / "out")
    frame = pd.read_parquet(path)
    frame["state"] = '{"hour": 99}'
    frame.to_parquet(path)
    with pytest.raises(UserError, match="row 1: state: "):
        load(tmp_path / "out")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(UserError, match="not empty"):
        export_suite(load_suite(SuiteSpec("mini", n=1), families=["clock"]), tmp_path)


def test_what_an_earlier_version_drew_is_not_exported_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` keeps what a generator made, and does not know when we draw or write pictures otherwise."""
    spec = SuiteSpec.parse("mini:n=1,seed=77")
    export_suite(load_suite(spec), tmp_path / "before")
    monkeypatch.setattr(png, "LEVEL", 0)
    monkeypatch.setattr("tasks.suites._render", vars(suites)["_render"].__wrapped__)  # which keeps drawings as well
    now = load_suite(spec)
    export_suite(now, tmp_path / "after")
    assert [p.image.data() for p in load(tmp_path / "after").puzzles] == [p.image.data() for p in now.puzzles]
    assert [p.image.data() for p in load(tmp_path / "before").puzzles] != [p.image.data() for p in now.puzzles]
