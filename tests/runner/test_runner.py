"""The runner: what is asked, retried, recorded and left for later."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.errors import Rejected, ReplayMissError, Transient, Unusable, UserError
from bench.mode import Mode
from bench.models.base import Request, Stop
from bench.outcome import Outcome
from bench.runner.plan import Plan
from bench.runner.session import Result, ask_plan, run_session
from bench.store.run import open_run
from bench.trial import Captioner
from tests.conftest import ROOT
from tests.runner.scripted import Scripted, answer, plan_of, right, small_suite

FOUR = (Mode.IMAGE, Mode.CAPTION, Mode.ORACLE, Mode.BLIND)


class Waits:
    """Stands in for `asyncio.sleep` and keeps what it was asked to wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def ran(plan: Plan, waits: Waits | None = None) -> Result:
    return run_session(plan, Console(file=io.StringIO()), sleep=waits or Waits())


def outcomes(folder: Path) -> dict[tuple[str, str], Outcome]:
    return {(r.puzzle, r.mode): r.verdict.outcome for r in open_run(folder).records()}


def test_every_trial_is_asked_once_and_stored(tmp_path: Path) -> None:
    model = Scripted(right)
    result = ran(plan_of(model, tmp_path / "run", modes=FOUR))
    assert (result.finished, result.missing, result.asked) == (12, 0, 12)
    assert set(outcomes(tmp_path / "run").values()) == {Outcome.CORRECT}
    assert len(model.requests) == 12 + 3  # one caption per image


def test_only_the_evidence_differs_between_the_arms(tmp_path: Path) -> None:
    model = Scripted(right)
    suite = small_suite(1)
    ran(plan_of(model, tmp_path / "run", modes=FOUR, suite=suite))
    asked = {r.hidden.mode: r for r in model.requests if r.hidden and r.hidden.purpose == "solve"}
    assert {mode: request.picture is not None for mode, request in asked.items()} == {
        "image": True, "caption": False, "oracle": False, "blind": False,
    }  # fmt: skip
    assert asked["image"].text == asked["blind"].text
    assert asked["oracle"].text == asked["caption"].text  # this captioner writes the description itself
    assert asked["oracle"].text.endswith(asked["blind"].text)
    assert (suite.puzzles[0].description or "nothing") not in asked["blind"].text


def test_transient_trouble_is_retried_after_the_wait_that_was_named(tmp_path: Path) -> None:
    waits = Waits()
    model = Scripted(lambda request, index: Transient("slow down", retry_after=7.5, status=429) if index == 0 else right(request, index))
    result = ran(plan_of(model, tmp_path / "run", modes=(Mode.BLIND,), suite=small_suite(1)), waits)
    assert result.missing == 0
    assert waits.seconds[0] == pytest.approx(7.5, abs=0.1)
    assert len(model.requests) == 2


def test_waits_grow_where_none_is_named(tmp_path: Path) -> None:
    waits = Waits()
    model = Scripted(lambda request, index: Transient("overloaded", status=529) if index < 5 else right(request, index))
    ran(plan_of(model, tmp_path / "run", modes=(Mode.BLIND,), suite=small_suite(1)), waits)
    assert len(waits.seconds) == 5
    assert all(2**i / 2 <= wait <= 2**i for i, wait in enumerate(waits.seconds))


def test_retries_that_run_out_make_an_error_record_and_the_run_goes_on(tmp_path: Path) -> None:
    suite = small_suite(3)
    broken = suite.puzzles[1].id

    def script(request: Request, index: int) -> Any:
        assert request.hidden is not None
        return Transient("gone", status=503) if request.hidden.puzzle.id == broken else right(request, index)

    model = Scripted(script)
    result = ran(plan_of(model, tmp_path / "run", modes=(Mode.BLIND,), suite=suite, attempts=3))
    assert (result.finished, result.missing) == (2, 1)
    assert outcomes(tmp_path / "run")[broken, "blind"] is Outcome.ERROR
    assert sum(r.hidden is not None and r.hidden.puzzle.id == broken for r in model.requests) == 3
    again = Scripted(right)
    result = ran(plan_of(again, tmp_path / "run", modes=(Mode.BLIND,), suite=suite, attempts=3))
    assert (result.asked, result.missing, len(again.requests)) == (1, 0, 1)  # only the error is asked again


