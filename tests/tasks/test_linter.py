"""The linter: what it must find, what it must not, and how often its tests raise a false alarm."""

from __future__ import annotations

import base64
import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from scipy.stats import binomtest, poisson_binom

import bench.image
from bench.image import ImageRef
from bench.puzzle import Puzzle
from tasks.public import rows as public_rows
from tasks.public.load import Problem, load_public
from tasks.tools.findings import ALPHA, Code, LintReport, Severity, table
from tasks.tools.letters import letter_tests
from tasks.tools.linter import lint
from tests.tasks.own import load, write_lines
from tests.tasks.public_data import clock_row, picture, triangle_row, write_set


def puzzle(index: int = 0, **changes: Any) -> Puzzle:
    """A clean puzzle of a family without state, image and question of its own."""
    data = picture(index, kind="PNG", size=(8 + index // 256, 8))
    base = Puzzle(
        id=f"test/triangle/{index:04d}",
        suite="test",
        family="triangle",
        question=f"Question {index}?",
        options=("11", "12", "13", "20"),
        answer="20",
        image=ImageRef(f"images/{index}.png", lambda: data),
        state=None,
        description="There are three groups of numbers with a triangle arrangement in the image. "
        "The first group is [4, 5, '?'], the second group is [3, 1, 3], and the third group is [9, 7, 63].",
        level=None,
        seed=None,
        split="eval",
    )
    return replace(base, **changes)


def codes(report: LintReport) -> list[Code]:
    return [finding.code for finding in report.findings]


# -- the samples -----------------------------------------------------------------------------------------------------------------------
def test_the_samples_of_puzzlevqa(shared_data: Path) -> None:
    loaded = load_public("puzzlevqa", data_dir=shared_data)
    report = lint(loaded.puzzles, loaded.problems, loaded.rows)
    skew = [finding for finding in report.findings if finding.code is Code.POSITION_SKEW]
    assert [finding.family for finding in skew] == ["grid_number"]
    assert skew[0].message == "the right answer is D in 10 of 10, expected 2.5"
    assert skew[0].p is not None
    assert skew[0].p == pytest.approx(20 * 4 * 2 * 0.25**10)
    assert [finding.family for finding in report.findings if finding.code is Code.FIXED_LETTER] == ["grid_number"]
    assert "shape_morph" in [finding.family for finding in report.findings if finding.code is Code.INSUFFICIENT]
    assert Code.WRONG_LABEL not in codes(report)
    assert report.found


def test_png_bytes_under_jpg_names_are_found_in_the_samples(shared_data: Path) -> None:
    loaded = load_public("algopuzzlevqa", data_dir=shared_data, families=["rotting_kiwi", "clock"], limit=2)
    report = lint(loaded.puzzles, loaded.problems, loaded.rows)
    assert [(finding.code, finding.family, finding.rows) for finding in report.findings] == [
        (Code.MISTYPED_IMAGE, "rotting_kiwi", ("row 1", "row 2"))
    ]
    assert report.findings[0].message == "2 of 2: images/rotting_kiwi/rotting_kiwi_0000.jpg holds image/png"


# -- one trouble at a time -------------------------------------------------------------------------------------------------------------
def test_a_clean_suite_has_no_findings() -> None:
    report = lint([puzzle(index) for index in range(3)])
    assert report.findings == ()
    assert not report.found


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"options": ("20",)}, Code.FEW_OPTIONS, "1 of 1: expected at least 2 options, found 1"),
        ({"options": ("11", "12", "13")}, Code.ANSWER_MISSING, "'20' is not among 11, 12, 13"),
        ({"options": ("11", "20", "11")}, Code.DUPLICATE_OPTIONS, "'11' is listed 2 times"),
        ({"options": ("20", "twenty", "11")}, Code.EQUIVALENT_OPTIONS, "'20' and 'twenty' mean the same"),
        ({"options": ("20", "20 dark", "11")}, Code.CONTAINED_OPTION, "'20' is part of '20 dark'"),
        ({"answer": "11"}, Code.WRONG_LABEL, "the label is '11', an exact solver finds '20'"),
        ({"image": ImageRef("images/a.jpg", lambda: picture(kind="PNG"))}, Code.MISTYPED_IMAGE, "images/a.jpg holds image/png"),
        ({"image": ImageRef("images/a.png", lambda: b"")}, Code.BAD_IMAGE, "images/a.png: not a readable image"),
        ({"sufficient": False, "description": None}, Code.INSUFFICIENT, "the set carries no caption"),
    ],
)
def test_one_trouble(changes: dict[str, Any], code: Code, message: str) -> None:
    report = lint([puzzle(**changes)])
    finding = next(item for item in report.findings if item.code is code)
    assert message in finding.message
    assert finding.puzzles == ("test/triangle/0000",)
    assert report.found
    allowed = {code, Code.ANSWER_MISSING} if code is Code.FEW_OPTIONS else {code}
    assert set(codes(report)) <= allowed


