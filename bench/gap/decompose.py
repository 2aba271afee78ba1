"""What a model loses on pictures, split into using, seeing and thinking: the split itself, on arrays.

Arms over the same puzzles: I the accuracy on the image, C on the model's own description, O on the true description, R of the exact solver
on the model's own description. Between the model as it is and perfection lie three repairs: its own words in the picture's place (C - I,
*using*), true words for its own (*seeing*), perfect reasoning for its own (*thinking*):

                       own reasoning   perfect reasoning
    own description          C                 R
    true description         O                 1

Seeing and thinking can be repaired in either order; each is the mean of its two orders, which is Shapley's value of this table (Shapley
1953, in Contributions to the Theory of Games II, 307-317). So using + seeing + thinking = 1 - I, always, and nothing is assumed of how
failures hang together, nor of guessing. Where an arm is missing, fewer parts are told (`bench.gap.document.Kind`).

Every part is a linear form of the arms and so a mean over puzzles. Intervals are percentile bootstraps over whole puzzles (Efron and
Tibshirani 1993, chapters 8 and 13). Where fewer than 20 puzzles differ from the rest, resampling cannot see what it has not seen; there a
part's interval combines the score intervals of its two orders by the method of variance estimates recovery (Zou and Donner 2008, Statistics
in Medicine 27, 1693-1702), with their correlation.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.gap.document import Kind
from bench.stats.paired import bootstrap_sums, difference_interval, percentile_interval
from bench.stats.rates import clustered_rate

Floats = NDArray[np.float64]

ARMS = "ICOR"
"""Image, own description, true description, readback; the order of the columns of every array here."""
ENOUGH = 20
"""Fewest puzzles that must differ from the most common value for the bootstrap to be used."""

Method = Literal["bootstrap", "score"]


@dataclass(frozen=True, slots=True)
class Points:
    """A part of the loss, as a share, with its 95% interval; `orders`: repaired first, and repaired last."""

    points: float
    low: float
    high: float
    method: Method
    orders: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One arm minus another: "C" - "I"; "1" stands for perfection."""

    more: str
    less: str


@dataclass(frozen=True, slots=True)
class Form:
    """`weight` x (`first` + `sign` x `last`), or `first` alone."""

    first: Difference
    last: Difference | None = None
    weight: float = 1.0
    sign: int = 1


def _mean(first: Difference, last: Difference) -> Form:
    return Form(first, last, 0.5)


def _repairs(own: str) -> dict[str, Form]:
    """Seeing (or the picture), thinking and interaction of the table whose upper left is `own`."""
    see = Difference("O", own), Difference("1", "R")
    return {
        "seeing": _mean(*see),
        "thinking": _mean(Difference("R", own), Difference("1", "O")),
        "interaction": Form(*see, sign=-1),
    }


_LOSS, _USING = Form(Difference("1", "I")), Form(Difference("C", "I"))
_PICTURE = _repairs("I")
_FORMS: Mapping[frozenset[str], tuple[Kind, dict[str, Form]]] = {
    frozenset(arms): (kind, {"loss": _LOSS, **forms})
    for arms, kind, forms in (
        ("ICOR", "complete", {"using": _USING, **_repairs("C")}),
        ("ICO", "order", {"using": _USING, "seeing": Form(Difference("O", "C")), "thinking": Form(Difference("1", "O"))}),
        ("ICR", "order", {"using": _USING, "thinking": Form(Difference("R", "C")), "seeing": Form(Difference("1", "R"))}),
        ("IOR", "picture", {"picture": _PICTURE["seeing"], "thinking": _PICTURE["thinking"], "interaction": _PICTURE["interaction"]}),
        ("IO", "description", {"gain": Form(Difference("O", "I")), "remains": Form(Difference("1", "O"))}),
        ("IC", "own_words", {"using": _USING, "remains": Form(Difference("1", "C"))}),
        ("IR", "loss", {}),
        ("I", "loss", {}),
    )
}  # pyright: ignore[reportAssignmentType] - the kinds are those of `Kind`


def split(arms: Collection[str]) -> tuple[Kind, dict[str, Form]]:
    """How far the loss can be split by `arms` (letters of `ARMS`), and the parts in the order of repair."""
    return _FORMS.get(frozenset(arms), ("none", {}))


def contributions(form: Form, sums: Floats, counts: Floats) -> Floats:
    """(puzzles,) what each puzzle adds to a part.

    Args:
        form: the part.
        sums: (puzzles, 4) right replicates by arm, in the order of `ARMS`.
        counts: (puzzles,) replicates.
    """
    first = _difference(form.first, sums, counts)
    return form.weight * (first + form.sign * _difference(form.last, sums, counts)) if form.last else first


