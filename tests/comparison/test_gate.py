"""A gate for real releases: modes, several runs of a side, improved models, changed prompts, what a margin needs, and the summary."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench.prompt
from bench.cli import main
from bench.comparison.answers import with_answers
from bench.comparison.decide import ModePairs, judge
from bench.comparison.needs import needs
from bench.comparison.result import Decision
from bench.errors import UserError
from bench.mode import Mode
from bench.report.ci import summary
from bench.store.run import open_run, open_runs
from tests.comparison.comparing import compare
from tests.gap.test_gap import write_run
from tests.report.hostile import flat, rows


def run(folder: Path, *, seed: int = 0, n: int = 100, rate: Callable[[str, str], float] = flat, **more: Any) -> Path:
    return write_run(folder, rows("m", n, rate, seed=seed), **more)


def worse_caption(family: str, mode: str) -> float:
    return flat(family, mode) - (0.3 if mode == "caption" else 0.0)


def test_only_the_modes_that_are_named_decide(tmp_path: Path) -> None:
    old, new = run(tmp_path / "a"), run(tmp_path / "b", rate=worse_caption)
    assert compare(old, new).exit_code == 1
    result = compare(old, new, modes=[Mode.IMAGE, Mode.ORACLE])
    assert (result.exit_code, [case.mode for case in result.overall]) == (0, ["image", "oracle"])
    with pytest.raises(UserError, match="--mode: a has no trial of 'readback': found"):
        compare(old, new, modes=[Mode.READBACK])


def test_several_runs_of_a_side_are_replicates(tmp_path: Path) -> None:
    olds = [run(tmp_path / f"a{seed}", seed=seed) for seed in range(3)]
    news = [run(tmp_path / f"b{seed}", seed=10 + seed) for seed in range(3)]
    result = compare(olds, news)
    case = next(case for case in result.overall if case.mode == "image")
    assert (case.puzzles, case.trials) == (300, 900)
    assert result.baseline == "a0 + a1 + a2"
    single = next(case for case in compare(olds[0], news[0]).overall if case.mode == "image")
    assert case.enough is not None
    assert single.enough is not None
    assert case.enough < 0.5 * single.enough, "three replicates need about a third of the puzzles"
    fewer = compare(olds, news[:1])
    assert fewer.problems == ()
    assert "the baseline has 3 replicates and the candidate 1: 1 are paired" in fewer.notes


def test_one_run_twice_is_one_run(tmp_path: Path) -> None:
    one = run(tmp_path / "a")
    assert next(case for case in compare([one, one], one).overall if case.mode == "image").trials == 300
    shutil.copytree(one, tmp_path / "copy")
    assert next(case for case in compare([one, tmp_path / "copy"], one).overall if case.mode == "image").trials == 300


def test_runs_of_different_suites_are_no_replicates(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"runs of different suites \(algo, mini\) are no replicates"):
        compare([run(tmp_path / "a"), run(tmp_path / "b", suite="mini")], run(tmp_path / "c"))


# -- improved ----------------------------------------------------------------------------------------------------------------------------
def gain(n: int, before: float, after: float, mode: str) -> ModePairs:
    old, new = np.zeros(n), np.zeros(n)
    old[: round(before * n)], new[: round(after * n)] = 1, 1
    return ModePairs("m", mode, np.full(n, "clock"), old, new, np.ones(n))


def test_an_improved_model_does_not_wait_for_another_arm(tmp_path: Path) -> None:
    def better_image(family: str, mode: str) -> float:
        return 0.95 if mode == "image" else flat(family, mode)

    old, new = run(tmp_path / "a"), run(tmp_path / "b", rate=better_image, seed=3)
    result = compare(old, new)
    verdicts = {case.mode: case.verdict for case in result.overall}
    assert verdicts["image"] is Decision.IMPROVED
    assert Decision.INCONCLUSIVE in verdicts.values()
    undecided = [case for case in result.undecided if (case.delta or 0) < -result.margin]
    assert result.exit_code == (3 if undecided else 0)
    if not undecided:
        assert result.sentence.startswith("improved: image overall +")


@pytest.mark.parametrize(("caption", "code"), [(0.49, 0), (0.45, 3), (0.2, 1)])
def test_an_arm_that_is_seen_to_be_worse_still_counts(caption: float, code: int) -> None:
    from bench.comparison.result import Comparison

    overall, cases = judge([gain(100, 0.4, 0.9, "image"), gain(100, 0.5, caption, "caption")], margin=0.02, alpha=0.05)
    result = Comparison("a", "b", "s", 0.02, 0.05, overall, cases, (), (), ())
    assert overall[0].verdict is Decision.IMPROVED
    assert result.exit_code == code


def test_equal_models_are_called_improved_at_most_at_alpha() -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(400):
        chance = rng.beta(0.9, 0.6, 200)
        old, new = (rng.binomial(1, chance).astype(np.float64) for _ in range(2))
        overall, _ = judge([ModePairs("m", "image", np.full(200, "clock"), old, new, np.ones(200))], margin=0.02, alpha=0.05)
        found += overall[0].verdict is Decision.IMPROVED
    assert found <= 0.05 * 400


# -- a changed prompt ---------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the templates that a test may edit; what was rendered of it is forgotten with it."""
    folder = tmp_path / "prompts"
    shutil.copytree(bench.prompt._FOLDER, folder)  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(bench.prompt, "_FOLDER", folder)
    forget()
    yield folder
    forget()


