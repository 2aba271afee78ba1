"""What a picture costs, by each provider's published formula, held against the examples that the provider or others publish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.image import sent_size
from bench.models.aliases import aliases, generations
from bench.models.image_tokens import formulas, image_tokens

OPENAI_2025 = "Images and vision, OpenAI's guide as copied at https://openai-hd4n6.mintlify.app/docs/guides/images"
OPENAI_TILES = "OpenAI vision cost calculator, https://a64.in/tools/openai-vision-cost-calculator.html"
CLAUDE = "Vision, https://platform.claude.com/docs/en/build-with-claude/vision: ceil(w/28) x ceil(h/28), squares not scaled down"
GEMINI_2 = "Understand and count tokens, https://ai.google.dev/gemini-api/docs/tokens: 258 up to 384 px a side, else 258 a tile of 768 px"
GEMINI_3 = "Gemini 3 Pro media resolution, https://fastgptplus.com/en/posts/gemini-3-pro-media-resolution-parameter: 1,120 by default"
XAI = "Consumption and rate limits, https://docs.x.ai/docs/key-information/consumption-and-rate-limits: (tiles + 1) x 256, at most 6 tiles"
COMMUNITY = "gpt-5.4-mini 66k prompt tokens, https://community.openai.com/t/gpt-5-4-mini-66k-prompt-tokens-for-a-1920x1080-png/1380539"

PUBLISHED = [
    ("openai-tiles", 1024, 1024, 765, OPENAI_TILES),
    ("openai-tiles", 2048, 4096, 1105, OPENAI_TILES),
    ("openai-mini", 1024, 1024, 1659, f"{OPENAI_2025}: 1,024 patches, 1.62 tokens each"),
    ("openai-mini", 1800, 2400, 2353, f"{OPENAI_2025}: 1,452 patches after scaling, 1.62 tokens each"),
    ("openai-nano", 1800, 2400, 3572, f"{OPENAI_2025}: 1,452 patches after scaling, 2.46 tokens each"),
    ("openai-mini", 1920, 1080, 2400, f"{COMMUNITY}: approximately 2,400 by the guide"),
    ("claude", 1092, 1092, 1521, CLAUDE),
    ("claude", 1932, 1932, 4761, CLAUDE),
    ("claude", 200, 200, 64, CLAUDE),
    ("gemini-2", 384, 384, 258, GEMINI_2),
    ("gemini-2", 1024, 1024, 1032, GEMINI_2),
    ("gemini-3", 640, 480, 1120, GEMINI_3),
    ("xai", 448, 448, 512, XAI),
    ("xai", 4000, 3000, 1792, XAI),
]


@pytest.mark.parametrize(("formula", "width", "height", "tokens", "source"), PUBLISHED)
def test_published_examples(formula: str, width: int, height: int, tokens: int, source: str) -> None:
    assert "https://" in source
    count = image_tokens(formula, width, height)
    assert count.known
    assert abs(count.low - tokens) <= (50 if "approximately" in source else 0)


def test_every_formula_has_a_source_and_an_example_or_a_sibling_with_one() -> None:
    kinds = {formulas()[name].kind for name, *_ in PUBLISHED}
    for name, formula in formulas().items():
        assert "." in formula.source, name
        assert formula.kind in kinds, name


def test_every_model_has_a_formula_that_exists_or_none() -> None:
    for generation in generations().values():
        assert generation.image_tokens is None or generation.image_tokens in formulas(), generation.name
    unknown = {alias.name for alias in aliases().values() if alias.generation and not generations()[alias.generation].image_tokens}
    assert {"gpt-6-sol", "gpt-5.6-luna", "gpt-5.1"} <= unknown
    assert not {"gpt-4o", "gpt-5.4", "claude-3-7", "claude-opus-5-5"} & unknown


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_the_range_of_an_unknown_formula_holds_the_known_ones(width: int, height: int) -> None:
    unknown = image_tokens(None, width, height)
    assert 0 < unknown.low <= unknown.middle <= unknown.high
    for name in ("claude", "openai-tiles", "gemini-3", "xai"):
        assert unknown.low <= image_tokens(name, width, height).low <= unknown.high


@given(st.sampled_from(["gpt-plain", "gpt-plain-patches", "gpt-5.4", "claude-4-6", "claude-5"]), st.integers(1, 8000), st.integers(1, 8000))
def test_what_is_sent_costs_no_more_than_the_provider_scales_it_to(name: str, width: int, height: int) -> None:
    generation = generations()[name]
    sent = sent_size(width, height, generation.limits(10_000_000))
    count = image_tokens(generation.image_tokens, *sent).high
    assert generation.max_patches is None or count <= generation.max_patches * 1.62 + 1
