"""Caption audit: what captions keep of the picture, which facts they lose, and which of them give the answer away.

Fidelity compares each caption with the puzzle's visible facts (`tasks.fidelity`), by captioner and family. Captions that give the answer
away (`bench.gap.leaks`) are listed by key, and the caption gap is given with and without the puzzles they serve: a gap that they alone
make says nothing about seeing. A description may stand for perfect sight only where the exact solver finds the answer from it, which the
suites prove for every puzzle (`Puzzle.sufficient`); how many do not is counted here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bench.gap.cells import Cells, models
from bench.gap.leaks import leak
from bench.gap.perception import mean_over_puzzles
from bench.gap.sections import AuditDoc, Bounds, FidelityDoc, LeakDoc, LeakGapDoc, ShareDoc, SlotDoc
from bench.mode import Mode
from bench.puzzle import Puzzle
from bench.stats.paired import paired_difference
from bench.stats.rates import clustered_rate
from bench.store.run import Run
from tasks.fidelity import Fidelity, fidelity, over_floor
from tasks.registry import family

MOST = 1000
"""Captions of one captioner and family that are compared with the facts, at most, the first by key; leaks are looked for in all."""
_SHOWN = 5
"""Slots and keys listed at most."""


@dataclass
class _Captions:
    """The captions of one captioner for one family: (caption key, puzzle, text), and the leaks among them."""

    items: list[tuple[str, Puzzle, str]] = field(default_factory=list[tuple[str, Puzzle, str]])
    leaks: list[LeakDoc] = field(default_factory=list[LeakDoc])


def audit_section(runs: Sequence[Run], frame: pd.DataFrame, *, seed: int) -> AuditDoc | None:
    """Audit the captions of `runs`, whose merged table is `frame`; None where they hold no caption.

    Raises:
        UserError: a stored line that is not of this version.
    """
    captions = {key: line for run in runs for key, line in run.captions.items() if line.get("text") and not line.get("error")}
    if not captions:
        return None
    puzzles = {name: puzzle for run in runs for name, puzzle in run.stored_puzzles.items()}
    groups: dict[tuple[str, str], _Captions] = {}
    flagged: set[str] = set()
    done: dict[tuple[str, str], LeakDoc | None] = {}
    for trial, caption_key, puzzle_id in _uses(runs):
        line, puzzle = captions.get(caption_key), puzzles.get(puzzle_id)
        if line is None or puzzle is None:
            continue
        pair = caption_key, puzzle_id
        if pair not in done:
            group = groups.setdefault((_captioner(line), puzzle.family), _Captions())
            done[pair] = _leak(line["text"], puzzle, caption_key)
            group.items.append((caption_key, puzzle, line["text"]))
            group.leaks += [found] if (found := done[pair]) else []
        if done[pair]:
            flagged.add(trial)
    captioners: dict[str, dict[str, FidelityDoc]] = {}
    for (captioner, name), group in sorted(groups.items(), key=lambda entry: entry[0]):
        captioners.setdefault(captioner, {})[name] = _family(group, seed)
    leaks = sorted((one for group in groups.values() for one in group.leaks), key=lambda one: (one["caption_key"], one["puzzle"]))
    short = Counter(puzzle.family for puzzle in puzzles.values() if puzzle.description is not None and not puzzle.sufficient)
    return {
        "captioners": captioners,
        "leaks": leaks[: _SHOWN * max(1, len(captioners))],
        "leak_counts": dict(Counter(sorted(one["how"] for one in leaks))),
        "gaps": list(_gaps(frame, flagged, seed)),
        "insufficient": dict(sorted(short.items())),
    }


def _uses(runs: Sequence[Run]) -> Iterator[tuple[str, str, str]]:
    """(trial key, caption key, puzzle id) of every stored trial that was shown a caption of a clear picture."""
    for run in runs:
        for line in run.lines():
            if line.get("captioner") and line.get("caption_key") and not line.get("dose"):
                yield line["key"], line["caption_key"], line["puzzle"]


def _captioner(line: Mapping[str, Any]) -> str:
    return f"{line.get('model') or line.get('captioner')}/{line.get('prompt') or 'plain'}"


def _leak(text: str, puzzle: Puzzle, key: str) -> LeakDoc | None:
    how = leak(text, puzzle)
    return {"caption_key": key, "puzzle": puzzle.id, "how": how} if how else None


# -- fidelity ----------------------------------------------------------------------------------------------------------------------------
def _family(group: _Captions, seed: int) -> FidelityDoc:
    chosen = sorted(group.items, key=lambda item: (item[0], item[1].id))[:MOST]
    pairs = [(puzzle, found) for _, puzzle, text in chosen if (found := fidelity(text, puzzle)) is not None]
    claiming = [(puzzle, found) for puzzle, found in pairs if found.precision is not None]
    return {
        "captions": len(group.items),
        "compared": len(pairs),
        "recall": _mean([(puzzle, found.recall) for puzzle, found in pairs]),
        "precision": _mean([(puzzle, found.precision or 0.0) for puzzle, found in claiming]),
        "f1": _mean([(puzzle, found.f1) for puzzle, found in pairs]),
        "above_floor": _above([(puzzle, over_floor(found.f1, puzzle.family, puzzle.level)) for puzzle, found in pairs], seed),
        "recovered": _mean([(puzzle, float(found.recovered)) for puzzle, found in pairs]),
        "slots": _slots(pairs),
        "leaks": len(group.leaks),
    }


def _mean(values: Sequence[tuple[Puzzle, float]]) -> ShareDoc | None:
    """Mean with Wilson's interval at the effective number of captions: safe, since a share in [0, 1] varies less than yes and no."""
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for puzzle, value in values:
        sums[puzzle.id] += value  # pyright: ignore[reportArgumentType] - a counter of fractions
        counts[puzzle.id] += 1
    names = list(counts)
    rate = clustered_rate([min(sums[name], counts[name]) for name in names], [counts[name] for name in names])
    return {"estimate": round(rate.estimate, 6), "ci": [round(rate.low, 6), round(rate.high, 6)]} if rate else None


