"""What may come out of a report and what may not: hostile texts come alive in no format, planted keys stand in no file."""

from __future__ import annotations

import base64
import csv
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, quote_plus
from xml.etree import ElementTree

from tests.chaos.scene import Attempt, make_whole, told
from tests.models.fault_server import FaultServer, Seen, Step, error, say
from tests.report.hostile import NAMES
from tests.report.pages import puzzle_line, write_story

HOSTILE = (
    *NAMES[:8],
    "<script>window.hit=1</script>", "<svg onload=alert(1)><img src=x onerror=alert(1)>", "</script><script>alert(1)</script></pre></td>",
    "[link](javascript:alert(1)) ![i](https://example.org/x.png)", "\"><img src=x onerror=alert(1)>", "'onfocus='alert(1)' autofocus x='",
    "<!--<script>", "{{ 7*7 }}{% raw %}${1}", "@everyone #1 https://example.org/", "+1+cmd|' /C calc'!A0", "@SUM(1)", "\t=1+1", "-2+3",
    "\x1b]0;title\x07\x1b[31mred\x9b2J", "\x00\x08\x0b\x7f\x85\x9f", "\u202eright to left\u2066", "\\input{/etc/passwd}\\write18{ls}",
    "%\\end{document}", "[bold red]markup[/] [link=file:///]x[/link]", "]]>&<![CDATA[", "&lt;b&gt;&#0;", "\ufffe\uffff",
)  # fmt: skip
"""Texts that mean something to a browser, a spreadsheet, a terminal, a code host, TeX or an XML parser."""

_FORMATS = ("terminal", "md", "html", "latex", "csv", "junit", *(["inspect"] if find_spec("inspect_ai") else []))
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HARMLESS = "a plain text"


