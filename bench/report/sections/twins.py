"""A public set against a fresh twin of it."""

from __future__ import annotations

from bench.gap.sections import TwinDoc, TwinPartDoc, TwinRowDoc
from bench.report import words
from bench.report.tables import Section, Table


def section(doc: TwinDoc) -> Section:
    """The twins as tables: two for each model."""
    levels = ", ".join(f"level {level}: {count}" for level, count in doc["levels"].items())
    left_out = [f"Families of one suite only, left out: {', '.join(doc['left_out'])}."] if doc["left_out"] else []
    tables: list[Table] = []
    for model in doc["models"]:
        name = model["name"] if model["captioner"] is None else f"{model['name']}, captions by {model['captioner']}"
        tables += [_part(model, name), _families(model["families"], f"{name}: public - fresh by family")]
    return Section(
        f"{doc['public']} against a fresh twin",
        f"Public minus fresh ({doc['fresh']}; {levels}), two independent samples of puzzles, families weighing alike; 95% intervals by "
        "Newcombe's method. The row of oracle differs by difficulty alone: a surplus on public images or blind beyond it is what a leak "
        "into training looks like.",
        tables,
        left_out,
    )


def _part(part: TwinPartDoc, title: str) -> Table:
    rows = [[name, words.percent(row["public"]), words.percent(row["fresh"]), _difference(row)] for name, row in part["modes"].items()]
    gaps = [[name, words.points(row["public"]), words.points(row["fresh"]), _difference(row)] for name, row in part["gaps"].items()]
    return Table(("mode or gap", "public", "fresh", "public - fresh"), [*rows, *gaps], title)


def _families(families: dict[str, TwinPartDoc], title: str) -> Table:
    modes = list(dict.fromkeys(mode for part in families.values() for mode in part["modes"]))
    rows = [
        [name, *(_difference(part["modes"][mode]) if mode in part["modes"] else "-" for mode in modes)] for name, part in families.items()
    ]
    return Table(("family", *modes), rows, title)


def _difference(row: TwinRowDoc) -> str:
    return f"{words.points(row['delta'])} {words.interval(row['ci'], signed=True)}"
