"""Sheets (CSV, TSV, Excel) as rows of text, read by pandas, each with the line of the file that it begins on."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.errors import UserError


def sheet_rows(path: Path) -> tuple[list[str], Iterator[tuple[int, Mapping[str, Any]]]]:
    """The names of the columns, and (line, cells by column) of every row that is not blank. Cells are text; an empty one is None.

    Raises:
        UserError: it is no such sheet: not UTF-8, rows longer than the header, an open quotation mark, no header.
    """
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row that is longer than the header would lose its end
            frame = _read(path)
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path.name}: cannot be read as a sheet ({' '.join(str(error).split())[:200]})") from error
    columns = [str(name) for name in frame.columns]
    return columns, _rows(frame.to_dict("records"), columns)


def _read(path: Path) -> Any:
    import pandas as pd

    if path.suffix.casefold() == ".xlsx":
        return pd.read_excel(path, dtype=str, keep_default_na=False)  # pyright: ignore[reportUnknownMemberType]
    separator = "\t" if path.suffix.casefold() == ".tsv" else ","
    return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False, encoding="utf-8-sig")


def _rows(records: list[Any], columns: list[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    line = 2 + sum(name.count("\n") for name in columns)
    for record in records:
        cells = {str(name): value if isinstance(value, str) and value != "" else None for name, value in record.items()}
        if any(value is not None for value in cells.values()):
            yield line, cells
        line += 1 + sum(value.count("\n") for value in cells.values() if value is not None)
