"""Asking in batches: what goes out together, what is found again after an interruption, what becomes of requests without an answer."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.config import RunConfig
from bench.errors import Transient, Unusable, UserError
from bench.models.api.batch_service import BatchService
from bench.models.base import ModelOptions, Reply, Request, Sampling, Usage
from bench.models.registry import batch_service, cost, resolve
from bench.outcome import Outcome
from bench.runner.plan import make_plan
from bench.runner.provider_batches import Batched, Pace
from bench.runner.session import Result, run_session
from bench.store.batches import BatchLedger
from bench.store.reader import BATCHES
from bench.store.run import open_run
from tests.models.batch_server import TROUBLES, BatchServer
from tests.models.doors import reached
from tests.models.pictures import picture

NAMES = pytest.mark.parametrize("name", ["anthropic/claude-test", "openai/test-model"])


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "tk-0123456789abcdef-SECRET")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "")  # so that what a test sets is taken back
    monkeypatch.setattr("bench.runner.provider_batches.PACE", Pace(0.0, 0.0, 0.0))


async def no_wait(_: float) -> None:
    await asyncio.sleep(0)


def config(name: str, server: BatchServer, out: Path, modes: str = "image,caption,blind", **execution: Any) -> RunConfig:
    os.environ["ANTHROPIC_BASE_URL"] = server.url
    url = f"{server.url}/v1" if name.startswith("openai") else None
    asked = {"models": name, "modes": modes, "suite": "mini:n=4", "families": "clock", "base_url": url, "max_tokens": 64}
    return RunConfig.of({**asked, "out": out, "batch": True, "cache": "off", **execution})


def ran(asked: RunConfig, said: io.StringIO | None = None) -> Result:
    return run_session(make_plan(asked), Console(file=said or io.StringIO()), sleep=no_wait)


@NAMES
def test_a_run_goes_out_in_two_batches_captions_first(name: str, tmp_path: Path) -> None:
    said = io.StringIO()
    with BatchServer() as server:
        result = ran(config(name, server, tmp_path / "run"), said)
        assert (result.finished, result.missing) == (12, 0)
        assert [len(batch.requests) for batch in server.batches.values()] == [4 + 4 + 4, 4]  # captions, image and blind; then caption
        assert "batch batch_0 handed in, 12 requests" in said.getvalue()
        assert "12 of 12 requests are done" in said.getvalue()
    records = list(open_run(tmp_path / "run").records())
    assert Counter(record.mode for record in records) == {"image": 4, "caption": 4, "blind": 4}
    assert {record.verdict.how for record in records} == {"answer-tag"}
    assert all(record.reply is not None and record.reply.model is not None and record.reply.model.endswith("-served") for record in records)


@NAMES
def test_a_batch_is_found_again_and_not_paid_twice(name: str, tmp_path: Path) -> None:
    waits = 0

    async def interrupted(_: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 2:
            raise KeyboardInterrupt

    with BatchServer(polls=5) as server:
        asked = config(name, server, tmp_path / "run", "image,blind")
        with pytest.raises(KeyboardInterrupt):
            run_session(make_plan(asked), Console(file=io.StringIO()), sleep=interrupted)
        assert list(open_run(tmp_path / "run").records()) == []
        with (tmp_path / "run" / BATCHES).open("a") as ledger:
            ledger.write('{"v": 1, "provider": "anthr')  # torn by a kill
        assert ran(asked).missing == 0
        assert len(server.batches) == 1
        assert ran(asked).asked == 0


@NAMES
@pytest.mark.parametrize("trouble", [trouble for trouble in TROUBLES if trouble not in ("invalid", "canceled")])
def test_what_a_batch_leaves_without_an_answer_goes_into_the_next(name: str, trouble: str, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    def rule(text: str) -> str:
        seen[text] += 1
        return trouble if seen[text] == 1 and len(seen) % 2 else "<answer>A</answer>"

    with BatchServer(rule) as server:
        assert ran(config(name, server, tmp_path / "run", "image")).missing == 0
        assert [len(batch.requests) for batch in server.batches.values()] == [4, 2]


@NAMES
def test_a_request_that_is_refused_is_an_error_record(name: str, tmp_path: Path) -> None:
    with BatchServer(lambda text: "invalid") as server:
        result = ran(config(name, server, tmp_path / "run", "image"))
        assert result.missing == 4
        assert len(server.batches) == 1
    assert {(r.verdict.outcome, r.error.kind if r.error else "") for r in open_run(tmp_path / "run").records()} == {
        (Outcome.ERROR, "Rejected")
    }


def test_a_batch_that_the_provider_forgot_is_asked_again(tmp_path: Path) -> None:
    async def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with BatchServer() as server:
        asked = config("anthropic/claude-test", server, tmp_path / "run", "image")
        with pytest.raises(KeyboardInterrupt):
            run_session(make_plan(asked), Console(file=io.StringIO()), sleep=interrupted)
        server.forgotten.add("batch_0")
        assert ran(asked).missing == 0
        assert list(server.batches) == ["batch_0", "batch_1"]


@pytest.mark.parametrize(("code", "kind"), [("token_limit_exceeded", Transient), ("invalid_json_line", Unusable)])
def test_a_batch_that_fails_as_a_whole_says_why(code: str, kind: type[Exception], tmp_path: Path) -> None:
    with BatchServer(failed=code) as server:
        model = resolve("openai/test-model", ModelOptions(base_url=f"{server.url}/v1"))
        batched = Batched(model, batch_service(model), tmp_path, announce=lambda line: None, sleep=no_wait, pace=Pace(0, 0, 0))
        with pytest.raises(kind, match="scripted"):
            asyncio.run(batched.ask(Request("?", None, Sampling())))


def test_the_requests_are_those_that_would_have_been_sent(tmp_path: Path) -> None:
    """Pictures in base64, the version of the protocol where a temperature needs it, and replicates apart."""
    with BatchServer() as server, reached("anthropic/claude-sonnet-4-6", server.url, temperature=0.5) as options:
        model = resolve("anthropic/claude-sonnet-4-6", options)
        batched = Batched(model, batch_service(model), tmp_path, announce=lambda line: None, sleep=no_wait, pace=Pace(0, 0, 0))

        async def both() -> Sequence[Reply]:
            asked = [Request("?", picture("PNG"), Sampling(max_tokens=50, temperature=0.5), replicate) for replicate in (0, 1, 0)]
            return await asyncio.gather(*map(batched.ask, asked))

        replies = asyncio.run(both())
        assert [reply.usage for reply in replies] == [Usage(10, 7)] * 3
        (batch,) = server.batches.values()
        assert len(batch.requests) == 2  # what is asked twice in the same words is asked once
        assert batch.headers["anthropic-version"] == "2023-06-01"
        block = batch.requests[0][1]["messages"][0]["content"][0]
        assert block["source"]["media_type"] == "image/png"
        assert batch.requests[0][1]["temperature"] == 0.5


def test_batches_keep_to_the_bounds_of_the_service() -> None:
    from bench.runner.provider_batches import _portions  # pyright: ignore[reportPrivateUsage]

    lines = {str(number): size for number, size in enumerate((10, 10, 10, 10, 990, 10, 2000, 10))}
    assert list(_portions(lines, 3, 1000)) == [["0", "1", "2"], ["3"], ["4"], ["5"], ["6"], ["7"]]
    assert list(_portions({}, 3, 1000)) == []


def test_a_batch_costs_half() -> None:
    usage = Usage(1_000_000, 100_000)
    single = cost("claude-sonnet-4-6", usage, ModelOptions())
    assert single
    assert cost("claude-sonnet-4-6", usage, ModelOptions(batch=True)) == single / 2


@pytest.mark.parametrize("name", ["sim/p=0.6,r=0.9", "bedrock/anthropic.claude-test-v1:0"])
def test_a_model_without_a_batch_service_is_refused(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "x")
    asked = RunConfig.of({"models": name, "modes": "image", "suite": "mini:n=1", "out": tmp_path, "batch": True, "cache": "off"})
    with pytest.raises(UserError, match="no batch service"):
        make_plan(asked)


def test_a_bound_on_the_cost_is_held_against_the_estimate(tmp_path: Path) -> None:
    def asked(bound: float, name: str = "claude-sonnet-4-6", url: str | None = None) -> RunConfig:
        asked = {"models": name, "modes": "image,caption", "suite": "mini:n=20", "base_url": url, "cache": "off"}
        return RunConfig.of({**asked, "out": tmp_path, "batch": True, "max_cost": bound})

    assert make_plan(asked(100.0)).total == 360
    with pytest.raises(UserError, match="expected to cost"):
        make_plan(asked(0.01))
    with pytest.raises(UserError, match="price of openai/x is not known"):
        make_plan(asked(100.0, "openai/x", "http://127.0.0.1:1/v1"))


def test_a_torn_ledger_loses_no_later_batch(tmp_path: Path) -> None:
    model = resolve("claude-sonnet-4-6", ModelOptions())
    (tmp_path / BATCHES).write_text('{"v": 1, "provider": "anthropic", "mod')
    ledger = BatchLedger(tmp_path, model.provider, model.model_id)
    for number in (1, 2):
        ledger.add(f"batch_{number}", [f"key {number}", "key"])
    assert BatchLedger(tmp_path, model.provider, model.model_id).batch_of == {"key 1": "batch_1", "key 2": "batch_2", "key": "batch_2"}
    other = resolve("claude-opus-4-5", ModelOptions())
    assert BatchLedger(tmp_path, other.provider, other.model_id).batch_of == {}


def test_the_ledger_is_one_line_a_batch(tmp_path: Path) -> None:
    with BatchServer() as server:
        ran(config("anthropic/claude-test", server, tmp_path / "run", "image"))
    (line,) = (tmp_path / "run" / BATCHES).read_text().splitlines()
    entry = json.loads(line)
    assert {name: entry[name] for name in ("v", "provider", "model", "batch")} == {
        "v": 1,
        "provider": "anthropic",
        "model": "claude-test",
        "batch": "batch_0",
    }
    assert len(entry["keys"]) == 4


def test_a_service_is_what_its_protocol_says() -> None:
    def takes(service: BatchService) -> int:
        return service.max_requests

    model = resolve("openai/x", ModelOptions(base_url="http://127.0.0.1:1/v1"))
    assert takes(batch_service(model)) == 50_000
    assert takes(batch_service(resolve("claude-sonnet-4-6", ModelOptions()))) == 100_000


@NAMES
def test_a_batch_that_one_poll_does_not_find_is_polled_again_and_not_paid_twice(name: str, tmp_path: Path) -> None:
    """anthropic-sdk-python#1432."""
    with BatchServer(shy=2) as server:
        assert ran(config(name, server, tmp_path / "run", "image")).missing == 0
        assert len(server.batches) == 1


