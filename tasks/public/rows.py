"""Raw rows of the public sets, wherever they lie: the authors' directory, a folder written by `datasets`, Parquet files, the hub.

A *source* names the families it holds and yields the rows of each in stored order, as a `Row` (fields as plain data, the image as a late
reference) or as a `Problem` (what is wrong, with file and line). Nothing is judged here beyond whether a row can be read at all;
`tasks.public.load` makes puzzles of rows, the same way for every source.

Text of a public file is not trusted: lines and image files are bounded, and an image path may not leave the folder that it is relative to.
"""

from __future__ import annotations

import ast
import json
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, cast

from bench.errors import BadDataError, UserError
from bench.extras import optional
from bench.image import ImageRef
from tasks.links import refuse_traps

MAX_LINE = 4_000_000
"""Longest line of a data file that is read, in bytes; the longest of the public sets has under 10,000."""
MAX_IMAGE_BYTES = 256_000_000
"""Largest image file that is read; an uncompressed image of the largest size allowed (`bench.image.MAX_PIXELS`, four bytes a pixel)."""

_FAMILY_COLUMNS = ("family", "category", "puzzle", "puzzle_type", "puzzle_name", "task", "type", "name", "subset")
_PATH_COLUMNS = ("image_path", "file_name", "image_id", "id")


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A public set: where it is published and what is in it.

    Attributes:
        folder: its folder in the authors' repository.
        hub, split: data set id and split on the hub.
        families: all its families, in the order of tables.
        evidence: the field that carries the ground truth: "solution" (the latent state) or "caption" (text).
    """

    name: str
    folder: str
    hub: str
    split: str
    families: tuple[str, ...]
    evidence: str


@dataclass(frozen=True)
class Problem:
    """Why a row cannot be used.

    Attributes:
        where: file and line ("clock.json line 3"), or row of a table.
        message: starts with the field at fault, where there is one.
        code: "row" (the row itself), "image" or "answer" (not among the options), as the linter sorts them.
        family: the family, where it is known.
    """

    where: str
    message: str
    code: str = "row"
    family: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class Row:
    """One row as stored. `number` counts from 1: the line of the family's file, or the row of the table."""

    family: str
    number: int
    where: str
    fields: Mapping[str, Any]
    image: ImageRef


@dataclass(frozen=True)
class Source:
    """Rows by family.

    Attributes:
        rows: family -> a function that starts reading its rows.
        columns: fields that the source can hold, or None where every row decides for itself.
        problems: rows that belong to no known family.
    """

    rows: Mapping[str, Callable[[], Iterator[Row | Problem]]]
    columns: frozenset[str] | None = None
    problems: Sequence[Problem] = field(default_factory=tuple)


def open_source(public: PublicSet, data_dir: Path | None) -> Source:
    """The rows of `public` from `data_dir`, or from the hub for None.

    `data_dir` may be the authors' clone, the set's folder in it, that folder's `data`, a folder written by `datasets`' `save_to_disk`, or a
    folder of Parquet files.

    Raises:
        UserError: nothing of the set is there; the message says what was looked for.
    """
    if data_dir is None:
        return _from_hub(public)
    try:
        return _from_directory(public, data_dir)
    except OSError as error:
        raise UserError(f"data directory {data_dir} cannot be read ({error.strerror or error})") from error


# -- the authors' layout ---------------------------------------------------------------------------------------------------------------
def places(public: PublicSet, data_dir: Path) -> tuple[Path, ...]:
    """Where in `data_dir` the files of `public` may lie: the authors' clone, the set's folder in it, or that folder's `data`."""
    return (data_dir / public.folder / "data", data_dir / public.folder, data_dir / "data", data_dir)


def _from_directory(public: PublicSet, data_dir: Path) -> Source:
    if not data_dir.is_dir():
        kind = "is not a directory" if data_dir.exists() else "does not exist"
        raise UserError(f"data directory {data_dir} {kind}: give the authors' clone, its {public.folder} folder or that folder's data")
    folders = places(public, data_dir)
    present = [folder for folder in folders if folder.is_dir()]
    for folder in present:
        files = {name: folder / f"{name}.json" for name in public.families if (folder / f"{name}.json").is_file()}
        if files:
            return Source({name: partial(_file_rows, path, name) for name, path in files.items()})
    for folder in present:
        table = _saved_table(public, folder)
        if table is not None:
            return _table_source(public, table, folder.name, folder)
    raise UserError(
        f"data directory {data_dir} holds nothing of {public.name}: looked for files like {public.families[0]}.json, for a data set saved "
        f"by datasets and for *.parquet in {', '.join(str(folder.relative_to(data_dir)) for folder in folders)}"
    )


