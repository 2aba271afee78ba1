"""Where a suite of the user's own lies, and its raw rows: a file, a folder, or a data set of the hub.

Every format is read by the library that is made for it: Parquet and the folders of `datasets` by `datasets`, sheets (CSV, TSV, Excel) by
pandas; a JSON-lines file is read line by line, so that a bad line is named and bounded. Nothing is judged here beyond whether a row can be
read at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.errors import BadDataError, UserError
from bench.extras import optional
from bench.suggest import did_you_mean
from tasks.custom.columns import CONFIG, Wishes, read_wishes
from tasks.custom.sheets import sheet_rows
from tasks.links import refuse_traps
from tasks.public.rows import Problem, RowTable, as_object, json_object, numbered_lines

MAX_LINE = 32_000_000
"""Longest line of a JSON-lines file that is read, in bytes: pictures may stand in it as base64."""

HUB = "hub:"
_SHEETS = (".csv", ".tsv", ".xlsx")
_LINES = (".jsonl", ".ndjson")
SUFFIXES = (*_LINES, *_SHEETS, ".parquet")
"""What a file of puzzles may be called."""

_TAIL = re.compile(r"^(?P<path>.+?):(?P<tail>[a-z_]+=[^/\\]*)$")
_PARAMETERS = ("split", "config", "n")


@dataclass(frozen=True)
class RawRow:
    """One row as stored: the fields by column, `where` ("sheet.csv line 3") and its number from 1.

    A cell may hold a `LateCell` where a picture is read only when it is looked at.
    """

    where: str
    number: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LateCell:
    """The bytes of a picture in a table that is not held in memory; `name` is what the table calls it."""

    name: str
    load: Callable[[], bytes]


@dataclass(frozen=True)
class OpenedTable:
    """A table of the user's own.

    Attributes:
        title: its name for messages.
        name: the suite's name, as a folder or file suggests it.
        columns: names of its columns; None where every row decides for itself.
        rows: starts reading.
        folder: what paths of pictures are relative to; None on the hub.
        wishes: what a `suite.toml` and the parameters say.
        split: the part of a data set that this is, where it was chosen or is the only one with a name.
    """

    title: str
    name: str
    columns: Sequence[str] | None
    rows: Callable[[], Iterator[RawRow | Problem]]
    folder: Path | None
    wishes: Wishes
    split: str | None = None


def is_custom(text: str) -> bool:
    """Whether `text` is written like a suite of the user's own: a hub id, a path with a separator or a known ending, or what exists."""
    path = _split_tail(text)[0]
    if text.startswith(HUB) or "/" in path or "\\" in path:
        return True
    return Path(path).suffix.casefold() in (*SUFFIXES, ".json") or Path(path).exists()


def parameters(text: str) -> dict[str, str]:
    """The parameters behind a path or hub id ("data.csv:split=test,n=5").

    Raises:
        UserError: an unknown one.
    """
    found: dict[str, str] = {}
    for part in filter(None, _split_tail(text)[1].split(",")):
        key, _, value = part.partition("=")
        if key not in _PARAMETERS:
            raise UserError(f"suite parameter {key!r} is unknown{did_you_mean(key, _PARAMETERS)}: expected {', '.join(_PARAMETERS)}")
        found[key] = value
    return found


def _split_tail(text: str) -> tuple[str, str]:
    match = _TAIL.match(text)
    if match is None or (not text.startswith(HUB) and Path(text).exists()):
        return text, ""
    return match["path"], match["tail"]


def open_table(text: str, data_dir: Path | None = None) -> OpenedTable:
    """The table that `text` names: "hub:ORG/NAME[@REV]", or the path of a file or folder, also under `data_dir`.

    Raises:
        UserError: nothing is there, or nothing that can be read as a table.
    """
    place = _split_tail(text)[0]
    found = parameters(text)
    split, config = found.get("split"), found.get("config")
    if place.startswith(HUB):
        return _hub(place.removeprefix(HUB), Wishes(split=split, config=config))
    path = Path(place).expanduser()
    if not path.exists() and data_dir is not None and (data_dir / path).exists():
        path = data_dir / path
    try:
        return _local(path, split)
    except OSError as error:
        raise UserError(f"suite {path} cannot be read ({error.strerror or error})") from error


