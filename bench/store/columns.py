"""`trials.jsonl` as columns: a million lines in seconds, without one Python object per record.

Blocks of whole lines go through Arrow's JSON reader. It reads less than JSON allows (no half surrogate pairs) and names no line, so a block
that it does not take is read again line by line, which is slow, takes everything that the store writes and says which line is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.errors import UserError
from bench.versions import SCHEMA

_BLOCK = 48_000_000
"""Bytes read at once: some 30,000 records of usual size."""
_PART = 4_000_000
_NEEDED = ("v", "key", "puzzle", "family", "suite", "model", "mode", "format", "replicate", "outcome")
_TEXTS = ("puzzle", "family", "suite", "split", "model", "mode", "captioner", "format", "dose", "outcome")
"""Columns of few distinct values, which are stored as codes."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a file gave: the table of its records, and whether its last line is torn (it is being written, and is left out)."""

    table: Any
    torn: bool


def read_columns(path: Path) -> Read:
    """All records of `path` in the order written, as an Arrow table.

    Columns: key, the texts of `_TEXTS` as dictionary codes ("" for no captioner and no dose), level (0 for none), replicate, options (how
    many were to choose from), chosen and gold (place of the answer and of the right one among the options as shown, -1 for none),
    sufficient, tokens_in, tokens_out.

    Raises:
        UserError: a line that is no record of this version; the message names file and line.
    """
    import pyarrow as pa

    parts: list[Any] = []
    first, torn = 1, False
    for block in _blocks(path):
        whole, torn = _whole(block)
        if whole:
            parts.append(_columns(_parsed(whole, path, first)))
        first += whole.count(b"\n")
    schema = _columns(_arrow_schema().empty_table())
    return Read(pa.concat_tables(parts or [schema]).unify_dictionaries(), torn)


def _blocks(path: Path) -> Iterator[bytes]:
    """Blocks that end with a line break; the last ends as the file does."""
    with path.open("rb") as reader:
        rest = b""
        while block := reader.read(_BLOCK):
            block = rest + block
            cut = block.rfind(b"\n") + 1
            rest = block[cut:]
            if cut:
                yield block[:cut]
        if rest:
            yield rest


def _whole(block: bytes) -> tuple[bytes, bool]:
    """`block` without a torn last line, and whether there was one."""
    if block.endswith(b"\n"):
        return block, False
    cut = block.rfind(b"\n") + 1
    try:
        json.loads(block[cut:])
    except ValueError:
        return block[:cut], True
    return block, False


def _arrow_schema() -> Any:
    import pyarrow as pa

    text, whole = pa.string(), pa.int64()
    usage = pa.struct([("input", whole), ("output", whole)])
    verdict = pa.struct([("outcome", text), ("answer", text), ("gold", text)])
    names = ("key", "puzzle", "family", "suite", "split", "model", "mode", "captioner", "caption_prompt", "format")
    return pa.schema(
        [
            ("v", whole),
            *((name, text) for name in names),
            ("level", whole),
            ("replicate", whole),
            ("options", pa.list_(text)),
            ("sufficient", pa.bool_()),
            ("dose", pa.struct([("kind", text), ("amount", pa.float64())])),
            ("reply", pa.struct([("usage", usage)])),
            ("verdict", verdict),
        ]
    )


def _parsed(block: bytes, path: Path, first: int) -> Any:
    """The table of a block whose first line has number `first`."""
    import pyarrow as pa
    from pyarrow import json

    source: Any = pa.BufferReader(block)  # which is a file, but is not declared as one
    try:
        table = json.read_json(
            source,
            read_options=json.ReadOptions(block_size=min(_PART, len(block) + 1)),
            parse_options=json.ParseOptions(explicit_schema=_arrow_schema(), unexpected_field_behavior="ignore"),
        )
    except pa.ArrowInvalid:
        return _line_by_line(block, path, first)
    return table if _sound(table) else _line_by_line(block, path, first)


def _compute() -> Any:
    """Arrow's functions on columns; their published types know no Python numbers and texts as arguments, so they are left untyped."""
    from pyarrow import compute

    return compute


def _sound(table: Any) -> bool:
    pc: Any = _compute()
    outcomes = pc.struct_field(table["verdict"], "outcome")
    complete = all(table[name].null_count == 0 for name in _NEEDED if name != "outcome") and outcomes.null_count == 0
    return complete and bool(pc.all(pc.equal(table["v"], SCHEMA)).as_py())


