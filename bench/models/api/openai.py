"""Chat completions by OpenAI's SDK: `openai/…` at OpenAI itself or at any compatible server, and the servers of the table (`gemini/…`).

A request is one user message, the picture (a data URL, high detail) before the text. At OpenAI the reply is bounded by
`max_completion_tokens`; reasoning is `reasoning_effort`, which each generation takes in its own measure (`aliases.toml`), and reasoning
models take no temperature. A compatible server gets plain chat completions, with every sampling parameter that a person set made explicit,
since it would else fall back on the checkpoint's own defaults. What a server refuses by name is left out from then on (`drop`): whoever
asks decides about that and tells of it.

A reply without content is an answer without text, not a failure: the model had its turn, and asking again would hide it.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import httpx2
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient, DefaultAsyncHttpxClient, OpenAIError

from bench import env
from bench.errors import Declined, MissingKeyError, RefusedParameter, Rejected
from bench.image import ImageLimits, Picture
from bench.models.aliases import Generation, generation_of
from bench.models.api import wishes
from bench.models.api.bodies import ready_body
from bench.models.api.chat_reply import assembled, refusal, reply_of
from bench.models.api.http_errors import SdkErrors, mapping, raise_for_status, read_body, translated
from bench.models.api.transport import NO_KEY, Answer, Wire, http_timeout
from bench.models.base import ModelOptions, Reply, Request, Sampling
from bench.models.servers import DIRECT, Server
from bench.scrub import hide, in_header, in_url

HOME = "https://api.openai.com/v1"
MAX_BASE64 = 10_000_000
"""Bytes of one image after base64: well within OpenAI's bound on a request, and the bound of the other first-party API."""

ERRORS = SdkErrors(APIStatusError, APIConnectionError, (OpenAIError,))
NOT_STREAMED = "non-streaming answers"
"""What `drop` calls the way of answering that some servers do not offer."""

_LIMITS = ("max_tokens", "max_completion_tokens")
_STREAM_ONLY = re.compile(
    r"only support(?:s|ed)? (?:in )?stream|stream(?:ing)? (?:mode )?(?:is )?required|must (?:set|enable) stream", re.I
)
_SECRET_HEADERS = re.compile(r"auth|key|token|cookie|secret", re.IGNORECASE)
_SAYS_OF_A_MODEL = ("root", "parent", "digest", "size", "meta", "quantization", "max_model_len", "details", "object_hash")
"""Fields of a server's list of models that belong to the weights; times and permissions change while the weights do not."""


class _Settings(NamedTuple):
    """All of a request but the model's name and the question.

    Attributes:
        values: by parameter; the seed, where one is sent (`seeded`), is each request's own.
        sent: the parameters that could be left out.
    """

    values: Mapping[str, Any]
    seeded: bool
    sent: frozenset[str]


