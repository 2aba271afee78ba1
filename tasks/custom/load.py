"""A suite of the user's own, from the rows of its table to puzzles.

Every row becomes a `Puzzle` or a `Problem` that names file, line and column. Identity is content: an id is a hash of pictures, question,
options and answer, with the user's own id before it where there is one, so that runs on copies of a table pair up and runs on an edited one
do not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from bench.digest import digest
from bench.errors import BadDataError, UserError
from bench.image import ImageRef
from bench.puzzle import Puzzle, puzzle_id
from bench.suggest import did_you_mean
from tasks.custom.answers import choose_reading, encodable, read_answer, read_options, scalar, shown
from tasks.custom.columns import LETTERS, Columns, find_columns
from tasks.custom.exported import exported_puzzle, is_exported, stored_state
from tasks.custom.pictures import picture
from tasks.custom.source import OpenedTable, RawRow, open_table, parameters
from tasks.family import LEVELS
from tasks.public.load import THREADS, Loaded, look_at, summary
from tasks.public.rows import Problem

_UNSAFE = re.compile(r"[^\w.+-]+")
_ID_SHOWN = 40
_REFERENCE = 64
"""Longest cell that may name another row's picture by its id, as VLMEvalKit's sheets do."""


@dataclass(frozen=True)
class CustomSuite:
    """A suite of the user's own: its name, what was loaded, and whether `tasks export` wrote it."""

    name: str
    loaded: Loaded
    exported: bool


class _BadRowError(BadDataError):
    """A row that cannot be used; `code` as in `Problem`."""

    def __init__(self, error: BadDataError, code: str) -> None:
        super().__init__(" ".join(str(error).split()))
        self.code = code


def load_custom(
    text: str,
    *,
    columns: Mapping[str, str] | None = None,
    data_dir: Path | None = None,
    families: Sequence[str] | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
) -> CustomSuite:
    """The puzzles of the table that `text` names (`tasks.custom.source.open_table`), at most `limit` per family.

    Args:
        text: path or hub id, with parameters (":split=test,n=50").
        columns: field -> column, over what `suite.toml` says.
        data_dir: a folder that paths are also looked for in.
        families: only these.
        limit: most puzzles per family, in the order of rows.
        skip_bad: leave out rows that cannot be used and list them as problems.

    Raises:
        UserError: no such table, a column that is missing, an unknown family or split, answers that may mean two things.
        BadDataError: a row cannot be used and `skip_bad` is false; names the first few with file, line and column, and their number.
    """
    table = open_table(text, data_dir)
    rows, problems = _read(table)
    present = list(table.columns) if table.columns is not None else list(dict.fromkeys(name for row in rows for name in row.fields))
    exported = is_exported(present)
    name = table.wishes.name or table.name
    if exported and rows:
        name = _exported_name(table, rows)
    maker = _Exported(table) if exported else _Maker(table, _safe(name), _found(table, present, columns, problems), rows)
    kept = list(_chosen(maker, rows, table, families, limit or _count(text)))
    good = [(row.number, made) for row, made in kept if isinstance(made, Puzzle)]
    problems += [made for _, made in kept if isinstance(made, Problem)]
    if problems and not skip_bad:
        raise BadDataError(summary(table.title, problems, len(good)))
    puzzles = tuple(puzzle for _, puzzle in good)
    described = any(puzzle.description is not None and puzzle.state is None for puzzle in puzzles)
    loaded = Loaded(puzzles, tuple(problems), described, tuple(number for number, _ in good))
    return CustomSuite(name if exported else _safe(name), loaded, exported)


def _read(table: OpenedTable) -> tuple[list[RawRow], list[Problem]]:
    rows: list[RawRow] = []
    problems: list[Problem] = []
    for row in table.rows():
        (rows if isinstance(row, RawRow) else problems).append(row)  # pyright: ignore[reportArgumentType]
    if not rows and not problems:
        raise UserError(f"suite {table.title} is empty: expected a row for each question")
    return rows, problems


def _found(table: OpenedTable, present: Sequence[str], columns: Mapping[str, str] | None, problems: Sequence[Problem]) -> Columns:
    if not present:
        raise BadDataError(summary(table.title, problems, 0))
    return find_columns(table.title, present, {**table.wishes.columns, **(columns or {})})


def _safe(name: str) -> str:
    """A name that can stand in an id and in the name of a folder."""
    return _UNSAFE.sub("-", name).strip("-.") or "suite"


