"""What each generation of models is sent: pure payloads, checked field by field and against the SDKs' own types."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from anthropic.types import ImageBlockParam, OutputConfigParam, ThinkingConfigParam
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionContentPartImageParam
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.shared_params import ReasoningEffort
from pydantic import TypeAdapter

from bench.errors import UserError
from bench.models.aliases import aliases, generations
from bench.models.api import anthropic, openai
from bench.models.base import ModelOptions, Request, Sampling
from bench.models.registry import resolve
from tests.models.pictures import picture

CLAUDES = [name for name, generation in generations().items() if "claude" in name and generation.limit_field == "max_tokens"]
CHATS = [name for name in generations() if name not in CLAUDES]
LEVELS = ["low", "medium", "high"]

Body = dict[str, Any]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "tk-anthropic-for-tests")
    monkeypatch.setenv("OPENAI_API_KEY", "tk-openai-for-tests")
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def claude(generation: str, **wishes: Any) -> Body:
    return anthropic.settings("m", generations()[generation], Sampling(**{"max_tokens": 20_000, **wishes}))


def chat(generation: str, **wishes: Any) -> Body:
    return openai.settings("m", generations()[generation], Sampling(**{"max_tokens": 20_000, "seed": 5, **wishes}))


@pytest.mark.parametrize("generation", CLAUDES)
def test_claude_is_sent_nothing_that_was_not_asked_for(generation: str) -> None:
    assert claude(generation) == {"max_tokens": 20_000}


@pytest.mark.parametrize(
    ("generation", "wish", "expected"),
    [
        ("claude-3-5", "off", {}),
        ("claude-budget", "off", {}),
        ("claude-budget", "low", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("claude-budget", "high", {"thinking": {"type": "enabled", "budget_tokens": 16_384}}),
        ("claude-budget", 1500, {"thinking": {"type": "enabled", "budget_tokens": 1500}}),
        ("claude-4-6", "off", {}),
        ("claude-4-6", "medium", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}),
        ("claude-4-6", 1500, {"thinking": {"type": "enabled", "budget_tokens": 1500}}),
        ("claude-4-7", "off", {}),
        ("claude-4-7", "high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("claude-5", "off", {"thinking": {"type": "disabled"}}),
        ("claude-5", "low", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ("claude-sonnet-5-5", "off", {"thinking": {"type": "between_tools"}}),
        ("claude-always-thinking", "low", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ("unknown-claude", "off", {}),
    ],
)
def test_reasoning_of_claude(generation: str, wish: str | int, expected: Body) -> None:
    body = claude(generation, reasoning=wish)
    assert body == {"max_tokens": 20_000, **expected}
    if "thinking" in body:
        TypeAdapter[Any](ThinkingConfigParam).validate_python(body["thinking"])
    if "output_config" in body:
        TypeAdapter[Any](OutputConfigParam).validate_python(body["output_config"])


@pytest.mark.parametrize(
    ("generation", "wish", "expected"),
    [
        ("gpt-plain", None, {"max_completion_tokens": 20_000, "seed": 5}),
        ("gpt-plain", "off", {"max_completion_tokens": 20_000, "seed": 5}),
        ("gpt-always-reasoning", None, {"max_completion_tokens": 20_000}),
        ("gpt-always-reasoning", "high", {"max_completion_tokens": 20_000, "reasoning_effort": "high"}),
        ("gpt-reasoning-on-request", "off", {"max_completion_tokens": 20_000, "reasoning_effort": "none"}),
        ("gpt-reasoning-by-default", "off", {"max_completion_tokens": 20_000, "reasoning_effort": "none"}),
        ("unknown-openai", None, {"max_completion_tokens": 20_000}),
        ("compatible", None, {"max_tokens": 20_000, "seed": 5}),
        ("compatible", "low", {"max_tokens": 20_000, "seed": 5, "reasoning_effort": "low"}),
    ],
)
def test_reasoning_of_chat(generation: str, wish: str | None, expected: Body) -> None:
    body = chat(generation, reasoning=wish)
    assert body == expected
    if "reasoning_effort" in body:
        TypeAdapter[Any](ReasoningEffort).validate_python(body["reasoning_effort"])


@pytest.mark.parametrize("module", [anthropic, openai])
@pytest.mark.parametrize(
    ("generation", "wish", "says"),
    [
        ("claude-3-5", "low", "no reasoning to set"),
        ("claude-3-5", 2000, "no reasoning to set"),
        ("claude-4-7", 2000, "not a budget"),
        ("claude-always-thinking", "off", "always reasons"),
        ("gpt-plain", "high", "no reasoning to set"),
        ("gpt-always-reasoning", "off", "always reasons"),
        ("gpt-reasoning-on-request", 4000, "not a budget"),
        ("compatible", 4000, "not a budget"),
        ("claude-5", "maximal", "expected off, minimal, low, medium, high, xhigh, max"),
        ("claude-5", "minimal", "takes reasoning at low, medium, high, xhigh, max"),
        ("claude-4-6", "xhigh", "takes reasoning at low, medium, high, max"),
        ("gpt-o", "minimal", "takes reasoning at low, medium, high"),
        ("claude-budget", 0, "expected off, minimal, low, medium, high, xhigh, max"),
    ],
)
def test_reasoning_that_a_model_would_refuse(module: Any, generation: str, wish: str | int, says: str) -> None:
    with pytest.raises(UserError, match=says):
        module.settings("m", generations()[generation], Sampling(max_tokens=9000, reasoning=wish))


@pytest.mark.parametrize(("wish", "max_tokens"), [("high", 16_384), ("low", 1024), (1023, 9000), (9000, 9000), (9001, 9000)])
def test_a_budget_must_fit(wish: str | int, max_tokens: int) -> None:
    with pytest.raises(UserError, match=r"1,024 tokens|must be below --max-tokens"):
        claude("claude-budget", reasoning=wish, max_tokens=max_tokens)


@pytest.mark.parametrize(
    ("generation", "reasoning", "taken"),
    [
        ("claude-3-5", None, True),
        ("claude-budget", None, True),
        ("claude-budget", "off", True),
        ("claude-budget", "low", False),
        ("claude-4-6", None, True),
        ("claude-4-6", "low", False),
        ("claude-4-7", None, False),
        ("claude-4-7", "off", False),
        ("claude-5", None, False),
        ("claude-always-thinking", None, False),
        ("gpt-plain", None, True),
        ("gpt-always-reasoning", None, False),
        ("gpt-reasoning-on-request", None, True),
        ("gpt-reasoning-on-request", "off", True),
        ("gpt-reasoning-on-request", "low", False),
        ("gpt-reasoning-by-default", None, False),
        ("compatible", "low", True),
    ],
)
def test_temperature_is_sent_or_refused_never_dropped(generation: str, reasoning: str | None, taken: bool) -> None:
    ask = claude if generation in CLAUDES else chat
    if taken:
        assert ask(generation, reasoning=reasoning, temperature=0.0)["temperature"] == 0.0
        return
    with pytest.raises(UserError, match=r"takes no temperature.*leave --temperature out, found 0.0"):
        ask(generation, reasoning=reasoning, temperature=0.0)
    assert "temperature" not in ask(generation, reasoning=reasoning, temperature=1.0), "1 is what the model does anyway"


def test_temperature_bounds_of_the_two_apis() -> None:
    assert chat("gpt-plain", temperature=1.5)["temperature"] == 1.5
    for refused in (lambda: chat("gpt-plain", temperature=2.1), lambda: claude("claude-3-5", temperature=1.1)):
        with pytest.raises(UserError, match="expected a temperature between 0 and"):
            refused()


def test_a_compatible_server_gets_explicit_sampling() -> None:
    assert chat("compatible", temperature=0.0) == {"max_tokens": 20_000, "temperature": 0.0, "top_p": 1.0, "seed": 5}


@given(
    generation=st.sampled_from(sorted(generations())),
    reasoning=st.one_of(st.none(), st.sampled_from(["off", *LEVELS, "x"]), st.integers(-5, 40_000)),
    temperature=st.one_of(st.none(), st.floats(-1, 3)),
    max_tokens=st.integers(1, 40_000),
)
def test_settings_are_sent_or_refused(generation: str, reasoning: str | int | None, temperature: float | None, max_tokens: int) -> None:
    """Whatever is asked for: a body that keeps the documented rules, or a UserError; and the same again for the same wish."""
    ask = claude if generation in CLAUDES else chat
    wishes: Body = {"reasoning": reasoning, "temperature": temperature, "max_tokens": max_tokens}
    try:
        body = ask(generation, **wishes)
    except UserError:
        assert (reasoning, temperature) != (None, None), "the defaults are never refused"
        return
    assert body == ask(generation, **wishes)
    budget = body.get("thinking", {}).get("budget_tokens")
    assert budget is None or 1024 <= budget < body["max_tokens"]
    if "temperature" in body:
        assert body["temperature"] == temperature
        assert body.get("thinking", {}).get("type") not in ("enabled", "adaptive")
    elif temperature is not None:
        assert temperature == 1.0
    if isinstance(reasoning, str) and reasoning in LEVELS:
        assert "thinking" in body or body["reasoning_effort"] == reasoning


@pytest.mark.parametrize("name", [alias.name for alias in aliases().values() if alias.provider in ("anthropic", "openai")])
@pytest.mark.parametrize("shown", [None, "PNG", "JPEG", "WEBP", "GIF"])
def test_payload_of_every_model(name: str, shown: str | None) -> None:
    """JSON data of fields that the SDK's own type lists, the image first and by its identity, and the sampling seed only where taken."""
    model = resolve(name, ModelOptions())
    request = Request("Which?", picture(shown) if shown is not None else None, Sampling(seed=11))
    body = dict(model.payload(request))
    assert json.loads(json.dumps(body)) == body
    known = MessageCreateParamsNonStreaming if model.provider == "anthropic" else CompletionCreateParamsNonStreaming
    assert set(body) <= set(known.__annotations__)
    assert body["model"] == model.model_id
    content = body["messages"][0]["content"]
    assert content[-1] == {"type": "text", "text": "Which?"}
    assert len(content) == (1 if shown is None else 2)
    if request.picture is not None:
        kind = ImageBlockParam if model.provider == "anthropic" else ChatCompletionContentPartImageParam
        TypeAdapter[Any](kind).validate_python(content[0])
        assert request.picture.identity in json.dumps(content[0])
        assert request.picture.media_type in json.dumps(content[0])


