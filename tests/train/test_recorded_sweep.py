"""The recorded sweep (reports/example/sweep): of the shipped base and recipe, its tables as its numbers, and as the README quotes it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bench.train.provenance import checkpoint_sha256
from bench.train.recipe import load_recipe
from bench.train.sweep.tables import latex, markdown
from tests.conftest import ROOT

FOLDER = ROOT / "reports" / "example" / "sweep"
CHECKPOINTS = ROOT / "results" / "checkpoints"


@pytest.fixture(scope="module")
def evaluations() -> list[Any]:
    return json.loads((FOLDER / "sweep.json").read_text(encoding="utf-8"))["evaluations"]


@pytest.fixture(scope="module")
def records() -> dict[str, Any]:
    return {file.parent.name: json.loads(file.read_text(encoding="utf-8")) for file in FOLDER.glob("checkpoints/*/training.json")}


def test_the_tables_follow_from_the_numbers(evaluations: list[Any]) -> None:
    assert (FOLDER / "sweep.md").read_text(encoding="utf-8") == markdown(evaluations)
    assert (FOLDER / "sweep.tex").read_text(encoding="utf-8") == "\n".join(map(latex, evaluations))


def test_it_is_of_the_shipped_base_and_recipe(records: dict[str, Any]) -> None:
    tiny = load_recipe("tiny")
    assert set(records) == {f"{reward}-{seed}" for reward in tiny.sweep.rewards for seed in tiny.sweep.seeds}
    assert {"vanilla", "mixture", "no-accuracy", "perception"} <= set(tiny.sweep.rewards)
    assert len(tiny.sweep.seeds) >= 3
    for name, record in records.items():
        assert f"{record['reward']}-{record['seed']}" == name
        assert record["base"]["sha256"] == checkpoint_sha256(str(CHECKPOINTS / "tiny-base"))
        assert record["recipe_sha256"] == tiny.sha256
        assert record["stopped"] or record["steps"] == tiny.grpo["max_steps"] >= 200
        assert len(record["curve"]) == record["steps"]


def test_the_trained_checkpoint_that_is_shipped_is_one_of_them(records: dict[str, Any]) -> None:
    shipped = json.loads((CHECKPOINTS / "tiny-perception" / "training.json").read_text(encoding="utf-8"))
    assert shipped == records["perception-0"]


def test_the_readme_quotes_it(evaluations: list[Any]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme[readme.index("## Train what was diagnosed") : readme.index("## In CI")]
    quoted = re.findall(r"^\| ([\w-]+) \| ([\d.]+) \| (.*?) \|", section, re.MULTILINE)
    assert {reward for reward, *_ in quoted} == {"base", *load_recipe("tiny").sweep.rewards}
    table = markdown(evaluations)
    for row in quoted:
        assert re.search(rf"^\| {row[0]} \| {row[1]} \|", table, re.MULTILINE), row
