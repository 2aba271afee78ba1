"""Names that break reports, and small documents that hold them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.gap.document import Document
from bench.gap.make import gap_document
from bench.store.run import open_runs
from tests.gap.test_gap import write_run

NAMES = (
    r"gpt_4o%&#${}~^\end{document}",
    "<script>alert('x')</script> \"q\" `b` | <!-- -->",
    "模型/é-ß-Ωα\u2013—“q”\x07\u202e",
    "a" * 150,
    r"--model, [x] * ? ! === \\ \input{/etc/passwd}",
    "=HYPERLINK(1)",
    "line\nbreak ]]> </details>",
    "e\u0301clair $x^2$ \U0001f916",
    " ",
)
FAMILIES = ("clock", "maze", "odd_family_%")


def rows(
    model: str, n: int, rate: Callable[[str, str], float], *, seed: int = 0, families: Sequence[str] = FAMILIES
) -> list[dict[str, Any]]:
    """Records of `model` on `n` puzzles of each family in four modes; `rate(family, mode)` is its accuracy."""
    rng = random.Random(f"{seed} {model}")
    return [
        {
            "puzzle": f"algo/{family}/{i:04x}",
            "family": family,
            "mode": mode,
            "model": model,
            "outcome": "correct" if rng.random() < rate(family, mode) else "wrong",
            **({"captioner": "self", "caption_prompt": "plain"} if mode == "caption" else {}),
        }
        for family in families
        for i in range(n)
        for mode in ("image", "caption", "oracle", "blind")
    ]


def flat(family: str, mode: str) -> float:
    """The same accuracy everywhere but blind and on descriptions."""
    return {"blind": 0.25, "oracle": 0.9}.get(mode, 0.6)


def document(folder: Path, *, names: Sequence[str] = NAMES, n: int = 8, suite: str = "algo", fmt: str = "mcq") -> Document:
    """A document of models with hostile names; the last of several has no outcome at all."""
    everything = [row for name in names for row in rows(name, n, flat)]
    for row in everything:
        if len(names) > 1 and row["model"] == names[-1]:
            row["outcome"] = "error"
    return gap_document(open_runs([write_run(folder, everything, suite=suite, fmt=fmt)]))


def many(document_of_one: Document, number: int) -> Document:
    """The document with its first model repeated under `number` names."""
    model = document_of_one["models"][0]
    return {**document_of_one, "models": [{**model, "name": f"m{i}"} for i in range(number)]}