def _count(text: str) -> int | None:
    count = parameters(text).get("n")
    if count is None:
        return None
    if not count.isdecimal() or int(count) < 1:
        raise UserError(f"n: expected at least 1 puzzle per family, found {count!r}")
    return int(count)


def _exported_name(table: OpenedTable, rows: Sequence[RawRow]) -> str:
    names = {row.fields["suite"] for row in rows if isinstance(row.fields["suite"], str)}
    if len(names) != 1:
        raise UserError(f"suite {table.title}: expected the export of one suite, found {', '.join(sorted(names)) or 'none'}")
    return names.pop()


# -- rows ----------------------------------------------------------------------------------------------------------------------------------
def _chosen(
    maker: _Maker | _Exported, rows: Sequence[RawRow], table: OpenedTable, families: Sequence[str] | None, limit: int | None
) -> Iterator[tuple[RawRow, Puzzle | Problem]]:
    """The rows that are asked for and what becomes of them, their pictures decoded side by side."""
    names = [maker.family_of(row) for row in rows]
    unknown = [name for name in families or () if name not in names]
    if unknown:
        there = sorted(set(names))
        raise UserError(
            f"{table.title}: there is no family {unknown[0]!r}{did_you_mean(unknown[0], there)}: found {', '.join(there)[:300]}"
        )
    wanted = [(row, name) for row, name in zip(rows, names, strict=True) if not families or name in families]
    split = table.wishes.split
    if split is not None and table.split is None:
        wanted = [(row, name) for row, name in wanted if maker.split_of(row) == split]
        if not wanted:
            splits = sorted({maker.split_of(row) or "none" for row in rows})
            raise UserError(
                f"{table.title}: there is no row of split {split!r}{did_you_mean(split, splits)}: found {', '.join(splits)[:300]}"
            )
    counts: Counter[str] = Counter()
    kept: list[tuple[RawRow, Puzzle | Problem]] = []
    for row, name in wanted:
        if limit is not None and counts[name] >= limit:
            continue
        made = _puzzle_or_problem(maker, row)
        counts[name] += isinstance(made, Puzzle)
        kept.append((row, made))
    with ThreadPoolExecutor(THREADS) as pool:
        look_at((image for _, made in kept if isinstance(made, Puzzle) for image in made.pictures), pool)
    for row, made in kept:
        yield row, _with_sound_pictures(maker, row, made)


def _puzzle_or_problem(maker: _Maker | _Exported, row: RawRow) -> Puzzle | Problem:
    try:
        return maker.puzzle(row)
    except _BadRowError as error:
        return Problem(row.where, str(error), error.code, maker.family_of(row))
    except BadDataError as error:
        return Problem(row.where, " ".join(str(error).split()), "row", maker.family_of(row))


def _with_sound_pictures(maker: _Maker | _Exported, row: RawRow, made: Puzzle | Problem) -> Puzzle | Problem:
    """`made` under its final id, which needs the pictures, or the problem with them."""
    if isinstance(made, Problem):
        return made
    try:
        return maker.identified(row, made)
    except BadDataError as error:
        return Problem(row.where, f"{maker.image_column}: {' '.join(str(error).split())}", "image", made.family)


class _Exported:
    """Makes puzzles of an export."""

    image_column = "image"

    def __init__(self, table: OpenedTable) -> None:
        self._folder = table.folder

    def family_of(self, row: RawRow) -> str:
        return str(row.fields["family"])

    def split_of(self, row: RawRow) -> str | None:
        return str(row.fields["split"])

    def puzzle(self, row: RawRow) -> Puzzle:
        return exported_puzzle(row, self._folder)

    def identified(self, row: RawRow, puzzle: Puzzle) -> Puzzle:
        for image in puzzle.pictures:
            image.info  # noqa: B018 - decodes
        return puzzle


