"""What a line of a run directory must hold: the one schema, for every reader.

Keys that a newer version added are let through, types are not bent: a text is no list of letters, a number is finite and within its bounds.
What a line may lack is what older versions and other tools leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, NotRequired, Required

from pydantic import AfterValidator, ConfigDict, Field, Strict, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic reads that of the standard library from Python 3.12 on

from bench.degrade import Degradation
from bench.errors import UserError
from bench.mode import Mode
from bench.models.base import Stop
from bench.outcome import Format, Outcome
from bench.versions import SCHEMA

MAX_LEVEL, MAX_REPLICATE, MAX_TOKENS, MAX_OPTIONS = 999, 999_999, 10**12, 9_999
"""Above these a number is a fault: tables are made of these sizes."""

Level = Annotated[int, Field(ge=0, le=MAX_LEVEL)]
Replicate = Annotated[int, Field(ge=0, le=MAX_REPLICATE)]
Tokens = Annotated[int, Field(ge=0, le=MAX_TOKENS)]
Options = Annotated[list[str], Field(max_length=MAX_OPTIONS)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Size = Annotated[list[Annotated[int, Field(ge=0, le=10**9)]], Field(min_length=2, max_length=2)]

_OPEN = ConfigDict(extra="allow", strict=True)


class UsageLine(TypedDict, total=False):
    """Tokens of a reply."""

    __pydantic_config__ = _OPEN  # pyright: ignore[reportGeneralTypeIssues] - pydantic reads it, TypedDict has no place for it
    input: Tokens
    output: Tokens
    reasoning: Tokens


class ReplyLine(TypedDict):
    """A reply; its text is there whatever else an old line lacks."""

    __pydantic_config__ = _OPEN  # pyright: ignore[reportGeneralTypeIssues]
    text: str
    stop: NotRequired[Annotated[Stop, Strict(False)]]
    usage: NotRequired[UsageLine]
    latency_s: NotRequired[Seconds]
    request_id: NotRequired[str | None]
    model: NotRequired[str | None]
    cached: NotRequired[bool]
    sent_px: NotRequired[Size | None]
    why: NotRequired[str | None]


class VerdictLine(TypedDict):
    """A verdict."""

    __pydantic_config__ = _OPEN  # pyright: ignore[reportGeneralTypeIssues]
    outcome: Annotated[Outcome, Strict(False)]
    answer: NotRequired[str | None]
    gold: NotRequired[str]
    how: NotRequired[str]


class FailureLine(TypedDict, total=False):
    """Why there is no reply."""

    __pydantic_config__ = _OPEN  # pyright: ignore[reportGeneralTypeIssues]
    kind: str
    message: str
    status: int | None


class _Outcome(TypedDict):
    outcome: Annotated[Outcome, Strict(False)]


class _Kind(TypedDict, total=False):
    kind: str


class ImageLine(TypedDict, total=False):
    """A picture as it was sent."""

    __pydantic_config__ = _OPEN  # pyright: ignore[reportGeneralTypeIssues]
    sha256: str
    sent_px: Size
    resized: bool
    changes: list[str]


class DoseLine(TypedDict):
    """What was done to a picture."""

    __pydantic_config__ = _OPEN  # pyright: ignore[reportGeneralTypeIssues]
    kind: str
    amount: Finite


def _known_dose(dose: DoseLine) -> DoseLine:
    Degradation.from_json(dose)
    return dose


class RecordLine(TypedDict):
    """A line of the trials."""

    __pydantic_config__ = _OPEN  # pyright: ignore[reportGeneralTypeIssues]
    v: int
    key: str
    puzzle: str
    family: str
    suite: str
    model: str
    mode: Annotated[Mode, Strict(False)]
    format: Annotated[Format, Strict(False)]
    replicate: Replicate
    verdict: VerdictLine
    captioner: NotRequired[str | None]
    caption_prompt: NotRequired[str | None]
    caption_key: NotRequired[str | None]
    prompt_sha: NotRequired[str | None]
    options: NotRequired[Options]
    level: NotRequired[Level | None]
    split: NotRequired[str | None]
    sufficient: NotRequired[bool | None]
    image: NotRequired[ImageLine | None]
    reply: NotRequired[ReplyLine | None]
    error: NotRequired[FailureLine | None]
    version: NotRequired[str]
    dose: NotRequired[Annotated[DoseLine, AfterValidator(_known_dose)] | None]


def _with_options(record: RecordLine) -> RecordLine:
    if record["format"] is Format.MCQ and record.get("options") == []:  # an older line may not say them
        raise ValueError("options: expected some to choose from, found none")
    return record


class EndOfTrial(TypedDict):
    """What a session that goes on must know of a record: `RecordLine` has the rest, which is passed over here, unread."""

    __pydantic_config__ = ConfigDict(extra="ignore", strict=True)  # pyright: ignore[reportGeneralTypeIssues]
    v: int
    key: str
    verdict: _Outcome
    error: NotRequired[_Kind | None]


class CaptionEnd(TypedDict):
    """What a session that goes on must know of a caption before it needs its text."""

    __pydantic_config__ = ConfigDict(extra="ignore", strict=True)  # pyright: ignore[reportGeneralTypeIssues]
    key: str
    error: NotRequired[_Kind | None]


class CaptionLine(TypedDict):
    """A line of the captions."""

    __pydantic_config__ = _OPEN  # pyright: ignore[reportGeneralTypeIssues]
    key: str
    puzzle: NotRequired[str | None]
    captioner: NotRequired[str | None]
    model: NotRequired[str | None]
    prompt: NotRequired[str | None]
    replicate: NotRequired[Replicate]
    text: NotRequired[str | None]
    image: NotRequired[ImageLine | None]
    reply: NotRequired[ReplyLine | None]
    error: NotRequired[FailureLine | None]


class SourceLine(TypedDict, total=False):
    """Where a puzzle's picture comes from."""

    __pydantic_config__ = _OPEN  # pyright: ignore[reportGeneralTypeIssues]
    source: Required[str]
    drawn: bool


