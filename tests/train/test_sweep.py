"""A sweep end to end, and its tables on simulated checkpoints whose changes are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.cli import main
from bench.config import RunConfig
from bench.report.paper.tex import alone
from bench.runner.plan import make_plan
from bench.runner.session import run_session
from bench.train.recipe import Recipe, load_recipe
from bench.train.sweep.checkpoint import BASE, SweepCheckpoint
from bench.train.sweep.tables import (
    SweepDoc,
    accuracy_rows,
    diagnosis_rows,
    facts_rows,
    latex,
    markdown,
    sweep_document,
)
from tests.conftest import ROOT
from tests.report.test_paper import compile_tex
from tests.train import recipes

BASE_MODEL = ROOT / "results" / "checkpoints" / "tiny-base"
SEEN = {"vanilla": (0.5, 0.9), "perception": (0.8, 0.6), "only-accuracy": (0.5, 0.6)}


def simulated(folder: Path, reward: str, seed: int | None, p: float, r: float) -> SweepCheckpoint:
    """A run of a simulated checkpoint; the seed of the simulation makes checkpoints differ."""
    model = f"sim/p={p},r={r},seed={(seed or 0) + (7 if reward == BASE else 1)}"
    run = folder / f"{reward}-{seed}"
    asked = {"models": model, "modes": "image,oracle,blind,readback", "suite": "mini:seed=101,n=40", "format": "open"}
    config = RunConfig.of({**asked, "out": run, "cache": "off"})
    assert run_session(make_plan(config), Console(quiet=True)).missing == 0
    return SweepCheckpoint(reward, seed, model, run, stopped="for 50 steps all were equal" if (reward, seed) == ("vanilla", 1) else None)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("tiny")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> SweepDoc:
    folder = tmp_path_factory.mktemp("sweep")
    checkpoints = [simulated(folder, BASE, None, 0.5, 0.6)]
    checkpoints += [simulated(folder, reward, seed, *rates) for reward, rates in SEEN.items() for seed in (0, 1)]
    return sweep_document(checkpoints, recipe)


def test_the_tables_find_what_each_reward_changed(document: SweepDoc) -> None:
    found = {reward["reward"]: reward["domains"]["all"] for reward in document["rewards"]}
    assert "change" not in found[BASE]
    changes = {name: found[name].get("change") for name in SEEN}
    assert changes["vanilla"] is not None
    assert changes["perception"] is not None
    assert changes["vanilla"]["improved"] == ["thinking"]
    assert changes["perception"]["improved"] == ["picture"]
    delta = changes["perception"]["perception"]["delta"]
    assert delta is not None
    assert delta == pytest.approx(0.3, abs=0.12)
    facts = found["perception"]["facts"]
    assert (facts["read back"].get("change") or {})["delta"] == pytest.approx(0.3, abs=0.12)
    assert facts["stated"]["share"] is not None


def test_seeds_are_replicates_on_the_same_puzzles(document: SweepDoc) -> None:
    for reward in document["rewards"]:
        modes = reward["domains"]["all"]["whole"]["modes"]["image"]
        assert modes["n"] == 360 * max(1, len(reward["seeds"]))
        assert reward["image_by_seed"]
        mean = sum(reward["image_by_seed"]) / len(reward["image_by_seed"])
        assert modes["accuracy"] == pytest.approx(mean, abs=1e-4)
        change = reward["domains"]["all"].get("change")
        if change:  # the paired change is the difference of the two accuracies, over all seeds
            base = document["rewards"][0]["domains"]["all"]["whole"]["modes"]["image"]["accuracy"]
            assert modes["accuracy"] is not None
            assert base is not None
            assert change["image"]["delta"] == pytest.approx(modes["accuracy"] - base, abs=2e-4)


def test_rewards_are_held_against_each_other_over_seeds_too(document: SweepDoc) -> None:
    found = {one["reward"]: one["measures"] for one in document.get("between", [])}
    assert set(found) == {"vanilla", "perception"}
    assert found["perception"]["read back"]["delta"] == pytest.approx(0.3, abs=0.12)
    assert found["vanilla"]["oracle"]["delta"] == pytest.approx(0.3, abs=0.12)
    assert found["vanilla"]["read back"]["delta"] == pytest.approx(0.0, abs=0.12)
    for doc in (doc for measures in found.values() for doc in measures.values()):
        low, high = doc["ci"] or (0.0, 0.0)
        assert low < high
        assert (doc.get("p_holm") or 0.0) >= (doc.get("p") or 0.0)


def test_domains_are_parts_of_the_whole(document: SweepDoc, recipe: Recipe) -> None:
    for reward in document["rewards"]:
        counts = {domain: doc["whole"]["modes"]["image"]["n"] for domain, doc in reward["domains"].items()}
        assert counts["in-domain"] + counts["out-of-domain"] == counts["all"]
        assert counts["in-domain"] * 9 == counts["all"] * len(recipe.data.in_domain)


def test_rendered_tables_hold_the_numbers(document: SweepDoc) -> None:
    text = markdown([document])
    tables = (accuracy_rows(document), diagnosis_rows(document), facts_rows(document))
    for row in (row for rows in tables for row in rows):
        assert "| " + " | ".join(row) + " |" in text
    assert "vanilla, seed 1: for 50 steps all were equal" in text
    assert "13.2" in text  # published beside ours
    made = latex(document)
    assert made.count(r"\label{tab:sightgap-sweep-") == 4
    for row in accuracy_rows(document):
        assert f"{row[1]} " in made or f"{row[1]} &" in made


def test_the_tables_fit_a_page(document: SweepDoc, tmp_path: Path) -> None:
    path = tmp_path / "sweep.tex"
    path.write_text(alone(latex(document)))
    log = compile_tex(path)
    assert "Overfull" not in log
    assert "too large" not in log


@pytest.mark.timeout(900)
def test_a_sweep_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reward and two controls from one start: trained, asked, tabled; the same command again does nothing twice."""
    changes = {
        "data__set": "mini:n=4,level=1",
        "data__in_domain": list(load_recipe("tiny").data.in_domain),
        "data__out_of_domain": list(load_recipe("tiny").data.out_of_domain),
        "data__suite": None,
        "data__levels": None,
        "grpo__max_steps": 1,
        "grpo__per_device_train_batch_size": 8,
        "grpo__num_generations": 4,
        "grpo__max_completion_length": 48,
        "sweep__seeds": [0],
        "sweep__lessons": {"steps": 1, "seed": 3},
        "sweep__jobs": 1,
        "sweep__rewards": ["mixture"],
        "sweep__evaluate__suite": "mini:seed=101,level=1",
        "sweep__evaluate__n": 1,
        "sweep__evaluate__max_tokens": 48,
        "sweep__controls": [{"name": "truth"}, {"name": "all-damaged", "reward": "mixture", "data": {"clean": 0.0}}],
        "sweep__evaluate__modes": ["image", "oracle"],
        "sweep__evaluate__degrade": ["blur=2"],
        "sweep__evaluate__temperatures": [0.0, 1.0],
    }
    asked = recipes.written(tmp_path, recipes.table("tiny", **changes))
    call = ["train", "--recipe", str(asked), "--reward", "all", "--model", str(BASE_MODEL), "--out", str(tmp_path / "out")]
    torn = tmp_path / "out" / "checkpoints" / "mixture-0"  # as a sweep leaves it that was killed before a step was saved
    torn.mkdir(parents=True)
    (torn / "training.json").write_text('{"finished": false}')
    assert main(call) == 0
    shown = capsys.readouterr().out
    assert shown == (tmp_path / "out" / "sweep.md").read_text() + "\n"
    runs = {str(run.relative_to(tmp_path / "out" / "runs")) for run in (tmp_path / "out" / "runs").glob("*/*")}
    assert runs == {f"temperature-{t}/{name}" for t in ("0", "1") for name in ("base", "mixture-0", "truth-0", "all-damaged-0")}
    made = json.loads((tmp_path / "out" / "sweep.json").read_text())["evaluations"]
    assert [(one["temperature"], one["dose"]) for one in made] == [(0, ""), (0, "blur=2"), (1, ""), (1, "blur=2")]
    assert [reward["reward"] for reward in made[0]["rewards"]] == ["base", "mixture", "truth", "all-damaged"]
    assert "## Accuracy on images, clean pictures, greedy decoding" in shown
    assert "## Using, seeing and thinking, pictures damaged by blur=2, replies drawn at temperature 1" in shown
    assert (tmp_path / "out" / "curves.png").stat().st_size > 10_000
    base = json.loads((tmp_path / "out" / "start" / "training.json").read_text())
    assert (base["reward"], base["seed"], base["steps"]) == ("supervised", 3, 1)
    assert json.loads((tmp_path / "out" / "checkpoints" / "mixture-0" / "training.json").read_text())["base"]["name"] == "start"
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*.safetensors")}
    assert main(call) == 0
    assert capsys.readouterr().out == shown
    assert written == {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*.safetensors")}
