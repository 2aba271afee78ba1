"""Keeping keys out of everything that is stored or shown: every text that came from a server or an exception goes through `hide`.

A server may send back what it was sent: a key in an error, a header in an answer, either in base64 or encoded for a URL. So every value
that came from a key variable, a header or an address is looked for in all these forms.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

SHORTEST = 8
"""Fewest characters of a secret: placeholders for servers without keys ("EMPTY", "none") and everyday words are none."""

HIDDEN = "***"


def hide(text: str, secrets: Iterable[str]) -> str:
    """`text` with every one of `secrets`, plain, in base64, encoded for a URL or escaped as in JSON, replaced by "***"."""
    for form in _forms(secrets if isinstance(secrets, frozenset) else frozenset(secrets)):
        if form in text:
            text = text.replace(form, HIDDEN)
    return text


def in_url(url: str | None) -> frozenset[str]:
    """What may be secret in an address: user, password and the values of its query."""
    parts = urlsplit(url or "")
    found = [parts.username, parts.password, *(value for _, value in parse_qsl(parts.query))]
    return _long_enough(unquote(value) for value in found if value)


def in_header(value: str) -> frozenset[str]:
    """What may be secret in a header's value: the whole, its words ("Bearer KEY"), and what a word of base64 holds ("Basic …")."""
    found = {value, *value.split()}
    if value.lower().startswith("basic "):
        try:
            pair = base64.b64decode(value.split()[1], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, IndexError):
            pair = ""
        found |= {pair, *pair.split(":", 1)}
    return _long_enough(found)


def _long_enough(values: Iterable[str]) -> frozenset[str]:
    return frozenset(value for value in values if len(value) >= SHORTEST)


@lru_cache(maxsize=256)
def _forms(secrets: frozenset[str]) -> tuple[str, ...]:
    """All forms of all secrets, the longest first, so that no tail of a longer one is left."""
    found = {form for secret in secrets for form in _spellings(secret) if form}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _spellings(secret: str) -> Iterator[str]:
    plain = [secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1].replace("/", "\\/"), repr(secret)[1:-1]]
    coded = [form for form in _base64(secret.encode()) if len(form) >= SHORTEST]
    for form in (*plain, *coded):
        yield form
        for quoted in (quote(form), quote(form, safe=""), quote_plus(form)):
            yield quoted
            yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)


def _base64(data: bytes) -> Iterator[str]:
    """The characters of base64 that `data` alone decides, wherever it stands in what is encoded (three alignments, two alphabets)."""
    for shift, unsure in enumerate((0, 2, 3)):
        whole = b"\0" * shift + data
        sure = base64.b64encode(whole)[unsure : len(whole) * 8 // 6].decode()
        yield sure
        yield sure.replace("+", "-").replace("/", "_")
