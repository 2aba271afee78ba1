"""Thumbnails: small WebP pictures that a report carries inside itself."""

from __future__ import annotations

import base64
import io

from PIL import Image, UnidentifiedImageError

SIDE = 224
MAX_BYTES = 6000
"""Longer side in px of the largest thumbnail, and its largest size in bytes."""

_STEPS = ((SIDE, 80), (SIDE, 60), (SIDE, 40), (160, 60), (128, 50), (96, 40), (64, 30), (32, 20))


def thumbnail(data: bytes, max_bytes: int = MAX_BYTES) -> str | None:
    """`data`, an encoded picture, as base64 of a WebP of at most `max_bytes` and `MAX_BYTES`; None where it cannot be one.

    A transparent picture is laid on white. A small drawing is kept pixel by pixel where that fits.
    """
    bound = min(max_bytes, MAX_BYTES)
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            picture = _flat(opened)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None
    if max(picture.size) <= SIDE // 2:
        whole = _webp(picture, lossless=True)
        if len(whole) <= bound:
            return base64.b64encode(whole).decode()
    for side, quality in _STEPS:
        small = picture.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        encoded = _webp(small, quality=quality)
        if len(encoded) <= bound:
            return base64.b64encode(encoded).decode()
    return None


def _flat(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _webp(picture: Image.Image, *, quality: int = 80, lossless: bool = False) -> bytes:
    out = io.BytesIO()
    picture.save(out, format="WEBP", quality=quality, lossless=lossless, method=4)
    return out.getvalue()
