"""The picture of a row, as tables of the user's own hold it: a path beside the data, bytes, base64, a `data:` URL, datasets' `Image`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, cast

from bench.errors import BadDataError
from bench.image import ImageRef
from tasks.custom.answers import shown
from tasks.custom.source import LateCell
from tasks.public.rows import as_object, file_image

_LONGEST_PATH = 1024
_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")


def picture(cell: Any, column: str, where: str, folder: Path | None, known: dict[str, ImageRef] | None = None) -> ImageRef:
    """A reference to the one picture that `cell` holds; paths are relative to `folder`.

    Rows that share `known` share the reference to a file.

    Raises:
        BadDataError: no picture, several, or one that must be fetched; the message names the column.
    """
    if isinstance(cell, LateCell):
        return ImageRef(_source(cell.name, where), cell.load)
    if isinstance(cell, bytes | bytearray):
        return _held(bytes(cell), where)
    stored = as_object(cell)
    if stored is not None:
        return _stored(stored, column, where, folder, known)
    if isinstance(cell, str):
        return _text(cell, column, where, folder, known)
    if isinstance(cell, list | tuple):
        number = len(cast("Sequence[Any]", cell))
        raise BadDataError(f"{column}: {number} pictures in one question; map them as --columns images={column} to send them in order")
    raise BadDataError(f"{column}: expected a picture (a path, base64 or bytes), found {shown(cell)}")


def _stored(stored: Mapping[str, Any], column: str, where: str, folder: Path | None, known: dict[str, ImageRef] | None = None) -> ImageRef:
    data, path = stored.get("bytes"), stored.get("path")
    if isinstance(data, bytes):
        return ImageRef(_source(str(path), where) if path else where, partial(bytes, data))
    if isinstance(path, str):
        return _text(path, column, where, folder, known)
    raise BadDataError(f"{column}: expected a picture (a path, base64 or bytes), found {shown(dict(stored))}")


def _text(text: str, column: str, where: str, folder: Path | None, known: dict[str, ImageRef] | None = None) -> ImageRef:
    url = _DATA_URL.match(text)
    if url is not None:
        return _held(_decoded(text[url.end() :], column), where)
    if re.match(r"https?://", text, re.IGNORECASE):
        raise BadDataError(f"{column}: {text[:60]!r} is an address: fetch the picture first, and give its path beside the data")
    if len(text) > _LONGEST_PATH and _BASE64.fullmatch(text):
        return _held(_decoded(text, column), where)
    if text.startswith("["):
        raise BadDataError(f"{column}: several pictures in one question; map them as --columns images={column} to send them in order")
    if folder is None:
        raise BadDataError(f"{column}: the row holds no picture but a path ({text[:60]!r})")
    try:
        found = file_image(text, folder, known)
    except BadDataError as error:
        raise BadDataError(f"{column}{str(error).removeprefix('image')}") from error
    if not (folder / PurePosixPath(text.replace("\\", "/"))).is_file() and len(text) > 40 and _BASE64.fullmatch(text):
        return _held(_decoded(text, column), where)
    return found


def _decoded(text: str, column: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadDataError(f"{column}: not base64 ({error})") from error


def _held(data: bytes, where: str) -> ImageRef:
    return ImageRef(where, partial(bytes, data))


def _source(name: str, where: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name or where
