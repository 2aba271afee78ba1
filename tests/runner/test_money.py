"""Money: captions count, a bound is never passed, estimates follow the picture that is sent, a shared picture is kept at hand."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.config import RunConfig
from bench.errors import OverBudget, UserError
from bench.models.base import ModelOptions, Request, Sampling, Usage
from bench.models.image_tokens import Range
from bench.models.registry import cost
from bench.runner.money import Budget, tight, worst_cost
from bench.runner.plan import estimate, make_plan
from bench.runner.session import Result, run_session
from bench.store.run import open_run
from tests.models.fault_server import FaultServer, Seen, Step, hang, say
from tests.models.pictures import picture

PRICED = '[models.priced]\nprovider = "mine"\nid = "m"\nprice_in = 10.0\nprice_out = 100.0\ngeneration = "gpt-plain"\n'


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "tk-for-tests")
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server of the person's own with prices: `priced` is its model; the fixture points it at a loopback server."""
    from bench.models import aliases, servers, tables

    def forget() -> None:
        tables.persons_table.cache_clear()
        for cached in (servers.servers, aliases.aliases, aliases.generations, aliases._by_id):  # pyright: ignore[reportPrivateUsage]
            cached.cache_clear()

    def at(server: FaultServer) -> None:
        (tmp_path / "models.toml").write_text(f'[servers.mine]\nbase_url = "{server.openai_url}"\n{PRICED}')
        monkeypatch.setenv("SIGHTGAP_MODELS", str(tmp_path / "models.toml"))
        forget()

    yield at
    monkeypatch.undo()
    forget()


def totals_of(folder: Path) -> dict[str, Any]:
    return dict(open_run(folder).info.totals or {})


def asked(folder: Path, **options: Any) -> RunConfig:
    base: Mapping[str, Any] = {"models": "priced", "suite": "mini:n=10", "families": "clock", "out": folder / "run", "cache": "off"}
    return RunConfig.of({**base, "max_tokens": 100, **options})


def ran(config: RunConfig) -> tuple[Result, str]:
    async def no_wait(_: float) -> None:
        return None

    said = io.StringIO()
    return run_session(make_plan(config), Console(file=said, width=300), sleep=no_wait), said.getvalue()


USAGE = {"prompt_tokens": 500, "completion_tokens": 40}
EACH = (500 * 10 + 40 * 100) / 1e6


def test_captions_are_counted_like_everything_else(tmp_path: Path, mine: Any) -> None:
    with FaultServer(rule=lambda seen: say("<answer>A</answer>", usage=USAGE)) as server:
        mine(server)
        result, said = ran(asked(tmp_path, modes="caption"))
        assert (result.finished, len(server.seen)) == (10, 20)
    totals = totals_of(tmp_path / "run")
    assert totals["cost_usd_last"] == pytest.approx(20 * EACH)
    assert (totals["tokens_in_last"], totals["tokens_out_last"]) == (10_000, 800)
    assert "$0.18" in said


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("bound", [0.03, 0.1])
def test_a_bound_is_never_passed_and_the_run_goes_on_from_there(bound: float, concurrency: int, tmp_path: Path, mine: Any) -> None:
    """Each reply costs nearly the most that it can without a picture, and all that can be in flight is."""
    usage = {"prompt_tokens": 560, "completion_tokens": 100}
    with FaultServer(rule=lambda seen: Step(delay_s=0.02, text="<answer>A</answer>", usage=usage)) as server:
        mine(server)
        result, _ = ran(asked(tmp_path, modes="image,blind", max_cost=bound, concurrency=concurrency))
        spent = totals_of(tmp_path / "run")["cost_usd_last"]
        assert result.over_budget
        assert 0 < spent <= bound
        assert result.asked == len(server.seen), "nobody is paid for an answer that is thrown away"
        more, _ = ran(asked(tmp_path, modes="image,blind", concurrency=concurrency))
        assert more.missing == 0
        assert len(server.seen) == 20


def test_what_may_be_charged_counts_against_the_bound(tmp_path: Path, mine: Any) -> None:
    with FaultServer(rule=lambda seen: hang(5)) as server:
        mine(server)
        result, said = ran(asked(tmp_path, modes="blind", max_cost=0.05, timeout=0.1, concurrency=1, attempts=1))
    assert result.over_budget
    totals = totals_of(tmp_path / "run")
    assert 0 < totals["cost_in_doubt_usd_last"] <= 0.05
    assert "more for requests that broke off" in said


def test_a_bound_without_a_price_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="price of openai/x is not known"):
        make_plan(asked(tmp_path, models="openai/x", base_url="http://127.0.0.1:1/v1", max_cost=1.0))
    assert make_plan(asked(tmp_path, models="sim/p=1,r=1", modes="image", max_cost=1.0)).total == 10