@pytest.mark.parametrize("options", [("1", "10", "100", "20"), ("2", "0", "20"), ("1:20", "11:20", "20"), ("yellow", "low", "20")])
def test_characters_within_a_word_are_no_containment(options: tuple[str, ...]) -> None:
    assert lint([puzzle(options=options)]).findings == ()


def test_labels_that_no_dial_shows(tmp_path: Path) -> None:
    solution = {"current_hour": 10, "current_minute": 57, "add_hour": 1, "add_minute": 40}
    odd = clock_row(1, options=["0:37", "1:14"], answer="0:37", solution=solution)
    write_set(tmp_path, {"clock": [clock_row(0), odd, clock_row(2, options=["04:23", "1:14"], answer="04:23")]})
    loaded = load_public("algopuzzlevqa", data_dir=tmp_path)
    report = lint(loaded.puzzles, rows=loaded.rows)
    (finding,) = report.findings
    assert (finding.code, finding.severity, finding.rows) == (Code.ODD_LABEL, Severity.WARNING, ("row 2", "row 3"))
    assert finding.message == "2 of 3: the label is '0:37' for what is written '12:37'"


def test_equivalent_times_among_the_options(tmp_path: Path) -> None:
    write_set(tmp_path, {"clock": [clock_row(0, options=["0:37", "12:37", "4:23"])]})
    report = lint(load_public("algopuzzlevqa", data_dir=tmp_path).puzzles)
    assert codes(report) == [Code.EQUIVALENT_OPTIONS]


def test_repeats_by_kind() -> None:
    first = puzzle(0)
    same = puzzle(0, id="copy", options=("20", "11"), question=" question 0? ")
    against = puzzle(0, id="against", answer="11", state=None, family="shape_morph", description="x")
    other = puzzle(0, id="other", question="Another question?")
    report = lint([first, same, other, puzzle(1)])
    found = {finding.code: finding for finding in report.findings}
    assert set(found) == {Code.DUPLICATE_PUZZLE, Code.SHARED_IMAGE}
    assert found[Code.DUPLICATE_PUZZLE].puzzles == ("copy",)
    assert found[Code.DUPLICATE_PUZZLE].message == "1 of 4: copy repeats test/triangle/0000 (same image, question and answer)"
    assert found[Code.SHARED_IMAGE].severity is Severity.NOTE
    assert Code.CONTRADICTION in codes(lint([first, against]))
    assert not lint([first, other]).found


def test_identical_rows_of_a_public_set_are_found(tmp_path: Path) -> None:
    write_set(tmp_path, {"clock": [clock_row(0), clock_row(1), clock_row(0)]})
    loaded = load_public("algopuzzlevqa", data_dir=tmp_path)
    (finding,) = lint(loaded.puzzles, rows=loaded.rows).findings
    assert (finding.code, finding.rows) == (Code.DUPLICATE_PUZZLE, ("row 3",))


def test_rows_that_did_not_load_are_findings(tmp_path: Path) -> None:
    rows = [clock_row(0), clock_row(1, answer="never"), clock_row(2, question=""), clock_row(3, image="nowhere/none.jpg")]
    write_set(tmp_path, {"clock": rows})
    loaded = load_public("algopuzzlevqa", data_dir=tmp_path, skip_bad=True)
    report = lint(loaded.puzzles, loaded.problems, loaded.rows)
    found = {finding.code: finding for finding in report.findings}
    assert set(found) == {Code.ANSWER_MISSING, Code.BAD_ROW, Code.BAD_IMAGE}
    assert found[Code.ANSWER_MISSING].rows == ("clock.json line 2",)
    assert found[Code.BAD_ROW].message.startswith("clock.json line 3: question: expected text")
    assert found[Code.BAD_IMAGE].rows == ("clock.json line 4",)
    assert all(finding.severity is Severity.ERROR for finding in report.findings)


