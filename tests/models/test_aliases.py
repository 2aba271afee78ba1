"""The table of models: ids that the SDKs know, prices, life cycle, and picture sizes that nobody scales down unseen."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any, get_args

import anthropic.types.model
import pytest
from anthropic._data.deprecated_models import DEPRECATED_MODELS
from hypothesis import given
from hypothesis import strategies as st
from openai.types.shared.chat_model import ChatModel

from bench.image import sent_size
from bench.models import aliases as table
from bench.models.aliases import Alias, aliases, generations
from bench.models.base import Usage
from bench.models.image_tokens import formulas
from bench.models.servers import servers

NOW = date(2026, 11, 22)
RETIRED_IDS = {"claude-3-5-sonnet-20241022", "claude-3-5-sonnet-20240620", "claude-3-7-sonnet-20250219"}


def literal(kind: Any) -> set[str]:
    """The strings of a (possibly nested) literal type."""
    return {name for part in get_args(kind) for name in (literal(part) if get_args(part) else {part}) if isinstance(name, str)}


def of(provider: str) -> list[Alias]:
    return [alias for alias in aliases().values() if alias.provider == provider]


def test_ids_are_those_of_the_installed_sdks() -> None:
    claudes, chats = literal(anthropic.types.model.Model), literal(ChatModel)
    assert len(claudes) > 10
    assert len(chats) > 10
    for alias in of("anthropic"):
        assert {alias.id, *alias.snapshots} <= claudes | RETIRED_IDS, alias.name
    for alias in of("openai"):
        assert {alias.id, *alias.snapshots} <= chats, alias.name


def test_the_models_of_the_issue_are_there() -> None:
    wanted = {"claude-3-5", "claude-3-7", "claude-sonnet-4-5", "claude-sonnet-4-6", "gpt-4o", "gpt-4.1", "o3", "o4-mini", "gpt-5"}
    assert wanted | {"qwen2.5-vl-7b", "tiny-base", "sim"} <= set(aliases())


def test_a_shipped_checkpoint_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("tiny-base", "tiny-glance", "tiny-perception"):
        shipped = table.place(aliases()[name].id)
        assert (Path(shipped) / "config.json").is_file()
        assert table.place(shipped) == shipped
    assert table.place("results/checkpoints/none") == "results/checkpoints/none"
    assert table.place("Qwen/Qwen2.5-VL-7B-Instruct") == "Qwen/Qwen2.5-VL-7B-Instruct"
    assert (aliases()["qwen2.5-vl-7b"].provider, aliases()["qwen2.5-vl-7b"].id) == ("hf", "Qwen/Qwen2.5-VL-7B-Instruct")


@pytest.mark.parametrize("alias", aliases().values(), ids=str)
def test_every_entry_is_whole(alias: Alias) -> None:
    api = alias.provider in ("anthropic", "openai", *servers())
    assert alias.image_tokens is None or alias.image_tokens in formulas()
    assert (alias.generation is not None) == api
    assert (alias.price_in is None) == (alias.price_out is None)
    assert alias.price_in is None or (alias.price_out is not None and 0 < alias.price_in < alias.price_out < 1000)
    assert alias.replacement is None or alias.replacement in aliases()
    assert api or alias.retires is None
    assert table.find(alias.provider, alias.id) == alias


def test_no_two_models_share_an_id() -> None:
    ids = [(alias.provider, name) for alias in aliases().values() for name in (alias.id, *alias.snapshots)]
    ids += [("bedrock", alias.bedrock) for alias in aliases().values() if alias.bedrock] + [
        ("vertex", alias.vertex) for alias in aliases().values() if alias.vertex
    ]
    assert len(ids) == len(set(ids))


def test_retirement_agrees_with_the_sdk() -> None:
    months = {"November 30th, 2026": date(2026, 11, 30)}
    for alias in of("anthropic"):
        if alias.id in DEPRECATED_MODELS:
            assert alias.retires == months[DEPRECATED_MODELS[alias.id]]


def test_claude_3_7_warns_of_its_retirement_replacement_and_bedrock() -> None:
    (text,) = table.warnings(aliases()["claude-3-7"], NOW)
    for part in ("Anthropic retired", "claude-3-7-sonnet-20250219", "2026-02-19", "claude-sonnet-4-6", "--model bedrock/"):
        assert part in text
    assert "\n" not in text


def test_claude_3_5_warns_too() -> None:
    (text,) = table.warnings(aliases()["claude-3-5"], NOW)
    assert "2025-10-28" in text


def test_warnings_follow_the_calendar() -> None:
    alias = aliases()["gpt-4o"]
    assert alias.retires is not None
    assert "will retire" in table.warnings(alias, NOW)[0]
    assert "OpenAI retired" in table.warnings(alias, alias.retires)[0]
    assert table.warnings(aliases()["claude-opus-5"], NOW) == ()
    assert table.warnings(aliases()["sim"], NOW) == ()


def test_a_model_is_found_by_exact_id_only() -> None:
    assert table.find("anthropic", "claude-sonnet-4-5-20250929") is aliases()["claude-sonnet-4-5"]
    assert table.find("bedrock", "eu.anthropic.claude-opus-4-7") is aliases()["claude-opus-4-7"]
    assert table.find("bedrock", "anthropic.claude-3-7-sonnet-20250219-v1:0") is aliases()["claude-3-7"]
    assert table.find("vertex", "claude-sonnet-4-5@20250929") is aliases()["claude-sonnet-4-5"]
    for provider, name in (
        ("anthropic", "claude-sonnet-4-5-x"),
        ("openai", "my-gpt-4o"),
        ("openai", "claude-sonnet-4-5"),
        ("bedrock", "x"),
    ):
        assert table.find(provider, name) is None
    assert table.generation_of("openai", "my-gpt-5", "compatible").name == "compatible"


def test_cost_is_the_listed_price_or_unknown() -> None:
    usage = Usage(input=1_000_000, output=100_000, reasoning=50_000)
    assert aliases()["claude-sonnet-4-6"].cost(usage) == pytest.approx(3.0 + 1.5)
    assert aliases()["gpt-4o"].cost(Usage()) == 0
    assert aliases()["gpt-5.2"].cost(usage) is None


def patches(width: int, height: int, side: int) -> int:
    """A picture counted in squares, as Claude (28 px) and OpenAI (32 px) count it."""
    return math.ceil(width / side) * math.ceil(height / side)


@given(st.sampled_from(sorted(generations())), st.integers(1, 9000), st.integers(1, 9000))
def test_nothing_is_sent_that_would_be_scaled_down_and_nothing_is_shrunk_in_vain(name: str, width: int, height: int) -> None:
    generation = generations()[name]
    sent = sent_size(width, height, generation.limits(10_000_000))
    fits = max(width, height) <= generation.max_side
    if generation.max_patches is not None:
        assert patches(*sent, generation.patch) <= generation.max_patches
        fits = fits and patches(width, height, generation.patch) <= generation.max_patches
    if generation.max_short_side is not None:
        assert min(sent) <= generation.max_short_side
        fits = fits and min(width, height) <= generation.max_short_side
    assert max(sent) <= generation.max_side
    if min(width, height) < generation.min_side:
        assert min(sent) >= min(width, height)
    else:
        assert (sent == (width, height)) == fits


def test_limits_of_the_two_sizes_of_claude() -> None:
    """The squares that the documentation names: 1,092 px before 4.7; one patch more would already be scaled down."""
    old, new = (generations()[name].limits(10_000_000) for name in ("claude-4-6", "claude-4-7"))
    assert (sent_size(3000, 3000, old), sent_size(3000, 3000, new)) == ((1092, 1092), (1932, 1932))
    assert sent_size(1568, 700, old) == (1568, 700)


@given(st.integers(1, 20_000_000))
def test_bytes_are_counted_before_base64(limit: int) -> None:
    raw = generations()["claude-3-5"].limits(limit).max_bytes
    assert 4 * math.ceil(raw / 3) <= limit
