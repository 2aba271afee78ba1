"""What real providers were reported to do, each as a scenario that a loopback server plays: one function, one quirk, one public source.

A scenario is a function from a request (`Seen`) to what is done with it (`Step`); `FaultServer(rule=scenario)` plays it. The sources are
issue threads of those who met it; where none is named the shape is from the provider's own reference. Nothing here was recorded from a
provider: the bodies are written after what the threads describe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from tests.models.fault_server import Seen, Step, error, say

ANSWER = "<answer>A</answer>"


def reply(content: Any = ANSWER, finish: str | None = "stop", **more: Any) -> Step:
    """A chat completion; `more` goes beside the choices, or replaces them."""
    message = cast("dict[str, Any]", content) if isinstance(content, dict) else {"role": "assistant", "content": content}
    usage = {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17}
    return Step(
        body={"id": "c1", "model": "served", "choices": [{"index": 0, "finish_reason": finish, "message": message}], "usage": usage, **more}
    )


def refusing(*parameters: str, shape: str = "openai") -> Any:
    """A server that does not know `parameters`, and says so in one of the shapes of `_refusal`."""

    def scenario(seen: Seen) -> Step:
        found = next((name for name in parameters if name in seen.body), None)
        return reply() if found is None else _refusal(found, shape)

    return scenario


def _refusal(name: str, shape: str) -> Step:
    match shape:
        case "google":  # algorithmicsuperintelligence/openevolve#105, mcpchecker/mcpchecker#188: alone in a list
            said = f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
            return Step(status=400, raw=json.dumps([{"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}]).encode())
        case "pydantic":  # FastAPI's 422, Mistral's among them
            detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]
            return Step(status=422, body={"object": "error", "message": {"detail": detail}, "detail": detail})
        case "words":
            return error(400, "invalid_request_error", f"{name} is not supported with this model")
        case _:
            body = {
                "message": f"Unsupported parameter: '{name}'",
                "type": "invalid_request_error",
                "param": name,
                "code": "unsupported_parameter",
            }
            return Step(status=400, body={"error": body})


def wrong_level(seen: Seen) -> Step:
    """A level of reasoning that the model does not take: the value is refused, not the parameter."""
    said = "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model."
    return Step(status=400, body={"error": {"message": said, "param": "reasoning_effort", "code": "unsupported_value"}})


def low_credit(seen: Seen) -> Step:
    """anthropics/claude-code#66314: billing has stopped, as a plain 400."""
    return error(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.")


def usage_limits(seen: Seen) -> Step:
    """anthropics/claude-code#38035: the organisation's own limit, as a plain 400."""
    return error(400, "invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01.")


def no_quota(seen: Seen) -> Step:
    """OpenAI's 429 that waiting does not help."""
    return error(
        429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details.", code="insufficient_quota"
    )


def quota_a_minute(seen: Seen) -> Step:
    """Google's 429: the words of a spent quota, and a wait after which it is there again."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.01s"}
    body = {"code": 429, "message": "You exceeded your current quota, please check your plan and billing details.", "details": [info]}
    return Step(status=429, raw=json.dumps([{"error": body}]).encode())


def finished(reason: str) -> Any:
    """Finished for `reason`, inside a 200: pydantic/pydantic-ai#2844, maximhq/bifrost#5425, firebase/genkit#6259."""

    def scenario(seen: Seen) -> Step:
        return reply("half an ans", reason)

    return scenario


def choice_with_an_error(seen: Seen) -> Step:
    """OpenRouter's failure of the provider behind it: a choice that holds an error, inside a 200."""
    choice = {"index": 0, "error": {"code": 502, "message": "Provider returned error"}, "message": {"role": "assistant", "content": ""}}
    return reply(choices=[choice])


def no_choices(seen: Seen) -> Step:
    """UKGovernmentBEIS/inspect_ai#1536: an empty 200."""
    return reply(choices=[])


def moderation_403(seen: Seen) -> Step:
    """OpenRouter's moderation: a 403 about one prompt, in the shape of one about the key."""
    metadata = {"reasons": ["violence"], "flagged_input": "…", "provider_name": "x"}
    return Step(status=403, body={"error": {"code": 403, "message": "Your input was flagged", "metadata": metadata}})


def moderation_inside_a_200(seen: Seen) -> Step:
    """The same inside a 200."""
    return Step(body={"error": {"code": 403, "message": "This request requires moderation", "metadata": {"reasons": ["self-harm"]}}})


def azure_content_filter(seen: Seen) -> Step:
    """Azure's content filter: a 400 with a code."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True, "severity": "medium"}}}
    said = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    return Step(
        status=400, body={"error": {"message": said, "param": "prompt", "code": "content_filter", "status": 400, "innererror": inner}}
    )


def bad_key_403(seen: Seen) -> Step:
    """A 403 that is about the key."""
    return error(403, "permission_error", "Your API key does not have permission to use the specified resource")


def thoughts(text: str) -> Any:
    """A caption with thoughts around it: vllm-project/vllm#26239, QwenLM/Qwen3-VL#1504 (a closing tag), open-compass/VLMEvalKit#1201."""

    def scenario(seen: Seen) -> Step:
        return reply(text)

    return scenario


def spent_on_thoughts(seen: Seen) -> Step:
    """All of the tokens went into hidden reasoning."""
    usage = {"prompt_tokens": 10, "completion_tokens": 64, "completion_tokens_details": {"reasoning_tokens": 64}}
    return reply({"role": "assistant", "content": None, "reasoning_content": "Let me see"}, "length", usage=usage)


def reasoning_outside(seen: Seen) -> Step:
    """UKGovernmentBEIS/inspect_ai#5528: xAI counts reasoning beside the completion, and both in the total."""
    usage = {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 117, "completion_tokens_details": {"reasoning_tokens": 100}}
    return reply(usage=usage)


def odd_numbers(seen: Seen) -> Step:
    """Floats, and numbers that no request can have."""
    return reply(usage={"prompt_tokens": 12.0, "completion_tokens": 10**30, "total_tokens": -1, "completion_tokens_details": None})


def output_text_parts(seen: Seen) -> Step:
    """Content in parts, of a kind of the other protocol, with the thoughts in a part of their own."""
    return reply([{"type": "reasoning", "text": "<answer>B</answer>"}, {"type": "output_text", "text": ANSWER}])


def another_model(seen: Seen) -> Step:
    """A router that answers by another model than was asked."""
    return reply(model="somebody/else-1b")


def hours_to_wait(seen: Seen) -> Step:
    """A daily limit: come back in six hours."""
    return error(429, "rate_limit_error", "daily limit", headers={"retry-after": "21600"})


def html_page(seen: Seen) -> Step:
    """A gateway's page."""
    page = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"
    return Step(status=502, raw=page, headers={"content-type": "text/html"})


def without_v1(seen: Seen) -> Step:
    """A server that listens under /v1 alone."""
    return reply() if seen.path.startswith("/v1/") else Step(status=404, body={"detail": "Not Found"})


def stream_only(seen: Seen) -> Step:
    """A model that is served in a stream alone (Qwen's QwQ at DashScope)."""
    if not seen.body.get("stream"):
        return error(400, "invalid_request_error", "This model only support stream mode, please enable the stream parameter")
    parts = [{"reasoning_content": "hm"}, {"content": "<answer>"}, {"content": "A"}, {"content": "</answer>"}]
    chunks: list[Mapping[str, Any]] = [{"id": "s1", "model": "served", "choices": [{"delta": part}]} for part in parts]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 9}})
    lines = [": keep-alive", *(f"data: {json.dumps(chunk)}" for chunk in chunks), "data: [DONE]"]
    return Step(raw="\n\n".join(lines).encode() + b"\n\n", headers={"content-type": "text/event-stream"})


