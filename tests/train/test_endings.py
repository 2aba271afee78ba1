"""How runs end and go on: a kill while saving, a signal, a full disk, a lost run; and what both commands say in every state of a folder."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import main
from bench.errors import UserError
from bench.models.base import Reply, Request
from bench.store.run import open_run
from bench.train import trainer
from bench.train.checkpoints import MARKER, FolderState, RunFolder, is_whole, keep_newest, mark_whole, saved_steps, step_of
from bench.train.grpo import Training, TrainingStopped, train
from bench.train.interrupt import Interrupt
from bench.train.live import LivePolicy
from bench.train.provenance import RECORD
from tests.chaos.scene import tree
from tests.conftest import ROOT
from tests.train.runs import BASE, TINY, recipe, weights

Capture = pytest.CaptureFixture[str]

_KILLED = """
import os, signal, sys
from pathlib import Path
from bench.train.grpo import Training, train
from bench.train.recipe import load_recipe
from bench.train.trainer import trainer_class

def save_rng(self, folder):
    if self.state.global_step == 2:
        os.kill(os.getpid(), signal.SIGKILL)  # weights and optimizer are written, the rest is not
    before(self, folder)

before, trainer_class()._save_rng_state = trainer_class()._save_rng_state, save_rng
train(Training(load_recipe(sys.argv[1]), "mixture", sys.argv[2], Path(sys.argv[3])))
"""


def command(asked: Any, out: Path, *more: str, reward: str = "mixture") -> list[str]:
    return ["train", "--recipe", asked.source, "--reward", reward, "--model", str(BASE), "--out", str(out), *more]


def test_a_run_killed_while_saving_goes_on_from_the_newest_whole_step(whole: Path, tmp_path: Path) -> None:
    """Its weights and its log are those of the run that was never interrupted, bit by bit."""
    asked, out = recipe(tmp_path / "recipe", grpo__save_steps=1), tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", _KILLED, asked.source, str(BASE), str(out)], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert (out / "steps" / "checkpoint-2" / "model.safetensors").is_file()
    assert [step.name for step in saved_steps(out)] == ["checkpoint-1"]
    with pytest.raises(UserError, match="saved after step 1: continue it with --resume"):
        train(Training(asked, "mixture", str(BASE), out))
    train(Training(asked, "mixture", str(BASE), out, resume=True))
    record = json.loads((out / RECORD).read_text())
    assert record["resumed_from"] == "checkpoint-1"
    first, second = weights(whole), weights(out)
    assert all(bool((first[name] == second[name]).all()) for name in first)
    curves = [json.loads((folder / RECORD).read_text())["curve"] for folder in (whole, out)]
    assert [{k: v for k, v in row.items() if k != "step_time"} for row in curves[0]] == [
        {k: v for k, v in row.items() if k != "step_time"} for row in curves[1]
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_a_signal_ends_a_run_after_the_step_at_hand_is_saved(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    asked, out = recipe(tmp_path / "recipe", **(TINY | {"grpo__max_steps": 5})), tmp_path / "out"
    before = signal.getsignal(number)
    _while_scoring(monkeypatch, lambda calls: signal.raise_signal(number) if calls == 1 else None)
    assert main(command(asked, out)) == 130
    said = capsys.readouterr().err
    assert f"{signal.Signals(number).name}: the step at hand is finished and saved" in said
    assert f"the same command with --resume continues from step 1, the last that was saved in {out}" in said
    assert signal.getsignal(number) == before
    assert RunFolder.of(out).state is FolderState.SAVED
    assert main(command(asked, out)) == 2
    assert "continue it with --resume" in capsys.readouterr().err


@pytest.mark.parametrize(("step", "told"), [(0, "no step is saved"), (1, "continues from step 1"), (2, "continues from step 2")])
def test_an_evaluation_is_given_up_for_a_signal_and_made_when_the_run_goes_on(
    step: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Before the first step, between two, and after the last, each with the first reply of an evaluation that would ask for more."""
    held_out = {"every": 1, "n": 3, "suite": "mini:seed=202,level=1", "families": ["clock"], "modes": ["blind"], "max_tokens": 8}
    changes = TINY | {"grpo__max_steps": 2, "grpo__report_to": "none"}
    asked, out = recipe(tmp_path / "recipe", evaluate=held_out | {"best": "blind", "concurrency": 1}, **changes), tmp_path / "out"
    replied = 0

    async def ask(self: LivePolicy, request: Request) -> Reply:
        nonlocal replied
        reply = await answered(self, request)
        if self.name.endswith(f"@step-{step}"):
            replied += 1
            if replied == 1:
                signal.raise_signal(signal.SIGTERM)
                await asyncio.sleep(1)
        return reply

    answered = LivePolicy.ask
    monkeypatch.setattr(LivePolicy, "ask", ask)
    assert main(command(asked, out)) == 130
    assert told in capsys.readouterr().err
    assert replied == 1
    assert max(map(step_of, saved_steps(out)), default=0) == step
    assert not (out / "evaluations" / f"step-{step}").exists()
    if step == 0:  # it begins anew
        return
    assert main(command(asked, out, "--resume")) == 0
    record = json.loads((out / RECORD).read_text())
    assert [row["step"] for row in record["evaluations"]] == [0, 1, 2]
    assert all(len(open_run(out / "evaluations" / f"step-{number}").latest()) == 3 for number in range(3))