def _local(path: Path, split: str | None) -> OpenedTable:
    if not path.exists():
        raise UserError(f"suite {path} does not exist: expected a file ({', '.join(SUFFIXES)}), a folder, or hub:ORG/NAME")
    if not (path.is_file() or path.is_dir()):
        raise UserError(f"suite {path} is no file")
    folder = path if path.is_dir() else path.parent
    config = folder / CONFIG
    refuse_traps(config, folder)
    wishes = read_wishes(config) if config.is_file() else Wishes()
    if not path.is_dir() and wishes.data not in (None, path.name):
        wishes = Wishes()  # it speaks of another file
    wishes = replace(wishes, split=split or wishes.split)
    if path.is_dir():
        return _folder(path, wishes)
    return _file(path, path.stem, wishes)


def _folder(folder: Path, wishes: Wishes) -> OpenedTable:
    name = folder.resolve().name
    if wishes.data is not None:
        path = folder / wishes.data
        if not path.is_file():
            raise UserError(f"{folder / CONFIG}: data: {wishes.data!r} is not in the folder")
        refuse_traps(path, folder)
        return _file(path, name, wishes)
    datasets = optional("datasets", "data")
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        for file in folder.rglob("*"):
            refuse_traps(file, folder)
        return _table(folder.name, name, _reading(str(folder), lambda: datasets.load_from_disk(str(folder))), folder, wishes)
    for place in (folder, folder / "data"):
        files = sorted(place.glob("*.parquet"))
        for file in files:
            refuse_traps(file, folder)
        if files:
            return _parquet(files, folder.name, name, folder, wishes)
    files = [path for path in sorted(folder.iterdir()) if path.suffix.casefold() in SUFFIXES and not path.name.startswith(".")]
    if len(files) == 1:
        refuse_traps(files[0], folder)
        return _file(files[0], name, wishes)
    found = f"found several ({', '.join(path.name for path in files[:6])}): name one" if files else "found none"
    raise UserError(f"suite {folder}: expected one file of rows ({', '.join(SUFFIXES)}) or a folder that datasets wrote, {found}")


def _file(path: Path, name: str, wishes: Wishes) -> OpenedTable:
    suffix = path.suffix.casefold()
    if suffix == ".parquet":
        return _parquet([path], path.name, name, path.parent, wishes)
    if suffix in _SHEETS:
        columns, rows = sheet_rows(path)
        made = partial(_sheet, path.name, rows)
        return OpenedTable(path.name, name, columns, made, path.parent, wishes)
    if suffix in _LINES:
        return OpenedTable(path.name, name, None, partial(_json_lines, path), path.parent, wishes)
    advice = "; write one JSON object a line, and call it .jsonl" if suffix == ".json" else ""
    raise UserError(f"suite {path}: expected a file that ends in {', '.join(SUFFIXES)}{advice}")


def _sheet(title: str, rows: Iterator[tuple[int, Mapping[str, Any]]]) -> Iterator[RawRow | Problem]:
    for number, (line, fields) in enumerate(rows, 1):
        yield RawRow(f"{title} line {line}", number, fields)


def _json_lines(path: Path) -> Iterator[RawRow | Problem]:
    number = 0
    for line_number, line in numbered_lines(path, MAX_LINE):
        if line is not None and not line.strip():
            continue
        number += 1
        where = f"{path.name} line {line_number}"
        try:
            yield RawRow(where, number, json_object(line, MAX_LINE))
        except BadDataError as error:
            yield Problem(where, str(error))


# -- tables of datasets ------------------------------------------------------------------------------------------------------------------
def _parquet(files: Sequence[Path], title: str, name: str, folder: Path, wishes: Wishes) -> OpenedTable:
    def read() -> Any:
        datasets, parquet = optional("datasets", "data"), optional("pyarrow.parquet", "data")
        return datasets.Dataset(datasets.table.InMemoryTable(parquet.read_table([str(file) for file in _of_split(files, wishes.split)])))

    return _table(title, name, _reading(title, read), folder, wishes)


