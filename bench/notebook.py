"""Runs in a notebook: `bench.load("results/run").gaps()` is a pandas table.

Everything is drawn from the gap document, so a notebook and a report always agree. What could not be computed is missing (NaN) and the
column `why` says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import UserError
from bench.gap.document import LOST, Document, FamilyDoc, ModelDoc, PointsDoc
from bench.gap.frame import load_frame
from bench.gap.make import gap_document
from bench.gap.sections import Bounds
from bench.report.verdict import sentence
from bench.store.run import Run, open_runs

ALL = "all"
"""What stands for all families together in the column `family`."""


class Runs:
    """Run directories, merged. The tables are made when they are asked for, and once."""

    def __init__(self, *folders: str | Path, data_dir: Path | None = None, missing: int = 0) -> None:
        """Take run directories.

        Args:
            *folders: run directories; shards of one run are merged.
            data_dir: the authors' clone of a public set, for the pictures of a report.
            missing: trials without an outcome, where a call of `bench.run` made the run.

        Raises:
            UserError: none is named. What is in them is read, and refused, when a table is asked for.
        """
        if not folders:
            raise UserError("load: name at least one run directory")
        self.folders = tuple(Path(folder) for folder in folders)
        self.data_dir, self.missing = data_dir, missing

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The run directories, opened once (raises `UserError` where one is none)."""
        return open_runs(self.folders)

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row per finished trial (columns: `bench.gap.frame.load_frame`; raises `UserError` as it does)."""
        return load_frame(self.runs)

    @cached_property
    def document(self) -> Document:
        """The gap document, as `report` writes it to `gap.json` (raises `UserError` as `gap_document` does)."""
        return gap_document(self.runs)

    def gaps(self) -> pd.DataFrame:
        """One row per model, family ("all" first) and gap: n puzzles, delta, low, high, p, p_holm, mde, why.

        Differences are fractions; `low` to `high` is the 95% interval; `p_holm` is corrected over the families of a model.
        """
        rows = [
            {
                **where,
                "gap": name,
                "n": gap["n"],
                "delta": gap["delta"],
                **_bounds(gap["ci"]),
                "p": gap["p"],
                "p_holm": gap.get("p_holm"),
                "mde": gap["mde"],
                "why": gap.get("why"),
            }
            for where, part in self._parts()
            for name, gap in part["gaps"].items()
        ]
        return _table(rows, ("delta", "low", "high", "p", "p_holm", "mde"))

    def families(self) -> pd.DataFrame:
        """One row per model and family, without "all": the accuracy of every mode, a column each."""
        table = self.modes()
        table = table[table["family"] != ALL]
        return table.pivot(index=["model", "family"], columns="mode", values="accuracy").reset_index().rename_axis(columns=None)

    def report(self, folder: str | Path, formats: Sequence[str] = ("md", "html")) -> Path:
        """Write `gap.json` and reports into `folder`, and return it.

        Args:
            folder: is made where it is missing; files of the same names are replaced.
            formats: as `report --formats` takes them: md, html, latex, csv, figures, junit, inspect, and those of plug-ins.

        Raises:
            UserError: an unknown format, or a folder that cannot be written.
        """
        from bench.publish import publish

        publish(self.document, self.runs, Path(folder), tuple(formats), data_dir=self.data_dir)
        return Path(folder)

    def modes(self) -> pd.DataFrame:
        """One row per model, family ("all" first) and mode: n trials, the count of each outcome, accuracy, low, high."""
        rows = [
            {**where, "mode": name, **{key: value for key, value in mode.items() if key != "ci"}, **_bounds(mode["ci"])}
            for where, part in self._parts()
            for name, mode in part["modes"].items()
        ]
        return _table(rows, ("accuracy", "low", "high"))

    def diagnosis(self) -> pd.DataFrame:
        """One row per model, family ("all" first) and part of the loss ("loss", "using", "seeing", "thinking" and what else is told).

        Columns: n puzzles, points (a share: 0.243 is 24.3 points), low, high, first and last (the part where it is repaired first, and
        last, among seeing and thinking), named (whether it is clearly a loss), kind (how far the loss can be split).
        """
        rows: list[dict[str, Any]] = []
        for where, part in self._parts():
            diagnosis = part["diagnosis"]
            told: list[tuple[str, PointsDoc | None]] = [(name, diagnosis[name]) for name in LOST]
            for name, points in told:
                if points is None:
                    continue
                first, last = points.get("orders", (None, None))
                shown = {
                    "part": name,
                    "n": diagnosis["n"],
                    "points": points["points"],
                    **_bounds(points["ci"]),
                    "first": first,
                    "last": last,
                }
                rows.append({**where, **shown, "named": name in diagnosis["named"], "kind": diagnosis["kind"]})
        return _table(rows, ("points", "low", "high", "first", "last"))

    def rates(self) -> pd.DataFrame:
        """One row per model, family ("all" first) and rate beside the points: estimate, low, high, guess, guess_from, why, note.

        Rates: "sees", "uses", "thinks", and "perception in use", which mixes seeing and using.
        """
        rows: list[dict[str, Any]] = []
        for where, part in self._parts():
            diagnosis = part["diagnosis"]
            guess = {"guess": diagnosis["guess"], "guess_from": diagnosis["guess_from"]}
            rates = diagnosis["rates"]
            named = {"sees": rates["sees"], "uses": rates["uses"], "thinks": rates["thinks"], "perception in use": diagnosis["perception"]}
            for name, rate in named.items():
                shown = {"rate": name, "estimate": rate["estimate"], **_bounds(rate["ci"]), **guess}
                rows.append({**where, **shown, "why": rate.get("why"), "note": rate.get("note")})
        return _table(rows, ("estimate", "low", "high", "guess"))

    def _parts(self) -> Iterator[tuple[dict[str, Any], FamilyDoc | ModelDoc]]:
        for model in self.document["models"]:
            yield {"model": model["name"], "family": ALL}, model
            for family, part in model["families"].items():
                yield {"model": model["name"], "family": family}, part

    def __repr__(self) -> str:
        suite = self.document["suite"]
        return "\n".join([f"suite {suite['name']}, {suite['n']} puzzles", *map(sentence, self.document["models"])])

    def _repr_html_(self) -> str:
        """The verdicts and the gaps over all families, as a notebook shows them. Text from runs is escaped."""
        gaps = self.gaps()
        whole = gaps[gaps["family"] == ALL].drop(columns=["family", "p_holm"])
        frame = pd.DataFrame({"verdict": repr(self).splitlines()})
        return frame.to_html(index=False, header=False, border=0) + whole.to_html(index=False, border=0, float_format="{:.3g}".format)


def _bounds(interval: Bounds | None) -> Mapping[str, float | None]:
    low, high = interval or (None, None)
    return {"low": low, "high": high}


def _table(rows: list[dict[str, Any]], numbers: tuple[str, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=None if rows else list(numbers))
    frame[list(numbers)] = frame[list(numbers)].astype("float64")
    return frame
