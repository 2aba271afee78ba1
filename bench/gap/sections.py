"""The sections of `gap.json` that not every report has: the audit of captions, damaged pictures, twins of a public set."""

from __future__ import annotations

from typing import NotRequired, TypedDict

Bounds = list[float]
"""An interval as it is stored: [low, high]."""


class EstimateDoc(TypedDict):
    """A rate with its 95% interval; where not `identifiable`, both are None and `why` says so.

    `method` is how the interval was made: "bootstrap", or "score" where few puzzles speak (`bench.gap.rates`). `note` says why a rate
    outside [0, 1] can be. `unidentified`, over all families only, names those for which it does not hold, being not identifiable there.
    """

    estimate: float | None
    ci: Bounds | None
    identifiable: bool
    why: NotRequired[str]
    method: NotRequired[str]
    note: NotRequired[str]
    unidentified: NotRequired[list[str]]


class ShareDoc(TypedDict):
    """A mean over captions in [0, 1] with its 95% interval over puzzles."""

    estimate: float
    ci: Bounds


class SlotDoc(TypedDict):
    """A kind of fact ("row #, column #"), and the shares of these facts that captions leave out and state wrongly."""

    slot: str
    lost: float
    wrong: float
    facts: int


class FidelityDoc(TypedDict):
    """Captions of one family by one captioner: `captions` in all, `compared` with the facts.

    `precision` is None where no caption states a fact. `above_floor` is the F1 above that of the best text that is the same for all
    pictures. `slots` are the kinds of facts most often lost or wrong, worst first.
    """

    captions: int
    compared: int
    recall: ShareDoc | None
    precision: ShareDoc | None
    f1: ShareDoc | None
    above_floor: ShareDoc | None
    recovered: ShareDoc | None
    slots: list[SlotDoc]
    leaks: int


class LeakDoc(TypedDict):
    """A caption that gives the answer away: "declared" or "concluded" (`bench.gap.leaks`), to the trials of one puzzle."""

    caption_key: str
    puzzle: str
    how: str


class LeakGapDoc(TypedDict):
    """The caption - image gap of one model with one captioner, on all puzzles and without those whose caption gives the answer away."""

    model: str
    captioner: str
    trials: int
    flagged: int
    gap: float | None
    ci: Bounds | None
    gap_without: float | None
    ci_without: Bounds | None


class AuditDoc(TypedDict):
    """The section `audit` of gap.json. `insufficient` counts, by family, puzzles whose description does not suffice to answer.

    `captioners` maps "model/prompt" to families; `leaks` are at most five per captioner, `leak_counts` all of them.
    """

    captioners: dict[str, dict[str, FidelityDoc]]
    leaks: list[LeakDoc]
    leak_counts: dict[str, int]
    gaps: list[LeakGapDoc]
    insufficient: dict[str, int]
    note: NotRequired[str]


class DoseRateDoc(TypedDict):
    """Accuracy of one mode at one dose, with its 95% interval, over `puzzles` puzzles."""

    accuracy: float
    ci: Bounds
    puzzles: int


class DoseLossDoc(TypedDict):
    """Accuracy at the dose minus accuracy on the clear picture, mode image, paired; `p` is exact."""

    delta: float
    ci: Bounds
    p: float
    puzzles: int


class DosePointDoc(TypedDict):
    """One dose ("blur=2", or "" for the clear picture). `perception` is None where image or oracle was not run."""

    dose: str
    amount: float | None
    severity: float
    modes: dict[str, DoseRateDoc]
    perception: EstimateDoc | None
    loss: DoseLossDoc | None


class DoseModelDoc(TypedDict):
    """The doses of one model: kind of damage -> points from the clear picture on, by growing severity; the same in `families`."""

    name: str
    captioner: str | None
    kinds: dict[str, list[DosePointDoc]]
    families: dict[str, dict[str, list[DosePointDoc]]]


class DoseDoc(TypedDict):
    """The section `dose` of gap.json."""

    models: list[DoseModelDoc]


class TwinRowDoc(TypedDict):
    """A rate or a gap on public and on fresh puzzles, and public - fresh with its 95% interval; `puzzles` of each."""

    public: float
    fresh: float
    delta: float
    ci: Bounds
    puzzles: NotRequired[list[int]]


class TwinPartDoc(TypedDict):
    """Rows by mode and by gap ("oracle-image"), where both runs have them."""

    modes: dict[str, TwinRowDoc]
    gaps: dict[str, TwinRowDoc]


class TwinModelDoc(TwinPartDoc):
    """One model (with one captioner): all families, weighing alike, and each."""

    name: str
    captioner: str | None
    families: dict[str, TwinPartDoc]


class TwinDoc(TypedDict):
    """The section `twins` of gap.json. `left_out` are families that one suite lacks; `levels` is the twin's puzzles by level (0: none)."""

    public: str
    fresh: str
    families: list[str]
    left_out: list[str]
    levels: dict[str, int]
    models: list[TwinModelDoc]
