"""Message Batches, the batch service of Anthropic's first-party API: at most 100,000 requests or 256 MB, results within 24 hours.

Each result is `succeeded` with a message as a single request would bring it, `errored` with the error that it would have met, `expired` or
`canceled`; the last two are worth asking again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import httpx2

from bench.errors import Declined, ModelError, Rejected, Transient
from bench.models.api.anthropic import Claude, reply_of
from bench.models.api.batch_service import RESULTS_TIMEOUT_S, BatchState
from bench.models.api.chat_reply import refusal
from bench.models.api.http_errors import count, failure, mapping, read_body, row_of, translated, word
from bench.models.api.transport import Answer
from bench.models.base import Reply, Request

PATH = "/v1/messages/batches"


class ClaudeBatches:
    """The batch service behind a model of the first-party API. See `bench.models.api.batch_service.BatchService`."""

    max_requests = 100_000
    max_bytes = 250_000_000

    def __init__(self, model: Claude) -> None:
        self._model = model
        self._temperature = False

    def line(self, key: str, request: Request) -> bytes:
        """See `BatchService.line`."""
        self._temperature = "temperature" in self._model.settings(request.sampling)
        return f'{{"custom_id": {json.dumps(key)}, "params": '.encode() + self._model.body(request) + b"}"

    async def submit(self, lines: Iterable[bytes]) -> str:
        """See `BatchService.submit`. All requests of a run share their sampling, so the first one names the version of the protocol."""
        body = b'{"requests": [' + b", ".join(lines) + b"]}"
        headers = self._model.headers({"temperature": 0} if self._temperature else {})
        async with self._translated():
            response = await self._model.client.post(
                PATH, cast_to=httpx2.Response, content=body, options={"headers": {**headers, "content-type": "application/json"}}
            )
        return str(self._body(response)["id"])

    async def state(self, batch: str) -> BatchState:
        """See `BatchService.state`. Results are kept for 29 days; of an archived batch none can be had any more."""
        counts = mapping((found := await self._retrieve(batch)).get("request_counts"))
        numbers = {name: count(counts.get(name)) for name in ("processing", "succeeded", "errored", "canceled", "expired")}
        total = sum(numbers.values())
        gone = bool(found.get("archived_at")) and not found.get("results_url")
        why = Transient(f"{self._model.name}: the results of batch {batch} are archived and cannot be had any more") if gone else None
        ended = gone or found.get("processing_status") == "ended"
        cancelled = bool(found.get("cancel_initiated_at")) or numbers["canceled"] > 0
        return BatchState(ended, total - numbers["processing"], total, why, cancelled)

    async def results(self, batch: str) -> AsyncIterator[tuple[str, Reply | ModelError]]:
        """See `BatchService.results`."""
        async with self._translated(RESULTS_TIMEOUT_S):
            opened = self._model.client.messages.batches.with_streaming_response.results(batch, timeout=RESULTS_TIMEOUT_S)
            async with opened as response:
                async for line in response.iter_lines():
                    row = row_of(line)
                    if row:
                        yield str(row.get("custom_id")), self._result(mapping(row.get("result")))

    async def _retrieve(self, batch: str) -> dict[str, Any]:
        async with self._translated():
            response = await self._model.client.get(f"{PATH}/{batch}", cast_to=httpx2.Response)
        return self._body(response)

    def _result(self, result: Mapping[str, Any]) -> Reply | ModelError:
        model, kind = self._model, result.get("type")
        if kind == "errored":
            found = failure(200, {}, result.get("error"), model=model.name, secrets=model.secrets, sent=("temperature", "thinking"))
            return refusal(found, 0.0) if isinstance(found, Declined) else found
        if kind != "succeeded":
            return Transient(f"{model.name}: a request of a batch came back {kind}")
        message = mapping(result.get("message"))
        try:
            return reply_of(message, 0.0, word(message.get("id")), model.name, model.secrets)
        except (Transient, Rejected) as error:
            return error

    def _translated(self, timeout_s: float | None = None) -> Any:
        model = self._model
        return translated(model.errors, model=model.name, timeout_s=timeout_s or model.timeout_s, secrets=model.secrets)

    def _body(self, response: httpx2.Response) -> dict[str, Any]:
        return read_body(Answer.of(response), model=self._model.name, secrets=self._model.secrets)