def test_what_is_ignored_when_a_run_begins_stays_ignored(capsys: Capture) -> None:
    """`nohup` has the closing of the terminal ignored: that is no wish to end."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        interrupt = Interrupt()
        with interrupt.listening():
            signal.raise_signal(signal.SIGHUP)
            assert not interrupt.asked
            signal.raise_signal(signal.SIGTERM)
            assert interrupt.asked
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert "SIGTERM: the step at hand is finished and saved" in capsys.readouterr().err


def test_a_run_interrupted_before_a_step_was_saved_begins_anew_and_a_finished_one_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Both commands on a folder in each of its states: nothing saved, finished."""
    asked, out = recipe(tmp_path / "recipe", **TINY), tmp_path / "out"

    def twice(calls: int) -> None:
        if calls == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        _while_scoring(patched, twice)
        assert main(command(asked, out)) == 130
    assert f"no step is saved in {out}: the same command begins anew" in capsys.readouterr().err
    assert RunFolder.of(out).state is FolderState.BEGUN
    assert main(command(asked, out, "--resume")) == 0
    assert "was cut off before a step was saved: it begins anew" in capsys.readouterr().err
    written = (out / "model.safetensors").stat().st_mtime_ns
    assert main(command(asked, out, "--resume")) == 0
    assert "holds a finished run: nothing is left to train" in capsys.readouterr().err
    assert main(command(asked, out)) == 2
    assert "holds a finished run: choose another --out" in capsys.readouterr().err
    assert (out / "model.safetensors").stat().st_mtime_ns == written


