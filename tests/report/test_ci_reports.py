"""What CI reads of a comparison: JUnit XML that is valid, and a summary that GitHub takes, whatever the names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.comparison.result import Case, Change, Comparison, Decision
from bench.report.ci import junit, summary
from tests.comparison.comparing import compare
from tests.gap.test_gap import write_run
from tests.report.hostile import NAMES, document, flat, rows

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


def valid(text: str) -> ElementTree.Element:
    """The parsed XML, checked against the schema and its own counts."""
    SCHEMA.validate(text)
    root = ElementTree.fromstring(text)
    for element in (root, *root.iter("testsuite")):
        cases = list(element.iter("testcase"))
        assert int(element.attrib["tests"]) == len(cases)
        assert int(element.attrib["failures"]) == sum(case.find("failure") is not None for case in cases)
        if "skipped" in element.attrib:
            assert int(element.attrib["skipped"]) == sum(case.find("skipped") is not None for case in cases)
    return root


@pytest.fixture
def hostile(tmp_path: Path) -> Comparison:
    old = write_run(tmp_path / "old <&>", [row for name in NAMES[:4] for row in rows(name, 20, flat)])
    new = write_run(
        tmp_path / "new", [row for name in NAMES[1:4] for row in rows(name, 20, lambda f, m: 0.0 if m == "image" else flat(f, m), seed=1)]
    )
    return compare(old, new)


def test_a_case_for_each_family_and_mode_fails_where_it_is_worse(hostile: Comparison) -> None:
    assert hostile.exit_code == 1
    root = valid(junit.render_comparison(hostile))
    suites = {suite.attrib["name"]: suite for suite in root.iter("testsuite")}
    assert set(suites) == {"comparison", *(junit.clean(name) for name in NAMES[1:4])}
    cases = {case.attrib["name"]: case for case in suites[NAMES[1]].iter("testcase")}
    assert set(cases) == {
        f"{family}, {mode}" for family in ("overall", "clock", "maze", "odd_family_%") for mode in ("image", "caption", "oracle", "blind")
    }
    assert cases["overall, image"].find("failure") is not None
    assert cases["overall, oracle"].find("skipped") is not None
    assert cases["overall, blind"].find("failure") is None
    assert "puzzles that would be enough" in (cases["clock, oracle"].findtext("system-out") or "")
    complete = next(case for case in root.iter("testcase") if case.attrib["name"] == "complete")
    assert "no trial of gpt_4o" in next(complete.iter("skipped")).attrib["message"]


def test_a_single_run_fails_only_where_outcomes_are_missing(tmp_path: Path) -> None:
    root = valid(junit.render_document(document(tmp_path / "r")))
    failed = {case.attrib["classname"] for case in root.iter("testcase") if case.find("failure") is not None}
    assert failed == {junit.clean(NAMES[-1])}
    assert len(list(root.iter("testcase"))) == len(NAMES) * 4 * 4


def test_nothing_to_compare_is_one_skipped_case(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / suite, rows("m", 2, flat), suite=suite) for suite in ("algo", "mini")]
    root = valid(junit.render_comparison(compare(*runs)))
    assert [case.attrib["name"] for case in root.iter("testcase") if case.find("skipped") is not None] == ["complete"]


def test_the_summary_links_each_changed_puzzle_to_its_place_in_the_report(tmp_path: Path) -> None:
    old, new = (write_run(tmp_path / name, rows("m", 20, flat, seed=seed)) for seed, name in enumerate("ab"))
    comparison = compare(old, new)
    text = summary.render(comparison, "https://ci.example/a b)/report.html")
    puzzle = comparison.changes[0].puzzle
    assert f"](https://ci.example/a%20b%29/report.html#?puzzle={puzzle}&of=m) |" in text
    assert len(re.findall(r"\(https://ci[.]example", text)) == len(comparison.changes)
    assert "https://" not in summary.render(comparison)


def test_the_summary_holds_no_markup_of_a_name(hostile: Comparison) -> None:
    text = summary.render(hostile)
    assert text.startswith("### ❌ regression: image overall")
    assert set(re.findall(r"(?<!\\)<[^>]*>", text)) == {"<details>", "</details>", "<summary>", "</summary>"}
    assert text.count("<details>") == text.count("</details>") == 3
    lost = sum(change.after < change.before for change in hostile.changes)
    assert f"{lost} right → wrong, {len(hostile.changes) - lost} wrong → right." in text
    assert all(line.endswith("|") for line in text.splitlines() if line.startswith("|"))


texts = st.text(max_size=400)
cases = st.builds(
    Case,
    texts,
    texts,
    st.none() | texts,
    decides=st.booleans(),
    puzzles=st.integers(0, 10**9),
    verdict=st.sampled_from(list(Decision)),
    delta=st.floats(-1, 1),
)
changes = st.builds(Change, texts, texts, texts, texts, before=st.integers(0, 99), after=st.integers(0, 99), trials=st.integers(1, 99))


@settings(max_examples=25, deadline=None)
@given(
    cases=st.lists(cases, min_size=1, max_size=5),
    changes=st.lists(changes, max_size=5),
    lines=st.lists(texts, max_size=3),
    name=texts,
    times=st.sampled_from([1, 400]),
)
def test_any_comparison_fits_and_is_valid(cases: list[Case], changes: list[Change], lines: list[str], name: str, times: int) -> None:
    many = tuple(replace(case, model=f"{case.model}{i % 200}") for i, case in enumerate(cases * times))
    comparison = Comparison(name, name, name, 0.02, 0.05, many, many, tuple(changes * times), tuple(lines * times), tuple(lines))
    assert len(summary.render(comparison).encode("utf-8", "replace")) < summary.LIMIT
    if times == 1:
        valid(junit.render_comparison(comparison))
