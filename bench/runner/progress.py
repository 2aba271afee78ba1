"""Progress of a run: counts per mode, tokens, cost, time left; a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.outcome import Outcome
from bench.runner.money import Budget
from bench.store.record import Record

PLAIN_EVERY_S = 10.0


@dataclass
class Tally:
    """Running totals of a sitting: `kept` trials were finished before it, `done` in it, `unfinished` of these with an error.

    `budget` counts tokens and money, of captions and of replies that failed alike. `reported` are the ids that providers reported, by the
    model asked for; `causes` counts what went wrong.
    """

    total: int = 0
    done: int = 0
    kept: int = 0
    cached: int = 0
    unfinished: int = 0
    budget: Budget = field(default_factory=lambda: Budget(None))
    outcomes: dict[str, Counter[Outcome]] = field(default_factory=dict[str, "Counter[Outcome]"])
    reported: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    causes: Counter[str] = field(default_factory=Counter[str])

    def add(self, record: Record) -> None:
        """Count a finished trial."""
        self.done += 1
        self.unfinished += not record.final
        self.outcomes.setdefault(record.mode, Counter())[record.verdict.outcome] += 1
        if record.error is not None:
            self.causes[cause_of(record.error.message, record.model)] += 1
        if record.reply is not None:
            self.cached += record.reply.cached
            if record.reply.model:
                self.reported.setdefault(record.model, set()).add(record.reply.model)

    @property
    def missing(self) -> int:
        """Trials that a later sitting has to ask: never reached, or ended in an error."""
        return self.total - self.kept - self.done + self.unfinished

    @property
    def failed(self) -> int:
        """Trials without a verdict on the model: errors and failed captions."""
        return sum(count for counts in self.outcomes.values() for outcome, count in counts.items() if not outcome.counted)

    def accuracy(self, mode: str) -> float | None:
        """Share of correct among the counted trials of `mode` so far."""
        counts = self.outcomes.get(mode, Counter())
        n = sum(count for outcome, count in counts.items() if outcome.counted)
        return counts[Outcome.CORRECT] / n if n else None


def cause_of(message: str, model: str) -> str:
    """What a message says of its cause, so that failures for one reason count as one: without the model's name, ids and numbers."""
    text = message.removeprefix(f"{model}: ")
    return re.sub(r"\b(?:req|msg|chatcmpl|batch)[-_]\w+|\b[0-9a-f]{12,}\b|(?<!HTTP )\b\d{3,}\b", "…", text)[:160]


class Progress:
    """Shows a `Tally` while a run goes on: `with Progress(tally, console): ...`, calling `update` after each trial."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self.tally = tally
        self._console = console
        self._started = time.monotonic()
        self._last_line = self._started
        self._live = (
            Live(console=console, refresh_per_second=4, transient=True, get_renderable=self._render) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()
        self._console.print(self.line(), highlight=False, soft_wrap=True)
        for cause, count in self.tally.causes.most_common(5):
            self._console.print(f"{count} x {cause}", highlight=False, markup=False, soft_wrap=True)
        if len(self.tally.causes) > 5:
            self._console.print(f"and {len(self.tally.causes) - 5} further causes: see the error records", highlight=False, soft_wrap=True)

    def update(self) -> None:
        """Print a plain line now and then where there is no live display."""
        now = time.monotonic()
        if self._live is None and now - self._last_line >= PLAIN_EVERY_S:
            self._last_line = now
            self._console.print(self.line(), highlight=False, soft_wrap=True)

    def line(self) -> str:
        """The state of the run in one plain line."""
        tally, elapsed = self.tally, max(time.monotonic() - self._started, 1e-9)
        rate = tally.done / elapsed
        left = (tally.total - tally.kept - tally.done) / rate if rate else 0.0
        parts = [f"{tally.kept + tally.done}/{tally.total} trials", f"{rate:.1f}/s"]
        if tally.kept + tally.done < tally.total:
            parts.append(f"{_clock(left)} left")
        parts += [f"{mode} {value:.1%}" for mode in tally.outcomes if (value := tally.accuracy(mode)) is not None]
        budget = tally.budget
        parts.append(f"{_short(budget.tokens_in)} in, {_short(budget.tokens_out)} out")
        parts.append("cost unknown" if budget.spent is None else f"${budget.spent:.2f}")
        if budget.in_doubt:
            parts.append(f"up to ${budget.in_doubt:.2f} more for requests that broke off")
        if round(budget.saved, 2):
            parts.append(f"${budget.saved:.2f} saved by prompt caching")
        if tally.cached:
            parts.append(f"{tally.cached} cached")
        parts.append(f"{tally.failed} failed")
        return " | ".join(parts)

    def _render(self) -> RenderableType:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=max(1, self.tally.total), completed=self.tally.kept + self.tally.done, width=40),
            Text(_clock(time.monotonic() - self._started)),
        )
        return Group(bar, Text(self.line()))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _short(tokens: int) -> str:
    return f"{tokens / 1e6:.1f}M" if tokens >= 1e6 else f"{tokens / 1e3:.1f}k" if tokens >= 1000 else str(tokens)