@NAMES
def test_a_cancelled_batch_stops_the_run_and_keeps_what_it_has(name: str, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    def rule(text: str) -> str:
        seen[text] += 1
        return "canceled" if len(seen) % 2 else "<answer>A</answer>"

    with BatchServer(rule, cancelled=True) as server:
        with pytest.raises(Unusable, match="batch_0 was cancelled"):
            ran(config(name, server, tmp_path / "run", "image"))
        assert len(server.batches) == 1
        assert len(list(open_run(tmp_path / "run").records())) == 2
        server.cancelled, server.rule = False, lambda text: "<answer>A</answer>"
        assert ran(config(name, server, tmp_path / "run", "image")).missing == 0
        assert [len(batch.requests) for batch in server.batches.values()] == [4, 2]


@NAMES
def test_a_line_that_cannot_be_read_loses_that_request_alone(name: str, tmp_path: Path) -> None:
    with BatchServer(torn=1) as server:
        result = ran(config(name, server, tmp_path / "run", "image"))
        assert [len(batch.requests) for batch in server.batches.values()][:2] == [4, 1]
        assert result.missing <= 1, "the one alone in its batch is torn each time"
    assert len([r for r in open_run(tmp_path / "run").records() if r.final]) >= 3


def test_results_that_are_archived_are_asked_for_again(tmp_path: Path) -> None:
    async def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with BatchServer() as server:
        asked = config("anthropic/claude-test", server, tmp_path / "run", "image")
        with pytest.raises(KeyboardInterrupt):
            run_session(make_plan(asked), Console(file=io.StringIO()), sleep=interrupted)
        server.archived = True

        async def wait(_: float) -> None:
            server.archived = len(server.batches) == 1
            await asyncio.sleep(0)

        assert run_session(make_plan(asked), Console(file=io.StringIO()), sleep=wait).missing == 0
        assert len(server.batches) == 2


def test_several_models_wait_side_by_side(tmp_path: Path) -> None:
    with BatchServer(polls=3) as server:
        os.environ["ANTHROPIC_BASE_URL"] = server.url
        names = ["openai/one", "openai/two", "anthropic/claude-test"]
        given = {"models": names, "modes": "image", "suite": "mini:n=2", "families": "clock", "base_url": f"{server.url}/v1"}
        said = io.StringIO()
        result = ran(RunConfig.of({**given, "out": tmp_path / "run", "batch": True, "cache": "off", "max_tokens": 64}), said)
        assert (result.finished, len(server.batches)) == (6, 3)
    lines = said.getvalue().splitlines()
    handed_in = [index for index, line in enumerate(lines) if "handed in" in line]
    done = [index for index, line in enumerate(lines) if "2 of 2 requests are done" in line]
    assert max(handed_in) < min(done), "all are handed in before the first is done"


def test_requests_that_wait_hold_no_pictures(tmp_path: Path) -> None:
    async def asked() -> list[int]:
        with BatchServer() as server, reached("anthropic/claude-test", server.url) as options:
            model = resolve("anthropic/claude-test", options)
            batched = Batched(model, batch_service(model), tmp_path, announce=lambda line: None, sleep=no_wait, pace=Pace(0, 0, 0))
            requests = [Request(str(number), picture("PNG"), Sampling(max_tokens=50)) for number in range(3)]
            waiting = [asyncio.ensure_future(batched.ask(request)) for request in requests]
            await asyncio.sleep(0)
            held = [request.picture.content.held for request in requests if request.picture is not None]
            await asyncio.gather(*waiting)
            assert all(request.picture is not None and request.picture.data for request in requests)
            return held

    assert asyncio.run(asked()) == [False] * 3
