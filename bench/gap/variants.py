"""The variants of a model in one set of runs: by captioner."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from bench.gap.cells import Cells, models


class Variant(NamedTuple):
    """A model, with one captioner where it was run with several: its label, tokens and cells."""

    label: str
    model: str
    captioner: str | None
    tokens: dict[str, int]
    cells: Cells


def variants(frame: pd.DataFrame) -> list[Variant]:
    """The models of a table; one that was run with several captioners gives one entry for each, sharing the other modes."""
    found = list(models(frame))
    names = [model for model, _, _ in found]
    return [_variant(model, captioner, rows, several=names.count(model) > 1) for model, captioner, rows in found]


def _variant(model: str, captioner: str | None, rows: pd.DataFrame, *, several: bool) -> Variant:
    label = f"{model} (captions: {captioner})" if several else model
    tokens = {"input": int(rows["tokens_in"].sum()), "output": int(rows["tokens_out"].sum())}
    return Variant(label, model, captioner, tokens, Cells.of(rows))
