"""What commands share: the console, and lists of names on the command line."""

from __future__ import annotations

from rich.console import Console

from bench.report.terminal import WIDTH


def open_console() -> Console:
    """Standard output; as wide as the terminal, `WIDTH` columns where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def names(text: str | None) -> tuple[str, ...]:
    """The parts of a list that a person wrote with commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