def _above(values: Sequence[tuple[Puzzle, float]], seed: int) -> ShareDoc | None:
    """Mean with a bootstrap interval over puzzles: it may be negative."""
    if not values:
        return None
    number = {name: place for place, name in enumerate(dict.fromkeys(puzzle.id for puzzle, _ in values))}
    places = np.array([number[puzzle.id] for puzzle, _ in values], np.int64)
    found = mean_over_puzzles(places, np.array([value for _, value in values]), seed)
    return {"estimate": found["estimate"], "ci": found["ci"]}


def slot_kind(slot: str) -> str:
    """The kind of a fact: its slot with every number as #, so that the squares of a grid are one kind."""
    return re.sub(r"\d+", "#", slot)


def _slots(pairs: Sequence[tuple[Puzzle, Fidelity]]) -> list[SlotDoc]:
    total: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    facts = {puzzle.id: _fact_kinds(puzzle) for puzzle, _ in pairs}
    for puzzle, found in pairs:
        total.update(facts[puzzle.id])
        lost.update(map(slot_kind, found.lost))
        wrong.update(map(slot_kind, found.wrong))
    rows: list[SlotDoc] = [
        {"slot": kind, "lost": round(lost[kind] / count, 6), "wrong": round(wrong[kind] / count, 6), "facts": count}
        for kind, count in total.items()
        if lost[kind] or wrong[kind]
    ]
    return sorted(rows, key=lambda row: (-row["lost"] - row["wrong"], row["slot"]))[:_SHOWN]


def _fact_kinds(puzzle: Puzzle) -> Counter[str]:
    made = family(puzzle.family)
    assert puzzle.state is not None  # there was a fidelity
    return Counter(map(slot_kind, made.facts(made.load(puzzle.state))))


# -- gaps --------------------------------------------------------------------------------------------------------------------------------
def _gaps(frame: pd.DataFrame, flagged: set[str], seed: int) -> Iterator[LeakGapDoc]:
    for model, captioner, rows in models(frame):
        if captioner is None:
            continue
        mine = rows[rows["key"].isin(flagged).to_numpy()]
        spoiled = mine["puzzle"].cat.codes.unique()
        kept = rows[~np.isin(rows["puzzle"].cat.codes, spoiled)]
        every, without = _gap(rows, seed), _gap(kept, seed)
        yield {
            "model": model,
            "captioner": captioner,
            "trials": int((rows["mode"] == Mode.CAPTION.value).sum()),
            "flagged": len(mine),
            "gap": every[0],
            "ci": every[1],
            "gap_without": without[0],
            "ci_without": without[1],
        }


def _gap(rows: pd.DataFrame, seed: int) -> tuple[float | None, Bounds | None]:
    sums, counts = Cells.of(rows).sums(Mode.CAPTION, Mode.IMAGE)
    found = paired_difference(sums[:, 0], sums[:, 1], counts, seed=seed)
    return (round(found.delta, 6), [round(found.low, 6), round(found.high, 6)]) if found else (None, None)