class Chat:
    """A model behind a chat-completions endpoint. See the module's text.

    Attributes:
        base_url: the server asked instead of OpenAI's, or None.
        dropped: what the server turned out to refuse, in words.
        client, secrets, timeout_s: the SDK's client, what no message may hold, and the bound of one request in seconds.
    """

    simulated = False

    def __init__(self, name: str, provider: str, model_id: str, options: ModelOptions, server: Server = DIRECT) -> None:
        """Prepare the client; nothing is sent. `options.base_url` is the address that was decided for this model.

        Raises:
            UserError: no key, or a reasoning, temperature or number of tokens that the model would refuse.
        """
        self.name = name
        self.provider = provider
        self.model_id = model_id
        self.base_url = options.base_url
        self.server = server
        unknown = "unknown-openai" if options.base_url is None else server.generation
        self.generation = generation_of(server.models_of or provider, model_id, unknown)
        self.limits: ImageLimits = self.generation.limits(MAX_BASE64)
        self._seed = server.renames.get("seed", "seed")
        self.dropped: list[str] = []
        self._without: set[str] = set(server.refuses)
        self._limit = self.generation.limit_field
        self._streams = server.stream
        self._extra_body = {**server.extra_body, **options.extra_body}
        self._headers = {**server.headers, **options.headers}
        self.timeout_s = options.timeout_s
        self._wished: dict[object, _Settings] = {}
        self._settings_for(options.sampling())
        own = frozenset[str]().union(*(in_header(value) for value in options.headers.values()))
        self.secrets = env.secrets(*([server.key] if server.key else [])) | own | in_url(self.base_url)
        self._wire = Wire(options, DefaultAioHttpClient, DefaultAsyncHttpxClient)
        self.client = AsyncOpenAI(
            api_key=_key(server, options),
            base_url=options.base_url or HOME,  # the SDK takes a blank variable for an address
            timeout=http_timeout(options),
            max_retries=0,
            default_headers=self._headers,
            http_client=self._wire.http,
        )

    def payload(self, request: Request) -> Mapping[str, Any]:
        """Everything that `ask` would send, the image's bytes replaced by the picture's `identity`, headers by hashes (keys left out).

        Raises:
            UserError: a reasoning, temperature or number of tokens that the model would refuse.
        """
        body = self._body(request, lambda picture: picture.identity)
        open_headers = {name: value for name, value in self._headers.items() if not _SECRET_HEADERS.search(name)}
        hashes = {name.lower(): hashlib.sha256(value.encode()).hexdigest()[:16] for name, value in sorted(open_headers.items())}
        return {**body, "headers": hashes} if hashes else body

    async def ask(self, request: Request) -> Reply:
        """Send `request` once.

        Raises:
            Transient, Rejected, Unusable: see `bench.errors`; RefusedParameter where the request may pass without a parameter.
        """
        body = ready_body(request, partial(self._body, request))
        sent = self._settings_for(request.sampling).sent
        started = time.perf_counter()
        try:
            answer, request_id = await (self._streamed(request, sent) if self._streams else self._whole(body, sent))
            return reply_of(answer, time.perf_counter() - started, request_id, self.name, self.secrets)
        except Declined as declined:
            return refusal(declined, time.perf_counter() - started)
        except Rejected as error:
            if not self._streams and not isinstance(error, RefusedParameter) and _STREAM_ONLY.search(str(error)):
                raise RefusedParameter(str(error), parameter=NOT_STREAMED, status=error.status) from None
            raise

    def drop(self, parameter: str) -> bool:
        """See `bench.models.base.Adjustable`."""
        said = parameter
        if parameter == NOT_STREAMED:
            changes, self._streams = not self._streams, True
        elif parameter in _LIMITS and parameter == self._limit and not set(_LIMITS) & self._without:
            self._without.add(parameter)
            self._limit = _LIMITS[1 - _LIMITS.index(parameter)]
            changes, said = True, f"{parameter} (sent as {self._limit})"
        else:
            changes = parameter not in self._without and parameter not in self._extra_body
            self._without.add(parameter)
        if changes:
            self.dropped.append(said)
            self._wished.clear()
        return changes

    async def served(self) -> Mapping[str, Any]:
        """See `bench.models.base.Identified`: asked of servers of the person's own, where one name may stand for any weights."""
        if self.base_url is None or not (self.server.free or self.server is DIRECT):
            return {}
        async with translated(ERRORS, model=self.name, timeout_s=min(self.timeout_s, 10.0), secrets=self.secrets):
            response = await self.client.get("/models", cast_to=httpx2.Response)
        listed: Any = read_body(Answer.of(response), model=self.name, secrets=self.secrets).get("data")
        for entry in cast("list[Any]", listed) if isinstance(listed, list) else []:
            model = mapping(entry)
            if model.get("id") == self.model_id:
                said = {key: model[key] for key in _SAYS_OF_A_MODEL if model.get(key) is not None}
                return json.loads(hide(json.dumps(said), self.secrets))
        return {}

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()
        await self.client.close()

    def body(self, request: Request) -> bytes:
        """A request as it is sent, JSON with the pictures in base64."""
        return ready_body(request, partial(self._body, request))

    async def _whole(self, body: bytes, sent: Iterable[str]) -> tuple[Mapping[str, Any], str | None]:
        async with self._translated(sent):
            response = await self._wire.post(self.client, "/chat/completions", body)
        raise_for_status(response, model=self.name, secrets=self.secrets, sent=sent, hint=self._hint)
        return read_body(response, model=self.name, secrets=self.secrets), response.headers.get("x-request-id")

    async def _streamed(self, request: Request, sent: Iterable[str]) -> tuple[Mapping[str, Any], str | None]:
        body = self._body(request, lambda picture: picture.content.base64().decode("ascii"))
        rest = {name: value for name, value in body.items() if name not in ("model", "messages")}
        opened: Any = self.client.chat.completions.with_streaming_response.create(
            model=body["model"], messages=body["messages"], stream=True, stream_options={"include_usage": True}, extra_body=rest
        )
        async with self._translated(sent), opened as response:
            answer, request_id = await assembled(response.iter_lines()), response.headers.get("x-request-id")
        if answer.get("error"):
            read_body(Answer(200, {}, json.dumps(answer).encode()), model=self.name, secrets=self.secrets)
        return answer, request_id

    @cached_property
    def _hint(self) -> str:
        """What to tell a person whose address is not found."""
        has_version = self.base_url is None or re.search(r"/v\d", urlsplit(self.base_url).path) is not None
        return "" if has_version else f"the address has no /v1: try {cast('str', self.base_url).rstrip('/')}/v1"

    def _translated(self, sent: Iterable[str]) -> Any:
        return translated(ERRORS, model=self.name, timeout_s=self.timeout_s, secrets=self.secrets, sent=sent, hint=self._hint)

    def _body(self, request: Request, encoded: Callable[[Picture], str]) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        for picture in request.pictures:
            image: dict[str, Any] = {"url": f"data:{picture.media_type};base64,{encoded(picture)}"}
            if self.generation.detail is not None and "detail" not in self._without:
                image["detail"] = self.generation.detail
            content.append({"type": "image_url", "image_url": image})
        content.append({"type": "text", "text": request.text})
        return {"model": self.model_id, "messages": [{"role": "user", "content": content}], **self._settings(request)}

    def _settings(self, request: Request) -> Mapping[str, Any]:
        """All of a request but the model's name and the question."""
        found = self._settings_for(request.sampling)
        return {**found.values, self._seed: request.sampling.seed} if found.seeded else found.values

    def _settings_for(self, sampling: Sampling) -> _Settings:
        """Settings of all requests with these wishes: found once, until the server refuses one of them."""
        found = self._wished.get(sampling.wishes)
        if found is None:
            wished = settings(self.name, self.generation, sampling, self.server)
            named = {self._limit if name == self.generation.limit_field else name: value for name, value in wished.items()}
            kept = {name: value for name, value in named.items() if name not in self._without}
            seeded = self._seed in kept and self._seed not in self._extra_body
            found = _Settings({**kept, **self._extra_body}, seeded, frozenset(kept.keys() - self._extra_body.keys()))
            self._wished[sampling.wishes] = found
        return found


