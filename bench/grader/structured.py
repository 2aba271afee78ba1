"""Answers in JSON: what an object says under the keys that name an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

UNDECIDED = "undecided"
"""What an object says that gives every option a weight, or no answer at all. The reader takes it for an abstention."""

_TRIES = 8
_DECODER = json.JSONDecoder()
_ANSWER_KEYS = frozenset(
    {"answer", "finalanswer", "correctanswer", "selectedanswer", "youranswer", "myanswer", "choice", "finalchoice", "option",
     "correctoption", "selectedoption", "letter", "result", "prediction", "selected", "respuesta", "antwort", "réponse"}
)  # fmt: skip
_TEXT_KEYS = frozenset({"text", "answertext", "optiontext", "value", "content"})


def json_statements(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, what it says) of the JSON objects in `text` that have an answer key, or only weights."""
    position = text.find("{")
    for _ in range(_TRIES):
        if position < 0:
            return
        try:
            data, end = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            position = text.find("{", position + 1)
            continue
        says = _says(data)
        if says is not None:
            yield position, end, says
        position = text.find("{", end)


def _says(data: dict[str, Any]) -> str | None:
    """What one object says, as a person would write it: "C", "C. 4:23", "B or C", `UNDECIDED`; None where nothing in it is an answer."""
    named = {re.sub(r"[\W_]", "", key.casefold()): value for key, value in data.items()}
    answers = list(dict.fromkeys(part for key, value in named.items() if key in _ANSWER_KEYS for part in _spelled(value)))
    if not answers:
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in data.values())
        return UNDECIDED if len(data) > 1 and numbers else None
    letters = [answer for answer in answers if re.fullmatch(r"[A-Z]", answer)]
    texts = [answer for answer in answers if answer not in letters]
    if not texts:
        texts = list(dict.fromkeys(part for key, value in named.items() if key in _TEXT_KEYS for part in _spelled(value)))
    if len(letters) == 1 and len(texts) == 1:
        return f"{letters[0]}. {texts[0]}"
    return " or ".join(answers)


def _spelled(value: object) -> list[str]:
    """The answers that a value names."""
    if value is None:
        return [UNDECIDED]
    if isinstance(value, bool):
        return ["Yes" if value else "No"]
    if isinstance(value, list):
        return [part for item in cast("list[object]", value)[:30] for part in _spelled(item)]
    if isinstance(value, dict):
        return [_says(cast("dict[str, Any]", value)) or UNDECIDED]
    return [str(value).strip() or UNDECIDED]
