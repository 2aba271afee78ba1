"""Rows, lines, files and images of a public set that cannot be used: each is named with file and line, and the others load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import BadDataError
from tasks.public import rows as rows_module
from tasks.public.load import OVERSTATED
from tasks.registry import FAMILIES
from tests.tasks.public_data import bomb, clock_row, load, messages, picture, triangle_row, write_set


# -- rows that cannot be used ----------------------------------------------------------------------------------------------------------
def without(name: str) -> dict[str, Any]:
    row = clock_row(1)
    del row[name]
    return row


BAD_ROWS: Mapping[str, tuple[Any, str]] = {
    "no image": (without("image"), "image: expected a path, found None"),
    "no question": (without("question"), "question: expected text, found none"),
    "blank question": (clock_row(1, question="  "), "question: expected text"),
    "no options": (without("options"), "options: expected a list, found none"),
    "options in a string": (clock_row(1, options="4:23"), "options: expected a list, found '4:23'"),
    "one option": (clock_row(1, options=["4:23"]), "options: expected 2 to 26, found 1"),
    "an empty option": (clock_row(1, options=["4:23", ""]), "options: expected text or a number, found ''"),
    "a null option": (clock_row(1, options=["4:23", None]), "options: expected text or a number, found none"),
    "a truth value": (clock_row(1, options=["4:23", True]), "options: expected text or a number, found True"),
    "no answer": (without("answer"), "answer: expected text or a number, found none"),
    "a stranger": (clock_row(1, answer="9:99"), "answer: '9:99' is not among the options"),
    "no solution": (without("solution"), "solution: expected an object with the latent state, found none"),
    "a list as solution": (clock_row(1, solution=[1]), "solution: expected an object with the latent state, found list"),
    "no latent field": (
        clock_row(1, solution={"current_hour": 2, "add_hour": 1, "add_minute": 4}),
        "solution: lacks the field 'current_minute'",
    ),
    "a wrong latent field": (clock_row(1, solution={**clock_row()["solution"], "current_hour": "noon"}), "solution: "),
    "a null latent field": (clock_row(1, solution={**clock_row()["solution"], "current_hour": None}), "solution: "),
    "a lone surrogate": (clock_row(1, question="half \ud800 a character"), "question: holds half a character"),
    "a list": ([1, 2], "line: expected a JSON object, found list"),
    "a number": (7, "line: expected a JSON object, found int"),
    "escape": (clock_row(1, image="../../../secret.png"), "leads out of the data directory"),
    "escape inside": (clock_row(1, image="images/../../../secret.png"), "leads out of the data directory"),
    "absolute": (clock_row(1, image="/etc/hostname"), "leads out of the data directory"),
    "windows escape": (clock_row(1, image="..\\..\\secret.png"), "leads out of the data directory"),
    "windows drive": (clock_row(1, image="C:\\secret.png"), "leads out of the data directory"),
    "nul": (clock_row(1, image="images/clock/\0.png"), "image: expected a path"),
    "image is a number": (clock_row(1, image=3), "image: expected a path, found 3"),
    "missing image": (clock_row(1, image="images/clock_9999.jpg"), "image: images/clock_9999.jpg: image cannot be read (No such file"),
    "missing folder": (clock_row(1, image="nowhere/clock_9999.jpg"), "image cannot be read"),
    "a folder": (clock_row(1, image="images/clock"), "not a file"),
}


def set_with(tmp_path: Path, bad: Any) -> Path:
    """Three rows, the second of them `bad`."""
    data = write_set(tmp_path, {"clock": [clock_row(0), clock_row(1), clock_row(2)]})
    lines = [json.dumps(row) for row in (clock_row(0), bad, clock_row(2))]
    (data / "clock.json").write_text("\n".join(lines), encoding="utf-8")
    return data


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_named_and_can_be_skipped(tmp_path: Path, name: str) -> None:
    bad, message = BAD_ROWS[name]
    set_with(tmp_path, bad)
    (tmp_path / "secret.png").write_bytes(picture(kind="PNG"))
    with pytest.raises(BadDataError) as caught:
        load(tmp_path)
    text = str(caught.value)
    assert "clock.json line 2: " in text
    assert message in text
    assert "1 row of 3" in text
    assert "--skip-bad" in text
    assert "\n" not in text
    loaded = load(tmp_path, skip_bad=True)
    assert loaded.rows == (1, 3)
    assert [(problem.where, problem.family) for problem in loaded.problems] == [("clock.json line 2", "clock")]
    assert message in loaded.problems[0].message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"image": "images/clo', "line: not JSON ("),
        (b"\xff\xfe{\x00", "line: not UTF-8 (byte 0)"),
        (b'{"question": NaN}', "line: not JSON (NaN is not JSON)"),
        (b'{"a": ' + b"[" * 100_000, "line: not JSON ("),
        (b'{"a": ' + b"9" * 5_000 + b"}", "line: not JSON ("),
        (b'{"a": "' + b"x" * 4_000_000 + b'"}', "line: expected at most 4,000,000 bytes"),
    ],
    ids=["cut", "utf-16", "nan", "deep", "long number", "huge"],
)
def test_a_bad_line_is_named_and_the_others_load(tmp_path: Path, line: bytes, message: str) -> None:
    data = write_set(tmp_path, {"clock": [clock_row(0), clock_row(1)]})
    good = (data / "clock.json").read_bytes().splitlines()
    (data / "clock.json").write_bytes(b"\n".join([good[0], line, good[1]]))
    loaded = load(tmp_path, skip_bad=True)
    assert loaded.rows == (1, 3)
    assert messages(loaded)[0].startswith(f"clock.json line 2: {message}")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a readable image"),
        (b"hello", "not a readable image"),
        (picture(size=(300, 300))[:-200], "not a readable image"),
        (picture(kind="PNG", size=(300, 300))[:100], "not a readable image"),
        (bomb(50_000, 50_000), "pixels"),
        (bomb(9_000, 9_000), "81000000 px"),
        (picture(kind="BMP"), "expected PNG, JPEG, GIF or WebP, found 'BMP'"),
    ],
    ids=["empty", "text", "cut JPEG", "cut PNG", "bomb", "above the bound", "BMP"],
)
def test_a_bad_image_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    folder = write_set(tmp_path, {"clock": [clock_row(0), clock_row(1)]})
    (folder / "images/clock/clock_0001.jpg").write_bytes(data)
    loaded = load(tmp_path, skip_bad=True)
    assert loaded.rows == (1,)
    problem = loaded.problems[0]
    assert (problem.where, problem.code) == ("clock.json line 2", "image")
    assert problem.message.startswith("image: images/clock/clock_0001.jpg: ")
    if "px" not in message:
        assert message in problem.message
    assert str(tmp_path) not in str(problem)
    assert len(load(tmp_path, check_images=False).puzzles) == 2


def test_an_image_file_above_the_bound_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, {"clock": [clock_row(0)]})
    monkeypatch.setattr(rows_module, "MAX_IMAGE_BYTES", 100)
    assert "above the bound of 100" in messages(load(tmp_path, skip_bad=True))[0]


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_an_empty_file_is_named(tmp_path: Path, content: bytes) -> None:
    data = write_set(tmp_path, {"clock": [clock_row(0)], "n_queens": []})
    (data / "n_queens.json").write_bytes(content)
    with pytest.raises(BadDataError, match=r"n_queens\.json: the file is empty"):
        load(tmp_path)
    assert len(load(tmp_path, skip_bad=True).puzzles) == 1


def test_many_problems_are_counted_and_three_are_shown(tmp_path: Path) -> None:
    write_set(tmp_path, {"clock": [clock_row(index, answer="never") for index in range(5)] + [clock_row(5)]})
    with pytest.raises(BadDataError) as caught:
        load(tmp_path)
    text = str(caught.value)
    assert text.startswith("algopuzzlevqa: 5 rows of 6 cannot be used: clock.json line 1: ")
    assert text.count("clock.json line") == 3
    assert "; and 2 more." in text


def test_a_missing_caption_is_named(tmp_path: Path) -> None:
    write_set(tmp_path, {"triangle": [triangle_row(caption=None)]}, "PuzzleVQA")
    assert "caption: expected text, found none" in messages(load(tmp_path, "puzzlevqa", skip_bad=True))[0]


def test_a_label_that_contradicts_the_state_is_loaded_as_insufficient(tmp_path: Path) -> None:
    write_set(tmp_path, {"clock": [clock_row(0, answer="1:14")]})
    puzzle = load(tmp_path).puzzles[0]
    assert not puzzle.sufficient
    assert puzzle.description == "Current time: 2:43"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 30) | st.floats(-3, 3) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([*clock_row(), "current_hour", "add_hour", "add_minute"]), value=JSON_VALUES)
def test_any_value_anywhere_gives_a_puzzle_or_a_problem(tmp_path: Path, name: str, value: Any) -> None:
    row = clock_row(0)
    (row if name in row else row["solution"])[name] = value
    write_set(tmp_path, {"clock": [row, clock_row(1)]})
    loaded = load(tmp_path, skip_bad=True)
    assert len(loaded.puzzles) + len(loaded.problems) == 2
    assert all(puzzle.answer in puzzle.options for puzzle in loaded.puzzles)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_damaged_solution_gives_a_puzzle_or_a_problem(shared_data: Path, tmp_path: Path, name: str) -> None:
    """Every field of the latent state removed, emptied or replaced, one at a time."""
    line = (shared_data / "AlgoPuzzleVQA" / "data" / f"{name}.json").read_text(encoding="utf-8").splitlines()[0]
    base = json.loads(line)
    damaged: list[dict[str, Any]] = []
    for field, value in base["solution"].items():
        damaged.append({**base, "solution": {key: item for key, item in base["solution"].items() if key != field}})
        others: list[Any] = [None, -1, "x", [], {}, [[]], [None], value[:-1] if isinstance(value, list | str) else 0]
        damaged.extend({**base, "solution": {**base["solution"], field: other}} for other in others)
    write_set(tmp_path, {name: [base, *damaged]})
    image = tmp_path / "AlgoPuzzleVQA" / "data" / base["image"]
    image.write_bytes(picture(kind="PNG", size=(4, 4)))
    loaded = load(tmp_path, skip_bad=True)
    assert len(loaded.puzzles) + len(loaded.problems) == len(damaged) + 1
    assert loaded.puzzles[0].sufficient == (name not in OVERSTATED)
    assert all(problem.message.startswith("solution: ") for problem in loaded.problems)
