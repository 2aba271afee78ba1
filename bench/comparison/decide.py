"""Has the candidate become worse? A paired non-inferiority comparison of two run directories.

Trials pair up by model, mode, puzzle and replicate, on the cells where both runs have a counted outcome; puzzles are the unit. Each mode is
tested over all puzzles, and on each family.

- A case is a **regression** where the exact one-sided test says that the candidate is worse at all (`bench.stats.paired.noninferiority`,
corrected p < alpha) *and* it is not shown to be within the margin. The correction: half of alpha goes to the overall cases and half to the
family cases, each half by Holm over all modes and models. So two equal models (the same one under other seeds) give a regression anywhere
in the comparison with chance alpha at most, whatever the number of puzzles. - A case is **improved** where the same test in the other
direction, corrected in the same way, says so. - A case **passes** where the lower bound of the difference, at level 1 - alpha, is above
-margin. No correction is due: all must pass. - Everything else is **inconclusive**.

The exit code is 1 with any regression; else 3 where runs are incomplete; else 0 where an overall case improved and no other that counts was
seen to be worse by more than the margin; else 3 where an overall case is inconclusive; else 0. Families alone never make a comparison
inconclusive: they are there to raise an alarm that the whole would drown. `blind` is a control (a model that guesses less
well has not become worse); it is tested and shown and decides only where nothing else was run.

Source of the rule: CONSORT extension for non-inferiority, Piaggio et al. (2012), JAMA 308, 2594-2604, with Holm (1979) for the alarms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.comparison.result import Case, Change, Comparison, Decision
from bench.comparison.sides import Side, common_replicates, different_questions, draw_option, model_pairs, notes, open_ends, open_sides
from bench.defaults import MARGIN
from bench.errors import UserError
from bench.gap import contrast
from bench.gap.cells import Cells, matched, present
from bench.gap.document import ComparisonDoc
from bench.gap.make import SEED
from bench.mode import Mode
from bench.stats.exact import holm, sign_flip_exact
from bench.stats.level import ALPHA
from bench.stats.paired import NonInferiority, effective_pairs, noninferiority, required_pairs
from bench.stats.power import detectable_loss
from bench.store.run import Run

TOLERANCE = 0.01
"""Largest share of a mode's trials that may lack their partner; with more, the comparison is incomplete."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ModePairs:
    """The pairs of one model in one mode.

    Attributes:
        model, mode: see `Case`.
        family: (puzzles,) names.
        old, new: (puzzles,) right replicates of baseline and candidate.
        counts: (puzzles,) replicates on which both have an outcome.
        decides: whether the mode counts towards the exit code.
    """

    model: str
    mode: str
    family: NDArray[np.str_]
    old: Floats
    new: Floats
    counts: Floats
    decides: bool = True


def compare(
    baseline: Sequence[Run],
    candidate: Sequence[Run],
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    modes: Sequence[Mode] = (),
) -> Comparison:
    """Compare two sides, each of one run or of several as replicates of one another.

    Args:
        baseline: the run that is good enough, or several of the same question under other seeds.
        candidate: the run that is to be no worse, or several.
        margin: largest tolerable loss of accuracy, a share: 0 <= margin < 1.
        alpha: chance of a false alarm over the whole comparison, 0 < alpha < 0.5.
        modes: the modes that decide; all that either side has where empty.

    Raises:
        UserError: `margin` or `alpha` out of range, a line that is not of this version, or a mode that neither side has.
    """
    if not 0 <= margin < 1:
        raise UserError(f"--margin: expected a share from 0 to 1 (0.02 is two points), found {margin!r}")
    if not 0 < alpha < 0.5:
        raise UserError(f"--alpha: expected a chance above 0 and below 0.5, found {alpha!r}")
    old, new = open_sides(baseline, candidate, modes)
    problems, remarks = open_ends(old, new), notes(old, new)
    suite, different = different_questions(old, new)
    old, new = common_replicates(old, new)
    paired = _Paired() if different else _pair(old, new)
    problems += paired.problems
    overall, cases = judge(_deciding(paired.arms), margin=margin, alpha=alpha)
    return Comparison(
        baseline=old.name,
        candidate=new.name,
        suite=suite,
        margin=margin,
        alpha=alpha,
        overall=overall,
        cases=cases,
        changes=tuple(paired.changes),
        parts=tuple(paired.parts),
        problems=tuple(dict.fromkeys([*different, *problems])),
        notes=remarks,
        draws=draw_option(new),
        families=max([1, *(len(set(arm.family.tolist())) for arm in paired.arms)]),
    )


@dataclass
class _Paired:
    """What two sides have in common: pairs of every mode, changed puzzles (losses first), changes of the parts, what has no partner."""

    arms: list[ModePairs] = field(default_factory=list[ModePairs])
    changes: list[Change] = field(default_factory=list[Change])
    parts: list[ComparisonDoc] = field(default_factory=list[ComparisonDoc])
    problems: list[str] = field(default_factory=list[str])


