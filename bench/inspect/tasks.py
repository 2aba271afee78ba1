"""The suites as Inspect AI tasks: `inspect eval sightgap/sightgap -T suite=mini -T mode=image --model ...`.

Our puzzles, our prompt and our grader, under Inspect's models and runner. The modes that need no second request are offered: `image`,
`oracle` and `blind`. Sample ids are puzzle ids, so results of several modes pair up. The top-level module `sightgap` registers what is
here under the names that people type. Needs the extra `inspect`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.grader.grade import Item, grade
from bench.inspect.log import data_url, explanation, inspect_module
from bench.mode import Mode
from bench.models.base import Stop
from bench.outcome import Format, Outcome
from bench.puzzle import Puzzle
from bench.question import question_of
from tasks.suites import SuiteSpec, load_suite

MODES = (Mode.IMAGE, Mode.ORACLE, Mode.BLIND)
"""Modes that are offered as tasks."""

_STOPS = {"max_tokens": Stop.LENGTH, "model_length": Stop.LENGTH, "content_filter": Stop.REFUSAL}


def suite_task(
    suite: str,
    mode: str,
    fmt: str,
    families: str | list[str] | None,
    limit: int | None,
    data_dir: str | None,
    *,
    scorer: Any,
) -> Any:
    """A suite under one mode.

    Args:
        suite: a suite as on our command line ("mini", "algo:seed=7,level=3,n=50", ...).
        mode: "image", "oracle" or "blind".
        fmt: "mcq" or "open".
        families: only these, as a list or separated by commas.
        limit: at most so many puzzles per family.
        data_dir: the authors' clone of a public set.
        scorer: the registered scorer that calls `score`.

    Raises:
        MissingExtraError: Inspect AI is not installed.
        UserError: an unknown suite, family, mode or format, or puzzles without a description in mode oracle.
        BadDataError: broken rows or images in a public set.
    """
    chosen, shape = _mode(mode), _format(fmt)
    names = families.split(",") if isinstance(families, str) else families
    loaded = load_suite(SuiteSpec.parse(suite), data_dir=Path(data_dir) if data_dir else None, families=names, limit=limit)
    lacking = [puzzle for puzzle in loaded.puzzles if chosen.shows_oracle and puzzle.description is None]
    if lacking:
        raise UserError(f"mode {mode}: {len(lacking)} puzzles of suite {loaded.name} have no ground-truth description")
    framework, dataset = inspect_module(""), inspect_module("dataset")
    samples = [_sample(puzzle, chosen, shape) for puzzle in loaded.puzzles]
    return framework.Task(
        dataset=dataset.MemoryDataset(samples, name=loaded.name),
        solver=inspect_module("solver").generate(),
        scorer=scorer,
        name=f"sightgap-{loaded.name}-{chosen}",
        metadata={"suite_sha256": loaded.sha256},
    )


def _mode(text: str) -> Mode:
    if text not in MODES:
        raise UserError(f"mode: expected one of {', '.join(MODES)}, found {text!r}")
    return Mode(text)


def _format(text: str) -> Format:
    try:
        return Format(text)
    except ValueError:
        raise UserError(f"fmt: expected one of {', '.join(Format)}, found {text!r}") from None


def _sample(puzzle: Puzzle, mode: Mode, fmt: Format) -> Any:
    asked = question_of(puzzle, mode, fmt, puzzle.options)
    model = inspect_module("model")
    parts: list[Any] = []
    if asked.picture:
        parts.append(model.ContentImage(image=data_url(puzzle.image.data(), puzzle.image.info.media_type)))
    parts.append(model.ContentText(text=asked.text))
    return inspect_module("dataset").Sample(
        id=puzzle.id,
        input=[model.ChatMessageUser(content=parts)],
        target=puzzle.answer,
        choices=list(asked.options) or None,
        metadata={
            "family": puzzle.family,
            "level": puzzle.level,
            "mode": mode.value,
            "format": fmt.value,
            "options": list(asked.options),
            "description": puzzle.description,
            "sufficient": puzzle.sufficient,
        },
    )


def score(state: Any, target: Any) -> Any:
    """Our grader's verdict on a finished sample as an Inspect score; a reply that was cut off or refused is known as such."""
    scorer, about, output = inspect_module("scorer"), state.metadata, state.output
    item = Item(about["family"], target.text, tuple(about["options"]))
    stop = _STOPS.get(output.stop_reason, Stop.END) if output.choices else Stop.END
    verdict = grade(output.completion, item, fmt=Format(about["format"]), stop=stop)
    return scorer.Score(
        value=scorer.CORRECT if verdict.outcome is Outcome.CORRECT else scorer.INCORRECT,
        answer=verdict.answer,
        explanation=explanation(verdict.outcome, verdict.how),
        metadata={"outcome": verdict.outcome.value, "how": verdict.how},
    )
