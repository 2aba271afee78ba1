"""Thumbnails: small WebP pictures that a report carries inside itself.

Most of a report's time went into decoding, copying and compressing pictures in full. A JPEG is decoded at a fraction of its size
(Pillow's `draft`), every smaller size is made of the last one, a drawing keeps its flat colours without loss where that fits, and several
pictures are worked on at once: Pillow lets go of Python's lock while it decodes, resizes and compresses.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, UnidentifiedImageError

SIDE = 224
MAX_BYTES = 6000
"""Longer side in px of the largest thumbnail, and its largest size in bytes."""

PictureOf = Callable[[str, int], bytes | Image.Image | None]
"""(puzzle id, side in px) -> an encoded picture, or one drawn with about that longer side; None where there is none."""

_STEPS = ((SIDE, 75), (SIDE, 50), (160, 60), (128, 50), (96, 40), (64, 30), (32, 20))
_THREADS = 4


def thumbnails(puzzles: Sequence[str], picture: PictureOf, max_bytes: int = MAX_BYTES) -> dict[str, str | None]:
    """Puzzle id -> thumbnail (see `thumbnail`) of every one of `puzzles`, None where there is no picture."""

    def one(puzzle: str) -> str | None:
        found = picture(puzzle, SIDE)
        return None if found is None else thumbnail(found, max_bytes)

    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(puzzles, pool.map(one, puzzles), strict=True))


def thumbnail(source: bytes | Image.Image, max_bytes: int = MAX_BYTES) -> str | None:
    """`source`, an encoded or a drawn picture, as base64 of a WebP of at most `max_bytes` and `MAX_BYTES`; None where it cannot be one.

    A transparent picture is laid on white. A drawing, and any small picture, is kept pixel by pixel where that fits.
    """
    bound = min(max_bytes, MAX_BYTES)
    drawn = isinstance(source, Image.Image)
    picture = source if drawn else _decoded(source)
    if picture is None:
        return None
    if max(picture.size) <= (SIDE if drawn else SIDE // 2):
        whole = _webp(picture, lossless=True, quality=50, method=0)
        if len(whole) <= bound:
            return base64.b64encode(whole).decode()
    for side, quality in _STEPS:
        picture = _shrunk(picture, side)
        encoded = _webp(picture, quality=quality, method=2)
        if len(encoded) <= bound:
            return base64.b64encode(encoded).decode()
    return None


def _decoded(data: bytes) -> Image.Image | None:
    """The picture in `data` in colour, at no less than `SIDE` px where it has them; None where there is no picture in it."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.draft("RGB", (2 * SIDE, 2 * SIDE))  # JPEG alone: decode at the least power of two that is still large enough
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


def _webp(picture: Image.Image, *, quality: int, method: int, lossless: bool = False) -> bytes:
    out = io.BytesIO()
    picture.save(out, format="WEBP", quality=quality, lossless=lossless, method=method)
    return out.getvalue()
