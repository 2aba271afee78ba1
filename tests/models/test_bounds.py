"""Answers without measure, and answers that repeat what they were sent: one request, bounded, and no secret in what is kept."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import resource
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ModelError, Rejected, Transient
from bench.models.api import transport
from bench.models.api.http_errors import parsed
from bench.models.base import Reply, Request, Sampling
from bench.models.registry import resolve
from bench.scrub import hide, in_header, in_url
from tests.models import fault_server as faults
from tests.models import test_wire
from tests.models.doors import reached
from tests.models.fault_server import FaultServer, Seen, Step
from tests.models.test_wire import DOORS, KEY, Door

keys = test_wire.keys

both = pytest.mark.parametrize("door", DOORS)


def outcome(door: Door, step: Step | Callable[[Seen], Step], timeout_s: float = 10.0, **options: Any) -> Reply | ModelError:
    """What one request comes to, as the first of a model and after one that was answered: those go out in two ways."""

    async def ask(model: Any) -> Reply | ModelError:
        try:
            return await model.ask(Request("What is shown?", None, Sampling(max_tokens=50)))
        except ModelError as error:
            return error

    async def run(model: Any, server: FaultServer) -> list[Reply | ModelError]:
        try:
            cold = await ask(model)
            server.play(lambda _: faults.say("B"))
            assert isinstance(await ask(model), Reply)
            server.play(rule)
            return [cold, await ask(model)]
        finally:
            await model.close()

    def rule(seen: Seen) -> Step:
        return step if isinstance(step, Step) else step(seen)

    with FaultServer(rule=rule) as server, reached(door.name, door.url(server), timeout_s=timeout_s, **options) as found:
        cold, warm = asyncio.run(run(resolve(door.name, found), server))
    assert type(cold) is type(warm), (cold, warm)
    return warm


def bomb(size: int) -> bytes:
    """A gzip of `size` zeros."""
    packer = zlib.compressobj(1, wbits=31)
    block = b"0" * (1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(size >> 20)), packer.flush()])


@both
def test_a_gzip_of_gigabytes_is_not_unpacked(door: Door) -> None:
    """What is unpacked ends at the bound, so the rest of it need not be there."""
    packed = bomb(1 << 30 if door.name.startswith("openai/") else 200 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = outcome(door, Step(raw=packed, headers={"content-encoding": "gzip"}), 60.0)
    assert isinstance(found, Rejected), found
    assert "longer than 8 MB" in str(found)
    assert found.maybe_paid
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@both
def test_a_small_gzip_is_an_answer(door: Door) -> None:
    def answer(seen: Seen) -> Step:
        whole = json.dumps(faults._chat(seen, Step()) if seen.openai else faults._message(seen, Step()))  # pyright: ignore[reportPrivateUsage]
        return Step(raw=gzip.compress(whole.encode()), headers={"content-encoding": "gzip"})

    found = outcome(door, answer)
    assert isinstance(found, Reply), found
    assert found.text == "B"


@both
@pytest.mark.parametrize(
    "raw", [b"[" * 300_000, b'{"content":' + b"[" * 300_000 + b"]" * 300_000 + b"}", b'{"a":' * 150 + b"1" + b"}" * 150]
)
@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_nested_without_end_fails_alone(door: Door, raw: bytes, status: int) -> None:
    found = outcome(door, Step(raw=raw, status=status))
    assert isinstance(found, Transient if status == 200 else Rejected), found
    assert len(str(found)) < 400


@both
def test_two_megabytes_of_text_fail_alone(door: Door) -> None:
    found = outcome(door, faults.say("A " * 1_000_000))
    assert isinstance(found, Rejected), found
    assert "2,000,000 characters" in str(found)


@both
@pytest.mark.parametrize(
    "step", [Step(status=304), Step(status=302, headers={"location": "http://[::bad/"}), Step(status=302), Step(status=399)]
)
def test_a_status_that_is_no_success_is_no_answer(door: Door, step: Step) -> None:
    """Redirects that lead nowhere included: the SDKs call them errors, too."""
    found = outcome(door, step)
    assert isinstance(found, Transient), found


def test_an_endless_answer_ends_with_its_size_or_its_time() -> None:
    """At full speed with the bound on bytes, drop by drop with the timeout."""

    async def endless(request: web.Request, pause: float) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)
            await asyncio.sleep(pause)

    async def whole(pause: float) -> str:
        app = web.Application()
        app.router.add_post("/{path:.*}", lambda request: endless(request, pause))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        with reached("openai/m", f"http://127.0.0.1:{runner.addresses[0][1]}/v1", timeout_s=1.0 if pause else 30.0) as options:
            model = resolve("openai/m", options)
        with pytest.raises(ModelError) as error:
            await model.ask(Request("?", None, Sampling()))
        await model.close()
        await runner.cleanup()
        return f"{type(error.value).__name__} {error.value}"

    assert "Rejected openai/m: the answer is longer than 8 MB" in asyncio.run(whole(0.0))
    assert "Transient openai/m: no answer within 1 s" in asyncio.run(whole(0.05))


def test_lines_of_a_download_are_bounded_and_their_number_is_not() -> None:
    class Chunks(httpx2.AsyncByteStream):
        def __init__(self, *chunks: bytes) -> None:
            self.chunks = chunks

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in self.chunks:
                yield chunk

    async def read(*chunks: bytes) -> int:
        request = httpx2.Request("GET", "http://x/", headers={"accept": "application/binary"})
        response = httpx2.Response(200, stream=Chunks(*chunks), request=request)
        await transport._bounded(response)  # pyright: ignore[reportPrivateUsage]
        return len(await response.aread())

    line = b"x" * 999_999 + b"\n"
    assert asyncio.run(read(*[line] * 20)) == 20_000_000
    with pytest.raises(transport.TooLongError):
        asyncio.run(read(*[line[:-1]] * 20))


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=20))
def test_what_is_not_deep_is_parsed_as_it_is(value: Any) -> None:
    assert parsed(json.dumps(value)) == value


# -- secrets -----------------------------------------------------------------------------------------------------------------------------
def forms(secret: str) -> list[str]:
    """A secret as servers send it back."""
    plain = [secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), base64.urlsafe_b64encode(secret.encode()).decode()]
    return [*plain, base64.b64encode(f"user:{secret}".encode()).decode(), quote(base64.b64encode(f"x{secret}".encode()).decode(), safe="")]


@given(st.text(min_size=8, max_size=60), st.text(max_size=3))
def test_no_form_of_a_secret_is_left(secret: str, before: str) -> None:
    for form in [secret, quote(secret, safe="", errors="replace"), json.dumps(secret)[1:-1]]:
        assert form not in hide(f"say {form} again {form}", [secret]) or form in "say *** again ***"
    coded = base64.b64encode(f"{before}{secret}".encode("utf-8", "replace")).decode()
    if len(secret.encode("utf-8", "replace")) > 12:
        assert "***" in hide(coded, [secret])


def test_what_may_be_secret_is_found() -> None:
    assert in_url("https://user:p%40ssword@h/v1?api_key=0123456789&n=1") == {"p@ssword", "0123456789"}
    pair = base64.b64encode(b"somebody:hunter2hunter2").decode()
    assert in_header(f"Basic {pair}") == {f"Basic {pair}", pair, "somebody:hunter2hunter2", "somebody", "hunter2hunter2"}
    assert in_header("EMPTY") == frozenset()


@both
@pytest.mark.parametrize("where", ["text", "error", "model", "id"])
def test_a_server_that_repeats_its_headers_stores_no_key(door: Door, where: str) -> None:
    """The key and a header of the person's own, plain, in base64 and for a URL, wherever the server puts them."""
    mine = "header-value-0123456789+/="
    told = " ".join(form for secret in (KEY, mine) for form in forms(secret))

    def echo(seen: Seen) -> Step:
        assert KEY in str(dict(seen.headers)), "the key was sent, or this test proves nothing"
        said = f"{told} {dict(seen.headers)}"
        if where == "error":
            return faults.error(400, "invalid_request_error", said)
        if where == "id":
            return Step(headers={"request-id": KEY, "x-request-id": KEY})
        if where == "text":
            return faults.say(said)
        answer = faults._chat(seen, Step()) if seen.openai else faults._message(seen, Step())  # pyright: ignore[reportPrivateUsage]
        return Step(body={**answer, "model": said})

    found = outcome(door, echo, headers={"X-Mine": mine})
    kept = f"{found!r} {vars(found) if isinstance(found, ModelError) else ''}"
    assert "***" in kept
    hidden = (KEY, mine) if door.name.startswith("openai/") else (KEY,)
    for secret in hidden:
        for form in forms(secret):
            assert form not in kept
