"""How what a person wrote for an option becomes its value: text from a command line, lists from a file, objects from Python.

Each reader takes anything and returns what the option's type accepts, or raises `ValueError` with what was expected and what was found.
"""

from __future__ import annotations

import json
import re
import typing
from typing import Any

from bench.defaults import AUTO
from bench.degrade import parse_doses
from bench.errors import UserError
from bench.mode import DIAGNOSE, Mode
from bench.models.base import LEVELS
from bench.prompt import CAPTION_PROMPTS
from bench.suggest import did_you_mean
from tasks.custom.columns import parse_columns

REASONING = ("off", *LEVELS)


def _sequence(value: object) -> list[Any] | None:
    """The items of a list or tuple, None of anything else."""
    return list(typing.cast("list[Any]", value)) if isinstance(value, list | tuple) else None


def read_listed(value: object) -> object:
    """Distinct parts in their order, of "a,b" and of ["a", "b"] alike."""
    parts = _sequence(value.split(",") if isinstance(value, str) else value)
    if parts is None:
        return value
    return tuple(dict.fromkeys(part.strip() if isinstance(part, str) else part for part in parts if part != ""))


def read_one_or_more(value: object) -> object:
    """A single name, whose parameters may hold commas ("sim/p=0.6,r=0.9"), or a list of names."""
    if isinstance(value, str):
        return (value,)
    parts = _sequence(value)
    return value if parts is None else tuple(parts)


def read_modes(value: object) -> object:
    """Names of modes, one or several, as distinct modes in their order; "diagnose" stands for the arms of the diagnosis."""
    names = _sequence(read_listed(value))
    known = ["diagnose", *(mode.value for mode in Mode)]
    if not names:
        raise ValueError(f"expected some of {', '.join(known)}, found {value!r}")
    for name in names:
        if name not in known:
            raise ValueError(f"expected some of {', '.join(known)}, found {name!r}{did_you_mean(str(name), known)}")
    arms = [DIAGNOSE if name == "diagnose" else (name,) for name in names]
    return tuple(dict.fromkeys(mode for part in arms for mode in part))


def read_concurrency(value: object) -> object:
    """A number of requests at once, or "auto"."""
    number = value if value == AUTO else read_int(value)
    if isinstance(number, str) and number.removeprefix("-").isdecimal():  # as the command line has it
        number = int(number)
    if number != AUTO and (not isinstance(number, int) or isinstance(number, bool)):
        raise ValueError(f"expected a whole number or {AUTO}, found {value!r}")
    if isinstance(number, int) and number < 1:
        raise ValueError(f"expected at least 1 or {AUTO}, found {number}")
    return number


def read_columns(value: object) -> object:
    """Columns of a table of the user's own, "image=file,question=q" or {"image": "file"}, as text."""
    if isinstance(value, dict):
        value = ",".join(f"{name}={column}" for name, column in typing.cast("dict[str, str]", value).items())
    if isinstance(value, str):
        try:
            parse_columns(value)
        except UserError as error:
            raise ValueError(str(error).removeprefix("--columns: ")) from None
    return value


def read_shard(value: object) -> object:
    """Of "i/n", this machine's part i of n, counted from 1."""
    if not isinstance(value, str):
        return value
    part, _, whole = value.partition("/")
    if not (part.isdecimal() and whole.isdecimal() and 1 <= int(part) <= int(whole)):
        raise ValueError(f"expected i/n with 1 <= i <= n, found {value!r}")
    return int(part), int(whole)


def read_reasoning(value: object) -> object:
    """A level by name, or a number of tokens."""
    if value is None or value in REASONING:
        return value
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, int) and not isinstance(number, bool) and number > 0:
        return number
    raise ValueError(f"expected {', '.join(REASONING)} or a number of tokens, found {value!r}")


def read_object(value: object) -> object:
    """A JSON object, as text or as it is."""
    found: object = value
    if isinstance(value, str):
        try:
            found = json.loads(value)
        except ValueError:
            raise ValueError(f"expected a JSON object, found {value!r}") from None
    if found is None or isinstance(found, dict):
        return typing.cast("dict[str, Any] | None", found)
    raise ValueError(f"expected a JSON object, found {value!r}")


def read_headers(value: object) -> object:
    """`NAME=VALUE`, one or more, or a mapping of names to values. No message repeats a value, which may be a key."""
    if isinstance(value, dict):
        value = [f"{name}={content}" for name, content in typing.cast("dict[str, str]", value).items()]
    texts = [value] if isinstance(value, str) else _sequence(value)
    if texts is None:
        return value
    for text in texts:
        name, equals, content = str(text).partition("=")
        if re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is None or not equals or not content.isprintable():
            raise ValueError("expected NAME=VALUE, a header's name and what it holds")
    return tuple(str(text) for text in texts)


def read_caption_prompt(value: object) -> object:
    """The name of a caption prompt."""
    if value is not None and value not in CAPTION_PROMPTS:
        raise ValueError(f"expected one of {', '.join(CAPTION_PROMPTS)}, found {value!r}")
    return value


def read_doses(value: object) -> object:
    """Damages such as "blur=1,2,4", each dose written out."""
    texts = [value] if isinstance(value, str) else _sequence(value)
    if texts is None:
        return value
    return tuple(str(dose) for dose in parse_doses([str(text) for text in texts]))


def read_int(value: object) -> object:
    """Python counts True as 1; a person who writes it for a number made a mistake."""
    if isinstance(value, bool):
        raise ValueError(f"expected a whole number, found {value}")
    return value
