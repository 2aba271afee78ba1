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
import socket
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import aiohttp
import httpx2

from bench.errors import Declined, ModelError, RefusedParameter, Rejected, Transient, Unusable
from bench.models.api.transport import Answer, TooLongError
from bench.scrub import HIDDEN, hide

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
        "insufficient_balance",
        "insufficient_credits",
        "payment_required",
    }
)
"""Codes after which no request of this model can succeed, whatever the status (a spend cap comes as 429, a hold as 400)."""

_BUSY_CODES = frozenset({"overloaded_error"})
"""Codes that ask for a later try, whatever the status."""

_MODERATION_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "moderation_blocked",
        "data_inspection_failed",
        "sensitive",
        "safety",
    }
)
"""Codes of a prompt that the provider's moderation stopped: that one trial is refused, and the run goes on."""

_MODERATION_WORDS = re.compile(
    r"content filtering policy|content management policy|moderation|was flagged|content[ _]policy|safety (?:system|policy|filter)",
    re.IGNORECASE,
)
_BILLING_WORDS = re.compile(
    r"credit balance is too low|specified API usage limits|spend(?:ing)? (?:limit|cap)|insufficient (?:quota|balance|credits?|funds)"
    r"|out of credits|requires more credits|exceeded your current quota|billing (?:hard )?limit|payment required|account is not active",
    re.IGNORECASE,
)
"""What providers write when no further request will be paid for, whatever the status: Anthropic's are plain 400s
(anthropics/claude-code#66314 and #38035)."""

_UNKNOWN_PARAMETER = re.compile(
    r"unsupported|not supported|does not support|doesn't support|unknown|unrecogni[sz]ed|unexpected|extra|not permitted|not allowed"
    r"|cannot find field|no longer|deprecated|not accept|invalid (?:json payload|parameter|argument|field|name)|additional propert",
    re.IGNORECASE,
)
_NAME_UNKNOWN = re.compile(r"name (?:or service )?not known|getaddrinfo|name resolution", re.IGNORECASE)
_VALUE_ONLY = frozenset({"reasoning_effort", "reasoning", "thinking", "output_config", "effort"})
"""Parameters whose value is the person's wish: where only the value is refused, the wish is, and nobody drops it unasked."""

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
_LOOKED_AT = 100_000
"""Characters of a message that are looked at: an error body may be as long as an answer."""

DEEPEST = 100
"""Lists and objects inside each other that an answer may have: no protocol needs a tenth of them."""


@dataclass(frozen=True, slots=True)
class SdkErrors:
    """The error classes of one SDK: those that carry a response, those of a failed connection, and those of missing credentials."""

    status: type[Exception]
    connection: type[Exception]
    credentials: tuple[type[Exception], ...] = ()


def scrub(text: str, secrets: Iterable[str]) -> str:
    """`text` on one line of bounded length with every one of `secrets` (`hide`), and whatever else looks like a key, replaced by "***"."""
    text = " ".join(_TOKENS.sub(HIDDEN, hide(text[:_LOOKED_AT], secrets)).split())
    return text if len(text) <= _MESSAGE_LENGTH else f"{text[: _MESSAGE_LENGTH - 1]}…"


