"""Servers by name: where their requests go, by which key, in which words; what --base-url, --header and the person's own file concern."""

from __future__ import annotations

import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UserError
from bench.models import aliases, registry, servers, tables
from bench.models.base import ModelOptions, Reply, Request, Sampling, Stop, Usage
from bench.models.registry import check_server_options, resolve, server_of
from bench.runner.cache import Cache, server_key

OPTIONS = ModelOptions()


def forget() -> None:
    tables.persons_table.cache_clear()
    for cached in (servers.servers, aliases.aliases, aliases.generations, aliases._by_id):  # pyright: ignore[reportPrivateUsage]
        cached.cache_clear()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    for server in servers.servers().values():
        for name in (server.key, server.url):
            if name is not None:
                monkeypatch.setenv(name, "")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "SIGHTGAP_MODELS"):
        monkeypatch.setenv(name, "")
    yield
    monkeypatch.undo()
    forget()


def body(name: str, **sampling: Any) -> dict[str, Any]:
    options = ModelOptions(offline=True, reasoning=sampling.get("reasoning"))
    return dict(resolve(name, options).payload(Request("?", None, Sampling(seed=11, **sampling))))


def refused(name: str, options: ModelOptions = OPTIONS) -> str:
    with pytest.raises(UserError) as caught:
        resolve(name, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_server_names_its_key_and_needs_none_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.example")
    for name, server in servers.servers().items():
        if server.key is not None and not server.key_optional:
            assert f"set {server.key}" in refused(f"{name}/m")
        model: Any = resolve(f"{name}/m", ModelOptions(offline=True))
        assert (model.provider, model.model_id) == (name, "m")
        assert model.base_url.startswith("http")


def test_each_in_its_own_words() -> None:
    assert "seed" not in body("gemini/gemini-2.5-flash")
    assert body("mistral/pixtral-large")["random_seed"] == 11
    assert "seed" not in body("mistral/pixtral-large")
    assert body("together/x")["seed"] == 11
    assert body("openrouter/a/b", reasoning="high")["reasoning"] == {"effort": "high"}
    assert body("openrouter/a/b", reasoning=2000)["reasoning"] == {"max_tokens": 2000}
    assert body("openrouter/a/b", reasoning="off")["reasoning"] == {"enabled": False}
    assert body("openrouter/a/b")["usage"] == {"include": True}
    assert body("xai/grok-4", reasoning="low")["reasoning_effort"] == "low"


def test_azure_serves_openais_models_at_an_address_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "AZURE_OPENAI_ENDPOINT" in refused("azure/gpt-4o")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.example/")
    assert server_of("azure/gpt-4o", OPTIONS) == "https://mine.openai.azure.example/openai/v1"
    assert "max_completion_tokens" in body("azure/gpt-4o")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://localhost:11434/v1"),
        ("0.0.0.0:9", "http://0.0.0.0:9/v1"),
        ("http://box:1/", "http://box:1/v1"),
        ("https://box/a", "https://box/a"),
    ],
)
def test_ollama_is_where_its_own_variable_says(host: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert server_of("ollama/llava", OPTIONS) == url


def test_base_url_concerns_openai_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ModelOptions(base_url="http://127.0.0.1:1/v1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "tk-for-tests")
    captioner: Any = resolve("claude-sonnet-5", options)
    assert captioner.base_url is None
    assert "api.anthropic.com" in str(captioner.client.base_url)
    assert server_of("gemini/x", options) == servers.servers()["gemini"].base_url
    check_server_options(["openai/x", "claude-sonnet-5"], options)
    with pytest.raises(UserError, match="ANTHROPIC_BASE_URL"):
        check_server_options(["claude-sonnet-5"], options)


def test_an_address_in_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = resolve("openai/Qwen/Qwen2.5-VL@http://127.0.0.1:9/v1", ModelOptions(base_url="http://127.0.0.1:1/v1"))
    assert (model.model_id, model.base_url) == ("Qwen/Qwen2.5-VL", "http://127.0.0.1:9/v1")
    assert registry.split("openai/name@v2") == ("openai", "name@v2")
    assert "expected an id before @URL" in refused("openai/@http://127.0.0.1:9/v1")


@pytest.mark.parametrize("url", ["http://me:hunter2hunter2@box/v1", "https://hunter2hunter2@box/v1"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    for message in (refused(f"openai/x@{url}"), refused("openai/x", ModelOptions(base_url=url))):
        assert "password" in message
        assert "hunter2" not in message


def test_headers_and_bodies_go_to_one_server() -> None:
    options = ModelOptions(headers={"X-Key": "secret-secret"}, base_url="http://127.0.0.1:1/v1")
    check_server_options(["openai/a", "openai/b", "sim"], options)
    for names in (["sim"], ["openai/a", "ollama/b"], ["openai/a", "openai/b@http://127.0.0.1:2/v1"]):
        with pytest.raises(UserError, match="go to one server") as caught:
            check_server_options(names, options if "openai/a" in names else ModelOptions(headers=options.headers))
        assert "secret" not in str(caught.value)


def test_headers_are_keyed_by_what_they_say_unless_they_are_keys() -> None:
    def key(**headers: str) -> Any:
        options = ModelOptions(base_url="http://127.0.0.1:1/v1", headers=headers)
        return resolve("openai/x", options).payload(Request("?", None, Sampling()))

    assert key(X_Team="a") != key(X_Team="b")
    assert key(Authorization="a") == key(Authorization="b") == key()
    assert "blue-team" not in str(key(X_Team="blue-team"))


def test_one_spelling_of_a_server() -> None:
    assert server_key("http://Box:1/v1/", {}) == server_key("HTTP://box:1/v1", {}) == "http://box:1/v1"
    assert server_key(None, {}) is None
    assert server_key("http://box/v1", {"a": 1}) != server_key("http://box/v1", {"a": 2})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[servers.x]\n", "expected a base_url"),
        ('[servers.x]\nbase_ulr = "http://x"\n', "did you mean 'base_url'"),
        ("[servers.x]\nbase_url = 3\n", "base_url"),
        ('[server.x]\nbase_url = "http://x"\n', "did you mean 'servers'"),
        ('[models.x]\nprovider = "ollama"\nid = "x"\ngeneration = "nope"\n', "generation = 'nope'"),
        ('[generations.x]\nlike = "nope"\n', "names no other entry"),
        ("[models", "TOML"),
    ],
)
def test_a_file_of_ones_own_that_means_nothing_is_one_line(text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "models.toml"
    path.write_text(text)
    monkeypatch.setenv("SIGHTGAP_MODELS", str(path))
    forget()
    message = refused("x/y")
    assert says in message
    assert str(path) in message or "[servers.x]" in message or "[models.x]" in message


def test_a_file_of_ones_own_adds_and_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "models.toml"
    path.write_text(
        '[servers.ollama]\nbase_url = "http://box:1/v1"\n[generations.quick]\nlike = "compatible"\nmax_side = 512\n'
        '[models.mine]\nprovider = "ollama"\nid = "llava:7b"\ngeneration = "quick"\n[models.gpt-4o]\nprice_in = 9.0\n'
    )
    monkeypatch.setenv("SIGHTGAP_MODELS", str(path))
    forget()
    model: Any = resolve("mine", OPTIONS)
    assert (model.model_id, model.base_url, model.limits.max_side) == ("llava:7b", "http://box:1/v1", 512)
    assert aliases.aliases()["gpt-4o"].price_in == 9.0
    assert aliases.aliases()["gpt-4o"].price_out == 10.0


def test_a_token_is_as_good_as_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "tk-a-token-for-tests")
    model: Any = resolve("claude-sonnet-5", OPTIONS)
    assert model.client.auth_token == "tk-a-token-for-tests"
    assert "tk-a-token-for-tests" in model.secrets


def test_replay_reads_from_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cache = Cache(folder)
    cache.put("k", "m", "{}", Reply("kept", Stop.END, Usage(3, 4, usd=0.5), 0.1, why="x"))
    cache.remember("served", ["a", None], {"size": 3})
    cache.close()
    before = {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        path.chmod(stat.S_IRUSR)
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        replay = Cache(folder, replay=True)
        reply = replay.get("k", "it")
        assert reply is not None
        assert (reply.text, reply.usage.usd, reply.why, reply.cached) == ("kept", 0.5, "x", True)
        assert replay.recall("served", ["a", None]) == {"size": 3}
        replay.put("other", "m", "{}", reply)
        replay.close()
        assert {path.name for path in folder.iterdir()} == before
    finally:
        folder.chmod(stat.S_IRWXU)