def _line_by_line(block: bytes, path: Path, first: int) -> Any:
    import pyarrow as pa

    schema = _arrow_schema()
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(block.splitlines(), start=first):
        where = f"{path} line {number}"
        try:
            data = _storable(json.loads(line))
        except ValueError as error:
            raise UserError(f"{where}: not a JSON line ({error})") from error
        row = _checked(data, where, schema.names)
        try:
            pa.RecordBatch.from_pylist([row], schema=schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError, AttributeError) as error:
            raise UserError(f"{where}: not a record of this version ({str(error).splitlines()[0]})") from error
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=schema)


def _storable(value: Any) -> Any:
    """`value` with "?" for half surrogate pairs, which JSON can spell and Arrow cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_storable(item) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in cast(dict[str, Any], value).items()}
    return value


def _checked(data: Any, where: str, names: list[str]) -> dict[str, Any]:
    """The fields of one line that are columns.

    Raises:
        UserError: it is no object, of another version, or lacks what every record has.
    """
    if not isinstance(data, dict):
        raise UserError(f"{where}: expected a JSON object, found {type(data).__name__}")
    found = cast(Mapping[str, Any], data)
    version = found.get("v")
    if version != SCHEMA:
        newer = isinstance(version, int) and version > SCHEMA
        advice = "a newer sightgap wrote it: update this one" if newer else "report it with the version that wrote it, or run it again"
        raise UserError(f"{where}: a record of schema version {version!r}, and this sightgap reads {SCHEMA}; {advice}")
    verdict = found.get("verdict")
    outcome = cast(dict[str, Any], verdict).get("outcome") if isinstance(verdict, dict) else None
    missing = [name for name in _NEEDED if (outcome if name == "outcome" else found.get(name)) is None]
    if missing:
        raise UserError(f"{where}: not a record of this version (it has no {missing[0]!r})")
    return {name: found.get(name) for name in names}


def _columns(table: Any) -> Any:
    """The columns that `read_columns` documents, of a parsed table."""
    import pyarrow as pa

    pc: Any = _compute()
    verdict = table["verdict"]
    prompt = pc.coalesce(table["caption_prompt"], "plain")
    captioner = pc.binary_join_element_wise(table["captioner"], pc.if_else(pc.equal(prompt, ""), "plain", prompt), "/")
    no_captioner = pc.equal(pc.coalesce(table["captioner"], ""), "")
    texts = {
        **{name: table[name] for name in ("puzzle", "family", "suite", "model", "mode", "format")},
        "split": pc.coalesce(table["split"], "eval"),
        "captioner": pc.if_else(no_captioner, "", captioner),
        "dose": _doses(table["dose"]),
        "outcome": pc.struct_field(verdict, "outcome"),
    }
    options = table["options"].combine_chunks()
    usage = {name: pc.struct_field(table["reply"], ["usage", name]) for name in ("input", "output")}
    numbers = {
        "level": pc.coalesce(table["level"], 0).cast(pa.int16()),
        "replicate": table["replicate"].cast(pa.int32()),
        "options": pc.coalesce(pc.list_value_length(options), 0).cast(pa.int16()),
        "chosen": pa.array(_place(options, pc.struct_field(verdict, "answer"))),
        "gold": pa.array(_place(options, pc.struct_field(verdict, "gold"))),
        "sufficient": pc.coalesce(table["sufficient"], pa.scalar(True)),
        "tokens_in": pc.coalesce(usage["input"], 0),
        "tokens_out": pc.coalesce(usage["output"], 0),
    }
    codes = {name: pc.dictionary_encode(texts[name]) for name in _TEXTS}
    return pa.table({"key": table["key"], **codes, **numbers})


def _doses(column: Any) -> Any:
    """A dose as text, `blur=2`; "" for none. Almost always there is none in a block."""
    import pyarrow as pa

    if column.null_count == len(column):
        return pa.chunked_array([pa.array([""] * len(column), pa.string())])
    return pa.chunked_array([pa.array([f"{dose['kind']}={dose['amount']:g}" if dose else "" for dose in column.to_pylist()], pa.string())])


def _place(options: Any, answers: Any) -> NDArray[np.int16]:
    """(records,) the place of each answer in its list of options; -1 where it is not in it."""
    pc: Any = _compute()
    place = np.full(len(options), -1, np.int16)
    owner = pc.list_parent_indices(options)
    hits = pc.coalesce(pc.equal(pc.list_flatten(options), answers.combine_chunks().take(owner)), False).to_numpy(zero_copy_only=False)
    rows: NDArray[np.int64] = owner.to_numpy()
    place[rows[hits]] = np.flatnonzero(hits) - np.searchsorted(rows, rows[hits])
    return place
