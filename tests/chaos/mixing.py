"""What must not be mixed or followed: shards of different runs, links in run directories, loops in files from elsewhere."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.models.local import processor
from bench.store.reader import BATCHES, CAPTIONS, PUZZLES, RUN, TRIALS
from tasks.registry import family, names
from tests.chaos.scene import ASKED, Attempt, make_whole, told, tree

_CHANGES: tuple[tuple[str, ...], ...] = (
    ("--temperature", "1"), ("--seed", "9"), ("--max-tokens", "77"), ("--level", "2"), ("--format", "open"), ("--replicates", "2"),
    ("--caption-prompt", "guided"), ("--degrade", "blur=2"), ("--mode", "image,oracle"), ("--families", "clock"), ("--limit", "1"),
    ("--model", "sim/p=0.6,r=0.8,c=0.7,seed=4"), ("--reasoning", "low"),
)  # fmt: skip
"""What a second shard is asked with instead."""


def shards(folder: Path, n: int) -> Iterator[Attempt]:
    """`n` pairs of shards of which one was asked differently, and whole and incomplete sets of 2 to 4."""
    make_whole(folder / "scene")
    for number in range(n):
        changes = _CHANGES[number % len(_CHANGES)]
        base = list(ASKED)
        if changes[0] in base:
            base[base.index(changes[0]) + 1] = changes[1]
            changes = ()
        parts = [folder / f"{number}" / str(part) for part in (1, 2)]
        codes = [
            told(*command, "--cache", "off", "--shard", f"{part}/2", "--out", str(parts[part - 1])).code
            for part, command in ((1, ASKED), (2, (*base, *changes)))
        ]
        done = told("report", *map(str, parts), "--formats", "csv", "--out", str(folder / f"{number}" / "out"))
        named = "differ in" in done.err or "cannot be" in done.err
        held = codes[1] == 2 or (done.code == 2 and named and done.trouble() is None)
        yield Attempt(f"a second shard with {' '.join(_CHANGES[number % len(_CHANGES)])}", None if held else f"{codes} {done}")
        shutil.rmtree(folder / f"{number}")
    asked = [word.replace("n=2", "n=6") for word in ASKED]
    told(*asked, "--cache", "off", "--out", str(folder / "all" / "whole"))
    told("report", str(folder / "all" / "whole"), "--formats", "csv", "--out", str(folder / "all" / "right"))
    for count in (2, 3, 4)[: max(1, n // 4)]:
        parts = [folder / "all" / f"{part} of {count}" for part in range(1, count + 1)]
        for part, place in enumerate(parts, start=1):
            told(*asked, "--cache", "off", "--shard", f"{part}/{count}", "--out", str(place))
        done = told("report", *map(str, parts), "--formats", "csv", "--out", str(folder / "all" / f"out {count}"))
        found = _models(folder / "all" / f"out {count}") if done.code == 0 else done.err
        yield Attempt(
            f"{count} shards of {count}", None if found == _models(folder / "all" / "right") else f"another number: {str(found)[:200]}"
        )
        for missing in parts:
            rest = [str(part) for part in parts if part != missing]
            out = folder / "all" / f"without {missing.name}"
            notes = str(_notes(out)) if (done := told("report", *rest, "--formats", "csv", "--out", str(out))).code == 0 else done.err
            yield Attempt(f"without {missing.name}", None if "shards are missing" in notes else notes)


def _document(out: Path) -> Any:
    return json.loads((out / "gap.json").read_text(encoding="utf-8"))


def _models(out: Path) -> Any:
    return _document(out)["models"]


def _notes(out: Path) -> Any:
    return _document(out)["notes"]


# -- links -------------------------------------------------------------------------------------------------------------------------------
def links(folder: Path, n: int) -> Iterator[Attempt]:
    """Every file of a run directory as a link to one outside (at most `n` attempts): refused, or not looked at, and never written to."""
    whole = make_whole(folder / "scene")
    files = (RUN, TRIALS, CAPTIONS, PUZZLES, BATCHES, ".lock", f"{RUN}.part", f"{TRIALS}.part", f"{PUZZLES}.part")
    commands = (
        ("report", "RUN", "--formats", "md", "--out", "OUT"), ("regrade", "RUN"), ("show", "RUN", "clock"), ("config", "RUN"),
        ("compare", "RUN", "RUN"), (*ASKED, "--cache", "off", "--out", "RUN"),
    )  # fmt: skip
    for number, (name, command) in enumerate(itertools.islice(itertools.product(files, commands), n)):
        run, outside = folder / f"{number}" / "run", folder / f"{number}" / "outside"
        shutil.copytree(whole.folder, run)
        outside.mkdir()
        if (run / name).exists() and name != ".lock":
            (run / name).rename(outside / name)
        else:
            (outside / name).write_text("mine\n")
            (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(outside / name)
        before = tree(outside)
        words = {"RUN": str(run), "OUT": str(folder / f"{number}" / "out")}
        done = told(*(words.get(word, word) for word in command))
        trouble = done.trouble() or ("what the link points to was written" if tree(outside) != before else None)
        yield Attempt(f"{name} is a link, {command[0]}", trouble)
        shutil.rmtree(folder / f"{number}")


# -- loops -------------------------------------------------------------------------------------------------------------------------------
_LOOPS = (
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro f() %}{% for a in range(99999) %}{% endfor %}{% endmacro %}{% for a in range(99999) %}{{ f() }}{% endfor %}",
    "{% set s = namespace(n=0) %}{% for a in range(99999) %}{% for b in range(99999) %}{% set s.n = s.n + 1 %}{% endfor %}{% endfor %}",
)
"""What the clock stops."""
_STEPS = (
    "{% set x = 7 ** 10**9 %}", "{%- if messages %}{{ 2**messages|length**99 }}{% endif %}",
    "{% generation %}{{ 7**(10**9) }}{% endgeneration %}", "{{ 'a' * 10**9 }}", "{{ 10**9 * [1] }}", "{{ 'a'|center(10**9) }}",
    "{{ '%999999999d'|format(1) }}", "{{ '%*d' % (10**9, 1) }}", "{{ '{:>{}}'.format(1, 10**9) }}", "{{ 'a'|indent(10**9) }}",
    "{{ [1]|batch(10**9, 0)|list }}", "{{ [1]|tojson(indent=10**9) }}", "{{ 1|round(10**9) }}", "{{ (1).to_bytes(10**9) }}",
    "{{ ('a' * 10**6).replace('a', 'b' * 10**6) }}", "{{ range(10**5)|join('b' * 10**6) }}", "{{ ([[1] * 9] * 9)|sum(start=[]) }}",
    "{% set s = namespace(a='a') %}{% for i in range(99) %}{% set s.a = s.a ~ s.a %}{% endfor %}",
    "{% set s = namespace(a=1) %}{% for i in range(99) %}{% set s.a = [s.a, s.a] %}{% endfor %}{{ s.a }}",
    "{{ dict.fromkeys(range(0, 10**5 * (2**61 - 1), 2**61 - 1)) }}", "{{ range(10**5)|map('center', 10**6)|join|length }}",
)  # fmt: skip
"""What no clock stops: one step of C each, which would take for ever, or all memory."""
_SECONDS = 5.0
"""Of processor time, that no state of a puzzle may cost."""


class Foreign:
    """A processor whose chat template is somebody else's, rendered by transformers."""

    image_processor = object()

    def __init__(self, template: str) -> None:
        self.chat_template = template

    def apply_chat_template(self, chat: Any, **_: Any) -> str:
        rendering: Any = import_module("transformers.utils.chat_template_utils")
        return rendering.render_jinja_template(conversations=[chat], chat_template=self.chat_template, add_generation_prompt=True)[0][0]


