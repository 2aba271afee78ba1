"""The two sides of a comparison: what was run on each, and whether they asked the same question.

A side is one run directory, or several of the same question (other seeds, other days), whose trials count as replicates of one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from bench.errors import UserError
from bench.gap.cells import CLEAR
from bench.gap.frame import load_runs
from bench.mode import Mode
from bench.outcome import Outcome
from bench.store.run import Run, RunInfo, Totals

_TEMPLATES = {
    "solve": [mode for mode in Mode if mode is not Mode.READBACK],
    "readback": [Mode.READBACK],
    "caption_plain": [mode for mode in Mode if mode.shows_caption],
    "caption_guided": [mode for mode in Mode if mode.shows_caption],
}
"""Templates, and the modes in which they may be used."""


@dataclass(frozen=True)
class Side:
    """One of the two sides: its runs, their finished trials (None where there is none), and by folder the records each run lost, and what
    its verdicts leave in doubt.

    Columns of `frame`: those of `bench.gap.frame.load_frame`.
    """

    runs: Sequence[Run]
    frame: pd.DataFrame | None
    lost: Mapping[Path, int] = field(default_factory=dict[Path, int])
    doubts: Mapping[Path, str] = field(default_factory=dict[Path, str])

    @property
    def name(self) -> str:
        """The names of the run directories."""
        return " + ".join(run.folder.name for run in self.runs)

    @property
    def models(self) -> list[str]:
        """Names of the models that have a finished trial."""
        return [] if self.frame is None else list(dict.fromkeys(self.frame["model"].astype(str)))


def open_sides(baseline: Sequence[Run], candidate: Sequence[Run], modes: Sequence[Mode] = ()) -> tuple[Side, Side]:
    """Both sides, their puzzles coded alike, so that they pair up; with the trials of `modes` only (all where empty).

    Raises:
        UserError: no run directory, several runs of different questions, or a mode that no run asked.
    """
    sides = [open_side(runs, modes) for runs in (baseline, candidate)]
    frames = [side.frame for side in sides if side.frame is not None]
    puzzles = pd.Index(sorted({str(name) for frame in frames for name in frame["puzzle"].cat.categories}))
    old, new = (
        side if side.frame is None else replace(side, frame=side.frame.assign(puzzle=side.frame["puzzle"].cat.set_categories(puzzles)))
        for side in sides
    )
    return old, new


def open_side(runs: Sequence[Run], modes: Sequence[Mode] = ()) -> Side:
    """`runs` as one side, with the trials of `modes` only (all where empty).

    Raises:
        UserError: no run directory, several runs of different questions, or a mode that no run asked.
    """
    frames: list[pd.DataFrame] = []
    taken = 0
    seen: set[str] = set()
    lost: dict[Path, int] = {}
    doubts: dict[Path, str] = {}
    for run in {run.folder.resolve(): run for run in runs}.values():
        frame = _frame(run, seen, lost, doubts)
        if frame is not None and not frame.empty:
            frames.append(frame.assign(replicate=frame["replicate"] + taken))
            taken = int(frames[-1]["replicate"].max()) + 1
    side = Side(runs, _joined(frames) if frames else None, lost, doubts)
    _refuse_mixture(side)
    return _of_modes(side, modes)


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of several, texts as categories again."""
    if len(frames) == 1:
        return frames[0]
    texts = [name for name in frames[0].columns if isinstance(frames[0][name].dtype, pd.CategoricalDtype)]
    plain = pd.concat([frame.astype(dict.fromkeys(texts, "object")) for frame in frames], ignore_index=True)
    return plain.astype(dict.fromkeys(texts, "category"))


def _frame(run: Run, seen: set[str], lost: dict[Path, int], doubts: dict[Path, str]) -> pd.DataFrame | None:
    """The finished trials of one run that are not in `seen` (the same trial in two runs is one trial), to which they are added."""
    if not run.content.size:
        return None
    loaded = load_runs([run])
    lost[run.folder] = loaded.parts[0].missing
    if doubt := loaded.parts[0].doubt:
        doubts[run.folder] = doubt
    frame = loaded.frame
    frame = frame[((frame["dose"] == CLEAR) & ~frame["key"].isin(seen)).to_numpy()]
    seen.update(frame["key"])
    return frame


def _refuse_mixture(side: Side) -> None:
    if side.frame is None or len(side.runs) < 2:
        return
    for column, what in (("suite", "suites"), ("format", "answer formats")):
        values = sorted(set(side.frame[column].astype(str)))
        if len(values) > 1:
            raise UserError(f"{side.name}: runs of different {what} ({', '.join(values)}) are no replicates of one another")


def _of_modes(side: Side, modes: Sequence[Mode]) -> Side:
    if not modes or side.frame is None:
        return side
    wanted = [mode.value for mode in modes]
    there = list(dict.fromkeys(side.frame["mode"].astype(str)))
    unknown = next((name for name in wanted if name not in there), None)
    if unknown is not None:
        raise UserError(f"--mode: {side.name} has no trial of {unknown!r}: found {', '.join(there)}")
    return replace(side, frame=side.frame[side.frame["mode"].isin(wanted).to_numpy()])


def common_replicates(old: Side, new: Side) -> tuple[Side, Side]:
    """Both sides with as many replicates as the one that has fewer: more of one side have no partner."""
    if old.frame is None or new.frame is None:
        return old, new
    most = min(_replicates(old), _replicates(new))
    return _first(old, most), _first(new, most)


def _first(side: Side, most: int) -> Side:
    """The side with its first `most` replicates."""
    return side if side.frame is None else replace(side, frame=side.frame[(side.frame["replicate"] < most).to_numpy()])


def draw_option(side: Side) -> str:
    """The option that draws {n} puzzles of each family of the side's generated suite; "" for a set that has what it has."""
    if side.frame is None or not (side.frame["level"] > 0).all():
        return ""
    info = side.runs[0].info
    name, _, parameters = str(info.identity.get("suite") or info.suite.name).partition(":")
    kept = [part for part in parameters.split(",") if part and not part.startswith("n=")]
    suite = f"--suite {name}:{','.join([*kept, 'n={n}'])}"
    return f"{suite} --limit {{n}}" if info.identity.get("limit") else suite


def right(frame: pd.DataFrame) -> pd.Series[float]:
    """1 for each trial that is right, 0 for one that is not, NaN without a counted outcome."""
    outcome = frame["outcome"].astype("object")
    counted = ~outcome.isin([kind.value for kind in Outcome if not kind.counted])
    return (outcome == Outcome.CORRECT.value).astype("float64").where(counted)


def _replicates(side: Side) -> int:
    return 0 if side.frame is None else int(side.frame["replicate"].max()) + 1


def open_ends(old: Side, new: Side) -> list[str]:
    """Why the sides are incomplete; of a candidate, whether a changed prompt may be why."""
    problems: list[str] = []
    for side in (old, new):
        why = _changed_prompts(old, new) if side is new else ""
        if side.frame is None:
            problems.append(f"{side.name} has no finished trial (degraded images do not count){_asked_again(why)}")
            continue
        for run in side.runs:
            if not run.info.finished:
                problems.append(f"{run.folder.name} is not finished{_missing(run.info)}{_asked_again(why)}")
            elif run.changed:
                problems.append(f"{', '.join(run.changed)} of {run.folder.name} was changed after the run was closed: edited, or damaged")
            elif lost := side.lost.get(run.folder):
                problems.append(f"{run.folder.name} lacks {lost} of its {run.info.planned} records: its file was damaged or cut")
            elif doubt := side.doubts.get(run.folder):
                problems.append(doubt)
    return problems


def _missing(run: RunInfo) -> str:
    totals = run.totals or Totals()
    missing = totals.get("missing")
    return f" ({missing} of {totals.get('planned')} trials are missing)" if missing else ""


def _asked_again(why: str) -> str:
    return f"; {why}: a replay cannot answer it, so ask the candidate once without --replay" if why else ""


def _changed_prompts(old: Side, new: Side) -> str:
    """Which templates of the modes that were asked are others in the candidate; "" where none is, or where it is not known."""
    before: list[Mapping[str, str]] = [prompts for run in old.runs if (prompts := run.info.section("prompts"))]
    after: list[Mapping[str, str]] = [prompts for run in new.runs if (prompts := run.info.section("prompts"))]
    if not before or not after:
        return ""
    asked: set[str] = {mode for run in (*old.runs, *new.runs) for mode in run.info.identity.get("modes", ())}
    names = [
        name
        for name in after[0]
        if after[0][name] != before[0].get(name, after[0][name]) and asked & {mode.value for mode in _TEMPLATES.get(name, list(Mode))}
    ]
    changed = ", ".join(f"prompts/{name}.j2 ({before[0][name]} -> {after[0][name]})" for name in names)
    return f"{changed} changed since the baseline" if changed else ""


def different_questions(old: Side, new: Side) -> tuple[str, list[str]]:
    """What both sides asked, and why they cannot be compared at all."""
    different: list[str] = []
    shown = ""
    for column, what in (("suite", "suites"), ("format", "answer formats")):
        values = [sorted(set(side.frame[column].astype(str))) for side in (old, new) if side.frame is not None]
        if len(values) == 2 and values[0] != values[1]:
            different.append(f"different {what} ({', '.join(values[0])} and {', '.join(values[1])}): nothing can be paired")
        shown += f" {', '.join(values[0])}" if values else ""
    return shown.strip(), different


def model_pairs(old: Sequence[str], new: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Models that correspond: the only one of each side, else those of one name; and which are missing."""
    if len(old) == len(new) == 1:
        return [(old[0], new[0])], []
    pairs = [(name, name) for name in old if name in new]
    return pairs, [f"the candidate has no trial of {name}" for name in old if name not in new] if new else []


def notes(old: Side, new: Side) -> tuple[str, ...]:
    """What a reader should know of two sides that can be compared."""
    return tuple(_notes(old, new))


def _notes(old: Side, new: Side) -> Iterator[str]:
    hashes = {run.info.suite.sha256 for run in (*old.runs, *new.runs)}
    if len(hashes) > 1:
        yield "the suites differ in content: only the puzzles that both have are compared"
    changed = _changed_prompts(old, new)
    if changed and new.frame is not None:
        yield f"{changed}: the difference is that of prompt and model together"
    counts = [_replicates(old), _replicates(new)]
    if all(counts) and counts[0] != counts[1]:
        yield f"the baseline has {counts[0]} replicates and the candidate {counts[1]}: {min(counts)} are paired"
    extra = [name for name in new.models if name not in old.models]
    if extra and not len(old.models) == len(new.models) == 1:
        yield f"only the candidate has {', '.join(extra)}"
    if any(run.info.simulated for run in (*old.runs, *new.runs)):
        yield "simulated models calibrate the instrument: their rates were chosen, not measured on any real model"
