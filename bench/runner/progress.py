"""Progress of a run: counts per mode, tokens, cost, time left; a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

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
from bench.store.record import Record

PLAIN_EVERY_S = 10.0


@dataclass
class Tally:
    """Running totals of a sitting: `kept` trials were finished before it, `done` in it, `unfinished` of these with an error.

    Costs in USD; `cost` is None as soon as one price is unknown. `reported` are the model ids that providers reported.
    """

    total: int = 0
    done: int = 0
    kept: int = 0
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = 0.0
    unfinished: int = 0
    outcomes: dict[str, Counter[Outcome]] = field(default_factory=dict[str, "Counter[Outcome]"])
    reported: set[str] = field(default_factory=set[str])

    def add(self, record: Record, cost: float | None) -> None:
        """Count a finished trial; `cost` in USD, None where the price is unknown, 0 for a cached or simulated reply."""
        self.done += 1
        self.unfinished += not record.final
        self.outcomes.setdefault(record.mode, Counter())[record.verdict.outcome] += 1
        if record.reply is not None:
            self.spend(record.reply.usage.input, record.reply.usage.output, cost)
            self.cached += record.reply.cached
            if record.reply.model:
                self.reported.add(record.reply.model)

    def spend(self, tokens_in: int, tokens_out: int, cost: float | None) -> None:
        """Count tokens and money of a reply, a caption's too."""
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.cost = None if self.cost is None or cost is None else self.cost + cost

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
        parts.append(f"{_short(tally.tokens_in)} in, {_short(tally.tokens_out)} out")
        parts.append("cost unknown" if tally.cost is None else f"${tally.cost:.2f}")
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
