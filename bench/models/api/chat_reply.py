"""What a chat-completions server answered: its text, why it stopped, and what it counted, whatever dialect it speaks.

Servers bend this protocol in every part. What decides is what is said, not where: a failure inside a 200 is a failure (pydantic-ai#2844,
maximhq/bifrost#5425, firebase/genkit#6259), moderation is that prompt's refusal, a field that is missing or absurd counts as not said.
Reasoning comes in fields of its own (`reasoning_content`, `reasoning`) or in parts of its own, and is never part of the text.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from bench.errors import Declined, Rejected, Transient
from bench.models.api.http_errors import count, failure, mapping, parsed, word
from bench.models.base import Reply, Stop, Usage
from bench.scrub import hide

_LENGTH = frozenset({"length", "max_tokens", "model_length", "max_output_tokens", "max_completion_tokens", "model_context_window_exceeded"})
_REFUSALS = frozenset(
    {
        *("content_filter", "refusal", "sensitive", "safety", "recitation", "prohibited_content", "blocklist", "spii", "image_safety"),
        *("guardrail_intervened", "moderation", "content_moderation", "language"),
    }
)
_FAILURES = frozenset(
    {
        *("error", "abort", "aborted", "cancelled", "canceled", "network_error", "insufficient_system_resource", "engine_overloaded"),
        *("malformed_function_call", "timeout", "internal_error"),
    }
)
"""Reasons to finish that are failures of the plumbing: asked again like a 5xx, and never kept."""

MOST_TEXT = 1_000_000
"""Characters of a reply: above what any model can write in one, and what the grader reads in seconds."""

SPENT = "all of max_tokens went into reasoning, none into an answer"


def reply_of(body: Mapping[str, Any], latency_s: float, request_id: str | None, name: str, secrets: Iterable[str]) -> Reply:
    """The reply in the JSON object that the server sent; what it leaves out or bends counts as not said.

    Raises:
        Transient: there is no answer in it.
        Rejected: see `checked`.
        ModelError: what the choice says of its own failure, see `failure`; `Declined` where moderation stopped it.
    """
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise Transient(f"{name}: the answer holds no choices", request_id=request_id, maybe_paid=True)
    choice = mapping(cast("list[Any]", choices)[0])
    if choice.get("error"):
        raise failure(200, {}, {"error": choice["error"]}, model=name, secrets=secrets)
    message = mapping(choice.get("message"))
    finish = str(choice.get("finish_reason") or choice.get("native_finish_reason") or "").lower()
    if finish in _FAILURES:
        raise Transient(f"{name}: the answer ended with finish_reason {finish!r}", status=200, request_id=request_id, maybe_paid=True)
    text, refusal, usage = _text(message.get("content")), word(message.get("refusal")), usage_of(mapping(body.get("usage")))
    stop = Stop.REFUSAL if refusal or finish in _REFUSALS else Stop.LENGTH if finish in _LENGTH else Stop.END
    why = f"finish_reason {finish}" if finish in _REFUSALS else None
    if stop is not Stop.REFUSAL and not text.strip() and _spent(message, usage, stop):
        stop, why = Stop.LENGTH, SPENT
    found = Reply(
        text=text or refusal or "",
        stop=stop,
        usage=usage,
        latency_s=latency_s,
        request_id=request_id or word(body.get("id")),
        model=word(body.get("model")),
        why=why,
    )
    return checked(found, name, secrets)


def checked(reply: Reply, name: str, secrets: Iterable[str]) -> Reply:
    """`reply` as it may be stored: without secrets, should the server have sent them back.

    Raises:
        Rejected: its text is longer than `MOST_TEXT`.
    """
    if len(reply.text) > MOST_TEXT:
        raise Rejected(f"{name}: the reply has {len(reply.text):,} characters, more than {MOST_TEXT:,}", maybe_paid=True)
    texts = (reply.text, reply.request_id, reply.model, reply.why)
    together = "\n".join(text for text in texts if text)
    if hide(together, secrets) == together:
        return reply
    text, request_id, model, why = (value if value is None else hide(value, secrets) for value in texts)
    return replace(reply, text=text or "", request_id=request_id, model=model, why=why)


def refusal(declined: Declined, latency_s: float) -> Reply:
    """The reply that a prompt stopped by moderation amounts to: nothing was written."""
    return Reply("", Stop.REFUSAL, Usage(), latency_s, request_id=declined.request_id, why=str(declined))


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Tokens as the server counted them. Where its total holds the reasoning beside the completion (inspect_ai#5528), that is added."""
    details, prompt_details = mapping(usage.get("completion_tokens_details")), mapping(usage.get("prompt_tokens_details"))
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    reasoning = count(details.get("reasoning_tokens")) or count(usage.get("reasoning_tokens"))
    outside = reasoning > completion or (reasoning > 0 and count(usage.get("total_tokens")) == prompt + completion + reasoning)
    usd = usage.get("cost")
    return Usage(
        input=prompt,
        output=completion + (reasoning if outside else 0),
        reasoning=reasoning,
        cache_read=min(prompt, count(prompt_details.get("cached_tokens"))),
        cache_write=min(prompt, count(prompt_details.get("cache_write_tokens"))),
        usd=float(usd) if isinstance(usd, int | float) and not isinstance(usd, bool) and 0 <= usd < 10_000 else None,
    )


async def assembled(lines: AsyncIterator[str]) -> dict[str, Any]:
    """The answer that a stream of server-sent events adds up to, in the shape of one that came whole."""
    whole: dict[str, Any] = {}
    parts: dict[str, list[str]] = {"content": [], "reasoning_content": [], "refusal": []}
    finish: Any = None
    ended = False
    async for line in lines:
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or not data:
            continue
        if data == "[DONE]":
            ended = True
            break
        chunk = mapping(_json(data))
        if chunk.get("error"):
            return {"error": chunk["error"]}
        whole |= {key: chunk[key] for key in ("id", "model", "usage") if chunk.get(key)}
        choices = chunk.get("choices")
        for choice in cast("list[Any]", choices) if isinstance(choices, list) else []:
            if mapping(choice).get("error"):
                return {"error": mapping(choice)["error"]}
            delta = mapping(mapping(choice).get("delta"))
            for key, found in parts.items():
                found.append(_text(delta.get(key)))
            parts["reasoning_content"].append(word(delta.get("reasoning")) or "")
            finish = mapping(choice).get("finish_reason") or finish
    message = {key: "".join(found) for key, found in parts.items() if any(found)}
    if not ended and finish is None:  # the connection was closed in the middle
        return {**whole, "choices": []}
    return {**whole, "choices": [{"message": message, "finish_reason": finish}]}


def _spent(message: Mapping[str, Any], usage: Usage, stop: Stop) -> bool:
    """Whether the model reasoned until its tokens were gone: nothing written, and reasoning is all that there is."""
    thought = any(message.get(key) for key in ("reasoning_content", "reasoning", "reasoning_details")) or usage.reasoning > 0
    return thought and (stop is Stop.LENGTH or (usage.output > 0 and usage.reasoning >= usage.output))


def _text(content: Any) -> str:
    """The text of a message: a string, nothing, or the text parts that some servers send instead; never parts that hold reasoning."""
    if isinstance(content, list):
        parts = [mapping(part) for part in cast("list[Any]", content)]
        return "".join(str(part.get("text") or "") for part in parts if part.get("type") in ("text", "output_text"))
    return word(content) or ""


def _json(text: str) -> Any:
    try:
        return parsed(text)
    except ValueError:
        return None
