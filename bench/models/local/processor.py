"""A checkpoint's processor (tokenizer, image processor, chat template), with or without torchvision.

Processors of models that also watch videos insist on a video processor, and that needs torchvision, which many machines lack or hold
broken. This project shows stills only: where there is no torchvision, such a processor is built without its video half.
"""

from __future__ import annotations

import io
import json
import pickle
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from bench.extras import optional
from bench.time_limit import time_limit

TEMPLATE_S = 10.0
"""Seconds that a checkpoint's chat template may take for the prompts of one batch: it usually needs a millisecond a prompt."""
LEAVES_OUT = "has a chat template that leaves images out"
TEMPLATE_ERRORS = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, SyntaxError, TypeError, ValueError)
"""What rendering a chat template raises beside jinja2's own errors: what it does is Python."""

_PROBE = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]},
]
_BLANK = [
    {"role": "user", "content": [{"type": "text", "text": "?"}]},
]


def load_processor(where: str, **options: Any) -> Any:
    """The processor of the checkpoint `where` (folder or hub id); `options` go to `from_pretrained` (revision, trust_remote_code).

    Raises:
        OSError, ValueError, ImportError: as transformers does.
    """
    from bench.models.local.templates import bound_templates

    transformers: Any = optional("transformers", "local")
    bound_templates()
    if not optional("transformers.utils.import_utils", "local").is_torchvision_available():
        config = transformers.AutoConfig.from_pretrained(where, **options)
        known = optional("transformers.models.auto.processing_auto", "local").PROCESSOR_MAPPING_NAMES
        name = known.get(config.model_type)
        found = getattr(transformers, name, None) if isinstance(name, str) else None
        if found is not None and "video_processor" in found.get_attributes():
            return stills_only(found).from_pretrained(where, **options)
    return transformers.AutoProcessor.from_pretrained(where, **options)


def save_processor(processor: Any, folder: Path) -> None:
    """Save `processor` into `folder`, in the layout of transformers 5 and in the official one of older checkpoints.

    Without its video half a processor is saved as one that has none, and engines that insist on one look for `preprocessor_config.json`.
    """
    processor.save_pretrained(folder)
    image = processor.image_processor.to_dict()
    kind = type(processor.image_processor).__name__.removesuffix("Pil").removesuffix("Fast")
    content = image | {"image_processor_type": kind, "processor_class": type(processor).__name__}
    (folder / "preprocessor_config.json").write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")


def load_errors() -> tuple[type[Exception], ...]:
    """What loading a checkpoint raises when its files are missing, cut, of another kind or unreachable."""
    safetensors: Any = optional("safetensors", "local")
    pickled = (pickle.UnpicklingError, EOFError)
    return (OSError, ValueError, RuntimeError, ImportError, KeyError, TypeError, AttributeError, safetensors.SafetensorError, *pickled)


def one_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where it has none; of a pickle our own words, since torch advises to trust it."""
    if isinstance(error, pickle.UnpicklingError):
        return "its weights are a pickle that is damaged or would run code, and only tensors are read from one: save them as safetensors"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@cache
def stills_only(processor: Any) -> Any:
    """The processor class `processor` without its video half; it saves and loads as the original does."""
    kept = [name for name in processor.get_attributes() if name != "video_processor"]
    return type(processor.__name__, (processor,), {"get_attributes": classmethod(lambda cls: kept), "__module__": processor.__module__})


def why_unfit(processor: Any) -> str | None:
    """Why a processor cannot serve here, in words that follow the checkpoint's name; None where it can."""
    if getattr(processor, "image_processor", None) is None:
        return "takes no images (it has no image processor)"
    template = getattr(processor, "chat_template", None) or getattr(getattr(processor, "tokenizer", processor), "chat_template", None)
    if not template:
        return "has no chat template (expected chat_template.jinja in it, or in its tokenizer_config.json)"
    import jinja2

    from bench.models.local.templates import TooMuchError, bound_templates

    bound_templates()
    try:
        with time_limit(TEMPLATE_S):
            shown, blank = (processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False) for chat in (_PROBE, _BLANK))
    except (TimeoutError, TooMuchError) as error:
        return f"has a chat template that {error}"
    except (jinja2.TemplateError, *TEMPLATE_ERRORS) as error:
        return f"has a chat template that fails on an image and a text ({one_line(error)})"
    return LEAVES_OUT if shown == blank else None


class SentSizes:
    """Sizes in px of pictures after the image processor's own resize, worked out once per size by handing it a blank picture."""

    def __init__(self, image_processor: Any) -> None:
        self._processor = image_processor
        self._known: dict[tuple[int, int], tuple[int, int] | None] = {}

    def of(self, width: int, height: int) -> tuple[int, int] | None:
        """Width and height in px that the model sees; None where the processor does not tell (a picture cut into tiles)."""
        if (width, height) not in self._known:
            self._known[width, height] = _processed_size(self._processor, width, height)
        return self._known[width, height]


def _processed_size(processor: Any, width: int, height: int) -> tuple[int, int] | None:
    made: Any = processor(images=[Image.new("RGB", (width, height))], return_tensors="np")
    grid = made.get("image_grid_thw")
    if grid is not None:
        patch = int(processor.patch_size)
        return int(grid[0][2]) * patch, int(grid[0][1]) * patch
    pixels = made.get("pixel_values")
    if pixels is not None and getattr(pixels, "ndim", 0) == 4 and pixels.shape[0] == 1:
        return int(pixels.shape[3]), int(pixels.shape[2])
    return None


def pixels(data: bytes) -> Image.Image:
    """A picture's bytes as RGB, transparency on white as a page would show it."""
    with Image.open(io.BytesIO(data)) as image:
        if "A" not in image.getbands() and "transparency" not in image.info:
            return image.convert("RGB")
        layer = image.convert("RGBA")
    page = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(page, layer).convert("RGB")