def test_only_the_first_party_api_is_asked_to_refuse_large_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "tk-bedrock-for-tests")
    request = Request("?", picture("PNG"), Sampling())
    first = resolve("claude-sonnet-5", ModelOptions()).payload(request)["messages"][0]["content"][0]
    other = resolve("bedrock/claude-sonnet-5", ModelOptions()).payload(request)["messages"][0]["content"][0]
    assert first["transformations"] == {"oversized_image": "error"}
    assert "transformations" not in other


def test_payload_tells_requests_apart() -> None:
    model = resolve("gpt-4o", ModelOptions())
    red, larger = picture("PNG"), picture("PNG", 13, 8)
    requests = [
        Request("a", red, Sampling()),
        Request("b", red, Sampling()),
        Request("a", larger, Sampling()),
        Request("a", None, Sampling()),
        Request("a", red, Sampling(seed=1)),
        Request("a", red, Sampling(temperature=0.5)),
        Request("a", red, Sampling(max_tokens=10)),
    ]
    assert len({json.dumps(dict(model.payload(request)), sort_keys=True) for request in requests}) == len(requests)


def test_levels_are_efforts_of_both_sdks() -> None:
    efforts = set(get_args(get_args(ReasoningEffort)[0]))
    assert {*LEVELS, "none"} <= efforts
