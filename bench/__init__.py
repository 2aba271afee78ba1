"""sightgap: is a vision-language model failing to see, or failing to think?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.notebook import Runs

from bench.versions import SCHEMA as SCHEMA
from bench.versions import __version__ as __version__


def load(*folders: str | Path) -> Runs:
    """Run directories as tables, for notebooks: `bench.load("results/run").gaps()` (see `bench.notebook.Runs`).

    Raises:
        UserError: no directory is named.
    """
    from bench.notebook import Runs  # pandas and scipy load here, not with the package

    return Runs(*folders)
