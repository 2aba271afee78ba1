"""Figures: written for any document, the same bytes twice, no glyph missing, and readable without colour."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import pytest
from PIL import Image, ImageColor

from bench.report.paper import figures
from bench.report.paper.figures import write_figures
from tests.report.hostile import NAMES, document, many

EXPECTED = {f"{stem}.{suffix}" for stem in ("accuracy", "gaps", "attribution") for suffix in ("pdf", "svg", "png")}


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
    for name in ("accuracy", "gaps", "attribution"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            width, height = picture.size
        assert width == round(6.3 * 200)
        assert height < 16 * 200


@pytest.mark.parametrize("cells", [("both_right", "seeing"), ("seeing", "thinking"), ("thinking", "lucky"), ("lucky", "both_right")])
def test_neighbours_in_a_bar_differ_in_grey_and_in_hatch(cells: tuple[str, str]) -> None:
    (_, one, hatch), (_, other, other_hatch) = (figures._CELLS[cell] for cell in cells)  # pyright: ignore[reportPrivateUsage]
    greys = [ImageColor.getcolor(colour, "L") for colour in (one, other)]
    assert isinstance(greys[0], int)
    assert isinstance(greys[1], int)
    assert abs(greys[0] - greys[1]) >= 20
    assert hatch != other_hatch


def test_no_two_modes_share_a_marker_or_a_colour() -> None:
    styles = figures._MODES.values()  # pyright: ignore[reportPrivateUsage]
    for (colour, marker), (other, other_marker) in itertools.combinations(styles, 2):
        assert colour != other
        assert marker != other_marker
