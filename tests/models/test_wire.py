"""Both providers against a server that misbehaves: one request each time, sorted into the right kind of trouble, no key in sight."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from bench.errors import ModelError, Rejected, Transient, Unusable
from bench.models.base import Model, Reply, Request, Sampling, Stop, Usage
from bench.models.registry import resolve
from tests.models import fault_server as faults
from tests.models.doors import reached
from tests.models.fault_server import FaultServer, Seen, Step
from tests.models.pictures import picture

KEY = "tk-0123456789abcdef-SECRET"
"""In no shape that `scrub` would know by itself: only knowing the value hides it."""


@dataclass(frozen=True)
class Door:
    """A way to the server: a model's name and the base URL that its SDK needs."""

    name: str
    url: Callable[[FaultServer], str]


DOORS = [
    pytest.param(Door("anthropic/claude-test", lambda server: server.url), id="anthropic"),
    pytest.param(Door("openai/test-model", lambda server: server.openai_url), id="openai"),
    pytest.param(Door("bedrock/anthropic.claude-test-v1:0", lambda server: server.url), id="bedrock"),
]
both = pytest.mark.parametrize("door", DOORS)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


REQUEST = Request("What is shown?", picture("PNG"), Sampling(max_tokens=50, temperature=0.5, seed=7))


def ask(door: Door, *script: Step, request: Request = REQUEST, timeout_s: float = 10.0) -> tuple[Reply | ModelError, FaultServer]:
    """Ask once; also proves that exactly one request went out, and that a later request of the same model, which does not go through the
    SDK, comes to the same.
    """

    async def run(model: Model) -> Reply:
        try:
            return await model.ask(request)
        finally:
            await model.close()

    with FaultServer(*script) as server, reached(door.name, door.url(server), timeout_s=timeout_s) as options:
        model = resolve(door.name, options)
        try:
            outcome: Reply | ModelError = asyncio.run(run(model))
        except ModelError as error:
            outcome = error
        assert len(server.seen) == 1, "a provider asks exactly once: retries belong to the runner"
    later = _later(door, script, request, timeout_s)
    assert type(later) is type(outcome)
    if isinstance(outcome, ModelError) and isinstance(later, ModelError):
        assert (later.status, later.maybe_paid) == (outcome.status, outcome.maybe_paid)
    return outcome, server


def _later(door: Door, script: tuple[Step, ...], request: Request, timeout_s: float) -> Reply | ModelError:
    """What a request comes to after one that was answered."""

    async def run(model: Model) -> Reply | ModelError:
        try:
            await model.ask(request)
            return await model.ask(request)
        except ModelError as error:
            return error
        finally:
            await model.close()

    with FaultServer(faults.say("B"), *script) as server, reached(door.name, door.url(server), timeout_s=timeout_s) as options:
        found = asyncio.run(run(resolve(door.name, options)))
        assert not isinstance(found, ModelError) or found.__cause__ is None
        assert len(server.seen) == 2
    return found


def fails(door: Door, step: Step, kind: type[ModelError], timeout_s: float = 10.0) -> ModelError:
    outcome, _ = ask(door, step, timeout_s=timeout_s)
    assert type(outcome) is kind, outcome
    assert isinstance(outcome, ModelError)
    assert outcome.__cause__ is None
    assert outcome.__suppress_context__ or outcome.__context__ is None, "the SDK's error may hold a key and must be cut off"
    assert "\n" not in str(outcome)
    return outcome


def answers(door: Door, step: Step) -> Reply:
    outcome, _ = ask(door, step)
    assert isinstance(outcome, Reply), outcome
    return outcome


@both
def test_an_answer_carries_text_usage_ids(door: Door) -> None:
    reply = answers(door, faults.say("It is <b>4:23</b>.\n"))
    assert reply.text == "It is <b>4:23</b>.\n"
    assert reply.stop is Stop.END
    assert reply.usage == Usage(input=10, output=7, reasoning=3)
    assert reply.request_id == "req_1"
    assert reply.model is not None
    assert reply.model.endswith("-served")
    assert 0 < reply.latency_s < 10
    assert not reply.cached


