"""The paper's tables: they compile, alone and inside a document, whatever the names; LaTeX and CSV agree with the document."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gap.document import Document
from bench.gap.make import gap_document
from bench.presets import PAPER_FAMILIES, PRESETS
from bench.report.paper import latex, nine, tex
from bench.report.paper import rows as paper
from bench.report.paper.csvs import cell, write_csv
from bench.report.paper.latex import write_latex
from bench.report.sections import published
from bench.report.write import Report, write_report
from bench.store.run import open_runs
from bench.visible import visible
from tasks.suites import MINI_FAMILIES
from tests.gap.test_gap import write_run
from tests.report.hostile import FAMILIES, NAMES, document, flat, many, rows

PDFLATEX = shutil.which("pdflatex")
INSIDE = r"""\documentclass[a4paper%s]{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\begin{document}
See Table~\ref{tab:sightgap-accuracy}.
\input{diagnosis}
\input{accuracy}
\input{image_text}
\clearpage
\input{rewards}
\end{document}
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return document(tmp_path_factory.mktemp("hostile") / "r", suite="algopuzzlevqa")


def compile_tex(path: Path) -> str:
    """The log of one pass over `path`."""
    if PDFLATEX is None:
        pytest.skip("pdflatex is not installed: `make tex` installs it (texlive-latex-base and texlive-latex-recommended)")
    command = [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, timeout=120, check=False)
    log = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, log[-2000:]
    assert path.with_suffix(".pdf").is_file()
    return log


@pytest.mark.parametrize("columns", ["", ",twocolumn"])
def test_the_tables_compile_alone_and_inside_a_document_and_fit_its_page(tmp_path: Path, hostile: Document, columns: str) -> None:
    written = write_latex(hostile, tmp_path)
    assert {path.name for path in written} == {"diagnosis.tex", "accuracy.tex", "image_text.tex", "rewards.tex", "tables.tex"}
    assert all(path.read_bytes().isascii() for path in written)
    (tmp_path / "inside.tex").write_text(INSIDE % columns)
    for name in ("tables", "inside"):
        log = compile_tex(tmp_path / f"{name}.tex")
        assert "Overfull" not in log
        assert "too large" not in log


def test_the_source_of_a_table_can_be_edited_by_a_person(tmp_path: Path) -> None:
    text = "".join(path.read_text() for path in write_latex(document(tmp_path / "r", names=["gpt-4o", "qwen2.5-vl-7b"], n=4), tmp_path))
    assert "{-}" not in text
    assert "{,}" not in text
    for name in ("gpt-4o", "qwen2.5-vl-7b", "o4-mini-high"):
        assert tex.name(name) == name
    assert "\\raggedright gpt-4o &" in text


def test_a_table_for_every_page_has_caption_label_and_notes(hostile: Document) -> None:
    for text in (latex.diagnosis(hostile), latex.accuracy(hostile), latex.image_text(hostile), latex.rewards(hostile)):
        assert text.count(r"\label{tab:sightgap-") == 1
        assert text.count(r"\caption{") == text.count(r"\begin{table*}")
        assert "Suite algopuzzlevqa" in text


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.text("abcmwMW-/0.", min_size=1, max_size=40), min_size=1, max_size=4),
    values=st.lists(st.floats(-100, 100), min_size=1, max_size=14),
)
def test_panels_are_never_wider_than_the_text(names: list[str], values: list[float]) -> None:
    header = ["name", *(f"column {place}" for place in range(len(values)))]
    lines = [[tex.name(name), *(tex.with_interval(value, value - 1, value + 1, signed=True) for value in values)] for name in names]
    made = tex.panels(header, lines)
    assert sum(panel.count("column") for panel in made) == len(values)
    if PDFLATEX:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "t.tex"
            path.write_text(tex.alone(tex.table(made, "c", "l", [])))
            assert "Overfull" not in compile_tex(path)


