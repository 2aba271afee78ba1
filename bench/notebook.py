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
from bench.gap.document import Document, FamilyDoc, Interval, ModelDoc
from bench.gap.frame import load_frame
from bench.gap.make import gap_document
from bench.report.words import sentence

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
    def records(self) -> pd.DataFrame:
        """One row per finished trial (columns: `bench.gap.frame.load_frame`; raises `UserError` as it does)."""
        return load_frame(self.folders)

    @cached_property
    def document(self) -> Document:
        """The gap document, as `report` writes it to `gap.json` (raises `UserError` as `gap_document` does)."""
        return gap_document(self.folders)

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
        from bench.report.write import FORMATS, Report, write_report

        unknown = [name for name in formats if name not in FORMATS]
        if unknown:
            raise UserError(f"formats: expected some of {', '.join(FORMATS)}, found {unknown[0]!r}")
        write_report(Report(self.document, self.folders, Path(folder), self.data_dir), tuple(formats))
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
        """One row per model, family ("all" first) and rate ("perception", "reasoning"): estimate, low, high, guess, guess_from, why."""
        rows: list[dict[str, Any]] = []
        for where, part in self._parts():
            diagnosis = part["diagnosis"]
            guess = {"guess": diagnosis["guess"], "guess_from": diagnosis["guess_from"]}
            for name, rate in (("perception", diagnosis["perception"]), ("reasoning", diagnosis["reasoning"])):
                rows.append({**where, "rate": name, "estimate": rate["estimate"], **_bounds(rate["ci"]), **guess, "why": rate.get("why")})
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


def _bounds(interval: Interval | None) -> Mapping[str, float | None]:
    low, high = interval or (None, None)
    return {"low": low, "high": high}


def _table(rows: list[dict[str, Any]], numbers: tuple[str, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    frame[list(numbers)] = frame[list(numbers)].astype("float64")
    return frame
