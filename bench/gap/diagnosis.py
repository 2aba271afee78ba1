"""The diagnosis of one model: its arms on the puzzles that all of them share, the split of the loss, the rates beside it.

The split is `bench.gap.decompose`, the rates are `bench.gap.rates`; here is which trials go into them. A readback that cannot be read, or
whose solution is none of the options shown, counts as the model's blind trial of that puzzle does (of the same replicate where there is
one, else the mean of its replicates; without a blind arm one over the options, or 0 for open answers): a perfect reasoner who cannot read
would guess too.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.gap.cells import OUTCOMES, Cells, Flags, Floats
from bench.gap.decompose import ARMS, Points, parts, split
from bench.gap.document import CELLS, AttributionDoc, DiagnosisDoc, EstimateDoc, PointsDoc
from bench.gap.numbers import estimate_doc, interval, rounded, unknown
from bench.gap.rates import Estimates, estimate
from bench.mode import Mode
from bench.outcome import Outcome

LETTERS = {Mode.IMAGE: "I", Mode.CAPTION: "C", Mode.ORACLE: "O", Mode.READBACK: "R"}
"""The arms of the diagnosis by the letters of `bench.gap.decompose`."""
MODES = {letter: mode for mode, letter in LETTERS.items()}
UNANSWERED = (Outcome.TRUNCATED, Outcome.REFUSED, Outcome.UNPARSED)
MANY = 0.05
"""Share of an arm's trials without an answer from which on the verdict speaks of them."""

_WORSE_THAN_GUESSING = "below 0, since it does worse there than by guessing"
_NOTES: dict[str, dict[str, str]] = {
    "sees": {"below": "below 0, since what it reads off the picture leads to fewer right answers than guessing"},
    "uses": {"below": _WORSE_THAN_GUESSING, "above": "above 100, since the picture serves it better than its own words"},
    "thinks": {"below": _WORSE_THAN_GUESSING},
    "perception": {"below": _WORSE_THAN_GUESSING, "above": "above 100, since the picture serves it better than the description"},
}


@dataclass(frozen=True)
class Evidence:
    """The cells of a diagnosis.

    Attributes:
        arms: letters of the arms that are used, in the order of `ARMS`.
        where: (cells,) the cells with an outcome in each of them, barred puzzles left out.
        right: (cells, 4) right or not by arm; the readback of cells in `guessed` is that of a guess. Zero for arms that are not used.
        guessed: (cells,) whether the readback counts as a guess.
        guess: (cells,) what guessing gets right.
        source: where the guess rate comes from: "blind", "options" or "open".
    """

    arms: str
    where: Flags
    right: Floats
    guessed: Flags
    guess: Floats
    source: str

    def sums(self, cells: Cells) -> tuple[Floats, Floats, Floats]:
        """(puzzles, 4) sums by arm, (puzzles,) sums of guesses, (puzzles,) counts; in the order of `cells.ids`."""
        n, puzzle = len(cells.ids), cells.puzzle[self.where]
        columns = [np.bincount(puzzle, column, n).astype(np.float64) for column in (*self.right[self.where].T, self.guess[self.where])]
        return np.column_stack(columns[:-1]), columns[-1], np.bincount(puzzle, minlength=n).astype(np.float64)


def evidence(cells: Cells, arms: Collection[str] | None = None) -> Evidence | None:
    """The evidence for a diagnosis by `arms`, by default by as many as share a puzzle. None without an outcome on an image."""
    for chosen in [sorted(arms, key=ARMS.index)] if arms is not None else _choices(cells):
        where = cells.both(*(MODES[letter] for letter in chosen)) & ~cells.barred
        if where.any():
            return _evidence(cells, chosen, where)
    return None


def perception_arms(cells: Cells) -> tuple[Floats, Floats, str] | None:
    """What `bench.gap.rates.estimate` takes for perception in use, and the source of the guess rate; None without a pair.

    (puzzles, 3) sums on the image, on the true description and by guessing, and (puzzles,) counts, in the order of `cells.ids`.
    """
    found = evidence(cells, "IO") if Mode.ORACLE in cells.right and Mode.IMAGE in cells.right else None
    if found is None:
        return None
    sums, guess, counts = found.sums(cells)
    return np.column_stack([sums[:, ARMS.index("I")], sums[:, ARMS.index("O")], guess]), counts, found.source


def _choices(cells: Cells) -> Iterator[Sequence[str]]:
    """Sets of arms, the one that tells most first; captions by another model are no words of its own."""
    have = [letter for letter in ARMS[1:] if MODES[letter] in cells.right and (letter != "C" or cells.own_captions)]
    if Mode.IMAGE not in cells.right:
        return
    for size in range(len(have), -1, -1):
        yield from (["I", *chosen] for chosen in itertools.combinations(have, size))