@both
def test_what_is_sent_is_the_payload_and_the_image(door: Door) -> None:
    _, server = ask(door)
    with reached(door.name, door.url(server)) as options:
        model = resolve(door.name, options)
    sent = dict(server.seen[0].body)
    expected = dict(model.payload(REQUEST))
    if door.name.startswith("bedrock/"):  # the SDK moves the model into the path
        assert server.seen[0].path == f"/model/{expected.pop('model')}/invoke"
    image, text = sent["messages"][0]["content"]
    assert text == {"type": "text", "text": REQUEST.text}
    assert REQUEST.picture is not None
    encoded = base64.b64encode(REQUEST.picture.data).decode()
    placed = expected["messages"][0]["content"][0]
    if server.seen[0].openai:
        assert image["image_url"]["url"] == f"data:image/png;base64,{encoded}"
        placed["image_url"]["url"] = placed["image_url"]["url"].replace(REQUEST.picture.identity, encoded)
    else:
        assert image["source"] == {"type": "base64", "media_type": "image/png", "data": encoded}
        assert placed["source"]["data"] == REQUEST.picture.identity
        placed["source"]["data"] = encoded
    assert sent == expected


@pytest.mark.parametrize(("wish", "version"), [(0.5, "2023-06-01"), (None, "2026-10-21")])
def test_a_temperature_goes_with_the_version_that_takes_one(wish: float | None, version: str) -> None:
    """The SDK's own version of the protocol refuses a temperature for every model."""
    _, server = ask(Door("anthropic/x", lambda server: server.url), request=Request("?", None, Sampling(temperature=wish)))
    assert server.seen[0].headers["anthropic-version"] == version
    assert server.seen[0].body.get("temperature") == wish
    _, server = ask(Door("bedrock/x", lambda server: server.url), request=Request("?", None, Sampling(temperature=wish)))
    assert server.seen[0].body["anthropic_version"] == ("2026-10-21" if wish is None else "bedrock-2023-05-31")


@both
def test_text_alone_is_sent_without_an_image_block(door: Door) -> None:
    _, server = ask(door, request=Request("2 + 2?", None, Sampling()))
    assert [block["type"] for block in server.seen[0].content] == ["text"]


@both
@pytest.mark.parametrize(
    ("stop", "expected"), [("end", Stop.END), ("length", Stop.LENGTH), ("refusal", Stop.REFUSAL), ("something_new", Stop.END)]
)
def test_stops(door: Door, stop: str, expected: Stop) -> None:
    assert answers(door, faults.say("Hm", stop)).stop is expected


@pytest.mark.parametrize(("stop", "expected"), [("pause_turn", Stop.LENGTH), ("model_context_window_exceeded", Stop.LENGTH)])
def test_stops_of_anthropic(stop: str, expected: Stop) -> None:
    assert answers(Door("anthropic/x", lambda server: server.url), faults.say("Hm", stop)).stop is expected


def test_a_refusal_of_openai_keeps_its_words() -> None:
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": None, "refusal": "I can't help with that."}}
    reply = answers(Door("openai/x", lambda server: server.openai_url), Step(body={"choices": [choice]}))
    assert (reply.stop, reply.text, reply.usage) == (Stop.REFUSAL, "I can't help with that.", Usage())


@both
def test_empty_content_is_an_answer_without_text(door: Door) -> None:
    reply = answers(door, faults.say(None))
    assert (reply.text, reply.stop) == ("", Stop.END)


def test_cached_input_counts_as_input() -> None:
    usage = {"input_tokens": 5, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 300, "output_tokens": 1}
    assert answers(Door("anthropic/x", lambda server: server.url), faults.say("B", usage=usage)).usage == Usage(
        input=325, output=1, cache_read=300, cache_write=20
    )


@both
@pytest.mark.parametrize(
    ("wait", "expected"),
    [(3, 3.0), ("0.25", 0.25), (None, None), ("soon", None), ("-4", None), ("0", None), ("nan", None)],
)
def test_rate_limit_names_its_wait(door: Door, wait: float | str | None, expected: float | None) -> None:
    error = fails(door, faults.rate_limit(wait), Transient)
    assert isinstance(error, Transient)
    assert error.retry_after == expected
    assert (error.status, error.request_id) == (429, "req_1")


