"""A trial: puzzle x model x mode x captioner x prompt x answer format x replicate, with a key that is a hash of everything asked.

Replicate 0 shows the options in their stored order; later replicates shuffle them by a hash, the same in every mode, so that the arms of a
replicate stay comparable and a preference for a letter cannot pass for skill.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

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


ROUND = 16
"""Puzzles that are asked about together, in all replicates."""


@dataclass(frozen=True)
class Trials(Sequence[Trial]):
    """All trials of one model, in the order in which they are asked; each is made when it is looked at, so a million take no memory.

    The modes of a puzzle come together, so that a run cut short still holds pairs. A few puzzles (`ROUND`) come in all replicates before
    the next, so that what this machine and the provider's prompt cache hold of a picture, for minutes, serves all requests that show it.
    Modes in which a picture is looked at, by the model or by its captioner, come once more for each of `doses`.
    """

    puzzles: Sequence[Puzzle]
    model: str
    modes: Sequence[Mode]
    captioner: Captioner
    fmt: Format
    replicates: int
    seed: int
    doses: Sequence[Degradation] = ()

    def without(self, mode: Mode) -> Trials:
        """The same without the trials of `mode`."""
        return replace(self, modes=tuple(other for other in self.modes if other is not mode))

    def once(self) -> Trials:
        """The first replicate alone: what is asked again of every puzzle, once."""
        return replace(self, replicates=1)

    def __len__(self) -> int:
        return self.replicates * len(self.puzzles) * len(self._arms)

    def __iter__(self) -> Iterator[Trial]:
        for first in range(0, len(self.puzzles), ROUND):
            for replicate in range(self.replicates):
                for place in range(first, min(first + ROUND, len(self.puzzles))):
                    options = shown_options(self.puzzles[place], replicate, self.seed)
                    for arm in self._arms:
                        yield self._trial(place, arm, replicate, options)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | Sequence[Trial]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self[place] for place in places]
        rest, arm = divmod(places, len(self._arms))
        rounds, rest = divmod(rest, ROUND * self.replicates)
        replicate, place = divmod(rest, min(ROUND, len(self.puzzles) - ROUND * rounds))
        place += ROUND * rounds
        return self._trial(place, self._arms[arm], replicate, shown_options(self.puzzles[place], replicate, self.seed))

    @cached_property
    def _arms(self) -> Sequence[tuple[Mode, Captioner | None, Degradation | None]]:
        """What is asked of one puzzle in one replicate."""
        return [
            (mode, self.captioner if mode.shows_caption else None, dose)
            for mode in self.modes
            for dose in (None, *(self.doses if looks(mode, self.captioner) else ()))
        ]

    @cached_property
    def _worse(self) -> dict[tuple[int, Degradation], Puzzle]:
        """Damaged puzzles by place and dose: one for all of its trials, since what a picture is (`ImageRef.info`) is found out once."""
        return {}

    def _trial(self, place: int, arm: tuple[Mode, Captioner | None, Degradation | None], replicate: int, options: tuple[str, ...]) -> Trial:
        mode, captioner, dose = arm
        puzzle = self.puzzles[place]
        if dose is not None:
            found = self._worse.get((place, dose))
            puzzle = found if found is not None else self._worse.setdefault((place, dose), _damaged(puzzle, dose))
        return Trial(puzzle, self.model, mode, captioner, self.fmt, replicate, options, dose)


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
    return sampling.seeded(request_seed([sampling.seed, trial.puzzle.id, trial.mode, trial.replicate]))


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
