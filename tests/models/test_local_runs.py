"""Whole runs of local checkpoints by transformers: cut short and continued, several models, a captioner beside the solver, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.models.local.transformers import Transformers
from bench.store.reader import TRIALS
from bench.store.run import open_run
from tests.conftest import ROOT
from tests.models import tiny_qwen
from tests.models.local_runs import cut_in_half, run, said
from tests.runner.test_runner import heed_interrupts


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen.build(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen.build(tmp_path_factory.mktemp("runs") / "second", seed=7)


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is loaded and freed, in order."""
    seen: list[str] = []
    load, free = Transformers.load, Transformers.free

    def loads(self: Any) -> None:
        seen.append(f"load {Path(self._checkpoint.where).name}")
        load(self)

    def frees(self: Any) -> None:
        seen.append(f"free {Path(self._checkpoint.where).name}")
        free(self)

    monkeypatch.setattr(Transformers, "load", loads)
    monkeypatch.setattr(Transformers, "free", frees)
    return seen


def test_a_run_that_was_cut_short_ends_as_if_it_had_not_been(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tmp_path: Path) -> None:
    name = f"hf/{checkpoint}"
    whole = run((name,), tmp_path / "whole", temperature=1.0, replicates=2, limit=3)
    assert (whole.finished, whole.missing) == (18, 0)
    texts = said(whole.folder)
    again = run((name,), cut_in_half(whole.folder, tmp_path / "again"), temperature=1.0, replicates=2, limit=3)
    assert again.missing == 0
    assert 0 < again.asked < 18
    assert said(again.folder) == texts
    assert all(texts[key] != texts[(*key[:3], 1)] for key in texts if key[2] == "blind" and key[3] == 0)
    seen = watch(monkeypatch)
    assert run((name,), whole.folder, temperature=1.0, replicates=2, limit=3).asked == 0
    assert seen == []  # nothing to ask: nothing is loaded


def test_records_say_what_the_model_saw(checkpoint: Path, tmp_path: Path) -> None:
    folder = run((f"hf/{checkpoint}",), tmp_path / "run", limit=2).folder
    for record in open_run(folder).records():
        if record.mode == "caption":
            continue  # a random model's captions are cut off, so these have no reply
        assert record.reply is not None
        assert record.reply.usage.input > 0
        if record.mode == "image":
            assert record.image is not None
            assert record.image.sent_px == record.reply.sent_px
            assert all(side % (tiny_qwen.PATCH * tiny_qwen.MERGE) == 0 for side in record.image.sent_px)


def test_a_captioner_and_a_solver_are_never_in_memory_together(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, second: Path, tmp_path: Path
) -> None:
    seen = watch(monkeypatch)
    folder = run((f"hf/{checkpoint}",), tmp_path / "run", captioner=f"hf/{second}", limit=3).folder
    assert seen == ["load second", "free second", "load tiny", "free tiny"]
    captions = list(open_run(folder).captions.values())
    assert len(captions) == 3
    assert {row["model"] for row in captions} == {f"hf/{second}"}
    assert len(said(folder)) == 9


def test_models_are_loaded_one_after_another(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, second: Path, tmp_path: Path) -> None:
    seen = watch(monkeypatch)
    done = run((f"hf/{checkpoint}", f"hf/{second}"), tmp_path / "run", limit=1)
    assert done.missing == 0
    assert seen == ["load tiny", "free tiny", "load second", "free second"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "run_bench.py"), "run", "--suite", "mini", "--families", "clock", "--cache", "off", *arguments]


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_the_run_continues(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = command("--model", f"hf/{checkpoint}", "--mode", "blind,image", "--max-tokens", "24", "--limit", "16", "--out", str(out))
    with subprocess.Popen(
        arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as process:
        until = time.monotonic() + 200
        while time.monotonic() < until and process.poll() is None:
            if (out / TRIALS).exists() and (out / TRIALS).read_text().count("\n") >= 16:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    kept = len(said(out))
    assert 16 <= kept < 32
    subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True, timeout=250)
    assert len(said(out)) == 32
    assert json.loads((out / "run.json").read_text())["finished"]


def test_offline_a_hub_id_that_is_not_cached_is_one_line(tmp_path: Path) -> None:
    settings = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    arguments = command("--model", "hf/nobody/nothing", "--mode", "blind", "--limit", "1", "--out", str(tmp_path / "run"))
    done = subprocess.run(arguments, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=200)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if "hf/nobody/nothing: cannot be loaded" in line]
    assert len(told) == 1
    assert not said(tmp_path / "run")
