"""A damaged run directory: the right table, a word about what is wrong, or one line and exit 2. SIGHTGAP_FUZZ=500 for more damage."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.errors import UserError
from bench.gap.frame import load_runs
from bench.store.run import open_runs
from tests.gap.test_frame import ROW, rerun, suite
from tests.gap.test_gap import write_run
from tests.store.fuzz import damaged

MUTATIONS = int(os.environ.get("SIGHTGAP_FUZZ", "60"))
TOLD = re.compile(r"was changed after the run was closed|being written|not finished|records are missing")


def told(*command: str) -> tuple[int, str]:
    """Exit code and all that was printed."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = main(list(command))
    return code, out.getvalue()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "r"
    asked = ["run", "--model", "sim/p=0.6,r=0.8", "--suite", "mini:n=2", "--families", "clock,maze", "--mode", "diagnose"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        assert told(*asked, "--cache", "off", "--out", str(folder))[0] == 0
    return folder


def numbers(folder: Path) -> tuple[Any, list[str]]:
    document = json.loads((folder / "gap.json").read_text(encoding="utf-8"))
    return [document["suite"], document["models"]], document["notes"]


def reported(run: Path, out: Path) -> tuple[int, str]:
    return told("report", str(run), "--formats", "terminal,md,html,csv", "--out", str(out))


@pytest.mark.parametrize("part", range(6))
def test_damage_is_one_line_or_told_and_never_another_number_in_silence(whole: Path, tmp_path: Path, part: int) -> None:
    assert reported(whole, tmp_path / "right")[0] == 0
    right, _ = numbers(tmp_path / "right")
    for seed in range(part, MUTATIONS, 6):
        what = damaged(whole, tmp_path / f"{seed}" / "r", seed)
        code, said = reported(tmp_path / f"{seed}" / "r", tmp_path / f"{seed}" / "out")
        assert "Traceback" not in said, what
        if code == 2:
            assert len(said.strip().splitlines()) == 1, (what, said)
            continue
        assert code == 0, (what, said)
        found, notes = numbers(tmp_path / f"{seed}" / "out")
        assert found == right or any(TOLD.search(note) for note in notes) or what.split(" of ")[1].startswith("run.json"), what


def lines(folder: Path) -> list[str]:
    return (folder / "trials.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)


def test_half_a_run_is_told_and_not_compared(tmp_path: Path) -> None:
    rows = [{**ROW, "puzzle": f"p{number}"} for number in range(36)]
    one, two = (rerun(write_run(tmp_path / name, rows), planned=36) for name in "ab")
    (two / "trials.jsonl").write_text("".join(lines(two)[:20]), encoding="utf-8")
    assert not load_runs(open_runs([one])).notes
    assert any("16 of its 36 records are missing" in note for note in load_runs(open_runs([two])).notes)
    code, said = told("compare", str(one), str(two))
    assert code == 3
    assert "b lacks 16 of its 36 records" in " ".join(said.split())


def shards(folder: Path, **other: Any) -> Iterator[Path]:
    """Two of three parts; the second differs in `other`."""
    for part in (1, 2):
        identity = {"suite": "algo", "models": ["m"], "modes": ["image"], "sampling": {"temperature": 0.0, "seed": 0}, "shard": [part, 3]}
        identity |= other if part == 2 else {}
        run = write_run(folder / str(part), [{**ROW, "puzzle": f"p{part}"}])
        yield rerun(run, suite=suite(str(part) * 64), identity={**identity, "suite_sha256": str(part) * 64})


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    assert "1 of 3 shards are missing (3/3): the numbers are those of the others" in load_runs(open_runs([*shards(tmp_path)])).notes


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"sampling": {"temperature": 1.0, "seed": 0}}, r"differ in sampling.temperature \(0.0 and 1.0\)"),
        ({"sampling": {"temperature": 0.0, "seed": 7}}, r"sampling.seed \(0 and 7\)"),
        ({"sampling": {"temperature": 0.0, "seed": 0, "max_tokens": 9}}, r"sampling.max_tokens \(None and 9\)"),
        ({"level": 3}, r"level \(None and 3\)"),
        ({"shard": [2, 4]}, r"number of parts \(3 and 4\)"),
        ({"shard": "half"}, r"expected a shard \[i, n\]"),
        ({"shard": [5, 3]}, r"expected a shard \[i, n\]"),
    ],
)
def test_shards_of_another_configuration_are_refused(tmp_path: Path, other: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_runs(open_runs([*shards(tmp_path, **other)]))


def test_an_edited_run_is_told_and_a_regraded_one_is_not(whole: Path, tmp_path: Path) -> None:
    damaged(whole, tmp_path / "r", 0)
    for name in ("run.json", "trials.jsonl", "captions.jsonl", "puzzles.jsonl"):
        (tmp_path / "r" / name).write_bytes((whole / name).read_bytes())
    path = tmp_path / "r" / "trials.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"outcome": "wrong"', '"outcome": "correct"', 1), encoding="utf-8")
    assert open_runs([tmp_path / "r"])[0].changed == ("trials.jsonl",)
    assert open_runs([whole])[0].changed == ()


def test_a_report_into_a_file_is_one_line(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    code, said = reported(whole, tmp_path / "out")
    assert (code, said.strip().splitlines()) == (2, [said.strip()])
    assert "is a file" in said
