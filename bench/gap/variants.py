"""The variants of a model in one set of runs: by captioner, prompt and damage."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from bench.gap.cells import Cells


class Variant(NamedTuple):
    """A model, with one captioner where it was run with several: its label, rows and cells."""

    label: str
    model: str
    captioner: str | None
    tokens: dict[str, int]
    cells: Cells


def variants(frame: pd.DataFrame) -> list[Variant]:
    """The models of a table; one that was run with several captioners gives one entry for each, sharing the other modes."""
    found: list[Variant] = []
    for model in _present(frame["model"]):
        rows = frame[frame["model"] == model]
        captioners = sorted(name for name in _present(rows["captioner"]) if name)
        if len(captioners) <= 1:
            found.append(_variant(model, model, captioners[0] if captioners else None, rows))
            continue
        for captioner in captioners:
            mine = rows[(rows["captioner"] == captioner) | (rows["captioner"] == "")]
            found.append(_variant(f"{model} (captions: {captioner})", model, captioner, mine))
    return found


def _present(column: pd.Series[Any]) -> list[str]:
    """The values of a category column, in the order in which they come."""
    codes: list[int] = pd.unique(column.cat.codes.to_numpy()).tolist()
    return [str(column.cat.categories[code]) for code in codes]


def _variant(label: str, model: str, captioner: str | None, rows: pd.DataFrame) -> Variant:
    tokens = {"input": int(rows["tokens_in"].sum()), "output": int(rows["tokens_out"].sum())}
    return Variant(label, model, captioner, tokens, Cells.of(rows))
