"""Readers of the public sets: the real samples, identity, what is odd and still right, and what is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UserError
from tasks.family import ReadError
from tasks.public.load import OVERSTATED, PUBLIC_SUITES, load_public
from tasks.public.puzzlevqa import FAMILIES as PUZZLEVQA
from tasks.registry import FAMILIES, family
from tests.tasks.public_data import clock_row, load, picture, rows, triangle_row, write_set

CAPTION = "There are 3 overlapping circles containing the numbers [7, 9, '?']."


# -- the samples -----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", FAMILIES)
def test_every_public_row_is_asked_described_and_solved_as_the_authors_do(shared_data: Path, name: str) -> None:
    """The first edition asks in the authors' words, their slips apart."""
    made = family(name, 1)
    for row in rows(shared_data, name):
        state = made.from_public(row)
        read = made.read(made.describe(state))
        assert not isinstance(read, ReadError)
        assert made.same(made.solve(made.asking(read, state.query)), str(row["answer"]))
        assert made.ask(state) == row["question"].replace("gird", "grid").replace("One ball in dropped", "One ball is dropped")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_algorithmic_family_loads_with_a_sufficient_description(shared_data: Path, name: str) -> None:
    loaded = load(shared_data, families=[name], check_images=False)
    assert (len(loaded.puzzles), loaded.problems, loaded.captions) == (10, (), False)
    assert loaded.rows == tuple(range(1, 11))
    for puzzle in loaded.puzzles:
        assert puzzle.sufficient == (name not in OVERSTATED)
        assert puzzle.description
        assert puzzle.state is not None
        assert family(name).dump(family(name).load(puzzle.state)) == puzzle.state
        assert json.loads(json.dumps(puzzle.state)) == puzzle.state
        assert puzzle.answer in puzzle.options
        assert puzzle.question
        assert (puzzle.suite, puzzle.level, puzzle.seed, puzzle.split) == ("algopuzzlevqa", None, None, "eval")


def test_puzzlevqa_loads_with_captions(shared_data: Path) -> None:
    loaded = load(shared_data, "puzzlevqa")
    assert len(loaded.puzzles) == 200
    assert loaded.captions
    assert len({puzzle.id for puzzle in loaded.puzzles}) == 200
    assert [puzzle.family for puzzle in loaded.puzzles] == [name for name in PUZZLEVQA for _ in range(10)]
    assert {len(puzzle.options) for puzzle in loaded.puzzles} <= {2, 3, 4}
    barred = {puzzle.family for puzzle in loaded.puzzles if not puzzle.sufficient}
    assert "shape_morph" in barred
    assert "grid_number" not in barred
    assert all(isinstance(option, str) for puzzle in loaded.puzzles for option in puzzle.options)


def test_public_families_are_those_of_the_files(shared_data: Path) -> None:
    assert PUBLIC_SUITES == ("algopuzzlevqa", "puzzlevqa")
    for folder, names in (("AlgoPuzzleVQA", FAMILIES), ("PuzzleVQA", PUZZLEVQA)):
        assert sorted(path.stem for path in (shared_data / folder / "data").glob("*.json")) == sorted(names)


def test_real_images_are_what_their_bytes_say(shared_data: Path) -> None:
    loaded = load(shared_data, families=["clock", "rotting_kiwi", "n_queens"], limit=1)
    kinds = {
        puzzle.family: (puzzle.image.info.media_type, max(puzzle.image.info.width, puzzle.image.info.height)) for puzzle in loaded.puzzles
    }
    assert kinds["rotting_kiwi"][0] == "image/png"
    assert kinds["clock"] == ("image/jpeg", 3179)
    assert all(puzzle.image.source.startswith(f"images/{puzzle.family}/{puzzle.family}_0000") for puzzle in loaded.puzzles)


def test_the_directory_may_be_given_at_three_depths(tmp_path: Path) -> None:
    data = write_set(tmp_path, {"clock": [clock_row(0), clock_row(1)]})
    ids = [[puzzle.id for puzzle in load(root).puzzles] for root in (tmp_path, data.parent, data)]
    assert ids[0] == ids[1] == ids[2]
    assert all(str(tmp_path) not in puzzle.image.source for puzzle in load(tmp_path).puzzles)