class _Maker:
    """Makes puzzles of the rows of one table."""

    def __init__(self, table: OpenedTable, suite: str, columns: Columns, rows: Sequence[RawRow]) -> None:
        self._table = table
        self._suite = suite
        self._columns = columns
        self._ids: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._files: dict[str, ImageRef] = {}
        self.image_column = columns.called("image" if "image" in columns.of else "images")
        self._cells = {str(columns.value(row.fields, "id")): row.fields.get(self.image_column) for row in rows if "id" in columns.of}
        lettered = bool(columns.options) and columns.options == tuple(LETTERS[: len(columns.options)])
        self._reading = choose_reading(
            table.title, [asked for row in rows if (asked := self._asked(row))], lettered=lettered, wished=table.wishes.answer_is
        )

    def _asked(self, row: RawRow) -> tuple[tuple[str, ...], Any] | None:
        try:
            return read_options(row.fields, self._columns), self._columns.value(row.fields, "answer")
        except BadDataError:
            return None

    def family_of(self, row: RawRow) -> str:
        value = self._columns.value(row.fields, "family")
        return self._suite if value is None else str(value).strip()

    def split_of(self, row: RawRow) -> str | None:
        value = self._columns.value(row.fields, "split")
        return None if value is None else str(value)

    def puzzle(self, row: RawRow) -> Puzzle:
        """The puzzle of a row, its pictures not yet looked at and its id not yet final."""
        name = self.family_of(row)
        options = read_options(row.fields, self._columns)
        description = self._text(row, "description")
        try:
            answer = read_answer(self._columns.called("answer"), options, self._columns.value(row.fields, "answer"), self._reading)
        except BadDataError as error:
            raise _BadRowError(error, "answer") from error
        try:
            image, *further = self._pictures(row)
        except BadDataError as error:
            raise _BadRowError(error, "image") from error
        return Puzzle(
            id="",
            suite=self._suite,
            family=encodable(self._columns.called("family"), name),
            question=self._question(row),
            options=options,
            answer=answer,
            image=image,
            state=stored_state(self._columns.value(row.fields, "state"), name, self._columns.called("state")),
            description=description,
            level=self._level(row),
            seed=None,
            split=self.split_of(row) or self._table.split or "eval",
            further=tuple(further),
        )

    def identified(self, row: RawRow, puzzle: Puzzle) -> Puzzle:
        """`puzzle` with its id. Looks at the pictures, which are part of it (raises `BadDataError`)."""
        images = [image.info.identity for image in puzzle.pictures]
        content = {"images": images, "question": puzzle.question, "options": list(puzzle.options), "answer": puzzle.answer}
        own = self._columns.value(row.fields, "id")
        if own is not None:
            label = f"{_safe(str(own))[:_ID_SHOWN]}-{digest(content)[:12]}"
            return replace(puzzle, id=f"{self._suite}/{_safe(puzzle.family)}/{label}")
        found = puzzle_id(self._suite, _safe(puzzle.family), content)
        self._ids[found] += 1
        return replace(puzzle, id=found if self._ids[found] == 1 else f"{found}-{self._ids[found]}")

    def _text(self, row: RawRow, name: str) -> str | None:
        value = self._columns.value(row.fields, name)
        if value is not None and not isinstance(value, str):
            raise BadDataError(f"{self._columns.called(name)}: expected text, found {shown(value)}")
        return None if value is None else encodable(self._columns.called(name), value)

    def _question(self, row: RawRow) -> str:
        self._check_id(row)
        question, hint = self._text(row, "question"), self._text(row, "hint")
        if question is None:
            raise BadDataError(f"{self._columns.called('question')}: expected text, found nothing")
        return question if hint is None else f"{hint}\n{question}"

    def _check_id(self, row: RawRow) -> None:
        own = self._columns.value(row.fields, "id")
        if own is None:
            return
        text = scalar(self._columns.called("id"), own)
        if text in self._first:
            raise BadDataError(f"{self._columns.called('id')}: {text!r:.60} stands twice (first in {self._first[text]})")
        self._first[text] = row.where

    def _level(self, row: RawRow) -> int | None:
        value = self._columns.value(row.fields, "level")
        if value is None:
            return None
        text = scalar(self._columns.called("level"), value)
        if not text.isdecimal() or int(text) not in LEVELS:
            raise BadDataError(f"{self._columns.called('level')}: expected {LEVELS[0]} to {LEVELS[-1]}, found {shown(value)}")
        return int(text)

    def _pictures(self, row: RawRow) -> list[ImageRef]:
        column, folder = self.image_column, self._table.folder
        cell = row.fields.get(column)
        if "image" in self._columns.of or not isinstance(cell, list | tuple):
            cells = [self._referred(cell)]
        else:
            cells = list(cast("Sequence[Any]", cell))
        if not cells:
            raise BadDataError(f"{column}: expected a picture, found an empty list")
        return [picture(item, column, row.where, folder, self._files) for item in cells]

    def _referred(self, cell: Any) -> Any:
        """The cell of the row whose id `cell` is, where it is one: sheets that ask one picture several times hold it once."""
        for _ in range(2):
            if not (isinstance(cell, str) and len(cell) <= _REFERENCE and cell in self._cells):
                break
            cell = self._cells[cell]
        return cell
