"""Drawing with Pillow in one clean style: a canvas in units of a 896-px side, anti-aliased shapes, DejaVu type, named colours.

Pillow's own shapes have hard edges. Here curved and slanted shapes are drawn as a supersampled mask of their bounding box only, at a
fraction of the cost of supersampling the whole picture. Coordinates are units, 896 to the longer side, whatever the side in pixels.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageDraw, ImageFont

from bench.image import ImageInfo, pixel_hash
from bench.png import encode_png, rows_of

UNITS = 896.0
Color = tuple[int, int, int]
Point = tuple[float, float]

INK: Color = (33, 37, 41)
PAPER: Color = (255, 255, 255)
FAINT: Color = (173, 181, 189)
COLORS: dict[str, Color] = {
    "red": (214, 40, 40),
    "green": (56, 142, 60),
    "blue": (25, 100, 200),
    "yellow": (253, 216, 53),
    "orange": (245, 124, 0),
    "purple": (123, 31, 162),
    "brown": (121, 85, 72),
    "grey": (158, 158, 158),
    "pink": (244, 143, 177),
    "cyan": (0, 188, 212),
    "white": PAPER,
    "black": (17, 17, 17),
}
"""Colours that puzzles name. Distinct in hue and in lightness, so that the names are unambiguous."""


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    path = Path(__file__).with_name("fonts") / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


class Canvas:
    """An RGB picture of `side` px (longer side), addressed in units of 1/896 of that side.

    Args:
        side: longer side in pixels.
        aspect: width / height of the picture.
        background: colour to start from.
        base: a finished drawing to start from instead (the part that all puzzles of a family share, drawn once and cached).
    """

    def __init__(self, side: int, *, aspect: float = 1.0, background: Color = PAPER, base: Image.Image | None = None) -> None:
        self.scale = side / UNITS
        self.width = UNITS * min(1.0, aspect)
        self.height = UNITS / max(1.0, aspect)
        size = (round(self.width * self.scale), round(self.height * self.scale))
        self.image = Image.new("RGB", size, background) if base is None else base.copy()
        self._draw = ImageDraw.Draw(self.image)

    def _px(self, value: float) -> int:
        return round(value * self.scale)

    def rect(self, x0: float, y0: float, x1: float, y1: float, fill: Color | None, outline: Color | None = None, width: float = 2) -> None:
        """An upright rectangle; edges fall on whole pixels, so neighbours that share an edge leave no seam."""
        box = (self._px(x0), self._px(y0), max(self._px(x0), self._px(x1) - 1), max(self._px(y0), self._px(y1) - 1))
        self._draw.rectangle(box, fill=fill, outline=outline, width=max(1, self._px(width)) if outline else 0)

    def round_rect(self, x0: float, y0: float, x1: float, y1: float, radius: float, fill: Color) -> None:
        """An upright rectangle with rounded corners."""
        corners = ((x0 + radius, y0 + radius), (x1 - radius, y0 + radius), (x1 - radius, y1 - radius), (x0 + radius, y1 - radius))
        self.rect(x0 + radius, y0, x1 - radius, y1, fill)
        self.rect(x0, y0 + radius, x1, y1 - radius, fill)
        for cx, cy in corners:
            self.disk(cx, cy, radius, fill)

    def disk(self, cx: float, cy: float, radius: float, fill: Color, outline: Color | None = None, width: float = 3) -> None:
        """A filled circle; with `outline`, a rim of `width` units inside its edge."""
        if outline is not None:
            self._stamp(cx, cy, radius, outline)
            radius = max(0.0, radius - max(width, 1 / self.scale))
        self._stamp(cx, cy, radius, fill)

    def _stamp(self, cx: float, cy: float, radius: float, fill: Color) -> None:
        mask = _disk_mask(max(1, round(2 * radius * self.scale)))
        self.image.paste(fill, (round(cx * self.scale - mask.width / 2), round(cy * self.scale - mask.height / 2)), mask)

    def polygon(self, points: Sequence[Point], fill: Color, outline: Color | None = None, width: float = 3) -> None:
        """A filled polygon; with `outline`, its edge drawn over it."""
        self._masked(points, 0.0, fill, lambda draw, scaled, factor: draw.polygon(scaled, fill=255))
        if outline is not None:
            self.line([*points, points[0], points[1]], outline, width)

    def line(self, points: Sequence[Point], fill: Color, width: float) -> None:
        """A polyline of `width` units (at least one pixel) with round joints."""
        thick = max(width, 1 / self.scale)

        def stroke(draw: ImageDraw.ImageDraw, scaled: list[Point], factor: float) -> None:
            pixels = max(1, round(thick * factor))
            draw.line(scaled, fill=255, width=pixels, joint="curve")
            for x, y in (scaled[0], scaled[-1]):
                draw.ellipse((x - pixels / 2, y - pixels / 2, x + pixels / 2, y + pixels / 2), fill=255)

        self._masked(points, thick, fill, stroke)

    def arrow(self, tail: Point, tip: Point, fill: Color, width: float) -> None:
        """A straight arrow; its head is three times as wide as its shaft."""
        length = math.hypot(tip[0] - tail[0], tip[1] - tail[1])
        ux, uy = (tip[0] - tail[0]) / length, (tip[1] - tail[1]) / length
        head = min(2.6 * width, 0.7 * length)
        neck = (tip[0] - ux * head, tip[1] - uy * head)
        self.line([tail, neck], fill, width)
        side = 1.6 * width
        self.polygon([tip, (neck[0] - uy * side, neck[1] + ux * side), (neck[0] + uy * side, neck[1] - ux * side)], fill)

    def text(self, x: float, y: float, text: str, size: float, fill: Color = INK, *, anchor: str = "mm", bold: bool = False) -> None:
        """One line of DejaVu Sans, `size` units high, placed by Pillow's `anchor` (middle by default)."""
        self._draw.text((x * self.scale, y * self.scale), text, fill=fill, font=_font(max(4, self._px(size)), bold), anchor=anchor)

    def text_width(self, text: str, size: float, *, bold: bool = False) -> float:
        """The width of `text` in units."""
        return _font(max(4, self._px(size)), bold).getlength(text) / self.scale

    def _masked(self, points: Sequence[Point], margin: float, fill: Color, paint: _Painter) -> None:
        pad = margin * self.scale + 2
        xs, ys = [x * self.scale for x, _ in points], [y * self.scale for _, y in points]
        left, top = math.floor(min(xs) - pad), math.floor(min(ys) - pad)
        width, height = math.ceil(max(xs) + pad) - left, math.ceil(max(ys) + pad) - top
        factor = 4 if width * height < 60_000 else 2
        mask = Image.new("L", (width * factor, height * factor), 0)
        scaled = [((x - left) * factor, (y - top) * factor) for x, y in zip(xs, ys, strict=True)]
        paint(ImageDraw.Draw(mask), scaled, self.scale * factor)
        self.image.paste(fill, (left, top), mask.reduce(factor))


class _Painter(Protocol):
    def __call__(self, draw: ImageDraw.ImageDraw, scaled: list[Point], factor: float) -> None: ...


@cache
def _disk_mask(diameter: int) -> Image.Image:
    factor = 4
    mask = Image.new("L", (diameter * factor, diameter * factor), 0)
    ImageDraw.Draw(mask).ellipse((0, 0, diameter * factor - 1, diameter * factor - 1), fill=255)
    return mask.reduce(factor)


def encode(image: Image.Image) -> bytes:
    """`image` (RGB) as PNG bytes."""
    return measured(image)[0]


def measured(image: Image.Image) -> tuple[bytes, ImageInfo]:
    """`image` (RGB) as `encode` writes it, and what `bench.image.inspect` would find in those bytes, without decoding them."""
    rows = rows_of(image)
    data = encode_png(rows)
    identity = pixel_hash("RGB", image.size, rows.data)
    return data, ImageInfo(hashlib.sha256(data).hexdigest(), identity, "image/png", image.width, image.height, "RGB")
