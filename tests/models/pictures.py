"""A small real picture for the provider tests."""

from __future__ import annotations

import io

from PIL import Image

from bench.image import ImageLimits, ImageRef, Picture, fit


def picture(kind: str, width: int = 12, height: int = 8) -> Picture:
    """A picture of format `kind` ("PNG", "JPEG", ...), as the runner would prepare it."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(out, format=kind)
    return fit(ImageRef("test", out.getvalue), ImageLimits())
