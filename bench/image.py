"""Images as bytes: what they are, whether they can be trusted, and what a provider is sent.

A file's name says nothing about its content (public sets hold PNG bytes under `.jpg` names, and the Anthropic API refuses a declared media
type that disagrees with the bytes), so the media type is always sniffed. Pixels are decoded late and never above a bound.

Every provider gets the same picture: what is turned by EXIF is turned upright, transparency is laid on white, 16-bit grey is scaled to
8 bits, at any size. What was done is recorded (`Picture.changes`). A picture that needs none of it is sent as the bytes it came in.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from bench.errors import BadDataError
from bench.png import encode_png, rows_of

MAX_PIXELS = 64_000_000
"""Largest image opened, in pixels: the Anthropic API takes pictures of up to 8,000 x 8,000 px."""

PATCH = 28
"""Side in px of the patches in which Claude and Qwen2.5-VL count pictures."""

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # our own bound is the one that counts, and it refuses

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}
_MEDIA_TYPES = {name: media for media, name in _FORMATS.items()} | {"MPO": "image/jpeg"}
"""By Pillow's name of the format. A phone's MPO is a JPEG with further pictures behind it, which everyone passes over."""

UPRIGHT, ON_WHITE, EIGHT_BITS, SCALED = "turned upright", "transparency on white", "16 bits to 8", "scaled"
"""What can be done to a picture before it is sent (`Picture.changes`)."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the bytes of an image say about themselves.

    Attributes:
        sha256: hash of the encoded bytes.
        identity: what keys are made of. For a file, `sha256`; for a drawn image a hash of the decoded pixels, since the same drawing
            compresses to other bytes on another machine and must still be found in a cache.
        width, height: in pixels, of the picture upright.
        color: Pillow's mode ("RGB", "RGBA", ...).
        needs: what is done to its pixels whatever their number: some of `UPRIGHT`, `ON_WHITE`, `EIGHT_BITS`.
    """

    sha256: str
    identity: str
    media_type: str
    width: int
    height: int
    color: str
    needs: tuple[str, ...] = ()


def inspect(data: bytes, *, name: str = "image", max_pixels: int = MAX_PIXELS, drawn: bool = False) -> ImageInfo:
    """Sniff `data` and decode it fully, so that a cut or corrupt file is found before anything is spent.

    `drawn` makes the identity a hash of the pixels (see `ImageInfo`).

    The same bytes are decoded once, however many rows of a set hold them.

    Raises:
        BadDataError: not an image of a supported type, more than `max_pixels` pixels, or undecodable. The message starts with `name`.
    """
    key = (hashlib.sha256(data).hexdigest(), max_pixels, drawn)
    found = _INSPECTED.get(key)
    if found is None:
        found = _inspect(data, key[0], name, max_pixels, drawn=drawn)
        while len(_INSPECTED) >= _INSPECTED_MOST:
            _INSPECTED.pop(next(iter(_INSPECTED)), None)
        _INSPECTED[key] = found
    return found


_INSPECTED: dict[tuple[str, int, bool], ImageInfo] = {}
_INSPECTED_MOST = 4096
"""Pictures of which it is remembered what they are."""


def _inspect(data: bytes, sha256: str, name: str, max_pixels: int, *, drawn: bool) -> ImageInfo:
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
            needs, turn = _needs(image), _orientation(image)
            if turn >= 5:  # on its side
                width, height = height, width
            identity = pixel_hash(image.mode, image.size, image.tobytes()) if drawn else sha256
            return ImageInfo(sha256, identity, media_type, width, height, color, needs)
    except Image.DecompressionBombError as error:
        raise BadDataError(f"{name}: more pixels than the bound of {max_pixels:,} ({error})") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise BadDataError(f"{name}: not a readable image ({error})") from error


def _orientation(image: Image.Image) -> int:
    """How the picture is to be turned, by EXIF: 1 is upright; 5 to 8 swap width and height."""
    turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _needs(image: Image.Image) -> tuple[str, ...]:
    found = [UPRIGHT] if _orientation(image) != 1 else []
    if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        found.append(ON_WHITE)
    if image.mode.startswith("I"):
        found.append(EIGHT_BITS)
    return tuple(found)


def _normal(image: Image.Image) -> Image.Image:
    """The picture as it is meant: upright, opaque on white, 8 bits a channel, RGB."""
    if _orientation(image) > 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return image if image.mode == "RGB" else image.convert("RGB")


def pixel_hash(mode: str, size: tuple[int, int], pixels: bytes | memoryview) -> str:
    """The identity of a drawn image of this mode (Pillow's) and size (width, height): SHA-256 of its pixels."""
    found = hashlib.sha256(f"{mode} {size[0]}x{size[1]}\n".encode())
    found.update(pixels)
    return found.hexdigest()


@dataclass(frozen=True)
class ImageRef:
    """A reference to an image: where it comes from, and a loader of its encoded bytes.

    Attributes:
        source: for people and logs: a path, or a recipe such as "drawn:clock".
        load: returns the encoded bytes; called late and, through `data`, as often as needed.
        drawn: whether the image is generated here (see `ImageInfo.identity`).
        measure: what the bytes say, from someone who knows it without decoding them; None where they must be looked at.
    """

    source: str
    load: Callable[[], bytes]
    drawn: bool = False
    measure: Callable[[], ImageInfo] | None = field(default=None, compare=False)

    def data(self) -> bytes:
        """The encoded bytes.

        Raises:
            BadDataError: the file is missing or cannot be read.
        """
        try:
            return self.load()
        except OSError as error:
            raise BadDataError(f"{self.source}: image cannot be read ({error.strerror or error})") from error

    @property
    def info(self) -> ImageInfo:
        """Sniffed once from the bytes (raises `BadDataError` as `inspect` does); the bytes are not kept.

        No `cached_property`: before Python 3.12 one lock of the class lets a single picture be looked at at a time, in all threads.
        """
        found: ImageInfo | None = self.__dict__.get("_info")
        if found is None:
            found = self._looked_at()
            self.__dict__["_info"] = found
        return found

    @property
    def known(self) -> bool:
        """Whether `info` is there already, so that asking for it costs nothing."""
        return "_info" in self.__dict__

    def _looked_at(self) -> ImageInfo:
        return self.measure() if self.measure is not None else inspect(self.data(), name=self.source, drawn=self.drawn)


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a provider takes. Sides in pixels, `max_bytes` of the raw (not base64) file, `media_types` as sniffed.

    `max_patches` bounds the area: the number of `patch` x `patch` px patches that cover the picture, None for no bound. `max_short_side`
    bounds the shorter side. A picture with a side below `min_side` is enlarged.
    """

    max_side: int = 8000
    max_bytes: int = 7_500_000
    max_patches: int | None = None
    media_types: frozenset[str] = frozenset(_FORMATS)
    patch: int = PATCH
    max_short_side: int | None = None
    min_side: int = 1


class Content:
    """Encoded bytes that can be let go while nobody needs them, and made again (a batch waits for hours, with thousands of pictures).

    They are held once: as they are, or in base64 from the first time that a request needs them so.
    """

    __slots__ = ("_again", "_base64", "_data")

    def __init__(self, data: bytes, again: Callable[[], bytes]) -> None:
        self._data: bytes | None = data
        self._base64: bytes | None = None
        self._again = again

    def read(self) -> bytes:
        """The bytes, made again where they were let go."""
        data, encoded = self._data, self._base64
        return data if data is not None else base64.b64decode(encoded) if encoded is not None else self._again()

    def base64(self) -> bytes:
        """The bytes in base64, ready to stand in a request."""
        encoded = self._base64
        if encoded is None:
            encoded = base64.b64encode(self.read())
            self._base64, self._data = encoded, None
        return encoded

    @property
    def held(self) -> int:
        """Bytes that are held here; 0 where they have to be made again."""
        return len(self._base64 or self._data or b"")

    def release(self) -> None:
        """Let the bytes go."""
        self._data = self._base64 = None


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it is sent: encoded bytes, their hash, the identity for keys, and size in px.

    Attributes:
        resized: whether its size is not the original's.
        changes: what was done to it, in words; empty where it is sent as it came.
    """

    content: Content = field(compare=False)
    sha256: str
    identity: str
    media_type: str
    width: int
    height: int
    resized: bool = False
    changes: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        """The encoded bytes."""
        return self.content.read()


def fit(ref: ImageRef, limits: ImageLimits, *, resize: bool = True) -> Picture:
    """The picture to send: the original bytes where `limits` allow and nothing needs doing, else re-encoded ones.

    Raises:
        BadDataError: the image is unreadable, or does not fit and `resize` is false.
    """
    data, info = ref.data(), ref.info
    size = sent_size(info.width, info.height, limits)
    fits = info.media_type in limits.media_types and size == (info.width, info.height) and len(data) <= limits.max_bytes
    if fits and not info.needs:
        return Picture(Content(data, ref.data), info.sha256, info.identity, info.media_type, info.width, info.height)
    if not (resize or fits):
        raise BadDataError(
            f"{ref.source}: {info.width} x {info.height} px, {len(data):,} bytes, {info.media_type} is outside what the model takes "
            f"({size[0]} x {size[1]} px, {limits.max_bytes:,} bytes); allow resizing or choose another model"
        )
    while True:
        encoded, media_type = _reencode(data, size, limits)
        if len(encoded) <= limits.max_bytes or max(size) <= 64:
            break
        size = _scaled(info.width, info.height, int(max(size) * 0.8))
    changes = info.needs + ((SCALED,) if size != (info.width, info.height) else ())
    changes += (f"{info.media_type} to {media_type}",) if media_type != info.media_type else ()
    identity = f"{info.identity}@{size[0]}x{size[1]}:{media_type}" + "".join(f":{need}" for need in info.needs)

    def again() -> bytes:
        return _reencode(ref.data(), size, limits)[0]

    sha256 = hashlib.sha256(encoded).hexdigest()
    return Picture(Content(encoded, again), sha256, identity, media_type, *size, resized=SCALED in changes, changes=changes)


def sent_size(width: int, height: int, limits: ImageLimits) -> tuple[int, int]:
    """(width, height) in px of the largest picture of this shape within `limits`, larger than the picture itself only for `min_side`."""
    longer, shorter = max(width, height), min(width, height)
    side = min(limits.max_side, max(longer, math.ceil(longer * limits.min_side / shorter)))
    if limits.max_short_side is not None and shorter * side > limits.max_short_side * longer:
        side = max(1, limits.max_short_side * longer // shorter)
    if limits.max_patches is not None:
        area = limits.max_patches * limits.patch**2
        side = min(side, math.floor(longer * math.sqrt(area / (width * height))) + 1)  # no larger one can fit
        while side > 1 and _patches(*_scaled(width, height, side), limits.patch) > limits.max_patches:
            side -= 1
    return _scaled(width, height, side)


def _scaled(width: int, height: int, side: int) -> tuple[int, int]:
    scale = side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _patches(width: int, height: int, patch: int) -> int:
    return math.ceil(width / patch) * math.ceil(height / patch)


def _reencode(data: bytes, size: tuple[int, int], limits: ImageLimits) -> tuple[bytes, str]:
    """The picture in `size` (width, height) px, in the first media type that the provider takes of PNG and JPEG.

    A JPEG that is to become half as large, or smaller, is decoded at a half, a quarter or an eighth of its size, never below `size`.
    """
    with Image.open(io.BytesIO(data)) as image:
        width, height = size
        image.draft(None, size if _orientation(image) < 5 else (height, width))
        image.load()
        pixels = _normal(image)
    if size != pixels.size:
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    media_type = "image/png" if "image/png" in limits.media_types else "image/jpeg"
    if media_type == "image/png":
        return encode_png(rows_of(pixels)), media_type
    out = io.BytesIO()
    pixels.save(out, format=_FORMATS[media_type])
    return out.getvalue(), media_type
