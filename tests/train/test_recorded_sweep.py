"""The recorded sweep (reports/example/sweep): of one base, its tables as its numbers, and as the documentation quotes it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

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


def test_it_is_of_one_base(records: dict[str, Any], evaluations: list[Any]) -> None:
    assert {record["reward"] for record in records.values()} >= set(load_recipe("tiny").sweep.rewards)
    shown = {reward["reward"] for evaluation in evaluations for reward in evaluation["rewards"]} - {"base"}
    assert shown <= {name.rpartition("-")[0] for name in records}
    assert len({record["base"]["sha256"] for record in records.values()}) == 1
    for name, record in records.items():
        assert name.endswith(f"-{record['seed']}")
        assert record["stopped"] or record["steps"] == record["recipe"]["grpo"]["max_steps"] >= 100
        assert len(record["curve"]) == record["steps"] / (10 if record["reward"] == "supervised" else 1)


def test_clean_and_damaged_pictures_were_asked(evaluations: list[Any]) -> None:
    assert [evaluation["dose"] for evaluation in evaluations] == ["", "blur=1"]


@pytest.mark.parametrize("name", ["tiny-base", "tiny-glance", "tiny-perception"])
def test_every_shipped_checkpoint_has_a_card_and_a_record(name: str) -> None:
    card = (CHECKPOINTS / name / "README.md").read_text(encoding="utf-8")
    assert f"# {name}" in card
    assert "**Its fault.**" in card
    assert json.loads((CHECKPOINTS / name / "training.json").read_text(encoding="utf-8"))


def test_the_documentation_quotes_it(evaluations: list[Any]) -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    rows = [row for row in re.findall(r"^\| (.*) \|$", page, re.MULTILINE) if re.match(r"[\w-]+ \| \d? ?\| ", row)]
    assert [row.split(" | ")[0] for row in rows] == [reward["reward"] for reward in evaluations[0]["rewards"]]
    text = markdown(evaluations)
    for row in rows:
        for number in filter(None, (cell.strip() for cell in row.split("|")[2:])):
            assert number in text, (row, number)