# -- letters ---------------------------------------------------------------------------------------------------------------------------
def test_with_one_number_of_options_the_test_is_the_binomial_one() -> None:
    answers = [(0, 4)] * 9 + [(1, 4)] * 3 + [(2, 4)] * 4 + [(3, 4)] * 4
    test = letter_tests({"f": answers})["f"]
    expected = binomtest(9, 20, 0.25, alternative="greater").pvalue
    assert test.best.p == pytest.approx(min(1, 4 * expected))
    assert test.skew.p == pytest.approx(min(1, 4 * 2 * expected))
    assert (test.best.letter, test.best.count, test.chance, test.n) == ("A", 9, 0.25, 20)


def test_a_letter_that_is_never_right_is_skew_but_beats_nothing() -> None:
    answers = [(position, 4) for position in (0, 1, 2) for _ in range(34)]
    test = letter_tests({"f": answers})["f"]
    assert test.skew.letter == "D"
    assert test.skew.p == pytest.approx(4 * 2 * 0.75**102, rel=1e-6)
    assert test.best.p > ALPHA


@settings(max_examples=60, deadline=None)
@given(answers=st.lists(st.sampled_from([(p, k) for k in (2, 3, 4) for p in range(k)]), min_size=1, max_size=40))
def test_mixed_numbers_of_options_follow_the_poisson_binomial_law(answers: list[tuple[int, int]]) -> None:
    test = letter_tests({"f": answers})["f"]
    positions = max(k for _, k in answers)
    best: list[float] = []
    skew: list[float] = []
    for position in range(positions):
        law = poisson_binom([1 / k if k > position else 0.0 for _, k in answers])
        count = sum(p == position for p, _ in answers)
        upper, lower = float(law.sf(count - 1)), float(law.cdf(count))
        best.append(min(1.0, positions * upper))
        skew.append(min(1.0, positions * 2 * min(upper, lower)))
    assert math.isclose(test.best.p, min(best), rel_tol=1e-6, abs_tol=1e-12)
    assert math.isclose(test.skew.p, min(skew), rel_tol=1e-6, abs_tol=1e-12)
    assert test.skew.p <= 2 * test.best.p  # a fixed letter, claimed at half the level, always comes with a skew
    assert math.isclose(test.chance, sum(1 / k for _, k in answers) / len(answers))


def shuffled(rng: random.Random, families: int = 18, n: int = 100) -> dict[str, list[tuple[int, int]]]:
    sizes = {name: rng.choice(([4], [4], [2], [3], [2, 3, 4])) for name in map(str, range(families))}
    return {name: [(rng.randrange(k), k) for k in (rng.choice(size) for _ in range(n))] for name, size in sizes.items()}


def test_clean_suites_are_flagged_in_at_most_one_of_twenty() -> None:
    rng = random.Random(20)
    suites = [letter_tests(shuffled(rng)) for _ in range(300)]
    flagged = sum(any(test.skew.p <= ALPHA or test.best.p <= ALPHA / 2 for test in tests.values()) for tests in suites)
    assert 0 < flagged <= 15  # more than none: the tests are not asleep


@pytest.mark.parametrize(("share", "least"), [(0.5, 0.95), (1.0, 1.0)])
def test_a_skewed_family_among_clean_ones_is_found(share: float, least: float) -> None:
    rng = random.Random(7)
    hits = 0
    for _ in range(60):
        suite = shuffled(rng)
        suite["odd"] = [(3 if rng.random() < share else rng.randrange(4), 4) for _ in range(100)]
        hits += letter_tests(suite)["odd"].skew.p <= ALPHA
    assert hits / 60 >= least


def test_ten_rows_with_one_letter_are_enough() -> None:
    def letters(answers: Sequence[int]) -> list[Puzzle]:
        options = ("11", "12", "13", "20")
        return [puzzle(index, answer=options[p], description="none", family="shape_morph") for index, p in enumerate(answers)]

    report = lint(letters([3] * 10))
    assert codes(report) == [Code.FIXED_LETTER, Code.POSITION_SKEW]
    assert report.findings[1].p == pytest.approx(4 * 2 * 0.25**10)
    assert lint(letters([0, 1, 2, 3, 0, 1, 2, 3, 1, 2])).findings == ()