class PuzzleLine(TypedDict):
    """A line of the puzzles."""

    __pydantic_config__ = _OPEN  # pyright: ignore[reportGeneralTypeIssues]
    id: str
    family: NotRequired[str]
    suite: NotRequired[str]
    question: NotRequired[str]
    options: NotRequired[Options]
    answer: NotRequired[str]
    image: NotRequired[SourceLine]
    further: NotRequired[list[SourceLine]]
    state: NotRequired[dict[str, Any] | None]
    description: NotRequired[str | None]
    level: NotRequired[Level | None]
    seed: NotRequired[int | None]
    split: NotRequired[str]
    sufficient: NotRequired[bool]


_NAMES: dict[type, str] = {RecordLine: "record", CaptionLine: "caption", PuzzleLine: "puzzle"}


def glance(kind: type, line: bytes) -> Any | None:
    """The fields of `kind` (`EndOfTrial` or `CaptionEnd`) in a line, at a fifth of the price of the whole.

    None where they cannot be told so: the line is damaged, or spells what only `parse_line` takes (half a surrogate pair).
    """
    try:
        return _adapter(kind).validate_json(line)
    except ValidationError:
        return None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[RecordLine, AfterValidator(_with_options)] if kind is RecordLine else kind)


def check_line(kind: type, data: Mapping[str, Any], where: str) -> None:
    """See that `data` is a line of `kind` (`RecordLine`, `CaptionLine` or `PuzzleLine`).

    Raises:
        UserError: it is none; the message begins with `where` and names the first field that is wrong.
    """
    version = data.get("v")
    if kind is RecordLine and version != SCHEMA:
        raise UserError(f"{where}: a record of schema version {version!r}, and this sightgap reads {SCHEMA}; {_advice(version)}")
    try:
        _adapter(kind).validate_python(data)
    except ValidationError as error:
        raise UserError(f"{where}: {_why(error, _NAMES[kind])}") from error


def _advice(version: object) -> str:
    if isinstance(version, int) and version > SCHEMA:
        return "a newer sightgap wrote it: update this one"
    return "report it with the version that wrote it, or run it again"


def _why(error: ValidationError, what: str) -> str:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":  # one of ours, which says it all
        return f"not a {what} of this version ({first.get('ctx', {}).get('error')})"
    found = repr(first["input"])
    shown = found if len(found) <= 60 else f"{found[:57]}..."
    if first["type"] == "missing":
        return f"not a {what} of this version (it has no {str(first['loc'][-1])!r})"
    if first["type"] == "enum":
        return f"{path} {shown} is not known to this sightgap; a newer one wrote it: update this one"
    return f"not a {what} of this version ({path}: {first['msg'][:1].lower()}{first['msg'][1:]}, found {shown})"
