"""The Batch API of OpenAI: a file of requests goes up, files of results and of errors come down. At most 50,000 requests or 200 MB, 24 h.

A batch that fails as a whole (its file is refused, a limit of the account is reached) says so in its `errors`. One that expires or is
cancelled keeps the results that it has; what is missing is worth asking again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, cast

from bench.errors import Declined, ModelError, Transient
from bench.models.api.batch_service import RESULTS_TIMEOUT_S, BatchState
from bench.models.api.chat_reply import refusal, reply_of
from bench.models.api.http_errors import count, failure, mapping, read_body, row_of, translated, word
from bench.models.api.openai import ERRORS, Chat
from bench.models.api.transport import Answer
from bench.models.base import Reply, Request

ENDPOINT = "/v1/chat/completions"
_ENDED = ("completed", "failed", "expired", "cancelled")
_BUSY = "token_limit_exceeded"
"""The code of a batch that was refused because too many tokens of this account are waiting already."""


class ChatBatches:
    """The batch service behind a model of OpenAI. See `bench.models.api.batch_service.BatchService`."""

    max_requests = 50_000
    max_bytes = 195_000_000

    def __init__(self, model: Chat) -> None:
        self._model = model

    def line(self, key: str, request: Request) -> bytes:
        """See `BatchService.line`."""
        head = json.dumps({"custom_id": key, "method": "POST", "url": ENDPOINT})[:-1]
        return f'{head}, "body": '.encode() + self._model.body(request) + b"}"

    async def submit(self, lines: Iterable[bytes]) -> str:
        """See `BatchService.submit`."""
        client = self._model.client
        async with self._translated(RESULTS_TIMEOUT_S):
            file = await client.files.with_raw_response.create(
                file=("requests.jsonl", b"\n".join(lines)), purpose="batch", timeout=RESULTS_TIMEOUT_S
            )
            uploaded = self._body(file)["id"]
            batch = await client.batches.with_raw_response.create(input_file_id=str(uploaded), endpoint=ENDPOINT, completion_window="24h")
        return str(self._body(batch)["id"])

    async def state(self, batch: str) -> BatchState:
        """See `BatchService.state`."""
        found = await self._retrieve(batch)
        counts = mapping(found.get("request_counts"))
        done = count(counts.get("completed")) + count(counts.get("failed"))
        cancelled = found.get("status") in ("cancelled", "cancelling")
        return BatchState(found.get("status") in _ENDED, done, count(counts.get("total")), self._why(found), cancelled)

    async def results(self, batch: str) -> AsyncIterator[tuple[str, Reply | ModelError]]:
        """See `BatchService.results`."""
        found = await self._retrieve(batch)
        for file in (word(found.get("output_file_id")), word(found.get("error_file_id"))):
            if file is None:
                continue
            try:
                async with self._translated(RESULTS_TIMEOUT_S):
                    opened = self._model.client.files.with_streaming_response.content(file, timeout=RESULTS_TIMEOUT_S)
                    async with opened as response:
                        async for line in response.iter_lines():
                            row = row_of(line)
                            if row:
                                yield str(row.get("custom_id")), self._result(row)
            except ModelError as error:
                if error.status not in (404, 410):  # a file that was deleted or has expired takes its own results along, and no others
                    raise

    async def _retrieve(self, batch: str) -> dict[str, Any]:
        async with self._translated():
            response = await self._model.client.batches.with_raw_response.retrieve(batch)
        return self._body(response)

    def _why(self, found: Mapping[str, Any]) -> ModelError | None:
        """What a batch that failed as a whole says of it: a limit that time lifts, or trouble that no later batch escapes."""
        if found.get("status") != "failed":
            return None
        said: Any = mapping(found.get("errors")).get("data")
        first = mapping(cast("list[Any]", said)[0] if isinstance(said, list) and said else None)
        status = 429 if first.get("code") == _BUSY else 403
        return failure(status, {}, {"error": first or {"message": "the batch failed"}}, model=self._model.name, secrets=self._model.secrets)

    def _result(self, row: Mapping[str, Any]) -> Reply | ModelError:
        model, response = self._model, mapping(row.get("response"))
        status, body = count(response.get("status_code")), mapping(response.get("body"))
        if not response:
            return Transient(f"{model.name}: a request of a batch came back with {mapping(row.get('error')).get('code', 'nothing')}")
        if status >= 400 or body.get("error"):
            sent = ("temperature", "seed", "reasoning_effort", "max_completion_tokens")
            found = failure(status or 200, {}, body, model=model.name, secrets=model.secrets, sent=sent)
            return refusal(found, 0.0) if isinstance(found, Declined) else found
        try:
            return reply_of(body, 0.0, word(response.get("request_id")), model.name, model.secrets)
        except Declined as declined:
            return refusal(declined, 0.0)
        except ModelError as error:
            return error

    def _translated(self, timeout_s: float | None = None) -> Any:
        model = self._model
        return translated(ERRORS, model=model.name, timeout_s=timeout_s or model.timeout_s, secrets=model.secrets)

    def _body(self, response: Any) -> dict[str, Any]:
        return read_body(Answer.of(response.http_response), model=self._model.name, secrets=self._model.secrets)
