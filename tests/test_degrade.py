"""Degraded pictures: what is done to the pixels, what stays the same, and how doses reach trials and records."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from bench.cli import build_parser
from bench.commands.options import run_config
from bench.degrade import Degradation, parse_doses
from bench.errors import BadDataError, UserError
from bench.gap.frame import load_frame
from bench.image import ImageLimits, ImageRef, fit
from bench.mode import Mode
from bench.models.simulated import Simulated
from bench.outcome import Format
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from bench.store.record import Record
from bench.store.run import open_run, open_runs
from bench.trial import Captioner, Trials
from tests.runner.scripted import small_suite

KINDS = ("blur=2", "scale=0.5", "contrast=0.4", "noise=0.1", "jpeg=20")
WORSE = (
    ("blur=1", "blur=4"),
    ("scale=0.5", "scale=0.1"),
    ("contrast=0.6", "contrast=0.1"),
    ("noise=0.05", "noise=0.4"),
    ("jpeg=60", "jpeg=5"),
)


def dose(text: str) -> Degradation:
    (one,) = Degradation.parse(text)
    return one


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def ref(data: bytes, *, drawn: bool = False) -> ImageRef:
    return ImageRef("picture", lambda: data, drawn)


def picture(side: int = 64) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    pixels[: side // 2] = (200, 30, 30)
    return Image.fromarray(pixels)


def distance(a: bytes, b: bytes) -> float:
    first, second = Image.open(io.BytesIO(a)).convert("RGB"), Image.open(io.BytesIO(b)).convert("RGB")
    one, two = (np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC), dtype=np.float64) for image in (first, second))
    return float(np.sqrt(((one - two) ** 2).mean()))


@pytest.mark.parametrize("text", KINDS)
def test_the_same_dose_gives_the_same_bytes_and_another_identity(text: str) -> None:
    original = ref(encoded(picture()), drawn=True)
    damaged = [dose(text).image(original) for _ in range(2)]
    assert damaged[0].data() == damaged[1].data() != original.data()
    assert damaged[0].info.identity == f"{original.info.identity}+{text}"
    assert damaged[0].info.media_type == ("image/jpeg" if text.startswith("jpeg") else "image/png")
    assert fit(damaged[0], ImageLimits()).identity == damaged[0].info.identity


@pytest.mark.parametrize(("mild", "strong"), WORSE)
def test_a_stronger_dose_does_more_damage(mild: str, strong: str) -> None:
    data = encoded(picture())
    near, far = (distance(data, dose(text).image(ref(data)).data()) for text in (mild, strong))
    assert 0 < near < far
    assert dose(mild).severity < dose(strong).severity


def test_the_amounts_mean_what_they_say() -> None:
    data = encoded(picture())
    pixels = np.asarray(picture(), dtype=np.float64)
    half = Image.open(io.BytesIO(dose("scale=0.5").image(ref(data)).data()))
    assert half.size == (32, 32)
    pale = np.asarray(Image.open(io.BytesIO(dose("contrast=0.4").image(ref(data)).data())), dtype=np.float64)
    assert pale.std() == pytest.approx(0.4 * pixels.std(), rel=0.05)
    grey = encoded(Image.new("RGB", (128, 128), (128, 128, 128)))
    noisy = np.asarray(Image.open(io.BytesIO(dose("noise=0.1").image(ref(grey)).data())), dtype=np.float64)
    assert noisy.std() == pytest.approx(25.5, rel=0.05)
    edge = Image.new("L", (101, 101))
    edge.paste(255, (50, 0, 101, 101))
    blurred = np.asarray(Image.open(io.BytesIO(dose("blur=5").image(ref(encoded(edge))).data())).convert("L"), dtype=np.float64)[50] / 255
    assert np.interp(0.8413, blurred[30:75], np.arange(30, 75)) - np.interp(0.5, blurred[30:75], np.arange(30, 75)) == pytest.approx(
        5, abs=0.6
    )


def test_noise_is_one_pattern_made_larger_and_another_for_another_picture() -> None:
    grey = [encoded(Image.new("RGB", (64, 64), (level, level, level))) for level in (128, 120)]
    weak, strong, other = (
        np.asarray(Image.open(io.BytesIO(dose(text).image(ref(data)).data())), dtype=np.float64)
        for text, data in (("noise=0.05", grey[0]), ("noise=0.1", grey[0]), ("noise=0.05", grey[1]))
    )
    assert np.corrcoef((weak - 128).ravel(), (strong - 128).ravel())[0, 1] > 0.99
    assert abs(np.corrcoef((weak - 128).ravel(), (other - 120).ravel())[0, 1]) < 0.1


def test_transparent_pictures_are_laid_on_white_and_palettes_are_read() -> None:
    clear = encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))
    assert Image.open(io.BytesIO(dose("blur=1").image(ref(clear)).data())).getpixel((4, 4)) == (255, 255, 255)
    assert Image.open(io.BytesIO(dose("jpeg=90").image(ref(encoded(picture().convert("P"), "GIF"))).data())).mode == "RGB"


def test_a_corrupt_picture_is_named() -> None:
    with pytest.raises(BadDataError, match="picture"):
        _ = dose("blur=1").image(ref(encoded(picture())[:200])).info


@pytest.mark.parametrize(
    "text", ["", "blur", "blur=", "blur=x", "blur=-1", "blur=nan", "scale=1", "scale=2", "jpeg=0", "jpeg=100", "fog=1", "noise=0"]
)
def test_a_dose_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--degrade"):
        Degradation.parse(text)


@given(st.lists(st.sampled_from([*KINDS, "blur=1,2,4", "noise=0.1,0.2"]), max_size=4))
def test_doses_are_read_back_from_their_names(texts: list[str]) -> None:
    doses = parse_doses(texts)
    assert parse_doses(map(str, doses)) == doses
    assert len(set(doses)) == len(doses)
    assert all(Degradation.from_json({"kind": one.kind, "amount": one.amount}) == one for one in doses)


@settings(max_examples=20, deadline=None)
@given(st.sets(st.sampled_from(list(Mode)), min_size=1), st.integers(0, 3), st.sampled_from(["self", "dataset"]))
def test_only_modes_in_which_a_picture_is_looked_at_come_again(modes: set[Mode], n: int, captioner: str) -> None:
    doses = parse_doses(["blur=1,2,3"])[:n]
    trials = list(Trials(small_suite(2).puzzles, "sim/p=1,r=1", list(modes), Captioner(captioner), Format.MCQ, 2, 0, doses))
    assert len({(t.puzzle.id, t.mode, t.replicate, t.dose) for t in trials}) == len(trials)
    for mode in modes:
        looked = mode.shows_image or (mode.shows_caption and captioner == "self")
        assert sum(t.mode is mode for t in trials) == 4 * (1 + (n if looked else 0))
        assert {t.dose for t in trials if t.mode is mode} == {None, *(doses if looked else ())}


def test_doses_reach_the_records_and_the_simulated_model_fades(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["run", "--suite", "mini:n=150", "--families", "clock", "--model", "sim/p=1,r=1,fade=0.5", "--cache", "off", "--out", str(out)]
    words += ["--mode", "image,blind", "--degrade", "blur=1,3"]
    plan = make_plan(run_config(build_parser().parse_args(words)))
    assert run_session(plan, Console(quiet=True)).missing == 0
    records = list(open_run(out).records())
    assert {str(r.dose) for r in records if r.mode == "image"} == {"None", "blur=1", "blur=3"}
    assert {r.dose for r in records if r.mode == "blind"} == {None}
    assert all(Record.from_json(r.to_json()) == r for r in records[:50])
    assert len({r.key for r in records}) == len(records) == 600
    frame = load_frame(open_runs([out]))
    right = {
        str(name): float((rows["outcome"] == "correct").mean())
        for name, rows in frame[frame["mode"] == "image"].groupby("dose", observed=True)
    }
    for name, left in (("", 1.0), ("blur=1", 0.5), ("blur=3", 0.125)):
        assert right[name] == pytest.approx(0.25 + 0.75 * left, abs=0.13)
    assert run_session(plan, Console(quiet=True)).asked == 0


def test_runs_without_doses_keep_their_identity_and_blind_runs_refuse_doses() -> None:
    plain = run_config(build_parser().parse_args(["run", "--suite", "mini:n=1"]))
    assert "doses" not in plain.identity()
    dosed = run_config(build_parser().parse_args(["run", "--suite", "mini:n=1", "--degrade", "blur=2"]))
    assert dosed.identity()["doses"] == [{"kind": "blur", "amount": 2.0}]
    blind = build_parser().parse_args(["run", "--suite", "mini:n=1", "--model", "sim/p=1,r=1", "--mode", "oracle", "--degrade", "blur=2"])
    with pytest.raises(UserError, match="no mode of this run looks at a picture"):
        make_plan(run_config(blind))


def test_fade_is_a_rate() -> None:
    with pytest.raises(UserError, match="fade"):
        Simulated.from_name("sim/p=1,r=1,fade=2")
