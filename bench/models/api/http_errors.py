"""Trouble on the wire, sorted into the three kinds of `bench.errors`.

Both SDKs raise the same shapes: an error with the server's response, or a connection that failed. What the server says decides; where its
words and its status disagree (an overload inside a 200, a spend cap dressed as a rate limit) the machine-readable words win. No message
ever carries a key, not even one that the server sends back: `scrub` is applied to all of them, and causes are cut off.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx2

from bench.errors import ModelError, Rejected, Transient, Unusable

_DEAD_CODES = frozenset(
    {
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "organization_on_hold",
        "billing_error",
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "account_deactivated",
        "invalid_api_key",
        "model_not_found",
    }
)
"""Codes after which no request of this model can succeed, whatever the status (a spend cap comes as 429, a hold as 400)."""

_BUSY_CODES = frozenset({"overloaded_error"})
"""Codes that ask for a later try, whatever the status."""

_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that an error inside a 200 would have had. Source: error types of the Anthropic API (anthropic 2.12.0, types/shared)."""

_UNUSABLE = frozenset({401, 402, 403, 404})
_TRANSIENT = frozenset({408, 409, 425, 429})
_TOKENS = re.compile(r"\b(?:sk|rk)-[\w-]{12,}|\bBearer\s+[^\s\"',]+")
_MESSAGE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class SdkErrors:
    """The error classes of one SDK: those that carry a response, those of a failed connection, and those of missing credentials."""

    status: type[Exception]
    connection: type[Exception]
    credentials: tuple[type[Exception], ...] = ()


def scrub(text: str, secrets: Iterable[str]) -> str:
    """`text` on one line of bounded length with every one of `secrets`, and whatever else looks like a key, replaced by "***"."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = " ".join(_TOKENS.sub("***", text).split())
    return text if len(text) <= _MESSAGE_LENGTH else f"{text[: _MESSAGE_LENGTH - 1]}…"


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The wait in seconds that the server asks for, or None: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def failure(status: int, headers: Mapping[str, str], body: Any, *, model: str, secrets: Iterable[str]) -> ModelError:
    """The error that a server's answer amounts to. `body` is the decoded JSON, or the text where it was none.

    `status` may be 200 or so: then the body's own error type or code stands for it, and a body that says nothing is worth another try.
    """
    words, codes, nested = _said(body)
    effective = status if status >= 400 else next((_STATUS_OF_TYPE[code] for code in codes if code in _STATUS_OF_TYPE), nested or 500)
    message = scrub(f"{model}: HTTP {status}: {words}", secrets)
    request_id = headers.get("request-id") or headers.get("x-request-id")
    if not _BUSY_CODES.isdisjoint(codes):
        return Transient(message, retry_after=retry_after(headers), status=effective, request_id=request_id)
    if not _DEAD_CODES.isdisjoint(codes) or effective in _UNUSABLE:
        return Unusable(message, status=effective, request_id=request_id)
    if effective in _TRANSIENT or effective >= 500:
        return Transient(message, retry_after=retry_after(headers), status=effective, request_id=request_id)
    return Rejected(message, status=effective, request_id=request_id)


def read_body(response: httpx2.Response, *, model: str, secrets: Iterable[str]) -> dict[str, Any]:
    """The JSON object of a successful answer.

    Raises:
        ModelError: the body is an error (an overload can arrive after a 200), see `failure`.
        Transient: the body is no JSON object.
    """
    try:
        body: Any = json.loads(response.content)
    except ValueError:
        excerpt = scrub(repr(response.content[:80]), secrets)
        raise Transient(f"{model}: the answer is not JSON: {excerpt}", status=response.status_code) from None
    if not isinstance(body, dict):
        raise Transient(f"{model}: the answer is JSON but not an object", status=response.status_code)
    answer = cast("dict[str, Any]", body)
    if answer.get("type") == "error" or answer.get("error"):
        raise failure(response.status_code, response.headers, answer, model=model, secrets=secrets)
    return answer


@asynccontextmanager
async def translated(errors: SdkErrors, *, model: str, timeout_s: float, secrets: Iterable[str]) -> AsyncGenerator[None]:
    """Run one request: bound it to `timeout_s` seconds in all (the SDK's timeouts bound each read) and translate what the SDK raises.

    Raises:
        Transient, Rejected, Unusable: see the module's text. The SDK's own error is cut off, since it may hold a key.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except errors.status as error:
        response: httpx2.Response = cast("Any", error).response
        raise failure(response.status_code, response.headers, _decoded(response), model=model, secrets=secrets) from None
    except (errors.connection, httpx2.HTTPError, TimeoutError) as error:
        raise Transient(scrub(_connection_words(error, model, timeout_s), secrets)) from None
    except errors.credentials as error:
        raise Unusable(scrub(f"{model}: no credentials: {error}", secrets)) from None


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` where it is a JSON object, else an empty one: a server that leaves a part out, or bends it, is read as saying nothing."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def count(value: Any) -> int:
    """`value` where it is a number of tokens, else 0."""
    return value if isinstance(value, int) and value > 0 else 0


def word(value: Any) -> str | None:
    """`value` where it is a string, else None."""
    return value if isinstance(value, str) else None


def _connection_words(error: Exception, model: str, timeout_s: float) -> str:
    cause = error.__cause__ or error
    if isinstance(error, TimeoutError) or isinstance(cause, httpx2.TimeoutException):
        return f"{model}: no answer within {timeout_s:g} s"
    return f"{model}: connection failed: {type(cause).__name__}: {cause}"


def _decoded(response: httpx2.Response) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return response.text


def _said(body: Any) -> tuple[str, frozenset[str], int | None]:
    """What an error body says in words, its machine-readable codes, and the numeric status some gateways nest in it."""
    outer = mapping(body)
    error: Any = outer.get("error", body)
    inner = mapping(error)
    found = [inner.get("type"), inner.get("code"), mapping(inner.get("details")).get("error_code")]
    codes = frozenset(code for code in found if isinstance(code, str))
    nested = next((code for code in found if isinstance(code, int) and 400 <= code <= 599), None)
    words = next((str(inner[key]) for key in ("message", "Message", "detail") if inner.get(key)), str(error).strip() or "no message")
    return ": ".join([*sorted(codes - {"error"}), words]), codes, nested


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