def settings(name: str, generation: Generation, sampling: Sampling, server: Server = DIRECT) -> dict[str, Any]:
    """The part of a request that `sampling` decides: the bound on the reply, reasoning, temperature, seed, by the server's names.

    Raises:
        UserError: the model would refuse it.
    """
    body: dict[str, Any] = {generation.limit_field: wishes.room(generation, sampling)}
    wish = wishes.reasoning(name, generation, sampling, budgets=server.reasoning == "object")
    if wish is not None and server.reasoning == "object":
        body["reasoning"] = {"max_tokens": wish} if isinstance(wish, int) else {"enabled": False} if wish == "off" else {"effort": wish}
    elif wish is not None:
        body["reasoning_effort"] = generation.off if wish == "off" else wish
    temperature = wishes.temperature(name, generation, sampling, highest=2.0)
    if temperature is not None:
        body["temperature"] = temperature
        if generation.pin_top_p:
            body["top_p"] = 1.0
    if generation.seed:
        body["seed"] = sampling.seed
    refused = set(server.refuses)
    return {server.renames.get(key, key): value for key, value in body.items() if key not in refused}


def _key(server: Server, options: ModelOptions) -> str:
    key = env.read(server.key) if server.key is not None else None
    own = server is DIRECT and options.base_url is not None
    if key is None and not (own or server.key is None or server.key_optional or options.offline):
        hint = ", or name a compatible server by --base-url" if server is DIRECT else ""
        raise MissingKeyError(f"no key for {'OpenAI' if server is DIRECT else server.name}: set {server.key}{hint}")
    return key or NO_KEY