def hostile(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` hostile texts as name of a model, reply and caption, in every format of a report: its structure is that of a harmless text."""
    os.chdir(folder)
    usual = _written(folder / "usual", _HARMLESS)
    for number, text in enumerate(HOSTILE[:n]):
        found = _written(folder / str(number), text)
        for name, check in _CHECKS.items():
            yield Attempt(f"{text[:40]!r} in {name}", check(found[name], usual[name]))
        shutil.rmtree(folder / str(number))


def _written(folder: Path, text: str) -> Mapping[str, str]:
    """The report of a run in which `text` is everywhere, by format."""
    lines = [puzzle_line(number) for number in range(3)]
    run = write_story(
        folder / "run", lines, models=[text, "other"], outcome=lambda model, number, mode: "wrong" if number else "correct",
        text=lambda model, number, mode: f"{text} <answer>{text}</answer>", caption=lambda model, number, mode: text,
    )  # fmt: skip
    done = told("report", str(run), "--formats", ",".join(_FORMATS), "--out", str(folder / "out"))
    assert done.code == 0, (text, done)
    ends = {"md": "md", "html": "html", "latex": "tex", "csv": "csv", "junit": "xml"}
    files = {
        name: "\n".join(path.read_text(encoding="utf-8") for path in sorted((folder / "out").rglob(f"*.{end}")))
        for name, end in ends.items()
    }
    return {**files, "terminal": done.text}


def _shown(found: str, usual: str) -> str | None:
    del usual
    control = _CONTROL.search(found)
    return f"{control[0]!r} at {found[max(0, control.start() - 20) : control.end()]!r}" if control else None


def _markdown(found: str, usual: str) -> str | None:
    tags = [tag for tag in re.findall(r"(?<!\\)<[a-z!/][^>]*>", found, re.IGNORECASE) if tag not in usual]
    calls = re.findall(r"(?<!\\)\]\((?:javascript|data):[^)]*\)|(?<![\w&])@[a-z]+|(?<!\\)!\[[^\]]*\]\(http[^)]*\)", found)
    return _shown(found, usual) or (f"{[*tags, *calls]}" if tags or [call for call in calls if call not in usual] else None)


class _Structure(HTMLParser):
    """Which elements there are, with which attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag, tuple(sorted(name for name, _ in attrs))] += 1


def _html(found: str, usual: str) -> str | None:
    more = _Structure(found).elements - _Structure(usual).elements
    return _shown(found, usual) or (f"elements that no report has: {dict(more)}" if more else None)


def _csv(found: str, usual: str) -> str | None:
    cells = [cell for row in csv.reader(found.splitlines()) for cell in row]
    formulas = [cell for cell in cells if re.match(r"\s*[=+\-@]", cell) and not re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", cell)]
    return _shown(found, usual) or (f"formulas: {formulas[:3]}" if formulas else None)


def _xml(found: str, usual: str) -> str | None:
    try:
        shape, right = ([element.tag for element in ElementTree.fromstring(text).iter()] for text in (found, usual))
    except ElementTree.ParseError as trouble:
        return f"no XML: {trouble}"
    return None if shape == right else f"{len(shape)} elements for {len(right)}"


def _tex(found: str, usual: str) -> str | None:
    commands = set(re.findall(r"\\[a-zA-Z]+", found)) - set(re.findall(r"\\[a-zA-Z]+", usual))
    dangerous = {
        command for command in commands if re.match(r"\\(input|include|write|immediate|openout|end|begin|catcode|def|let|csname)", command)
    }
    return _shown(found, usual) or (f"commands: {dangerous}" if dangerous or found.count(r"\end{") != usual.count(r"\end{") else None)


_CHECKS: Mapping[str, Callable[[str, str], str | None]] = {
    "terminal": _shown, "md": _markdown, "html": _html, "csv": _csv, "junit": _xml, "latex": _tex,
}  # fmt: skip

# -- secrets -----------------------------------------------------------------------------------------------------------------------------
KEY, TOKEN, HEADER, QUERY = "sk-planted/Key+0001==", "tk&planted?Token 0002", "planted.Header~0003+/", "planted%Query/0004+="
SECRETS = (KEY, TOKEN, HEADER, QUERY)
"""In the key variable, in two headers and in the address; each has characters that base64 and URLs spell in another way."""

FORMS: Mapping[str, Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 of a pair": lambda secret: base64.b64encode(f"u:{secret}".encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(f"me:{secret}".encode()).decode(),
    "encoded for a URL": lambda secret: quote(secret, safe=""),
    "encoded for a form": quote_plus,
    "in JSON": lambda secret: json.dumps({"authorization": f"Bearer {secret}"}),
}
PLACES: Mapping[str, Callable[[str], Step]] = {
    "the reply": lambda text: say(f"You sent {text} <answer>A</answer>"),
    "a refused request": lambda text: error(400, "invalid_request_error", f"bad header {text}"),
    "an error that passes": lambda text: error(503, "overloaded", f"busy, {text}"),
    "no JSON": lambda text: Step(raw=f"<html><title>{text}</title>{text}</html>".encode()),
    "an unusable key": lambda text: error(401, "authentication_error", f"wrong key {text}"),
    "the name of the model": lambda text: Step(body={**_CHAT, "model": f"served {text}"}),
    "the id of the request": lambda text: Step(body=_CHAT, headers={"x-request-id": f"req {_ascii(text)}"}),
    "why it ended": lambda text: Step(body={**_CHAT, "choices": [{**_CHOICE, "finish_reason": text}]}),
}
_CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A"}}
_CHAT = {"id": "c", "object": "chat.completion", "model": "m", "choices": [_CHOICE], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("\n", " ")


def planted(folder: Path, n: int) -> Iterator[Attempt]:
    """Servers that send back what they were sent, in `n` places and forms: no file and no line on the terminal holds it in any form."""
    make_whole(folder / "scene")
    os.environ["OPENAI_API_KEY"] = KEY
    pairs = [(place, form) for form in FORMS for place in PLACES]
    for number in range(min(n, len(pairs))):
        place, form = pairs[number * 5 % len(pairs)]
        text = " ".join(FORMS[form](secret) for secret in SECRETS)
        answer = PLACES[place](text)
        work = folder / str(number)
        work.mkdir()
        os.chdir(work)

        def rule(seen: Seen, answer: Step = answer) -> Step:
            del seen
            return answer

        with FaultServer(rule=rule) as server:
            server.listed = [{"id": "m", "owned_by": text, "root": text}]
            address = f"{server.url}/v1?api_key={quote(QUERY, safe='')}"
            said = [
                told(
                    *("run", "--model", "openai/m", "--base-url", address, "--header", f"X-Token={TOKEN}"),
                    *("--header", f"Authorization=Bearer {HEADER}", "--suite", "mini:n=2", "--families", "clock", "--mode", "blind"),
                    *("--attempts", "1", "--cache", "cache", "--out", "run"),
                ).text,
                told("report", "run", "--formats", ",".join(_FORMATS), "--out", "out").text,
                told("show", "run", "clock").text,
                told("config", "run").text,
            ]
        yield Attempt(f"{form} in {place}", _found(work, "\n".join(said)))
        shutil.rmtree(work)


def _found(folder: Path, said: str) -> str | None:
    """Where a secret stands, in any form: with every part of base64 that it alone decides."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name, content in {**files, "the terminal": said.encode()}.items():
        for secret in SECRETS:
            for form, spelled in FORMS.items():
                if form != "in JSON" and _core(form, spelled(secret)) in content:
                    return f"{secret!r}, {form}, in {name}"
    return None


def _core(form: str, text: str) -> bytes:
    """`text` without what its neighbours decide too."""
    return (text[4:-4] if form.startswith("base64") else text).encode()