def _file_rows(path: Path, family: str) -> Iterator[Row | Problem]:
    empty = True
    known: dict[str, ImageRef] = {}
    try:
        refuse_traps(path, path.parent)
        for number, line in numbered_lines(path):
            where = f"{path.name} line {number}"
            if line is not None and not line.strip():
                continue
            empty = False
            try:
                fields = json_object(line)
            except BadDataError as error:
                yield Problem(where, str(error), family=family)
            else:
                yield _row(family, number, where, fields, partial(file_image, fields.get("image"), path.parent, known))
    except (OSError, BadDataError) as error:
        yield Problem(path.name, f"cannot be read ({getattr(error, 'strerror', None) or error})", family=family)
        return
    if empty:
        yield Problem(path.name, "the file is empty: expected one JSON object a line", family=family)


def _row(family: str, number: int, where: str, fields: Mapping[str, Any], image: Callable[[], ImageRef]) -> Row | Problem:
    try:
        return Row(family, number, where, fields, image())
    except BadDataError as error:
        return Problem(where, str(error), "image", family)


def numbered_lines(path: Path, longest: int = MAX_LINE) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines; None for one above `longest` bytes, which is passed over without being held."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(longest):
            number += 1
            whole = line.endswith(b"\n") or len(line) < longest
            while line and not line.endswith(b"\n") and not whole:
                line = file.readline(longest)
            yield number, line.removeprefix(b"\xef\xbb\xbf") if whole else None