@both
def test_rate_limit_with_a_date_or_milliseconds(door: Door) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=30)
    error = fails(door, faults.rate_limit(format_datetime(moment, usegmt=True)), Transient)
    assert isinstance(error, Transient)
    assert error.retry_after is not None
    assert 20 < error.retry_after <= 30
    precise = faults.error(429, "rate_limit_error", headers={"retry-after-ms": "1250", "retry-after": "9"})
    error = fails(door, precise, Transient)
    assert isinstance(error, Transient)
    assert error.retry_after == 1.25


@both
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_worth_another_try(door: Door, status: int) -> None:
    assert fails(door, faults.error(status, "whatever"), Transient).status == status


@both
@pytest.mark.parametrize("status", [400, 413, 422])
def test_this_request_never(door: Door, status: int) -> None:
    error = fails(door, faults.error(status, "invalid_request_error", "image exceeds 10 MB"), Rejected)
    assert error.status == status
    assert "image exceeds 10 MB" in str(error)


@both
@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_this_model_never(door: Door, status: int) -> None:
    assert fails(door, faults.error(status, "not_found_error", "model: nope"), Unusable).status == status


@both
@pytest.mark.parametrize("openai", [False, True])
def test_a_spend_cap_is_no_rate_limit(door: Door, openai: bool) -> None:
    assert fails(door, faults.spend_cap(openai=openai), Unusable).status == 429


@both
def test_a_hold_or_an_unknown_model_in_a_400_stops_the_run(door: Door) -> None:
    fails(door, faults.error(400, "invalid_request_error", code="organization_on_hold"), Unusable)
    fails(door, faults.error(400, "invalid_request_error", code="model_not_found"), Unusable)


@both
def test_overload(door: Door) -> None:
    assert fails(door, faults.overloaded(), Transient).status == 529
    assert fails(door, faults.overloaded(inside_200=True), Transient).status == 529


@both
@pytest.mark.parametrize(
    ("step", "kind", "status"),
    [
        (faults.error(200, "authentication_error"), Unusable, 401),
        (faults.error(200, "invalid_request_error"), Rejected, 400),
        (Step(body={"error": {"code": 429, "message": "slow down"}}), Transient, 429),
        (Step(body={"error": {"code": 402, "message": "no credit"}}), Unusable, 402),
        (Step(body={"error": "upstream broke"}), Transient, 500),
    ],
)
def test_errors_inside_a_200(door: Door, step: Step, kind: type[ModelError], status: int) -> None:
    assert fails(door, step, kind).status == status


@both
@pytest.mark.parametrize(
    "step",
    [
        faults.cut(),
        faults.malformed(),
        Step(raw=b""),
        Step(raw=b"[1, 2]"),
        Step(raw=b"\xff\xfe"),
        Step(body={}),
        Step(body={"content": "B", "choices": []}),
        Step(status=502, raw=b"<html>Bad Gateway</html>", headers={"content-type": "text/html"}),
        Step(status=500, cut=True),
    ],
    ids=["cut", "malformed", "empty", "list", "no-utf8", "no-answer", "bent", "html", "cut-error"],
)
def test_a_broken_answer_is_worth_another_try(door: Door, step: Step) -> None:
    fails(door, step, Transient)


@both
def test_a_hang_ends_with_the_timeout(door: Door) -> None:
    assert "no answer within 0.2 s" in str(fails(door, faults.hang(5), Transient, timeout_s=0.2))


@both
def test_nobody_listens(door: Door) -> None:
    with FaultServer() as server:
        url = door.url(server)

    async def run() -> None:
        with reached(door.name, url) as options:
            model = resolve(door.name, options)
        try:
            await model.ask(REQUEST)
        finally:
            await model.close()

    with pytest.raises(Transient, match="connection failed"):
        asyncio.run(run())


@both
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_no_key_in_a_message_even_if_the_server_says_it(door: Door, status: int) -> None:
    outcome, server = ask(door, faults.echo_key(status))
    assert KEY in str(dict(server.seen[0].headers)), "the key was sent, or this test proves nothing"
    assert isinstance(outcome, ModelError)
    assert "invalid key" in str(outcome)
    assert KEY not in f"{outcome} {outcome!r} {vars(outcome)}"
    assert "SECRET" not in str(outcome)


