"""sightgap: is a vision-language model failing to see, or failing to think?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.notebook import Runs

__version__ = "0.1.0"
SCHEMA = 1
"""Version of records, run.json and gap.json."""


def load(*folders: str | Path) -> Runs:
    """Run directories as tables, for notebooks: `bench.load("results/run").gaps()` (see `bench.notebook.Runs`).

    Raises:
        UserError: no directory is named.
    """
    from bench.notebook import Runs  # pandas and scipy load here, not with the package

    return Runs(*folders)
