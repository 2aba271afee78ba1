"""What people read, pinned: the terminal's tables, the Markdown report, a comparison and its summary, the CSV and LaTeX files.

Simulated models answer alike on every machine, so these are whole texts. `pytest --snapshot-update` accepts a change; its diff is what is
reviewed.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion

import bench
from bench.notebook import Runs
from bench.report.ci.summary import render as render_summary
from bench.report.comparison import print_comparison
from bench.report.terminal import print_report

MODELS = ["sim/p=0.5,r=0.95,c=0.7,seed=1", "sim/p=0.95,r=0.5,c=0.9,seed=2"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Two simulated models, five arms, two families."""
    folder = tmp_path_factory.mktemp("runs")
    return bench.run(MODELS, "mini:n=30", "diagnose", families="clock,n_queens", out=folder / "both", cache="off")


def test_terminal(runs: Runs, snapshot: SnapshotAssertion) -> None:
    out = io.StringIO()
    print_report(runs.document, Console(file=out, width=100, color_system=None))
    assert out.getvalue() == snapshot


@pytest.mark.parametrize("form", ["md", "csv", "latex", "junit"])
def test_files(runs: Runs, form: str, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    folder = runs.report(tmp_path / "out", [form])
    texts = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.is_file()}
    texts.pop("gap.json")
    assert texts == snapshot


def test_comparison(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    for name, p in (("old", 0.9), ("new", 0.6)):
        bench.run(f"sim/p={p},r=0.9,seed=1", "mini:n=40", "image,oracle", families="clock,n_queens", out=tmp_path / name, cache="off")
    comparison = bench.compare(tmp_path / "old", tmp_path / "new", margin=0.05)
    out = io.StringIO()
    print_comparison(comparison, Console(file=out, width=100, color_system=None))
    assert (out.getvalue(), render_summary(comparison)) == snapshot
