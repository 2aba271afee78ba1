"""The table of `make bench`: one row for each claim about speed, a measurement of ours beside a peer's of the same run.

A benchmark builds its rows and hands them to `show`, which prints them and, where the variable `BENCH_ROWS` names a file, adds them to it
as JSON lines, so that `python -m tests.benchmarks.table FILE` prints the rows of several benchmarks as one table:

    rows = [row("1,000,000 trials planned", ours=6.1, peer=None, limit=10, unit="s", better="less")]
    show(rows)

The ratio is ours / peer, so above 1 is better for rates ("more") and below 1 for times and sizes ("less"). A limit with a peer bounds the
ratio; without one it bounds the measurement itself.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

ROWS = "BENCH_ROWS"
"""The variable that names the file in which several benchmarks collect their rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        what: the claim, in a few words.
        ours, peer: the two measurements in `unit`; `peer` is None where a claim is absolute.
        ratio: ours / peer, None without a peer.
        limit: what the ratio (with a peer) or the measurement (without) is held against; None where nothing is claimed.
        better: whether more or less is better.
        note: what the peer is, or what limits the line.
    """

    what: str
    ours: float
    peer: float | None
    ratio: float | None
    limit: float | None
    unit: str = "/s"
    better: Literal["more", "less"] = "more"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        if self.limit is None:
            return None
        found = self.ours if self.ratio is None else self.ratio
        return found >= self.limit if self.better == "more" else found <= self.limit


def row(
    what: str,
    ours: float,
    peer: float | None,
    limit: float | None,
    *,
    ratio: float | None = None,
    unit: str = "/s",
    better: Literal["more", "less"] = "more",
    note: str = "",
) -> Row:
    """A row of the table; the ratio is ours / peer where it is not given (a median over rounds, say)."""
    if ratio is None and peer is not None:
        ratio = ours / peer
    return Row(what, ours, peer, ratio, limit, unit, better, note)


def show(rows: Sequence[Row]) -> None:
    """Print `rows`, and collect them where `BENCH_ROWS` says so."""
    print(render(rows))
    collected = os.environ.get(ROWS)
    if collected:
        with Path(collected).open("a") as out:
            out.writelines(json.dumps(asdict(one)) + "\n" for one in rows)


def render(rows: Iterable[Row]) -> str:
    """The table as Markdown, in the order given."""
    lines = ["| what | ours | peer | ratio | limit | held | peer, or what limits it |", "| --- | ---: | ---: | ---: | ---: | --- | --- |"]
    for one in rows:
        held = {True: "yes", False: "NO", None: ""}[one.met]
        bound = "" if one.limit is None else f"{'>=' if one.better == 'more' else '<='} {_number(one.limit)}"
        bound += f" {one.unit}" if bound and one.ratio is None else ""
        peer, ratio = ("" if value is None else _number(value) for value in (one.peer, one.ratio))
        ours, peer = (f"{value} {one.unit}" if value else "" for value in (_number(one.ours), peer))
        lines.append(f"| {one.what} | {ours} | {peer} | {ratio} | {bound} | {held} | {one.note} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main() -> None:
    """Print the collected rows as one table."""
    print(render(Row(**json.loads(line)) for line in Path(sys.argv[1]).read_text().splitlines()))


if __name__ == "__main__":
    main()
