"""Every quirk of `quirk_server`, met by a whole run: what the record says of it, and what becomes of the run."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.config import RunConfig
from bench.errors import SightgapError, Unusable
from bench.gap.make import gap_document
from bench.models import aliases, servers, tables
from bench.outcome import Outcome
from bench.runner.plan import make_plan
from bench.runner.session import Result, run_session
from bench.store.record import Record
from bench.store.run import open_run, open_runs
from tests.models import quirk_server as quirks
from tests.models.fault_server import FaultServer, Seen, Step

Scenario = Callable[[Seen], Step]
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY")


@pytest.fixture(autouse=True)
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "tk-0123456789abcdef-SECRET")
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "SIGHTGAP_MODELS"):
        monkeypatch.setenv(name, "")


def run_json_of(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}


@dataclass
class Ran:
    """What a run left: its result or the error that ended it, the records, run.json, what was said, and what the server saw."""

    result: Result | None
    error: SightgapError | None
    records: list[Record]
    run: dict[str, Any]
    said: str
    seen: list[Seen]

    @property
    def record(self) -> Record:
        (only,) = self.records
        return only


def run(scenario: Scenario, folder: Path, name: str = "openai/m", *, server: FaultServer | None = None, **options: Any) -> Ran:
    """Ask one puzzle (or what `options` say) of a server that plays `scenario`: `server`, where several runs ask the same."""

    async def no_wait(_: float) -> None:
        return None

    said = io.StringIO()
    with FaultServer() if server is None else nullcontext(server) as playing:
        playing.play(scenario)
        claude = name.startswith(("anthropic", "claude"))
        os.environ["ANTHROPIC_BASE_URL"] = playing.url if claude else ""
        asked = {
            "models": name,
            "modes": "image",
            "suite": "mini:n=1",
            "families": "clock",
            "out": folder / "run",
            "cache": folder / "cache",
        }
        url = {} if claude or "@" in name else {"base_url": playing.openai_url}
        result, error = None, None
        try:
            plan = make_plan(RunConfig.of({**asked, "attempts": 3, **url, **options}))
            result = run_session(plan, Console(file=said, width=500), sleep=no_wait)
        except SightgapError as caught:
            error = caught
        seen = playing.seen
    records = list(open_run(folder / "run").records()) if (folder / "run/trials.jsonl").is_file() else []
    run_json = run_json_of(folder / "run/run.json")
    written = "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())
    assert "SECRET" not in written + said.getvalue() + str(error)
    return Ran(result, error, records, run_json, said.getvalue(), seen)


@pytest.mark.parametrize("shape", ["google", "pydantic", "words", "openai"])
def test_a_parameter_that_is_refused_is_left_out_remembered_and_told(shape: str, tmp_path: Path) -> None:
    with FaultServer() as server:
        ran = run(quirks.refusing("seed", shape=shape), tmp_path, server=server)
        assert ran.record.verdict.how == "answer-tag"
        assert ["seed" in seen.body for seen in ran.seen] == [True, False]
        assert ran.run["servers"]["openai/m"]["left_out"] == ["seed"]
        assert "seed is left out" in ran.said
        again = run(quirks.refusing("seed", shape=shape), tmp_path, server=server, out=tmp_path / "other")
        assert again.seen == [], "the answer is found in the cache under what was really asked"
        more = run(quirks.refusing("seed", shape=shape), tmp_path, server=server, out=tmp_path / "more", modes="blind")
    assert ["seed" in seen.body for seen in more.seen] == [False], "what an earlier run found out is not found out again"
    assert "in an earlier run" in more.said


def test_two_refused_parameters_cost_one_request_each(tmp_path: Path) -> None:
    ran = run(quirks.refusing("seed", "temperature", "top_p"), tmp_path, temperature=0.5, suite="mini:n=3", concurrency=1)
    assert [r.verdict.how for r in ran.records] == ["answer-tag"] * 3
    assert len(ran.seen) == 3 + 3
    assert sorted(ran.run["servers"]["openai/m"]["left_out"]) == ["seed", "temperature", "top_p"]


def test_the_bound_on_a_reply_goes_by_its_other_name(tmp_path: Path) -> None:
    ran = run(quirks.refusing("max_tokens"), tmp_path, max_tokens=64)
    assert ran.seen[-1].body["max_completion_tokens"] == 64
    assert ran.run["servers"]["openai/m"]["left_out"] == ["max_tokens (sent as max_completion_tokens)"]
    notes = gap_document(open_runs([tmp_path / "run"]))["notes"]
    assert "openai/m: its server refused, and the requests did without: max_tokens (sent as max_completion_tokens)" in notes


def test_a_refused_value_of_the_persons_wish_is_an_error_and_not_dropped(tmp_path: Path) -> None:
    ran = run(quirks.wrong_level, tmp_path, reasoning="minimal")
    assert (ran.record.verdict.outcome, len(ran.seen)) == (Outcome.ERROR, 1)
    assert ran.run["servers"] == {}


def test_what_the_person_adds_to_the_body_is_sent_and_never_dropped(tmp_path: Path) -> None:
    ran = run(quirks.refusing("top_k"), tmp_path, extra_body={"top_k": 3}, headers=["X-Team=blue"])
    assert (ran.seen[0].body["top_k"], ran.seen[0].headers["x-team"]) == (3, "blue")
    assert (ran.record.verdict.outcome, len(ran.seen)) == (Outcome.ERROR, 1)


@pytest.mark.parametrize(
    ("scenario", "name"),
    [
        (quirks.low_credit, "anthropic/claude-x"),
        (quirks.usage_limits, "anthropic/claude-x"),
        (quirks.no_quota, "openai/m"),
        (quirks.bad_key_403, "openai/m"),
        (quirks.hours_to_wait, "openai/m"),
    ],
)
@pytest.mark.parametrize("modes", ["image", "caption"])
def test_what_no_later_request_escapes_ends_the_run(scenario: Scenario, name: str, modes: str, tmp_path: Path) -> None:
    ran = run(scenario, tmp_path, name, modes=modes, suite="mini:n=3", concurrency=1)
    assert isinstance(ran.error, Unusable)
    assert (ran.records, len(ran.seen)) == ([], 1)
    assert not ran.run["finished"]


@pytest.mark.parametrize("scenario", [quirks.low_credit, quirks.usage_limits])
def test_a_caption_that_failed_for_money_is_written_on_resume(scenario: Scenario, tmp_path: Path) -> None:
    assert isinstance(run(scenario, tmp_path, "anthropic/claude-x", modes="caption").error, Unusable)
    ran = run(quirks.fine, tmp_path, "anthropic/claude-x", modes="caption")
    assert ran.record.verdict.outcome in (Outcome.CORRECT, Outcome.WRONG)


def test_a_quota_that_comes_back_is_waited_for(tmp_path: Path) -> None:
    """For a time and not for a number of attempts: the three that are allowed here would be spent at once."""
    ran = run(quirks.quota_a_minute, tmp_path)
    assert ran.record.error is not None
    assert ran.record.error.kind == "Transient"
    assert len(ran.seen) > 3


@pytest.mark.parametrize(
    "scenario",
    [
        *(quirks.finished(reason) for reason in ("error", "abort", "network_error", "insufficient_system_resource")),
        quirks.choice_with_an_error,
        quirks.no_choices,
        quirks.html_page,
    ],
)
def test_a_failure_inside_an_answer_is_asked_again_and_never_kept(scenario: Scenario, tmp_path: Path) -> None:
    with FaultServer() as server:
        ran = run(scenario, tmp_path, server=server)
        assert (ran.record.verdict.outcome, ran.record.error is not None and ran.record.error.kind) == (Outcome.ERROR, "Transient")
        assert len(ran.seen) == 3
        assert "<" not in str(ran.record.error)
        again = run(quirks.fine, tmp_path, server=server)
    assert again.records[-1].verdict.how == "answer-tag", "nothing of it was in the cache"


@pytest.mark.parametrize(
    ("scenario", "name"),
    [
        *(
            (quirks.finished(reason), "openai/m")
            for reason in ("content_filter", "sensitive", "SAFETY", "PROHIBITED_CONTENT", "recitation")
        ),
        (quirks.moderation_403, "openai/m"),
        (quirks.moderation_inside_a_200, "openai/m"),
        (quirks.azure_content_filter, "openai/m"),
        (quirks.claude_content_filter, "anthropic/claude-x"),
    ],
)
def test_moderation_of_a_prompt_is_that_trials_refusal(scenario: Scenario, name: str, tmp_path: Path) -> None:
    ran = run(scenario, tmp_path, name)
    assert (ran.record.verdict.outcome, ran.record.error) == (Outcome.REFUSED, None)
    assert ran.record.reply is not None
    assert ran.record.reply.why
    assert ran.result is not None
    assert ran.result.missing == 0


@pytest.mark.parametrize("reason", ["length", "MAX_TOKENS", "model_length"])
def test_a_reply_that_was_cut_off_is_truncated(reason: str, tmp_path: Path) -> None:
    assert run(quirks.finished(reason), tmp_path).record.verdict.outcome is Outcome.TRUNCATED


@pytest.mark.parametrize(
    ("scenario", "name"), [(quirks.spent_on_thoughts, "openai/m"), (quirks.claude_thought_to_the_end, "anthropic/claude-x")]
)
def test_tokens_spent_on_reasoning_are_the_reason_of_a_truncation(scenario: Scenario, name: str, tmp_path: Path) -> None:
    record = run(scenario, tmp_path, name, max_tokens=64).record
    assert record.verdict.outcome is Outcome.TRUNCATED
    assert record.reply is not None
    assert "reasoning" in (record.reply.why or "")


@pytest.mark.parametrize(
    "text",
    [
        "<think>It could be 5 o'clock.</think>\nCurrent Time: 2:43",
        "It could be 5 o'clock.</think>\n\nCurrent Time: 2:43",
        "<thinking>5</thinking>Current Time: 2:43",
        "\u25c1think\u25b75\u25c1/think\u25b7Current Time: 2:43",
        "[THINK]5[/THINK]Current Time: 2:43",
        "<think>5</think><|begin_of_box|>Current Time: 2:43<|end_of_box|>",
    ],
)
def test_thoughts_are_no_part_of_a_caption(text: str, tmp_path: Path) -> None:
    run(quirks.thoughts(text), tmp_path, modes="caption")
    line = json.loads((tmp_path / "run/captions.jsonl").read_text().splitlines()[0])
    assert line["text"] == "Current Time: 2:43"
    assert line["reply"]["text"] == text, "what was written stays as it was"


def test_nothing_but_thoughts_is_no_caption(tmp_path: Path) -> None:
    record = run(quirks.thoughts("<think>It could be 5 o'clock.</think>"), tmp_path, modes="caption").record
    assert (record.verdict.outcome, record.error is not None and record.error.kind) == (Outcome.CAPTION_FAILED, "Empty")


def test_usage_in_every_dialect(tmp_path: Path) -> None:
    outside = run(quirks.reasoning_outside, tmp_path / "a").record.reply
    odd = run(quirks.odd_numbers, tmp_path / "b").record.reply
    assert outside is not None
    assert odd is not None
    assert (outside.usage.output, outside.usage.reasoning) == (107, 100)
    assert (odd.usage.input, odd.usage.output) == (12, 0)


def test_text_in_parts_without_the_thoughts(tmp_path: Path) -> None:
    reply = run(quirks.output_text_parts, tmp_path).record.reply
    assert reply is not None
    assert reply.text == quirks.ANSWER


def test_another_models_name_is_recorded(tmp_path: Path) -> None:
    ran = run(quirks.another_model, tmp_path)
    assert ran.run["totals"]["models_reported"] == {"openai/m": ["somebody/else-1b"]}
    assert "openai/m: the provider reports another model's name: somebody/else-1b" in gap_document(open_runs([tmp_path / "run"]))["notes"]


@pytest.mark.parametrize("where", ["", "/"])
def test_an_address_without_v1_is_told(where: str, tmp_path: Path) -> None:
    with FaultServer(rule=quirks.without_v1) as server:
        ran = run(quirks.fine, tmp_path, base_url=server.url + where)
    assert "has no /v1: try http://127.0.0.1" in str(ran.error)


def test_a_server_that_streams_only(tmp_path: Path) -> None:
    ran = run(quirks.stream_only, tmp_path)
    assert ran.record.reply is not None
    assert (ran.record.reply.text, ran.record.reply.usage.output, ran.record.reply.model) == (quirks.ANSWER, 9, "served")
    assert len(ran.seen) == 2
    assert ran.run["servers"]["openai/m"]["left_out"] == ["non-streaming answers"]


@pytest.mark.parametrize("scenario", [quirks.stream_cut, quirks.stream_error])
def test_a_stream_that_breaks_is_asked_again(scenario: Scenario, tmp_path: Path) -> None:
    def first_refused(seen: Seen) -> Step:
        return scenario(seen) if seen.body.get("stream") else quirks.stream_only(seen)

    ran = run(first_refused, tmp_path)
    assert (ran.record.error is not None and ran.record.error.kind, len(ran.seen)) == ("Transient", 1 + 3)


def test_the_first_twenty_alike_end_the_run_and_causes_are_grouped(tmp_path: Path) -> None:
    def never(seen: Seen) -> Step:
        return Step(status=500, body={"error": {"message": f"boom req_{id(seen)}"}})

    ran = run(never, tmp_path, suite="mini:n=30", concurrency=1, attempts=1)
    assert isinstance(ran.error, Unusable)
    assert "first 20 requests failed alike" in str(ran.error)
    assert len(ran.seen) == 20
    assert "19 x HTTP 500: boom …" in ran.said


def test_an_unknown_host_is_called_so(tmp_path: Path) -> None:
    ran = run(quirks.fine, tmp_path, base_url="http://no-such-host.invalid/v1")
    assert ran.record.error is not None
    assert "connection failed" in ran.record.error.message
    assert "1 x connection failed" in ran.said


def test_a_long_wait_is_shown(tmp_path: Path) -> None:
    def busy(seen: Seen) -> Step:
        return Step(status=429, headers={"retry-after": "30"}, body={"error": {"message": "slow down"}})

    ran = run(busy, tmp_path)
    assert "openai/m: waits 30 s and asks again (HTTP 429: slow down)" in ran.said


def test_a_server_of_the_persons_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(rule=quirks.refusing("seed")) as server:
        own = tmp_path / "models.toml"
        own.write_text(
            f'[servers.mine]\nbase_url = "{server.openai_url}"\nfree = true\nrefuses = ["seed"]\nrenames = {{ max_tokens = "limit" }}\n'
        )
        monkeypatch.setenv("SIGHTGAP_MODELS", str(own))
        for cached in (tables.persons_table, servers.servers, aliases.aliases, aliases.generations):
            cached.cache_clear()
        try:
            ran = run(quirks.fine, tmp_path, "mine/m", base_url=None, max_tokens=64)
        finally:
            monkeypatch.setenv("SIGHTGAP_MODELS", "")
            for cached in (tables.persons_table, servers.servers, aliases.aliases, aliases.generations):
                cached.cache_clear()
        (seen,) = server.seen
    assert ran.record.verdict.how == "answer-tag"
    assert (seen.body["limit"], "seed" in seen.body, "max_tokens" in seen.body) == (64, False, False)


def test_the_servers_weights_are_part_of_the_key(tmp_path: Path) -> None:
    """One name may stand for any weights on a server of one's own: what it says of them decides whether an answer is reused."""
    asked: list[int] = []
    with FaultServer() as server:
        for number, size in enumerate((7, 7, 13)):
            server.listed = [{"id": "other"}, {"id": "m", "created": number, "meta": {"n_params": size}}]
            asked.append(len(run(quirks.fine, tmp_path, server=server, out=tmp_path / f"run{number}").seen))
        assert asked == [1, 0, 1]
        slash = run(quirks.fine, tmp_path, server=server, out=tmp_path / "slash", base_url=f"{server.openai_url}/")
    assert slash.seen == [], "/v1 and /v1/ are one server"
    assert slash.error is None
