"""Figures: written for any document, the same bytes twice, no glyph missing, and readable without colour."""

from __future__ import annotations

import itertools
import re
import warnings
from pathlib import Path

from PIL import Image, ImageColor

from bench.gap.document import PARTS
from bench.gap.sections import DoseModelDoc, DosePointDoc, DoseRateDoc
from bench.report import palette
from bench.report.paper import dose_figures
from bench.report.paper.figures import write_figures
from tests.conftest import ROOT
from tests.report.hostile import NAMES, document, many

EXPECTED = {f"{stem}.{suffix}" for stem in ("diagnosis", "accuracy", "gaps", "cells") for suffix in ("pdf", "svg", "png")}


def test_hostile_names_draw_the_same_bytes_twice_without_a_warning(tmp_path: Path) -> None:
    hostile = document(tmp_path / "r", names=[*NAMES[:3], NAMES[-1]], n=4)
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert {path.name for path in write_figures(hostile, folder)} == EXPECTED
    for name in EXPECTED:
        data = (one / name).read_bytes()
        assert data == (two / name).read_bytes(), name
        assert b"<script" not in data, name
    assert (one / "gaps.pdf").read_bytes().startswith(b"%PDF")


def test_two_hundred_models_stay_on_a_page(tmp_path: Path) -> None:
    write_figures(many(document(tmp_path / "r", names=["m"], n=1), 200), tmp_path)
    for name in ("diagnosis", "accuracy", "gaps", "cells"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            width, height = picture.size
        assert width == round(6.3 * 200)
        assert height < 16 * 200


def test_neighbours_in_a_bar_differ_in_grey_or_in_hatch() -> None:
    for one, other in itertools.pairwise(palette.CELLS.values()):
        assert abs(grey(one.light) - grey(other.light)) >= 20 or one.hatch != other.hatch


def test_the_parts_of_the_loss_differ_as_greys() -> None:
    for one, other in itertools.combinations((palette.PARTS[part] for part in PARTS), 2):
        assert abs(grey(one.light) - grey(other.light)) >= 20


def test_every_word_has_one_look_and_no_two_words_of_a_plot_share_it() -> None:
    for looks in (palette.MODES, palette.PARTS, {**palette.MODES, **palette.PARTS}):
        assert len({look.light for look in looks.values()}) == len(looks)
        assert len({look.dark for look in looks.values()}) == len(looks)
    for looks in (palette.MODES, palette.PARTS):
        assert len({look.marker for look in looks.values()}) == len(looks)
    assert not {look.light for look in palette.MODES.values()} & set(palette.SERIES)


def test_colours_of_words_stand_in_the_palette_alone() -> None:
    of_words = {look.light.lower() for looks in (palette.MODES, palette.PARTS) for look in looks.values()} - {"#6b7280"}
    for path in [*(ROOT / "bench/report").rglob("*.py"), *(ROOT / "bench/report").rglob("*.css"), *(ROOT / "bench/report").rglob("*.j2")]:
        if path.name != "palette.py":
            found = set(re.findall(r"#[0-9a-f]{6}", path.read_text().lower()))
            assert not found & (of_words - GENERAL), path


GENERAL = {"#0072b2", "#56b4e9"}
"""Also the colours of focus."""


def grey(colour: str) -> int:
    found = ImageColor.getcolor(colour, "L")
    assert isinstance(found, int)
    return found


def test_doses_have_three_formats_and_every_panel_its_ticks(tmp_path: Path) -> None:
    points = [dose_point(amount) for amount in (None, 1.0, 2.0)]
    families = {f"family {number}": {"blur": points} for number in range(6)}
    model: DoseModelDoc = {"name": "m\x1b", "captioner": None, "kinds": {"blur": points}, "families": families}
    written = dose_figures.write({"models": [model]}, tmp_path)
    assert [path.name for path in written] == ["dose-1-blur.pdf", "dose-1-blur.svg", "dose-1-blur.png"]
    made = dose_figures.figure(model, "blur")
    made.canvas.draw()
    panels = [axes for axes in made.axes if axes.get_visible()]
    assert len(panels) == 7
    for axes in panels:
        assert [tick.get_text() for tick in axes.get_xticklabels() if tick.get_visible()] == ["clear", "1", "2"]


def dose_point(amount: float | None) -> DosePointDoc:
    rate: DoseRateDoc = {"accuracy": 0.5, "ci": [0.4, 0.6], "puzzles": 9}
    dose = "" if amount is None else f"blur={amount:g}"
    return {"dose": dose, "amount": amount, "severity": amount or 0.0, "modes": {"image": rate}, "perception": None, "loss": None}
