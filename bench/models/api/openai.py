"""Chat completions by OpenAI's SDK: `openai/…` at OpenAI itself, or at any compatible server by `--base-url`.

A request is one user message, the picture (a data URL, high detail) before the text. At OpenAI the reply is bounded by
`max_completion_tokens`; reasoning is `reasoning_effort`, which each generation takes in its own measure (`aliases.toml`), and reasoning
models take no temperature. A compatible server gets plain chat completions, with every sampling parameter that a person set made explicit,
since it would else fall back on the checkpoint's own defaults; it needs no key.

A reply without content is an answer without text, not a failure: the model had its turn, and asking again would hide it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import httpx2
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient, OpenAIError

from bench import env
from bench.errors import Transient, UserError
from bench.image import ImageLimits, Picture
from bench.models.aliases import Generation, generation_of
from bench.models.api import wishes as asking
from bench.models.api.http_errors import SdkErrors, count, mapping, read_body, translated, word
from bench.models.api.transport import NO_KEY, http_limits, http_timeout
from bench.models.base import ModelOptions, Reply, Request, Sampling, Stop, Usage

MAX_BASE64 = 10_000_000
"""Bytes of one image after base64: well within OpenAI's bound on a request, and the bound of the other first-party API."""

ERRORS = SdkErrors(APIStatusError, APIConnectionError, (OpenAIError,))
_STOPS = {"stop": Stop.END, "length": Stop.LENGTH, "content_filter": Stop.REFUSAL}


class Chat:
    """A model behind a chat-completions endpoint. See the module's text.

    Attributes:
        base_url: the server asked instead of OpenAI's, or None.
        client, secrets, timeout_s: the SDK's client, what no message may hold, and the bound of one request in seconds.
    """

    provider = "openai"
    simulated = False

    def __init__(self, name: str, provider: str, model_id: str, options: ModelOptions) -> None:
        """Prepare the client; nothing is sent.

        Raises:
            UserError: no key, or a reasoning, temperature or number of tokens that the model would refuse.
        """
        self.name = name
        self.provider = provider
        self.model_id = model_id
        self.base_url = options.base_url
        self.generation = generation_of(provider, model_id, "unknown-openai" if options.base_url is None else "compatible")
        self.limits: ImageLimits = self.generation.limits(MAX_BASE64)
        settings(name, self.generation, options.sampling())
        key = env.read(env.OPENAI_KEY)
        if key is None and options.base_url is None:
            raise UserError(f"no key for OpenAI: set {env.OPENAI_KEY}, or name a compatible server by --base-url")
        self.timeout_s = options.timeout_s
        self.secrets = env.secrets()
        timeout = http_timeout(options)
        self.client = AsyncOpenAI(
            api_key=key or NO_KEY,
            base_url=options.base_url,
            timeout=timeout,
            max_retries=0,
            http_client=DefaultAsyncHttpxClient(limits=http_limits(options), timeout=timeout),
        )

    def payload(self, request: Request) -> Mapping[str, Any]:
        """Everything that `ask` would send, the image's bytes replaced by the picture's `identity`.

        Raises:
            UserError: a reasoning, temperature or number of tokens that the model would refuse.
        """
        return self._body(request, lambda picture: picture.identity)

    async def ask(self, request: Request) -> Reply:
        """Send `request` once.

        Raises:
            Transient, Rejected, Unusable: see `bench.errors`.
        """
        started = time.perf_counter()
        async with translated(ERRORS, model=self.name, timeout_s=self.timeout_s, secrets=self.secrets):
            create: Any = self.client.chat.completions.with_raw_response.create
            response: httpx2.Response = (await create(**self.body(request))).http_response
        body = read_body(response, model=self.name, secrets=self.secrets)
        return reply_of(body, time.perf_counter() - started, response.headers.get("x-request-id"), self.name)

    async def close(self) -> None:
        """Release the connections."""
        await self.client.close()

    def body(self, request: Request) -> dict[str, Any]:
        """A request as it is sent, the pictures in base64."""
        return self._body(request, lambda picture: base64.b64encode(picture.data).decode("ascii"))

    def _body(self, request: Request, encoded: Callable[[Picture], str]) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        for picture in request.pictures:
            image: dict[str, Any] = {"url": f"data:{picture.media_type};base64,{encoded(picture)}"}
            if self.generation.detail is not None:
                image["detail"] = self.generation.detail
            content.append({"type": "image_url", "image_url": image})
        content.append({"type": "text", "text": request.text})
        message = {"role": "user", "content": content}
        return {"model": self.model_id, "messages": [message], **settings(self.name, self.generation, request.sampling)}


def settings(name: str, generation: Generation, sampling: Sampling) -> dict[str, Any]:
    """The part of a request that `sampling` decides: the bound on the reply, reasoning, temperature, seed.

    Raises:
        UserError: the model would refuse it.
    """
    body: dict[str, Any] = {generation.limit_field: sampling.max_tokens}
    wish = asking.reasoning(name, generation, sampling)
    if wish is not None:
        body["reasoning_effort"] = generation.off if wish == "off" else wish
    temperature = asking.temperature(name, generation, sampling, highest=2.0)
    if temperature is not None:
        body["temperature"] = temperature
        if generation.pin_top_p:
            body["top_p"] = 1.0
    if generation.seed:
        body["seed"] = sampling.seed
    return body


def reply_of(body: Mapping[str, Any], latency_s: float, request_id: str | None, name: str) -> Reply:
    """The reply in the JSON object that the server sent; what it leaves out or bends counts as not said.

    Raises:
        Transient: there is no answer in it.
    """
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise Transient(f"{name}: the answer holds no choices", request_id=request_id)
    choice = mapping(cast("list[Any]", choices)[0])
    message = mapping(choice.get("message"))
    refusal = word(message.get("refusal"))
    stop = Stop.REFUSAL if refusal else _STOPS.get(str(choice.get("finish_reason")), Stop.END)
    return Reply(
        text=_text(message.get("content")) or refusal or "",
        stop=stop,
        usage=_usage(mapping(body.get("usage"))),
        latency_s=latency_s,
        request_id=request_id or word(body.get("id")),
        model=word(body.get("model")),
    )


def _text(content: Any) -> str:
    """The text of a message: a string, nothing, or the text parts that some servers send instead."""
    if isinstance(content, list):
        parts = [mapping(part) for part in cast("list[Any]", content)]
        return "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    return word(content) or ""


def _usage(usage: Mapping[str, Any]) -> Usage:
    return Usage(
        input=count(usage.get("prompt_tokens")),
        output=count(usage.get("completion_tokens")),
        reasoning=count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )
