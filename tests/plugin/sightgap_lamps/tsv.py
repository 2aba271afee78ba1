"""A report as one table of tab-separated values: model, mode, number of trials, accuracy."""

from __future__ import annotations

from bench.report.write import Report


def write_tsv(report: Report) -> None:
    """Write `report.tsv` into the report's folder."""
    rows = [
        f"{model['name']}\t{mode}\t{counts['n']}\t{counts['accuracy']}"
        for model in report.document["models"]
        for mode, counts in model["modes"].items()
    ]
    (report.folder / "report.tsv").write_text("\n".join(["model\tmode\tn\taccuracy", *rows]) + "\n", encoding="utf-8")
