"""Both providers against an independent implementation of both protocols: LiteLLM's proxy.

Two kinds of proof. Its mock responses answer our requests, so our requests are valid to it and its answers are readable to us. And it
*translates*: a Messages request goes through it to a server that records Chat Completions, and the other way round, so what a stranger made
of our request (text, image bytes, media type, limits) can be compared with what we meant.

The proxy is an executable `litellm` in `.venv-peer/bin`, or wherever `SIGHTGAP_PEER` points; without one these tests are skipped.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.errors import ModelError, Rejected, Transient
from bench.models.base import Model, Reply, Request, Sampling, Stop
from bench.models.registry import resolve
from tests.models import fault_server as faults
from tests.models.doors import reached
from tests.models.fault_server import FaultServer, Seen
from tests.models.pictures import picture

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-peer-0123456789abcdef"
START_S = 120.0

CONFIG = """
model_list:
  - model_name: mock
    litellm_params: {{model: openai/gpt-4o, api_key: none, mock_response: "The answer is B."}}
  - model_name: busy
    litellm_params: {{model: openai/gpt-4o, api_key: none, mock_response: "litellm.RateLimitError"}}
  - model_name: broken
    litellm_params: {{model: openai/gpt-4o, api_key: none, mock_response: "litellm.InternalServerError"}}
  - model_name: to-anthropic
    litellm_params: {{model: anthropic/claude-sonnet-4-6, api_key: none, api_base: "{url}"}}
  - model_name: to-openai
    litellm_params: {{model: openai/gpt-4o, api_key: none, api_base: "{url}/v1"}}
general_settings: {{master_key: {key}}}
router_settings: {{num_retries: 0, disable_cooldowns: true}}
litellm_settings: {{num_retries: 0, telemetry: false, drop_params: true, use_chat_completions_url_for_anthropic_messages: true}}
"""


@dataclass(frozen=True)
class Peer:
    """The running proxy, and the recording server behind it."""

    url: str
    behind: FaultServer


def executable() -> Path:
    path = Path(os.environ.get("SIGHTGAP_PEER") or ROOT / ".venv-peer" / "bin" / "litellm")
    if not path.is_file():
        pytest.skip(f"LiteLLM is not installed ({path}): install tests/models/peer-requirements.txt into .venv-peer")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(folder: Path) -> dict[str, str]:
    """Nothing of ours gets into the proxy, and it asks nobody for its price list."""
    path = os.environ.get("PATH", "")
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "DO_NOT_TRACK": "1", "NO_PROXY": "*"}
    return {"PATH": path, "HOME": str(folder), **quiet}


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health/liveliness", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    pytest.fail(f"LiteLLM was not ready within {START_S:g} s:\n{log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    program = executable()
    folder = tmp_path_factory.mktemp("peer")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with FaultServer() as behind:
        (folder / "config.yaml").write_text(CONFIG.format(url=behind.url, key=KEY))
        command = [str(program), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=out, stderr=subprocess.STDOUT)
            try:
                wait_until_ready(url, process, log)
                yield Peer(url, behind)
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(20)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)


def ask(peer: Peer, name: str, request: Request) -> Reply:
    url = peer.url if name.startswith("anthropic/") else f"{peer.url}/v1"

    async def run(model: Model) -> Reply:
        try:
            return await model.ask(request)
        finally:
            await model.close()

    with reached(name, url, timeout_s=60.0) as options:
        return asyncio.run(run(resolve(name, options)))


def passed_on(peer: Peer, name: str, request: Request) -> tuple[Reply, Seen]:
    before = len(peer.behind.seen)
    reply = ask(peer, name, request)
    seen: Sequence[Seen] = peer.behind.seen[before:]
    assert len(seen) == 1
    return reply, seen[0]


REQUEST = Request("Which option is right?\nA. 1\nB. 2", picture("PNG"), Sampling(max_tokens=77, temperature=0.25, seed=3))


@pytest.mark.parametrize("protocol", ["anthropic", "openai"])
def test_its_mock_answers_are_understood(peer: Peer, protocol: str) -> None:
    reply = ask(peer, f"{protocol}/mock", REQUEST)
    assert (reply.text, reply.stop) == ("The answer is B.", Stop.END)
    assert reply.usage.input > 0
    assert reply.usage.output > 0
    assert reply.model is not None


@pytest.mark.parametrize("protocol", ["anthropic", "openai"])
@pytest.mark.parametrize(("model", "kind", "status"), [("busy", Transient, 429), ("broken", Transient, 500), ("nope", Rejected, 400)])
def test_its_errors_are_sorted(peer: Peer, protocol: str, model: str, kind: type[ModelError], status: int) -> None:
    with pytest.raises(kind) as caught:
        ask(peer, f"{protocol}/{model}", REQUEST)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_messages_request_arrives_as_meant_in_chat_completions(peer: Peer, kind: str) -> None:
    shown = picture(kind)
    request = Request(REQUEST.text, shown, REQUEST.sampling)
    reply, seen = passed_on(peer, "anthropic/to-openai", request)
    assert seen.openai
    image, text = seen.content
    assert image["image_url"]["url"] == f"data:{shown.media_type};base64,{base64.b64encode(shown.data).decode()}"
    assert text["text"] == request.text
    assert seen.body["temperature"] == 0.25
    assert 77 in (seen.body.get("max_tokens"), seen.body.get("max_completion_tokens"))
    assert (reply.text, reply.stop) == ("B", Stop.END)
    assert (reply.usage.input, reply.usage.output) == (10, 7)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_chat_request_arrives_as_meant_in_messages(peer: Peer, kind: str) -> None:
    shown = picture(kind)
    request = Request(REQUEST.text, shown, REQUEST.sampling)
    reply, seen = passed_on(peer, "openai/to-anthropic", request)
    assert not seen.openai
    image, text = seen.content
    assert image["source"] == {"type": "base64", "media_type": shown.media_type, "data": base64.b64encode(shown.data).decode()}
    assert text["text"] == request.text
    assert (seen.body["temperature"], seen.body["max_tokens"]) == (0.25, 77)
    assert (reply.text, reply.stop) == ("B", Stop.END)
    assert (reply.usage.input, reply.usage.output) == (10, 7)


@pytest.mark.parametrize(("name", "stop"), [("anthropic/to-openai", "length"), ("openai/to-anthropic", "length")])
def test_a_cut_off_answer_is_told_as_such(peer: Peer, name: str, stop: str) -> None:
    peer.behind.script(faults.say("Let me think about", stop))
    reply, _ = passed_on(peer, name, REQUEST)
    assert (reply.text, reply.stop) == ("Let me think about", Stop.LENGTH)