def _evidence(cells: Cells, arms: Sequence[str], where: Flags) -> Evidence:
    blind = _blind(cells)
    known = where & np.isfinite(blind)
    where = known if known.any() else where
    guess = blind if known.any() else cells.chance[cells.puzzle]
    right = np.zeros((len(where), len(ARMS)))
    for letter in arms:
        right[:, ARMS.index(letter)] = cells.right[MODES[letter]]
    guessed = _unread(cells) if "R" in arms else np.zeros(len(where), np.bool_)
    right[guessed, ARMS.index("R")] = guess[guessed]
    source = "blind" if known.any() else "options" if cells.chance.any() else "open"
    return Evidence("".join(arms), where, right, guessed & where, guess, source)


def _blind(cells: Cells) -> Floats:
    """(cells,) the blind trial of each cell; where it has none, the mean of its puzzle's; NaN without any."""
    if Mode.BLIND not in cells.right:
        return np.full(len(cells.puzzle), np.nan)
    sums, counts = cells.per_puzzle(Mode.BLIND, cells.counted(Mode.BLIND))
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    own = cells.right[Mode.BLIND]
    return np.where(np.isfinite(own), own, means[cells.puzzle])


def _unread(cells: Cells) -> Flags:
    """(cells,) whether the readback gave no solution, or one that is none of the options shown."""
    codes = cells.outcome[Mode.READBACK]
    wrong = codes == OUTCOMES.index(Outcome.WRONG)
    nowhere = (cells.options > 0) & (cells.chosen[Mode.READBACK] < 0)
    return np.isin(codes, [OUTCOMES.index(outcome) for outcome in UNANSWERED]) | (wrong & (nowhere | ~cells.answered[Mode.READBACK]))


def diagnose(cells: Cells, seed: int) -> DiagnosisDoc:
    """The diagnosis of some cells of one model."""
    found = evidence(cells)
    if found is None:
        return _nothing(cells)
    sums, guess, counts = found.sums(cells)
    used = counts > 0
    sums, guess, counts = sums[used], guess[used], counts[used]
    kind, _ = split(found.arms)
    points = parts(sums, counts, found.arms, seed=seed)
    total = float(counts.sum())
    doc: DiagnosisDoc = {
        **_nothing(cells),
        "kind": kind,
        "complete": kind == "complete",
        "missing": [mode.value for letter, mode in MODES.items() if letter not in found.arms],
        "order": [name for name in points if name != "loss"] if kind == "order" else [],
        "n": len(counts),
        "trials": int(total),
        "arms": _arms(found, sums, guess, total),
        "guessed": rounded(float(found.guessed.sum()) / total) if "R" in found.arms else None,
        "guess": rounded(float(guess.sum()) / total),
        "guess_from": found.source,
        **_rates(found, sums, guess, counts, seed),
    }
    for name, part in points.items():
        doc[name] = points_doc(part)  # pyright: ignore[reportGeneralTypeIssues] - the parts are keys of the document
    _name(doc, points)
    del doc["why"]  # pyright: ignore[reportTypedDictNotRequiredAccess] - there is a verdict
    if found.source == "blind":
        answered = [OUTCOMES.index(outcome) for outcome in Outcome if outcome.answered]
        doc["blind_answered"] = rounded(float(np.isin(cells.outcome[Mode.BLIND][cells.counted(Mode.BLIND)], answered).mean()))
        if "O" in found.arms:
            doc["by_options"] = _by_options(sums, cells.chance[used] * counts, counts, seed)
    return doc


def points_doc(part: Points) -> PointsDoc:
    """A part as it stands in the document."""
    doc: PointsDoc = {"points": rounded(part.points), "ci": interval((part.low, part.high)), "method": part.method}
    return {**doc, "orders": [rounded(part.orders[0]), rounded(part.orders[1])]} if part.orders else doc


def _nothing(cells: Cells) -> DiagnosisDoc:
    """A diagnosis without a puzzle."""
    if Mode.IMAGE not in cells.right:
        why = "no outcome in mode image"
    else:
        why = "no description suffices to answer" if cells.barred[cells.counted(Mode.IMAGE)].all() else "no puzzle has an outcome"
    nothing = unknown(why)
    return {
        "kind": "none",
        "complete": False,
        "missing": [mode.value for mode in LETTERS if mode not in cells.right],
        "order": [],
        "n": 0,
        "trials": 0,
        "arms": {},
        "guessed": None,
        "guess": None,
        "guess_from": "blind" if Mode.BLIND in cells.right else "options" if cells.chance.any() else "open",
        "loss": None,
        "using": None,
        "seeing": None,
        "thinking": None,
        "interaction": None,
        "picture": None,
        "gain": None,
        "remains": None,
        "named": [],
        "chief": [],
        "unanswered": _unanswered(cells),
        "rates": {"sees": nothing, "uses": nothing, "thinks": nothing},
        "perception": nothing,
        "reasoning": nothing,
        "why": why,
    }


