"""Degraded pictures: the same puzzles shown less and less clearly, so that accuracy can be drawn against the dose.

A *dose* is one kind of damage at one amount (`blur=2`). It changes the picture only: the puzzle keeps its id, so that a dose pairs with the
undamaged picture and with the modes that show none. The damage is a pure function of picture and dose; noise of any amount is the same
pattern, made larger, so that a stronger dose never shows by luck what a weaker one hid.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageFilter

from bench.digest import digest
from bench.errors import UserError
from bench.image import ImageInfo, ImageRef, inspect
from bench.png import encode_png, rows_of

if TYPE_CHECKING:
    import numpy as np

Damage = Callable[[Image.Image, float, int], Image.Image]
"""(RGB picture, amount, seed) -> damaged RGB picture."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one kind of damage does: `low` < amount < `high`, where it leaves the picture as it is, and how bad an amount is (0 = none).

    Past a severity of `most` nothing can be seen.
    """

    meaning: str
    low: float
    high: float
    severity: Callable[[float], float]
    damage: Damage
    most: float


@dataclass(frozen=True, slots=True, order=True)
class Degradation:
    """One dose: a kind of damage and its amount.

    Attributes:
        kind: "blur" (standard deviation of a Gaussian, px), "scale" (factor of both sides; the smaller picture is what is sent), "contrast"
            (factor of every pixel's distance from the mean grey), "noise" (standard deviation of Gaussian noise, share of full scale) or
            "jpeg" (quality, 1 to 95).
        amount: see `kind`.
    """

    kind: str
    amount: float

    def __str__(self) -> str:
        return f"{self.kind}={self.amount:g}"

    @property
    def severity(self) -> float:
        """How bad the damage is within its kind: above 0, growing as the picture gets worse.

        Blur counts in px, noise in tenths of full scale, scale and contrast in halvings, jpeg in halvings of the quality from 100.
        """
        return _KINDS[self.kind].severity(self.amount)

    @property
    def hides(self) -> bool:
        """Whether a picture so damaged shows nothing any more: its contrast is below one grey level, or little more than noise is left."""
        return self.severity > _KINDS[self.kind].most

    @classmethod
    def parse(cls, text: str) -> tuple[Degradation, ...]:
        """Read "blur=2" or, for several doses of one kind, "blur=1,2,4".

        Raises:
            UserError: an unknown kind, or an amount that is no number or out of range.
        """
        kind, _, amounts = text.partition("=")
        if kind not in _KINDS:
            raise UserError(f"--degrade: expected one of {', '.join(_KINDS)} with an amount (blur=2), found {text!r}")
        return tuple(cls(kind, _amount(kind, part)) for part in amounts.split(","))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Degradation:
        """The inverse of `{"kind": ..., "amount": ...}`.

        Raises:
            KeyError, ValueError: a field is missing, the kind is unknown, or the amount is out of its range.
        """
        kind = _KINDS.get(data["kind"])
        if kind is None:
            raise ValueError(f"dose: unknown kind {data['kind']!r}")
        if not kind.low < data["amount"] < kind.high:
            raise ValueError(f"dose {data['kind']}: expected more than {kind.low:g} and less than {kind.high:g}, found {data['amount']!r}")
        return cls(data["kind"], float(data["amount"]))

    def image(self, ref: ImageRef) -> ImageRef:
        """`ref` with this damage done to it, late: nothing is decoded before the bytes are asked for."""
        return DegradedRef(f"{ref.source} ({self})", partial(_damaged, ref, self), ref.drawn, original=ref, dose=self)

    def apply(self, data: bytes, identity: str) -> bytes:
        """The damaged picture, encoded: JPEG for `jpeg`, else PNG. A transparent picture is laid on white first.

        Args:
            data: an encoded image.
            identity: what seeds the noise.

        Raises:
            OSError: the bytes cannot be decoded.
        """
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            picture = _flat(opened)
        seed = int(digest(["noise", identity])[:16], 16)
        damaged = _KINDS[self.kind].damage(picture, self.amount, seed)
        if self.kind != "jpeg":
            return encode_png(rows_of(damaged))
        out = io.BytesIO()
        damaged.save(out, format="JPEG", quality=round(self.amount))
        return out.getvalue()


@dataclass(frozen=True)
class DegradedRef(ImageRef):
    """A damaged picture. Its identity is the original's and the dose, so that keys do not hang on how a machine compresses."""

    original: ImageRef | None = None
    dose: Degradation | None = None

    def _looked_at(self) -> ImageInfo:
        assert self.original is not None
        return replace(inspect(self.data(), name=self.source), identity=f"{self.original.info.identity}+{self.dose}")


def parse_doses(texts: Iterable[str]) -> tuple[Degradation, ...]:
    """All doses of a command line, each once, in the order given.

    Raises:
        UserError: see `Degradation.parse`.
    """
    return tuple(dict.fromkeys(dose for text in texts for dose in Degradation.parse(text)))


@lru_cache(maxsize=16)
def _damaged(ref: ImageRef, dose: Degradation) -> bytes:
    """The modes of a puzzle come together, each with the same picture."""
    return dose.apply(ref.data(), ref.info.identity)


def _amount(kind: str, text: str) -> float:
    rule = _KINDS[kind]
    try:
        amount = float(text)
    except ValueError:
        raise UserError(f"--degrade {kind}: expected a number ({rule.meaning}), found {text!r}") from None
    if not rule.low < amount < rule.high:
        raise UserError(f"--degrade {kind}: expected more than {rule.low:g} and less than {rule.high:g} ({rule.meaning}), found {amount:g}")
    return amount


def _flat(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


# -- the kinds ---------------------------------------------------------------------------------------------------------------------------
def _blur(picture: Image.Image, amount: float, seed: int) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(amount))


def _scale(picture: Image.Image, amount: float, seed: int) -> Image.Image:
    size = max(1, round(picture.width * amount)), max(1, round(picture.height * amount))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _contrast(picture: Image.Image, amount: float, seed: int) -> Image.Image:
    import numpy as np  # a tenth of a second, which no run without such damage waits for

    pixels = np.asarray(picture, dtype=np.float64)
    middle = float(np.asarray(picture.convert("L"), dtype=np.float64).mean())
    return _to_image(middle + amount * (pixels - middle))


def _noise(picture: Image.Image, amount: float, seed: int) -> Image.Image:
    import numpy as np

    pixels = np.asarray(picture, dtype=np.float64)
    return _to_image(pixels + 255 * amount * np.random.default_rng(seed).standard_normal(pixels.shape))


def _jpeg(picture: Image.Image, amount: float, seed: int) -> Image.Image:
    return picture  # the damage is in the encoding


def _to_image(pixels: np.ndarray[Any, np.dtype[np.float64]]) -> Image.Image:
    import numpy as np

    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


_KINDS: Mapping[str, _Kind] = {
    "blur": _Kind("standard deviation in px", 0, 1000, lambda amount: amount, _blur, 40),
    "scale": _Kind("factor of both sides", 0, 1, lambda amount: -math.log2(amount), _scale, 6),
    "contrast": _Kind("factor of the contrast", 0, 1, lambda amount: -math.log2(amount), _contrast, 7),
    "noise": _Kind("standard deviation as a share of full scale", 0, 10, lambda amount: 10 * amount, _noise, 40),
    "jpeg": _Kind("quality", 0.5, 95.5, lambda amount: math.log2(100 / amount), _jpeg, math.inf),
}
