"""How a test reaches a loopback server: --base-url concerns `openai/` alone, Claude's three front doors have a variable each."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from bench import env
from bench.models.base import ModelOptions
from bench.models.registry import split


@contextmanager
def reached(name: str, url: str, **options: Any) -> Generator[ModelOptions]:
    """Options by which the model of this name is asked at `url`, while the context lasts."""
    provider, _ = split(name)
    if provider == "openai":
        yield ModelOptions(base_url=url, **options)
        return
    with patch.dict(os.environ, {env.SERVER_URLS[provider]: url}):
        yield ModelOptions(**options)
