"""A record: a trial, the reply and the verdict; one line of `trials.jsonl`.

The raw text of a reply is never altered; the verdict can be derived again from the record alone (`regrade`), which is why it carries the
question's options in the order shown. Keys that a newer version wrote are kept out of the way when an older one reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from bench.degrade import Degradation
from bench.image import Picture
from bench.models.base import Reply, Stop, Usage
from bench.outcome import Outcome, Verdict
from bench.versions import SCHEMA

CAPTION_ANSWERS = ("Refused", "Truncated", "Empty", "MissingCaption")
"""Kinds of failure in which the captioner had its say, or the set has none; all others are trouble, and asked again."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial has no reply: the class of the error, its message (never with a key in it) and the HTTP status, if any."""

    kind: str
    message: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class SentImage:
    """The image of a request: hash of the encoded bytes sent, size in px as sent, whether it was resized, and what was done to it."""

    sha256: str
    sent_px: tuple[int, int]
    resized: bool
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, picture: Picture) -> SentImage:
        """What is recorded of `picture`."""
        return cls(picture.sha256, (picture.width, picture.height), picture.resized, picture.changes)

    def as_seen(self, reply: Reply) -> SentImage:
        """The same after the model's own resize, where `reply` tells of it."""
        if reply.sent_px is None or reply.sent_px == self.sent_px:
            return self
        return replace(self, sent_px=reply.sent_px, resized=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One finished trial. The fields are those of `trials.jsonl`, in its order."""

    v: int = SCHEMA
    key: str
    puzzle: str
    family: str
    suite: str
    model: str
    mode: str
    captioner: str | None
    caption_prompt: str | None
    caption_key: str | None
    format: str
    replicate: int
    prompt_sha: str
    options: tuple[str, ...]
    level: int | None
    split: str
    sufficient: bool
    image: SentImage | None
    reply: Reply | None
    verdict: Verdict
    error: Failure | None
    version: str
    dose: Degradation | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False)

    @property
    def final(self) -> bool:
        """Whether the trial need not be asked again (`is_final`)."""
        return is_final(self.verdict.outcome, self.error.kind if self.error else None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        data = plain(self)
        del data["extra"]
        return {**data, **self.extra}

    def to_line(self) -> bytes:
        """`to_json` as a line of `trials.jsonl`, its line break included."""
        return encode_line(self.to_json()) if self.extra else _written(self, frozenset({"extra"})) + b"\n"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """Read a line; unknown keys go to `extra`.

        Raises:
            KeyError, TypeError, ValueError: the line is no record.
        """
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data and name != "extra"}
        known["options"] = tuple(data.get("options", ()))
        known["image"] = sent_image(data.get("image"))
        known["dose"] = Degradation.from_json(data["dose"]) if data.get("dose") else None
        known["reply"] = reply_from_json(data["reply"]) if data.get("reply") else None
        verdict = data["verdict"]
        known["verdict"] = Verdict(Outcome(verdict["outcome"]), verdict["answer"], verdict["gold"], verdict["how"])
        error = data.get("error")
        known["error"] = Failure(error["kind"], error["message"], error.get("status")) if error else None
        defaults: dict[str, Any] = {"level": None, "split": "eval", "sufficient": True, "caption_prompt": None, "version": "unknown"}
        extra = {name: value for name, value in data.items() if name not in cls.__dataclass_fields__}
        return cls(**{**defaults, **known}, extra=extra)


def is_final(outcome: Outcome, failure: str | None) -> bool:
    """Whether a trial need not be asked again: it has a verdict, or its captioner answered and left no caption.

    `failure` is the kind of what went wrong (`Failure.kind`), None where nothing did.
    """
    if outcome is Outcome.CAPTION_FAILED:
        return failure is None or failure in CAPTION_ANSWERS
    return outcome is not Outcome.ERROR


def plain(value: Any) -> Any:
    """A dataclass as nested dictionaries; like `dataclasses.asdict`, without its deep copies."""
    names = _names(value.__class__)
    if names is None:
        return value
    return {name: part if part.__class__ in _ATOMS else plain(part) for name in names for part in (getattr(value, name),)}


_ATOMS = frozenset({str, int, float, bool, tuple, type(None)})


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    """The fields of a dataclass, None of any other class."""
    return tuple(getattr(kind, "__dataclass_fields__", ())) or None


def reply_to_json(reply: Reply) -> str:
    """`reply` as the cache keeps it."""
    return _written(reply).decode()


def _written(value: Record | Reply, without: frozenset[str] = frozenset()) -> bytes:
    """The JSON of `value` `without` some of its fields, made without plain data on the way: a fifth of the time."""
    try:
        return _serializer(value.__class__).dump_json(value, exclude=set(without), warnings=False)
    except PydanticSerializationError:  # half a surrogate pair
        return _compact({name: part for name, part in plain(value).items() if name not in without})


@cache
def _serializer(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


_COMPACT = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


def encode_line(data: Mapping[str, Any]) -> bytes:
    """`data` as a line of JSON, its line break included."""
    return _compact(data) + b"\n"


def _compact(data: Mapping[str, Any]) -> bytes:
    """`data` as JSON; a model may write half a surrogate pair, which JSON can spell and UTF-8 cannot."""
    try:
        return _COMPACT.encode(data).encode()
    except UnicodeEncodeError:
        return json.dumps(data).encode()


def reply_from_json(data: Mapping[str, Any]) -> Reply:
    """The inverse of `plain` on a `Reply`, for records and the cache.

    Raises:
        KeyError, TypeError, ValueError: this is no reply.
    """
    usage = data["usage"]
    if not isinstance(data["text"], str):
        raise TypeError(f"reply.text: expected a string, found {data['text']!r}")
    return Reply(
        text=data["text"],
        stop=Stop(data["stop"]),
        usage=Usage(**{name: usage[name] for name in Usage.__dataclass_fields__ if name in usage}),
        latency_s=data["latency_s"],
        request_id=data.get("request_id"),
        model=data.get("model"),
        cached=bool(data.get("cached", False)),
        sent_px=(data["sent_px"][0], data["sent_px"][1]) if data.get("sent_px") else None,
        why=data.get("why"),
    )


def sent_image(data: Mapping[str, Any] | None) -> SentImage | None:
    """The inverse of `plain` on a `SentImage`, for records and captions."""
    if not data:
        return None
    width, height = data["sent_px"]
    return SentImage(data["sha256"], (width, height), data["resized"], tuple(data.get("changes", ())))
