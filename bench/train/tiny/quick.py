"""A small Qwen2.5-VL made quick: the same weights and the same results, with hundreds of kernels a step instead of thousands.

Transformers looks at pictures one by one, works out the places of tokens sequence by sequence, and decodes with a general machinery; for a
model of a million parameters that is nearly all of a GRPO step, on a GPU most of all. Where all pictures of a batch have one size, patches
are not merged and every vision block sees the whole picture, `quicken` replaces three methods of one model object: the vision tower's
forward pass, the places of tokens, and `generate`, with a preallocated cache and, on a GPU, each further token replayed as a CUDA graph.
Whatever these do not cover goes to the original methods. The trainer, its loss and its sampling distribution are untouched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, cast

from bench.extras import optional
from bench.train.tiny.forward import Forward

_MULTIPLE = 32
"""Prompts are padded to a multiple of so many tokens, so that few shapes of cache occur."""
_CHECK = 8
"""Tokens between two looks at whether all rows have ended."""


def quicken(model: Any) -> bool:
    """Make `model` quick where it is of the kind that can be; returns whether it is."""
    config = model.config
    if config.model_type != "qwen2_5_vl" or config.vision_config.spatial_merge_size != 1 or hasattr(model, "peft_config"):
        return False
    if set(config.vision_config.fullatt_block_indexes) != set(range(config.vision_config.depth)):
        return False
    quick = Quick(model, model.model.visual.forward, model.model.get_rope_index, model.generate)
    model.model.visual.forward = quick.look
    model.model.get_rope_index = quick.places
    model.generate = quick.generate
    return True


@dataclass(frozen=True, slots=True)
class _Taste:
    """How tokens are drawn: at which temperature (0 for the likeliest), which ones end a row, which never come, and what fills up."""

    temperature: float
    stops: tuple[int, ...]
    never: tuple[int, ...]
    pad: int

    @classmethod
    def of(cls, config: Any) -> _Taste:
        return cls(
            config.temperature if config.do_sample else 0.0, ends_of(config), tuple(config.suppress_tokens or ()), config.pad_token_id
        )


@dataclass
class _Cache:
    """Everything of a generation that stays in place from token to token, so that one recorded step serves them all.

    Attributes:
        keys, values: per layer (batch, heads, room, dimensions).
        shown: (batch, 1, 1, room) which places may be attended to.
        token: (batch, 1) the last token; `place` (batch, 1) where it stands; `slot` (1) where it is kept; `ended` (batch).
        taste, stops, never: how tokens are drawn; tensors that a recorded step reads must live as long as it does.
        graph: the recorded step, on a GPU.
    """

    keys: list[Any]
    values: list[Any]
    shown: Any
    token: Any
    place: Any
    slot: Any
    ended: Any
    taste: _Taste
    stops: Any
    never: Any
    graph: Any = None


@dataclass
class Quick:
    """The quick methods of `model`, with the originals that they fall back on."""

    model: Any
    whole_look: Any
    whole_places: Any
    whole_generate: Any
    _caches: dict[tuple[int, int, _Taste], _Cache] = field(default_factory=dict[tuple[int, int, _Taste], _Cache])

    @cached_property
    def _torch(self) -> Any:
        return optional("torch", "train")

    @cached_property
    def _forward(self) -> Forward:
        return Forward(self.model)

    # -- pictures and places -------------------------------------------------------------------------------------------------------------
    def look(self, hidden_states: Any, grid_thw: Any, **options: Any) -> Any:
        """The vision tower's forward pass: patches (all, values) and grids (pictures, 3) in, embeddings of all patches out."""
        grids = grid_thw.tolist()
        if any(grid != grids[0] for grid in grids) or grids[0][0] != 1:
            return self.whole_look(hidden_states, grid_thw=grid_thw, **options)
        kernel = self.model.model.visual.patch_embed.proj.weight
        patches = self._torch.nn.functional.linear(hidden_states.to(kernel.dtype), kernel.flatten(1))
        seen = self._forward.seen(patches.unflatten(0, (len(grids), -1)), (grids[0][1], grids[0][2])).flatten(0, 1)
        outputs: Any = optional("transformers.modeling_outputs", "train")
        return outputs.BaseModelOutputWithPooling(last_hidden_state=seen, pooler_output=seen)

    def places(self, input_ids: Any = None, *given: Any, image_grid_thw: Any = None, attention_mask: Any = None, **options: Any) -> Any:
        """Times, rows and columns of all tokens (3, batch, length), and how much less than the length comes next (batch, 1)."""
        rest = partial(self.whole_places, input_ids, *given, image_grid_thw=image_grid_thw, attention_mask=attention_mask, **options)
        if image_grid_thw is None or len(image_grid_thw) != len(input_ids) or attention_mask is None or attention_mask.ndim != 2:
            return rest()
        grids = image_grid_thw.tolist()
        if any(grid != grids[0] for grid in grids):
            return rest()
        placed = self._placed(input_ids, attention_mask, grids[0][2], max(grids[0]))
        return placed, (placed.amax((0, 2)) + 1 - input_ids.shape[1])[:, None]

    def _placed(self, tokens: Any, mask: Any, columns: int, side: int) -> Any:
        """(3, batch, length) places in rows with one picture each, whose patches stand in `columns` and count as `side` tokens."""
        torch = self._torch
        picture = tokens == self.model.config.image_token_id
        words = mask.bool() & ~picture
        before = words.cumsum(1)
        patch = picture.cumsum(1) - 1
        text = before - 1 + side * (patch >= 0)
        row, column = (before + torch.div(patch, columns, rounding_mode="floor")), before + patch % columns
        return torch.stack([torch.where(picture, where, text) for where in (before, row, column)]).clamp_min(0)

    # -- generation ----------------------------------------------------------------------------------------------------------------------
    def generate(self, input_ids: Any = None, *, generation_config: Any = None, **inputs: Any) -> Any:
        """As the model's own `generate` for plain sampling at a temperature, or greedy; anything else is left to that."""
        grid = inputs.get("image_grid_thw")
        known = {"attention_mask", "pixel_values", "image_grid_thw", "mm_token_type_ids", "disable_compile"}
        if not _plain(generation_config) or grid is None or not set(inputs) <= known or len(grid) != len(input_ids):
            return self.whole_generate(input_ids=input_ids, generation_config=generation_config, **inputs)
        if len({tuple(row) for row in grid.tolist()}) > 1:
            return self.whole_generate(input_ids=input_ids, generation_config=generation_config, **inputs)
        with self._torch.inference_mode():
            made = self._generate(input_ids, inputs["attention_mask"], inputs["pixel_values"], grid, generation_config)
        return self._torch.cat([input_ids, made.clone()], dim=1)

    def _generate(self, tokens: Any, mask: Any, pixels: Any, grid: Any, config: Any) -> Any:
        torch, new = self._torch, config.max_new_tokens
        width = -(-tokens.shape[1] // _MULTIPLE) * _MULTIPLE
        short = width - tokens.shape[1]
        tokens, mask = (torch.nn.functional.pad(part, (short, 0), value=fill) for part, fill in ((tokens, config.pad_token_id), (mask, 0)))
        cache = self._cache(len(tokens), width + new, _Taste.of(config))
        made = [self._begun(cache, tokens, mask, pixels, grid)]
        self._record(cache)
        for count in range(1, new):
            if count % _CHECK == 0 and bool(cache.ended.all()):
                break
            self._step(cache)
            made.append(cache.token.clone())
        return torch.cat(made, dim=1)

    def _cache(self, batch: int, room: int, taste: _Taste) -> _Cache:
        if (batch, room, taste) not in self._caches:
            torch, text = self._torch, self.model.config.get_text_config()
            weight = self.model.lm_head.weight
            shape = (batch, text.num_key_value_heads, room, text.hidden_size // text.num_attention_heads)
            empty = partial(torch.zeros, device=weight.device)
            keys, values = ([empty(shape, dtype=weight.dtype) for _ in range(text.num_hidden_layers)] for _ in range(2))
            token, place, slot = (empty(size, dtype=torch.long) for size in ((batch, 1), (batch, 1), (1,)))
            shown, ended = empty((batch, 1, 1, room), dtype=torch.bool), empty((batch,), dtype=torch.bool)
            stops, never = (torch.tensor(words, device=weight.device, dtype=torch.long) for words in (taste.stops, taste.never))
            self._caches[batch, room, taste] = _Cache(keys, values, shown, token, place, slot, ended, taste, stops, never)
        return self._caches[batch, room, taste]

    def _begun(self, cache: _Cache, tokens: Any, mask: Any, pixels: Any, grid: Any) -> Any:
        """Take the prompts in and draw the first token."""
        torch, length = self._torch, tokens.shape[1]
        text, sides = self.model.model.language_model, grid[0].tolist()
        seen = self.look(pixels, grid).pooler_output
        hidden = text.embed_tokens(tokens)
        picture = tokens == self.model.config.image_token_id
        hidden = hidden.masked_scatter(picture[..., None], seen.to(hidden.dtype))
        places = self._placed(tokens, mask, sides[2], max(sides))
        allowed = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril() & mask.bool()[:, None, None]
        allowed = allowed | torch.eye(length, dtype=torch.bool, device=tokens.device)  # padding sees itself, lest it be no number

        def attend(layer: int, query: Any, key: Any, value: Any) -> Any:
            cache.keys[layer][:, :, :length] = key
            cache.values[layer][:, :, :length] = value
            return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)

        turn = tuple(part[:, None] for part in self._forward.text_turn(places))
        last = self._forward.layers(hidden, (turn[0], turn[1]), attend)[:, -1:]
        cache.shown.zero_()
        cache.shown[:, 0, 0, :length] = mask.bool()
        cache.ended.zero_()
        cache.slot.fill_(length - 1)
        cache.place.copy_(places.amax((0, 2))[:, None])
        self._pick(cache, last)
        return cache.token.clone()

    def _pick(self, cache: _Cache, hidden: Any) -> None:
        """Draw the next token of every row from its last hidden state (batch, 1, width), and move on to its place."""
        torch = self._torch
        scores = torch.nn.functional.linear(hidden[:, 0], self.model.lm_head.weight).float().index_fill(1, cache.never, -math.inf)
        if cache.taste.temperature:
            scores = (
                scores / cache.taste.temperature - torch.empty_like(scores).exponential_().log()
            )  # the largest with Gumbel noise is a draw
        token = scores.argmax(-1).masked_fill(cache.ended, cache.taste.pad)
        cache.ended |= torch.isin(token, cache.stops)
        cache.token.copy_(token[:, None])
        cache.slot += 1
        cache.place += 1
        cache.shown.index_fill_(3, cache.slot, value=True)

    def _advance(self, cache: _Cache) -> None:
        """Take the last token in and draw the next."""
        torch = self._torch

        def attend(layer: int, query: Any, key: Any, value: Any) -> Any:
            cache.keys[layer].index_copy_(2, cache.slot, key)
            cache.values[layer].index_copy_(2, cache.slot, value)
            return torch.nn.functional.scaled_dot_product_attention(query, cache.keys[layer], cache.values[layer], attn_mask=cache.shown)

        cos, sin = self._forward.text_turn(cache.place.expand(3, -1, -1))
        hidden = self.model.model.language_model.embed_tokens(cache.token)
        self._pick(cache, self._forward.layers(hidden, (cos[:, None], sin[:, None]), attend))

    def _step(self, cache: _Cache) -> None:
        if cache.graph is None:
            self._advance(cache)
        else:
            cache.graph.replay()

    def _record(self, cache: _Cache) -> None:
        """Record a step as a CUDA graph, once for each shape; what the rehearsal changes is put back."""
        if cache.graph is not None or not cache.token.is_cuda:
            return
        torch, marks = self._torch, (cache.shown, cache.token, cache.place, cache.slot, cache.ended)
        before = [mark.clone() for mark in marks]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                self._advance(cache)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._advance(cache)
        for mark, value in zip(marks, before, strict=True):
            mark.copy_(value)
        cache.graph = graph


def ends_of(config: Any) -> tuple[int, ...]:
    """The tokens that end a row: a generation config holds one, or a list."""
    ends: Any = config.eos_token_id
    return tuple(cast("list[int]", ends)) if isinstance(ends, list) else (int(ends),)


def _plain(config: Any) -> bool:
    """Whether a generation is nothing but sampling at a temperature, or greedy."""
    if config is None or config.max_new_tokens is None or (config.num_beams or 1) != 1 or (config.num_return_sequences or 1) != 1:
        return False
    neutral = {
        "top_k": (None, 0),
        "top_p": (None, 1.0),
        "min_p": (None, 0.0),
        "repetition_penalty": (None, 1.0),
        "cache_implementation": (None,),
    }
    return all(getattr(config, name, None) in values for name, values in neutral.items())