def _pair(old: Side, new: Side) -> _Paired:
    pairs, missing = model_pairs(old.models, new.models)
    paired = _Paired(problems=[*missing])
    for one, other in pairs:
        label = one if one == other else f"{one} -> {other}"
        before, after = _rows(old, one), _rows(new, other)
        own = Cells.of(_one_captioner(before)), Cells.of(_one_captioner(after))
        paired.parts.append(contrast.compare(*own, "the baseline", label, SEED))
        for arm, changed, found in _arms(label, (one, other), before, after):
            paired.problems += found
            paired.arms.append(arm)
            paired.changes += changed
    contrast.correct(paired.parts)
    paired.changes.sort(key=lambda change: change.after - change.before)  # stable: within it, by mode and puzzle
    return paired


def judge(arms: Sequence[ModePairs], *, margin: float, alpha: float) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """The overall cases and the family cases of some arms: the decision rule of this module, on arrays."""
    overall = [_test(arm, None, margin, alpha) for arm in arms]
    parts = [_test(arm, family, margin, alpha) for arm in arms for family in sorted(set(arm.family.tolist()))]
    if len(parts) <= len(overall):  # one family: the cases are the same tests, and must not be paid for twice
        judged = _judged(overall, 1, margin, alpha)
        named = {(test.arm.model, test.arm.mode): test.family for test in parts}
        return judged, tuple(_renamed(case, named.get((case.model, case.mode))) for case in judged if (case.model, case.mode) in named)
    return _judged(overall, 2, margin, alpha), _judged(parts, 2, margin, alpha)


@dataclass(frozen=True)
class _Test:
    """One case before the correction for all of them."""

    arm: ModePairs
    family: str | None
    where: NDArray[np.bool_]
    result: NonInferiority | None


def _test(arm: ModePairs, family: str | None, margin: float, alpha: float) -> _Test:
    where = np.ones(arm.counts.size, np.bool_) if family is None else arm.family == family
    result = noninferiority(arm.old[where], arm.new[where], arm.counts[where], margin=margin, alpha=alpha) if where.any() else None
    return _Test(arm, family, where, result)


def _judged(tests: Sequence[_Test], groups: int, margin: float, alpha: float) -> tuple[Case, ...]:
    """Cases with corrected p-values; alpha is shared equally among `groups` groups of tests, of which these are one."""
    worse = _corrected([test.result.p_worse if test.result and test.arm.decides else None for test in tests], groups)
    better = _corrected([_p_better(test) for test in tests], groups)
    number = sum(1 for p in worse if p is not None)
    level = alpha / (groups * max(1, number))
    return tuple(_case(test, p, q, level, margin, alpha) for test, p, q in zip(tests, worse, better, strict=True))


def _corrected(pvalues: Sequence[float | None], groups: int) -> list[float | None]:
    return [None if p is None else min(1.0, groups * p) for p in holm(pvalues)]


def _p_better(test: _Test) -> float | None:
    """One-sided exact p-value of "no better at all", of a case that decides."""
    if test.result is None or not test.arm.decides:
        return None
    return sign_flip_exact((test.arm.new - test.arm.old)[test.where & (test.arm.counts > 0)], alternative="greater")


def _case(test: _Test, p_corrected: float | None, p_better: float | None, level: float, margin: float, alpha: float) -> Case:
    """The case of a test; `level` is the one-sided level at which it raises an alarm when no other case does."""
    arm, where, result = test.arm, test.where, test.result
    if result is None:
        return Case(arm.model, arm.mode, test.family, decides=arm.decides)
    counts = arm.counts[where]
    trials, puzzles = float(counts.sum()), int(np.count_nonzero(counts))
    pairs = effective_pairs(arm.new[where], arm.old[where], counts, alpha=2 * alpha)
    mde = detectable_loss(pairs.n_effective, pairs.discordant_rate, alpha=level)
    p_worse = result.p_worse if p_corrected is None else p_corrected
    return Case(
        arm.model,
        arm.mode,
        test.family,
        decides=arm.decides,
        puzzles=puzzles,
        trials=int(trials),
        baseline=float(arm.old[where].sum()) / trials,
        candidate=float(arm.new[where].sum()) / trials,
        delta=result.delta,
        low=result.lower_bound,
        high=result.upper_bound,
        p=result.p,
        p_worse=p_worse,
        detectable=None if mde is None else max(mde, margin),
        enough=_enough(pairs.n_effective / puzzles, pairs.discordant_rate, margin, alpha),
        p_better=p_better,
        verdict=_verdict(result, p_worse, p_better, alpha, decides=arm.decides),
    )


def _verdict(result: NonInferiority, p_worse: float, p_better: float | None, alpha: float, *, decides: bool) -> Decision:
    if p_better is not None and p_better < alpha:
        return Decision.IMPROVED
    if result.p < alpha:
        return Decision.PASS
    if p_worse >= alpha:
        return Decision.INCONCLUSIVE
    return Decision.REGRESSION if decides else Decision.LOWER


