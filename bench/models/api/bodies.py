"""Bodies of requests as bytes: everything but the pictures is written here, and the pictures' base64 is set in as it lies ready.

A picture is put into base64 once, however many requests show it; writing it through JSON each time would cost more than all the rest.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from bench.image import Picture
from bench.models.base import Request

_MARK = f"picture-{secrets.token_hex(16)}-"
"""Stands for a picture while the rest is written. It is drawn anew by each process, so no text can hold it."""


_COMPACT = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def ready_body(request: Request, body: Callable[[Callable[[Picture], str]], Mapping[str, Any]]) -> bytes:
    """`body` of `request` as JSON, its pictures in base64.

    Args:
        request: whose pictures are set in.
        body: makes the body, given what stands for a picture.
    """
    marks = iter(f"{_MARK}{index}-" for index, _ in enumerate(request.pictures))
    rest = _COMPACT.encode(body(lambda picture: next(marks))).encode()
    parts: list[bytes] = []
    for index, picture in enumerate(request.pictures):
        before, _, rest = rest.partition(f"{_MARK}{index}-".encode())
        parts += [before, picture.content.base64()]
    return b"".join([*parts, rest])
