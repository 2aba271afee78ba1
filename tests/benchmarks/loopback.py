"""An instant loopback server in a process of its own: what it costs is next to nothing, so that a client's own cost is what is measured.

    with serving(delay_s=1.0) as url: ...      # chat completions at {url}/v1/chat/completions, messages at {url}/v1/messages

It reads a request to its end and answers "A", after `delay_s`; with `admits` (requests a second) or `per_minute` it admits so many, in a
token bucket that holds one second's (six seconds' of a rate by the minute), and answers 429 to the others, with `retry-after` where `says`
is set.
`{url}/counts` tells what it did: requests answered and refused, by second.
"""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, cast

TEXT = "<answer>A</answer>"
_CHAT = {
    "id": "chatcmpl_1",
    "object": "chat.completion",
    "model": "loopback-1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17},
}
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "loopback-1",
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 10, "output_tokens": 7},
}
_BUSY = {"type": "error", "error": {"type": "rate_limit_error", "message": "too many requests"}}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server behaves. `admits` in requests a second, None for all; `burst` how many it admits at once; `says` names the wait."""

    delay_s: float = 0.0
    admits: float | None = None
    burst: float = 1.0
    says: bool = False


def _response(status: str, body: dict[str, Any], *headers: str) -> bytes:
    data = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(data)}", "request-id: req_1", *headers, "", ""]
    return "\r\n".join(lines).encode() + data


class _Bucket:
    """A token bucket."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._rate, self._burst = behaviour.admits, behaviour.burst
        self._tokens, self._at = self._burst, time.monotonic()

    def wait(self) -> float:
        """0 where a request is admitted (and counted), else seconds until one would be."""
        if self._rate is None:
            return 0.0
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return (1.0 - self._tokens) / self._rate
        self._tokens -= 1.0
        return 0.0


class _Counts:
    """What was done, by second since the first request."""

    def __init__(self) -> None:
        self._began: float | None = None
        self.admitted: dict[int, int] = {}
        self.refused: dict[int, int] = {}

    def add(self, found: dict[int, int]) -> None:
        """Count one more of `found`, this second."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        second = int(now - self._began)
        found[second] = found.get(second, 0) + 1


class _Http(asyncio.Protocol):
    """One connection: requests one after another."""

    def __init__(self, behaviour: Behaviour, bucket: _Bucket, counts: _Counts) -> None:
        self._behaviour, self._bucket, self._counts = behaviour, bucket, counts
        self._head = b""
        self._left = 0
        self._answer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, body = self._head[:end].lower(), len(self._head) - end - 4
            self._head = b""
            at = head.find(b"content-length:")
            length = int(head[at + 15 : head.find(b"\r", at) if head.find(b"\r", at) > 0 else None]) if at >= 0 else 0
            self._answer = self._decide(head[: head.find(b"\r")])
            self._left = length - body
        if self._left <= 0:
            self._left = 0
            self._reply()

    def _decide(self, line: bytes) -> bytes:
        if b"/counts" in line:
            return _response("200 OK", {"admitted": self._counts.admitted, "refused": self._counts.refused})
        if b"/models" in line:
            return _response("404 Not Found", {"error": {"message": "no list"}})
        wait = self._bucket.wait()
        if wait > 0:
            self._counts.add(self._counts.refused)
            named = [f"retry-after: {math.ceil(wait)}"] if self._behaviour.says else []
            return _response("429 Too Many Requests", _BUSY, *named)
        self._counts.add(self._counts.admitted)
        return _READY_CHAT if b"/chat/completions" in line else _READY_MESSAGE

    def _reply(self) -> None:
        assert self._transport is not None
        if self._behaviour.delay_s and self._answer in (_READY_CHAT, _READY_MESSAGE):
            asyncio.get_running_loop().call_later(self._behaviour.delay_s, self._transport.write, self._answer)
        else:
            self._transport.write(self._answer)


_READY_CHAT, _READY_MESSAGE = _response("200 OK", _CHAT), _response("200 OK", _MESSAGE)


def _serve(behaviour: Behaviour, told: Connection) -> None:
    async def main() -> None:
        bucket, counts = _Bucket(behaviour), _Counts()
        server = await asyncio.get_running_loop().create_server(lambda: _Http(behaviour, bucket, counts), "127.0.0.1", 0, backlog=1024)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def serving(behaviour: Behaviour | None = None) -> Generator[str]:
    """The server's address, while the context lasts."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(behaviour or Behaviour(), there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.kill()
        process.join()


def counts(url: str) -> dict[str, dict[int, int]]:
    """What the server at `url` did: requests `admitted` and `refused`, by second since the first."""
    with urllib.request.urlopen(f"{url}/counts") as answer:
        found: dict[str, dict[str, int]] = json.load(answer)
    return {kind: {int(second): count for second, count in by_second.items()} for kind, by_second in found.items()}
