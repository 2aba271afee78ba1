"""The shape of `gap.json`: the one document that every report is drawn from.

Plain dictionaries, typed. A number that could not be had is None, with the reason beside it; never NaN. Sections that not every report
has are in `bench.gap.sections`.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from bench.gap.sections import AuditDoc, Bounds, DoseDoc, EstimateDoc, TwinDoc


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
    ci: Bounds | None
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
    ci: Bounds | None
    p: float | None
    mde: float | None
    p_holm: NotRequired[float | None]
    why: NotRequired[str]


PARTS = ("using", "seeing", "thinking")
"""What a loss is split into; these words name nothing else."""
Part = Literal["using", "seeing", "thinking"]

LOST = ("loss", "using", "seeing", "thinking", "picture", "interaction", "gain", "remains")
"""The entries of a diagnosis that are points."""

Kind = Literal["complete", "order", "picture", "description", "own_words", "loss", "none"]
"""How far a loss can be split, by the arms there are (I image, C own captions, O oracle, R readback):

- "complete" (I C O R): `using`, `seeing`, `thinking`, each in both orders, and their `interaction`.
- "order" (I C O, or I C R): `using`, `seeing`, `thinking` in one order of repair, which `order` gives.
- "picture" (I O R): using and seeing are one, `picture`; `thinking`; both in both orders, and their `interaction`.
- "description" (I O): `gain` = O - I with the description, and `remains` = 1 - O.
- "own_words" (I C): `using`, and `remains` = 1 - C.
- "loss" (I): the loss and nothing more.
- "none": no puzzle has the outcomes that are needed; `why` says which.
"""

CELLS = ("on_image", "own_words", "true_description", "solved", "neither")
"""What can be observed of a trial, in the order in which it is asked for; see `AttributionDoc`."""


class PointsDoc(TypedDict):
    """A part of the loss as a share of the puzzles (0.243 is 24.3 points), with its 95% interval over puzzles.

    `orders`: the part where it is repaired first among seeing and thinking, and where it is repaired last; `points` is their mean. `method`
    is how the interval was made: "bootstrap", or "score" where few puzzles speak.
    """

    points: float
    ci: Bounds
    method: str
    orders: NotRequired[list[float]]


class RatesDoc(TypedDict):
    """Rates beside the points: sees (R - g)/(1 - g), uses (I - g)/(C - g), thinks (O - g)/(1 - g), g the guess rate."""

    sees: EstimateDoc
    uses: EstimateDoc
    thinks: EstimateDoc


class DiagnosisDoc(TypedDict):
    """What the model loses to not using what it sees, to not seeing, and to not thinking: 1 - I split without rest.

    All numbers are means over the same `trials` paired trials on `n` puzzles: those with an outcome in every arm, barred families left out.
    `arms` are the accuracies of exactly these; where a readback cannot be read, or its solution is none of the options shown, it counts as
    the blind trial of that puzzle does (`guessed`: the share of such readbacks), so `arms["readback"]` may differ from the accuracy of
    the mode. With I, C, O and R for the arms,

        using = C - I    seeing = ((O - C) + (1 - R)) / 2    thinking = ((R - C) + (1 - O)) / 2    interaction = O + R - C - 1

    and using + seeing + thinking = loss = 1 - I. What cannot be told is None: see `Kind`.

    Attributes:
        kind: how far the loss can be split, `complete` where wholly, `missing` the arms that would split it further.
        order: the parts in the order in which they are repaired, where there is but one; else empty.
        named: the parts whose interval lies above 0: only these may be called a loss.
        chief: the fewest of them, largest first, that make up more than half of the loss; empty where they do not.
        unanswered: arm -> outcome -> share of its trials, for arms of which more than 5% were truncated, refused or unparsed.
        guess: the guess rate over these puzzles; `guess_from` "blind", "options" (one over their number) or "open" (0).
        perception: (I - g)/(O - g), *perception in use*: it mixes seeing and using. `reasoning` is (O - g)/(1 - g), as `rates["thinks"]`.
        blind_answered: share of blind trials with a readable answer.
        by_options: perception and reasoning with one over the options for guess, where the guess is from blind.
    """

    kind: Kind
    complete: bool
    missing: list[str]
    order: list[str]
    n: int
    trials: int
    arms: dict[str, float]
    guessed: float | None
    guess: float | None
    guess_from: str
    loss: PointsDoc | None
    using: PointsDoc | None
    seeing: PointsDoc | None
    thinking: PointsDoc | None
    interaction: PointsDoc | None
    picture: PointsDoc | None
    gain: PointsDoc | None
    remains: PointsDoc | None
    named: list[str]
    chief: list[str]
    unanswered: dict[str, dict[str, float]]
    rates: RatesDoc
    perception: EstimateDoc
    reasoning: EstimateDoc
    why: NotRequired[str]
    blind_answered: NotRequired[float]
    by_options: NotRequired[dict[str, EstimateDoc]]


class AttributionDoc(TypedDict):
    """The paired trials of the diagnosis by what was observed; they add up to its `trials`.

    Asked in this order: *right on the image*; else *right with its own words*; else *right with the true description only* (not with the
    image, nor with its own words); else *solved from its own words only* (no reply of its own is right, and the exact solver finds the
    answer in what it wrote); else *neither alone* (one repair does not suffice). An arm that is missing counts as not right.
    """

    on_image: int
    own_words: int
    true_description: int
    solved: int
    neither: int


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
    ci: Bounds


class ReadbackDoc(TypedDict):
    """Perception from the states that `readback` wrote, over `n` replies on `puzzles` puzzles.

    `whole_state` is the share of replies that give the whole visible state, `answer` the share whose state gives the right answer,
    `recall` the share of visible facts stated rightly and `precision` the share of stated facts that are right (None where none is stated).
    `above_floor` is the mean F1 of what is stated above that of the best description that is the same for every picture, (F1 - floor) /
    (1 - floor), which may be negative. `families` holds the recall by family, `families_above_floor` the other; `suspect` says how
    perception in use disagrees, None where it does not.
    """

    n: int
    puzzles: int
    whole_state: RateDoc
    answer: RateDoc
    recall: RateDoc
    precision: RateDoc | None
    above_floor: RateDoc
    families: dict[str, RateDoc]
    families_above_floor: dict[str, RateDoc]
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


EXACT_SOLVER = "exact solver"


class MatrixDoc(TypedDict):
    """One solver (`model`) with the captions of one captioner: its accuracy in mode caption, and its caption-image gap.

    Where a captioner wrote notation that was read back, there is a row with `EXACT_SOLVER` for model: perfect reasoning over its words.
    """

    captioner: str
    model: str
    caption: ModeDoc
    gap: GapDoc


class ChangeDoc(TypedDict):
    """A difference of two models with its 95% interval; where there is none, both are None and `why` says so. `p` where a test is exact."""

    delta: float | None
    ci: Bounds | None
    p: NotRequired[float | None]
    why: NotRequired[str]


class PartChangeDoc(ChangeDoc):
    """The change of a part of the loss, in points lost: below 0 the model loses less than the baseline.

    `p` is exact under "the two models are exchangeable within each puzzle"; `p_holm` is corrected over the parts and all models compared.
    """

    p_holm: NotRequired[float | None]


class ComparisonDoc(TypedDict):
    """`model` minus `baseline` on the `n` puzzles where both have every outcome that is needed.

    `using`, `seeing` and `thinking` are changes of points *lost*; so are `picture` and `loss`. `image`, `oracle` (accuracies),
    `oracle_image` (the gap), `perception` (in use) and `reasoning` are changes of what they name. `kind` is how far the losses of both
    models can be split (`Kind`). `improved` names the parts of which clearly less is lost
    (corrected p < 0.05), `worse` those of which more.
    """

    model: str
    baseline: str
    n: int
    kind: Kind
    loss: PartChangeDoc
    using: PartChangeDoc
    seeing: PartChangeDoc
    thinking: PartChangeDoc
    picture: PartChangeDoc
    perception: ChangeDoc
    reasoning: ChangeDoc
    image: ChangeDoc
    oracle: ChangeDoc
    oracle_image: ChangeDoc
    improved: list[str]
    worse: list[str]


class MultimodalDoc(TypedDict):
    """What a model owes to the picture, as MMStar (Chen et al. 2024, arXiv 2403.20330) defines it.

    `gain` is image - blind. `leakage` is max(0, blind - the text-only base), where a base is named: what training showed of the test;
    `difference` is blind - base with its interval.
    """

    model: str
    gain: GapDoc
    base: str | None
    leakage: float | None
    difference: NotRequired[ChangeDoc]


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


class RunDoc(TypedDict):
    """A run behind the report: its folder's name and what `run.json` says of it; what that does not say is None.

    `started` is ISO 8601; `reported` are the ids that its provider gave, by the name of the model (a list in earlier versions); `prompts`
    maps templates to hashes.
    """

    name: str
    started: str | None
    version: str | None
    commit: str | None
    temperature: float | None
    prompts: dict[str, str]
    model_ids: dict[str, str]
    reported: dict[str, list[str]] | list[str]
    identity: dict[str, Any]


class Document(TypedDict):
    """The whole of `gap.json`."""

    v: int
    version: str
    suite: SuiteDoc
    format: str
    seed: int
    runs: list[RunDoc]
    models: list[ModelDoc]
    barred: dict[str, str]
    notes: list[str]
    captioners: NotRequired[list[MatrixDoc]]
    comparisons: NotRequired[list[ComparisonDoc]]
    multimodal: NotRequired[list[MultimodalDoc]]
    sensitivity: NotRequired[SensitivityDoc]
    audit: NotRequired[AuditDoc]
    dose: NotRequired[DoseDoc]
    twins: NotRequired[TwinDoc]