def _of_split(files: Sequence[Path], split: str | None) -> Sequence[Path]:
    """The files of one split, where their names say so as those of the hub do ("test-00000-of-00001.parquet")."""
    named = [file for file in files if split is not None and re.match(rf"{re.escape(split)}[-.]", file.name)]
    return named or files


@contextmanager
def hub_unasked() -> Generator[None]:
    """Within it a data set of the hub is what this machine keeps of it, and nothing is asked of the hub.

    Raises:
        MissingExtraError: the package that reads data sets is not installed.
    """
    config = optional("datasets", "data").config
    before, config.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before


def _hub(text: str, wishes: Wishes) -> OpenedTable:
    repository, _, revision = text.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise UserError(f"suite hub:{text}: expected hub:ORG/NAME or hub:ORG/NAME@REVISION")
    table = _reading(
        f"hub:{repository}",
        lambda: optional("datasets", "data").load_dataset(repository, wishes.config, split=None, revision=revision or None),
    )
    return _table(repository, repository.replace("/", "--"), table, None, wishes)


def _reading(title: str, load: Callable[[], Any]) -> Any:
    """What `load` gives, every way in which a library says that it cannot turned into one line."""
    datasets, arrow = optional("datasets", "data"), optional("pyarrow", "data")
    # no network, an unknown data set or file (OSError), a failed build, a file of another kind; refused sockets raise RuntimeError
    known = (OSError, ValueError, KeyError, RuntimeError, NotImplementedError, datasets.exceptions.DatasetsError, arrow.ArrowException)
    try:
        return load()
    except known as error:
        raise UserError(f"suite {title} cannot be loaded ({' '.join(str(error).split())[:200] or type(error).__name__})") from error


def _table(title: str, name: str, loaded: Any, folder: Path | None, wishes: Wishes) -> OpenedTable:
    table, split = _one_split(title, loaded, wishes.split)
    features = table.features
    for column, feature in features.items():
        table = _undecoded(table, column, feature)
    return OpenedTable(title, name, list(table.column_names), partial(_table_rows, table, features, title), folder, wishes, split)


def _one_split(title: str, loaded: Any, split: str | None) -> tuple[RowTable, str | None]:
    splits: dict[str, RowTable] | None = as_object(loaded)  # a DatasetDict is a dict by name of split
    if splits is None:
        return loaded, None
    if split is not None and split in splits:
        return splits[split], split
    if split is None and len(splits) == 1:
        name, table = next(iter(splits.items()))
        return table, name
    found = ", ".join(sorted(splits))
    wanted = f"there is no split {split!r}{did_you_mean(split, splits)}" if split else f'name one split (as "{title}:split=NAME")'
    raise UserError(f"suite {title}: {wanted}: found {found}")


def _undecoded(table: RowTable, column: str, feature: Any) -> RowTable:
    """`table` with the pictures of a column left as bytes."""
    datasets = optional("datasets", "data")
    inner = getattr(feature, "feature", None)
    if type(feature).__name__ == "Image":
        return table.cast_column(column, datasets.Image(decode=False))
    if type(inner).__name__ == "Image":
        return table.cast_column(column, datasets.List(datasets.Image(decode=False)))
    return table


def _table_rows(table: RowTable, features: Mapping[str, Any], title: str) -> Iterator[RawRow | Problem]:
    labels = {name: feature.names for name, feature in features.items() if type(feature).__name__ == "ClassLabel"}
    for index in range(len(table)):
        cells = dict(table[index])
        for column, names in labels.items():
            if isinstance(cells[column], int) and 0 <= cells[column] < len(names):
                cells[column] = names[cells[column]]
        fields = {column: _late(table, index, column, cell) for column, cell in cells.items()}
        yield RawRow(f"{title} row {index + 1}", index + 1, fields)


def _late(table: RowTable, index: int, column: str, cell: Any) -> Any:
    """A cell, with the bytes of a picture left in the table."""
    stored = as_object(cell)
    if stored is None or set(stored) != {"bytes", "path"} or stored["bytes"] is None:
        return cell
    return LateCell(str(stored["path"] or f"row {index + 1}"), lambda: table[index][column]["bytes"])
