"""A tiny random Qwen2.5-VL in Hugging Face format, made on the spot: nothing is downloaded.

Every printable ASCII character and the line feed is a token and nothing else is (other characters of a prompt are dropped), so equal texts
are equal tokens; the chat template is our own. The text head has 32 dimensions, the least that vLLM takes, `mrope_section` adds up to half
of it, and every vision block has full attention (so small a picture has one window).
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from bench.train.tiny.model import CHAT_TEMPLATE, SPECIAL

PATCH = 14
MERGE = 2
MAX_LENGTH = 2048
TEMPLATE = CHAT_TEMPLATE


def build(folder: Path, *, seed: int = 0, template: str | None = TEMPLATE) -> Path:
    """Write the checkpoint into `folder` (made if need be) with weights drawn by `seed`; returns `folder`."""
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    tokenizer = _tokenizer()
    torch.manual_seed(seed)
    model: Any = transformers.Qwen2_5_VLForConditionalGeneration(_config(tokenizer)).float().eval()
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=[_id(tokenizer, "<|im_end|>"), _id(tokenizer, "<|endoftext|>")],
        pad_token_id=_id(tokenizer, "<|endoftext|>"),
        do_sample=True,  # what a run must not fall back on: with these defaults two runs would never agree
        temperature=1.9,
        top_k=3,
        repetition_penalty=3.0,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    (folder / "preprocessor_config.json").write_text(json.dumps(_preprocessor()), encoding="utf-8")
    return folder


def lora(base: Path, folder: Path, *, seed: int = 1) -> Path:
    """Write a random LoRA adapter of `base`, large enough to change what it says, into `folder`; returns `folder`."""
    peft: Any = importlib.import_module("peft")
    torch: Any = importlib.import_module("torch")
    load: Any = importlib.import_module("transformers").AutoModelForImageTextToText
    torch.manual_seed(seed)
    config = peft.LoraConfig(r=4, lora_alpha=16, target_modules=r".*language_model.*\.(q|k|v|o)_proj", init_lora_weights=False)
    model: Any = peft.get_peft_model(load.from_pretrained(base), config)
    model.save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    tokenizers: Any = importlib.import_module("tokenizers")
    decoders, models, pre_tokenizers = tokenizers.decoders, tokenizers.models, tokenizers.pre_tokenizers
    alphabet = [
        *(chr(code) for code in range(33, 127)),
        "\u0120",
        "\u010a",
    ]  # the last two are how byte-level BPE writes space and line feed
    raw = tokenizers.Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens([tokenizers.AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    return importlib.import_module("transformers").PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=MAX_LENGTH
    )


def _id(tokenizer: Any, name: str) -> int:
    return int(tokenizer.convert_tokens_to_ids(name))


def _config(tokenizer: Any) -> Any:
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": MAX_LENGTH,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default", "mrope_section": [4, 6, 6]},
        "initializer_range": 0.2,
        "bos_token_id": None,
        "eos_token_id": _id(tokenizer, "<|im_end|>"),
        "pad_token_id": _id(tokenizer, "<|endoftext|>"),
        "tie_word_embeddings": False,
    }
    vision = {
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 2,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "window_size": 4 * PATCH * MERGE,
        "out_hidden_size": 64,
        "fullatt_block_indexes": [0, 1],
        "initializer_range": 0.2,
    }
    tokens = {f"{name}_token_id": _id(tokenizer, f"<|{word}|>") for name, word in _TOKENS.items()}
    transformers: Any = importlib.import_module("transformers")
    return transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False, **tokens)


_TOKENS = {"image": "image_pad", "video": "video_pad", "vision_start": "vision_start", "vision_end": "vision_end"}


def _preprocessor() -> dict[str, Any]:
    """As the official checkpoints of the family have it, with smaller bounds on a picture's area."""
    return {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": 2,
        "min_pixels": 4 * PATCH * PATCH * MERGE * MERGE,
        "max_pixels": 64 * PATCH * PATCH * MERGE * MERGE,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
