"""A loopback server that speaks the Messages and the Chat Completions protocol and misbehaves on order.

It runs in a thread of its own with its own event loop, so synchronous and asynchronous tests use it alike:

    with FaultServer(rate_limit(0.0), cut(), say("B")) as server:
        model = resolve("openai/test", ModelOptions(base_url=server.openai_url))
        ...                     # first request: 429, second: a body cut in the middle, third: an answer
    assert len(server.seen) == 3

Each request takes the next step of the script; when the script is over, `default` answers (say "B"). For longer runs give a `rule` instead,
a function from the request (`Seen`) to a step: `FaultServer(rule=lambda seen: cut() if "puzzle 3" in seen.text else say("A"))`. What was
asked is in `server.seen`, in order of arrival. The protocol of an answer follows the path of the request: `…/chat/completions` is OpenAI's,
every other one (`/v1/messages`, Bedrock's `/model/…/invoke`, Vertex AI's `…:rawPredict`) is Anthropic's.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Seen:
    """One request as it arrived: path, headers (names in lower case) and decoded JSON body."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def openai(self) -> bool:
        return self.path.endswith("/chat/completions")

    @property
    def content(self) -> Sequence[Mapping[str, Any]]:
        """The blocks of the one user message."""
        return self.body["messages"][0]["content"]

    @property
    def text(self) -> str:
        """The text of the question."""
        return "".join(block["text"] for block in self.content if block["type"] == "text")


@dataclass(frozen=True)
class Step:
    """What to do with one request.

    Attributes:
        status: HTTP status.
        headers: further response headers.
        body: JSON to send instead of an answer; None sends an answer.
        raw: bytes to send instead of JSON.
        text, stop, usage: of the answer; `stop` is "end", "length", "refusal" or a value of the protocol; text None is empty content.
        cut: whether the connection is closed in the middle of the body.
        delay_s: how long to wait first.
        echo: whether the error body repeats the key that the request carried.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, Any] | None = None
    raw: bytes | None = None
    text: str | None = "B"
    stop: str = "end"
    usage: Mapping[str, Any] | None = None
    cut: bool = False
    delay_s: float = 0.0
    echo: bool = False


def say(text: str | None, stop: str = "end", usage: Mapping[str, Any] | None = None) -> Step:
    """An answer; text None is an answer without content."""
    return Step(text=text, stop=stop, usage=usage)


def error(status: int, kind: str, message: str = "scripted", *, code: str | None = None, headers: Mapping[str, str] | None = None) -> Step:
    """An error of type `kind` and machine-readable `code`, in the shape of the protocol asked."""
    inner = {"type": kind, "message": message, "code": code, "details": {"error_code": code} if code is not None else None}
    return Step(status=status, headers=headers or {}, body={"type": "error", "error": inner, "request_id": "req_error"})


def rate_limit(retry_after_s: float | str | None) -> Step:
    """429 with `retry-after` (seconds, or a date as text), or without."""
    return error(429, "rate_limit_error", headers={} if retry_after_s is None else {"retry-after": str(retry_after_s)})


def spend_cap(*, openai: bool = False) -> Step:
    """429 that waiting does not help: the provider's spend cap."""
    if openai:
        return error(429, "insufficient_quota", code="insufficient_quota")
    return error(429, "rate_limit_error", code="enforced_spend_limit_reached")


def overloaded(*, inside_200: bool = False) -> Step:
    """529, or the same error in the body of a 200."""
    return error(200 if inside_200 else 529, "overloaded_error")


def cut() -> Step:
    """A good answer whose connection is closed after half of its body."""
    return Step(cut=True)


def malformed() -> Step:
    """A 200 whose body is not JSON."""
    return Step(raw=b'{"type": "message", "content": [')


def hang(seconds: float) -> Step:
    """An answer that takes `seconds` to come."""
    return Step(delay_s=seconds)


