"""Every extra can be installed on the Python at hand (`make resolve`: on all of them), and what cannot is seen."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.resolve import GPUS, conflict, extras, reachable

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
WHOLE = ("dev", "inspect", "train-gpus", "vllm")
"""These hold all the others."""

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]


@pytest.fixture(autouse=True)
def index() -> None:
    if not reachable():
        pytest.skip("no package index can be reached, or uv is not installed")


def test_every_extra_is_in_one_that_is_resolved_here() -> None:
    assert set(extras()) == {*WHOLE, "all", "bedrock", "data", "figures", "local", "ray", "train", "vertex"}


@pytest.mark.parametrize("extra", WHOLE)
def test_an_extra_resolves(extra: str) -> None:
    assert conflict(f"-e .[{extra}]", PYTHON) is None


def test_the_versions_for_gpus_fit_together() -> None:
    assert conflict("-e .[train-gpus]", PYTHON, GPUS) is None


def test_what_cannot_be_installed_is_seen() -> None:
    """As the extras once were: the last vLLM that TRL takes, and a transformers that it does not."""
    why = conflict("vllm==0.31.0\ntransformers>=5.19", PYTHON)
    assert why is not None
    assert "unsatisfiable" in why
