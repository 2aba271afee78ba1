"""What the run directories hold beside the numbers: trials, captions and puzzles, read for the drill-down of a report.

Two passes over the trials. The first counts, so that a comparison too large for one page is cut to an even share of each family before any
text is kept; the second keeps the text of the puzzles that stay. Old or partial records are tolerated: what a line lacks is shown as
missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from statistics import median, quantiles

from bench.report.sources import Line
from bench.store.run import Run

MAX_TRIALS = 40_000
"""Trials whose text one page can hold: five models on 1,800 puzzles in four modes."""


_SHOWN = (
    *("model", "mode", "dose", "captioner", "caption_prompt", "caption_key", "replicate", "options", "sufficient"),
    *("reply", "verdict", "error"),
)
"""Fields of a record that the drill-down looks at; the others are not held."""


@dataclass
class Spending:
    """What one model took in one mode, or for "captions": replies, how many were cached, tokens, and the seconds of those that were not."""

    model: str
    what: str
    replies: int = 0
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: list[float] = field(default_factory=list[float])

    def add(self, reply: Line) -> None:
        """Count one reply."""
        usage: Line = reply.get("usage") or {}
        self.replies += 1
        self.tokens_in += usage.get("input", 0)
        self.tokens_out += usage.get("output", 0)
        if reply.get("cached"):
            self.cached += 1
        else:
            self.seconds.append(float(reply.get("latency_s") or 0.0))

    @property
    def median_s(self) -> float | None:
        """Median seconds of a reply, or None where all were cached."""
        return median(self.seconds) if self.seconds else None

    @property
    def p90_s(self) -> float | None:
        """Seconds within which nine of ten replies came, or None with fewer than two."""
        return quantiles(self.seconds, n=10, method="inclusive")[8] if len(self.seconds) > 1 else None


@dataclass(frozen=True)
class Material:
    """The kept part of some runs.

    Attributes:
        puzzles: id -> line of `puzzles.jsonl`, in the order shown; only an id where a run stored no more.
        trials: puzzle id -> what is shown of the last record of each key.
        captions: caption key -> line of `captions.jsonl`, the last of each key.
        captioners: model -> its captioners as "name/prompt", sorted.
        spending: one entry per model and mode, over all puzzles.
        total: number of puzzles before any was left out.
    """

    puzzles: dict[str, Line]
    trials: dict[str, list[Line]]
    captions: dict[str, Line]
    captioners: dict[str, list[str]]
    spending: list[Spending]
    total: int


def mode_label(line: Line) -> str:
    """The mode of a record, with the damage done to its picture where there is any: "image, blur=2"."""
    dose = line.get("dose")
    return f"{line['mode']}, {dose['kind']}={dose['amount']:g}" if dose else str(line["mode"])


def captioner_label(line: Line) -> str:
    """The captioner of a record as "name/prompt", or "" where it shows no caption."""
    return f"{line['captioner']}/{line.get('caption_prompt') or 'plain'}" if line.get("captioner") else ""


def read_material(runs: Sequence[Run], *, max_trials: int = MAX_TRIALS) -> Material:
    """Everything that the drill-down shows of `runs`, at most about `max_trials` trials.

    Raises:
        UserError: a line that is not of this version.
    """
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    captioners: dict[str, set[str]] = defaultdict(set)
    spent: dict[tuple[str, str], Spending] = {}
    seen: set[str] = set()
    for line in _trials(runs):
        counts[line["family"]][line["puzzle"]] += 1
        captioners[line["model"]].update(filter(None, [captioner_label(line)]))
        _spend(spent, line["model"], mode_label(line), line, seen)
    kept = _kept(counts, max_trials)
    trials: dict[str, dict[str, Line]] = {puzzle: {} for puzzle in kept}
    for line in _trials(runs):
        if line["puzzle"] in trials:
            trials[line["puzzle"]][line["key"]] = {name: line[name] for name in _SHOWN if name in line}
    captions: dict[str, Line] = {}
    for line in (line for run in runs for line in run.captions.values()):
        _spend(spent, line.get("model") or line.get("captioner") or "", "captions", line, seen)
        if line.get("puzzle") is not None:
            captions[line["key"]] = line
    stored = {name: line for run in runs for name, line in run.puzzles.items() if name in trials}
    return Material(
        {puzzle: stored.get(puzzle, {"id": puzzle, "family": family}) for puzzle, family in kept.items()},
        {puzzle: list(lines.values()) for puzzle, lines in trials.items()},
        captions,
        {model: sorted(names) for model, names in captioners.items()},
        list(spent.values()),
        sum(map(len, counts.values())),
    )


def _trials(runs: Sequence[Run]) -> Iterator[Line]:
    return (line for run in runs for line in run.lines())


def _spend(spent: dict[tuple[str, str], Spending], model: str, what: str, line: Line, seen: set[str]) -> None:
    """Count the reply of `line`; the same reply in two merged runs is counted once."""
    if line.get("reply") and line["key"] not in seen:
        seen.add(line["key"])
        spent.setdefault((model, what), Spending(model, what)).add(line["reply"])


def _kept(counts: Mapping[str, Mapping[str, int]], max_trials: int) -> dict[str, str]:
    """Puzzle -> family of those that stay, families in order; taken in turn from every family while the bound holds, and at least one."""
    kept: dict[str, set[str]] = {family: set() for family in counts}
    room = max_trials
    queues = ([(family, puzzle, trials) for puzzle, trials in puzzles.items()] for family, puzzles in counts.items())
    turns: Iterator[tuple[tuple[str, str, int] | None, ...]] = zip_longest(*queues)
    for turn in turns:
        for entry in filter(None, turn):
            family, puzzle, trials = entry
            room -= trials
            if room >= 0 or not any(kept.values()):
                kept[family].add(puzzle)
    return {puzzle: family for family in sorted(counts) for puzzle in counts[family] if puzzle in kept[family]}
