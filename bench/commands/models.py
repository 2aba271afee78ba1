"""`models list` and `models show`."""

from __future__ import annotations

import argparse
import json
from datetime import date

from rich.table import Table

from bench.commands.console import open_console


def models_list(arguments: argparse.Namespace) -> int:
    """`models list`: a table of names, ids, prices and dates."""
    from bench.models.registry import listing

    today = date.today()
    table = Table(
        title="models", title_justify="left", caption="past: the provider has retired it; models show NAME names what replaces it"
    )
    for column in ("name", "provider", "id", "USD/M in", "USD/M out", "retires"):
        table.add_column(column, justify="right" if column.startswith("USD") else "left", overflow="fold")
    for row in listing():
        prices = ["" if row[key] is None else f"{row[key]:g}" for key in ("price_in", "price_out")]
        gone = row["retires"] is not None and date.fromisoformat(row["retires"]) <= today
        retires = f"{row['retires']} (past)" if gone else row["retires"] or ""
        table.add_row(row["name"], row["provider"], row["id"], *prices, retires, style="dim strike" if gone else None)
    open_console().print(table)
    return 0


def models_show(arguments: argparse.Namespace) -> int:
    """`models show`: what is known of one model."""
    from bench.models.registry import describe

    print(json.dumps(describe(arguments.name), indent=1, ensure_ascii=False))  # noqa: T201
    return 0
