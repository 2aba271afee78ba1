"""Images: what the bytes say, what is refused, and what is sent."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.errors import BadDataError
from bench.image import EIGHT_BITS, ON_WHITE, SCALED, UPRIGHT, ImageLimits, ImageRef, Picture, fit, inspect, sent_size
from bench.png import encode_png, rows_of


def encoded(size: tuple[int, int], fmt: str = "PNG", mode: str = "RGB", noise: bool = False) -> bytes:
    image = Image.effect_noise(size, 80).convert(mode) if noise else Image.new("RGB", size, (7, 7, 7)).convert(mode)
    out = io.BytesIO()
    image.save(out, format=fmt)
    return out.getvalue()


def ref(data: bytes, name: str = "clock_0003.jpg") -> ImageRef:
    return ImageRef(name, lambda: data)


def bomb(side: int) -> bytes:
    """A PNG of a few bytes whose header claims side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("fmt", "media"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp")])
def test_the_media_type_is_sniffed_and_the_name_is_not_believed(fmt: str, media: str) -> None:
    assert ref(encoded((20, 10), fmt)).info.media_type == media


def saved(image: Image.Image, fmt: str = "PNG", **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format=fmt, **more)
    return out.getvalue()


def shown(picture: Picture) -> Image.Image:
    with Image.open(io.BytesIO(picture.data)) as image:
        return image.convert("RGBA")


WHOLE, SMALL = ImageLimits(), ImageLimits(max_side=20)
sizes = pytest.mark.parametrize("limits", [WHOLE, SMALL], ids=["as it is", "scaled"])


def test_an_opaque_picture_is_sent_as_it_came() -> None:
    data = saved(Image.new("RGBA", (20, 10), (7, 7, 7, 255)))
    picture = fit(ref(data), WHOLE)
    assert (picture.data, picture.resized, picture.changes) == (data, False, ())
    assert ref(data).info.color == "RGBA"


@sizes
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white_at_any_size(mode: str, limits: ImageLimits) -> None:
    """A palette's transparent colour is not its picture: laid bare, it would hide what the picture shows."""
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (0, 0, 20, 40))
    data = saved(image.convert(mode), transparency=image.convert("P").getpixel((39, 39))) if mode == "P" else saved(image.convert(mode))
    picture = fit(ref(data), limits)
    side = picture.width - 1
    assert shown(picture).getpixel((side, side)) == (255, 255, 255, 255)
    assert shown(picture).getpixel((0, 0)) != (255, 255, 255, 255)
    assert picture.changes == ((ON_WHITE,) if limits is WHOLE else (ON_WHITE, SCALED))
    assert picture.resized == (limits is SMALL)
    assert picture.identity != ref(data).info.identity


@sizes
@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_a_turned_picture_is_upright_at_any_size(turn: int, fmt: str, limits: ImageLimits) -> None:
    """What sglang#33464, llama.cpp#20870 and vllm#44974 report: the same picture stood upright or lay on its side by its size."""
    upright = Image.new("RGB", (60, 30), "white")
    upright.paste((255, 0, 0), (0, 0, 15, 15))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's operation that undoes the turn
    stored = upright if turn == 1 else upright.transpose(Image.Transpose(back[turn]))
    exif = Image.Exif()
    exif[0x0112] = turn
    picture = fit(ref(saved(stored, fmt, exif=exif)), limits)
    assert picture.width > picture.height
    red, green, _, _ = cast("tuple[int, ...]", shown(picture).getpixel((2, 2)))
    assert (red, green) > (200, 0)
    assert green < 60
    assert (UPRIGHT in picture.changes) == (turn != 1)


