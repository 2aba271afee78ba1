"""The public sets, AlgoPuzzleVQA and PuzzleVQA, as puzzles.

Every row becomes a `Puzzle` or a `Problem`, whatever its source (`tasks.public.rows`). Question, options and answer are kept as they are
written, integers turned to text; an image is known by its bytes. The ground truth comes along: AlgoPuzzleVQA carries the latent state,
which the family turns into a description, PuzzleVQA carries a caption. A description is *sufficient* where an exact solver that sees
nothing else finds the label; elsewhere no gap may be claimed from it.

Problems stop the load, all of them named, unless bad rows are to be skipped: a run must not start on less than what was asked for.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, cast

from bench.errors import BadDataError, UserError
from bench.image import ImageRef
from bench.puzzle import Puzzle, puzzle_id
from tasks.family import ReadError
from tasks.public import puzzlevqa
from tasks.public.rows import Problem, PublicSet, Row, Source, file_image, open_source, places
from tasks.registry import family, same_for

__all__ = ["PUBLIC_SUITES", "THREADS", "Loaded", "Problem", "load_picture", "load_public", "resolve", "summary"]

_ALGO = (
    "board_tile",
    "calendar",
    "chain_link",
    "checker_move",
    "clock",
    "colour_hue",
    "map",
    "maze",
    "move_box",
    "n_queens",
    "number_slide",
    "rotting_kiwi",
    "rubiks_cube",
    "think_dot",
    "tower_of_hanoi",
    "water_jugs",
    "wheel_of_fortune",
    "wood_slide",
)
"""The families of AlgoPuzzleVQA, by the names of their files."""

_SETS: Mapping[str, PublicSet] = {
    "algopuzzlevqa": PublicSet("algopuzzlevqa", "AlgoPuzzleVQA", "declare-lab/AlgoPuzzleVQA", "data", _ALGO, "solution"),
    "puzzlevqa": PublicSet("puzzlevqa", "PuzzleVQA", "declare-lab/PuzzleVQA", "train", puzzlevqa.FAMILIES, "caption"),
}

PUBLIC_SUITES: tuple[str, ...] = tuple(_SETS)
"""Names of the public sets."""

OVERSTATED: Mapping[str, str] = {
    "think_dot": "the pictures show neither the levers of the discs nor where each disc leads, which the answer needs; the descriptions, "
    "made of the latent state, add both"
}
"""Families of AlgoPuzzleVQA whose descriptions say more than their pictures show, so that no gap may be claimed from them, and why."""

_MAX_OPTIONS = 26
_SHOWN = 3
_CHUNK = 64
THREADS = min(8, os.cpu_count() or 1)
"""Images decoded at once: the largest takes a quarter of a gigabyte."""
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What Python raises when code written for one shape of data meets another; here the row is at fault."""


@dataclass(frozen=True)
class Loaded:
    """A public set in memory.

    Attributes:
        puzzles: in the order of families, then of rows.
        problems: rows that were left out.
        captions: whether the set carries captions (the captioner `dataset`).
        rows: for each puzzle the number of its row from 1: the line of its family's file, or the row of the table.
    """

    puzzles: tuple[Puzzle, ...]
    problems: tuple[Problem, ...] = ()
    captions: bool = False
    rows: tuple[int, ...] = ()


class _BadRowError(BadDataError):
    """A row that cannot be used; `code` as in `Problem`."""

    def __init__(self, message: str, code: str = "row") -> None:
        super().__init__(" ".join(message.split()))
        self.code = code


def load_public(
    name: str,
    *,
    data_dir: Path | None,
    families: Sequence[str] | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    check_images: bool = True,
) -> Loaded:
    """The puzzles of public set `name`, at most `limit` per family.

    Args:
        name: "algopuzzlevqa" or "puzzlevqa".
        data_dir: a local copy (see `tasks.public.rows.open_source`); None loads from the hub.
        families: which families, default all that the source holds.
        limit: most puzzles per family; rows after them are not looked at.
        skip_bad: leave out rows that cannot be used and list them in `problems`.
        check_images: decode every image, so that a broken one is found now. Otherwise its bytes are only hashed.

    Raises:
        UserError: an unknown set or family, or nothing of the set is there.
        BadDataError: a row cannot be used and `skip_bad` is false; names the first few with file and line, and their number.
    """
    if name not in _SETS:
        raise UserError(f"unknown public set {name!r}: expected one of {', '.join(_SETS)}")
    if limit is not None and limit < 1:
        raise UserError(f"limit: expected at least 1 puzzle per family, found {limit}")
    public = _SETS[name]
    unknown = [item for item in families or () if item not in public.families]
    if unknown:
        raise UserError(f"{name} has no family {unknown[0]!r}: expected some of {', '.join(public.families)}")
    source = open_source(public, data_dir)
    absent = [item for item in families or () if item not in source.rows]
    if absent:
        there = ", ".join(source.rows) or "no family"
        raise UserError(f"{name}: family {absent[0]!r} is not in the data: expected {absent[0]}.json, found {there}")
    maker = _Maker(public, source, check_images)
    puzzles: list[Puzzle] = []
    numbers: list[int] = []
    problems = list(source.problems)
    for item in public.families:
        if item in source.rows and (not families or item in families):
            for number, made in maker.family_rows(item, limit):
                if isinstance(made, Problem):
                    problems.append(made)
                else:
                    puzzles.append(made)
                    numbers.append(number)
    if problems and not skip_bad:
        raise BadDataError(summary(name, problems, len(puzzles)))
    captions = any(puzzle.description is not None for puzzle in puzzles) and public.evidence == "caption"
    return Loaded(tuple(puzzles), tuple(problems), captions, tuple(numbers))


