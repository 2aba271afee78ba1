"""sightgap: is a vision-language model failing to see, failing to use what it sees, or failing to think?

The Python API. Importing the package imports nothing heavy: each name below loads what it needs when it is first used.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bench.versions import __version__

if TYPE_CHECKING:
    from bench.api import arun, compare, grade, load, register_family, register_model, run
    from bench.mode import Mode
    from bench.outcome import Outcome

__all__ = [
    "Mode",
    "Outcome",
    "__version__",
    "arun",
    "compare",
    "grade",
    "load",
    "register_family",
    "register_model",
    "run",
]

logging.getLogger("sightgap").addHandler(logging.NullHandler())  # silent unless a program listens

_HOMES = {"Mode": "bench.mode", "Outcome": "bench.outcome"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    from bench.extras import own

    return own(f"{_HOMES.get(name, 'bench.api')}:{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
