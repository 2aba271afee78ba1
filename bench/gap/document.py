"""The shape of `gap.json`: the one document that every report is drawn from.

Plain dictionaries, typed. A number that could not be had is None, with the reason beside it; never NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

Interval = list[float]


class ModeDoc(TypedDict):
    """Outcome counts of one mode (they add up to n), accuracy = correct / (n - error - caption_failed), and its 95% interval.

    With replicates: `pass_at_k` (k -> chance that one of k is right, mean over puzzles) and `consistency` (chance that two agree).
    """

    n: int
    correct: int
    wrong: int
    unparsed: int
    refused: int
    truncated: int
    caption_failed: int
    error: int
    accuracy: float | None
    ci: Interval | None
    puzzles: int
    pass_at_k: NotRequired[dict[str, float]]
    consistency: NotRequired[float | None]


class GapDoc(TypedDict):
    """A paired difference of two modes: n puzzles where both have an outcome, `trials` paired replicates on them.

    `mde` is the smallest difference that this many pairs detect with 80% power at the 5% level; `p_holm`, in families only, is corrected
    for the number of families. Without pairs, `n` is 0, the numbers are None and `why` says so.
    """

    n: int
    trials: int
    delta: float | None
    ci: Interval | None
    p: float | None
    mde: float | None
    p_holm: NotRequired[float | None]
    why: NotRequired[str]


class EstimateDoc(TypedDict):
    """A rate of the independence model with its interval; where not `identifiable`, both are None and `why` says so.

    `method` is how the interval was made: "bootstrap", or "score" where few puzzles speak (`bench.gap.diagnosis`).
    """

    estimate: float | None
    ci: Interval | None
    identifiable: bool
    why: NotRequired[str]
    method: NotRequired[str]


class DiagnosisDoc(TypedDict):
    """Guess, perception and reasoning rates, on `puzzles` puzzles.

    `guess_from` is "blind", "options" (one over their number) or "open" (an open answer cannot be guessed: 0). `blind_answered` is the
    share of blind trials with a readable answer. `by_options` holds the same estimates with one over the options for guess, where the
    guess is from blind.
    """

    guess: float | None
    guess_from: str
    perception: EstimateDoc
    reasoning: EstimateDoc
    puzzles: NotRequired[int]
    blind_answered: NotRequired[float]
    by_options: NotRequired[dict[str, EstimateDoc]]


class AttributionDoc(TypedDict):
    """Paired trials by image right/wrong x oracle right/wrong."""

    both_right: int
    seeing: int
    thinking: int
    lucky: int


class CaptionLossDoc(TypedDict):
    """The loss from description to image, split by the caption, on the puzzles where all three modes have an outcome.

    `lost_by_captioner` (oracle - caption) is what the captioner did not say, `said_not_used` (caption - image) what it said and the model
    could not use from the image; they add up to `total` (oracle - image).
    """

    total: GapDoc
    lost_by_captioner: GapDoc
    said_not_used: GapDoc


class BlindDoc(TypedDict):
    """Blind accuracy (mean over puzzles) against chance, with the one-sided p-value of "no better than guessing"; `p_holm` in families."""

    accuracy: float
    chance: float
    p: float
    p_holm: NotRequired[float]


class LetterDoc(TypedDict):
    """How often each displayed letter was chosen, of `n`; `biased`: letter -> [share of wrong answers, share if places were alike]."""

    chosen: dict[str, int]
    n: int
    biased: dict[str, list[float]]


class RateDoc(TypedDict):
    """A rate with its 95% interval over puzzles."""

    estimate: float
    ci: Interval


class ReadbackDoc(TypedDict):
    """Perception measured without the independence model, from the states that `readback` wrote, over `n` replies on `puzzles` puzzles.

    `whole_state` is the share of replies that give the whole visible state, `answer` the share whose state gives the right answer,
    `recall` the share of visible facts stated rightly and `precision` the share of stated facts that are right (None where none is stated).
    `families` holds the recall by family; `suspect` says how the model-based estimate disagrees, None where it does not.
    """

    n: int
    puzzles: int
    whole_state: RateDoc
    answer: RateDoc
    recall: RateDoc
    precision: RateDoc | None
    families: dict[str, RateDoc]
    suspect: str | None


class FamilyDoc(TypedDict):
    """One family, level or split of one model. `barred` gives the reason why no gap is claimed from its descriptions."""

    modes: dict[str, ModeDoc]
    gaps: dict[str, GapDoc]
    diagnosis: DiagnosisDoc
    attribution: AttributionDoc
    blind: NotRequired[BlindDoc]
    barred: NotRequired[str]


class ModelDoc(FamilyDoc):
    """One model, or one model with one of several captioners. `levels` and `splits` are empty where there are not two of them."""

    name: str
    simulated: bool
    captioner: str | None
    tokens: dict[str, int]
    families: dict[str, FamilyDoc]
    levels: dict[str, FamilyDoc]
    splits: dict[str, FamilyDoc]
    letters: dict[str, LetterDoc]
    caption_loss: NotRequired[CaptionLossDoc]
    readback: NotRequired[ReadbackDoc]


class MatrixDoc(TypedDict):
    """One solver with the captions of one captioner: its accuracy in mode caption, and its caption-image gap."""

    captioner: str
    model: str
    caption: ModeDoc
    gap: GapDoc


class ChangeDoc(TypedDict):
    """A difference of two models with its 95% interval; where there is none, both are None and `why` says so. `p` where a test is exact."""

    delta: float | None
    ci: Interval | None
    p: NotRequired[float | None]
    why: NotRequired[str]


class ComparisonDoc(TypedDict):
    """`model` minus `baseline` on the `n` puzzles where both have every outcome that is needed: the difference of differences.

    `perception` and `reasoning` rest on the independence model; `image`, `oracle` (accuracies) and `oracle_image` (the gap) on nothing.
    `improved` names what clearly rose: "seeing", "thinking", both or neither.
    """

    model: str
    baseline: str
    n: int
    perception: ChangeDoc
    reasoning: ChangeDoc
    image: ChangeDoc
    oracle: ChangeDoc
    oracle_image: ChangeDoc
    improved: list[str]


class ReadingDoc(TypedDict):
    """What one reading of the stored replies makes of a model: accuracies by mode, the oracle-image gap, and verdicts that differ."""

    accuracy: dict[str, float | None]
    oracle_image: float | None
    changed: int


class SensitivityDoc(TypedDict):
    """The table under the strict, the normal and the lenient reading: model -> reading -> numbers, and the rankings that flip."""

    models: dict[str, dict[str, ReadingDoc]]
    flips: list[str]


class SuiteDoc(TypedDict):
    """The puzzles behind the report: `n` of them; `sha256` over their ids where several runs were merged."""

    name: str
    sha256: str
    n: int


class Document(TypedDict):
    """The whole of `gap.json`."""

    v: int
    version: str
    suite: SuiteDoc
    format: str
    seed: int
    runs: list[dict[str, Any]]
    models: list[ModelDoc]
    barred: dict[str, str]
    notes: list[str]
    captioners: NotRequired[list[MatrixDoc]]
    comparisons: NotRequired[list[ComparisonDoc]]
    sensitivity: NotRequired[SensitivityDoc]
    audit: NotRequired[Mapping[str, Any]]
    dose: NotRequired[Mapping[str, Any]]
    twins: NotRequired[Mapping[str, Any]]
