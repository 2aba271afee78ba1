"""Contact sheets, to be looked at: levels x seeds of a family, or the puzzles of any suite, with question, description and answer."""

from __future__ import annotations

import io
import random
import textwrap
from collections.abc import Sequence
from typing import Any

from PIL import Image

from bench.digest import digest
from bench.puzzle import Puzzle
from tasks.family import LEVELS, Family
from tasks.kit.drawing import FAINT, INK, Canvas
from tasks.registry import family

COLUMNS = 3
_CELL = 420
_PICTURE = 400
_LINE = 15
_CHARS = 58
_LINES = 24


def suite_sheet(puzzles: Sequence[Puzzle]) -> Image.Image:
    """The puzzles of any suite in their order, three in a row: pictures, question, options, answer and description.

    Raises:
        BadDataError: a picture cannot be read.
    """
    cells = [_puzzle_cell(puzzle) for puzzle in puzzles]
    return _grid([cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)])


def _puzzle_cell(puzzle: Puzzle) -> Image.Image:
    pictures: list[Image.Image] = []
    for ref in puzzle.pictures:
        with Image.open(io.BytesIO(ref.data())) as opened:
            picture = opened.convert("RGB")
        picture.thumbnail((_PICTURE // len(puzzle.pictures), _PICTURE), Image.Resampling.LANCZOS)
        pictures.append(picture)
    row = Image.new("RGB", (sum(picture.width for picture in pictures), max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        row.paste(picture, (left, 0))
        left += picture.width
    body = [*_wrap(puzzle.question), "", *(_wrap(", ".join(puzzle.options)) if puzzle.options else ())]
    return _stacked(row, _text(_wrap(f"{puzzle.id}, answer: {puzzle.answer}"), [*body, "", *_wrap(puzzle.description or "")][:_LINES]))


def contact_sheet(name: str, *, seed: int = 0) -> Image.Image:
    """One row per level, three puzzles in each: the image, the description, the question and the answer.

    Raises:
        UserError: an unknown family.
    """
    made = family(name)
    return _grid([[_cell(made, level, seed * COLUMNS + column) for column in range(COLUMNS)] for level in LEVELS])


def _grid(cells: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Rows of cells on one sheet."""
    heights = [max(cell.height for cell in row) for row in cells]
    sheet = Image.new("RGB", (COLUMNS * _CELL, sum(heights)), "white")
    top = 0
    for row, height in zip(cells, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell, (column * _CELL, top))
        top += height
    return sheet


def _cell(made: Family[Any], level: int, index: int) -> Image.Image:
    state = made.sample(random.Random(digest([made.name, level, index])), level)
    picture = made.draw(state)
    picture.thumbnail((_PICTURE, _PICTURE), Image.Resampling.LANCZOS)
    head = [f"level {level}, seed {index}, answer: {made.solve(state)}"]
    text = _text(head, [*_wrap(made.describe(state)), "", *_wrap(made.ask(state))])
    return _stacked(picture, text)


def _stacked(picture: Image.Image, text: Image.Image) -> Image.Image:
    cell = Image.new("RGB", (_CELL, picture.height + text.height + 10), "white")
    cell.paste(picture, ((_CELL - picture.width) // 2, 4))
    cell.paste(text, (0, picture.height + 8))
    return cell


def _wrap(text: str) -> list[str]:
    return [line for part in text.splitlines() for line in textwrap.wrap(part, _CHARS) or [""]]


def _text(head: list[str], body: list[str]) -> Image.Image:
    lines = len(head) + len(body)
    height = _LINE * lines + 12
    canvas = Canvas(max(_CELL, height), aspect=_CELL / height)
    unit = 1 / canvas.scale
    for index, line in enumerate(head + body):
        bold = index < len(head)
        canvas.text(10 * unit, (4 + _LINE * index) * unit, line, 11.5 * unit, INK, anchor="la", bold=bold)
    canvas.rect(0, canvas.height - 2 * unit, canvas.width, canvas.height, FAINT)
    return canvas.image