@pytest.mark.parametrize("fmt", ["mcq", "open"])
@pytest.mark.parametrize("suite", ["puzzlevqa", "algo"])
def test_two_hundred_models_compile_and_say_what_is_left_out(tmp_path: Path, suite: str, fmt: str) -> None:
    big = many(document(tmp_path / "r", names=["m"], n=1, suite=suite, fmt=fmt), 200)
    for path in write_latex(big, tmp_path):
        if path.stem != "tables":
            assert f"188 more models are in {path.stem.replace('_', chr(92) + '_')}.csv." in path.read_text()
    compile_tex(tmp_path / "tables.tex")
    write_csv(big, tmp_path)
    with (tmp_path / "rewards.csv").open(newline="", encoding="utf-8") as lines:
        assert sum(row["origin"] == "measured" for row in csv.DictReader(lines)) == 200


def test_every_character_compiles(tmp_path: Path) -> None:
    characters = [chr(code) for code in (*range(1, 0x250), *range(0x370, 0x400), *range(0x2010, 0x2040), 0x4E2D, 0x202E, 0x1F916, 0xD800)]
    lines = [
        tex.escape("".join(characters[i : i + 20])) + "\n\n" + tex.name("".join(characters[i : i + 20]))
        for i in range(0, len(characters), 20)
    ]
    path = tmp_path / "all.tex"
    path.write_text(tex.alone("\n\n".join(lines)), encoding="ascii")
    compile_tex(path)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=80))
def test_escaped_text_is_ascii_balanced_and_runs_no_command(text: str) -> None:
    for made in (tex.escape(text), tex.name(text)):
        assert made.isascii()
        bare = made.replace("\\{", "").replace("\\}", "")
        assert bare.count("{") == bare.count("}")
        assert "%" not in made.replace(r"\%", "")
        assert "input" not in made or "input" in text


def test_the_numbers_are_those_of_the_document(tmp_path: Path) -> None:
    written = document(tmp_path / "r", names=["m"], n=40)
    model = written["models"][0]
    table = {row.family: row for row in paper.image_text_rows(written) if row.origin == paper.MEASURED}
    assert set(table) == {*FAMILIES, paper.WHOLE}
    gap = model["gaps"]["oracle-image"]
    whole = table[paper.WHOLE]
    assert gap["delta"] is not None
    assert gap["ci"] is not None
    assert (whole.gap, whole.low, whole.high) == pytest.approx((100 * gap["delta"], 100 * gap["ci"][0], 100 * gap["ci"][1]), abs=1e-3)
    assert f"${whole.gap:+.1f}$" in latex.image_text(written)
    reward = paper.reward_rows(written, ["clock"])[0]
    image = {family: doc["modes"]["image"]["correct"] / 0.4 for family, doc in model["families"].items()}
    assert reward.in_domain == pytest.approx(image["clock"])
    assert reward.out_of_domain == pytest.approx((image["maze"] + image["odd_family_%"]) / 2)
    seeing = model["diagnosis"]["seeing"]
    assert seeing is not None
    assert reward.seeing == pytest.approx(100 * seeing["points"], abs=1e-3)
    parts = {row.part: row for row in paper.diagnosis_rows(written) if row.family == paper.WHOLE}
    assert sum(parts[name].points or 0 for name in ("using", "seeing", "thinking")) == pytest.approx(parts["loss"].points, abs=1e-3)
    assert f"{parts['seeing'].points:.1f} " in latex.diagnosis(written)


def test_published_rows_are_marked_with_their_source(hostile: Document) -> None:
    text = latex.accuracy(hostile)
    assert r"o3-high$^\dagger$$^\ast$ & 62.3" in text
    assert r"GPT-4o$^\dagger$ & 30.9" in text
    assert r"$^\dagger$ published: arXiv 2502.01081v2." in text
    assert "look broken here" in text
    assert r"$^\ddagger$ published (third-party notes)" in latex.rewards(hostile)
    assert "differences under about 3.6 points are inside the noise" in latex.rewards(hostile)
    claude = [row for row in paper.image_text_rows(hostile) if row.model == "Claude 3.7 (thinking)"]
    assert {row.family for row in claude} == {"clock", paper.WHOLE}
    assert claude[-1].gap == pytest.approx(23.6)


