"""Claude by Anthropic's SDK: `anthropic/…` (first party), `bedrock/…` and `vertex/…` (the same messages through other front doors).

A request is one user message, the picture before the text. How reasoning is asked for depends on the generation (`aliases.toml`):

- 3.5 has none to set;
- 3.7 to 4.5 take `thinking.budget_tokens`, which must be at least 1,024 and below max_tokens, and no temperature with it;
- from 4.6 thinking is adaptive and steered by `output_config.effort`; 4.6 takes a budget too; from 4.7 no temperature is taken at all.

The SDK speaks a version of the protocol without sampling parameters, so a request with a temperature names the version before it.

Pictures carry `oversized_image: error` on the first-party API, so that a picture beyond the model's own resolution is refused and never
scaled down unseen; `limits` keep us well within it. An empty content list that ends its turn is an answer without text, not a failure: the
model had its turn, and asking again would hide it.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import httpx2
from anthropic import (
    AnthropicError,
    APIConnectionError,
    APIStatusError,
    AsyncAnthropic,
    DefaultAsyncHttpxClient,
)

from bench import env
from bench.errors import MissingExtraError, Transient, UserError
from bench.extras import optional
from bench.image import ImageLimits, Picture
from bench.models.aliases import Generation, generation_of
from bench.models.api import wishes as asking
from bench.models.api.http_errors import SdkErrors, count, mapping, read_body, translated, word
from bench.models.api.transport import NO_KEY, http_limits, http_timeout
from bench.models.base import ModelOptions, Reply, Request, Sampling, Stop, Usage

if TYPE_CHECKING:
    from anthropic.lib.bedrock import AsyncAnthropicBedrock
    from anthropic.lib.vertex import AsyncAnthropicVertex

BUDGETS = {"low": 1024, "medium": 4096, "high": 16384}
"""Tokens of thinking for a level, on generations that take a budget: the documented minimum, and its four- and sixteenfold."""

MIN_BUDGET = 1024
MAX_BASE64 = {"anthropic": 10_000_000, "vertex": 5_000_000, "bedrock": 5_000_000}
"""Bytes of one image after base64, as Anthropic documents them; for Vertex AI, whose bound is not stated, the lower one."""

_SAMPLING_VERSION = {"anthropic": "2023-06-01", "bedrock": "bedrock-2023-05-31", "vertex": "vertex-2023-10-16"}
"""Versions of the protocol that take a temperature. The SDK's own, 2026-10-21, refuses one for every model, even at its default value."""

_STOPS = {
    "end_turn": Stop.END,
    "stop_sequence": Stop.END,
    "max_tokens": Stop.LENGTH,
    "model_context_window_exceeded": Stop.LENGTH,
    "pause_turn": Stop.LENGTH,  # the server stopped a turn that was not finished
    "refusal": Stop.REFUSAL,
}


class Claude:
    """A model of Anthropic's behind one of three front doors. See the module's text.

    Attributes:
        base_url: the server asked instead of the provider's own, or None.
        client, errors, secrets, timeout_s: the SDK's client, its errors, what no message may hold, and the bound of one request in seconds.
    """

    simulated = False

    def __init__(self, name: str, provider: str, model_id: str, options: ModelOptions) -> None:
        """Prepare the client; nothing is sent.

        Raises:
            UserError: no key or region, or a reasoning, temperature or number of tokens that the model would refuse.
            MissingExtraError: the package for `bedrock` or `vertex` is missing.
        """
        self.name = name
        self.provider = provider
        self.model_id = model_id
        self.base_url = options.base_url
        self.generation = generation_of(provider, model_id, "unknown-claude")
        self.limits: ImageLimits = self.generation.limits(MAX_BASE64[provider])
        settings(name, self.generation, options.sampling())
        self.timeout_s = options.timeout_s
        self.client = _CLIENTS[provider](options)
        self.secrets = env.secrets()
        self.errors = SdkErrors(APIStatusError, APIConnectionError, (AnthropicError, *_credential_errors(provider)))

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
        body = self.body(request)
        started = time.perf_counter()
        async with translated(self.errors, model=self.name, timeout_s=self.timeout_s, secrets=self.secrets):
            response = await self.client.post("/v1/messages", cast_to=httpx2.Response, body=body, options={"headers": self.headers(body)})
        answer = read_body(response, model=self.name, secrets=self.secrets)
        return reply_of(answer, time.perf_counter() - started, response.headers.get("request-id"), self.name)

    async def close(self) -> None:
        """Release the connections."""
        await self.client.close()

    def headers(self, body: Mapping[str, Any]) -> dict[str, str]:
        """What a request of this `body` needs to say beside it."""
        return {"anthropic-version": _SAMPLING_VERSION["anthropic"]} if "temperature" in body and self.provider == "anthropic" else {}

    def body(self, request: Request) -> dict[str, Any]:
        """A request as it is sent, the pictures in base64."""
        return self._body(request, lambda picture: base64.b64encode(picture.data).decode("ascii"))

    def _body(self, request: Request, encoded: Callable[[Picture], str]) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        for picture in request.pictures:
            source = {"type": "base64", "media_type": picture.media_type, "data": encoded(picture)}
            block: dict[str, Any] = {"type": "image", "source": source}
            if self.provider == "anthropic":
                block["transformations"] = {"oversized_image": "error"}
            content.append(block)
        content.append({"type": "text", "text": request.text})
        body = {"model": self.model_id, "messages": [{"role": "user", "content": content}]}
        body |= settings(self.name, self.generation, request.sampling)
        if "temperature" in body and self.provider != "anthropic":
            body["anthropic_version"] = _SAMPLING_VERSION[self.provider]
        return body