def echo_key(status: int = 401) -> Step:
    """An error whose text repeats the key of the request."""
    return replace(error(status, "authentication_error"), echo=True)


class FaultServer:
    """See the module's text.

    Attributes:
        seen: requests in order of arrival.
        peak: most requests that were open at once.
        listed: entries of the list of models that GET …/models answers with; None answers 404.
    """

    def __init__(self, *script: Step, rule: Callable[[Seen], Step] | None = None, default: Step | None = None) -> None:
        self.listed: list[Mapping[str, Any]] | None = None
        self._script = list(script)
        self._rule = rule
        self._default = default or say("B")
        self._open = 0
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.seen: list[Seen] = []
        self.peak = 0

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the fault server did not start within ten seconds")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def script(self, *steps: Step) -> None:
        """Put further steps at the end of the script."""
        self._script.extend(steps)

    def play(self, rule: Callable[[Seen], Step]) -> None:
        """Answer by another rule from now on, and forget what was seen."""
        self._rule = rule
        self.seen = []

    @property
    def url(self) -> str:
        """Base URL for Anthropic's SDK (its clients add /v1/messages)."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        """Base URL for OpenAI's SDK (its client adds /chat/completions)."""
        return f"{self.url}/v1"

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/{path:.*}", self._handle)
        app.router.add_get("/{path:.*}/models", self._models)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _models(self, request: web.Request) -> web.StreamResponse:
        del request
        if self.listed is None:
            return web.json_response({"error": {"message": "no such route"}}, status=404)
        return web.json_response({"object": "list", "data": list(self.listed)})

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._open += 1
        self.peak = max(self.peak, self._open)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            seen = Seen(request.path, headers, await request.json())
            self.seen.append(seen)
            return await self._act(request, seen, self._next(seen))
        finally:
            self._open -= 1

    def _next(self, seen: Seen) -> Step:
        if self._rule is not None:
            return self._rule(seen)
        return self._script.pop(0) if self._script else self._default

    async def _act(self, request: web.Request, seen: Seen, step: Step) -> web.StreamResponse:
        if step.delay_s:
            await asyncio.sleep(step.delay_s)
        data = step.raw if step.raw is not None else json.dumps(_body(seen, step)).encode()
        number = str(len(self.seen))
        headers = {"content-type": "application/json", "request-id": f"req_{number}", "x-request-id": f"req_{number}", **step.headers}
        if not step.cut:
            return web.Response(status=step.status, headers=headers, body=data)
        response = web.StreamResponse(status=step.status, headers={**headers, "content-length": str(len(data))})
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        if request.transport is not None:
            request.transport.close()
        return response


def _body(seen: Seen, step: Step) -> Mapping[str, Any]:
    if step.echo:
        key = seen.headers.get("authorization", "").removeprefix("Bearer ")  # bare, so that only knowing its value can hide it
        return {"type": "error", "error": {"type": "authentication_error", "message": f"invalid key {key}, that is {key!r}"}}
    if step.body is not None:
        return step.body
    return _chat(seen, step) if seen.openai else _message(seen, step)


def _message(seen: Seen, step: Step) -> Mapping[str, Any]:
    stop = {"end": "end_turn", "length": "max_tokens"}.get(step.stop, step.stop)
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": f"{seen.body.get('model', 'claude')}-served",
        "content": [] if step.text is None else [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": step.text}],
        "stop_reason": stop,
        "usage": step.usage or {"input_tokens": 10, "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3}},
    }


def _chat(seen: Seen, step: Step) -> Mapping[str, Any]:
    stop = {"end": "stop", "refusal": "content_filter"}.get(step.stop, step.stop)
    usage = {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17, "completion_tokens_details": {"reasoning_tokens": 3}}
    return {
        "id": "chatcmpl_1",
        "object": "chat.completion",
        "model": f"{seen.body['model']}-served",
        "choices": [{"index": 0, "finish_reason": stop, "message": {"role": "assistant", "content": step.text}}],
        "usage": step.usage or usage,
    }
