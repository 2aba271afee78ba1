"""Prompts: jinja2 templates under `prompts/`, rendered strictly, each with a hash of its source.

One `solve` template serves every mode, so the arms of a trial differ in nothing but the evidence.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

import prompts
from bench.puzzle import Puzzle
from tasks.registry import family

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CAPTION_PROMPTS = ("plain", "guided", "notation")
_FOLDER = Path(prompts.__path__[0])


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # plain text for models, not HTML
        auto_reload=False,
    )


@cache
def prompt_sha(name: str) -> str:
    """SHA-256 (first 16 hex digits) of the source of template `name` ("solve", "caption_plain", ...)."""
    return hashlib.sha256((_FOLDER / f"{name}.j2").read_bytes()).hexdigest()[:16]


@cache
def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.j2")


def _render(name: str, **values: object) -> str:
    template = _template(name)
    # what `Template.render` does, but for a copy of the environment's globals, which no prompt uses and which costs more than the rest
    return "".join(template.root_render_func(template.new_context(values, shared=True))).strip()


def solve_prompt(question: str, options: Sequence[str], *, evidence: str | None, picture: bool) -> str:
    """The request that asks `question`; `options` in the order shown, empty for an open question; `evidence` a description or None."""
    return _render("solve", question=question, options=list(zip(LETTERS, options, strict=False)), evidence=evidence, picture=picture)


def caption_prompt(kind: str, puzzle: Puzzle) -> str:
    """The request for a caption: `plain` does not see the question, `guided` sees it and must not solve it, `notation` is `readback`."""
    if kind == "notation":
        return readback_prompt(puzzle)
    return _captioning(kind, puzzle.question if kind == "guided" else None)


def caption_template(kind: str) -> str:
    """The name of the template of a caption prompt; `notation` is the one that readback uses, so that one text serves both arms."""
    return "readback" if kind == "notation" else f"caption_{kind}"


def readback_prompt(puzzle: Puzzle) -> str:
    """The request to write the family's notation, shown by an example of another state of the family."""
    return _reading_back(_example(puzzle))


@lru_cache(maxsize=64)
def _captioning(kind: str, question: str | None) -> str:
    return _render(caption_template(kind), **({} if question is None else {"question": question}))


@lru_cache(maxsize=64)
def _reading_back(example: str) -> str:
    return _render("readback", example=example)


def reward_prompt(reward: str, puzzle: Puzzle) -> str:
    """The request that training under `reward` ("mixture", "visual-fusion", ...) makes: the question, and the tags that are paid for.

    Raises:
        jinja2.TemplateNotFound: there is no such reward.
    """
    name = "perception" if reward in _DESCRIBING else reward
    shown = {"example": _example(puzzle)} if name == "perception" else {}
    return _render(f"reward_{name.replace('-', '_')}", question=puzzle.question, **shown)


_DESCRIBING = ("perception", "perception-only", "sufficient", "sufficient-only", "noise")
"""The rewards whose prompt asks for a description in the family's notation."""


def _example(puzzle: Puzzle) -> str:
    """The description of another state of the puzzle's family, the same for all puzzles but one."""
    first, second = _examples(puzzle.family)
    return first if first != puzzle.description else second


@cache
def _examples(name: str) -> tuple[str, str]:
    """Two different descriptions of states of a family."""
    made = family(name)
    rng = random.Random(f"readback example of {name}")
    first = second = made.describe(made.sample(rng, 2))
    while second == first:
        second = made.describe(made.sample(rng, 2))
    return first, second
