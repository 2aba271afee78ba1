"""Runs on several machines: what a task does with its part, and what is refused. A real Ray is in `tests/ray`."""

from __future__ import annotations

import importlib.util
import io
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.cli import main
from bench.config import RunConfig
from bench.errors import UserError
from bench.runner import part as parts
from bench.runner.part import MARK, PartJob, do_part
from bench.runner.plan import make_plan, parts_with_puzzles, take_shard
from bench.runner.session import run_identity, run_session, save_suite
from bench.store.parts import merge_part, unpack
from bench.store.run import open_run
from bench.store.writer import Store, run_lock
from tests.conftest import ROOT
from tests.ray.nodes import KEYS, document

ASKED: Mapping[str, object] = {
    "models": "sim/p=0.6,r=0.9,c=0.8",
    "modes": "diagnose",
    "suite": "mini",
    "families": "clock,maze",
    "limit": 6,
    "cache": "off",
}


def job(folder: Path, part: int, whole: int, *, mark: str = "here", **more: object) -> PartJob:
    """Part `part` of the run of `ASKED`, as a driver sends it; a driver that plans without a key does so as a dry run here."""
    plan = make_plan(RunConfig.of({**ASKED, **more}))
    config = replace(plan.config, subject=replace(plan.config.subject, shard=(part, whole)))
    identity = run_identity(replace(plan, config=config, suite=take_shard(plan.suite, part, whole)))
    options = {name: value for name, value in config.options().items() if name != "dry_run"}
    return PartJob(options, identity, str(folder / f"{part}-of-{whole}"), mark, str(Path.cwd()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, undisturbed and in one piece."""
    out = tmp_path_factory.mktemp("ray") / "whole"
    run_session(make_plan(RunConfig.of({**ASKED, "out": str(out)})), Console(file=io.StringIO()))
    return out


def test_parts_that_see_the_drivers_disk_make_up_the_run_whoever_takes_them_up(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / MARK).write_text("here")
    plan = make_plan(RunConfig.of(ASKED))
    store = Store(tmp_path / "merged", {**open_run(whole).about}, run_identity(plan))
    save_suite(store, plan)
    for part in parts_with_puzzles(plan.suite, 5):
        first = do_part(job(folder, part, 5))
        assert (first.trouble, first.missing, dict(first.files)) == (None, 0, {})
        assert first.asked > 0
        assert do_part(job(folder, part, 5)).asked == 0
        for _ in range(2):
            merge_part(store, open_run(folder / f"{part}-of-5"))
    store.close()
    keys = [record.key for record in open_run(tmp_path / "merged").records()]
    assert sorted(keys) == sorted(open_run(whole).latest())
    assert document(tmp_path / "merged") == document(whole)


def test_a_part_on_another_disk_comes_back_whole_and_goes_on_from_there(tmp_path: Path) -> None:
    far = job(tmp_path / "not here", 1, 3, mark="elsewhere")
    done = do_part(far)
    assert done.trouble is None
    assert not (tmp_path / "not here").exists()
    unpack(done.files, tmp_path / "back")
    assert len(open_run(tmp_path / "back").latest()) == done.asked
    half = dict(done.files)
    name = next(name for name in half if name.startswith("trials"))
    lines = half[name].splitlines(keepends=True)
    half[name] = b"".join(lines[: len(lines) // 2]) + lines[-1][:40]
    again = do_part(replace(far, before=half))
    assert (again.missing, again.asked) == (0, done.asked - len(lines) // 2)


def test_a_node_that_would_ask_something_else_says_so(tmp_path: Path) -> None:
    asked = job(tmp_path, 1, 3, mark="elsewhere")
    old = do_part(replace(asked, version="0.0.1"))
    assert old.trouble is not None
    assert "0.0.1 started the run" in old.trouble
    other = do_part(replace(asked, identity={**asked.identity, "model_ids": {"sim": "another"}}))
    assert other.trouble is not None
    assert "model_ids" in other.trouble
    lost = do_part(replace(asked, options={**asked.options, "models": ["hf/no/such/place"]}))
    assert lost.trouble is not None
    assert "\n" not in lost.trouble


def test_a_part_waits_for_whoever_had_it_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = job(tmp_path, 1, 3)
    (tmp_path / MARK).write_text("here")
    Path(asked.folder).mkdir()
    lock = run_lock(Path(asked.folder))
    release = threading.Timer(0.6, lock.close)
    release.start()
    started = time.monotonic()
    assert do_part(asked).trouble is None
    assert time.monotonic() - started >= 0.5
    lock = run_lock(Path(asked.folder))
    monkeypatch.setattr(parts, "PATIENCE_S", 0.3)
    refused = do_part(asked)
    lock.close()
    assert refused.trouble is not None
    assert "being written by another process" in refused.trouble


def test_no_key_travels_with_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEYS[0])
    assert KEYS[0].encode() not in pickle.dumps(job(tmp_path, 1, 3, models="openai/gpt-4o", modes="image"))
    monkeypatch.delenv("OPENAI_API_KEY")
    make_plan(RunConfig.of({**ASKED, "models": "openai/gpt-4o", "modes": "image", "ray": "local"}))  # the nodes have keys, not the driver
    keyless = do_part(job(tmp_path, 1, 3, models="openai/gpt-4o", modes="image", dry_run=True))
    assert keyless.trouble is not None
    assert "OPENAI_API_KEY" in keyless.trouble


@pytest.mark.parametrize(
    "flags",
    [["--shard", "1/2"], ["--batch"], ["--replay"], ["--max-cost", "1"], ["--header", "X-Key=secret"]],
    ids=lambda flags: flags[0],
)
def test_what_does_not_go_with_ray_is_one_line(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", "sim/p=0.5,r=0.5", "--ray", "local", *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {flags[0]} does not go with --ray: ")
    assert "secret" not in line


def test_without_ray_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["run", "--model", "sim/p=0.5,r=0.5", "--limit", "1", "--ray", "local", "--out", str(tmp_path / "run")]) == 2
    assert "pip install '.[ray]'" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_begun_without_ray_is_not_mixed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_session(make_plan(RunConfig.of({**ASKED, "limit": 2, "out": str(out)})), Console(file=io.StringIO()))
    trials = next(out.glob("trials*"))
    trials.write_text("".join(trials.read_text().splitlines(keepends=True)[:3]))
    from bench.runner.start import carry_out_now

    with pytest.raises(UserError, match="begun without --ray"):
        carry_out_now(make_plan(RunConfig.of({**ASKED, "limit": 2, "out": str(out), "ray": "local"})), Console(file=io.StringIO()))


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_no_cluster_is_one_line(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    command = [
        sys.executable,
        str(ROOT / "run_bench.py"),
        "--model",
        "sim/p=0.5,r=0.5",
        "--limit",
        "1",
        "--out",
        out,
        "--ray",
        "127.0.0.1:1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=120)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: --ray 127.0.0.1:1: ")
    assert "Traceback" not in done.stderr