def load_picture(puzzle: Puzzle, data_dir: Path) -> bytes | None:
    """The picture of a stored `puzzle` of a public set, read from `data_dir` alone and nothing else with it.

    None where no file there is the very picture that the puzzle's id was made of.
    """
    for folder in places(_SETS[puzzle.suite], data_dir):
        with suppress(BadDataError):
            data = file_image(puzzle.image.source, folder).data()
            content = _content(hashlib.sha256(data).hexdigest(), puzzle.question, puzzle.options, puzzle.answer)
            if puzzle.id.startswith(puzzle_id(puzzle.suite, puzzle.family, content)):  # a copy of a row has a number after it
                return data
    with _ONE_AT_A_TIME:
        found = _table_pictures(puzzle.suite, data_dir).get(puzzle.id)
    return found.data() if found is not None else None


_ONE_AT_A_TIME = Lock()
"""Reports draw several pictures side by side, and the table behind them is read once."""


@lru_cache(maxsize=2)
def _table_pictures(name: str, data_dir: Path) -> Mapping[str, ImageRef]:
    """Puzzle id -> picture of a set that is stored as a table; empty where it lies in files of its own."""
    if any((folder / f"{item}.json").is_file() for folder in places(_SETS[name], data_dir) for item in _SETS[name].families):
        return {}
    with suppress(UserError):
        loaded = load_public(name, data_dir=data_dir, skip_bad=True, check_images=False)
        return {puzzle.id: puzzle.image for puzzle in loaded.puzzles}
    return {}


def _content(image: str, question: str, options: Sequence[str], answer: str) -> dict[str, Any]:
    """What the id of a puzzle is made of; `image` is the identity of its picture (`bench.image.ImageInfo`)."""
    return {"image": image, "question": question, "options": list(options), "answer": answer}


def summary(name: str, problems: Sequence[Problem], good: int) -> str:
    """One line on the rows of `name` that cannot be used, beside `good` ones: the first few with what is wrong, and their number."""
    shown = "; ".join(map(str, problems[:_SHOWN]))
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    bad = f"{len(problems)} row{'s' if len(problems) > 1 else ''} of {len(problems) + good}"
    return f"{name}: {bad} cannot be used: {shown}{more}. Repair the data, or leave such rows out with --skip-bad"