def test_what_a_provider_rejects_is_asked_once(tmp_path: Path) -> None:
    model = Scripted(lambda request, index: Rejected("image too large", status=413))
    result = ran(plan_of(model, tmp_path / "run", modes=(Mode.BLIND,), suite=small_suite(2)))
    assert (result.missing, len(model.requests)) == (2, 2)
    error = next(open_run(tmp_path / "run").records()).error
    assert error is not None
    assert (error.kind, error.status) == ("Rejected", 413)


def test_an_unusable_model_stops_the_run_and_keeps_what_is_finished(tmp_path: Path) -> None:
    model = Scripted(lambda request, index: right(request, index) if index < 2 else Unusable("spend cap reached", status=429))
    with pytest.raises(Unusable, match="spend cap"):
        ran(plan_of(model, tmp_path / "run", modes=(Mode.BLIND,), suite=small_suite(5), concurrency=1))
    assert list(outcomes(tmp_path / "run").values()) == [Outcome.CORRECT] * 2
    assert len(model.requests) == 3
    assert json.loads((tmp_path / "run/run.json").read_text())["totals"]["missing"] == 3


def test_concurrency_is_bounded(tmp_path: Path) -> None:
    model = Scripted(right)
    model.takes_s = 0.05  # longer than a picture takes to be made ready
    ran(plan_of(model, tmp_path / "run", modes=FOUR, suite=small_suite(10), concurrency=3))
    assert model.most_open == 3


# -- captions --------------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "reply",
    [answer("", Stop.END), answer("I see", Stop.LENGTH), answer("I cannot", Stop.REFUSAL), Rejected("no"), Transient("down")],
    ids=["empty", "cut", "refused", "rejected", "down"],
)
def test_a_failed_caption_is_never_a_wrong_answer(tmp_path: Path, reply: Any) -> None:
    writer = Scripted(lambda request, index: reply, "sim/p=0,r=0")
    model = Scripted(right)
    plan = plan_of(model, tmp_path / "run", captioner=Captioner("sim/p=0,r=0"), writer=writer, attempts=2)
    ran(plan)
    found = outcomes(tmp_path / "run")
    assert {outcome for (_, mode), outcome in found.items() if mode == "caption"} == {Outcome.CAPTION_FAILED}
    assert {outcome for (_, mode), outcome in found.items() if mode == "image"} == {Outcome.CORRECT}
    assert all(line["error"] for line in open_run(tmp_path / "run").captions.values())


def test_one_caption_serves_every_trial_that_needs_it(tmp_path: Path) -> None:
    model = Scripted(right)
    ran(plan_of(model, tmp_path / "run", modes=(Mode.CAPTION, Mode.IMAGE_CAPTION), replicates=2))
    captions = [r for r in model.requests if r.hidden and r.hidden.purpose == "caption"]
    assert len(captions) == 3 * 2  # images x replicates, not x modes
    assert {"caption"} == {r.hidden.mode for r in captions if r.hidden}


def test_a_plain_caption_does_not_see_the_question_and_a_guided_one_does(tmp_path: Path) -> None:
    for kind in ("plain", "guided"):
        model = Scripted(right)
        suite = small_suite(1)
        ran(plan_of(model, tmp_path / kind, captioner=Captioner("self", kind), suite=suite))
        text = next(r.text for r in model.requests if r.hidden and r.hidden.purpose == "caption")
        assert (suite.puzzles[0].question in text) == (kind == "guided")


def test_captions_are_kept_for_a_resumed_run(tmp_path: Path) -> None:
    def script(request: Request, index: int) -> Any:
        assert request.hidden is not None
        return right(request, index) if request.hidden.purpose == "caption" else Rejected("later")

    ran(plan_of(Scripted(script), tmp_path / "run", modes=(Mode.CAPTION,)))
    again = Scripted(right)
    ran(plan_of(again, tmp_path / "run", modes=(Mode.CAPTION,)))
    assert {r.hidden.purpose for r in again.requests if r.hidden} == {"solve"}


