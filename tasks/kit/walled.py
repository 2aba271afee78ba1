"""Grids of walls and free cells, as maze and move_box have them: what makes one well-formed, and the lines between free cells."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.kit.drawing import Canvas, Color


def check_grid(rows: Sequence[str], field: str, least: int, most: int) -> tuple[int, int]:
    """(height, width) of rows of "#" and ".".

    Raises:
        ValueError: a side is not `least` to `most` cells long, the rows differ in length, or a cell is something else.
    """
    height, width = len(rows), len(rows[0]) if rows else 0
    if not all(least <= side <= most for side in (height, width)):
        raise ValueError(f"{field}: expected {least} to {most} cells on a side, found {height} x {width}")
    if wrong := [row for row in rows if len(row) != width or set(row) - {"#", "."}]:
        raise ValueError(f"{field}: expected {width} cells, each '#' or '.', found {wrong[0]!r}")
    return height, width


def draw_lines(canvas: Canvas, left: float, top: float, cell: float, rows: Sequence[str], color: Color) -> None:
    """A faint line between free neighbours, so that cells can be counted; `left`, `top` and the side `cell` in units of the canvas."""
    for r, row in enumerate(rows):
        for c, mark in enumerate(row):
            if mark == "#":
                continue
            x, y = left + c * cell, top + r * cell
            if c and row[c - 1] == ".":
                canvas.rect(x - 1, y, x + 1, y + cell, color)
            if r and rows[r - 1][c] == ".":
                canvas.rect(x, y - 1, x + cell, y + 1, color)
