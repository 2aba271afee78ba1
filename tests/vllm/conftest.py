"""Tests of the real vLLM engine, which has an environment of its own: `make test-vllm` makes it and runs them there.

Everywhere else they are not collected. The engine runs in this process on the CPU, in float32, and is kept for the session.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.models.base import ModelOptions
from bench.models.local.model import Local
from tests.models import tiny_qwen
from tests.vllm.serving import served

collect_ignore_glob = [] if importlib.util.find_spec("vllm") is not None else ["test_*.py"]

SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}
OPTIONS = "dtype=float32,eager=yes,max_len=512"

for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)


def local(name: str) -> Local:
    provider, _, text = name.partition("/")
    return Local(name, provider, text, ModelOptions(concurrency=32), announce=lambda line: None)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen.build(tmp_path_factory.mktemp("vllm") / "tiny")


@pytest.fixture(scope="session")
def adapter(checkpoint: Path) -> Path:
    return tiny_qwen.lora(checkpoint, checkpoint.parent / "lora")


@pytest.fixture(scope="session")
def hf(checkpoint: Path) -> Iterator[Local]:
    """The checkpoint run by transformers, in the same environment."""
    model = local(f"hf/{checkpoint}?dtype=float32")
    yield model
    asyncio.run(model.close())


@pytest.fixture(scope="session")
def engine(checkpoint: Path) -> Iterator[Local]:
    """The checkpoint run by vLLM."""
    model = local(f"vllm/{checkpoint}?{OPTIONS}")
    yield model
    asyncio.run(model.close())


@pytest.fixture(scope="session")
def server(checkpoint: Path) -> Iterator[str]:
    """The base URL of a server of the checkpoint under three names, those of a sweep's checkpoints among them."""
    with served(checkpoint, "tiny", "base", "mixture-0") as url:
        yield url


@pytest.fixture
def alone(engine: Local) -> None:
    """For tests that start engines of their own: a process holds one at a time, and the session's loads again when it is asked."""
    asyncio.run(engine.close())