# -- cache -----------------------------------------------------------------------------------------------------------------------------
def test_replay_answers_from_the_cache_alone(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    ran(plan_of(Scripted(right), tmp_path / "first", modes=FOUR, cache=cache))
    silent = Scripted(lambda request, index: AssertionError("asked"))
    result = ran(plan_of(silent, tmp_path / "second", modes=FOUR, cache=cache, replay=True))
    assert result.missing == 0
    assert outcomes(tmp_path / "first") == outcomes(tmp_path / "second")
    assert all(r.reply and r.reply.cached for r in open_run(tmp_path / "second").records())
    with pytest.raises(ReplayMissError, match="no reply for"):
        ran(plan_of(silent, tmp_path / "third", modes=FOUR, suite=small_suite(4), cache=cache, replay=True))


def test_replicates_are_not_one_reply_cached(tmp_path: Path) -> None:
    model = Scripted(right)
    ran(plan_of(model, tmp_path / "run", modes=(Mode.BLIND,), suite=small_suite(1), replicates=5, cache=tmp_path / "cache"))
    assert len(model.requests) == 5


def test_replay_without_a_cache_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no reply cache"):
        ran(plan_of(Scripted(right), tmp_path / "run", cache=tmp_path / "none", replay=True))


# -- crashes ---------------------------------------------------------------------------------------------------------------------------
SIM = ["--model", "sim/p=0.6,r=0.9,c=0.8", "--suite", "mini:n=12", "--families", "clock,n_queens", "--replicates", "6", "--cache", "off"]


def command(cwd: Path, out: str, *more: str) -> list[str]:
    return [sys.executable, str(ROOT / "run_bench.py"), "run", *SIM, "--out", str(cwd / out), *more]


@pytest.mark.slow
def test_ten_kills_and_resumes_give_the_report_of_an_undisturbed_run(tmp_path: Path) -> None:
    subprocess.run(command(tmp_path, "whole"), cwd=tmp_path, check=True, capture_output=True)
    dice, kills = random.Random(7), 0
    total = sum(1 for _ in (tmp_path / "whole/trials.jsonl").open())
    while kills < 10:
        process = subprocess.Popen(command(tmp_path, "torn"), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        target = dice.randrange(kills * total // 11, (kills + 1) * total // 11 + 1)
        while process.poll() is None and lines(tmp_path / "torn/trials.jsonl") < target:
            time.sleep(0.002)
        assert process.poll() is None, "the run ended before it could be killed"
        process.kill()
        process.wait()
        kills += 1
    subprocess.run(command(tmp_path, "torn"), cwd=tmp_path, check=True, capture_output=True)
    whole, torn = ({r.key: r.verdict for r in open_run(tmp_path / name).records()} for name in ("whole", "torn"))
    assert whole == torn
    assert lines(tmp_path / "torn/trials.jsonl") == total, "a finished trial was asked again"
    documents = [json.loads((tmp_path / f"reports/{name}/gap.json").read_text()) for name in ("whole", "torn")]
    assert documents[0]["models"] == documents[1]["models"]
    assert documents[0]["suite"] == documents[1]["suite"]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def heed_interrupts() -> None:
    """Ctrl-C counts in the child, also where a shell that runs the tests in the background switched it off for its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_no_caption_is_written_once_the_run_has_ended(tmp_path: Path) -> None:
    """Trials share captions, so one that is given up does not end its caption; the end of all does."""
    model = Scripted(right)
    model.takes_s = 60.0

    async def left() -> set[str]:
        asking = asyncio.ensure_future(ask_plan(plan_of(model, tmp_path / "run", modes=(Mode.CAPTION,)), Console(quiet=True)))
        while not model.open:
            await asyncio.sleep(0.01)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        return {str(task.get_coro()) for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    assert asyncio.run(left()) == set()


def test_ctrl_c_stops_cleanly_with_130(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "run"),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=heed_interrupts,
    )
    while lines(tmp_path / "run/trials.jsonl") < 20:
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert (tmp_path / "run/trials.jsonl").read_bytes().endswith(b"\n")
    done = subprocess.run(command(tmp_path, "run", "--resume"), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