def settings(name: str, generation: Generation, sampling: Sampling) -> dict[str, Any]:
    """The part of a request that `sampling` decides: max_tokens, thinking, effort, temperature.

    Raises:
        UserError: the model would refuse it.
    """
    body: dict[str, Any] = {"max_tokens": sampling.max_tokens}
    wish = asking.reasoning(name, generation, sampling)
    if wish == "off":
        body["thinking"] = {"type": generation.off}
    elif isinstance(wish, int) or (wish is not None and generation.reasoning == "budget"):
        body["thinking"] = {"type": "enabled", "budget_tokens": _budget(name, wish, sampling.max_tokens)}
    elif wish is not None:
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": wish}
    temperature = asking.temperature(name, generation, sampling, highest=1.0)
    if temperature is not None:
        body["temperature"] = temperature
    return body


def _budget(name: str, wish: str | int, max_tokens: int) -> int:
    budget = wish if isinstance(wish, int) else BUDGETS[wish]
    if budget < MIN_BUDGET:
        raise UserError(f"{name}: a reasoning budget must be at least {MIN_BUDGET:,} tokens, found {budget:,}")
    if budget >= max_tokens:
        raise UserError(f"{name}: --reasoning {wish} is a budget of {budget:,} tokens and must be below --max-tokens, found {max_tokens:,}")
    return budget


def reply_of(body: Mapping[str, Any], latency_s: float, request_id: str | None, name: str) -> Reply:
    """The reply in the JSON object that the server sent; what it leaves out or bends counts as not said.

    Raises:
        Transient: there is no answer in it.
    """
    content = body.get("content")
    if not isinstance(content, list):
        raise Transient(f"{name}: the answer holds no content list", request_id=request_id)
    blocks = [mapping(block) for block in cast("list[Any]", content)]
    return Reply(
        text="".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text"),
        stop=_STOPS.get(str(body.get("stop_reason")), Stop.END),
        usage=_usage(mapping(body.get("usage"))),
        latency_s=latency_s,
        request_id=request_id,
        model=word(body.get("model")),
    )


def _usage(usage: Mapping[str, Any]) -> Usage:
    cached = count(usage.get("cache_creation_input_tokens")) + count(usage.get("cache_read_input_tokens"))
    return Usage(
        input=count(usage.get("input_tokens")) + cached,
        output=count(usage.get("output_tokens")),
        reasoning=count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


def _http(options: ModelOptions) -> httpx2.AsyncClient:
    return DefaultAsyncHttpxClient(limits=http_limits(options), timeout=http_timeout(options))


def _first_party(options: ModelOptions) -> AsyncAnthropic:
    key = env.read(env.ANTHROPIC_KEY)
    if key is None and options.base_url is None:
        raise UserError(f"no key for Anthropic: set {env.ANTHROPIC_KEY}")
    return AsyncAnthropic(
        api_key=key or NO_KEY, base_url=options.base_url, timeout=http_timeout(options), max_retries=0, http_client=_http(options)
    )


def _bedrock(options: ModelOptions) -> AsyncAnthropicBedrock:
    if importlib.util.find_spec("boto3") is None:
        raise MissingExtraError("boto3", "bedrock")
    from anthropic.lib.bedrock import AsyncAnthropicBedrock

    session: Any = optional("boto3", "bedrock").Session()
    region = env.read(*env.AWS_REGIONS) or session.region_name
    if not region:
        raise UserError(f"no AWS region for Bedrock: set {env.AWS_REGIONS[0]}")
    key = env.read(env.BEDROCK_KEY)
    if key is None and session.get_credentials() is None:
        raise UserError(
            f"no AWS credentials for Bedrock: set {env.BEDROCK_KEY}, AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return AsyncAnthropicBedrock(
        aws_region=region, api_key=key, base_url=options.base_url, timeout=http_timeout(options), max_retries=0, http_client=_http(options)
    )


def _vertex(options: ModelOptions) -> AsyncAnthropicVertex:
    if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.auth") is None:
        raise MissingExtraError("google-auth", "vertex")
    from anthropic.lib.vertex import AsyncAnthropicVertex

    region = env.read(env.VERTEX_REGION)
    if region is None:
        raise UserError(f"no region for Vertex AI: set {env.VERTEX_REGION} (for example global)")
    google: Any = optional("google.auth", "vertex")
    try:
        credentials, found = google.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except google.exceptions.DefaultCredentialsError:
        raise UserError("no Google credentials for Vertex AI: set GOOGLE_APPLICATION_CREDENTIALS, or sign in with gcloud") from None
    project = env.read(*env.VERTEX_PROJECTS) or found
    if not project:
        raise UserError(f"no project for Vertex AI: set {env.VERTEX_PROJECTS[0]}")
    return AsyncAnthropicVertex(
        region=region,
        project_id=project,
        credentials=credentials,
        base_url=options.base_url,
        timeout=http_timeout(options),
        max_retries=0,
        http_client=_http(options),
    )


def _credential_errors(provider: str) -> tuple[type[Exception], ...]:
    if provider == "bedrock":
        return (optional("botocore.exceptions", "bedrock").BotoCoreError,)
    if provider == "vertex":
        return (optional("google.auth.exceptions", "vertex").GoogleAuthError,)
    return ()


_CLIENTS = {"anthropic": _first_party, "bedrock": _bedrock, "vertex": _vertex}
