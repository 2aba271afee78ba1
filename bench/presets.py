"""Presets: questions that others have asked, ready to be asked again by one option.

A preset only fills in what the command line leaves open; whatever is given beside it wins.
"""

from __future__ import annotations

from collections.abc import Mapping

PAPER_FAMILIES = (
    "checker_move",
    "clock",
    "maze",
    "move_box",
    "n_queens",
    "number_slide",
    "rotting_kiwi",
    "tower_of_hanoi",
    "water_jugs",
)
"""The nine families of arXiv 2601.00215. Its notes name eight of them; rotting_kiwi stands in for the ninth."""


PRESETS: Mapping[str, Mapping[str, object]] = {
    "paper": {"suite": "algo", "families": PAPER_FAMILIES, "limit": 100, "format": "open", "modes": ("image", "oracle")},
}
"""Preset -> options of a run by name (`bench.config`). "paper": image versus text of arXiv 2601.00215, nine families of 100 puzzles, open
answers; `--suite algopuzzlevqa --data-dir DIR` beside it asks the authors' own files."""
PAPER_SUITES = ("algo", "algopuzzlevqa")
"""Suites whose pictures are of the size and kind that the paper asked about; the authors' files are `--suite algopuzzlevqa`."""