def test_a_full_disk_leaves_the_newest_whole_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The kernel refuses to write more while the second step is saved: one line, and the first step serves."""
    asked, out = recipe(tmp_path / "recipe", **(TINY | {"grpo__max_steps": 2}), grpo__save_steps=1), tmp_path / "out"
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def full(checkpoint: Path) -> None:
        mark_whole(checkpoint)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))

    monkeypatch.setattr(trainer, "mark_whole", full)
    try:
        assert main(command(asked, out)) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"error: {out / 'steps' / 'checkpoint-2'} could not be saved (")
    assert said.endswith(f"{out / 'steps' / 'checkpoint-1'} is whole: make room, and --resume continues from there")
    assert [step.name for step in saved_steps(out)] == ["checkpoint-1"]
    assert not (out / "steps" / "checkpoint-2").exists()


def test_a_lost_run_stops_with_its_reason_and_keeps_its_weights(tmp_path: Path) -> None:
    """Completions cut to four tokens earn nothing, all alike: there is nothing to learn from."""
    asked = recipe(tmp_path / "recipe", grpo__max_completion_length=4, grpo__max_steps=8, stop__equal_steps=2)
    with pytest.raises(TrainingStopped, match="earned the same"):
        train(Training(asked, "only-accuracy", str(BASE), tmp_path / "out"))
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert record["finished"] is False
    assert "earned the same" in record["stopped"]
    assert record["steps"] == 2
    assert (tmp_path / "out" / "model.safetensors").is_file()
    with pytest.raises(UserError, match="holds a run that was stopped"):
        train(Training(asked, "only-accuracy", str(BASE), tmp_path / "out"))


def test_a_base_that_cannot_write_the_tags_is_told_what_to_do(tmp_path: Path, capsys: Capture) -> None:
    """There is no room for a whole tag in four tokens."""
    asked = recipe(tmp_path / "recipe", **(TINY | {"grpo__max_completion_length": 4, "grpo__max_steps": 4}), stop__untagged_steps=1)
    assert main(command(asked, tmp_path / "out", reward="vanilla")) == 1
    said = capsys.readouterr().err
    assert "for 1 steps no completion had any of the tags that the reward pays for (step 1)" in said
    assert "teach them first by examples (supervised)" in said


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_reward_that_is_not_finite_ends_the_run_in_one_line(
    value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """TRL would take it for 0 without a word, or lose the weights to it."""
    asked = recipe(tmp_path / "recipe", **TINY)

    def score(*_: object, **__: object) -> dict[str, float]:
        return {"total": value, "answer": 1.0}

    monkeypatch.setattr("bench.train.rewards.score", score)
    assert main(command(asked, tmp_path / "out", reward="vanilla")) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"error: reward vanilla: its total is {value} for a completion of mini@2/")
    assert not saved_steps(tmp_path / "out")


def _while_scoring(monkeypatch: pytest.MonkeyPatch, event: Callable[[int], object]) -> None:
    """Let `event` happen at each completion that is scored, with its number."""
    from bench.train.rewards import TrainerReward

    scored, calls = TrainerReward._scored, 0  # pyright: ignore[reportPrivateUsage]

    def then(self: TrainerReward, *given: Any, **named: Any) -> dict[str, float]:
        nonlocal calls
        calls += 1
        event(calls)
        return scored(self, *given, **named)

    monkeypatch.setattr(TrainerReward, "_scored", then)


# -- folders -----------------------------------------------------------------------------------------------------------------------------
def test_a_taken_folder_is_refused(whole: Path, tmp_path: Path) -> None:
    asked = recipe(tmp_path / "recipe")
    with pytest.raises(UserError, match="holds a finished run"):
        train(Training(asked, "mixture", str(BASE), whole))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="not empty, and holds no run of this command"):
        train(Training(asked, "mixture", str(BASE), tmp_path / "mine"))
    with pytest.raises(UserError, match="no run to resume: found other files"):
        train(Training(asked, "mixture", str(BASE), tmp_path / "mine", resume=True))
    assert (tmp_path / "mine" / "thesis.tex").is_file()


@pytest.mark.parametrize("name", ["steps", "steps/checkpoint-2", "steps/checkpoint-2/optimizer.pt", "evaluations", "tensorboard", RECORD])
@pytest.mark.parametrize("resume", [True, False])
def test_links_in_a_folder_of_training_are_not_followed(whole: Path, tmp_path: Path, name: str, resume: bool) -> None:
    """A run that was cut off, handed over by somebody else: nothing outside of it is written or removed."""
    out, outside = tmp_path / "out", tmp_path / "outside"
    shutil.copytree(whole, out)
    record = json.loads((out / RECORD).read_text())
    (out / RECORD).write_text(json.dumps(record | {"finished": False}))
    outside.mkdir()
    if (out / name).exists():
        (out / name).rename(outside / "there")
    (out / name).symlink_to(outside / "there")
    before = tree(outside)
    with pytest.raises(UserError, match=r"symbolic link|holds no run to resume|holds no run of this command"):
        train(Training(recipe(tmp_path / "recipe"), "mixture", str(BASE), out, resume=resume))
    assert tree(outside) == before


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [RECORD, "rollouts.jsonl", f"steps/checkpoint-2/{MARKER}"])
@pytest.mark.parametrize("resume", [True, False])
def test_nobody_waits_for_a_pipe_in_a_folder_of_training(whole: Path, tmp_path: Path, name: str, resume: bool) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    (out / name).unlink(missing_ok=True)
    os.mkfifo(out / name)
    with pytest.raises(UserError, match=r"is no file|holds no run to resume|holds no run of this command"):
        train(Training(recipe(tmp_path / "recipe"), "mixture", str(BASE), out, resume=resume))


def test_resuming_what_was_begun_otherwise_is_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="reward"):
        train(Training(recipe(tmp_path / "recipe"), "vanilla", str(BASE), whole, resume=True))
    with pytest.raises(UserError, match="recipe_sha256"):
        train(Training(recipe(tmp_path / "other", grpo__learning_rate=3e-4), "mixture", str(BASE), whole, resume=True))
    with pytest.raises(UserError, match="no run to resume: found nothing"):
        train(Training(recipe(tmp_path / "recipe"), "mixture", str(BASE), tmp_path / "nothing", resume=True))


def test_another_number_of_processes_is_refused(whole: Path, tmp_path: Path) -> None:
    """A step of two processes holds twice the completions, and ZeRO's shards are those of as many, which nothing else reads."""
    shutil.copytree(whole / "steps", tmp_path / "out" / "steps")
    record = json.loads((whole / RECORD).read_text())
    assert record["processes"] == 1
    (tmp_path / "out" / RECORD).write_text(json.dumps(record | {"processes": 2, "finished": False}))
    with pytest.raises(UserError, match=r"begun by 2 processes, found 1: .*--num_processes 2"):
        train(Training(recipe(tmp_path / "recipe"), "mixture", str(BASE), tmp_path / "out", resume=True))
    assert record["sharding"] == ""
    (tmp_path / "out" / RECORD).write_text(json.dumps(record | {"sharding": "deepspeed", "finished": False}))
    with pytest.raises(UserError, match=r"begun with sharding by deepspeed, found none: .*--config_file"):
        train(Training(recipe(tmp_path / "recipe"), "mixture", str(BASE), tmp_path / "out", resume=True))


