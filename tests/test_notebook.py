"""Runs as tables: what `bench.load` gives is the gap document, and the package itself stays light."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

import bench
from bench.errors import UserError
from tests.gap.test_gap import c, cross

HOSTILE = "<script>alert(1)</script>"


def test_the_table_of_gaps_is_the_gap_document(tmp_path: Path) -> None:
    runs = bench.load(cross(tmp_path / "r", {"image": c("1100110011"), "oracle": c("1111101111")}))
    table = runs.gaps()
    assert list(table.columns) == ["model", "family", "gap", "n", "delta", "low", "high", "p", "p_holm", "mde", "why"]
    model = runs.document["models"][0]
    for row in table.to_dict("records"):
        part = model if row["family"] == "all" else model["families"][row["family"]]
        gap = part["gaps"][row["gap"]]
        assert row["n"] == gap["n"]
        if gap["delta"] is None or gap["ci"] is None:
            assert math.isnan(row["delta"])
            assert row["why"] == gap.get("why")
        else:
            assert (row["delta"], [row["low"], row["high"]], row["p"]) == (gap["delta"], gap["ci"], gap["p"])
    whole = table[(table["family"] == "all") & (table["gap"] == "oracle-image")]
    assert whole["delta"].tolist() == [pytest.approx(0.3)]
    assert whole["p_holm"].isna().all()


def test_modes_diagnosis_and_records_have_their_rows(tmp_path: Path) -> None:
    runs = bench.load(str(cross(tmp_path / "r", {"image": c("10e"), "oracle": c("11.")})))
    modes = runs.modes().set_index(["family", "mode"])
    assert modes.loc[("all", "image"), "accuracy"] == pytest.approx(0.5)
    assert modes.loc[("all", "image"), "error"] == 1
    assert len(runs.records) == 5
    assert set(runs.diagnosis()["part"]) == {"loss", "gain", "remains"}
    assert set(runs.rates()["rate"]) == {"sees", "uses", "thinks", "perception in use"}


def test_what_a_notebook_shows_is_escaped(tmp_path: Path) -> None:
    runs = bench.load(cross(tmp_path / "r", {"image": c("10"), "oracle": c("11")}))
    runs.document["models"][0]["name"] = HOSTILE
    shown = runs._repr_html_()  # pyright: ignore[reportPrivateUsage] - the notebook protocol
    assert HOSTILE not in shown
    assert "&lt;script&gt;" in shown
    assert "oracle-image" in shown


def test_nothing_to_load_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least one"):
        bench.load()
    with pytest.raises(UserError, match="not a run directory"):
        bench.load(tmp_path).gaps()


def test_importing_the_package_imports_no_heavy_library() -> None:
    code = "import bench, sys; sys.exit(bool({'pandas', 'numpy', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(bench.__file__).parents[1], check=False).returncode == 0
