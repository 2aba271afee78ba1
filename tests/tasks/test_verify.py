"""Verification: agreement on the samples, and every way in which a label can fail to be confirmed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.family import ReadError
from tasks.public.load import Loaded, load_public
from tasks.public.puzzlevqa import FAMILIES as PUZZLEVQA
from tasks.public.puzzlevqa import sufficiency
from tasks.registry import FAMILIES
from tasks.tools.verify import Unsolved, solved_label, verify
from tests.tasks.public_data import clock_row, triangle_row, write_set


def clocks(tmp_path: Path, *rows: dict[str, Any]) -> Loaded:
    write_set(tmp_path, {"clock": list(rows)})
    return load_public("algopuzzlevqa", data_dir=tmp_path)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_label_at_hand_is_confirmed(shared_data: Path, name: str) -> None:
    (verdict,) = verify(load_public("algopuzzlevqa", data_dir=shared_data, families=[name], check_images=False))
    assert (verdict.family, verdict.n, verdict.agree, verdict.disagree, verdict.unsolved) == (name, 10, 10, (), ())


def test_captions_confirm_every_label_or_say_why_not(shared_data: Path) -> None:
    verdicts = list(verify(load_public("puzzlevqa", data_dir=shared_data, check_images=False)))
    assert [verdict.family for verdict in verdicts] == list(PUZZLEVQA)
    for verdict in verdicts:
        lacks = sufficiency(verdict.family)
        assert verdict.disagree == ()
        assert (verdict.agree, len(verdict.unsolved), verdict.reason) == ((10, 0, None) if lacks is None else (0, 10, lacks))


def test_a_wrong_label_is_named_by_its_row(tmp_path: Path) -> None:
    (verdict,) = verify(clocks(tmp_path, clock_row(0), clock_row(1, answer="1:14"), clock_row(2), clock_row(3, answer="8:09")))
    line = json.loads(json.dumps(verdict.to_json()))
    assert (line["family"], line["n"], line["agree"], line["disagree"], line["unsolved"]) == ("clock", 4, 2, [2, 4], [])
    assert line["details"][0]["label"] == "1:14"
    assert line["details"][0]["solved"] == "4:23"


def test_rows_are_those_of_the_file_where_bad_ones_were_skipped(tmp_path: Path) -> None:
    write_set(tmp_path, {"clock": [clock_row(0, answer="never"), clock_row(1, answer="1:14")]})
    (verdict,) = verify(load_public("algopuzzlevqa", data_dir=tmp_path, skip_bad=True))
    assert verdict.to_json()["disagree"] == [2]
    assert verdict.n == 1


def test_labels_are_compared_as_times(tmp_path: Path) -> None:
    solution = {"current_hour": 10, "current_minute": 57, "add_hour": 1, "add_minute": 40}
    (verdict,) = verify(clocks(tmp_path, clock_row(0, options=["0:37", "1:14"], answer="0:37", solution=solution)))
    assert (verdict.agree, verdict.disagree) == (1, ())


def test_without_state_nothing_is_agreed(tmp_path: Path) -> None:
    loaded = clocks(tmp_path, clock_row(0), clock_row(1))
    bare = replace(loaded, puzzles=(replace(loaded.puzzles[0], state=None), loaded.puzzles[1]))
    (verdict,) = verify(bare)
    assert (verdict.n, verdict.agree, verdict.disagree, verdict.unsolved) == (2, 1, (), (1,))
    assert verdict.reason == "the set carries no latent state"


def test_a_state_that_cannot_be_read_back_is_a_disagreement(tmp_path: Path) -> None:
    loaded = clocks(tmp_path, clock_row(0), clock_row(1))
    state = {"hour": 2, "minute": 99, "query": None}
    (verdict,) = verify(replace(loaded, puzzles=(replace(loaded.puzzles[0], state=state), loaded.puzzles[1])))
    assert (verdict.agree, [item.row for item in verdict.disagree], verdict.disagree[0].solved) == (1, [1], None)
    assert "minute" in str(verdict.disagree[0].problem)
    no_query = replace(loaded.puzzles[0], state={"hour": 2, "minute": 9, "query": None})
    assert isinstance(solved_label(no_query), ReadError)
    not_a_state = replace(loaded.puzzles[0], state={"hour": "noon"})
    assert isinstance(solved_label(not_a_state), ReadError)


def test_captions_that_are_missing_or_say_too_little_are_unsolved(tmp_path: Path) -> None:
    write_set(tmp_path, {"triangle": [triangle_row(0), triangle_row(1, caption="Three groups of numbers.")]}, "PuzzleVQA")
    loaded = load_public("puzzlevqa", data_dir=tmp_path)
    (verdict,) = verify(loaded)
    assert (verdict.agree, verdict.disagree, verdict.unsolved) == (1, (), (2,))
    assert solved_label(replace(loaded.puzzles[0], description=None)) == Unsolved("the set carries no caption")


def test_a_wrong_label_under_a_caption_is_a_disagreement(tmp_path: Path) -> None:
    write_set(tmp_path, {"triangle": [triangle_row(0, answer="62")]}, "PuzzleVQA")
    (verdict,) = verify(load_public("puzzlevqa", data_dir=tmp_path))
    assert verdict.to_json()["disagree"] == [1]


def test_rows_are_counted_within_a_family_where_they_are_not_known(tmp_path: Path) -> None:
    loaded = replace(clocks(tmp_path, clock_row(0), clock_row(1, answer="1:14")), rows=())
    (verdict,) = verify(loaded)
    assert verdict.to_json()["disagree"] == [2]
