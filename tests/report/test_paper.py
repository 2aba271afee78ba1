"""The paper's tables: they compile, alone and inside a document, whatever the names; LaTeX and CSV agree with the document."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gap.document import Document
from bench.report.paper import latex, tex
from bench.report.paper import rows as paper
from bench.report.paper.csvs import write_csv
from bench.report.paper.latex import write_latex
from tests.gap.test_gap import write_run
from tests.report.hostile import FAMILIES, NAMES, document, flat, many, rows

PDFLATEX = shutil.which("pdflatex")
INSIDE = r"""\documentclass[a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\begin{document}
See Table~\ref{tab:sightgap-accuracy}.
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


def test_the_tables_compile_alone_and_inside_a_document(tmp_path: Path, hostile: Document) -> None:
    written = write_latex(hostile, tmp_path)
    assert {path.name for path in written} == {"accuracy.tex", "image_text.tex", "rewards.tex", "tables.tex"}
    assert all(path.read_bytes().isascii() for path in written)
    log = compile_tex(tmp_path / "tables.tex")
    assert "Overfull" not in log
    (tmp_path / "paper.tex").write_text(INSIDE)
    compile_tex(tmp_path / "paper.tex")
    for table in (latex.accuracy, latex.image_text, latex.rewards):
        alone = tmp_path / f"{table.__name__}_alone.tex"
        alone.write_text(table(hostile, standalone=True))
        compile_tex(alone)


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
    path.write_text(latex.alone("\n\n".join(lines)), encoding="ascii")
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
    assert reward.seeing == pytest.approx(100 * model["attribution"]["seeing"] / 120, abs=1e-3)


def test_published_rows_are_marked_with_their_source(hostile: Document) -> None:
    text = latex.accuracy(hostile)
    assert r"o3{-}\allowbreak{}high$^\dagger$$^\ast$ & 62.3" in text
    assert r"GPT{-}\allowbreak{}4o$^\dagger$ & 30.9" in text
    assert r"$^\dagger$ published: arXiv 2502.01081v2." in text
    assert "look broken here" in text
    assert r"$^\ddagger$ published (third{-}party notes)" in latex.rewards(hostile)
    assert "differences under about 3.6 points are inside the noise" in latex.rewards(hostile).replace("{,}", ",")
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
        assert names == {f"'{name}" if name[0] in "=-" else name for name in NAMES}
        assert all(None not in row and None not in row.values() for row in found)


def test_a_model_without_an_outcome_has_dashes_and_a_note(hostile: Document) -> None:
    assert "cells have no outcome at all" in latex.accuracy(hostile)
    row = next(row for row in paper.reward_rows(hostile) if row.model == NAMES[-1])
    assert (row.mean, row.gap, row.seeing) == (None, None, None)


def test_a_single_puzzle_without_descriptions(tmp_path: Path) -> None:
    from bench.gap.make import gap_document

    one = gap_document([write_run(tmp_path / "r", [row for row in rows("m", 1, flat, families=["clock"]) if row["mode"] == "image"])])
    text = latex.image_text(one)
    assert "clock" in text
    write_latex(one, tmp_path)
    compile_tex(tmp_path / "tables.tex")
