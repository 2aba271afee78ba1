"""The Markdown report: whatever names, families and reasons say, it stays text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gap.make import gap_document
from bench.report import markdown
from bench.report.markdown import render, text
from bench.store.run import open_runs
from bench.visible import visible
from tests.report.hostile import NAMES, document
from tests.report.pages import puzzle_line, write_story

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "![a](https://example.org/x.png)",
    "@someone and @org/team",
    "fixes #12",
    "https://example.org www.example.org",
    "&lt;b&gt;",
    "a|b\n# heading\n- item",
    "\x1b[31mred\x07\x9b2J\u202eturned",
    "`code` *em* _em_ ~~gone~~",
)


@pytest.mark.parametrize("value", HOSTILE)
def test_text_is_neither_markup_nor_a_call(value: str) -> None:
    made = text(value)
    assert not re.search(r"(?<!\\)[<>\[\]`*_|~]", made)
    assert not re.search(r"@\w|(?<!&)#\d|https?:|www\.", made)
    assert not set(made) & set("\n\r\x1b\x07\x9b\u202e")
    assert "&" not in made.replace(r"\&", "").replace("&#8203;", "")


@given(st.text())
def test_visible_text_is_one_line_that_commands_nothing(value: str) -> None:
    made = visible(value)
    assert len(made) == len(value)
    assert not any(char < " " or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff" for char in made)
    assert visible(made) == made


def test_a_report_of_hostile_names_has_no_markup_of_theirs(tmp_path: Path) -> None:
    made = render(document(tmp_path / "r", names=[*NAMES[:4], "@everyone <b>#1</b>"], n=4))
    assert not re.search(r"(?<!\\)<(script|b|!)", made)
    assert "@everyone" not in made
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", made)


def test_a_section_escapes_every_cell(tmp_path: Path) -> None:
    folder = write_story(tmp_path / "run", [{**puzzle_line(1), "family": "<i>x</i>"}], models=["m", "<u>n</u>"])
    found = gap_document(open_runs([folder]))
    lines = "\n".join(line for part in markdown.across.sections(found) for line in markdown.section(part))
    assert r"\<u\>n" in lines
    assert not re.search(r"(?<!\\)<[ui]", lines)
