"""Using, seeing and thinking: an independent reckoning from the records, the exact sum, what is said where an arm is missing."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gap.changes import sign_flip
from bench.gap.contrast import correct
from bench.gap.document import CELLS, LOST, PARTS, ComparisonDoc, DiagnosisDoc, ModelDoc, PointsDoc
from bench.gap.make import gap_document
from bench.report import verdict
from bench.report.markdown import render
from bench.stats.exact import sign_flip_exact
from bench.store.run import open_runs
from tests.gap.test_gap import c, simulate, write_run

ARMS = ("image", "caption", "oracle", "readback")
OUTCOMES = ("correct", "wrong", "unparsed", "truncated", "refused", "error", "caption_failed")
OPTIONS = ["a", "b", "c", "d"]


def reckon(folder: Path, modes: tuple[str, ...]) -> dict[str, float]:
    """The arms of the diagnosis by plain counting, over the trials with an outcome in every one of `modes` (and blind where it is one)."""
    lines = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    trials = {(line["puzzle"], line["replicate"], line["mode"]): line for line in lines}
    counted = {key for key, line in trials.items() if line["verdict"]["outcome"] not in ("error", "caption_failed")}
    blind: dict[str, list[bool]] = {}
    for puzzle, replicate, mode in sorted(counted):
        if mode == "blind":
            blind.setdefault(puzzle, []).append(trials[puzzle, replicate, mode]["verdict"]["outcome"] == "correct")
    cells = sorted({(line["puzzle"], line["replicate"]) for line in lines if line.get("sufficient", True)})
    used = [cell for cell in cells if all((*cell, mode) in counted for mode in modes)]
    with_blind = [cell for cell in used if cell[0] in blind]
    use_blind, used = bool(with_blind), with_blind or used
    sums = dict.fromkeys(modes, 0.0)
    for puzzle, replicate in used:
        for mode in modes:
            line = trials[puzzle, replicate, mode]
            said = line["verdict"]
            shown: list[str] = line["options"] if line["format"] == "mcq" else []
            if mode == "readback" and (
                said["outcome"] in ("unparsed", "truncated", "refused")
                or (said["outcome"] == "wrong" and (said["answer"] is None or (shown and said["answer"] not in shown)))
            ):
                if not use_blind:
                    sums[mode] += 1 / len(shown) if shown else 0.0
                elif (puzzle, replicate, "blind") in counted:
                    sums[mode] += trials[puzzle, replicate, "blind"]["verdict"]["outcome"] == "correct"
                else:
                    sums[mode] += sum(blind[puzzle]) / len(blind[puzzle])
            else:
                sums[mode] += said["outcome"] == "correct"
    return {mode: value / len(used) for mode, value in sums.items()} if used else {}


def split(arms: dict[str, float]) -> dict[str, float]:
    """The formulas of the diagnosis, as they are written."""
    image, caption, oracle, readback = (arms[mode] for mode in ARMS)
    return {
        "loss": 1 - image,
        "using": caption - image,
        "seeing": ((oracle - caption) + (1 - readback)) / 2,
        "thinking": ((readback - caption) + (1 - oracle)) / 2,
        "interaction": oracle + readback - caption - 1,
    }


def record(puzzle: int, replicate: int, mode: str, outcome: str, answer: str | None, sufficient: bool) -> dict[str, Any]:
    return {
        "puzzle": f"p{puzzle}", "replicate": replicate, "mode": mode, "outcome": outcome, "sufficient": sufficient, "options": OPTIONS,
        "family": f"f{puzzle % 2}", **({"captioner": "self", "caption_prompt": "notation"} if mode == "caption" else {}),
        "verdict": {"outcome": outcome, "answer": answer, "gold": "a"},
    }  # fmt: skip


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[dict[str, Any]], str]:
    """Records of any outcomes: several puzzles and replicates, arms that are missing here and there or altogether, barred puzzles."""
    modes = draw(st.lists(st.sampled_from((*ARMS, "blind")), min_size=1, unique=True).map(lambda names: sorted({"image", *names})))
    rows: list[dict[str, Any]] = []
    for puzzle in range(draw(st.integers(1, 8))):
        sufficient = draw(st.integers(0, 5)) > 0
        for replicate, mode in itertools.product(range(draw(st.integers(1, 3))), modes):
            outcome = draw(st.sampled_from((*("correct",) * 3, *("wrong",) * 3, *OUTCOMES, "")))
            if outcome:
                answer = "a" if outcome == "correct" else draw(st.sampled_from(("b", "z", None))) if outcome == "wrong" else None
                rows.append(record(puzzle, replicate, mode, outcome, answer, sufficient))
    return rows, draw(st.sampled_from(("mcq", "open")))


@settings(max_examples=150, deadline=None)
@given(run=runs())
def test_any_records_are_split_as_an_independent_reckoning_splits_them(
    tmp_path_factory: pytest.TempPathFactory, run: tuple[list[dict[str, Any]], str]
) -> None:
    rows, fmt = run
    if not rows:
        return
    folder = write_run(tmp_path_factory.mktemp("runs") / "r", rows, fmt=fmt)
    model = gap_document(open_runs([folder]))["models"][0]
    diagnosis = model["diagnosis"]
    json.dumps(model, allow_nan=False)
    arms = tuple(mode for mode in ARMS if mode in diagnosis["arms"])
    if diagnosis["loss"] is None:
        assert reckon(folder, ("image",)) == {}
        assert "has no verdict" in verdict.sentence(model)
        return
    expected = reckon(folder, arms)
    assert {mode: diagnosis["arms"][mode] for mode in arms} == pytest.approx(expected, abs=1e-9)
    assert diagnosis["loss"]["points"] == pytest.approx(1 - expected["image"], abs=1e-9)
    assert sum(int(model["attribution"][name]) for name in CELLS) == diagnosis["trials"]
    if diagnosis["complete"]:
        for name, value in split(expected).items():
            assert points(diagnosis, name) == pytest.approx(value, abs=1e-9)
    if diagnosis["kind"] in ("complete", "order", "picture"):
        total = sum(points(diagnosis, name) for name in ("using", "seeing", "thinking", "picture"))
        assert total == pytest.approx(diagnosis["loss"]["points"], abs=1e-9)
    for name in LOST:
        part = diagnosis[name]
        if part is not None:
            assert part["ci"][0] - 1e-9 <= part["points"] <= part["ci"][1] + 1e-9
    for name in diagnosis["named"]:
        assert f"to {verdict.TO[name]}" in verdict.sentence(model)
    assert set(diagnosis["chief"]) <= set(diagnosis["named"])


def points(diagnosis: DiagnosisDoc, name: str) -> float:
    part = cast(dict[str, PointsDoc | None], diagnosis)[name]
    return part["points"] if part else 0.0


def model_of(tmp_path: Path, patterns: dict[str, str], **more: Any) -> ModelDoc:
    rows = [
        record(puzzle, 0, mode, outcome, {"correct": "a", "wrong": "b"}.get(outcome), True)
        for mode, pattern in patterns.items()
        for puzzle, outcome in enumerate(c(pattern))
    ]
    return gap_document(open_runs([write_run(tmp_path / "r", rows, **more)]))["models"][0]


PATTERNS = {"image": "1000" * 30, "caption": "1100" * 30, "oracle": "1110" * 30, "readback": "1101" * 30}


@pytest.mark.parametrize(
    ("arms", "kind", "said"),
    [
        ("image caption oracle readback", "complete", r"75\.0 points: 25\.0 .* to not using .*, 25\.0 .* to seeing, 25\.0 .* to thinking"),
        ("image caption oracle", "order", r"25\.0 .* to not using .* 25\.0 .* to seeing, 25\.0 .* to thinking, in this order of repair"),
        ("image caption readback", "order", r"to not using .*, 25\.0 .* to thinking, 25\.0 .* to seeing, in this order of repair"),
        ("image oracle readback", "picture", r"37\.5 .* to the picture, 37\.5 .* to thinking \(using and seeing cannot be told apart"),
        ("image oracle", "description", r"with the description it gains 50\.0 .*; 25\.0 .* remain\."),
        ("image caption", "own_words", r"25\.0 .* to not using what it sees; 50\.0 .* remain, in which seeing and thinking cannot be told"),
        ("image readback", "loss", r"loses 75\.0 points .*; to what cannot be told"),
        ("image", "loss", r"loses 75\.0 points .*; to what cannot be told"),
    ],
)  # fmt: skip
def test_where_an_arm_is_missing_the_words_say_what_is_known(tmp_path: Path, arms: str, kind: str, said: str) -> None:
    model = model_of(tmp_path, {mode: PATTERNS[mode] for mode in arms.split()})
    assert model["diagnosis"]["kind"] == kind
    assert re.search(said, verdict.sentence(model)), verdict.sentence(model)
    assert bool(verdict.cannot_tell(model["diagnosis"])) == (kind != "complete")
    words = verdict.sentence(model)
    if kind in ("description", "loss"):
        assert not re.search("seeing|thinking|using", words)


def test_captions_by_another_model_are_no_words_of_its_own(tmp_path: Path) -> None:
    rows = [
        {"puzzle": f"p{i}", "mode": mode, "outcome": outcome, **({"captioner": "other"} if mode == "caption" else {})}
        for mode, pattern in PATTERNS.items()
        for i, outcome in enumerate(c(pattern))
    ]
    diagnosis = gap_document(open_runs([write_run(tmp_path / "r", rows)]))["models"][0]["diagnosis"]
    assert (diagnosis["kind"], diagnosis["missing"], diagnosis["using"]) == ("picture", ["caption"], None)


def test_no_part_is_named_whose_interval_holds_0_and_none_is_hidden(tmp_path: Path) -> None:
    noise = ["".join("1" if value else "0" for value in np.random.default_rng(seed).random(200) < 0.5) for seed in range(2)]
    model = model_of(tmp_path, {"image": noise[0], "caption": noise[1], "oracle": "1" * 200, "readback": noise[1]})
    words = verdict.sentence(model)
    assert "using" not in model["diagnosis"]["named"]
    assert re.search(r"no clear loss to not using what it sees \(-?\d+\.\d \[", words)
    assert words.endswith("Chief failure: seeing.")


def test_what_its_own_words_cost_is_said(tmp_path: Path) -> None:
    model = model_of(tmp_path, {"image": "1110" * 50, "caption": "1000" * 50, "oracle": "1111" * 50, "readback": "1000" * 50})
    assert "its own words serve it 50.0 [" in verdict.sentence(model)


def test_replies_without_an_answer_are_spoken_of_in_the_same_breath(tmp_path: Path) -> None:
    few = model_of(tmp_path / "few", {"image": "1" * 50 + "0" * 45 + "u" * 5, "oracle": "1" * 100})
    many = model_of(tmp_path / "many", {"image": "1" * 50 + "0" * 44 + "u" * 6, "oracle": "1" * 100})
    assert "unparsed" not in verdict.sentence(few)
    assert "but with 6.0% unparsed of its image replies" in verdict.sentence(many)
    assert many["diagnosis"]["unanswered"] == {"image": {"unparsed": 0.06}}


def test_a_model_that_loses_nothing_is_told_so(tmp_path: Path) -> None:
    assert (
        verdict.sentence(model_of(tmp_path, {"image": "1" * 20, "oracle": "1" * 20})) == "m loses nothing: it is right on all 20 puzzles."
    )


def test_a_rate_outside_its_range_carries_a_note(tmp_path: Path) -> None:
    better = "1" * 60 + "0" * 40
    model = model_of(tmp_path, {"image": "1" * 80 + "0" * 20, "caption": better, "oracle": "1" * 90 + "0" * 10, "blind": "0001" * 25})
    uses = model["diagnosis"]["rates"]["uses"]
    assert (uses["estimate"] or 0) > 1
    assert "the picture serves it better" in uses.get("note", "")
    assert "note" not in model["diagnosis"]["rates"]["thinks"]


def test_the_pool_says_in_which_families_it_does_not_hold(tmp_path: Path) -> None:
    rows = [
        {"puzzle": f"{family}{i}", "family": family, "mode": mode, "outcome": outcome}
        for family, oracle in (("clock", "1111"), ("maze", "0100"))
        for mode, pattern in (("image", "1010"), ("oracle", oracle), ("blind", "0100"))
        for i, outcome in enumerate(c(pattern * 20))
    ]
    document = gap_document(open_runs([write_run(tmp_path / "r", rows)]))
    pool = document["models"][0]["diagnosis"]["perception"]
    assert pool["identifiable"]
    assert pool.get("unidentified") == ["maze"]
    assert "not identifiable in maze" in render(document).replace("\\", "")


def comparison(p: float, delta: float) -> ComparisonDoc:
    """A comparison whose three parts have the same change."""
    names = ("loss", *PARTS, "picture", "perception", "reasoning", "image", "oracle", "oracle_image")
    doc: Any = {"model": "new", "baseline": "old", "n": 9, "kind": "complete", "improved": [], "worse": []}
    doc |= {name: {"delta": None, "ci": None} for name in names}
    return doc | {name: {"delta": delta, "ci": [delta - 0.01, delta + 0.01], "p": p} for name in PARTS}


def test_only_what_stays_significant_over_all_parts_and_models_is_said_to_have_changed() -> None:
    one, two = comparison(0.01, -0.1), comparison(0.5, 0.1)
    correct([one])
    assert one["improved"] == list(PARTS)
    correct([one, two])  # six tests: 6 x 0.01 is too much
    assert (one["improved"], one["worse"], two["improved"]) == ([], [], [])
    assert one["seeing"].get("p_holm") == pytest.approx(0.06)
    worse = comparison(0.001, 0.1)
    correct([worse])
    assert (worse["improved"], worse["worse"]) == ([], list(PARTS))
    assert verdict.improved(worse) == "worse in using and seeing and thinking"


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=40))
def test_the_test_of_a_changed_part_is_the_exact_one(values: list[float]) -> None:
    assert sign_flip(np.array(values)) == pytest.approx(sign_flip_exact(np.array(values) * 2))


def test_many_puzzles_take_the_normal_distribution_which_agrees() -> None:
    values = np.random.default_rng(2).choice([-1.0, -0.5, 0.5, 1.0], size=5000) + np.repeat([0.5, 0.0], [150, 4850])
    assert sign_flip(values) == pytest.approx(sign_flip_exact((2 * values[values != 0]).astype(int)), rel=0.02)


def test_the_notation_is_asked_once_for_captions_and_readback(tmp_path: Path) -> None:
    document = simulate(tmp_path / "r", "sim/p=0.6,r=0.9,u=0.5", "--suite", "mini:n=4", "--mode", "diagnose")
    lines = [json.loads(line) for line in (tmp_path / "r" / "trials.jsonl").read_text().splitlines()]
    captions = {line["key"]: line for line in map(json.loads, (tmp_path / "r" / "captions.jsonl").read_text().splitlines())}
    read = {line["puzzle"]: line for line in lines if line["mode"] == "readback"}
    shown = {line["puzzle"]: line for line in lines if line["mode"] == "caption"}
    assert read.keys() == shown.keys()
    for puzzle, line in read.items():
        assert line["caption_key"] == shown[puzzle]["caption_key"]
        assert line["reply"]["text"] == captions[line["caption_key"]]["text"]
    assert len(captions) == len(read)
    assert document["models"][0]["diagnosis"]["complete"]
    assert document["models"][0]["captioner"] == "self/notation"


@pytest.mark.parametrize(
    ("rates", "chief"), [("p=0.9,u=0.5,r=0.9", "using"), ("p=0.5,u=1,r=0.9", "seeing"), ("p=0.95,u=1,r=0.5", "thinking")]
)
def test_what_is_planted_is_the_chief_failure_alone(tmp_path: Path, rates: str, chief: str) -> None:
    document = simulate(tmp_path / "r", f"sim/{rates},seed=3", "--suite", "mini", "--limit", "40", "--level", "1", "--mode", "diagnose")
    diagnosis = document["models"][0]["diagnosis"]
    assert diagnosis["chief"] == [chief]
    expected = split(reckon(tmp_path / "r", ARMS))
    for name, value in expected.items():
        assert points(diagnosis, name) == pytest.approx(value, abs=1e-9)