# -- identity --------------------------------------------------------------------------------------------------------------------------
def test_ids_are_of_content_not_of_place(tmp_path: Path) -> None:
    first = load(write_set(tmp_path / "a", {"clock": [clock_row(0), clock_row(1)]}))
    rows = [clock_row(1, extra=1), clock_row(0)]
    data = write_set(tmp_path / "b", {"clock": rows})
    (data / "images/clock/clock_0000.jpg").write_bytes(picture(0))
    (data / "images/clock/clock_0001.jpg").write_bytes(picture(1))
    second = load(data)
    assert [puzzle.id for puzzle in second.puzzles] == [puzzle.id for puzzle in reversed(first.puzzles)]


def test_ids_do_not_depend_on_whether_images_are_decoded(tmp_path: Path) -> None:
    write_set(tmp_path, {"clock": [clock_row(0)]})
    assert load(tmp_path).puzzles[0].id == load(tmp_path, check_images=False).puzzles[0].id


@pytest.mark.parametrize(
    "change", [{"question": "Sarah's event starts in 1 hour."}, {"options": ["4:23", "1:14"]}, {"image": "images/clock/other.jpg"}]
)
def test_ids_change_with_what_is_asked(tmp_path: Path, change: dict[str, Any]) -> None:
    data = write_set(tmp_path, {"clock": [clock_row(0), clock_row(0, **change)]})
    (data / "images/clock/other.jpg").write_bytes(picture(77))
    one, two = load(tmp_path).puzzles
    assert one.id != two.id
    assert not two.id.endswith("-2")


def test_identical_rows_get_distinct_ids(tmp_path: Path) -> None:
    write_set(tmp_path, {"clock": [clock_row(0)] * 3})
    ids = [puzzle.id for puzzle in load(tmp_path).puzzles]
    assert ids == [ids[0], f"{ids[0]}-2", f"{ids[0]}-3"]


# -- right, though odd -----------------------------------------------------------------------------------------------------------------
def test_integers_among_strings_become_text(tmp_path: Path) -> None:
    write_set(tmp_path, {"triangle": [triangle_row()]}, "PuzzleVQA")
    puzzle = load(tmp_path, "puzzlevqa").puzzles[0]
    assert puzzle.options == ("62", "46", "39", "20")
    assert puzzle.answer == "20"
    assert puzzle.sufficient


@pytest.mark.parametrize("options", [["4:23", "1:14"], ["1:14", "4:23", "2:07"], ["1:14", "2:07", "8:09", "4:23"]])
def test_two_to_four_options(tmp_path: Path, options: list[str]) -> None:
    write_set(tmp_path, {"clock": [clock_row(options=options)]})
    assert load(tmp_path).puzzles[0].options == tuple(options)


def test_zero_hours_are_kept_as_written(tmp_path: Path) -> None:
    solution = {"current_hour": 10, "current_minute": 57, "add_hour": 1, "add_minute": 40}
    write_set(tmp_path, {"clock": [clock_row(options=["0:37", "1:14"], answer="0:37", solution=solution)]})
    puzzle = load(tmp_path).puzzles[0]
    assert (puzzle.answer, puzzle.options, puzzle.sufficient) == ("0:37", ("0:37", "1:14"), True)


def test_an_answer_in_another_spelling_is_found_among_the_options(tmp_path: Path) -> None:
    solution = {"current_hour": 10, "current_minute": 57, "add_hour": 1, "add_minute": 40}
    write_set(tmp_path, {"clock": [clock_row(options=["12:37", "1:14"], answer="0:37", solution=solution)]})
    assert load(tmp_path).puzzles[0].answer == "12:37"


def test_duplicate_options_and_extra_fields_load(tmp_path: Path) -> None:
    write_set(tmp_path, {"clock": [clock_row(options=["4:23", "1:14", "1:14"], note={"deep": [1]})]})
    assert load(tmp_path).puzzles[0].options == ("4:23", "1:14", "1:14")