def parts(sums: Floats, counts: Floats, arms: Collection[str], *, seed: int, resamples: int = 2000) -> dict[str, Points]:
    """The loss and its parts by name, over puzzles with counts above 0.

    Args:
        sums: (puzzles, 4) right replicates by arm, in the order of `ARMS`; columns of arms that are not in `arms` are not looked at.
        counts: (puzzles,) replicates in which every arm has an outcome.
        arms: the letters of the arms there are.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    used = counts > 0
    sums, counts = sums[used], counts[used]
    _, forms = split(arms)
    if not counts.size or not forms:
        return {}
    each = np.column_stack([*(contributions(form, sums, counts) for form in forms.values()), counts])
    draws = bootstrap_sums(each, seed=seed, resamples=resamples)
    total = each.sum(0)
    found: dict[str, Points] = {}
    for index, (name, form) in enumerate(forms.items()):
        drawn = percentile_interval(draws[:, index] / draws[:, -1]) if _enough(each[:, index], counts) else None
        bounds, method = _bounds(form, drawn, sums, counts, seed)
        found[name] = Points(float(total[index] / total[-1]), *bounds, method, _orders(form, sums, counts))
    return found


def _difference(difference: Difference, sums: Floats, counts: Floats) -> Floats:
    return _arm(difference.more, sums, counts) - _arm(difference.less, sums, counts)


def _arm(letter: str, sums: Floats, counts: Floats) -> Floats:
    return counts if letter == "1" else sums[:, ARMS.index(letter)]


def _enough(values: Floats, counts: Floats) -> bool:
    _, tally = np.unique(values / counts, return_counts=True)
    return int(counts.size - tally.max()) >= ENOUGH


def _orders(form: Form, sums: Floats, counts: Floats) -> tuple[float, float] | None:
    if form.last is None or form.sign < 0:
        return None
    first, last = (_difference(one, sums, counts).sum() / counts.sum() for one in (form.first, form.last))
    return float(first), float(last)


def _bounds(form: Form, drawn: tuple[float, float] | None, sums: Floats, counts: Floats, seed: int) -> tuple[tuple[float, float], Method]:
    if form.last is None and form.first.more == "1":  # an error rate: Wilson's interval has no need of resampling
        low, high, _ = _score(form.first, sums, counts, seed)
        return (low, high), "score"
    if drawn is not None:
        return drawn, "bootstrap"
    low, high, value = _score(form.first, sums, counts, seed)
    if form.last is None:
        return (low, high), "score"
    return _recovered(form, (value, low, high), sums, counts, seed), "score"


def _recovered(form: Form, first: tuple[float, float, float], sums: Floats, counts: Floats, seed: int) -> tuple[float, float]:
    """The interval of a form from those of its two differences (Zou and Donner 2008)."""
    assert form.last is not None  # of two differences
    value, low, high = first
    other_low, other_high, other = _score(form.last, sums, counts, seed)
    below, above = (other - other_low, other_high - other) if form.sign > 0 else (other_high - other, other - other_low)
    joint = form.sign * _correlation(_difference(form.first, sums, counts), _difference(form.last, sums, counts))
    middle = value + form.sign * other
    under = math.sqrt(max(0.0, (value - low) ** 2 + below**2 + 2 * joint * (value - low) * below))
    over = math.sqrt(max(0.0, (high - value) ** 2 + above**2 + 2 * joint * (high - value) * above))
    return form.weight * (middle - under), form.weight * (middle + over)


def _score(difference: Difference, sums: Floats, counts: Floats, seed: int) -> tuple[float, float, float]:
    """(low, high, value) of one difference: Wilson's interval of an error rate, Tango's of a paired difference where few puzzles differ."""
    less = np.clip(_arm(difference.less, sums, counts), 0, counts)
    if difference.more == "1":
        rate = clustered_rate(counts - less, counts)
        assert rate is not None  # there is a puzzle
        return rate.low, rate.high, rate.estimate
    more = np.clip(_arm(difference.more, sums, counts), 0, counts)
    (low, high), _ = difference_interval(more, less, counts, seed=seed)
    return low, high, float((more - less).sum() / counts.sum())


def _correlation(a: Floats, b: Floats) -> float:
    x, y = a - float(a.mean()), b - float(b.mean())
    spread = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / spread if spread > 1e-12 else 0.0