def loops(folder: Path, n: int) -> Iterator[Attempt]:
    """Chat templates that would run for hours, and `n` states of puzzles that no family made: all are over within seconds."""
    del folder
    bound, processor.TEMPLATE_S = processor.TEMPLATE_S, 0.3
    try:
        for template in _LOOPS + _STEPS if find_spec("transformers") is not None else ():
            started = time.process_time()
            why, took = processor.why_unfit(Foreign(template)), time.process_time() - started
            held = why is not None and took < _SECONDS and "\n" not in why and why != processor.LEAVES_OUT
            yield Attempt(f"the template {template}", None if held else f"{why} in {took:.1f} s")
    finally:
        processor.TEMPLATE_S = bound
    for seed in range(n):
        rng = random.Random(f"state {seed}")
        name = names()[seed % len(names())]
        made, started = family(name), time.process_time()
        grown = _grown(made.dump(made.sample(rng, 1 + seed % 5)), rng)
        what = f"a state of {name} ({seed})"
        try:
            state = made.load(grown)
            made.check(state)
            for use in (made.solve, made.describe, made.facts, made.draw):
                use(state)
        except ValueError:
            what += ", refused"
        took = time.process_time() - started
        yield Attempt(what, f"{took:.1f} s" if took > _SECONDS else None)


def _grown(value: Any, rng: random.Random) -> Any:
    """A state with numbers, texts and lists that are larger than any family makes them, here and there."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if rng.random() < 0.5 else rng.choice([5, 9, 12, 20, 60, 1000, 10**6, 10**18])
    if isinstance(value, str):
        return value * rng.choice([1, 1, 1, 40])
    if isinstance(value, list):
        return [_grown(item, rng) for item in value * rng.choice([1, 1, 2, 30])]  # pyright: ignore[reportUnknownVariableType]
    return {key: _grown(item, rng) for key, item in value.items()} if isinstance(value, dict) else value  # pyright: ignore[reportUnknownVariableType]