def stream_cut(seen: Seen) -> Step:
    """A stream that ends in the middle."""
    data = json.dumps({"choices": [{"delta": {"content": "<ans"}}]})
    return Step(raw=f"data: {data}\n\n".encode(), headers={"content-type": "text/event-stream"})


def stream_error(seen: Seen) -> Step:
    """OpenRouter's error in the middle of a stream."""
    chunks: list[Mapping[str, Any]] = [
        {"choices": [{"delta": {"content": "<ans"}}]},
        {"error": {"code": 502, "message": "Provider disconnected"}, "choices": []},
    ]
    return Step(raw="".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode(), headers={"content-type": "text/event-stream"})


def claude_content_filter(seen: Seen) -> Step:
    """Anthropic's filter of what was written: a 400."""
    return error(400, "invalid_request_error", "Output blocked by content filtering policy")


def claude_thought_to_the_end(seen: Seen) -> Step:
    """All of max_tokens went into a thinking block."""
    content = [{"type": "thinking", "thinking": "Let me see", "signature": "s"}]
    return Step(
        body={
            "type": "message",
            "model": "m",
            "content": content,
            "stop_reason": "max_tokens",
            "usage": {"input_tokens": 5, "output_tokens": 64},
        }
    )


def fine(seen: Seen) -> Step:
    """No quirk."""
    return reply() if seen.openai else say(ANSWER)
