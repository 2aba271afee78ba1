"""Writes the pinned hashes of versions of `algo` that have none yet: `python -m tests.tasks.golden`.

A version that stands in the file is left as it is: published puzzles never change. To pin an unpublished one anew, take it out first.
"""

from __future__ import annotations

import json
from typing import Any

from tasks.registry import FAMILIES
from tests.tasks.test_suites import GOLDEN, VERSIONS, golden


def main() -> None:
    """Add what is missing."""
    pinned: dict[str, Any] = json.loads(GOLDEN.read_text())
    for version in VERSIONS:
        pinned.setdefault(version, {})
        for name in FAMILIES:
            if name not in pinned[version]:
                pinned[version][name] = golden(version, name)
    GOLDEN.write_text(json.dumps(pinned, indent=1) + "\n")


if __name__ == "__main__":
    main()
