"""`models list` and `models show`."""

from __future__ import annotations

import argparse
import json
from datetime import date

from rich.table import Table

from bench.commands.console import open_console
from bench.errors import MissingExtraError
from bench.extras import missing
from bench.visible import in_strings


def models_list(arguments: argparse.Namespace) -> int:
    """`models list`: names, ids, prices and dates of the models that can be asked here, the servers, and what the others need."""
    from bench.models.registry import listing, server_listing

    today = date.today()
    table = Table(
        title="models", title_justify="left", caption="past: the provider has retired it; models show NAME names what replaces it"
    )
    for column in ("name", "provider", "id", "USD/M in", "USD/M out", "retires"):
        table.add_column(column, justify="right" if column.startswith("USD") else "left", overflow="fold")
    lacking: dict[str, list[str]] = {}
    for row in listing():
        hint = _lacking(row["provider"])
        if hint is not None:
            lacking.setdefault(hint, []).append(row["name"])
            continue
        prices = ["" if row[key] is None else f"{row[key]:g}" for key in ("price_in", "price_out")]
        gone = row["retires"] is not None and date.fromisoformat(row["retires"]) <= today
        retires = f"{row['retires']} (past)" if gone else row["retires"] or ""
        table.add_row(row["name"], row["provider"], row["id"], *prices, retires, style="dim strike" if gone else None)
    console = open_console()
    console.print(table)
    places = Table(title="servers: write NAME/ID, or openai/ID@URL for any other", title_justify="left")
    for column in ("name", "what", "address", "key"):
        places.add_column(column)
    for row in server_listing():
        places.add_row(f"{row['name']}/", row["about"], row["url"], (row["key"] or "none") + " (optional)" * row["optional"])
    console.print(places)
    for hint, names in lacking.items():
        console.print(f"not here: {', '.join(names)}; {hint}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _lacking(provider: str) -> str | None:
    """What keeps models of `provider` from running here, with the command that mends it; None where nothing does."""
    from bench.models.local.checkpoint import PACKAGES

    packages, extra = PACKAGES.get(provider, ((), ""))
    package = missing(packages)
    return None if package is None else str(MissingExtraError(package, extra))


def models_show(arguments: argparse.Namespace) -> int:
    """`models show`: what is known of one model."""
    from bench.models.registry import describe

    print(in_strings(json.dumps(describe(arguments.name), indent=1, ensure_ascii=False)))  # noqa: T201
    return 0
