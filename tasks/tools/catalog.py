"""Tables of suites and families, for `tasks list`."""

from __future__ import annotations

import random

from rich.markup import escape
from rich.table import Table

from tasks.family import LEVELS
from tasks.registry import FAMILIES, family
from tasks.suites import GENERATED, MINI_FAMILIES


def suites_table() -> Table:
    """The suites by name, and how they are written."""
    table = Table(title="suites", title_justify="left")
    for column in ("suite", "families", "puzzles", "side, px", "where from"):
        table.add_column(column, justify="right" if column in ("families", "puzzles", "side, px") else "left")
    for name, recipe in GENERATED.items():
        count = len(recipe.families)
        table.add_row(name, str(count), str(count * recipe.n), str(recipe.side), f"generated; also {name}:seed=7,level=3,n=50,split=train")
    table.add_row("algopuzzlevqa", "18", "1800", "", "--data-dir, or declare-lab/AlgoPuzzleVQA on the hub")
    table.add_row("puzzlevqa", "20", "2000", "", "--data-dir, or declare-lab/PuzzleVQA on the hub")
    table.add_row("PATH", "", "", "", "a table of your own: .jsonl, .csv, .tsv, .xlsx, .parquet, a folder of datasets")
    table.add_row("hub:ORG/NAME", "", "", "", "any data set of the hub with pictures, questions and answers")
    return table


def public_table() -> Table:
    """The families of PuzzleVQA, which are not generated here: by what rule a solver that sees the caption alone finds the answer."""
    from tasks.public.puzzlevqa import FAMILIES as PUZZLEVQA
    from tasks.public.puzzlevqa import rule, sufficiency

    table = Table(title="families of puzzlevqa (read, not generated)", title_justify="left")
    for column in ("family", "its rule", "why its captions do not suffice"):
        table.add_column(column, overflow="fold")
    for name in PUZZLEVQA:
        table.add_row(name, escape(rule(name)), escape(sufficiency(name) or ""))
    return table


def families_table() -> Table:
    """The generated families: what they are, an example of their notation, and how large their descriptions grow."""
    table = Table(title="families (generated; algopuzzlevqa has the same eighteen)", title_justify="left")
    for column in ("family", "what", "in mini", "facts at level 1 / 5", "notation (level 1)"):
        table.add_column(column)
    for name in FAMILIES:
        made = family(name)
        first, last = (made.sample(random.Random(0), level) for level in (LEVELS[0], LEVELS[-1]))
        lines = made.describe(first).splitlines()
        notation = lines[0] + (" ..." if len(lines) > 1 else "")
        counts = f"{len(made.facts(first))} / {len(made.facts(last))}"
        table.add_row(name, escape(made.title), "yes" if name in MINI_FAMILIES else "", counts, escape(notation[:60]))
    return table