def test_fewer_processes_than_the_recipe_has_gpus_are_refused(tmp_path: Path) -> None:
    """A step would hold an eighth of the completions, and one GPU all of the weights."""
    asked = recipe(tmp_path / "recipe", launch__gpus=8, launch__accelerate="accelerate-zero3.yaml")
    with pytest.raises(UserError, match=r"launch\.gpus: expected a process for each of 8 GPUs, found 1: .*accelerate-zero3\.yaml"):
        train(Training(asked, "mixture", str(BASE), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def saved(out: Path, step: int) -> Path:
    """A checkpoint as the trainer leaves it, marked."""
    folder = out / "steps" / f"checkpoint-{step}"
    (folder / "global").mkdir(parents=True)
    for name in ("model.safetensors", "optimizer.pt", "global/shard.pt"):
        (folder / name).write_bytes(b"0123456789")
    mark_whole(folder)
    return folder


@given(torn=st.sampled_from(["model.safetensors", "optimizer.pt", "global/shard.pt", MARKER]), left=st.integers(0, 9) | st.none())
def test_a_checkpoint_with_anything_missing_or_cut_is_not_whole(
    torn: str, left: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("torn")
    folder = saved(out, 2)
    saved(out, 1)
    assert [step.name for step in saved_steps(out)] == ["checkpoint-1", "checkpoint-2"]
    if left is None:
        (folder / torn).unlink()
    else:
        (folder / torn).write_bytes((folder / torn).read_bytes()[:left])
    assert not is_whole(folder)
    assert [step.name for step in saved_steps(out)] == ["checkpoint-1"]


def test_no_whole_step_goes_before_a_newer_one_is_whole(tmp_path: Path) -> None:
    for step in (9, 10, 11):
        saved(tmp_path, step)
    (tmp_path / "steps" / "checkpoint-11" / MARKER).unlink()
    keep_newest(tmp_path, 1)
    assert [step.name for step in saved_steps(tmp_path)] == ["checkpoint-10"]
    assert (tmp_path / "steps" / "checkpoint-11").is_dir()  # being written, perhaps
    keep_newest(tmp_path, None)
    assert [step.name for step in saved_steps(tmp_path)] == ["checkpoint-10"]