def json_object(line: bytes | None, longest: int = MAX_LINE) -> dict[str, Any]:
    """The JSON object of a line of `numbered_lines`.

    Raises:
        BadDataError: the line is above `longest` bytes, or no JSON object.
    """
    if line is None:
        raise BadDataError(f"line: expected at most {longest:,} bytes")
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadDataError(f"line: not UTF-8 (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise BadDataError(f"line: not JSON ({error})") from error
    fields = as_object(value)
    if fields is None:
        raise BadDataError(f"line: expected a JSON object, found {type(value).__name__}")
    return fields


def as_object(value: Any) -> dict[str, Any] | None:
    """`value` if it is a JSON object, else None."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# -- tables ----------------------------------------------------------------------------------------------------------------------------
class RowTable(Protocol):
    """The part of `datasets.Dataset` that is used; the library has no type stubs."""

    @property
    def column_names(self) -> list[str]: ...
    @property
    def features(self) -> Mapping[str, Any]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: int, /) -> dict[str, Any]: ...
    def cast_column(self, column: str, feature: Any) -> RowTable: ...


def _from_hub(public: PublicSet) -> Source:
    datasets = optional("datasets", "data")
    advice = f"give a local copy with --data-dir (the authors' clone, or a folder with the {public.name} files)"
    # Every way in which the hub can be out of reach is one of these: no network (ConnectionError is an OSError), an unknown data set or
    # file, a changed split, a failed build. Offline test runs that refuse sockets raise RuntimeError.
    try:
        table = datasets.load_dataset(public.hub, split=public.split)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{public.name}: {public.hub} could not be loaded from the hub ({first}); {advice}") from error
    return _table_source(public, table, public.hub, None)


def _saved_table(public: PublicSet, folder: Path) -> RowTable | None:
    """The table in `folder` that `save_to_disk` wrote or that lies there as Parquet; None where there is neither."""
    datasets = optional("datasets", "data")
    saved = (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()
    files = sorted(folder.glob("*.parquet"))
    for file in folder.rglob("*") if saved else files:
        refuse_traps(file, folder)
    try:
        if saved:
            return _split(public, datasets.load_from_disk(str(folder)), folder)
        if files:
            from pyarrow import parquet

            arrow = parquet.read_table([str(file) for file in files])  # pyright: ignore[reportUnknownMemberType]
            return datasets.Dataset(datasets.table.InMemoryTable(arrow))
    except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"data directory {folder}: the data set in it cannot be read ({' '.join(str(error).split())[:200]})") from error
    return None


def _split(public: PublicSet, loaded: Any, folder: Path) -> RowTable:
    splits: dict[str, RowTable] | None = as_object(loaded)  # a DatasetDict is a dict by name of split
    if splits is None:
        return loaded
    if public.split in splits:
        return splits[public.split]
    if len(splits) == 1:
        return next(iter(splits.values()))
    raise UserError(f"data directory {folder}: expected a split {public.split!r} or a single one, found {', '.join(sorted(splits))}")


def _table_source(public: PublicSet, table: RowTable, title: str, folder: Path | None) -> Source:
    columns = frozenset(table.column_names)
    if "image" not in columns:
        raise UserError(f"{title}: expected a column 'image', found {', '.join(sorted(columns))}")
    if type(table.features["image"]).__name__ == "Image":
        table = table.cast_column("image", optional("datasets", "data").Image(decode=False))
    indices: dict[str, list[int]] = {}
    problems: list[Problem] = []
    for index in range(len(table)):
        family = _family_of(public, table, table[index])
        if family is None:
            problems.append(Problem(f"{title} row {index + 1}", "family: neither a column nor the path of the image names one"))
        else:
            indices.setdefault(family, []).append(index)
    rows = {name: partial(_table_rows, table, name, indices[name], title, folder) for name in public.families if name in indices}
    return Source(rows, columns, tuple(problems))


def _family_of(public: PublicSet, table: RowTable, cells: Mapping[str, Any]) -> str | None:
    """The family of a table row: by a column that names it, else by a path such as "images/clock/clock_0000.jpg"."""
    for column in _FAMILY_COLUMNS:
        value = cells.get(column)
        if isinstance(value, int):  # a ClassLabel
            names: Sequence[str] = getattr(table.features[column], "names", ())
            value = names[value] if 0 <= value < len(names) else None
        if isinstance(value, str):
            name = re.sub(r"[\s\-]+", "_", value.strip().casefold())
            if name in public.families:
                return name
    image = as_object(cells["image"]) or {"path": cells["image"]}
    paths: list[Any] = [image.get("path"), *(cells.get(column) for column in _PATH_COLUMNS)]
    for text in paths:
        if isinstance(text, str):
            path = PurePosixPath(text.replace("\\", "/"))
            for name in (path.parent.name, re.sub(r"[_\-]?\d+$", "", path.stem)):
                if name in public.families:
                    return name
    return None


def _table_rows(table: RowTable, family: str, indices: Sequence[int], title: str, folder: Path | None) -> Iterator[Row | Problem]:
    for index in indices:
        cells = table[index]
        fields = {name: _unpacked(value) for name, value in cells.items() if name != "image"}
        image = partial(_cell_image, table, index, cells["image"], family, folder)
        yield _row(family, index + 1, f"{title} row {index + 1}", fields, image)


def _unpacked(value: Any) -> Any:
    """A cell as plain data: nested values may be stored as JSON or as a Python literal, and Arrow fills absent struct fields with None."""
    if isinstance(value, str) and value[:1] in "[{" and value:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            pass
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return value
    return _without_none(value)


def _without_none(value: Any) -> Any:
    fields = as_object(value)
    return value if fields is None else {name: _without_none(item) for name, item in fields.items() if item is not None}


# -- images ----------------------------------------------------------------------------------------------------------------------------
def _cell_image(table: RowTable, index: int, cell: Any, family: str, folder: Path | None) -> ImageRef:
    stored = as_object(cell) or {"path": cell}
    if stored.get("bytes") is None:
        if folder is None:
            raise BadDataError("image: the row holds no bytes")
        return file_image(stored.get("path"), folder)
    name = PurePosixPath(str(stored.get("path") or f"row {index + 1}").replace("\\", "/")).name
    return ImageRef(f"{family}/{name}", partial(_cell_bytes, table, index))


def _cell_bytes(table: RowTable, index: int) -> bytes:
    return table[index]["image"]["bytes"]


def file_image(relative: Any, folder: Path, known: dict[str, ImageRef] | None = None) -> ImageRef:
    """A reference to the image at `relative` in `folder`.

    Rows that share `known` share the reference where they name one file, which is then read and looked at once.

    Raises:
        BadDataError: not a path, or one that leaves `folder`; a link that leaves it is refused when the picture is read.
    """
    if known is not None and isinstance(relative, str) and relative in known:
        return known[relative]
    if not isinstance(relative, str) or not relative or not relative.isprintable():
        raise BadDataError(f"image: expected a path, found {relative!r}")
    path = PurePosixPath(relative.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", relative):
        raise BadDataError(f"image: {relative!r} leads out of the data directory")
    found = ImageRef(str(path), partial(_file_bytes, folder / path, folder))
    if known is not None:
        known[relative] = found
    return found


def _file_bytes(path: Path, folder: Path) -> bytes:
    refuse_traps(path, folder)
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise BadDataError(f"{path.name}: expected an image, found something that is not a file")
    if about.st_size > MAX_IMAGE_BYTES:
        raise BadDataError(f"{path.name}: {about.st_size:,} bytes is above the bound of {MAX_IMAGE_BYTES:,}")
    return path.read_bytes()