def _enough(worth: float, discordant_rate: float, margin: float, alpha: float) -> int | None:
    """Puzzles that show equal models to be within the margin with 80% power; a puzzle is `worth` so many independent pairs."""
    return math.ceil(required_pairs(margin, discordant_rate, alpha=2 * alpha) / worth) if margin else None


def _renamed(case: Case, family: str | None) -> Case:
    return replace(case, family=family)


def _rows(side: Side, model: str) -> pd.DataFrame:
    assert side.frame is not None  # it has this model
    return side.frame[(side.frame["model"] == model).to_numpy()]


def _one_captioner(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the model's own captions where there are several captioners, since only these tell using from seeing."""
    names = [name for name in present(rows["captioner"]) if name]
    own = next((name for name in names if name.startswith("self/")), names[0] if names else "")
    return rows[rows["captioner"].isin(["", own]).to_numpy()]


def _arms(model: str, models: tuple[str, str], old: pd.DataFrame, new: pd.DataFrame) -> Iterator[tuple[ModePairs, list[Change], list[str]]]:
    """The pairs, the changed puzzles and the problems of each mode (and captioner, where there are several)."""
    puzzles = [str(name) for name in old["puzzle"].cat.categories]
    asked = {*present(old["mode"]), *present(new["mode"])}
    for mode in (mode for mode in Mode if mode.value in asked):
        sides = [rows[(rows["mode"] == mode.value).to_numpy()] for rows in (old, new)]
        for label, left, right in _by_captioner(mode.value, *sides):
            before, after = Cells.of(left), Cells.of(right)
            missing = _unpaired(f"{model}, {label}", mode, before, after)
            arm, ids = _paired(model, label, mode, before, after)
            names = [puzzles[code] for code in ids]
            yield arm, _changes(arm, models, names), missing


def _by_captioner(mode: str, old: pd.DataFrame, new: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    names = [sorted(present(rows["captioner"])) for rows in (old, new)]
    if max(map(len, names)) <= 1:
        yield mode, old, new
        return
    for name in sorted({*names[0], *names[1]}):
        left, right = (rows[(rows["captioner"] == name).to_numpy()] for rows in (old, new))
        yield f"{mode} by {name}", left, right


def _paired(model: str, label: str, mode: Mode, old: Cells, new: Cells) -> tuple[ModePairs, list[int]]:
    """The cells in which both runs have a counted outcome, summed by puzzle, and the codes of these puzzles."""
    mine, yours = matched(old, new, (old.counted(mode), new.counted(mode)))
    puzzle, n = old.puzzle[mine], len(old.ids)
    counts = np.bincount(puzzle, minlength=n).astype(np.float64)
    used = counts > 0
    rights = ((cells.right[mode][rows] if mode in cells.right else np.zeros(0)) for cells, rows in ((old, mine), (new, yours)))
    before, after = (np.bincount(puzzle, right, n).astype(np.float64)[used] for right in rights)
    family = np.array(old.groups["family"].names, np.str_)[old.groups["family"].codes[used]]
    pairs = ModePairs(model, label, family, before, after, counts[used], decides=mode is not Mode.BLIND)
    return pairs, old.ids[used].tolist()


def _unpaired(what: str, mode: Mode, old: Cells, new: Cells) -> list[str]:
    """Why the cells of a mode are incomplete, where more than the tolerance are."""
    both = len(matched(old, new, (old.counted(mode), new.counted(mode)))[0])
    if not both:
        return [f"{what}: no puzzle has an outcome in both runs"]
    everywhere = [np.ones(len(cells.puzzle), np.bool_) for cells in (old, new)]
    total = len(old.puzzle) + len(new.puzzle) - len(matched(old, new, (everywhere[0], everywhere[1]))[0])
    lacks = {"baseline": total - int(old.counted(mode).sum()), "candidate": total - int(new.counted(mode).sum())}
    parts = [f"{number} of {total} trials have no outcome in the {side}" for side, number in lacks.items() if number > TOLERANCE * total]
    return [f"{what}: {part}" for part in parts]


def _changes(arm: ModePairs, models: tuple[str, str], puzzles: Sequence[str]) -> list[Change]:
    rows = zip(arm.family.tolist(), puzzles, arm.old.tolist(), arm.new.tolist(), arm.counts.tolist(), strict=True)
    found = [
        Change(arm.model, arm.mode, family, puzzle, int(old), int(new), int(n), models=models)
        for family, puzzle, old, new, n in rows
        if old != new
    ]
    return sorted(found, key=lambda change: change.puzzle)


def _deciding(arms: Sequence[ModePairs]) -> list[ModePairs]:
    """The arms, with the control deciding where there is nothing else."""
    return list(arms) if any(arm.decides for arm in arms) else [replace(arm, decides=True) for arm in arms]
