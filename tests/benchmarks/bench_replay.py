"""What a person waits for who asks nothing new: `python -m tests.benchmarks.bench_replay`.

A public-shaped set of 400 puzzles with photographs of some 70 kB, asked in five modes by a simulated model: a report of the 2,000 trials, a
full replay from the cache with its report, and the same command again, which finds everything as it was. `models list` is what starting
costs. Seconds of the clock, the best of `ROUNDS`, beside what importing the packages takes that a report needs anyway.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.benchmarks.child import Cost, command, python
from tests.benchmarks.table import row, show
from tests.tasks.public_data import clock_row, write_set

PUZZLES = 400
ROUNDS = 3
REPORT_S, REPLAY_S, START_S = 2.0, 3.0, 0.3
_IMPORTS = "import pandas, pyarrow.json, scipy.special, jinja2, rich.table, PIL.Image, pydantic"


def photograph(side: int, quality: int = 92) -> bytes:
    """An encoded JPEG of large shapes under fine noise, as photographs are: some 60 kB at 400 px."""
    shapes = Image.effect_noise((side // 10, side // 10), 80).resize((side, side), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    Image.blend(shapes, Image.effect_noise((side, side), 16), 0.4).convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()


def best(measure: Callable[[int], Cost]) -> float:
    """The fewest seconds of `ROUNDS` measurements, each told its number: other work on the machine only adds to them."""
    return min(measure(index).wall_s for index in range(ROUNDS))


def main() -> None:
    """Ask once, then measure."""
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        data = write_set(here / "clone", {"clock": []})
        for index in range(PUZZLES):
            (data / f"images/clock/clock_{index:04d}.jpg").write_bytes(photograph(400))
        write_set(here / "clone", {"clock": [clock_row(index) for index in range(PUZZLES)]})
        asked = [
            "run",
            "--model",
            "sim/p=0.6,r=0.9",
            "--suite",
            "algopuzzlevqa",
            "--data-dir",
            "clone",
            "--mode",
            "diagnose",
            "--cache",
            "cache",
        ]
        command(here, *asked, "--out", "first")
        imports = best(lambda index: python(_IMPORTS))
        shown = ("report", "first", "--data-dir", "clone", "--formats", "md,html", "--out")
        report = best(lambda index: command(here, *shown, f"report-{index}"))
        replay = best(lambda index: command(here, *asked, "--replay", "--out", f"replay-{index}"))
        again = best(lambda index: command(here, *asked, "--replay", "--out", "replay-0"))
        start = best(lambda index: command(here, "models", "list"))
    note = f"importing pandas, pyarrow, scipy and rich alone takes {imports:.2g} s"
    show(
        [
            row("2,000 trials on 400 puzzles reported", report, None, REPORT_S, unit="s", better="less", note=note),
            row("2,000 trials replayed and reported", replay, None, REPLAY_S, unit="s", better="less", note=note),
            row("the same again, nothing changed", again, None, None, unit="s", better="less", note="the set is read, the keys are made"),
            row("models list", start, None, START_S, unit="s", better="less"),
        ]
    )


if __name__ == "__main__":
    main()
