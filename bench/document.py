"""The shape of `gap.json`: the one document that every report is drawn from (DESIGN.md, Files).

Plain dictionaries, typed. A number that could not be had is None, with the reason beside it; never NaN.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from bench.errors import UserError

Interval = list[float]


class ModeDoc(TypedDict):
    """Outcome counts of one mode (they add up to n), accuracy = correct / (n - error - caption_failed), and its 95% interval."""

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
    """A rate of the independence model with its interval; where not `identifiable`, both are None and `why` says so."""

    estimate: float | None
    ci: Interval | None
    identifiable: bool
    why: NotRequired[str]


class DiagnosisDoc(TypedDict):
    """Guess, perception and reasoning rates (DESIGN.md, The diagnosis). `guess_from` is "blind" or "options"."""

    guess: float | None
    guess_from: str
    perception: EstimateDoc
    reasoning: EstimateDoc


class AttributionDoc(TypedDict):
    """Paired trials by image right/wrong x oracle right/wrong."""

    both_right: int
    seeing: int
    thinking: int
    lucky: int


class FamilyDoc(TypedDict):
    """One family of one model. `barred` gives the reason why no gap is claimed from its descriptions."""

    modes: dict[str, ModeDoc]
    gaps: dict[str, GapDoc]
    diagnosis: DiagnosisDoc
    attribution: AttributionDoc
    barred: NotRequired[str]


class ModelDoc(FamilyDoc):
    """One model, or one model with one of several captioners."""

    name: str
    simulated: bool
    captioner: str | None
    tokens: dict[str, int]
    families: dict[str, FamilyDoc]


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


def read_document(path: Path) -> Document:
    """A stored `gap.json`.

    Raises:
        UserError: missing, or not a document of this version.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a gap document ({error})") from error
    if not isinstance(data, dict) or "models" not in data:
        raise UserError(f"{path} is no gap document: it has no 'models'")
    return cast(Document, data)
