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

import importlib
import importlib.util
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import httpx2
from anthropic import (
    AnthropicError,
    APIConnectionError,
    APIStatusError,
    AsyncAnthropic,
    DefaultAioHttpClient,
    DefaultAsyncHttpxClient,
)

from bench import env
from bench.errors import Declined, MissingExtraError, MissingKeyError, Transient, UserError
from bench.extras import optional
from bench.image import ImageLimits, Picture
from bench.models.aliases import Generation, find, generation_of
from bench.models.api import wishes
from bench.models.api.bodies import ready_body
from bench.models.api.chat_reply import SPENT, checked, refusal
from bench.models.api.http_errors import SdkErrors, count, mapping, raise_for_status, read_body, translated, word
from bench.models.api.transport import NO_KEY, Answer, Wire, http_timeout
from bench.models.base import ModelOptions, Reply, Request, Sampling, Stop, Usage
from bench.models.image_tokens import image_tokens
from bench.scrub import in_url

if TYPE_CHECKING:
    from anthropic.lib.bedrock import AsyncAnthropicBedrock
    from anthropic.lib.vertex import AsyncAnthropicVertex

HOME = "https://api.anthropic.com"
PATH = "/v1/messages"
MIN_BUDGET = 1024
MAX_BASE64 = {"anthropic": 10_000_000, "vertex": 5_000_000, "bedrock": 5_000_000}
"""Bytes of one image after base64: 10 MB direct, 5 MB on Bedrock; for Vertex AI, whose bound is not published, the lower one."""

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
        dropped: what the server turned out to refuse.
        keeps: fewest tokens of a prompt that the provider keeps at hand for other requests, or None where it is not told to.
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
        self.timeout_s = options.timeout_s
        self.dropped: list[str] = []
        self._without: set[str] = set()
        self._wished: dict[object, Mapping[str, Any]] = {}
        self.settings(options.sampling())
        alias = find(provider, model_id)
        self.keeps = alias.keeps if alias is not None and provider == "anthropic" and not options.batch else None
        self._wire = Wire(options, DefaultAioHttpClient, DefaultAsyncHttpxClient)
        self.client = _CLIENTS["anthropic" if options.offline else provider](options, self._wire.http)
        self.secrets = env.secrets() | in_url(self.base_url)
        self.errors = SdkErrors(APIStatusError, APIConnectionError, (AnthropicError, *_credential_errors(provider, options)))

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
        wished = self.settings(request.sampling)
        sent, headers = wished.keys() - {"max_tokens", "anthropic_version"}, self.headers(wished)
        if self.provider == "anthropic":
            work = partial(self._wire.post, self.client, PATH, self.body(request), headers)
        else:  # the SDK moves parts of the body into the address and signs it
            body = self._marked(request, lambda picture: picture.content.base64().decode("ascii"))
            work = partial(self._posted, body, headers)
        started = time.perf_counter()
        try:
            async with translated(self.errors, model=self.name, timeout_s=self.timeout_s, secrets=self.secrets, sent=sent):
                response = await work()
            raise_for_status(response, model=self.name, secrets=self.secrets, sent=sent)
            answer = read_body(response, model=self.name, secrets=self.secrets)
        except Declined as declined:
            return refusal(declined, time.perf_counter() - started)
        return reply_of(answer, time.perf_counter() - started, response.headers.get("request-id"), self.name, self.secrets)

    async def _posted(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
        return Answer.of(await self.client.post(PATH, cast_to=httpx2.Response, body=dict(body), options={"headers": dict(headers)}))

    def drop(self, parameter: str) -> bool:
        """See `bench.models.base.Adjustable`."""
        if parameter in self._without:
            return False
        self._without.add(parameter)
        self.dropped.append(parameter)
        self._wished.clear()
        return True

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()
        await self.client.close()

    def headers(self, body: Mapping[str, Any]) -> dict[str, str]:
        """What a request of this `body` needs to say beside it."""
        return {"anthropic-version": _SAMPLING_VERSION["anthropic"]} if "temperature" in body and self.provider == "anthropic" else {}

    def body(self, request: Request) -> bytes:
        """A request as it is sent: JSON with the pictures in base64, see `_marked`."""
        return ready_body(request, partial(self._marked, request))

    def _marked(self, request: Request, encoded: Callable[[Picture], str]) -> dict[str, Any]:
        """The body with the first picture marked to be kept at hand where other requests show it too.

        The mark changes what a request costs and not what is answered, so it is no part of `payload`.
        """
        body = self._body(request, encoded)
        if self.keeps_picture(request):
            body["messages"][0]["content"][0]["cache_control"] = {"type": "ephemeral"}
        return body

    def keeps_picture(self, request: Request) -> bool:
        """Whether the picture of `request` is shared by other requests, and large enough for the provider to keep."""
        picture = request.picture
        if not request.shared or picture is None or self.keeps is None:
            return False
        return image_tokens(self.generation.image_tokens, picture.width, picture.height).low >= self.keeps

    def _body(self, request: Request, encoded: Callable[[Picture], str]) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        for picture in request.pictures:
            source = {"type": "base64", "media_type": picture.media_type, "data": encoded(picture)}
            block: dict[str, Any] = {"type": "image", "source": source}
            if self.provider == "anthropic":
                block["transformations"] = {"oversized_image": "error"}
            content.append(block)
        content.append({"type": "text", "text": request.text})
        return {"model": self.model_id, "messages": [{"role": "user", "content": content}], **self.settings(request.sampling)}

    def settings(self, sampling: Sampling) -> Mapping[str, Any]:
        """All of a request but the model's name and the question: found once for these wishes, until the server refuses one of them."""
        found = self._wished.get(sampling.wishes)
        if found is None:
            wished = settings(self.name, self.generation, sampling)
            found = {name: value for name, value in wished.items() if name not in self._without}
            if "temperature" in found and self.provider != "anthropic":
                found["anthropic_version"] = _SAMPLING_VERSION[self.provider]
            self._wished[sampling.wishes] = found
        return found


def settings(name: str, generation: Generation, sampling: Sampling) -> dict[str, Any]:
    """The part of a request that `sampling` decides: max_tokens, thinking, effort, temperature.

    Raises:
        UserError: the model would refuse it.
    """
    limit = wishes.room(generation, sampling)
    body: dict[str, Any] = {"max_tokens": limit}
    wish = wishes.reasoning(name, generation, sampling)
    if wish == "off":
        body["thinking"] = {"type": generation.off}
    elif isinstance(wish, int) or (wish is not None and generation.reasoning == "budget"):
        body["thinking"] = {"type": "enabled", "budget_tokens": _budget(name, wish, limit)}
    elif wish is not None:
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": wish}
    temperature = wishes.temperature(name, generation, sampling, highest=1.0)
    if temperature is not None:
        body["temperature"] = temperature
    return body


def _budget(name: str, wish: str | int, max_tokens: int) -> int:
    budget = wish if isinstance(wish, int) else wishes.BUDGETS[wish]
    if budget < MIN_BUDGET:
        raise UserError(f"{name}: a reasoning budget must be at least {MIN_BUDGET:,} tokens, found {budget:,}")
    if budget >= max_tokens:
        raise UserError(f"{name}: --reasoning {wish} is a budget of {budget:,} tokens and must be below --max-tokens, found {max_tokens:,}")
    return budget


def reply_of(body: Mapping[str, Any], latency_s: float, request_id: str | None, name: str, secrets: Iterable[str]) -> Reply:
    """The reply in the JSON object that the server sent; what it leaves out or bends counts as not said.

    Raises:
        Transient: there is no answer in it.
        Rejected: see `checked`.
    """
    content = body.get("content")
    if not isinstance(content, list):
        raise Transient(f"{name}: the answer holds no content list", request_id=request_id, maybe_paid=True)
    blocks = [mapping(block) for block in cast("list[Any]", content)]
    text = "".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")
    stop = _STOPS.get(str(body.get("stop_reason")), Stop.END)
    found = Reply(
        text=text,
        stop=stop,
        usage=_usage(mapping(body.get("usage"))),
        latency_s=latency_s,
        request_id=request_id,
        model=word(body.get("model")),
        why=SPENT if stop is Stop.LENGTH and not text.strip() and any("thinking" in str(block.get("type")) for block in blocks) else None,
    )
    return checked(found, name, secrets)


def _usage(usage: Mapping[str, Any]) -> Usage:
    kept, cached = count(usage.get("cache_creation_input_tokens")), count(usage.get("cache_read_input_tokens"))
    return Usage(
        input=count(usage.get("input_tokens")) + kept + cached,
        output=count(usage.get("output_tokens")),
        reasoning=count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
        cache_read=cached,
        cache_write=kept,
    )


def _first_party(options: ModelOptions, http: httpx2.AsyncClient) -> AsyncAnthropic:
    key, token = env.read(env.ANTHROPIC_KEY), env.read(env.ANTHROPIC_TOKEN)
    if key is None and token is None and options.base_url is None and not options.offline:
        raise MissingKeyError(f"no key for Anthropic: set {env.ANTHROPIC_KEY} (or {env.ANTHROPIC_TOKEN})")
    return AsyncAnthropic(
        api_key=key or (None if token else NO_KEY),
        auth_token=None if key else token,
        base_url=options.base_url or HOME,  # the SDK takes a blank variable for an address
        timeout=http_timeout(options),
        max_retries=0,
        http_client=http,
    )


def _bedrock(options: ModelOptions, http: httpx2.AsyncClient) -> AsyncAnthropicBedrock:
    if importlib.util.find_spec("boto3") is None:
        raise MissingExtraError("boto3", "bedrock")
    from anthropic.lib.bedrock import AsyncAnthropicBedrock

    session: Any = optional("boto3", "bedrock").Session()
    region = env.read(*env.AWS_REGIONS) or session.region_name
    if not region:
        raise MissingKeyError(f"no AWS region for Bedrock: set {env.AWS_REGIONS[0]}")
    key = env.read(env.BEDROCK_KEY)
    if key is None and session.get_credentials() is None:
        raise MissingKeyError(
            f"no AWS credentials for Bedrock: set {env.BEDROCK_KEY}, AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return AsyncAnthropicBedrock(
        aws_region=region, api_key=key, base_url=options.base_url, timeout=http_timeout(options), max_retries=0, http_client=http
    )


def _vertex(options: ModelOptions, http: httpx2.AsyncClient) -> AsyncAnthropicVertex:
    if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.auth") is None:
        raise MissingExtraError("google-auth", "vertex")
    from anthropic.lib.vertex import AsyncAnthropicVertex

    region = env.read(env.VERTEX_REGION)
    if region is None:
        raise MissingKeyError(f"no region for Vertex AI: set {env.VERTEX_REGION} (for example global)")
    google: Any = optional("google.auth", "vertex")
    try:
        credentials, found = google.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except google.exceptions.DefaultCredentialsError:
        raise MissingKeyError("no Google credentials for Vertex AI: set GOOGLE_APPLICATION_CREDENTIALS, or sign in with gcloud") from None
    project = env.read(*env.VERTEX_PROJECTS) or found
    if not project:
        raise MissingKeyError(f"no project for Vertex AI: set {env.VERTEX_PROJECTS[0]}")
    return AsyncAnthropicVertex(
        region=region,
        project_id=project,
        credentials=credentials,
        base_url=options.base_url,
        timeout=http_timeout(options),
        max_retries=0,
        http_client=http,
    )


def _credential_errors(provider: str, options: ModelOptions) -> tuple[type[Exception], ...]:
    if options.offline:
        return ()
    if provider == "bedrock":
        return (optional("botocore.exceptions", "bedrock").BotoCoreError,)
    if provider == "vertex":
        return (optional("google.auth.exceptions", "vertex").GoogleAuthError,)
    return ()


_CLIENTS = {"anthropic": _first_party, "bedrock": _bedrock, "vertex": _vertex}
