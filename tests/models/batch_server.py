"""A loopback server that speaks the batch protocols of Anthropic and OpenAI, made from their documented shapes.

A batch ends after `polls` questions about it. `rule` decides what becomes of each request: a function from its text to an answer (a string)
or to one of the troubles "expired", "canceled", "overloaded", "invalid" and "missing" (no line at all). `batches` holds what was handed in.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

TROUBLES = ("expired", "canceled", "overloaded", "invalid", "missing")
Rule = Callable[[str], str]


@dataclass
class Batch:
    """One batch: its requests in order (custom id and body), the headers it came with, how often it was asked about, what was said."""

    requests: list[tuple[str, Mapping[str, Any]]]
    headers: Mapping[str, str]
    asked: int = 0
    said: list[str] = field(default_factory=list[str])


def _text(body: Mapping[str, Any]) -> str:
    return "".join(block["text"] for block in body["messages"][0]["content"] if block["type"] == "text")


@dataclass
class BatchServer:
    """See the module's text. `failed` makes OpenAI's batches fail as a whole, with this code; `forgotten` are ids answered with 404.

    `shy` batches are not found the first so many times (anthropic-sdk-python#1432); `cancelled` ones end half done; of `archived` ones the
    results are gone; `torn` is how many of the first lines of the results cannot be read.
    """

    rule: Rule = field(default=lambda text: "<answer>A</answer>")
    polls: int = 1
    failed: str | None = None
    forgotten: set[str] = field(default_factory=set[str])
    shy: int = 0
    cancelled: bool = False
    archived: bool = False
    torn: int = 0
    batches: dict[str, Batch] = field(default_factory=dict[str, Batch])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def __enter__(self) -> Self:
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def asked(self) -> list[str]:
        """The texts of all requests that were ever handed in."""
        return [_text(body) for batch in self.batches.values() for _, body in batch.requests]

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        app = web.Application(client_max_size=256 << 20)
        app.router.add_post("/v1/messages/batches", self._anthropic_create)
        app.router.add_get("/v1/messages/batches/{id}", self._anthropic_state)
        app.router.add_get("/v1/messages/batches/{id}/results", self._anthropic_results)
        app.router.add_post("/v1/files", self._openai_upload)
        app.router.add_post("/v1/batches", self._openai_create)
        app.router.add_get("/v1/batches/{id}", self._openai_state)
        app.router.add_get("/v1/files/{id}/content", self._openai_content)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def _add(self, requests: list[tuple[str, Mapping[str, Any]]], headers: Mapping[str, str]) -> str:
        assert len({key for key, _ in requests}) == len(requests), "custom ids must be unique"
        assert all(len(key) <= 64 for key, _ in requests)
        name = f"batch_{len(self.batches)}"
        self.batches[name] = Batch(requests, headers)
        return name

    def _ended(self, batch: Batch) -> bool:
        return batch.asked > self.polls

    def _said(self, batch: Batch) -> list[tuple[str, Mapping[str, Any], str]]:
        """Key, body and fate of every request, decided once."""
        batch.said = batch.said or [self.rule(_text(body)) for _, body in batch.requests]
        return [(key, body, said) for (key, body), said in zip(batch.requests, batch.said, strict=True)]

    # -- Anthropic -----------------------------------------------------------------------------------------------------------------------
    async def _anthropic_create(self, request: web.Request) -> web.Response:
        body = await request.json()
        headers = {name.lower(): value for name, value in request.headers.items()}
        return self._anthropic_shown(self._add([(one["custom_id"], one["params"]) for one in body["requests"]], headers))

    def _hides(self) -> bool:
        self.shy -= 1
        return self.shy >= 0

    async def _anthropic_state(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name in self.forgotten or name not in self.batches or self._hides():
            return web.json_response({"type": "error", "error": {"type": "not_found_error", "message": "no such batch"}}, status=404)
        self.batches[name].asked += 1
        return self._anthropic_shown(name)

    def _anthropic_shown(self, name: str) -> web.Response:
        batch = self.batches[name]
        ended, n = self._ended(batch), len(batch.requests)
        counts = {"processing": 0 if ended else n, "succeeded": n if ended else 0, "errored": 0, "canceled": 0, "expired": 0}
        shown = {"id": name, "type": "message_batch", "processing_status": "ended" if ended else "in_progress", "request_counts": counts}
        shown |= {"created_at": "2026-11-25T12:00:00Z", "expires_at": "2026-11-26T12:00:00Z"}
        if self.archived and ended:
            return web.json_response(shown | {"archived_at": "2026-12-24T12:00:00Z", "results_url": None})
        if self.cancelled and ended:
            canceled = sum(said == "canceled" for _, _, said in self._said(batch))
            shown["request_counts"] = {**counts, "succeeded": n - canceled, "canceled": canceled}
            shown |= {"cancel_initiated_at": "2026-11-25T12:30:00Z"}
        return web.json_response(shown | {"results_url": f"{self.url}/v1/messages/batches/{name}/results" if ended else None})

    async def _anthropic_results(self, request: web.Request) -> web.Response:
        rows = self._said(self.batches[request.match_info["id"]])
        lines = [json.dumps({"custom_id": key, "result": _anthropic(body, said)}) for key, body, said in rows if said != "missing"]
        lines[: self.torn] = [line[: len(line) // 2] for line in lines[: self.torn]]
        return web.Response(body="\n".join(reversed(lines)).encode())

    # -- OpenAI --------------------------------------------------------------------------------------------------------------------------
    async def _openai_upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        upload: Any = form["file"]
        assert form["purpose"] == "batch"
        name = f"file_{len(self.files)}"
        self.files[name] = upload.file.read()
        return web.json_response({"id": name, "object": "file", "purpose": "batch", "bytes": len(self.files[name])})

    async def _openai_create(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert (body["endpoint"], body["completion_window"]) == ("/v1/chat/completions", "24h")
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
        return self._openai_shown(self._add([(line["custom_id"], line["body"]) for line in lines], {}))

    async def _openai_state(self, request: web.Request) -> web.Response:
        if self._hides():
            return web.json_response({"error": {"message": "no such batch"}}, status=404)
        self.batches[request.match_info["id"]].asked += 1
        return self._openai_shown(request.match_info["id"])

    def _openai_shown(self, name: str) -> web.Response:
        batch = self.batches[name]
        ended, n = self._ended(batch), len(batch.requests)
        shown: dict[str, Any] = {"id": name, "object": "batch", "status": "completed" if ended else "in_progress"}
        shown["request_counts"] = {"total": n, "completed": n if ended else 0, "failed": 0}
        if ended and self.failed:
            return web.json_response(shown | {"status": "failed", "errors": {"data": [{"code": self.failed, "message": "scripted"}]}})
        if ended:
            rows = self._said(batch)
            good = [_openai(key, body, said) for key, body, said in rows if said not in TROUBLES]
            bad = [_openai(key, body, said) for key, body, said in rows if said in TROUBLES and said != "missing"]
            if self.cancelled:
                shown["status"] = "cancelled"
            for kind, lines in (("output", good), ("error", bad)):
                if lines:
                    texts = [json.dumps(line) for line in lines]
                    texts[: self.torn] = [text[: len(text) // 2] for text in texts[: self.torn]]
                    self.files[f"{kind}_{name}"] = "\n".join(texts).encode()
                    shown[f"{kind}_file_id"] = f"{kind}_{name}"
        return web.json_response(shown)

    async def _openai_content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["id"]])


def _anthropic(body: Mapping[str, Any], said: str) -> Mapping[str, Any]:
    if said in ("expired", "canceled"):
        return {"type": said}
    if said in ("overloaded", "invalid"):
        kind = {"overloaded": "overloaded_error", "invalid": "invalid_request_error"}[said]
        return {"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": "scripted"}, "request_id": "req_1"}}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": f"{body['model']}-served", "stop_reason": "end_turn"}
    usage = {"input_tokens": 10, "output_tokens": 7}
    return {"type": "succeeded", "message": {**message, "content": [{"type": "text", "text": said}], "usage": usage}}


def _openai(key: str, body: Mapping[str, Any], said: str) -> Mapping[str, Any]:
    if said in ("expired", "canceled"):
        code = {"expired": "batch_expired", "canceled": "batch_cancelled"}[said]
        return {"id": "r", "custom_id": key, "response": None, "error": {"code": code, "message": "scripted"}}
    if said in ("overloaded", "invalid"):
        status, kind = {"overloaded": (503, "server_error"), "invalid": (400, "invalid_request_error")}[said]
        inner = {"error": {"type": kind, "message": "scripted"}}
        return {"id": "r", "custom_id": key, "response": {"status_code": status, "request_id": "req_1", "body": inner}, "error": None}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
    usage = {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17}
    chat = {"id": "c", "object": "chat.completion", "model": f"{body['model']}-served", "choices": [choice], "usage": usage}
    return {"id": "r", "custom_id": key, "response": {"status_code": 200, "request_id": "req_1", "body": chat}, "error": None}