def retry_after(headers: Mapping[str, str], now: datetime | None = None, body: Any = None) -> float | None:
    """The wait in seconds that the server asks for, or None: `retry-after-ms`, `retry-after` in seconds or as an HTTP date, or Google's
    `RetryInfo` in the body. A wait of nothing, or one that is over, is none: whoever waits then falls back on a wait of its own.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    seconds = milliseconds / 1000 if milliseconds is not None else _number(headers.get("retry-after"))
    if seconds is None:
        seconds = _date(headers.get("retry-after"), now)
    if seconds is None:
        seconds = _retry_info(body)
    return seconds if seconds is not None and seconds > 0 else None


def _date(value: str | None, now: datetime | None) -> float | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (moment - (now or datetime.now(UTC))).total_seconds()


def _retry_info(body: Any) -> float | None:
    """`{"error": {"details": [{"@type": "…RetryInfo", "retryDelay": "34s"}]}}`."""
    details: Any = mapping(_outer(body).get("error")).get("details")
    for detail in cast("list[Any]", details) if isinstance(details, list) else []:
        delay = word(mapping(detail).get("retryDelay"))
        if delay is not None:
            return _number(delay.removesuffix("s"))
    return None


def failure(
    status: int, headers: Mapping[str, str], body: Any, *, model: str, secrets: Iterable[str], sent: Iterable[str] = ()
) -> ModelError:
    """The error that a server's answer amounts to. `body` is the decoded JSON, or the text where it was none.

    `status` may be 200 or so: then the body's own error type or code stands for it, and a body that says nothing is worth another try.
    `sent` are the parameters of the request that could be left out.
    """
    words, codes, nested = _said(body)
    effective = status if status >= 400 else next((_STATUS_OF_TYPE[code] for code in codes if code in _STATUS_OF_TYPE), nested or 500)
    message = scrub(f"{model}: HTTP {status}: {words}", secrets)
    request_id = headers.get("request-id") or headers.get("x-request-id")
    wait = retry_after(headers, body=body)
    if not _BUSY_CODES.isdisjoint(codes):
        return Transient(message, retry_after=wait, status=effective, request_id=request_id)
    if _moderated(effective, codes, words, body):
        return Declined(message, status=effective, request_id=request_id)
    if not _DEAD_CODES.isdisjoint(codes) or _unpaid(effective, words, wait):
        return Unusable(f"{message} (no further request will be paid for)", status=effective, request_id=request_id)
    if effective in _UNUSABLE:
        return Unusable(message, status=effective, request_id=request_id)
    if effective in (400, 422) and (parameter := _refused_parameter(codes, words, body, sent)) is not None:
        return RefusedParameter(message, parameter=parameter, status=effective, request_id=request_id)
    if effective in _TRANSIENT or effective >= 500:
        return Transient(message, retry_after=wait, status=effective, request_id=request_id, maybe_paid=status < 400)
    return Rejected(message, status=effective, request_id=request_id)


def _moderated(status: int, codes: frozenset[str], words: str, body: Any) -> bool:
    """Whether moderation stopped the prompt: by a code, or by what a 400, 403 or 451 says (a 403 without such words is about the key)."""
    if not _MODERATION_CODES.isdisjoint({code.lower() for code in codes}):
        return True
    flagged = mapping(mapping(_outer(body).get("error")).get("metadata")).get("reasons")
    return status in (400, 403, 451) and (bool(flagged) or _MODERATION_WORDS.search(words) is not None)


def _unpaid(status: int, words: str, wait: float | None) -> bool:
    """Whether billing has stopped. A quota that comes back after a wait which the server names is a rate limit."""
    return status in (400, 402, 403, 429) and wait is None and _BILLING_WORDS.search(words) is not None


def _refused_parameter(codes: frozenset[str], words: str, body: Any, sent: Iterable[str]) -> str | None:
    """The parameter of `sent` that the server does not take, if that is what it says: by a field of its own, a path, or in words."""
    error = mapping(_outer(body).get("error", body))
    detail: Any = error.get("detail") or _outer(body).get("detail")
    places = [str(error.get("param") or "")]
    for part in cast("list[Any]", detail) if isinstance(detail, list) else []:
        place: Any = mapping(part).get("loc")
        places += [str(name) for name in cast("list[Any]", place)] if isinstance(place, list) else []
        words += f" {mapping(part).get('type', '')}"
    said = " ".join([words, *codes])
    for name in sorted(sent, key=len, reverse=True):
        named = name in places or re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", words) is not None
        value_only = "unsupported_value" in codes and name in _VALUE_ONLY
        if named and not value_only and _UNKNOWN_PARAMETER.search(said) is not None:
            return name
    return None


def parsed(data: bytes | str) -> Any:
    """The JSON value that `data` holds.

    Raises:
        ValueError: it is none, or nested deeper than `DEEPEST`.
    """
    try:
        value: Any = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    opened = data.count(b"[") + data.count(b"{") if isinstance(data, bytes) else data.count("[") + data.count("{")
    if opened <= DEEPEST:
        return value
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [part for node in level for part in _parts(node)]
        if not level:
            return value
    raise ValueError("nested too deeply")


def _parts(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return cast("dict[str, Any]", node).values()
    return cast("list[Any]", node) if isinstance(node, list) else ()


def raise_for_status(response: Answer, *, model: str, secrets: Iterable[str], sent: Iterable[str] = (), hint: str = "") -> None:
    """Nothing where the server answered; `sent` and `hint` as in `translated`.

    Raises:
        ModelError: it refused, see `failure`.
    """
    if 200 <= response.status_code < 300:  # what is left of redirects, and switched protocols, are no answers either
        return
    found = failure(response.status_code, response.headers, _decoded(response), model=model, secrets=secrets, sent=sent)
    if response.status_code == 404 and hint:
        raise Unusable(f"{found}; {hint}", status=404, request_id=found.request_id)
    raise found


def read_body(response: Answer, *, model: str, secrets: Iterable[str]) -> dict[str, Any]:
    """The JSON object of a successful answer.

    Raises:
        ModelError: the body is an error (an overload can arrive after a 200), see `failure`.
        Transient: the body is no JSON object.
    """
    try:
        body: Any = parsed(response.content)
    except ValueError:
        excerpt = scrub(_html(response.text) or repr(response.content[:80]), secrets)
        raise Transient(f"{model}: the answer is not JSON: {excerpt}", status=response.status_code, maybe_paid=True) from None
    body = _outer(body) or body
    if not isinstance(body, dict):
        raise Transient(f"{model}: the answer is JSON but not an object", status=response.status_code, maybe_paid=True)
    answer = cast("dict[str, Any]", body)
    if answer.get("type") == "error" or answer.get("error"):
        raise failure(response.status_code, response.headers, answer, model=model, secrets=secrets)
    return answer


@asynccontextmanager
async def translated(
    errors: SdkErrors, *, model: str, timeout_s: float, secrets: Iterable[str], sent: Iterable[str] = (), hint: str = ""
) -> AsyncGenerator[None]:
    """Run one request: bound it to `timeout_s` seconds in all (the SDK's timeouts bound each read) and translate what the SDK raises.

    `sent` are the parameters of the request that could be left out; `hint` is added to a 404.

    Raises:
        Transient, Rejected, Unusable: see the module's text. The SDK's own error is cut off, since it may hold a key.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except errors.status as error:
        refused = Answer.of(cast("Any", error).response)
        try:
            raise_for_status(refused, model=model, secrets=secrets, sent=sent, hint=hint)
        except ModelError as found:
            raise found from None
    except (errors.connection, httpx2.HTTPError, aiohttp.ClientError, TimeoutError) as error:
        words, arrived = _connection_words(error, model, timeout_s)
        if isinstance(error.__cause__ or error, TooLongError):
            raise Rejected(scrub(words, secrets), maybe_paid=True) from None
        raise Transient(scrub(words, secrets), maybe_paid=arrived) from None
    except errors.credentials as error:
        raise Unusable(scrub(f"{model}: no credentials: {error}", secrets)) from None


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` where it is a JSON object, else an empty one: a server that leaves a part out, or bends it, is read as saying nothing."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def row_of(line: str) -> Mapping[str, Any]:
    """One line of JSON lines as an object, an empty one where it is none: such a line loses itself and not the others."""
    try:
        return mapping(parsed(line))
    except ValueError:
        return {}


MOST_TOKENS = 10**9
"""No request has more tokens: a larger number is a fault of the server's and read as nothing said."""


def count(value: Any) -> int:
    """`value` where it is a number of tokens (some servers send 12.0), else 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_TOKENS:
        return 0
    return round(value)


def word(value: Any) -> str | None:
    """`value` where it is a string, else None."""
    return value if isinstance(value, str) else None


def _connection_words(error: Exception, model: str, timeout_s: float) -> tuple[str, bool]:
    """What went wrong with a connection, and whether the request may have arrived.

    The SDKs' transports call errors of aiohttp by names of httpx2's, a connection that was closed a failed or late connect: its own count.
    """
    cause = error.__cause__ or error
    own = next((link for link in (error, cause, cause.__cause__) if isinstance(link, aiohttp.ClientError)), None)
    if isinstance(cause, TooLongError):
        return f"{model}: {cause}", True
    if isinstance(own, aiohttp.ClientConnectorError):
        return f"{model}: connection failed: {_plain_cause(own)}", False
    if isinstance(own, aiohttp.ConnectionTimeoutError) or (own is None and isinstance(cause, httpx2.ConnectTimeout | httpx2.PoolTimeout)):
        return f"{model}: connection failed: no connection within {timeout_s:g} s", False
    if isinstance(error, TimeoutError) or isinstance(own, TimeoutError) or isinstance(cause, httpx2.TimeoutException):
        return f"{model}: no answer within {timeout_s:g} s", True
    said = _plain_cause(own or cause)
    unsent = isinstance(own or cause, httpx2.ConnectError | httpx2.UnsupportedProtocol | aiohttp.InvalidURL)
    return f"{model}: connection failed: {said}", not unsent


def _plain_cause(cause: BaseException) -> str:
    """The cause of a failed connection in plain words, from the chain of causes."""
    chain: list[BaseException] = []
    last: BaseException | None = cause
    while last is not None and last not in chain:
        chain.append(last)
        last = last.__cause__ or last.__context__
    texts = " ".join(str(link) for link in chain)
    if any(isinstance(link, socket.gaierror) for link in chain) or _NAME_UNKNOWN.search(texts):
        return "name not known"
    if any(isinstance(link, ConnectionRefusedError) for link in chain) or "refused" in texts.lower():
        return "connection refused"
    return f"{type(cause).__name__}: {cause}"


def _decoded(response: Answer) -> Any:
    try:
        return parsed(response.content)
    except ValueError:
        return _html(response.text) or response.text[:_LOOKED_AT]


def _html(text: str) -> str | None:
    """What stands for a page of HTML, which nobody wants to read in a message: its title."""
    if re.match(r"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)", text, re.IGNORECASE | re.DOTALL) is None:
        return None
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return f"an HTML page ({' '.join(title[1].split())})" if title is not None and title[1].strip() else "an HTML page"


def _outer(body: Any) -> Mapping[str, Any]:
    """The JSON object of an error; Google's comes alone in a list."""
    if isinstance(body, list) and body:
        return mapping(cast("list[Any]", body)[0])
    return mapping(body)


def _said(body: Any) -> tuple[str, frozenset[str], int | None]:
    """What an error body says in words, its machine-readable codes, and the numeric status some gateways nest in it."""
    outer = _outer(body)
    error: Any = outer.get("error", outer or body)
    inner = mapping(error)
    deeper = mapping(inner.get("innererror"))
    found = [inner.get("type"), inner.get("code"), inner.get("status"), mapping(inner.get("details")).get("error_code"), deeper.get("code")]
    codes = frozenset(code for code in found if isinstance(code, str))
    numbers = [int(code) for code in found if isinstance(code, int | str) and str(code).isdecimal()]
    nested = next((code for code in numbers if 400 <= code <= 599), None)
    words = next((str(inner[key]) for key in ("message", "Message", "detail") if inner.get(key)), str(error).strip() or "no message")
    return ": ".join([*sorted(codes - {"error"}), words]), codes, nested


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
