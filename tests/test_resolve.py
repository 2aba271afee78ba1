"""Every extra can be installed on the Python at hand (`make resolve`: on all of them), and what cannot is seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks.resolve import GPUS, WHOLE, conflict, extras, pip_conflict, reachable

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

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


def test_pip_resolves_what_no_check_installs_with_it() -> None:
    """`dev` is installed by pip before any test; vLLM's packages take it minutes, in `make resolve`."""
    assert pip_conflict(".[inspect]", PYTHON) is None


def test_pip_says_what_cannot_be_installed(tmp_path: Path) -> None:
    too_old = tmp_path / "constraints.txt"
    too_old.write_text("idna<2.8\n")
    assert "idna>=2.8" in str(pip_conflict("anyio==4.16.0", PYTHON, too_old))
