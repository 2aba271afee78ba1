"""The sorting of trouble, over arbitrary bodies, and the scrubbing of keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ModelError, Rejected, Transient, Unusable
from bench.models.api import anthropic, openai
from bench.models.api.http_errors import failure, read_body, retry_after, scrub
from bench.models.api.transport import Answer
from bench.models.base import Model, ModelOptions, Request, Sampling

KEYS = st.sampled_from(
    [
        "error",
        "type",
        "code",
        "message",
        "details",
        "error_code",
        "content",
        "choices",
        "usage",
        "text",
        "stop_reason",
        "finish_reason",
        "model",
        "refusal",
        "id",
        "input_tokens",
        "completion_tokens",
        "output_tokens_details",
        "completion_tokens_details",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 600) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | KEYS, inner, max_size=5),
    max_leaves=12,
)
KINDS: dict[int, type[ModelError]] = {
    **dict.fromkeys([400, 405, 406, 413, 415, 422, 431], Rejected),
    **dict.fromkeys([401, 402, 403, 404], Unusable),
    **dict.fromkeys([408, 409, 429, 500, 502, 503, 504, 529, 599], Transient),
}


@pytest.mark.parametrize(("status", "kind"), KINDS.items())
def test_status_decides_where_the_body_says_nothing(status: int, kind: type[ModelError]) -> None:
    error = failure(status, {"request-id": "r1"}, "", model="m", secrets=())
    assert type(error) is kind
    assert (error.status, error.request_id) == (status, "r1")
    assert str(error) == f"m: HTTP {status}: no message"


@given(status=st.integers(400, 599), body=JSON, key=st.text("abcdefXYZ0123456789-", min_size=8, max_size=20))
def test_any_error_body_is_sorted_and_scrubbed(status: int, body: Any, key: str) -> None:
    echoed = {"error": {"message": f"bad key {key}!", "details": body, "type": body}}
    for said in (body, echoed, f"<html>{key}</html>"):
        error = failure(status, {}, said, model="m", secrets=[key])
        assert type(error) in (Transient, Rejected, Unusable)
        assert key not in str(error)
        assert "\n" not in str(error)
        assert len(str(error)) <= 300


@given(JSON)
def test_any_200_is_a_reply_or_a_model_error(body: Any) -> None:
    """Through the readers of both providers: nothing but `ModelError` ever comes out."""
    for reader in (anthropic.reply_of, openai.reply_of):
        response = httpx2.Response(200, content=json.dumps(body).encode())
        try:
            reply = reader(read_body(Answer.of(response), model="m", secrets=()), 0.1, None, "m", ())
        except ModelError:
            continue
        assert isinstance(reply.text, str)
        assert min(reply.usage.input, reply.usage.output, reply.usage.reasoning) >= 0


def test_a_date_to_wait_for() -> None:
    now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
    assert retry_after({"retry-after": "Sun, 22 Nov 2026 12:00:07 GMT"}, now) == 7
    assert retry_after({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, now) is None
    assert retry_after({"retry-after": "tomorrow"}, now) is None
    assert retry_after({}, now) is None


@given(st.text(max_size=30))
def test_any_header_is_a_wait_or_nothing(value: str) -> None:
    wait = retry_after({"retry-after": value})
    assert wait is None or wait > 0


def test_scrub_knows_the_shapes_of_keys_too() -> None:
    text = scrub("key sk-ant-api03-AbCdEf_0123456789 and Bearer abc.def.ghi\nand mine: hunter2hunter2", ["hunter2hunter2"])
    assert text == "key *** and *** and mine: ***"
    assert scrub("nothing here", []) == "nothing here"
    assert scrub("abcabcd", ["abc", "abcd"]) == "******", "the longest first, so no tail of a key is left"


def test_models_are_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both providers satisfy the protocol, attribute for attribute."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "tk-for-tests")
    models: list[Model] = [
        anthropic.Claude("a", "anthropic", "claude-x", ModelOptions()),
        openai.Chat("b", "openai", "x", ModelOptions(base_url="http://127.0.0.1:1/v1")),
    ]
    for model in models:
        assert {"name", "model_id", "provider", "simulated", "limits"} <= set(dir(model))
        assert model.payload(Request("?", None, Sampling()))["model"] == model.model_id
