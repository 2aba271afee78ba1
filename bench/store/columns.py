"""`trials.jsonl` as columns: a million lines in seconds, without one Python object per record.

Blocks of whole lines go through Arrow's JSON reader. It reads less than JSON allows (no half surrogate pairs) and names no line, so a block
that it does not take is read again line by line, which is slow, takes everything that the store writes and says which line is wrong.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.degrade import Degradation
from bench.errors import UserError
from bench.mode import Mode
from bench.outcome import Format, Outcome
from bench.store.reader import LineFile, parse_line
from bench.store.schema import MAX_LEVEL, MAX_OPTIONS, MAX_REPLICATE, MAX_TOKENS, RecordLine, check_line
from bench.versions import SCHEMA

_BLOCK = 4_000_000
"""Bytes read at once: some 3,000 records of usual size. Four times as much is no faster, and takes 40 to 70 MB more."""
_PART = 1_000_000
_NEEDED = ("v", "key", "puzzle", "family", "suite", "model", "replicate")
_KNOWN = {name: {member.value for member in known} for name, known in (("mode", Mode), ("format", Format), ("outcome", Outcome))}
_TEXTS = ("puzzle", "family", "suite", "split", "model", "mode", "captioner", "format", "dose", "outcome")
"""Columns of few distinct values, which are stored as codes."""


def read_columns(file: LineFile) -> Any:
    """All records of `file` in the order written, as an Arrow table.

    Columns: key, the texts of `_TEXTS` as dictionary codes ("" for no captioner and no dose), level (0 for none), replicate, options (how
    many were to choose from), chosen and gold (place of the answer and of the right one among the options as shown, -1 for none),
    answered (whether the verdict holds an answer), sufficient, tokens_in, tokens_out.

    Raises:
        UserError: a line that is no record of this version; the message names file and line.
    """
    import pyarrow as pa

    parts: list[Any] = []
    first = 1
    for block in file.blocks(_BLOCK):
        parts.append(_columns(_parsed(block, file, first)))
        first += block.count(b"\n")
    schema = _columns(_arrow_schema().empty_table())
    return pa.concat_tables(parts or [schema]).unify_dictionaries()


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


def _parsed(block: bytes, file: LineFile, first: int) -> Any:
    """The table of a block whose first line has number `first`."""
    import pyarrow as pa
    from pyarrow import json

    source: Any = pa.BufferReader(block)  # which is a file, but is not declared as one
    try:
        if not block.isascii():
            block.decode()
        table = json.read_json(
            source,
            read_options=json.ReadOptions(block_size=min(_PART, len(block) + 1)),
            parse_options=json.ParseOptions(explicit_schema=_arrow_schema(), unexpected_field_behavior="ignore"),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return _line_by_line(block, file, first)
    return table if _sound(table) else _line_by_line(block, file, first)


def _compute() -> Any:
    """Arrow's functions on columns; their published types know no Python numbers and texts as arguments, so they are left untyped."""
    from pyarrow import compute

    return compute


def _sound(table: Any) -> bool:
    """Whether all rows keep to the schema of a record (`bench.store.schema`), as far as columns hold it."""
    pc: Any = _compute()
    verdict, options = table["verdict"], table["options"]
    texts = {"mode": table["mode"], "format": table["format"], "outcome": pc.struct_field(verdict, "outcome")}
    complete = [*(table[name] for name in _NEEDED), *texts.values(), options, pc.list_flatten(options), pc.struct_field(verdict, "gold")]
    if any(column.null_count for column in complete) or not pc.all(pc.equal(table["v"], SCHEMA)).as_py():
        return False
    if any(not set(pc.unique(texts[name]).to_pylist()) <= known for name, known in _KNOWN.items()):
        return False
    usage = [pc.struct_field(table["reply"], ["usage", name]) for name in ("input", "output")]
    choices = pc.filter(pc.list_value_length(options), pc.equal(table["format"], Format.MCQ.value))
    if len(choices) and not pc.min(choices).as_py():
        return False
    numbers = [(table["level"], MAX_LEVEL), (table["replicate"], MAX_REPLICATE), (pc.list_value_length(options), MAX_OPTIONS)]
    return all(_within(column, most) for column, most in [*numbers, *((column, MAX_TOKENS) for column in usage)]) and _doses_sound(table)


def _within(column: Any, most: int) -> bool:
    """Whether all numbers are from 0 to `most`; nulls are passed over."""
    bounds = _compute().min_max(column).as_py()
    return bounds["min"] is None or (bounds["min"] >= 0 and bounds["max"] <= most)


def _doses_sound(table: Any) -> bool:
    pc: Any = _compute()
    doses = table["dose"].drop_null() if table["dose"].null_count < len(table) else None
    if doses is None:
        return True
    kind, amount = (pc.struct_field(doses, name) for name in ("kind", "amount"))
    if kind.null_count or amount.null_count:
        return False
    try:
        for name, number in set(zip(kind.to_pylist(), amount.to_pylist(), strict=True)):
            Degradation.from_json({"kind": name, "amount": number})
    except ValueError:
        return False
    return True


def _line_by_line(block: bytes, file: LineFile, first: int) -> Any:
    import pyarrow as pa

    schema = _arrow_schema()
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), start=first):
        where = f"{file.path} line {number}"
        data = parse_line(line, where)
        check_line(RecordLine, data, where)
        rows.append({name: _storable(data.get(name)) for name in schema.names})
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise UserError(f"{file.path}: a record is not of this version ({str(error).splitlines()[0]})") from error


def _storable(value: Any) -> Any:
    """`value` with "?" for half surrogate pairs, which JSON can spell and Arrow cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_storable(item) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in cast(dict[str, Any], value).items()}
    return value


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
        "answered": pc.is_valid(pc.struct_field(verdict, "answer")),
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
