"""The watch: it stops what is lost, with the reason, and nothing else."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.train.rewards import EQUAL_GROUPS, TAGGED
from bench.train.settings import StopRule
from bench.train.watch import CLIPPED, LENGTH, Watch, watching

LIMITS = StopRule(equal_steps=5, shortest=4.0, longest_share=0.5, window=3, untagged_steps=4)


def log(**changes: float) -> dict[str, float]:
    well = {"loss": 0.1, "grad_norm": 1.0, "reward": 0.5, EQUAL_GROUPS: 0.2, TAGGED: 1.0, LENGTH: 30.0, CLIPPED: 0.0}
    names = {"equal": EQUAL_GROUPS, "tagged": TAGGED, "length": LENGTH, "clipped": CLIPPED}
    return well | {names.get(name, name): value for name, value in changes.items()}


@pytest.mark.parametrize("name", ["loss", "grad_norm", "reward"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_stops_at_once(name: str, value: float) -> None:
    watch = Watch(LIMITS)
    assert watch.see(1, log()) is None
    reason = watch.see(2, log(**{name: value}))
    assert reason is not None
    assert name in reason
    assert "step 2" in reason


def test_equal_rewards_stop_after_so_many_steps_in_a_row() -> None:
    watch = Watch(LIMITS)
    for step in range(1, 5):
        assert watch.see(step, log(equal=1.0)) is None
    assert watch.see(5, log(equal=0.9)) is None  # one group still differs: counted anew
    for step in range(6, 10):
        assert watch.see(step, log(equal=1.0)) is None
    assert "earned the same" in (watch.see(10, log(equal=1.0)) or "")


def test_a_checkpoint_that_never_writes_the_tags_stops_with_what_to_do() -> None:
    watch = Watch(LIMITS)
    shares = (0.0, 0.0, 0.0, 0.01, 0.0, 0.0, 0.0)  # one completion with a tag, and it is counted anew
    assert [watch.see(step, log(tagged=share)) for step, share in enumerate(shares, 1)] == [None] * 7
    assert "for 4 steps no completion had any of the tags" in (watch.see(8, log(tagged=0.0)) or "")
    assert "train under only-accuracy" in (watch.reason or "")


def test_a_collapse_of_length_stops() -> None:
    watch = Watch(LIMITS)
    assert [watch.see(step, log(length=length)) for step, length in enumerate((30.0, 2.0, 2.0), 1)] == [None, None, None]
    assert "shrunk to 2.0 tokens" in (watch.see(4, log(length=2.0)) or "")


def test_an_explosion_of_length_stops() -> None:
    watch = Watch(LIMITS)
    assert [watch.see(step, log(clipped=share)) for step, share in enumerate((0.0, 0.9), 1)] == [None, None]
    assert "token limit" in (watch.see(3, log(clipped=0.9)) or "")


def test_the_first_reason_stays() -> None:
    watch = Watch(LIMITS)
    first = watch.see(1, log(loss=math.nan))
    assert watch.see(2, log(reward=math.nan)) == first == watch.reason


@given(st.lists(st.tuples(st.floats(5, 1000), st.floats(0, 0.5), st.floats(0, 0.99)), max_size=40))
def test_nothing_else_stops(steps: list[tuple[float, float, float]]) -> None:
    watch = Watch(LIMITS)
    for step, (length, clipped, equal) in enumerate(steps, 1):
        assert watch.see(step, log(length=length, clipped=clipped, equal=equal)) is None


def test_the_callback_stops_the_trainer() -> None:
    watch = Watch(LIMITS)
    callback, control = watching(watch), SimpleNamespace(should_training_stop=False)
    state = SimpleNamespace(global_step=1)
    callback.on_log(None, state, control, logs={"train_runtime": 3.0})  # the summary at the end is no step
    callback.on_log(None, state, control, logs=log())
    assert not control.should_training_stop
    callback.on_log(None, state, control, logs=log(loss=math.nan))
    assert control.should_training_stop
    assert watch.reason is not None
