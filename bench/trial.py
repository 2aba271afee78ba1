"""A trial: puzzle x model x mode x captioner x prompt x answer format x replicate, with a key that is a hash of everything asked.

Replicate 0 shows the options in their stored order; later replicates shuffle them by a hash, the same in every mode, so that the arms of a
replicate stay comparable and a preference for a letter cannot pass for skill.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.degrade import Degradation
from bench.digest import digest
from bench.mode import Mode
from bench.models.base import Model, Sampling
from bench.outcome import Format
from bench.prompt import prompt_sha
from bench.puzzle import Puzzle
from bench.question import template_of
from bench.versions import SCHEMA


@dataclass(frozen=True, slots=True)
class Captioner:
    """Who writes captions and how: `name` is "self", "dataset" or a model name, `prompt` is "plain" or "guided"."""

    name: str = "self"
    prompt: str = "plain"


@dataclass(frozen=True, slots=True)
class Trial:
    """One question to one model under one mode. `options` are in the order shown; `captioner` is None where the mode shows no caption.

    With a `dose`, the puzzle's image is the degraded one; its id stays, so that doses pair up.
    """

    puzzle: Puzzle
    model: str
    mode: Mode
    captioner: Captioner | None
    fmt: Format
    replicate: int
    options: tuple[str, ...]
    dose: Degradation | None = None


def plan_trials(
    puzzles: Sequence[Puzzle],
    model: str,
    modes: Sequence[Mode],
    captioner: Captioner,
    fmt: Format,
    replicates: int,
    seed: int,
    doses: Sequence[Degradation] = (),
) -> Iterator[Trial]:
    """All trials of one model; the modes of a puzzle come together, so that a run cut short still holds pairs.

    Modes in which a picture is looked at, by the model or by its captioner, come once more for each of `doses`.
    """
    seen = [(puzzle, [(dose, _damaged(puzzle, dose)) for dose in doses]) for puzzle in puzzles]
    for replicate in range(replicates):
        for puzzle, dosed in seen:
            options = shown_options(puzzle, replicate, seed)
            for mode in modes:
                shown = captioner if mode.shows_caption else None
                yield Trial(puzzle, model, mode, shown, fmt, replicate, options)
                if looks(mode, captioner):
                    yield from (Trial(worse, model, mode, shown, fmt, replicate, options, dose) for dose, worse in dosed)


def _damaged(puzzle: Puzzle, dose: Degradation) -> Puzzle:
    """`puzzle` with every picture damaged."""
    return replace(puzzle, image=dose.image(puzzle.image), further=tuple(map(dose.image, puzzle.further)))


def looks(mode: Mode, captioner: Captioner) -> bool:
    """Whether anyone looks at the picture in this mode; captions that a set carries were written long ago."""
    return mode.shows_image or (mode.shows_caption and captioner.name != "dataset")


def shown_options(puzzle: Puzzle, replicate: int, seed: int) -> tuple[str, ...]:
    """The options in the order that replicate number `replicate` shows."""
    if replicate == 0:
        return puzzle.options
    options = list(puzzle.options)
    random.Random(digest(["options", puzzle.id, replicate, seed])).shuffle(options)
    return tuple(options)


def trial_sampling(sampling: Sampling, trial: Trial) -> Sampling:
    """`sampling` with the seed of this one trial, derived from the run's seed by hash."""
    content = [sampling.seed, trial.puzzle.id, trial.mode, trial.replicate]
    return replace(sampling, seed=request_seed(content))


def request_seed(content: Any) -> int:
    """A 31-bit seed from the hash of `content`: every provider that takes a seed takes one of this size."""
    return int(digest(content)[:8], 16) >> 1


def trial_key(trial: Trial, model: Model, sampling: Sampling, *, base_url: str | None, caption_key: str | None) -> str:
    """The identity of `trial`: SHA-256 over everything that is asked, image content included.

    `caption_key` stands for the caption, whose text is not known before it is written; `sampling` carries the run's seed.
    """
    puzzle = trial.puzzle
    further = [image.info.identity for image in puzzle.further] if trial.mode.shows_image else []
    return digest(
        {
            "v": SCHEMA,
            "puzzle": puzzle.id,
            "question": puzzle.question,
            "options": list(trial.options),
            "image": puzzle.image.info.identity if trial.mode.shows_image else None,
            "description": puzzle.description if trial.mode.shows_oracle else None,
            "model": [model.provider, model.model_id, base_url],
            "mode": trial.mode,
            "caption": caption_key,
            "prompt": prompt_sha(template_of(trial.mode)),
            "format": trial.fmt,
            "replicate": trial.replicate,
            **({"further": further} if further else {}),
            "sampling": [sampling.max_tokens, sampling.temperature, sampling.reasoning, sampling.seed],
        }
    )