@both
def test_one_connection_pool_serves_all_at_once(door: Door) -> None:
    """Twenty requests at concurrency twenty are open together: none waits for a connection."""

    async def run(model: Model) -> list[Reply]:
        try:
            return await asyncio.gather(*(model.ask(REQUEST) for _ in range(20)))
        finally:
            await model.close()

    with FaultServer(rule=lambda _: faults.hang(0.4)) as server, reached(door.name, door.url(server), concurrency=20) as options:
        model = resolve(door.name, options)
        assert len(asyncio.run(run(model))) == 20
        assert server.peak == 20


@pytest.mark.parametrize("door", DOORS[:2])
def test_the_first_of_many_goes_through_the_sdk_and_the_others_do_not_wait_for_its_answer(door: Door) -> None:
    """They are posted as soon as it is known where to and with which headers, which are the same; Bedrock signs every request."""
    by_sdk = 0

    async def run(model: Any) -> list[Reply]:
        post = model.client.post

        async def counted(*arguments: Any, **more: Any) -> Any:
            nonlocal by_sdk
            by_sdk += 1
            return await post(*arguments, **more)

        model.client.post = counted
        try:
            return await asyncio.gather(*(model.ask(REQUEST) for _ in range(20)))
        finally:
            await model.close()

    with FaultServer(rule=lambda _: faults.hang(0.4)) as server, reached(door.name, door.url(server), concurrency=20) as options:
        assert len(asyncio.run(run(resolve(door.name, options)))) == 20
        assert (by_sdk, server.peak) == (1, 20)
        kept = [
            {name: value for name, value in seen.headers.items() if name not in ("connection", "content-length")} for seen in server.seen
        ]
        assert all(headers == kept[0] for headers in kept)
        assert KEY in str(kept[0])


OWN = "tk-of-a-header-of-mine"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same server", "another"])
@pytest.mark.parametrize("at", [1, 2], ids=["at once", "later"])
def test_keys_stay_with_the_server_that_they_were_meant_for(elsewhere: bool, at: int) -> None:
    """A server that redirects: the first request, which goes through the SDK, or the second, which does not."""

    async def run(model: Model) -> list[str]:
        try:
            return [(await model.ask(REQUEST)).text for _ in range(3)]
        finally:
            await model.close()

    with FaultServer() as there, FaultServer() as here:
        asked = 0

        def rule(seen: Seen) -> Step:
            nonlocal asked
            asked += 1
            moved = f"{(there if elsewhere else here).openai_url}/moved/chat/completions"
            return Step(status=307, headers={"location": moved}) if asked >= at and "moved" not in seen.path else faults.say("B")

        here.play(rule)
        with reached("openai/test-model", here.openai_url, headers={"X-Mine": OWN}) as options:
            assert asyncio.run(run(resolve("openai/test-model", options))) == ["B"] * 3
        carried = [[KEY in str(seen.headers), OWN in str(seen.headers)] for seen in here.seen]
        assert carried == [[True, True]] * len(carried)
        assert len(there.seen) == ((4 - at) if elsewhere else 0)
        assert not [seen for seen in there.seen if KEY in str(seen.headers) or OWN in str(seen.headers)]


@pytest.mark.parametrize("door", DOORS[:2])
def test_a_first_request_that_fails_before_it_is_sent_keeps_no_other_waiting(door: Door) -> None:
    async def run(model: Any) -> list[Reply | BaseException]:
        post, model.client.post = model.client.post, None  # the first call fails at once, as where a request cannot be built

        async def mended() -> Reply:
            model.client.post = post
            return await model.ask(REQUEST)

        try:
            asked: list[Coroutine[Any, Any, Reply]] = [model.ask(REQUEST), mended(), model.ask(REQUEST)]
            return await asyncio.gather(*asked, return_exceptions=True)
        finally:
            await model.close()

    with FaultServer() as server, reached(door.name, door.url(server)) as options:
        failed, *others = asyncio.run(run(resolve(door.name, options)))
        assert isinstance(failed, TypeError)
        assert all(isinstance(other, Reply) for other in others)
        assert len(server.seen) == 2


def test_keyless_server_gets_a_placeholder(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name)
    _, server = ask(Door("openai/local/model-7b", lambda server: server.openai_url))
    assert server.seen[0].headers["authorization"] == "Bearer no-key-needed"
    assert server.seen[0].body["model"] == "local/model-7b"
    _, server = ask(Door("anthropic/claude-test", lambda server: server.url))
    assert "no-key-needed" in server.seen[0].headers["authorization"]
