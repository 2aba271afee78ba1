"""The forward pass of a Qwen2.5-VL over pictures of one size, as plain batched tensor algebra.

What transformers computes picture by picture (attention within a picture, positions of patches and of tokens) is here one tensor for the
whole batch, since all pictures of a batch have the same number of patches and stand at the same place of the prompt. The weights are the
model's own modules, so that the result is the same to rounding (tested) and gradients land where transformers will look for the weights;
a step has a few hundred kernels instead of thousands. It serves the warm start of models in which every vision block sees the whole
picture and patches are not merged, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.extras import optional

Grid = tuple[int, int]
"""Rows and columns of patches of a picture."""
Turn = tuple[Any, Any]
"""Cosines and sines that turn queries and keys by their places."""


@dataclass
class Forward:
    """The forward pass of `model` (a `Qwen2_5_VLForConditionalGeneration`), on the device that its weights are on."""

    model: Any

    def loss(self, tokens: Any, learned: Any, *, pictures: Any = None, start: int = 0) -> Any:
        """The mean cross-entropy of the tokens at `learned`.

        Args:
            tokens: (batch, length) integers, padded on the right, with as many placeholders as a picture has patches from `start` on.
            learned: indices into the flattened `tokens`, none of them the first of its row.
            pictures: (batch, height, width, 3) bytes, all of one size, or None for texts without pictures.
            start: index of the first placeholder.
        """
        functional = self._torch.nn.functional
        hidden = self._text(tokens, pictures, start).flatten(0, 1)
        logits = functional.linear(hidden[learned - 1], self.model.lm_head.weight)
        return functional.cross_entropy(logits.float(), tokens.flatten()[learned])

    def logits(self, tokens: Any, *, pictures: Any = None, start: int = 0) -> Any:
        """(batch, length, words) logits; arguments as for `loss`."""
        return self._torch.nn.functional.linear(self._text(tokens, pictures, start), self.model.lm_head.weight)

    @cached_property
    def _torch(self) -> Any:
        return optional("torch", "train")

    # -- the picture ---------------------------------------------------------------------------------------------------------------------
    def _picture(self, pictures: Any) -> tuple[Any, Grid]:
        """(batch, patches, text width) embeddings, and the grid of patches."""
        patch, (count, height, width, _) = self.model.model.visual.patch_size, pictures.shape
        grid = height // patch, width // patch
        values = pictures.float() / 127.5 - 1  # as the image processor: mean and deviation 0.5
        values = values.view(count, grid[0], patch, grid[1], patch, 3).permute(0, 1, 3, 5, 2, 4).flatten(3).flatten(1, 2)
        kernel = self.model.model.visual.patch_embed.proj.weight.sum(2).flatten(1)  # two frames, both of them this picture
        return self.seen(self._torch.nn.functional.linear(values, kernel), grid), grid

    def seen(self, hidden: Any, grid: Grid) -> Any:
        """(batch, patches, text width) embeddings of pictures from those of their patches (batch, patches, vision width)."""
        visual, attend = self.model.model.visual, self._torch.nn.functional.scaled_dot_product_attention
        turn = self._picture_turn(grid)
        for block in visual.blocks:
            attention = block.attn
            parts = attention.qkv(self._norm(block.norm1, hidden)).unflatten(-1, (3, attention.num_heads, -1)).unbind(2)
            query, key, value = (part.transpose(1, 2) for part in parts)
            found = attend(self._turned(query, turn), self._turned(key, turn), value)
            hidden = hidden + attention.proj(found.transpose(1, 2).flatten(2))
            hidden = hidden + self._gated(block.mlp, self._norm(block.norm2, hidden))
        return visual.merger.mlp(self._norm(visual.merger.ln_q, hidden))

    def _picture_turn(self, grid: Grid) -> Turn:
        torch = self._torch
        frequencies = self.model.model.visual.rotary_pos_emb.inv_freq
        rows = torch.arange(grid[0], device=frequencies.device).repeat_interleave(grid[1])
        columns = torch.arange(grid[1], device=frequencies.device).repeat(grid[0])
        half = torch.cat([rows[:, None] * frequencies, columns[:, None] * frequencies], dim=-1)
        angles = torch.cat([half, half], dim=-1)
        return angles.cos(), angles.sin()

    # -- the text ------------------------------------------------------------------------------------------------------------------------
    def _text(self, tokens: Any, pictures: Any, start: int) -> Any:
        """(batch, length, width) hidden states after the last norm."""
        hidden, grid = self.model.model.language_model.embed_tokens(tokens), (0, 0)
        if pictures is not None:
            seen, grid = self._picture(pictures)
            hidden = self._torch.cat([hidden[:, :start], seen.to(hidden.dtype), hidden[:, start + seen.shape[1] :]], dim=1)
        return self.layers(hidden, self._text_turn(tokens.shape[1], start, grid), self._causal)

    def layers(self, hidden: Any, turn: Turn, attend: Callable[[int, Any, Any, Any], Any]) -> Any:
        """All layers of text and the last norm over (batch, length, width).

        Args:
            hidden: embeddings.
            turn: cosines and sines of the tokens' places.
            attend: (layer, queries, keys, values), each (batch, heads, length, dimensions), to what is attended to.
        """
        text = self.model.model.language_model
        for number, layer in enumerate(text.layers):
            attention, normed = layer.self_attn, self._norm(layer.input_layernorm, hidden)
            heads = (attention.num_heads, attention.head_dim)
            parts = (part(normed).unflatten(-1, heads).transpose(1, 2) for part in (attention.q_proj, attention.k_proj, attention.v_proj))
            query, key, value = parts
            found = attend(number, self._turned(query, turn), self._turned(key, turn), value)
            hidden = hidden + attention.o_proj(found.transpose(1, 2).flatten(2))
            hidden = hidden + self._gated(layer.mlp, self._norm(layer.post_attention_layernorm, hidden))
        return self._norm(text.norm, hidden)

    def _causal(self, _: int, query: Any, key: Any, value: Any) -> Any:
        return self._torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)

    def _text_turn(self, length: int, start: int, grid: Grid) -> Turn:
        """Cosines and sines of the places (time, row, column): text counts on, a picture's patches share a time, text goes on behind."""
        torch, rotary = self._torch, self.model.model.language_model.rotary_emb
        patches = grid[0] * grid[1]
        places = torch.arange(length).repeat(3, 1)
        if patches:
            places[0, start : start + patches] = start
            places[1, start : start + patches] = start + torch.arange(grid[0]).repeat_interleave(grid[1])
            places[2, start : start + patches] = start + torch.arange(grid[1]).repeat(grid[0])
            places[:, start + patches :] += max(grid) - patches
        return self.text_turn(places.to(rotary.inv_freq.device))

    def text_turn(self, places: Any) -> Turn:
        """Cosines and sines of `places`: (3, ...) times, rows and columns of tokens."""
        torch, rotary = self._torch, self.model.model.language_model.rotary_emb
        angles = places[..., None] * rotary.inv_freq
        half = torch.cat([part[number % 3] for number, part in enumerate(angles.split(rotary.mrope_section, dim=-1))], dim=-1)
        whole = torch.cat([half, half], dim=-1)
        return whole.cos(), whole.sin()

    # -- shared --------------------------------------------------------------------------------------------------------------------------
    def _norm(self, norm: Any, hidden: Any) -> Any:
        return self._torch.nn.functional.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)

    def _turned(self, part: Any, turn: Turn) -> Any:
        """(batch, heads, length, dimensions) turned by the places of (length) or (batch, 1, length) tokens."""
        cos, sin = (side.to(part.dtype) for side in turn)
        return part * cos + self._half_turned(part) * sin

    def _half_turned(self, part: Any) -> Any:
        first, second = part.chunk(2, dim=-1)
        return self._torch.cat([-second, first], dim=-1)

    def _gated(self, mlp: Any, hidden: Any) -> Any:
        return mlp.down_proj(self._torch.nn.functional.silu(mlp.gate_proj(hidden)) * mlp.up_proj(hidden))