# -- what is shown ---------------------------------------------------------------------------------------------------------------------
def test_json_and_table(tmp_path: Path) -> None:
    write_set(tmp_path, {"triangle": [triangle_row(0, options=["62", "[bold]20", 20]), triangle_row(1)]}, "PuzzleVQA")
    loaded = load_public("puzzlevqa", data_dir=tmp_path)
    problem = Problem("venn.json line 1", "line: not JSON", family="venn")
    report = lint(loaded.puzzles, [problem], loaded.rows)
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert (data["n"], data["found"], data["totals"]) == (2, True, {"error": 1, "warning": 1, "note": 0})
    assert data["findings"][1] == {
        "code": "contained-option",
        "severity": "warning",
        "family": "triangle",
        "puzzles": [loaded.puzzles[0].id],
        "rows": ["row 1"],
        "message": "1 of 2: '20' is part of '[bold]20'",
        "p": None,
    }
    assert data["families"]["triangle"]["n"] == 2
    console = Console(width=110, record=True, color_system=None)
    with console.capture() as captured:
        console.print(table(report))
    text = captured.get()
    assert "2 puzzles of 1 families: 1 error, 1 warning, 0 notes" in text
    assert "'[bold]20'" in text
    lines = [line for line in text.splitlines() if "venn" in line or "triangle" in line]
    assert "bad-row" in lines[0]
    assert "contained-option" in lines[1]


def test_errors_come_first() -> None:
    report = lint([puzzle(0, options=("20", "20 dark")), puzzle(1, answer="99"), puzzle(1, question="Again?")])
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=list(Severity).index)
    assert len(set(severities)) == 3


# -- one picture, many rows --------------------------------------------------------------------------------------------------------------
def test_loading_and_linting_take_time_in_proportion_to_the_rows(tmp_path: Path) -> None:
    """Eight times the rows on one picture: no more than twice eight times as long, where their square would be 64 times."""

    def seconds(rows: int) -> float:
        data = write_set(tmp_path / str(rows), {"clock": [clock_row(index, image="images/clock/one.png") for index in range(rows)]})
        Image.new("RGB", (40, 30)).save(data / "images/clock/one.png")
        started = time.process_time()
        loaded = load_public("algopuzzlevqa", data_dir=tmp_path / str(rows))
        lint(loaded.puzzles, loaded.problems, loaded.rows)
        return time.process_time() - started

    seconds(20)  # what is imported and worked out once
    assert seconds(1200) < 16 * seconds(150)


def test_a_picture_is_decoded_once_however_many_rows_show_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 rows on one picture took over a minute: loading and linting decode one picture, whatever it is called."""
    decoded: list[str] = []
    whole = bench.image._inspect  # pyright: ignore[reportPrivateUsage]

    def counted(data: bytes, sha256: str, *others: Any, **more: Any) -> Any:
        decoded.append(sha256)
        return whole(data, sha256, *others, **more)

    monkeypatch.setattr(bench.image, "_inspect", counted)
    read: list[Path] = []

    def noted(path: Path, folder: Path) -> bytes:
        read.append(path)
        return path.read_bytes()

    monkeypatch.setattr(public_rows, "_file_bytes", noted)
    shown = random.Random(0).randbytes(3)
    rows = [clock_row(index, image="images/clock/one.png") for index in range(300)]
    data = write_set(tmp_path, {"clock": rows})
    Image.new("RGB", (40, 30), tuple(shown)).save(data / "images/clock/one.png")
    loaded = load_public("algopuzzlevqa", data_dir=tmp_path)
    lint(loaded.puzzles, loaded.problems, loaded.rows)
    assert (len(decoded), len(read)) == (1, 1)

    held = base64.b64encode((data / "images/clock/one.png").read_bytes()).decode()
    asked = [{"image": held, "question": f"Question {n}?", "options": ["a", "b"], "answer": "a"} for n in range(50)]
    own = load(write_lines(tmp_path / "own.jsonl", asked))
    lint(own.puzzles, own.problems, own.rows)
    assert len(decoded) == 1
