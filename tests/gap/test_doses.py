"""The dose-response of a model whose sight is known to fade, as numbers, Markdown and figures."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from bench.cli import build_parser
from bench.commands.options import run_config
from bench.gap.doses import DoseDoc, dose_section
from bench.gap.frame import load_frame
from bench.report import markdown
from bench.report.paper.dose_figures import figure, write
from bench.report.sections import dose
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from bench.store.run import open_runs

P, R, FADE = 0.9, 0.9, 0.5


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("doses") / "run"
    words = ["run", "--suite", "mini:n=120", "--families", "clock,n_queens", "--model", f"sim/p={P},r={R},c=0.8,fade={FADE}"]
    words += ["--mode", "image,oracle,blind", "--cache", "off", "--out", str(out), "--degrade", "scale=0.25,0.5"]
    run_session(make_plan(run_config(build_parser().parse_args(words))), Console(quiet=True))
    return load_frame(open_runs([out]))


def section_of(frame: pd.DataFrame) -> DoseDoc:
    found = dose_section(frame, seed=1)
    assert found is not None
    return found


def test_perception_falls_as_planted_while_the_scale_stays(frame: pd.DataFrame) -> None:
    (model,) = section_of(frame)["models"]
    points = model["kinds"]["scale"]
    assert [(point["dose"], point["severity"]) for point in points] == [("", 0.0), ("scale=0.5", 1.0), ("scale=0.25", 2.0)]
    for point in points:
        seen, truth = point["perception"], P * FADE ** point["severity"]
        assert seen is not None
        assert seen["estimate"] == pytest.approx(truth, abs=0.12)
        assert point["modes"]["image"]["accuracy"] == pytest.approx(0.25 + 0.75 * truth * R, abs=0.1)
        assert set(point["modes"]) == {"image"}
    losses = [point["loss"] for point in points]
    assert losses[0] is None
    assert all(loss is not None and loss["ci"][1] < 0 and loss["puzzles"] == 240 for loss in losses[1:])
    assert set(model["families"]) == {"clock", "n_queens"}


def test_losses_are_paired_by_hand(frame: pd.DataFrame) -> None:
    point = section_of(frame)["models"][0]["families"]["clock"]["scale"][2]
    rows = frame[((frame["family"] == "clock") & (frame["mode"] == "image")).to_numpy()].astype({"puzzle": str, "dose": str})
    right = rows.assign(right=rows["outcome"] == "correct").pivot_table(index="puzzle", columns="dose", values="right")
    assert point["loss"] is not None
    assert point["loss"]["delta"] == pytest.approx(float((right["scale=0.25"] - right[""]).mean()), abs=1e-6)


def test_without_oracle_there_is_no_perception_and_without_doses_no_section(frame: pd.DataFrame) -> None:
    images = frame[(frame["mode"] == "image").to_numpy()]
    assert all(point["perception"] is None for point in section_of(images)["models"][0]["kinds"]["scale"])
    assert dose_section(frame[(frame["dose"] == "").to_numpy()], seed=1) is None


def test_it_is_written_as_markdown_and_drawn(frame: pd.DataFrame, tmp_path: Path) -> None:
    section = section_of(frame)
    text = "\n".join(markdown.section(dose.section(section)))
    assert "| clear |" in text
    assert "| 0.25 |" in text
    paths = write(section, tmp_path)
    assert [path.name for path in paths] == ["dose-1-scale.pdf", "dose-1-scale.svg", "dose-1-scale.png"]
    image = Image.open(io.BytesIO(paths[2].read_bytes()))
    assert image.width > 600
    assert "<svg" in paths[1].read_text()
    titles = [axis.get_title() for axis in figure(section["models"][0], "scale").axes]
    assert titles == ["all families", "clock", "n queens"]