def forget() -> None:
    bench.prompt.prompt_sha.cache_clear()
    bench.prompt._environment.cache_clear()  # pyright: ignore[reportPrivateUsage]
    bench.prompt._template.cache_clear()  # pyright: ignore[reportPrivateUsage]
    bench.prompt._captioning.cache_clear()  # pyright: ignore[reportPrivateUsage]
    bench.prompt._reading_back.cache_clear()  # pyright: ignore[reportPrivateUsage]


def asked(folder: Path, cache: Path, *more: str, model: str = "sim/p=0.6,r=0.9") -> int:
    base = ["run", "--model", model, "--suite", "mini:n=4", "--families", "clock", "--mode", "image,oracle,readback"]
    return main([*base, "--cache", str(cache), "--out", str(folder), *more])


def test_a_changed_prompt_under_replay_says_which_and_how_many(
    prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    assert asked(tmp_path / "old", cache) == 0
    template = prompts / "solve.j2"
    template.write_text(template.read_text() + "\nBe brief.")
    forget()
    assert asked(tmp_path / "new", cache, "--replay") == 3
    said = capsys.readouterr().err
    assert "--replay: the cache holds no reply for 8 of 12 trials, such as mini@2/clock/" in said
    assert "prompts/solve.j2 changed since the cache was filled" in said
    assert open_run(tmp_path / "new").about["totals"]["missing"] == 8, "the four readbacks were answered"
    result = compare(tmp_path / "old", tmp_path / "new")
    assert result.exit_code == 3
    problem = next(problem for problem in result.problems if "is not finished" in problem)
    assert problem.startswith("new is not finished (8 of 12 trials are missing); prompts/solve.j2 (")
    assert problem.endswith("changed since the baseline: a replay cannot answer it, so ask the candidate once without --replay")
    assert asked(tmp_path / "new", cache) == 0
    notes = compare(tmp_path / "old", tmp_path / "new").notes
    assert any("prompts/solve.j2" in note and "the difference is that of prompt and model together" in note for note in notes)


# -- what a margin needs ------------------------------------------------------------------------------------------------------------------
def test_what_a_margin_needs_shrinks_with_replicates(tmp_path: Path) -> None:
    single = needs(open_runs([run(tmp_path / "a")]), margin=0.05, alpha=0.05)
    image = next(need for need in single.needs if need.mode == "image")
    assert not image.measured
    assert image.disagreement == pytest.approx(2 * image.accuracy * (1 - image.accuracy))
    several = [run(tmp_path / f"b{seed}", seed=seed) for seed in range(4)]
    measured = next(need for need in needs(open_runs(several), margin=0.05, alpha=0.05).needs if need.mode == "image")
    assert measured.measured
    four = next(need for need in needs(open_runs(several), margin=0.05, alpha=0.05, replicates=4).needs if need.mode == "image")
    assert four.puzzles == pytest.approx(measured.puzzles / 4, rel=0.1)
    assert "blind" not in {need.mode for need in single.needs}


def test_the_number_that_is_promised_is_enough() -> None:
    """Two equal models on as many puzzles as `needs` says: most comparisons pass."""
    from bench.comparison.needs import _puzzles  # pyright: ignore[reportPrivateUsage]

    rng = np.random.default_rng(7)
    passed = 0
    for _ in range(200):
        k = 3
        pilot = rng.beta(0.9, 0.6, 2000)
        disagreement = float((2 * pilot * (1 - pilot)).mean())
        n = _puzzles(0.05, disagreement, 0.05, k)
        chance = rng.beta(0.9, 0.6, n)
        old, new = (rng.binomial(k, chance).astype(np.float64) for _ in range(2))
        (case,), _ = judge([ModePairs("m", "image", np.full(n, "clock"), old, new, np.full(n, float(k)))], margin=0.05, alpha=0.05)
        passed += case.verdict in (Decision.PASS, Decision.IMPROVED)
    assert 0.68 <= passed / 200 <= 0.92


def test_the_option_that_draws_them_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert asked(tmp_path / "old", tmp_path / "cache", "--replicates", "2") == 0
    capsys.readouterr()
    assert main(["compare", str(tmp_path / "old"), "--margin", "0.05", "--replicates", "2"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "ask both with --suite mini:n=" in out
    assert "--replicates 2" in out
    assert main(["compare", str(tmp_path / "old"), "--margin", "0"]) == 2
    assert main(["compare", str(tmp_path / "old"), "--junit", "x.xml"]) == 2


# -- the summary --------------------------------------------------------------------------------------------------------------------------
def test_the_summary_shows_what_changed_and_where_to_see_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert asked(tmp_path / "old", tmp_path / "cache") == 0
    assert asked(tmp_path / "new", tmp_path / "cache", model="sim/p=0.6,r=0.9,seed=2") == 0
    folders = [tmp_path / "old"], [tmp_path / "new"]
    result = with_answers(compare(*folders), *map(open_runs, folders))
    assert result.changes
    text = summary.render(result)
    for change in result.changes:
        assert change.question
        assert change.said[0]
        assert change.said[1]
        assert (change.gold in change.said[0]) == (change.before > 0)
        assert (change.gold in change.said[1]) == (change.after > 0)
        assert f"`show {tmp_path / 'new'} {change.puzzle} --mode {change.mode}`" in text


def test_rows_that_say_nothing_are_folded(tmp_path: Path) -> None:
    one = run(tmp_path / "a")
    text = summary.render(compare(one, one))
    head, _, folded = text.partition("<details>")
    assert "| image |" not in head
    assert "Without a change that counts (4)" in folded
    assert "blind (control)" in folded
