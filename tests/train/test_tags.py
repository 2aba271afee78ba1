"""Reading tags: what counts where a policy nests, repeats, crosses, forgets or disguises them; and that it costs linear time."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.train.rewards import REWARDS
from bench.train.tags import NAMES, read_tags, sentences
from tests.train.test_rewards import ONE, THREE, TWO, clock


def think(text: str) -> float:
    return clock("vanilla", text)["think"]


# -- tags --------------------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>One. Two.</think>", TWO),
        ("<THINK>One.</Think >", ONE),
        ("< think >One.</ think>", ONE),
        ("<think></think>", 0.0),
        ("<think> \n\u200b </think>", 0.0),
        ("<think>One.", 0.0),
        ("One.</think>", 0.0),
        ("<thinking>One.</thinking>", 0.0),
        ("</think>One.<think>Two.</think>", ONE),
        ("<think>One. <think>Two.</think> Three.</think>", TWO),
        ("<think>One.</think><think>Two. Three.</think>", ONE - TWO),
        ("<think></think><think>Two. Three.</think>", TWO),
        ("<think>One. one. ONE!</think>", ONE - TWO),
        ("<think>O\u200bne. One. \uff2fne.</think>", ONE - TWO),
        ("<think>1. One.\n2. Two.\n3. One.</think>", TWO - ONE),
        ("<think>. ! ? ...</think>", 0.0),
        ("<think>The time is 3.23 now. e.g.it is late</think>", TWO),
        ("<think>\u4e00\u3002\u4e8c\u3002\u4e00\u3002</think>", TWO - ONE),
        ("<think><|image_pad|>One.<|vision_end|></think>", ONE),
        ("<thi<|image_pad|>nk>One.</think>", 0.0),
        ("<answer><think>One.</think></answer>", 0.0),
        ("<rethink><think>One.</think></rethink>", ONE),
        ("<think>One. <visual>Two. Three.</visual></think>", THREE),
    ],
)
def test_the_score_of_think_under_vanilla(text: str, expected: float) -> None:
    assert think(text) == pytest.approx(expected)


@pytest.mark.parametrize("spelled", ["image description", "image_description", "Image-Description", "IMAGE DESCRIPTION"])
def test_spellings_of_the_description(spelled: str) -> None:
    text = f"<{spelled}>Current time: 3:23</{spelled}>"
    assert clock("perception-only", text)["seen"] == 1.0
    assert clock("mixture", text)["image description"] == pytest.approx(ONE)


def test_text_inside_several_tags_is_paid_once() -> None:
    nested = clock("mixture", "<image description><think><rethink>One.</rethink></think></image description>")
    assert nested == pytest.approx({"total": 0.06 * ONE, "image description": ONE, "think": 0, "rethink": 0, "answer": 0})
    crossed = clock("mixture", "<think>One.<rethink>Two.</think>Three.</rethink>")
    assert (crossed["think"], crossed["rethink"]) == pytest.approx((TWO, 0.0))


def test_visual_spans() -> None:
    def parts(text: str) -> tuple[float, float]:
        scored = clock("visual-fusion", text)
        return scored["think"], scored["visual"]

    assert parts("<think>See <visual>One.</visual> so <visual>Two.</visual> it is.</think>") == pytest.approx((ONE, TWO))
    assert parts("<think><visual>One.</visual></think>") == pytest.approx((0, ONE)), "text is paid as seen or as thought, not as both"
    assert parts("<visual>One.</visual><think>Two.</think>") == pytest.approx((ONE, 0)), "what is outside think is not within the reasoning"
    assert parts("<think>A b.<visual>One.</visual><visual>One.</visual></think>") == pytest.approx((ONE, 0))
    assert parts("<think>A b.</think><think><visual>One.</visual></think>") == pytest.approx((0, 0))


# -- properties --------------------------------------------------------------------------------------------------------------------------
_WORDS = st.sampled_from(["The hand is at 5.", "It is 3:23. ", "So 4:23!", "\n", "a", " ", "7", "<|image_pad|>", "\u200b", "4:23 or 5:23"])
JUDGED = [name for name in REWARDS if name != "noise"]
"""Rewards that read what they pay for; noise is drawn by lot."""
_MARKS = st.sampled_from([f"<{slash}{name}>" for slash in ("", "/") for name in (*NAMES, "image_description")])
_SOUP = st.lists(st.one_of(_WORDS, _MARKS, st.text(max_size=5)), max_size=25).map("".join)


@given(_SOUP)
def test_totals_are_bounded_and_finite(text: str) -> None:
    for name, reward in REWARDS.items():
        parts = clock(name, text)
        assert set(parts) == {
            "total",
            *reward.weights,
            *(("seen",) if reward.seen else ()),
            *(("sufficient",) if reward.solver else ()),
            *(("noise",) if reward.noise else ()),
        }
        told = sum(weight for tag, weight in reward.weights.items() if tag != "answer")
        assert (1 - reward.seen) * told * (ONE - 1) - 1e-9 <= parts["total"] <= 1 + 1e-9
        assert all(ONE - 1 <= value <= 1 for part, value in parts.items() if part != "total")


@given(_SOUP)
def test_any_text_inside_a_tag_is_no_more_than_its_text(text: str) -> None:
    tags = read_tags(f"<think>{text}</think>", NAMES)
    assert "<think>" not in tags["think"].text if "think" in tags else True
    assert sum(len(tag.text) for tag in tags.values()) <= len(text) + 2 * text.count("<") + 2


@given(
    st.permutations(
        [f"<{name}>{text}</{name}>" for name, text in zip(NAMES, ("One. Two.", "Three.", "A b. C d.", "", "4:23"), strict=True)]
    )
)
def test_the_order_of_tags_makes_no_difference(tags: Sequence[str]) -> None:
    text = "\n".join(tags)
    for name in JUDGED:
        expected = clock(
            name, "<image description>One. Two.</image description><think>Three.</think><rethink>A b. C d.</rethink><answer>4:23</answer>"
        )
        assert clock(name, text) == pytest.approx(expected)


_SENTENCE = st.sampled_from(["The hand is short.", "It is late!", "Is it 3:23?", "One hour goes by."])


@given(st.lists(_SENTENCE, min_size=1, max_size=6), st.sampled_from(["think", "rethink", "image description"]), st.data())
def test_repeating_a_sentence_never_pays(said: list[str], tag: str, data: st.DataObject) -> None:
    again = data.draw(st.sampled_from(said))
    for name in JUDGED:
        before, after = (clock(name, f"<{tag}>{' '.join(text)}</{tag}>")["total"] for text in (said, [*said, again.upper()]))
        assert after <= before + 1e-12


@given(st.lists(_SENTENCE, min_size=1, max_size=4), st.lists(_SENTENCE, min_size=1, max_size=4))
def test_a_second_tag_never_pays(first: list[str], second: list[str]) -> None:
    one = f"<think>{' '.join(first)}</think>"
    for name in JUDGED:
        assert clock(name, f"{one}<think>{' '.join(second)}</think>")["total"] <= clock(name, one)["total"]


@given(st.text(max_size=200))
def test_sentences_never_raise_and_are_folded(text: str) -> None:
    assert all(any(map(str.isalnum, sentence)) for sentence in sentences(text))


# -- hostile text ------------------------------------------------------------------------------------------------------------------------
_PIECES = (
    "a", "and so on ", "One. ", "<think>", "</think>", "<think></think>", "<think>a", "<visual>", "< ", "<\t", "</", "<|", "<|a", ". ! ? ",
    '."', "1. ", "\n", " ", "\u200b", "\u3002", "\u00e9 ", "<answer>", "<image description><think>", "<image_", "9", "A or ", "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("piece", _PIECES, ids=map(ascii, _PIECES))
@pytest.mark.parametrize("wrapped", [False, True])
def test_long_text_is_scored_in_linear_time(piece: str, *, wrapped: bool) -> None:
    """200 kB in a fifth of a second where the machine is free; a quadratic reader would take many seconds."""
    body = piece * (200_000 // len(piece))
    text = f"<image description>{body}</image description><think>{body[:1000]}</think>" if wrapped else body
    for name in ("visual-fusion", "perception"):
        assert _seconds(name, text) < 4


def test_a_megabyte_is_scored() -> None:
    once, often = "a" * 1_000_000, "One more time. " * 70_000
    assert think(f"<think>{once}</think>") == ONE
    assert think(f"<think>{often}</think>") == pytest.approx(ONE - 1)
    assert clock("perception", f"<image description>{often}Current time: 3:23</image description>")["seen"] == 0.0, "beyond the bound"
    assert _seconds("perception", f"<image description>{often}</image description>") < 10


def _seconds(name: str, text: str) -> float:
    start = time.process_time()
    clock(name, text)
    return time.process_time() - start