@pytest.mark.parametrize(
    ("data", "media_type", "color", "size"),
    [
        (picture(kind="PNG"), "image/png", "RGB", (16, 12)),
        (picture(kind="PNG", mode="RGBA"), "image/png", "RGBA", (16, 12)),
        (picture(kind="PNG", mode="L"), "image/png", "L", (16, 12)),
        (picture(kind="GIF", mode="L"), "image/gif", "P", (16, 12)),
        (picture(kind="WEBP"), "image/webp", "RGB", (16, 12)),
        (picture(size=(3179, 20)), "image/jpeg", "RGB", (3179, 20)),
    ],
)
def test_images_under_a_jpg_name(tmp_path: Path, data: bytes, media_type: str, color: str, size: tuple[int, int]) -> None:
    folder = write_set(tmp_path, {"clock": [clock_row(0)]})
    (folder / "images/clock/clock_0000.jpg").write_bytes(data)
    info = load(tmp_path).puzzles[0].image.info
    assert (info.media_type, info.color in (color, "L"), (info.width, info.height)) == (media_type, True, size)


def test_bom_windows_lines_and_blank_lines(tmp_path: Path) -> None:
    data = write_set(tmp_path, {"clock": [clock_row(0), clock_row(1)]})
    lines = (data / "clock.json").read_bytes().splitlines()
    (data / "clock.json").write_bytes(b"\xef\xbb\xbf" + lines[0] + b"\r\n\r\n" + lines[1])
    assert load(tmp_path).rows == (1, 3)


def test_line_separators_inside_strings_do_not_cut_a_line(tmp_path: Path) -> None:
    data = write_set(tmp_path, {"clock": []})
    (data / "images/clock/clock_0000.jpg").write_bytes(picture())
    text = json.dumps(clock_row(question="one\u2028two\u0085three"), ensure_ascii=False)
    (data / "clock.json").write_text(text, encoding="utf-8")
    assert load(tmp_path).puzzles[0].question == "one\u2028two\u0085three"


# -- what is asked for -----------------------------------------------------------------------------------------------------------------
def test_the_limit_counts_good_rows_and_stops_reading(tmp_path: Path) -> None:
    rows = [clock_row(0), clock_row(1, answer="never"), clock_row(2), clock_row(3, answer="never")]
    write_set(tmp_path, {"clock": rows})
    loaded = load(tmp_path, limit=2, skip_bad=True)
    assert (loaded.rows, len(loaded.problems)) == ((1, 3), 1)
    assert len(load(tmp_path, limit=1).puzzles) == 1


def test_families_are_chosen_and_ordered_as_in_the_tables(tmp_path: Path) -> None:
    write_set(tmp_path, {"triangle": [triangle_row()], "venn": [triangle_row(caption=CAPTION, image="images/venn/v.png")]}, "PuzzleVQA")
    assert [puzzle.family for puzzle in load(tmp_path, "puzzlevqa", families=["venn", "triangle"]).puzzles] == ["triangle", "venn"]
    assert [puzzle.family for puzzle in load(tmp_path, "puzzlevqa", families=["venn"]).puzzles] == ["venn"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"families": ["clocks"]}, "has no family 'clocks': expected some of board_tile"),
        ({"families": ["maze"]}, "family 'maze' is not in the data: expected maze.json, found clock"),
        ({"limit": 0}, "limit: expected at least 1"),
    ],
)
def test_a_wrong_request_is_named(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_set(tmp_path, {"clock": [clock_row(0)]})
    with pytest.raises(UserError, match=message):
        load(tmp_path, **options)


def test_an_unknown_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown public set 'mmmu': expected one of algopuzzlevqa, puzzlevqa"):
        load_public("mmmu", data_dir=tmp_path)


def test_a_missing_or_empty_directory_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist: give the authors' clone, its AlgoPuzzleVQA folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is not a directory"):
        load(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        UserError,
        match=r"holds nothing of algopuzzlevqa: looked for files like board_tile.json.*in AlgoPuzzleVQA/data, AlgoPuzzleVQA, data, \.",
    ):
        load(tmp_path / "empty")
    write_set(tmp_path, {"triangle": [triangle_row()]}, "PuzzleVQA")
    with pytest.raises(UserError, match="holds nothing of algopuzzlevqa"):
        load(tmp_path / "PuzzleVQA")