@sizes
def test_sixteen_bits_are_scaled_and_not_clipped(limits: ImageLimits) -> None:
    """Pillow#5991: a plain conversion clips everything above 255 to white."""
    levels = [0, 0x4000, 0x8000, 0xFFFF]
    image = Image.new("I;16", (40, 40))
    image.putdata([levels[(i % 40) // 10] for i in range(1600)])
    picture = fit(ref(saved(image)), limits)
    row = [cast("tuple[int, ...]", shown(picture).getpixel((round((x + 0.5) * picture.width / 4), 3)))[0] for x in range(4)]
    assert row == sorted(set(row))
    assert (row[0], row[-1]) == (0, 255)
    assert abs(row[1] - 0x40) < 12
    assert EIGHT_BITS in picture.changes


def test_a_phones_mpo_is_a_jpeg() -> None:
    """Pillow#1138."""
    data = saved(Image.new("RGB", (30, 20), 9), "MPO", save_all=True, append_images=[Image.new("RGB", (30, 20), 99)])
    picture = fit(ref(data), WHOLE)
    assert (picture.media_type, picture.data) == ("image/jpeg", data)


def test_a_picture_below_the_least_side_is_enlarged() -> None:
    picture = fit(ref(encoded((10, 40))), ImageLimits(min_side=28))
    assert (picture.width, picture.height) == (28, 112)
    assert picture.resized


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ((2048, 4096), ImageLimits(max_side=2048, max_short_side=768), (768, 1536)),
        ((1024, 1024), ImageLimits(max_side=2048, max_short_side=768), (768, 768)),
        ((4096, 8192), ImageLimits(max_side=2048, max_short_side=768), (768, 1536)),
        ((600, 1000), ImageLimits(max_side=2048, max_short_side=768), (600, 1000)),
    ],
)
def test_the_shorter_side_is_bounded(size: tuple[int, int], limits: ImageLimits, expected: tuple[int, int]) -> None:
    """OpenAI fits a picture of high detail into 2,048 px and scales its shorter side down to 768 px."""
    assert sent_size(*size, limits) == expected


def test_bytes_that_were_let_go_are_made_again() -> None:
    for data, limits in ((encoded((40, 40)), WHOLE), (encoded((40, 40), noise=True), SMALL)):
        picture = fit(ref(data), limits)
        before = picture.data
        picture.content.release()
        assert picture.data == before


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a readable image"),
        (b"<svg/>", "not a readable image"),
        (encoded((300, 300), noise=True)[:2000], "not a readable image"),
        (encoded((20, 20), "BMP"), "expected PNG, JPEG, GIF or WebP, found 'BMP'"),
        (bomb(9000), "above the bound"),
        (bomb(50_000), "more pixels than the bound"),
    ],
    ids=["empty", "svg", "cut", "bmp", "large", "bomb"],
)
def test_what_cannot_be_trusted_is_refused_with_its_name(data: bytes, message: str) -> None:
    with pytest.raises(BadDataError, match=message) as caught:
        _ = ref(data).info
    assert str(caught.value).startswith("clock_0003.jpg: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"gone\.png: image cannot be read"):
        ImageRef("gone.png", (tmp_path / "gone.png").read_bytes).data()


@settings(max_examples=30, deadline=None)
@given(width=st.integers(1, 400), height=st.integers(1, 400), side=st.integers(16, 300), mode=st.sampled_from(["RGB", "RGBA", "L", "P"]))
def test_what_is_sent_always_fits_and_says_what_was_done(width: int, height: int, side: int, mode: str) -> None:
    original = ref(encoded((width, height), mode=mode))
    limits = ImageLimits(max_side=side, max_bytes=100_000)
    picture = fit(original, limits)
    info = inspect(picture.data)
    assert (info.width, info.height) == (picture.width, picture.height)
    assert max(info.width, info.height) <= side
    assert picture.resized == (max(width, height) > side)
    assert picture.sha256 == info.sha256
    if picture.resized:
        assert (
            abs(picture.width / picture.height - width / height) <= max(width / height, 1) * 0.55 or min(picture.width, picture.height) <= 2
        )
        assert picture.identity != original.info.identity
        with pytest.raises(BadDataError, match="outside what the model takes"):
            fit(original, limits, resize=False)


def test_bytes_above_the_limit_are_made_smaller() -> None:
    data = encoded((500, 500), noise=True)
    picture = fit(ref(data), ImageLimits(max_bytes=60_000))
    assert picture.resized
    assert len(picture.data) <= 60_000


def test_a_type_that_is_not_taken_is_converted() -> None:
    picture = fit(ref(encoded((40, 40), "GIF", "P")), ImageLimits(media_types=frozenset({"image/jpeg"})))
    assert (picture.media_type, picture.resized, picture.changes) == ("image/jpeg", False, ("image/gif to image/jpeg",))
    assert inspect(picture.data).media_type == "image/jpeg"


def test_the_identity_of_a_drawn_image_is_its_pixels() -> None:
    image = Image.new("RGB", (30, 30), (1, 2, 3))
    small, large = io.BytesIO(), io.BytesIO()
    image.save(small, format="PNG", compress_level=9)
    image.save(large, format="PNG", compress_level=0)
    one, two = inspect(small.getvalue(), drawn=True), inspect(large.getvalue(), drawn=True)
    assert one.sha256 != two.sha256
    assert one.identity == two.identity
    assert inspect(small.getvalue()).identity == one.sha256


@given(width=st.integers(1, 40), height=st.integers(1, 40), seed=st.integers(0, 99))
def test_our_png_decodes_to_the_same_pixels(width: int, height: int, seed: int) -> None:
    pixels = Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(3 * width * height))
    with Image.open(io.BytesIO(encode_png(rows_of(pixels)))) as found:
        found.load()  # checks every checksum
        assert (found.format, found.mode, found.size, found.tobytes()) == ("PNG", "RGB", pixels.size, pixels.tobytes())