class _Maker:
    """Makes puzzles of the rows of one source, and keeps count of ids so that identical rows get distinct ones."""

    def __init__(self, public: PublicSet, source: Source, check_images: bool) -> None:
        self._public = public
        self._source = source
        self._check_images = check_images
        self._bare = source.columns is not None and public.evidence not in source.columns
        self._ids: Counter[str] = Counter()

    def family_rows(self, name: str, limit: int | None) -> list[tuple[int, Puzzle | Problem]]:
        """Row number and puzzle or problem, up to the row that makes `limit` puzzles."""
        made: list[tuple[int, Puzzle | Problem]] = []
        good = 0
        rows = iter(self._source.rows[name]())
        with ThreadPoolExecutor(THREADS) as pool, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # pydantic's on a value of a wrong type, which `load` refuses
            while chunk := list(islice(rows, _CHUNK if limit is None else min(_CHUNK, limit - good))):
                if self._check_images:
                    look_at((row.image for row in chunk if isinstance(row, Row)), pool)
                for row in chunk:
                    number, result = (0, row) if isinstance(row, Problem) else (row.number, self._result(row))
                    made.append((number, result))
                    good += isinstance(result, Puzzle)
        return made

    def _result(self, row: Row) -> Puzzle | Problem:
        try:
            return self._puzzle(row)
        except _BadRowError as error:
            return Problem(row.where, str(error), error.code, row.family)

    def _puzzle(self, row: Row) -> Puzzle:
        question = _text(row.fields, "question")
        options = _options(row.fields)
        answer = _answer(row, options)
        identity = self._identity(row.image)
        state, description, sufficient = (None, None, False) if self._bare else self._evidence(row, options, answer)
        content_id = puzzle_id(self._public.name, row.family, _content(identity, question, options, answer))
        self._ids[content_id] += 1
        copy = self._ids[content_id]
        return Puzzle(
            id=content_id if copy == 1 else f"{content_id}-{copy}",
            suite=self._public.name,
            family=row.family,
            question=question,
            options=options,
            answer=answer,
            image=row.image,
            state=state,
            description=description,
            level=None,
            seed=None,
            split="eval",
            sufficient=sufficient,
        )

    def _identity(self, image: ImageRef) -> str:
        try:
            return image.info.identity if self._check_images else hashlib.sha256(image.data()).hexdigest()
        except BadDataError as error:
            raise _BadRowError(f"image: {error}", "image") from error

    def _evidence(self, row: Row, options: Sequence[str], answer: str) -> tuple[Mapping[str, Any] | None, str, bool]:
        """Latent state, description and whether the description suffices."""
        if self._public.evidence == "caption":
            return None, _text(row.fields, "caption"), puzzlevqa.sufficiency(row.family) is None
        state = _state(row, options, answer)
        made = family(row.family)
        try:
            data = made.dump(state)
            made.load(data)
            description = made.describe(state)
        except _MALFORMED as error:
            raise _BadRowError(f"solution: {error}") from error
        solved = resolve(row.family, state)
        return data, description, isinstance(solved, str) and made.same(solved, answer) and row.family not in OVERSTATED


def look_at(images: Iterable[ImageRef], pool: ThreadPoolExecutor) -> None:
    """Look at `images` side by side, each once; what is found is kept by each reference, trouble is met again by who asks for it."""
    list(pool.map(_look, {id(image): image for image in images}.values()))


def _look(image: ImageRef) -> None:
    with suppress(BadDataError):
        image.info  # noqa: B018 - decodes


def resolve(name: str, state: Any) -> str | ReadError:
    """The answer that family `name` finds exactly from the description of `state` and the question alone, or why it finds none."""
    made = family(name)
    try:
        seen = made.read(made.describe(state))
        return seen if isinstance(seen, ReadError) else made.solve(made.asking(seen, state.query))
    except _MALFORMED as error:
        return ReadError("state", str(error))


def _state(row: Row, options: Sequence[str], answer: str) -> Any:
    solution: Any = row.fields.get("solution")
    if not isinstance(solution, dict):
        found = "none" if solution is None else type(solution).__name__
        raise _BadRowError(f"solution: expected an object with the latent state, found {found}")
    try:
        return family(row.family).from_public({**row.fields, "options": list(options), "answer": answer})
    except KeyError as error:
        raise _BadRowError(f"solution: lacks the field {error.args[0]!r}") from error
    except _MALFORMED as error:
        raise _BadRowError(f"solution: {error}") from error


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _BadRowError(f"{name}: expected text, found {_shown(value)}")
    return _encodable(name, value)


def _options(fields: Mapping[str, Any]) -> tuple[str, ...]:
    value = fields.get("options")
    if not isinstance(value, list):
        raise _BadRowError(f"options: expected a list, found {_shown(value)}")
    items = cast(list[Any], value)
    if not 2 <= len(items) <= _MAX_OPTIONS:
        raise _BadRowError(f"options: expected 2 to {_MAX_OPTIONS}, found {len(items)}")
    return tuple(_scalar("options", item) for item in items)


def _answer(row: Row, options: Sequence[str]) -> str:
    """The right option, as it is spelled among `options`."""
    answer = _scalar("answer", row.fields.get("answer"))
    if answer in options:
        return answer
    same = same_for(row.family)
    alike = {option for option in options if same(option, answer)}
    if len(alike) == 1:
        return alike.pop()
    raise _BadRowError(f"answer: {answer[:80]!r} is not among the options {', '.join(map(repr, options))[:200]}", "answer")


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _BadRowError(f"{name}: expected text or a number, found {_shown(value)}")
    text = str(value)
    if not text.strip():
        raise _BadRowError(f"{name}: expected text or a number, found {_shown(value)}")
    return _encodable(name, text)


def _encodable(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _BadRowError(f"{name}: holds half a character (a lone surrogate at {error.start})") from error
    return text


def _shown(value: Any) -> str:
    return "none" if value is None else repr(value)[:60]
