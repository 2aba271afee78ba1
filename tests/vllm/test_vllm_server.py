"""A real `vllm serve` on loopback behind our `openai/` provider: many clients at once, usage, stops, and 400s as rejections."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bench.errors import Rejected, Unusable
from bench.image import Content
from bench.models.base import Reply, Request, Sampling, Stop
from bench.models.local.model import Local
from bench.models.registry import resolve
from tests.models.doors import reached
from tests.models.local_requests import ask_all, ask_together, requests
from tests.vllm.serving import MAX_LEN

pytestmark = pytest.mark.timeout(600)


def ask(url: str, asked: list[Request], name: str = "openai/tiny") -> list[Reply | Exception]:
    """Ask everything at once, at temperature 0 unless a request says otherwise."""

    async def run() -> list[Reply | Exception]:
        with reached(name, url, concurrency=len(asked), timeout_s=300.0) as options:
            model = resolve(name, options)
        try:
            return await ask_together(model, [greedy(request) for request in asked])
        finally:
            await model.close()

    return asyncio.run(run())


def greedy(request: Request) -> Request:
    sampling = request.sampling
    return request if sampling.temperature is not None else replace(request, sampling=replace(sampling, temperature=0.0))


def replies(url: str, asked: list[Request]) -> list[Reply]:
    answered = ask(url, asked)
    assert [reply for reply in answered if not isinstance(reply, Reply)] == []
    return [reply for reply in answered if isinstance(reply, Reply)]


def test_many_clients_at_once_get_what_transformers_says(server: str, hf: Local) -> None:
    asked = [*requests(24), *requests(8, pictures=False)]
    ours, theirs = replies(server, asked), ask_all(hf, asked, close=False)
    assert [reply.text for reply in ours] == [reply.text for reply in theirs]
    assert [reply.usage for reply in ours] == [reply.usage for reply in theirs]
    assert [reply.stop for reply in ours] == [reply.stop for reply in theirs]
    assert {reply.stop for reply in ours} == {Stop.END, Stop.LENGTH}
    assert {reply.model for reply in ours} == {"tiny"}
    assert all(reply.request_id for reply in ours)


def test_replicates_differ_with_temperature_and_repeat_with_the_seed(server: str) -> None:
    first = [reply.text for reply in replies(server, requests(16, temperature=1.0))]
    assert [reply.text for reply in replies(server, requests(16, temperature=1.0))] == first
    other = [reply.text for reply in replies(server, requests(16, temperature=1.0, seed=1))]
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_a_cut_reply_says_so(server: str) -> None:
    (reply,) = replies(server, [Request("?", None, Sampling(1))])
    assert (reply.stop, reply.usage.output) == (Stop.LENGTH, 1)


def test_400s_are_rejections(server: str) -> None:
    (shown,) = requests(1)
    assert shown.picture is not None
    cut = shown.picture.data[:60]
    broken = Request(shown.text, replace(shown.picture, content=Content(cut, lambda: cut)), Sampling(4))
    long = Request("x" * MAX_LEN, None, Sampling(4))
    fine, bad_image, too_long = ask(server, [shown, broken, long])
    assert isinstance(fine, Reply)
    for error in (bad_image, too_long):
        assert isinstance(error, Rejected)
        assert error.status == 400
        assert "\n" not in str(error)


def test_an_unknown_model_stops_the_run(server: str) -> None:
    (error,) = ask(server, requests(1), name="openai/another")
    assert isinstance(error, Unusable)
