"""Merging runs: what is read, what is noted, what is refused, and that the fast reader and the exact one agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import UserError
from bench.gap.frame import load_frame, load_runs
from bench.store import columns
from bench.store.columns import read_columns
from bench.store.run import open_run, open_runs
from tests.gap.test_gap import c, cross, write_run

ROW: dict[str, Any] = {"puzzle": "p", "mode": "image", "outcome": "correct"}


def rewrite(folder: Path, **changes: Any) -> Path:
    """Change every record of a run; a value of ... removes the field."""
    path = folder / "trials.jsonl"
    lines = [{**json.loads(line), **changes} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({k: v for k, v in line.items() if v is not ...}) + "\n" for line in lines))
    return folder


def rerun(folder: Path, **changes: Any) -> Path:
    """Change run.json."""
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def suite(sha256: str) -> dict[str, Any]:
    return {"name": "algo", "sha256": sha256, "n": 1}


def test_a_row_holds_what_the_record_says(tmp_path: Path) -> None:
    row = {
        **ROW, "captioner": "self", "caption_prompt": "guided", "level": 3, "split": "train", "replicate": 2, "sufficient": False,
        "options": ["x", "y", "z"], "verdict": {"outcome": "wrong", "answer": "z", "gold": "y", "how": "letter"},
        "reply": {"text": "C", "usage": {"input": 7, "output": 2}}, "dose": {"kind": "blur", "amount": 2.0},
    }  # fmt: skip
    found = load_frame(open_runs([write_run(tmp_path / "r", [row])])).iloc[0].to_dict()
    expected = {
        "captioner": "self/guided", "level": 3, "split": "train", "replicate": 2, "sufficient": False, "options": 3, "chosen": 2, "gold": 1,
        "outcome": "wrong", "tokens_in": 7, "tokens_out": 2, "dose": "blur=2",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected


lines: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.fixed_dictionaries(
        {
            "captioner": st.sampled_from([None, "self", "m"]),
            "level": st.sampled_from([None, 1, 5]),
            "options": st.sampled_from([["b"], ["a", "b"], ["ü", "b", "x y"]]),
            "reply": st.sampled_from([None, {"text": "t", "usage": {"input": 3, "output": 4, "reasoning": 0}}]),
            "verdict": st.fixed_dictionaries(
                {"outcome": st.sampled_from(["correct", "error"]), "answer": st.sampled_from([None, "a", "x y", "?"]), "gold": st.just("b")}
            ),
            "sufficient": st.booleans(),
            "text": st.text(max_size=20),
        }
    ),
    min_size=1,
    max_size=8,
)


def _never(_: Any) -> bool:
    return False


@settings(max_examples=25, deadline=None)
@given(rows=lines, block=st.sampled_from([200, 1000, 48_000_000]))
def test_both_readers_agree_and_blocks_do_not_matter(tmp_path_factory: pytest.TempPathFactory, rows: list[Any], block: int) -> None:
    folder = tmp_path_factory.mktemp("r")
    run = write_run(folder / "fast", [{**ROW, "replicate": index, **row} for index, row in enumerate(rows)])
    patch = pytest.MonkeyPatch()
    with patch.context() as change:
        change.setattr(columns, "_BLOCK", block)
        fast = read_columns(open_run(run).content).to_pandas()
        change.setattr(columns, "_sound", _never)
        exact = read_columns(open_run(run).content).to_pandas()
    pd.testing.assert_frame_equal(fast, exact)
    places = [row["options"].index(row["verdict"]["answer"]) if row["verdict"]["answer"] in row["options"] else -1 for row in rows]
    assert fast["chosen"].tolist() == places


def test_half_a_surrogate_pair_is_read(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", [{**ROW, "extra": "\ud800"}, {**ROW, "replicate": 1}])
    assert len(load_frame(open_runs([run]))) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"v": 2}, "line 1: a record of schema version 2, and this sightgap reads 1; a newer sightgap wrote it"),
        ({"v": 0}, "schema version 0.*report it with the version that wrote it"),
        ({"v": ...}, "schema version None"),
        ({"puzzle": ...}, "line 1: not a record of this version \\(it has no 'puzzle'\\)"),
        ({"verdict": None}, "line 1: not a record of this version \\(verdict: "),
        ({"verdict": {"answer": "a"}}, "it has no 'outcome'"),
        ({"replicate": "first"}, "line 1: not a record of this version"),
        ({"options": 4}, "line 1: not a record of this version"),
        ({"mode": "smell"}, "mode 'smell' is not known"),
        ({"verdict": {"outcome": "maybe"}}, "outcome 'maybe' is not known"),
    ],
)
def test_a_record_that_is_none_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_runs(open_runs([rewrite(write_run(tmp_path / "r", [ROW, {**ROW, "replicate": 1}]), **changes)]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"), [("{]\n", "line 2: not a JSON line"), ("[1]\n", "line 2: expected a JSON object, found list")]
)
def test_a_broken_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    run = write_run(tmp_path / "r", [ROW])
    with (run / "trials.jsonl").open("a") as out:
        out.write(text)
    with pytest.raises(UserError, match=message):
        load_runs(open_runs([run]))


def test_a_run_that_is_being_written_is_read_up_to_its_torn_line(tmp_path: Path) -> None:
    run = rerun(write_run(tmp_path / "r", [ROW]), finished=False, planned=9)
    with (run / "trials.jsonl").open("a") as out:
        out.write('{"v": 1, "key"')
    loaded = load_runs(open_runs([run]))
    assert len(loaded.frame) == 1
    assert any("r: 1 records for 9 trials" in note for note in loaded.notes)
    assert any("is being written" in note for note in loaded.notes)


def test_a_whole_last_line_without_its_break_counts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", [ROW, {**ROW, "replicate": 1}])
    path = run / "trials.jsonl"
    path.write_text(path.read_text().rstrip("\n"))
    assert len(load_runs(open_runs([run])).frame) == 2


@pytest.mark.parametrize("content", [None, "{}", '{"suite": 1, "models": []}', "no JSON"])
def test_a_folder_without_its_run_json_is_refused(tmp_path: Path, content: str | None) -> None:
    run = write_run(tmp_path / "r", [ROW])
    (run / "run.json").unlink()
    if content is not None:
        (run / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json"):
        load_runs(open_runs([run]))


def test_another_seed_of_the_same_suite_is_refused(tmp_path: Path) -> None:
    one = rerun(write_run(tmp_path / "one", [{**ROW, "puzzle": "a"}]), suite=suite("1" * 64))
    two = rerun(write_run(tmp_path / "two", [{**ROW, "puzzle": "b"}]), suite=suite("2" * 64))
    with pytest.raises(UserError, match=r"different puzzles of suite algo .*none in common, e\.g\. in clock"):
        load_runs(open_runs([one, two]))


def test_shards_are_merged_without_a_word_about_seeds(tmp_path: Path) -> None:
    folders = [
        rerun(
            write_run(tmp_path / part, [{**ROW, "puzzle": part}]),
            suite=suite(part * 64),
            identity={"suite": "algo", "shard": [int(part), 2]},
        )
        for part in ("1", "2")
    ]
    loaded = load_runs(open_runs(folders))
    assert len(loaded.frame) == 2
    assert "0 of 2 puzzles are in all of them" in loaded.notes[0]


def test_other_families_are_merged_and_noted(tmp_path: Path) -> None:
    one = rerun(write_run(tmp_path / "one", [ROW]), suite=suite("1" * 64))
    two = rerun(write_run(tmp_path / "two", [{**ROW, "puzzle": "q", "family": "maze"}]), suite=suite("2" * 64))
    assert any("share no puzzle (other families or levels)" in note for note in load_runs(open_runs([one, two])).notes)


def test_a_subset_is_merged_by_puzzle_and_noted(tmp_path: Path) -> None:
    one = rerun(cross(tmp_path / "one", {"image": c("1010")}), suite=suite("1" * 64))
    two = rerun(cross(tmp_path / "two", {"oracle": c("11")}), suite=suite("2" * 64))
    loaded = load_runs(open_runs([one, two]))
    assert loaded.notes == ("the runs hold 2 different parts of suite algo: 2 of 4 puzzles are in all of them; pairs are made by puzzle",)
    assert loaded.suite[1] not in ("1" * 64, "2" * 64)


def test_texts_are_stored_as_codes(tmp_path: Path) -> None:
    frame = load_frame(open_runs([write_run(tmp_path / "r", [{**ROW, "replicate": index} for index in range(50)])]))
    assert frame["puzzle"].dtype == "category"
    assert np.unique(frame["puzzle"].cat.codes).size == 1


def test_half_a_surrogate_pair_in_an_answer_does_not_stop_a_report(tmp_path: Path) -> None:
    rows = [{"puzzle": "p", "mode": "image", "verdict": {"outcome": "wrong", "answer": "\ud83d", "gold": "1"}}]
    run = write_run(tmp_path / "r", [{**row, "outcome": "wrong"} for row in rows])
    assert list(load_frame(open_runs([run]))["outcome"]) == ["wrong"]