def test_the_budget_waits_for_what_is_in_flight() -> None:
    async def both() -> list[str]:
        budget, order = Budget(1.0), list[str]()

        async def one(name: str, worst: float, paid: float) -> None:
            async with budget.hold(worst, name):
                order.append(name)
                await asyncio.sleep(0.01)
                budget.paid(Usage(), paid)

        await asyncio.gather(one("first", 0.8, 0.1), one("second", 0.8, 0.1))
        with pytest.raises(OverBudget):
            await one("third", 0.9, 0.1)
        assert budget.spent == pytest.approx(0.2)
        assert budget.kept_back == 0
        return order

    assert asyncio.run(both()) == ["first", "second"]


def test_the_worst_case_is_no_less_than_any_reply() -> None:
    request = Request("é" * 100, picture("PNG", 900, 700), Sampling(max_tokens=300))
    worst = worst_cost("gpt-4o", request, ModelOptions())
    assert worst is not None
    assert worst >= (200 + 765 + 200) * 2.5e-6 + 300 * 10e-6
    assert worst_cost("openai/nobody-knows", request, ModelOptions()) is None
    shared = worst_cost("claude-sonnet-4-6", Request("x", None, Sampling(), shared=True), ModelOptions())
    alone = worst_cost("claude-sonnet-4-6", Request("x", None, Sampling()), ModelOptions())
    assert shared is not None
    assert alone is not None
    assert shared > alone


def test_estimates_follow_formula_reasoning_and_what_is_unknown(tmp_path: Path) -> None:
    def row(name: str, **more: Any) -> Any:
        plan = make_plan(asked(tmp_path, models=name, modes="image", max_tokens=None, dry_run=True, **more))
        (only,) = estimate(plan)
        return only

    tiles, mini, unknown = row("gpt-4o"), row("gpt-4o-mini"), row("gpt-6-sol")
    assert tiles.tokens_in.known
    assert mini.tokens_in.low - tiles.tokens_in.low == 10 * (2833 + 5667 - 85 - 170), "84 px are one tile"
    assert not unknown.tokens_in.known
    assert unknown.cost is not None
    assert unknown.cost[0] < unknown.cost[1]
    outs = [row("gpt-6-sol", reasoning=level).tokens_out for level in ("off", "low", "medium", "high", "xhigh")]
    assert outs == sorted(outs)
    assert outs[0] < outs[-1]
    assert row("gpt-6-sol").tokens_out == outs[2], "a model that reasons by itself is taken to do so at medium"


def test_a_bound_that_reasoning_uses_up_is_told() -> None:
    assert "hidden" in " ".join(tight("claude-opus-5", ModelOptions(max_tokens=1000))) or tight(
        "claude-opus-5", ModelOptions(max_tokens=1000)
    )
    assert "reasons by default" in tight("claude-opus-5", ModelOptions(max_tokens=1000))[0]
    for name, options in (("claude-opus-5", ModelOptions()), ("gpt-4o", ModelOptions(max_tokens=10)), ("sim", ModelOptions(max_tokens=1))):
        assert tight(name, options) == []


def test_what_a_provider_says_that_it_cost_is_what_it_cost() -> None:
    assert cost("openrouter/x/y", Usage(10, 10, usd=0.0123), ModelOptions()) == 0.0123
    assert cost("openrouter/x/y", Usage(10, 10), ModelOptions()) is None
    assert cost("ollama/x", Usage(10, 10), ModelOptions()) == 0.0
    assert Range(3, 3).known


def test_a_picture_that_arms_share_is_kept_at_hand_and_its_saving_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request puts the picture there, alone; the others, waiting for it, read it."""
    kept: set[str] = set()

    def provider(seen: Seen) -> Step:
        block = next((part for part in seen.content if part["type"] == "image"), None)
        assert block is None or seen.content[0] is block, "the picture comes first in every arm"
        usage = {"input_tokens": 100, "output_tokens": 10}
        if block is not None and "cache_control" in block:
            data = block["source"]["data"]
            usage["cache_read_input_tokens" if data in kept else "cache_creation_input_tokens"] = 1500
            kept.add(data)
        return Step(text="<answer>A</answer>", usage=usage, delay_s=0.01)

    with FaultServer(rule=provider) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        options: dict[str, Any] = {"models": "claude-opus-5", "suite": "algo:n=2,level=3", "families": "maze", "max_tokens": 400}
        result, said = ran(asked(tmp_path, modes="image,image+oracle,readback", replicates=2, **options))
        assert result.missing == 0
        marked = [part for seen in server.seen for part in seen.content if "cache_control" in part]
        assert len(marked) == 12
        assert len(kept) == 2
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "")
    saved = totals_of(tmp_path / "run")["saved_usd_last"]
    assert saved == 0.0, "at another address no price is known"
    del said
    usage = Usage(input=1600, output=10, cache_read=1500)
    whole, less = cost("claude-opus-5", Usage(1600, 10), ModelOptions()), cost("claude-opus-5", usage, ModelOptions())
    assert whole is not None
    assert less == pytest.approx(whole - 1500 * 5e-6 * 0.9)
