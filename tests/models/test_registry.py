"""From names to models: aliases, providers, missing keys, servers, and what `models list` and `models show` are told."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from google.oauth2.credentials import Credentials

from bench import env
from bench.errors import MissingExtraError, UserError
from bench.models import registry
from bench.models.base import ModelOptions, Request, Sampling, Usage
from bench.models.registry import resolve
from tests.models.doors import reached
from tests.models.fault_server import FaultServer

OPTIONS = ModelOptions()
VARIABLES = [
    *(
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "OPENAI_API_KEY",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ),
    *("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "CLOUD_ML_REGION", "ANTHROPIC_VERTEX_PROJECT_ID", "HF_TOKEN"),
    *("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS", "SIGHTGAP_CACHE", *env.SERVER_URLS.values()),
]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A machine without keys, and without a cloud around it."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


def refused(name: str, options: ModelOptions = OPTIONS) -> str:
    with pytest.raises(UserError) as caught:
        resolve(name, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("claude-3-7", "ANTHROPIC_API_KEY"),
        ("anthropic/claude-sonnet-4-6", "ANTHROPIC_API_KEY"),
        ("gpt-4o", "OPENAI_API_KEY"),
        ("openai/whatever", "OPENAI_API_KEY"),
        ("bedrock/anything", "AWS_REGION"),
        ("vertex/anything", "CLOUD_ML_REGION"),
    ],
)
def test_a_missing_key_names_its_variable(name: str, variable: str) -> None:
    assert variable in refused(name)


def test_missing_cloud_credentials_name_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("CLOUD_ML_REGION", "global")
    assert "AWS_BEARER_TOKEN_BEDROCK" in refused("bedrock/x")
    assert "GOOGLE_APPLICATION_CREDENTIALS" in refused("vertex/x")


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", absent)
    for name in ("bedrock", "vertex"):
        with pytest.raises(MissingExtraError, match=rf"\.\[{name}\]"):
            resolve(f"{name}/x", OPTIONS)


def test_a_blank_key_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "  ")
    assert "OPENAI_API_KEY" in refused("gpt-4o")


@pytest.mark.parametrize(
    ("name", "provider", "model_id"),
    [
        ("claude-3-7", "anthropic", "claude-3-7-sonnet-20250219"),
        ("anthropic/claude-3-7", "anthropic", "claude-3-7-sonnet-20250219"),
        ("anthropic/claude-next", "anthropic", "claude-next"),
        ("claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5-20250929"),
        ("bedrock/claude-3-7", "bedrock", "us.anthropic.claude-3-7-sonnet-20250219-v1:0"),
        ("bedrock/eu.anthropic.claude-opus-4-7", "bedrock", "eu.anthropic.claude-opus-4-7"),
        ("gpt-4.1", "openai", "gpt-4.1"),
        ("gpt-4o-2024-11-20", "openai", "gpt-4o-2024-11-20"),
        ("openai/Qwen/Qwen2.5-VL-7B-Instruct", "openai", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("sim/p=0.6,r=0.9", "sim", "sim/p=0.6,r=0.9"),
        ("sim", "sim", "sim/p=0.6,r=0.9,c=0.8,seed=1"),
    ],
)
def test_names(monkeypatch: pytest.MonkeyPatch, name: str, provider: str, model_id: str) -> None:
    for variable in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.setenv(variable, "tk-for-tests")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    model = resolve(name, OPTIONS)
    assert (model.name, model.provider, model.model_id) == (name, provider, model_id)
    assert model.simulated == (provider == "sim")
    assert model.limits.max_side <= 8000
    asyncio.run(model.close())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("claude-3.7", "did you mean claude-3-7"),
        ("nonsense", "Write an alias"),
        ("", "unknown model"),
        ("gemni/pro", "did you mean gemini/pro"),
        ("grok-4", "xai/grok-4"),
        ("meta-llama/Llama-3", "hf/meta-llama/Llama-3"),
        ("openai/", "expected an id after openai/"),
        ("sim/p=2", "p"),
        ("hf/some/lost/checkpoint", "expected a folder with a checkpoint or a hub id"),
    ],
)
def test_names_that_cannot_be_resolved(name: str, says: str) -> None:
    assert says in refused(name)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("claude-opus-4-7", ModelOptions(temperature=0.0)),
        ("claude-3-5", ModelOptions(reasoning="low")),
        ("claude-3-7", ModelOptions(reasoning="high", max_tokens=2048)),
        ("o3", ModelOptions(temperature=0.2)),
        ("gpt-5", ModelOptions(reasoning="off")),
        ("gpt-4o", ModelOptions(reasoning=2000)),
    ],
)
def test_impossible_options_are_refused_before_a_key_is_even_needed(name: str, options: ModelOptions) -> None:
    assert "KEY" not in refused(name, options)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/y", "http://", "/v1"])
def test_a_server_must_be_a_url(url: str) -> None:
    assert "--base-url" in refused("openai/x", ModelOptions(base_url=url))


def test_servers_from_option_and_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert registry.server_of("openai/x", OPTIONS) == "http://127.0.0.1:1/v1"
    assert registry.server_of("openai/x", ModelOptions(base_url="http://127.0.0.1:2/v1")) == "http://127.0.0.1:2/v1"
    assert registry.server_of("claude-3-7", OPTIONS) is None
    assert registry.server_of("sim", ModelOptions(base_url="http://127.0.0.1:2/v1")) is None
    model: Any = resolve("openai/x", OPTIONS)
    assert model.generation.name == "compatible"
    assert model.base_url == "http://127.0.0.1:1/v1"


def test_a_listed_model_keeps_its_generation_behind_a_gateway() -> None:
    model: Any = resolve("openai/gpt-5", ModelOptions(base_url="http://127.0.0.1:1/v1"))
    assert model.generation.name == "gpt-5"


def test_cost() -> None:
    usage = Usage(input=1000, output=1000)
    assert registry.cost("gpt-4o", usage, OPTIONS) == pytest.approx(0.0125)
    assert registry.cost("anthropic/claude-sonnet-4-5-20250929", usage, OPTIONS) == pytest.approx(0.018)
    assert registry.cost("sim", usage, OPTIONS) == 0
    for name in ("openai/unknown", "bedrock/claude-sonnet-4-6", "gpt-5.2"):
        assert registry.cost(name, usage, OPTIONS) is None
    assert registry.cost("gpt-4o", usage, ModelOptions(base_url="http://127.0.0.1:1/v1")) is None


def test_warnings_by_any_name() -> None:
    for name in ("claude-3-7", "anthropic/claude-3-7-sonnet-20250219", "claude-3-7-sonnet-20250219"):
        assert "2026-02-19" in registry.warnings(name)[0]
    for name in ("bedrock/claude-3-7", "openai/whatever", "sim/p=1,r=1", "claude-opus-5"):
        assert registry.warnings(name) == ()


def test_listing_and_describe_are_json_data() -> None:
    rows = registry.listing()
    assert json.loads(json.dumps(rows)) == rows
    assert {row["name"] for row in rows} >= {"claude-3-7", "gpt-4o", "sim"}
    shown: Mapping[str, Any] = json.loads(json.dumps(registry.describe("claude-3-7")))
    assert (shown["id"], shown["retires"], shown["price_out"]) == ("claude-3-7-sonnet-20250219", "2026-02-19", 15.0)
    assert shown["takes"]["reasoning"] == "budget"
    assert len(shown["warnings"]) == 1
    assert registry.describe("openai/unknown") == {
        "name": "openai/unknown",
        "provider": "openai",
        "id": "unknown",
        "listed": False,
        "warnings": [],
    }
    assert registry.describe("bedrock/claude-3-7")["retires"] is None, "Amazon keeps dates of its own"
    with pytest.raises(UserError):
        registry.describe("nonsense")


def test_vertex_sends_the_same_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_ML_REGION", "global")
    monkeypatch.setenv("ANTHROPIC_VERTEX_PROJECT_ID", "my-project")

    def default(scopes: list[str]) -> tuple[Credentials, None]:
        return Credentials(token="tk-google-for-tests"), None

    monkeypatch.setattr("google.auth.default", default)

    async def run(url: str) -> str:
        with reached("vertex/claude-sonnet-4-5", url) as options:
            model = resolve("vertex/claude-sonnet-4-5", options)
        try:
            return (await model.ask(Request("?", None, Sampling(temperature=0.5)))).text
        finally:
            await model.close()

    with FaultServer() as server:
        assert asyncio.run(run(server.url)) == "B"
    (seen,) = server.seen
    assert seen.path == "/projects/my-project/locations/global/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict"
    assert seen.headers["authorization"] == "Bearer tk-google-for-tests"
    assert seen.body["anthropic_version"] == "vertex-2023-10-16"
    assert seen.text == "?"


def test_importing_the_registry_is_cheap() -> None:
    code = "import sys, bench.models.registry; print([m for m in ('anthropic', 'openai', 'httpx2', 'boto3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert done.stdout.strip() == "[]"


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.secrets() == frozenset()
    assert env.cache_dir().name == "sightgap"
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    monkeypatch.setenv("ANTHROPIC_API_KEY", " tk-a-real-key ")
    monkeypatch.setenv("SIGHTGAP_CACHE", "/tmp/there")
    assert env.secrets() == {"tk-a-real-key"}
    assert str(env.cache_dir()) == "/tmp/there"
    assert env.read("NOT_SET_AT_ALL", "ANTHROPIC_API_KEY") == "tk-a-real-key"


@pytest.mark.parametrize("key", ["tk-0123456789abcdef"])
def test_no_key_in_any_text_of_a_model(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    model = resolve("gpt-4o", OPTIONS)
    assert key not in f"{model!r} {model.payload(Request('?', None, Sampling()))}"