def test_the_published_gaps_are_the_differences_of_their_means() -> None:
    for entry in paper.published()["image_text"]:
        assert entry["mean"][1] - entry["mean"][0] == pytest.approx(entry["gap"]["value"], abs=0.051)
    rewards = {row["model"]: row for row in paper.published()["reward"]}
    mixture = rewards["Qwen2.5-VL-7B, mixture"]
    assert (4 * mixture["in_domain"] + 5 * mixture["out_of_domain"]) / 9 == pytest.approx(mixture["mean"], abs=0.01)
    assert mixture["mean"] - rewards["Qwen2.5-VL-7B, base"]["mean"] == pytest.approx(5.56, abs=0.001)


def test_csv_reads_back_and_runs_no_formula(tmp_path: Path, hostile: Document) -> None:
    for path in write_csv(hostile, tmp_path):
        with path.open(newline="", encoding="utf-8") as lines:
            found = list(csv.DictReader(lines))
        names = {row["model"] for row in found if row["origin"] == "measured"}
        silent = {NAMES[-1]} if path.stem == "diagnosis" else set[str]()
        assert names == {f"'{name}" if name[0] in "=-" else visible(name) for name in NAMES} - silent
        assert all(None not in row and None not in row.values() for row in found)


def test_a_model_without_an_outcome_has_dashes_and_a_note(hostile: Document) -> None:
    assert "cells have no outcome at all" in latex.accuracy(hostile)
    row = next(row for row in paper.reward_rows(hostile) if row.model == NAMES[-1])
    assert (row.mean, row.gap, row.using, row.seeing, row.thinking) == (None,) * 5


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "\uff1d1", "\x1b[31m=1", "plain", "-"])
def test_no_cell_of_text_runs_in_a_spreadsheet(text: str) -> None:
    made = str(cell(text))
    assert not made.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))
    assert made.isprintable()
    assert cell(-1.5) == -1.5


def test_the_papers_table_is_one_table_with_published_rows_marked(tmp_path: Path) -> None:
    written = document(tmp_path / "r", names=["m"], n=6, fmt="open")
    assert not nine.applies(written), "a family that the paper did not ask about"
    everything = rows("m", 6, flat, families=PAPER_FAMILIES)
    ours = gap_document(open_runs([write_run(tmp_path / "nine", everything, fmt="open")]))
    assert nine.applies(ours)
    found = nine.rows(ours)
    assert [row.model for row in found[::3]] == ["m", "Claude 3.5", "Claude 3.7 (thinking)"]
    for row in found[2::3]:
        image, text = (next(one for one in found if one.model == row.model and one.evidence == what) for what in ("image", "text"))
        assert row.mean == pytest.approx((text.mean or 0) - (image.mean or 0), abs=0.051)
    table = latex.paper(ours)
    assert table.count(r"\caption{") == 1
    assert r"Claude 3.5$^\ddagger$, image &" in table
    section = published.section(ours)
    assert section is not None
    (shown,) = section.tables
    mark = "(published, third-party)"
    assert [row[0] for row in shown.rows[3:]] == [*("Claude 3.5", mark, ""), *("Claude 3.7 (thinking)", mark, "")]
    write_latex(ours, tmp_path)
    assert "Overfull" not in compile_tex(tmp_path / "tables.tex")
    report = Report(ours, [], tmp_path / "out")
    write_report(report, ["md"])
    assert "| Claude 3.7 (thinking) | image |" in (tmp_path / "out" / "report.md").read_text()
    assert PRESETS["paper"]["families"] == PAPER_FAMILIES == MINI_FAMILIES


def test_a_single_puzzle_without_descriptions(tmp_path: Path) -> None:
    one = gap_document(
        open_runs([write_run(tmp_path / "r", [row for row in rows("m", 1, flat, families=["clock"]) if row["mode"] == "image"])])
    )
    text = latex.image_text(one)
    assert "clock" in text
    write_latex(one, tmp_path)
    compile_tex(tmp_path / "tables.tex")
