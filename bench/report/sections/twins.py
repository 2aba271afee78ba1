"""The contamination twins as Markdown."""

from __future__ import annotations

from bench.gap.sections import TwinDoc, TwinPartDoc, TwinRowDoc
from bench.report import words
from bench.report.markdown import table, text


def markdown(section: TwinDoc) -> list[str]:
    """The section as lines of Markdown."""
    levels = ", ".join(f"level {level}: {count}" for level, count in section["levels"].items())
    lines = [
        f"## {text(section['public'])} against a fresh twin",
        "",
        f"Public minus fresh ({text(section['fresh'])}; {levels}), two independent samples of puzzles, families weighing alike; 95% "
        "intervals by Newcombe's method. The row of *oracle* differs by difficulty alone: a surplus on public images or blind beyond it is "
        "what a leak into training looks like.",
        "",
    ]
    if section["left_out"]:
        lines += [f"Families of one suite only, left out: {text(', '.join(section['left_out']))}.", ""]
    for model in section["models"]:
        name = model["name"] if model["captioner"] is None else f"{model['name']}, captions by {model['captioner']}"
        lines += [f"### {text(name)}", "", *_part(model), *_families(model["families"])]
    return lines


def _part(part: TwinPartDoc) -> list[str]:
    rows = [[name, words.percent(row["public"]), words.percent(row["fresh"]), _difference(row)] for name, row in part["modes"].items()]
    gaps = [[name, words.points(row["public"]), words.points(row["fresh"]), _difference(row)] for name, row in part["gaps"].items()]
    return table(["mode or gap", "public", "fresh", "public - fresh"], [*rows, *gaps])


def _families(families: dict[str, TwinPartDoc]) -> list[str]:
    modes = list(dict.fromkeys(mode for part in families.values() for mode in part["modes"]))
    rows = [
        [text(name), *(_difference(part["modes"][mode]) if mode in part["modes"] else "-" for mode in modes)]
        for name, part in families.items()
    ]
    return table(["public - fresh", *modes], rows)


def _difference(row: TwinRowDoc) -> str:
    return f"{words.points(row['delta'])} {words.interval(row['ci'], signed=True)}"
