"""A Qwen2.5-VL of one to eight million parameters in Hugging Face format, with a tokenizer made from our own texts.

The architecture is the real one (`Qwen2_5_VLForConditionalGeneration`), so whatever trains, serves or evaluates a 7B checkpoint does the
same with this one; only its sizes are small. Pictures are cut into patches of 14 px, one token each (84 px make 36 tokens), and every
vision block sees the whole picture.

The tokenizer spells any text in bytes. What the prompts repeat word for word is one token per passage, digits up to 99 are one token per
number, and two cells of a grid are one token, so that a puzzle costs tens of tokens rather than hundreds and a description is cells, not
letters. Tags are ordinary added tokens: special ones would vanish when completions are decoded with `skip_special_tokens`, as TRL does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from bench.extras import optional
from bench.models.local.processor import save_processor, stills_only

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
_TAGS = ("image description", "think", "rethink", "visual", "answer", "description", "example")
TAGS = tuple(f"<{slash}{tag}>" for tag in _TAGS for slash in ("", "/"))
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type in ('image', 'image_url') %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MAX_LENGTH = 1024
MAX_SIDE = 84
"""Longer side in px that pictures are scaled down to; smaller ones keep their size up to a multiple of the patch."""

_CELLS = "#.+SEBT"
_ATOMS = re.compile(
    r"\n?Row \d{1,2}: |\d{1,2}|[#.+SEBT]{2}(?=[#.+SEBT\n]|$)|[#+_]|"
    r"\.(?=[#.A-Z+])|[A-Z_](?![a-z]) ?|, (?:fresh|rotten|empty|open|up|down|left|right)(?![a-z])|[*<>]"
)
"""What stays apart in text: numbers, rows of grids and pairs of their cells, items of lists. Everything between is prose."""


@dataclass(frozen=True, slots=True)
class Size:
    """The sizes that matter. Widths are multiples of the number of heads; a text head has 32 dimensions, the least that vLLM takes."""

    text_width: int = 128
    text_layers: int = 4
    text_heads: int = 4
    text_hidden: int = 384
    vision_width: int = 96
    vision_layers: int = 3
    vision_heads: int = 4
    vision_hidden: int = 256
    patch: int = 14


def build(folder: Path, texts: Iterable[str], *, size: Size | None = None, seed: int = 0) -> Path:
    """Write an untrained checkpoint (weights, tokenizer, chat template, image processor) into `folder` and return it.

    Args:
        folder: made if need be.
        texts: prompts and replies as they will be seen; passages that they share become tokens.
        size: the architecture's sizes.
        seed: of the weights.
    """
    torch: Any = optional("torch", "train")
    transformers: Any = optional("transformers", "train")
    size = size or Size()
    tokenizer = make_tokenizer(texts)
    torch.manual_seed(seed)
    model: Any = transformers.Qwen2_5_VLForConditionalGeneration(_config(tokenizer, size)).float()
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=_id(tokenizer, "<|im_end|>"), pad_token_id=_id(tokenizer, "<|endoftext|>")
    )
    model.save_pretrained(folder)
    save_processor(make_processor(tokenizer, size.patch), folder)
    return folder


def make_processor(tokenizer: Any, patch: int) -> Any:
    """The processor of Qwen2.5-VL without its video half, around `tokenizer`."""
    transformers: Any = optional("transformers", "train")
    images: Any = optional("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl", "train").Qwen2VLImageProcessorPil(
        patch_size=patch,
        merge_size=1,
        temporal_patch_size=2,
        min_pixels=patch * patch,
        max_pixels=MAX_SIDE * MAX_SIDE,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return stills_only(transformers.Qwen2_5_VLProcessor)(images, tokenizer, chat_template=CHAT_TEMPLATE)


def make_tokenizer(texts: Iterable[str], *, passages: int = 800) -> Any:
    """A byte-level tokenizer in which the passages that `texts` share are single tokens.

    Args:
        texts: what will be read and written.
        passages: at most so many passages of prose become tokens, the most frequent first.

    Returns:
        A `PreTrainedTokenizerFast`; any text survives encoding and decoding.
    """
    tokenizers: Any = optional("tokenizers", "train")
    raw = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=_byte_letters(), merges=[]))
    raw.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.decoder = tokenizers.decoders.ByteLevel()
    raw.add_special_tokens([tokenizers.AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    atoms, prose = _counted(texts)
    words = [*TAGS, *sorted(atoms), *(str(number) for number in range(10, 100)), *map("".join, product(_CELLS, repeat=2))]
    words += [word for word, times in sorted(prose.items(), key=lambda item: (-item[1], item[0]))[:passages] if times > 1]
    raw.add_tokens([tokenizers.AddedToken(word, special=False, normalized=False) for word in dict.fromkeys(words) if len(word) > 1])
    return optional("transformers", "train").PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=MAX_LENGTH, padding_side="left"
    )


def _byte_letters() -> dict[str, int]:
    letters: Sequence[str] = sorted(optional("tokenizers", "train").pre_tokenizers.ByteLevel.alphabet())
    return {letter: index for index, letter in enumerate(letters)}


def _counted(texts: Iterable[str]) -> tuple[set[str], Counter[str]]:
    """The atoms in `texts`, and how often each passage of prose between them occurs. Tags stand alone."""
    atoms: set[str] = set()
    prose: Counter[str] = Counter()
    apart = re.compile("|".join(map(re.escape, TAGS)))
    for text in texts:
        for part in apart.split(text):
            atoms.update(_ATOMS.findall(part))
            prose.update(piece for piece in _ATOMS.split(part) if len(piece) > 1)
    return atoms, prose


def _id(tokenizer: Any, name: str) -> int:
    return int(tokenizer.convert_tokens_to_ids(name))


def _config(tokenizer: Any, size: Size) -> Any:
    head = size.text_width // size.text_heads
    third = head * 3 // 16
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": size.text_width,
        "intermediate_size": size.text_hidden,
        "num_hidden_layers": size.text_layers,
        "num_attention_heads": size.text_heads,
        "num_key_value_heads": size.text_heads,
        "max_position_embeddings": MAX_LENGTH,
        # The sections are pairs of dimensions for time, height and width: together half a head. With the usual theta of 10,000 the places
        # of six by six patches could hardly be told apart by the slow dimensions that height and width are left with.
        "rope_parameters": {
            "rope_theta": 100.0,
            "rope_type": "default",
            "mrope_section": [head // 2 - 2 * third, third, third],
        },
        "bos_token_id": None,
        "eos_token_id": _id(tokenizer, "<|im_end|>"),
        "pad_token_id": _id(tokenizer, "<|endoftext|>"),
        "tie_word_embeddings": True,
    }
    vision = {
        "depth": size.vision_layers,
        "hidden_size": size.vision_width,
        "intermediate_size": size.vision_hidden,
        "num_heads": size.vision_heads,
        "patch_size": size.patch,
        "spatial_merge_size": 1,
        "temporal_patch_size": 2,
        "window_size": MAX_SIDE,
        "out_hidden_size": size.text_width,
        "fullatt_block_indexes": list(range(size.vision_layers)),
    }
    tokens = {f"{name}_token_id": _id(tokenizer, f"<|{word}|>") for name, word in _TOKENS.items()}
    transformers: Any = optional("transformers", "train")
    return transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **tokens)


_TOKENS = {"image": "image_pad", "video": "video_pad", "vision_start": "vision_start", "vision_end": "vision_end"}


def sizes(folder: Path) -> dict[str, int]:
    """Numbers of parameters of the checkpoint in `folder`: all, and those of vision and text."""
    transformers: Any = optional("transformers", "train")
    model: Any = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    every = sum(parameter.numel() for parameter in model.parameters())
    vision = sum(parameter.numel() for name, parameter in model.named_parameters() if ".visual." in name)
    return {"all": every, "vision": vision, "text": every - vision}
