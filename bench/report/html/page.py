"""The HTML report: one file that needs nothing else, drawn from the gap document, with every puzzle behind it.

What a model wrote reaches the page in two ways only: through Jinja with autoescaping, or as deflated JSON that the page's script turns into
text nodes. A content security policy allows the page's own script and style, by hash, and pictures that the page carries; so even markup
that got through would do nothing. Its dates are those of the runs: the same records give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.resources import files
from importlib.util import cache_from_source
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FunctionLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from bench.files import write_atomically
from bench.gap.document import Document
from bench.report import palette, verdict, words
from bench.report.html import views
from bench.report.html.drilldown import build
from bench.report.html.links import link
from bench.report.html.material import Spending, read_material
from bench.report.sources import Sources
from bench.store.run import Run
from bench.versions import package_version
from bench.visible import visible

SHOWN_MODELS = 12
"""Models that every section shows at once; further ones are folded away."""


def write_html(document: Document, runs: Sequence[Run], path: Path, sources: Sources | None = None) -> int:
    """Write the report of `document`, of `runs`, to `path`; returns its size in bytes.

    Raises:
        UserError: a run cannot be read, or `path` cannot be written.
    """
    page = render(document, runs, sources)
    write_atomically(path, page)
    return len(page.encode())


def render(document: Document, runs: Sequence[Run], sources: Sources | None = None) -> str:
    """The whole page.

    Args:
        document: the gap document of the runs.
        runs: the opened run directories, for texts, tokens and seconds.
        sources: pictures, facts of captions and prices, where the caller has them (`bench.publish`).

    Raises:
        UserError: a run holds a line that is not of this version.
    """
    sources = sources or Sources()
    material = read_material(runs)
    made = build(document, material, sources)
    models = views.models(document, made)
    style = Markup(palette.css() + _source("report.css"))
    script = Markup(_source("report.js"))
    page = environment().get_template("report.html.j2").render(
        document=document,
        words=words,
        verdict=verdict,
        link=link,
        blocks=[models[:SHOWN_MODELS], models[SHOWN_MODELS:]] if len(models) > SHOWN_MODELS else [models],
        modes=list(dict.fromkeys(mode for model in document["models"] for mode in model["modes"])),
        asked=views.asked(document),
        changes=views.changes(document),
        shows=views.SHOWS,
        spending=[(entry, _cost(entry, sources)) for entry in material.spending],
        sections=views.sections(document),
        notes=views.notes(document),
        made=made,
        index=_script_json(made.index),
        thumbs=[_script_json(chunk) for chunk in made.thumbs],
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )  # fmt: skip
    return page.encode("utf-8", "replace").decode()  # half a surrogate pair in a name has no place in UTF-8


def _source(name: str) -> str:
    return (files("bench.report.html") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """`text` as a source in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _script_json(data: Any) -> Markup:
    """`data` as JSON for a data block: ASCII, and no character that could end the block."""
    text = json.dumps(data, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _clean(value: object) -> object:
    """What the page writes of any value: text from elsewhere without characters that command (markup of ours is of another class)."""
    return visible(value) if type(value) is str else value


class _Compiled(FileSystemBytecodeCache):
    """The compiled template, kept as Python keeps modules: beside its source, or where `PYTHONPYCACHEPREFIX` says.

    So it is trusted as far as the source is, and no further place can bring code; where none can be written, none is kept. It holds for a
    text of the template, versions of Python and Jinja, and the time at which this module, which sets the options, was written.
    """

    def __init__(self) -> None:
        super().__init__(str(Path(cache_from_source(str(Path(__file__).parent / "templates" / "any.py"))).parent))

    def get_source_checksum(self, source: str) -> str:
        return super().get_source_checksum(f"{package_version('jinja2')} {Path(__file__).stat().st_mtime_ns}\n{source}")

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError, EOFError, UnpicklingError):  # one that was damaged is made again
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            Path(self.directory).mkdir(parents=True, exist_ok=True)
            super().dump_bytecode(bucket)


@cache
def environment() -> Environment:
    """What the template is rendered in."""
    made = Environment(
        loader=FunctionLoader(_source), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=True, finalize=_clean,
        bytecode_cache=_Compiled() if not sys.dont_write_bytecode else None,
    )  # fmt: skip
    made.filters.update(percent=words.percent, points=words.points, p_value=words.p_value, slug=palette.slug)
    return made


def _cost(entry: Spending, sources: Sources) -> str:
    cost = sources.cost(entry.model, entry.tokens_in, entry.tokens_out)
    return "unknown" if cost is None else f"{cost:.2f}"
