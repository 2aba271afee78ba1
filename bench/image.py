"""Images as bytes: what they are, whether they can be trusted, and what a provider is sent.

A file's name says nothing about its content (public sets hold PNG bytes under `.jpg` names, and the Anthropic API refuses a declared media
type that disagrees with the bytes), so the media type is always sniffed. Pixels are decoded late and never above a bound.
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from PIL import Image, UnidentifiedImageError

from bench.errors import BadDataError

MAX_PIXELS = 64_000_000
"""Largest image opened, in pixels: the Anthropic limit of 8,000 x 8,000 (REFERENCE.md, Providers)."""

PATCH = 28
"""Side in px of the patches in which Claude and Qwen2.5-VL count pictures (REFERENCE.md, Providers)."""

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # our own bound is the one that counts, and it refuses

_MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
_FORMATS = {media: name for name, media in _MEDIA_TYPES.items()}


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the bytes of an image say about themselves.

    Attributes:
        sha256: hash of the encoded bytes.
        identity: what keys are made of. For a file, `sha256`; for a drawn image a hash of the decoded pixels, since the same drawing
            compresses to other bytes on another machine and must still be found in a cache.
        width, height: in pixels.
        color: Pillow's mode ("RGB", "RGBA", ...).
    """

    sha256: str
    identity: str
    media_type: str
    width: int
    height: int
    color: str


def inspect(data: bytes, *, name: str = "image", max_pixels: int = MAX_PIXELS, drawn: bool = False) -> ImageInfo:
    """Sniff `data` and decode it fully, so that a cut or corrupt file is found before anything is spent.

    `drawn` makes the identity a hash of the pixels (see `ImageInfo`).

    Raises:
        BadDataError: not an image of a supported type, more than `max_pixels` pixels, or undecodable. The message starts with `name`.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            media_type = _MEDIA_TYPES.get(image.format or "")
            if media_type is None:
                raise BadDataError(f"{name}: expected PNG, JPEG, GIF or WebP, found {image.format!r}")
            if image.width * image.height > max_pixels:
                raise BadDataError(f"{name}: {image.width} x {image.height} px is above the bound of {max_pixels:,} pixels")
            width, height, color = image.width, image.height, image.mode
            image.draft(None, (width // 8, height // 8))  # a JPEG is read to its end all the same, in a quarter of the time
            image.load()
            sha256 = hashlib.sha256(data).hexdigest()
            return ImageInfo(sha256, _pixel_hash(image) if drawn else sha256, media_type, width, height, color)
    except Image.DecompressionBombError as error:
        raise BadDataError(f"{name}: more pixels than the bound of {max_pixels:,} ({error})") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise BadDataError(f"{name}: not a readable image ({error})") from error


def _pixel_hash(image: Image.Image) -> str:
    head = f"{image.mode} {image.width}x{image.height}\n".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest()


@dataclass(frozen=True)
class ImageRef:
    """A reference to an image: where it comes from, and a loader of its encoded bytes.

    Attributes:
        source: for people and logs: a path, or a recipe such as "drawn:clock".
        load: returns the encoded bytes; called late and, through `data`, as often as needed.
        drawn: whether the image is generated here (see `ImageInfo.identity`).
    """

    source: str
    load: Callable[[], bytes]
    drawn: bool = False

    def data(self) -> bytes:
        """The encoded bytes.

        Raises:
            BadDataError: the file is missing or cannot be read.
        """
        try:
            return self.load()
        except OSError as error:
            raise BadDataError(f"{self.source}: image cannot be read ({error.strerror or error})") from error

    @cached_property
    def info(self) -> ImageInfo:
        """Sniffed once from the bytes (raises `BadDataError` as `inspect` does); the bytes are not kept."""
        return inspect(self.data(), name=self.source, drawn=self.drawn)


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a provider takes. Sides in pixels, `max_bytes` of the raw (not base64) file, `media_types` as sniffed.

    `max_patches` bounds the area: the number of `PATCH` x `PATCH` px patches that cover the picture, None for no bound.
    """

    max_side: int = 8000
    max_bytes: int = 7_500_000
    max_patches: int | None = None
    media_types: frozenset[str] = frozenset(_MEDIA_TYPES.values())


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it is sent: encoded bytes, their hash, the identity for keys, and size in px. `resized` where it is not the original."""

    data: bytes
    sha256: str
    identity: str
    media_type: str
    width: int
    height: int
    resized: bool = False


def fit(ref: ImageRef, limits: ImageLimits, *, resize: bool = True) -> Picture:
    """The picture to send: the original bytes where `limits` allow, else a re-encoded, smaller one marked `resized`.

    Raises:
        BadDataError: the image is unreadable, or does not fit and `resize` is false.
    """
    data, info = ref.data(), ref.info
    size = sent_size(info.width, info.height, limits)
    if info.media_type in limits.media_types and size == (info.width, info.height) and len(data) <= limits.max_bytes:
        return Picture(data, info.sha256, info.identity, info.media_type, info.width, info.height)
    if not resize:
        raise BadDataError(
            f"{ref.source}: {info.width} x {info.height} px, {len(data):,} bytes, {info.media_type} is outside what the model takes "
            f"({size[0]} x {size[1]} px, {limits.max_bytes:,} bytes); allow resizing or choose another model"
        )
    while True:
        picture = _reencode(data, size, limits, info.identity)
        if len(picture.data) <= limits.max_bytes or max(size) <= 64:
            return picture
        size = _scaled(info.width, info.height, int(max(size) * 0.8))


def sent_size(width: int, height: int, limits: ImageLimits) -> tuple[int, int]:
    """(width, height) in px of the largest picture of this shape within `limits`, never larger than the picture itself."""
    longer = max(width, height)
    side = min(limits.max_side, longer)
    while limits.max_patches is not None and side > 1 and _patches(*_scaled(width, height, side)) > limits.max_patches:
        side -= 1
    return _scaled(width, height, side)


def _scaled(width: int, height: int, side: int) -> tuple[int, int]:
    scale = side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _patches(width: int, height: int) -> int:
    return math.ceil(width / PATCH) * math.ceil(height / PATCH)


def _reencode(data: bytes, size: tuple[int, int], limits: ImageLimits, identity: str) -> Picture:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        pixels = image.convert("RGBA" if "A" in image.getbands() else "RGB")
        if size != pixels.size:
            pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    media_type = "image/png" if "image/png" in limits.media_types else "image/jpeg"
    if media_type == "image/jpeg":
        pixels = pixels.convert("RGB")
    out = io.BytesIO()
    pixels.save(out, format=_FORMATS[media_type])
    encoded = out.getvalue()
    sha256 = hashlib.sha256(encoded).hexdigest()
    return Picture(encoded, sha256, f"{identity}@{size[0]}x{size[1]}:{media_type}", media_type, *size, resized=True)
