"""Images: what the bytes say, what is refused, and what is sent."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.errors import BadDataError
from bench.image import ImageLimits, ImageRef, fit, inspect


def encoded(size: tuple[int, int], fmt: str = "PNG", mode: str = "RGB", noise: bool = False) -> bytes:
    image = Image.effect_noise(size, 80).convert(mode) if noise else Image.new(mode, size, 7)
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


def test_rgba_is_seen_and_sent_as_it_is() -> None:
    data = encoded((20, 10), mode="RGBA")
    picture = fit(ref(data), ImageLimits())
    assert (picture.data, picture.resized) == (data, False)
    assert ref(data).info.color == "RGBA"


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
    assert (picture.media_type, picture.resized) == ("image/jpeg", True)
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
