"""What commands share: the console, and lists of names on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from bench.errors import UserError
from bench.mode import Mode
from bench.visible import on_screen

WIDTH = 100
"""Columns where standard output is no terminal."""


class PlainConsole(Console):
    """A console on which no text commands the terminal: control characters are rich's own, of colours and of progress, or none.

    It says when nobody reads it any more, where rich would end the program with exit code 1.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is printed of `renderable`, in pieces."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(on_screen(piece.text), piece.style)

    def on_broken_pipe(self) -> NoReturn:
        """Called inside of the handler of the error (raises it again)."""
        raise BrokenPipeError


def open_console() -> Console:
    """Standard output; as wide as the terminal, `WIDTH` columns where there is none."""
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=WIDTH)


def open_error_console(*, quiet: bool = False) -> Console:
    """Standard error, for progress and warnings; `quiet` where another process speaks."""
    return PlainConsole(stderr=True, quiet=quiet)


def names(text: str | None) -> tuple[str, ...]:
    """The parts of a list that a person wrote with commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def parse_modes(text: str, flag: str = "--mode") -> tuple[Mode, ...]:
    """The modes of a list with commas.

    Raises:
        UserError: an unknown mode, or none; the message names the flag.
    """
    from bench.option_values import read_modes

    try:
        names_read = read_modes(text)
    except ValueError as error:
        raise UserError(f"{flag}: {error}") from error
    return tuple(Mode(name) for name in names_read)  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType, reportUnknownArgumentType]
