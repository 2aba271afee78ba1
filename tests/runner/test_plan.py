"""The plan of a run: trials are made when they are looked at, and going on with a run builds none of its records."""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bench.degrade import Degradation, parse_doses
from bench.mode import Mode
from bench.outcome import Format
from bench.runner.plan import estimate
from bench.runner.session import run_session
from bench.store.record import Record
from bench.store.run import open_run
from bench.trial import Captioner, Trial, Trials, looks, shown_options
from tests.runner.scripted import Scripted, answer, plan_of, right, small_suite

SUITE = small_suite(3)


def trials(modes: Sequence[Mode], *, replicates: int = 1, doses: Sequence[Degradation] = (), captioner: str = "self") -> Trials:
    return Trials(SUITE.puzzles, "m", modes, Captioner(captioner), Format.MCQ, replicates, 7, doses)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(list(Mode)), min_size=1, unique=True),
    st.integers(0, 3),
    st.lists(st.sampled_from(["blur=1", "noise=0.1", "jpeg=20"]), unique=True, max_size=2),
    st.sampled_from(["self", "dataset"]),
)
def test_trials_are_the_product_in_the_order_documented(modes: list[Mode], replicates: int, texts: list[str], captioner: str) -> None:
    doses = parse_doses(texts)
    made = trials(modes, replicates=replicates, doses=doses, captioner=captioner)
    told = [
        (puzzle.id, mode, replicate, dose, shown_options(puzzle, replicate, 7))
        for replicate in range(replicates)
        for puzzle in SUITE.puzzles
        for mode in modes
        for dose in (None, *(doses if looks(mode, Captioner(captioner)) else ()))
    ]
    assert [(t.puzzle.id, t.mode, t.replicate, t.dose, t.options) for t in made] == told
    assert len(made) == len(told)
    assert [made[place] for place in range(len(made))] == list(made) == list(made[:])
    assert all((t.captioner is not None) == t.mode.shows_caption for t in made)
    others = [(t.puzzle.id, t.mode, t.replicate, t.dose) for t in made.without(modes[0])]
    assert others == [(t.puzzle.id, t.mode, t.replicate, t.dose) for t in made if t.mode is not modes[0]]
    with pytest.raises(IndexError):
        made[len(made)]


def test_a_damaged_puzzle_is_one_for_all_of_its_trials() -> None:
    """What a picture is, is found out once; a degraded one is costly."""
    made = trials([Mode.IMAGE, Mode.CAPTION], replicates=2, doses=parse_doses(["blur=1"]))
    worse = {id(t.puzzle) for t in made if t.dose}
    assert len(worse) == len(SUITE.puzzles)


def test_a_million_trials_are_not_held() -> None:
    made = trials([*Mode], replicates=60_000)
    assert len(made) > 1_000_000
    assert made[len(made) - 1].replicate == 59_999
    seen = iter(made)
    for _ in range(1000):
        next(seen)
    gc.collect()
    assert sum(isinstance(thing, Trial) for thing in gc.get_objects()) < 10


def test_the_estimate_of_several_replicates_is_that_of_one_times_their_number(tmp_path: Path) -> None:
    one, four = (estimate(plan_of(Scripted(right), tmp_path, replicates=times)) for times in (1, 4))
    assert [(row.what, 4 * row.requests, 4 * row.tokens_in.low, 4 * row.tokens_in.high, 4 * row.tokens_out) for row in one] == [
        (row.what, row.requests, row.tokens_in.low, row.tokens_in.high, row.tokens_out) for row in four
    ]


def test_going_on_with_a_run_builds_no_record_and_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = (Mode.IMAGE, Mode.CAPTION, Mode.IMAGE_CAPTION)
    assert run_session(plan_of(Scripted(right), tmp_path / "r", modes=modes, replicates=2), Console(quiet=True)).missing == 0

    def refuse(*_: Any) -> Record:
        raise AssertionError("a record was built")

    monkeypatch.setattr(Record, "from_json", refuse)
    again = Scripted(right)
    result = run_session(plan_of(again, tmp_path / "r", modes=modes, replicates=2), Console(quiet=True))
    assert (result.asked, result.missing, again.requests) == (0, 0, [])


def test_a_caption_that_the_run_holds_is_read_from_its_file(tmp_path: Path) -> None:
    """Half a surrogate pair, which a model may write and no request can carry, is stored as it came and shown as a question mark."""
    said = "a clock \ud83d at four"

    def script(request: Any, _: int) -> Any:
        return answer(said) if request.hidden.purpose == "caption" else right(request, 0)

    first = plan_of(Scripted(script), tmp_path / "r", modes=(Mode.CAPTION,))
    assert run_session(first, Console(quiet=True)).missing == 0
    later = Scripted(script)
    more = plan_of(later, tmp_path / "r", modes=(Mode.CAPTION,))
    (tmp_path / "r" / "trials.jsonl").write_bytes(b"")
    assert run_session(more, Console(quiet=True)).missing == 0
    assert {request.hidden.purpose for request in later.requests if request.hidden} == {"solve"}
    assert all("a clock ? at four" in request.text for request in later.requests)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from(["correct", "wrong", "error", "caption_failed"]),
            st.sampled_from([None, "Transient", "Refused", "Empty", "half \ud83d"]),
        ),
        max_size=12,
    )
)
def test_what_is_finished_is_told_as_the_records_tell_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str, str | None]]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / "run.json").write_text(json.dumps({"v": 1, "suite": {"name": "mini"}, "models": []}))
    rows: list[dict[str, Any]] = [
        {
            "v": 1, "key": key, "puzzle": "p", "family": "clock", "suite": "mini", "model": "m", "mode": "image", "format": "mcq",
            "captioner": None, "caption_key": None, "prompt_sha": "", "replicate": 0, "options": ["a"], "image": None, "reply": None,
            "verdict": {"outcome": outcome, "answer": None, "gold": "", "how": ""},
            "error": {"kind": kind, "message": "", "status": None} if kind else None,
        }
        for key, outcome, kind in lines
    ]  # fmt: skip
    (folder / "trials.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = open_run(folder)
    assert run.finished() == {record.key for record in run.latest().values() if record.final}