def _arms(found: Evidence, sums: Floats, guess: Floats, total: float) -> dict[str, float]:
    arms = {MODES[letter].value: rounded(float(sums[:, ARMS.index(letter)].sum()) / total) for letter in found.arms}
    return {**arms, Mode.BLIND.value: rounded(float(guess.sum()) / total)} if found.source == "blind" else arms


def _name(doc: DiagnosisDoc, points: dict[str, Points]) -> None:
    """Which parts are named as a loss, and which of them are most of it."""
    if points["loss"].points <= 0:
        return  # where nothing is lost, there is nothing to name
    known = [name for name in ("using", "picture", "seeing", "thinking") if name in points]
    doc["named"] = [name for name in known if points[name].low > 0]
    if doc["kind"] not in ("complete", "order", "picture"):
        return
    most, half = list[str](), points["loss"].points / 2
    for name in sorted(doc["named"], key=lambda name: -points[name].points):
        most.append(name)
        if sum(points[one].points for one in most) > half:
            doc["chief"] = most
            return


def _unanswered(cells: Cells) -> dict[str, dict[str, float]]:
    """Arm -> outcome -> share, where more than `MANY` of its counted trials held no answer."""
    found: dict[str, dict[str, float]] = {}
    for mode in (*LETTERS, Mode.BLIND):
        counted = cells.counted(mode)
        if not counted.any():
            continue
        codes = cells.outcome[mode][counted]
        shares = {outcome.value: float((codes == OUTCOMES.index(outcome)).mean()) for outcome in UNANSWERED}
        if sum(shares.values()) > MANY:
            found[mode.value] = {name: rounded(share) for name, share in shares.items() if share}
    return found


# -- rates -------------------------------------------------------------------------------------------------------------------------------
def _rates(found: Evidence, sums: Floats, guess: Floats, counts: Floats, seed: int) -> DiagnosisDoc:
    """The entries of a diagnosis that are rates."""

    def ratios(under: str) -> Estimates | str:
        """(I - g)/(A - g) and (A - g)/(1 - g), A the arm `under`; or why not."""
        if under not in found.arms:
            return "no captions of its own" if under == "C" else f"no outcome in mode {MODES[under].value}"
        columns = np.column_stack([sums[:, 0], sums[:, ARMS.index(under)], guess])
        estimates = estimate(columns, counts, seed=seed, guess_known=found.source != "blind")
        assert estimates is not None  # there is a puzzle
        return estimates

    def doc(estimates: Estimates | str, what: str, name: str) -> EstimateDoc:
        return unknown(estimates) if isinstance(estimates, str) else estimate_doc(getattr(estimates, what), **_NOTES[name])

    oracle = ratios("O")
    thinks = doc(oracle, "reasoning", "thinks")
    rates = {"sees": doc(ratios("R"), "reasoning", "sees"), "uses": doc(ratios("C"), "perception", "uses"), "thinks": thinks}
    return {"rates": rates, "perception": doc(oracle, "perception", "perception"), "reasoning": thinks}  # pyright: ignore[reportReturnType]


def _by_options(sums: Floats, chance: Floats, counts: Floats, seed: int) -> dict[str, EstimateDoc]:
    """Perception and reasoning with one over the options for guess, on the same puzzles."""
    columns = np.column_stack([sums[:, ARMS.index("I")], sums[:, ARMS.index("O")], chance])
    found = estimate(columns, counts, seed=seed, guess_known=True)
    return {} if found is None else {"perception": estimate_doc(found.perception), "reasoning": estimate_doc(found.reasoning)}


# -- what was observed of each trial -----------------------------------------------------------------------------------------------------
def attribution(cells: Cells) -> AttributionDoc:
    """The paired trials of the diagnosis by what was observed (see `AttributionDoc`)."""
    found = evidence(cells)
    tally = dict.fromkeys(CELLS, 0)
    if found is not None:
        right = {letter: cells.right[MODES[letter]] == 1 for letter in found.arms}
        left = found.where
        for name, letter in zip(CELLS, ARMS, strict=False):
            mine = left & right[letter] if letter in right else np.zeros_like(left)
            tally[name], left = int(mine.sum()), left & ~mine
        tally["neither"] = int(left.sum())
    return tally  # pyright: ignore[reportReturnType] - `CELLS` are the keys
