"""Public sets as `datasets` writes and loads them: the same puzzles as from the directory, and what can be wrong with a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BadDataError, UserError
from tasks.public.load import PUBLIC_SUITES, load_public
from tests.tasks.public_data import clock_row, load, messages, picture, triangle_row, write_set

datasets: Any = import_module("datasets")


# -- tables of `datasets` --------------------------------------------------------------------------------------------------------------
def table_of(data: Path, families: list[str], alter: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None) -> Any:
    """The first three rows of each family as a `datasets.Dataset` with an image feature."""
    made: list[dict[str, Any]] = []
    for name in families:
        for line in (data / f"{name}.json").read_text(encoding="utf-8").splitlines()[:3]:
            row = json.loads(line)
            cells = {"image": {"bytes": (data / row["image"]).read_bytes(), "path": row["image"]}, "question": row["question"]}
            cells |= {"options": [str(option) for option in row["options"]], "answer": str(row["answer"])}
            cells |= {"solution": json.dumps(row["solution"])} if "solution" in row else {"caption": row["caption"]}
            made.append(alter(name, cells) if alter else cells)
    return datasets.Dataset.from_list(made).cast_column("image", datasets.Image())


def write_saved(table: Any, folder: Path) -> Path:
    table.save_to_disk(str(folder))
    return folder


def write_dict(table: Any, folder: Path) -> Path:
    datasets.DatasetDict({"data": table}).save_to_disk(str(folder))
    return folder


def write_parquet(table: Any, folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    half = len(table) // 2
    table.select(range(half)).to_parquet(str(folder / "data" / "data-00000-of-00002.parquet"))
    table.select(range(half, len(table))).to_parquet(str(folder / "data" / "data-00001-of-00002.parquet"))
    return folder


@pytest.mark.parametrize("write", [write_saved, write_dict, write_parquet])
@pytest.mark.parametrize("name", PUBLIC_SUITES)
def test_a_table_gives_the_same_puzzles_as_the_directory(shared_data: Path, tmp_path: Path, write: Callable[..., Path], name: str) -> None:
    families = ["clock", "n_queens", "rotting_kiwi"] if name == "algopuzzlevqa" else ["grid_number", "size_grid", "triangle"]
    data = shared_data / ("AlgoPuzzleVQA" if name == "algopuzzlevqa" else "PuzzleVQA") / "data"
    folder = write(table_of(data, families), tmp_path / "table")
    table, directory = (load(root, name, families=families, limit=3) for root in (folder, shared_data))
    assert table.rows == tuple(range(1, 10))
    assert table.captions == directory.captions
    for one, two in zip(table.puzzles, directory.puzzles, strict=True):
        assert one.image.data() == two.image.data()
        assert (one.id, one.question, one.options, one.answer, one.state, one.description, one.sufficient) == (
            (two.id, two.question, two.options, two.answer, two.state, two.description, two.sufficient)
        )  # fmt: skip


def small_table(tmp_path: Path, cells: Callable[[dict[str, Any]], dict[str, Any]], features: Any = None) -> Path:
    """Two clock rows saved as a table, each altered by `cells`."""
    made: list[dict[str, Any]] = []
    for index in range(2):
        row = clock_row(index)
        row["image"] = {"bytes": picture(index), "path": f"{index}.jpg"}
        made.append(cells(row))
    return write_saved(datasets.Dataset.from_list(made, features=features).cast_column("image", datasets.Image()), tmp_path / "table")


@pytest.mark.parametrize(
    "extra",
    [
        {"family": "clock"},
        {"category": "Clock"},
        {"type": "clock", "id": "7"},
        {"image_path": "images/clock/a.jpg"},
        {"image_id": "clock_0003"},
        {"file_name": "images\\clock\\clock-12.jpg"},
    ],
)
def test_the_family_of_a_table_row(tmp_path: Path, extra: dict[str, Any]) -> None:
    folder = small_table(tmp_path, lambda row: {**row, **extra})
    assert [puzzle.family for puzzle in load(folder).puzzles] == ["clock", "clock"]


def test_the_family_as_a_class_label(tmp_path: Path) -> None:
    folder = small_table(tmp_path, lambda row: {**row, "category": 1})
    table = datasets.load_from_disk(str(folder)).cast_column("category", datasets.ClassLabel(names=["maze", "clock"]))
    write_saved(table, tmp_path / "again")
    assert [puzzle.family for puzzle in load(tmp_path / "again").puzzles] == ["clock", "clock"]


def test_a_table_row_without_family_is_a_problem(tmp_path: Path) -> None:
    folder = small_table(tmp_path, lambda row: row)
    with pytest.raises(BadDataError, match="table row 1: family: neither a column nor the path of the image names one"):
        load(folder)


@pytest.mark.parametrize("write", [json.dumps, repr, dict])
def test_a_solution_may_be_stored_as_json_as_a_literal_or_as_a_struct(tmp_path: Path, write: Callable[[Any], Any]) -> None:
    folder = small_table(tmp_path, lambda row: {**row, "family": "clock", "solution": write({**row["solution"], "subtract_hour": None})})
    loaded = load(folder)
    assert all(puzzle.sufficient for puzzle in loaded.puzzles)
    assert loaded.puzzles[0].state == {
        "hour": 2,
        "minute": 43,
        "query": {"name": "Daniel", "direction": "after", "hours": 1, "minutes": 40},
    }


def test_fields_that_arrow_fills_with_none_are_absent(tmp_path: Path) -> None:
    """`clock` tells "before" from "after" by which fields there are; a struct column gives every row all of them."""
    before = {"current_hour": 2, "current_minute": 43, "subtract_hour": 1, "subtract_minute": 40}
    rows = [clock_row(0), clock_row(1, options=["1:03", "1:14"], answer="1:03", solution=before)]
    cells = [{**row, "family": "clock", "image": {"bytes": picture(index), "path": None}} for index, row in enumerate(rows)]
    folder = write_saved(datasets.Dataset.from_list(cells), tmp_path / "table")
    assert set(datasets.load_from_disk(str(folder))[0]["solution"]) == {*before, "add_hour", "add_minute"}
    assert [puzzle.sufficient for puzzle in load(folder).puzzles] == [True, True]


def test_a_table_without_solutions_loads_without_descriptions(tmp_path: Path) -> None:
    folder = small_table(tmp_path, lambda row: {key: value for key, value in row.items() if key != "solution"} | {"family": "clock"})
    loaded = load(folder)
    assert [(puzzle.state, puzzle.description, puzzle.sufficient) for puzzle in loaded.puzzles] == [(None, None, False)] * 2


def test_a_table_row_without_a_solution_is_a_problem(tmp_path: Path) -> None:
    folder = small_table(
        tmp_path, lambda row: {**row, "family": "clock", "solution": None if "number 1" in row["question"] else row["solution"]}
    )
    loaded = load(folder, skip_bad=True)
    assert messages(loaded) == ["table row 2: solution: expected an object with the latent state, found none"]
    assert loaded.rows == (1,)


def test_a_table_may_name_images_beside_it_but_none_elsewhere(tmp_path: Path) -> None:
    made = [{**clock_row(index), "family": "clock"} for index in range(2)]
    made[1]["image"] = str(tmp_path / "secret.jpg")
    (tmp_path / "secret.jpg").write_bytes(picture())
    folder = write_saved(datasets.Dataset.from_list(made), tmp_path / "table")
    (folder / "images/clock").mkdir(parents=True)
    (folder / "images/clock/clock_0000.jpg").write_bytes(picture())
    loaded = load(folder, skip_bad=True)
    assert loaded.rows == (1,)
    assert "leads out of the data directory" in messages(loaded)[0]


def test_a_table_with_a_broken_image_names_the_row(tmp_path: Path) -> None:
    folder = small_table(tmp_path, lambda row: {**row, "family": "clock", "image": {"bytes": b"no image", "path": "images/clock/a.jpg"}})
    assert messages(load(folder, skip_bad=True))[1].startswith("table row 2: image: clock/a.jpg: not a readable image")


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(UserError, match="the data set in it cannot be read"):
        load(tmp_path)
    (tmp_path / "data.parquet").unlink()
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["data"]}')
    with pytest.raises(UserError, match="the data set in it cannot be read"):
        load(tmp_path)


def test_a_dict_of_splits_needs_the_right_one(tmp_path: Path) -> None:
    table = datasets.load_from_disk(str(small_table(tmp_path, lambda row: {**row, "family": "clock"})))
    datasets.DatasetDict({"a": table, "b": table}).save_to_disk(str(tmp_path / "many"))
    with pytest.raises(UserError, match="expected a split 'data' or a single one, found a, b"):
        load(tmp_path / "many")
    cells = {**triangle_row(), "options": ["62", "20"], "answer": "20", "family": "triangle", "image": {"bytes": picture(), "path": None}}
    triangle = datasets.Dataset.from_list([cells])
    datasets.DatasetDict({"a": table, "train": triangle}).save_to_disk(str(tmp_path / "right"))
    assert [puzzle.family for puzzle in load(tmp_path / "right", "puzzlevqa").puzzles] == ["triangle"]


def test_a_table_without_images_is_named(tmp_path: Path) -> None:
    folder = write_saved(datasets.Dataset.from_list([{"question": "x"}]), tmp_path / "table")
    with pytest.raises(UserError, match="expected a column 'image', found question"):
        load(folder)


def test_the_hub_is_asked_for_the_right_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = datasets.load_from_disk(str(small_table(tmp_path, lambda row: {**row, "family": "clock"})))
    asked: list[tuple[Any, ...]] = []

    def load_dataset(name: str, *, split: str) -> Any:
        asked.append((name, split))
        return table

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    loaded = load_public("algopuzzlevqa", data_dir=None)
    assert asked == [("declare-lab/AlgoPuzzleVQA", "data")]
    directory = load(write_set(tmp_path, {"clock": [clock_row(0), clock_row(1)]}))
    assert [puzzle.id for puzzle in loaded.puzzles] == [puzzle.id for puzzle in directory.puzzles]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Couldn't reach the hub\nand more"),
        datasets.exceptions.DatasetNotFoundError("no such data set"),
        datasets.exceptions.DatasetGenerationError("broken"),
        ValueError("Unknown split"),
        RuntimeError("sockets are refused"),
    ],
)
def test_an_unreachable_hub_names_the_way_out(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def load_dataset(_name: str, *, split: str) -> Any:
        assert split == "train"
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(UserError) as caught:
        load_public("puzzlevqa", data_dir=None)
    assert "declare-lab/PuzzleVQA could not be loaded from the hub" in str(caught.value)
    assert "--data-dir" in str(caught.value)
    assert "\n" not in str(caught.value)
