"""The real engine, offline: the same tokens as transformers, seeds, limits, runs, adapters and replicas."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.errors import Rejected, UserError
from bench.image import Content
from bench.models.base import Reply, Request, Sampling, Stop
from bench.models.local.model import Local
from tests.conftest import ROOT
from tests.models.local_requests import ask_all, ask_together, requests
from tests.models.local_runs import cut_in_half, run, said
from tests.vllm.conftest import OPTIONS, local

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("pictures", [True, False])
def test_greedy_tokens_are_those_of_transformers(hf: Local, engine: Local, pictures: bool) -> None:
    asked = requests(8, pictures=pictures, max_tokens=24)
    ours, theirs = ask_all(engine, asked, close=False), ask_all(hf, asked, close=False)
    assert [reply.text for reply in ours] == [reply.text for reply in theirs]
    assert [reply.usage for reply in ours] == [reply.usage for reply in theirs]
    assert [reply.stop for reply in ours] == [reply.stop for reply in theirs]
    assert [reply.sent_px for reply in ours] == [reply.sent_px for reply in theirs]
    assert len({reply.text for reply in ours}) >= 6


def test_replicates_differ_with_temperature_and_repeat_with_the_seed(engine: Local) -> None:
    asked = requests(8, temperature=1.0)
    first = [reply.text for reply in ask_all(engine, asked, close=False)]
    assert [reply.text for reply in ask_all(engine, asked, close=False)] == first
    assert [ask_all(engine, [request], close=False)[0].text for request in asked] == first
    other = [reply.text for reply in ask_all(engine, requests(8, temperature=1.0, seed=1), close=False)]
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_a_refused_request_costs_only_itself(engine: Local) -> None:
    """Too long, too many pictures, a picture that is cut or none at all: each alone, and each in one line."""
    (shown,) = requests(1)
    assert shown.picture is not None
    cut, nothing = (replace(shown.picture, content=Content(data, lambda: b"")) for data in (shown.picture.data[:60], b"no picture"))
    crowd = replace(shown, further=(shown.picture,) * 16)
    bad = [Request("x" * 600, None, Sampling(4)), crowd, replace(shown, picture=cut), replace(shown, picture=nothing)]
    good = requests(6)
    answers = asyncio.run(ask_together(engine, [*good[:3], *bad, *good[3:]]))
    replies, refused = [*answers[:3], *answers[-3:]], answers[3:-3]
    assert all(isinstance(error, Rejected) and "\n" not in str(error) for error in refused)
    assert [part in str(error) for part, error in zip(("512", "At most 16", "image", "image"), refused, strict=True)] == [True] * 4
    expected = [reply.text for reply in ask_all(engine, good, close=False)]
    assert [reply.text if isinstance(reply, Reply) else reply for reply in replies] == expected


def test_several_pictures_are_shown_in_their_order(hf: Local, engine: Local) -> None:
    first, second = requests(2, max_tokens=12)
    assert first.picture is not None
    assert second.picture is not None
    asked = [replace(first, further=(second.picture,)), replace(first, picture=second.picture, further=(first.picture,)), first]
    ours = [reply.text for reply in ask_all(engine, asked, close=False)]
    assert ours == [reply.text for reply in ask_all(hf, asked, close=False)]
    assert len(set(ours)) == 3


def test_the_engine_is_refilled_and_who_gives_up_leaves_it(engine: Local) -> None:
    """40 requests, 8 at a time: more than 8 steps are shared by those that came later, and what is cancelled takes no further step."""
    asked, pending, replies = requests(40, pictures=False, max_tokens=12), iter(requests(40, pictures=False, max_tokens=12)), list[str]()
    queue: Any = engine.queue

    async def work() -> None:
        for request in pending:
            replies.append((await engine.ask(request)).text)

    async def whole() -> int:
        endless = asyncio.ensure_future(engine.ask(Request("?", None, Sampling(400))))
        await asyncio.gather(*(work() for _ in range(8)))
        running = len(queue._engine._running)
        endless.cancel()
        await asyncio.gather(endless, return_exceptions=True)
        await engine.ask(asked[0])
        return running

    assert asyncio.run(whole()) in (0, 1)
    assert queue._engine._running == {}
    assert queue._engine._llm.llm_engine.get_num_unfinished_requests() == 0
    assert sorted(replies) == sorted(reply.text for reply in ask_all(engine, asked, close=False))


def test_the_bound_on_tokens_is_each_requests_own(engine: Local) -> None:
    short = Request(requests(1)[0].text, requests(1)[0].picture, Sampling(3))
    cut, *_ = ask_all(engine, [short, *requests(3)], close=False)
    assert (cut.stop, cut.usage.output) == (Stop.LENGTH, 3)


def test_a_run_that_was_cut_short_ends_as_if_it_had_not_been(alone: None, checkpoint: Path, tmp_path: Path) -> None:
    name = f"vllm/{checkpoint}?{OPTIONS}"
    whole = run((name,), tmp_path / "whole", temperature=1.0, replicates=2)
    assert (whole.finished, whole.missing) == (24, 0)
    texts = said(whole.folder)
    again = run((name,), cut_in_half(whole.folder, tmp_path / "again"), temperature=1.0, replicates=2)
    assert again.missing == 0
    assert 0 < again.asked < 24
    assert said(again.folder) == texts
    blind = [(puzzle, replicate) for _, puzzle, mode, replicate in texts if mode == "blind"]
    assert all(texts[name, puzzle, "blind", 0] != texts[name, puzzle, "blind", 1] for puzzle, _ in blind)


def test_two_models_and_a_captioner_one_after_another(alone: None, checkpoint: Path, tmp_path: Path) -> None:
    solver, writer = f"vllm/{checkpoint}?{OPTIONS}", f"hf/{checkpoint}?dtype=float32"
    done = run((solver, writer), tmp_path / "two", captioner=writer, limit=2)
    assert (done.finished, done.missing) == (12, 0)
    texts = said(done.folder)
    for model, puzzle, mode, replicate in texts:
        assert texts[solver, puzzle, mode, replicate] == texts[writer, puzzle, mode, replicate], model


def test_an_adapter_changes_what_is_said_as_it_does_in_transformers(checkpoint: Path, adapter: Path, engine: Local) -> None:
    asked = requests(4)
    plain = [reply.text for reply in ask_all(engine, asked)]
    tuned = [reply.text for reply in ask_all(local(f"vllm/{checkpoint}?{OPTIONS}&adapter={adapter}"), asked)]
    assert tuned == [reply.text for reply in ask_all(local(f"hf/{checkpoint}?dtype=float32&adapter={adapter}"), asked)]
    assert tuned != plain


def test_replicas_say_what_one_engine_says(checkpoint: Path, engine: Local) -> None:
    asked = [*requests(5), Request("x" * 600, None, Sampling(4))]
    expected = [reply.text for reply in ask_all(engine, requests(5))]
    pair = local(f"vllm/{checkpoint}?{OPTIONS},dp=2")

    async def both() -> list[Reply | Exception]:
        try:
            return await ask_together(pair, asked)
        finally:
            await pair.close()

    *rest, bad = asyncio.run(both())
    assert isinstance(bad, Rejected)
    assert [reply.text if isinstance(reply, Reply) else reply for reply in rest] == expected


def test_what_cannot_be_loaded_is_one_line(alone: None, checkpoint: Path, tmp_path: Path) -> None:
    lost = tmp_path / "lost"
    shutil.copytree(checkpoint, lost)
    (lost / "model.safetensors").unlink()
    for name in (f"vllm/{lost}?{OPTIONS}", f"vllm/{checkpoint}?dtype=float32,eager=yes,max_len=100000000"):
        model = local(name)
        (error,) = asyncio.run(ask_together(model, requests(1)))
        asyncio.run(model.close())
        assert isinstance(error, UserError)
        assert "cannot be loaded" in str(error)
        assert "\n" not in str(error)


def test_the_shipped_checkpoint_says_what_it_says_in_transformers(alone: None, tmp_path: Path) -> None:
    """Trained by us, saved in half precision, with tags as ordinary tokens: both engines load it and agree, mode by mode."""
    base = ROOT / "results" / "checkpoints" / "tiny-base"
    names = (f"vllm/{base}?{OPTIONS}", f"hf/{base}?dtype=float32")
    texts = said(run(names, tmp_path / "base", limit=2).folder)
    ours = {key[1:]: text for key, text in texts.items() if key[0] == names[0]}
    assert ours == {key[1:]: text for key, text in texts.items() if key[0] == names[1]}
    assert any("<answer>" in (text or "") for text in ours.values())
