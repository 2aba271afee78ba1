"""Thumbnails: small pictures that a report carries inside itself.

Most of a report's time went into decoding, copying and compressing pictures in full. A JPEG is decoded at a fraction of its size
(Pillow's `draft`) and stays a JPEG where that fits, which is made in a fifth of the time of a WebP; every smaller size is made of the last
one, a drawing keeps its flat colours without loss where that fits, and several pictures are worked on at once: Pillow lets go of Python's
lock while it decodes, resizes and compresses.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image, UnidentifiedImageError
from PIL.WebPImagePlugin import WebPImageFile

SIDE = 224
MAX_BYTES = 6000
"""Longer side in px of the largest thumbnail, and its largest size in bytes."""

LEAST_SIDE = 160
"""A JPEG is decoded at the least fraction that leaves its longer side this long, in px; below `SIDE` nothing is resized."""

PictureOf = Callable[[str, int], bytes | Image.Image | None]
"""(puzzle id, side in px) -> an encoded picture, or one drawn with about that longer side; None where there is none."""

_WEBP = ((SIDE, 75), (SIDE, 50), (160, 60), (128, 50), (96, 40), (64, 30), (32, 20))
_JPEG = ((SIDE, 60), (SIDE, 40))
"""(side in px, quality) of every attempt; what was a JPEG and fits as none goes on with the second of WebP, which is smaller."""
_THREADS = 4


def thumbnails(puzzles: Sequence[str], picture: PictureOf, max_bytes: int = MAX_BYTES) -> dict[str, str | None]:
    """Puzzle id -> thumbnail (see `thumbnail`) of every one of `puzzles`, None where there is no picture."""

    def one(puzzle: str) -> str | None:
        found = picture(puzzle, SIDE)
        return None if found is None else thumbnail(found, max_bytes)

    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(puzzles, pool.map(one, puzzles), strict=True))


def thumbnail(source: bytes | Image.Image, max_bytes: int = MAX_BYTES) -> str | None:
    """`source`, an encoded or a drawn picture, in base64, of at most `max_bytes` and `MAX_BYTES`; None where it cannot be one.

    A JPEG where `source` is one and that fits, else a WebP. A transparent picture is laid on white. A drawing, and
    any small picture, is kept pixel by pixel where that fits.
    """
    bound = min(max_bytes, MAX_BYTES)
    drawn = isinstance(source, Image.Image)
    picture = source if drawn else _decoded(source)
    if picture is None:
        return None
    found = next((data for data in _attempts(picture, drawn=drawn, jpeg=not drawn and source.startswith(_SOI)) if len(data) <= bound), None)
    return None if found is None else base64.b64encode(found).decode()


_SOI = b"\xff\xd8\xff"
"""How every JPEG begins."""


def _attempts(picture: Image.Image, *, drawn: bool, jpeg: bool) -> Iterator[bytes]:
    """`picture` encoded in smaller and smaller ways."""
    if max(picture.size) <= (SIDE if drawn else SIDE // 2):
        yield _encoded(picture, WebPImageFile.format, lossless=True, quality=50, method=0)
    for side, quality in _JPEG if jpeg else ():
        picture = _shrunk(picture, side)
        yield _encoded(picture, "JPEG", quality=quality)
    for side, quality in _WEBP[1:] if jpeg else _WEBP:
        picture = _shrunk(picture, side)
        yield _encoded(picture, WebPImageFile.format, quality=quality, method=2)


def _decoded(data: bytes) -> Image.Image | None:
    """The picture in `data` in colour, at no less than `LEAST_SIDE` px where it has them; None where there is no picture in it."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            least = min(1.0, LEAST_SIDE / max(opened.size))
            opened.draft("RGB", (math.ceil(opened.width * least), math.ceil(opened.height * least)))  # of a JPEG alone
            opened.load()
            return _flat(opened)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None


def _shrunk(picture: Image.Image, side: int) -> Image.Image:
    """`picture` with its longer side at most `side` px, without a copy where it is that small already."""
    longer = max(picture.size)
    if longer <= side:
        return picture
    size = (max(1, round(picture.width * side / longer)), max(1, round(picture.height * side / longer)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _flat(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    layer = _shrunk(image.convert("RGBA"), 4 * SIDE)
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _encoded(picture: Image.Image, kind: str | None, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, format=kind, **options)
    return out.getvalue()
