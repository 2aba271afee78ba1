"""One puzzle of a run with everything that was sent and came back, as plain data and in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from bench.errors import UserError
from bench.inspect.log import prompt_of
from bench.prompt import LETTERS
from bench.store.run import Run
from bench.suggest import did_you_mean

_SHOWN = 5

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrialShown:
    """One trial of the puzzle: what was sent and what came back.

    Attributes:
        arm: mode, with captioner and dose where there are any.
        prompt: the text that was sent; None where the template has changed since, so that it cannot be written again.
        caption: the captioner's text, where the arm shows one, and who wrote it.
        picture_px: size in px of the picture as it was sent to the model or its captioner; None where none was.
    """

    model: str
    arm: str
    mode: str
    replicate: int
    prompt: str | None
    caption: str | None
    captioner: str | None
    picture_px: tuple[int, int] | None
    reply: str | None
    error: str | None
    outcome: str
    answer: str | None
    how: str


@dataclass(frozen=True, slots=True)
class OnePuzzle:
    """A puzzle of a run, and its trials in the order of models, arms and replicates."""

    id: str
    family: str
    level: int | None
    question: str | None
    options: tuple[str, ...]
    answer: str
    picture: str | None
    description: str | None
    trials: tuple[TrialShown, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def find_puzzle(run: Run, text: str, *, models: Sequence[str] = (), modes: Sequence[str] = ()) -> OnePuzzle:
    """The puzzle of `run` whose id is `text`, or contains it where no other does.

    Args:
        run: an opened run directory.
        text: an id or a part of one.
        models: only trials of these; all where empty.
        modes: likewise.

    Raises:
        UserError: no such puzzle, several, or no trial of such a model or mode.
    """
    puzzles = run.puzzles
    trials = {line["key"]: line for line in run.lines()}  # the last line of a key is the one that counts
    found = _one(run, text, dict.fromkeys([*puzzles, *(line["puzzle"] for line in trials.values())]))
    mine = [line for line in trials.values() if line["puzzle"] == found]
    for what, wanted, key in (("model", models, "model"), ("mode", modes, "mode")):
        there = list(dict.fromkeys(str(line[key]) for line in mine))
        unknown = next((name for name in wanted if name not in there), None)
        if unknown is not None:
            raise UserError(f"{found} has no trial of {what} {unknown!r}{did_you_mean(unknown, there)}: found {', '.join(there) or 'none'}")
        mine = [line for line in mine if not wanted or line[key] in wanted]
    return _puzzle(found, puzzles.get(found, {}), mine, run.captions)


def _one(run: Run, text: str, ids: Mapping[str, Any]) -> str:
    if text in ids:
        return text
    near = [name for name in ids if text in name]
    if len(near) == 1:
        return near[0]
    if not near:
        raise UserError(
            f"{run.folder} has no puzzle {text!r}{did_you_mean(text, ids)}: it has {len(ids)}, such as {next(iter(ids), 'none')}"
        )
    more = f" and {len(near) - _SHOWN} more" if len(near) > _SHOWN else ""
    raise UserError(f"{text!r} is part of {len(near)} ids: {', '.join(near[:_SHOWN])}{more}; name one")


def _puzzle(name: str, line: Line, trials: Sequence[Line], captions: Mapping[str, Line]) -> OnePuzzle:
    gold = trials[0]["verdict"]["gold"] if trials else ""
    shown = trials[0].get("options") if trials else ()
    image: Line = line.get("image") or {}
    return OnePuzzle(
        id=name,
        family=str(line.get("family") or (trials[0]["family"] if trials else "")),
        level=line.get("level"),
        question=line.get("question"),
        options=tuple(line.get("options") or shown or ()),
        answer=str(line.get("answer") or gold),
        picture=image.get("source"),
        description=line.get("description"),
        trials=tuple(_asked(trial, line, captions) for trial in trials),
    )


def _asked(trial: Line, puzzle: Line, captions: Mapping[str, Line]) -> TrialShown:
    reply, error, image = trial.get("reply"), trial.get("error"), trial.get("image")
    caption = captions.get(trial.get("caption_key") or "", {}).get("text")
    captioner = trial.get("captioner")
    dose = trial.get("dose")
    arm = trial["mode"] + (f" by {captioner}/{trial.get('caption_prompt') or 'plain'}" if captioner else "")
    return TrialShown(
        model=trial["model"],
        arm=f"{arm} {dose['kind']}={dose['amount']:g}" if dose else arm,
        mode=trial["mode"],
        replicate=trial["replicate"],
        prompt=prompt_of(trial, puzzle, captions),
        caption=caption,
        captioner=captioner,
        picture_px=tuple(image["sent_px"]) if image else None,
        reply=reply["text"] if reply else None,
        error=f"{error['kind']}: {error['message']}" if error else None,
        outcome=trial["verdict"]["outcome"],
        answer=trial["verdict"]["answer"],
        how=trial["verdict"]["how"],
    )


def print_puzzle(puzzle: OnePuzzle, console: Console, picture: Path | None = None) -> None:
    """Print the puzzle and its trials; `picture` is where its picture was written."""
    level = f", level {puzzle.level}" if puzzle.level is not None else ""
    console.print(Text(puzzle.id, style="bold"), Text(f"family {puzzle.family}{level}", style="dim"))
    for label, text in _about(puzzle, picture):
        _field(console, label, text)
    for trial in puzzle.trials:
        again = f" · replicate {trial.replicate}" if trial.replicate else ""
        console.print()
        line = "-" if console.options.ascii_only else "─"
        console.print(Rule(Text(f"{trial.model} · {trial.arm}{again}"), align="left", characters=line))
        for label, text in _sent_and_came(trial):
            _field(console, label, text)
    if not puzzle.trials:
        console.print("no trial of this puzzle is stored", highlight=False)


def _about(puzzle: OnePuzzle, picture: Path | None) -> Iterator[tuple[str, str | None]]:
    yield "picture", str(picture) if picture is not None else puzzle.picture
    yield "question", puzzle.question
    yield "options", "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, puzzle.options, strict=False)) or None
    yield "answer", puzzle.answer
    yield "description", puzzle.description


def _sent_and_came(trial: TrialShown) -> Iterator[tuple[str, str | None]]:
    if trial.picture_px is not None:
        who = "the captioner" if trial.caption else "the model"
        yield "picture", f"{trial.picture_px[0]} x {trial.picture_px[1]} px, as {who} was sent it"
    yield "caption", trial.caption
    yield "asked", trial.prompt or "(the run does not hold it as it was asked: a template has changed since)"
    yield "reply", trial.reply if trial.reply is None or trial.reply.strip() else "(nothing)"
    yield "error", trial.error
    read = f", read {trial.answer!r}" if trial.answer is not None else ", no answer read"
    yield "verdict", f"{trial.outcome}{read} ({trial.how})"


def _field(console: Console, label: str, text: str | None) -> None:
    if text is None:
        return
    console.print(f"[bold]{label}[/bold]" if label != "verdict" else f"[bold cyan]{label}[/bold cyan]", end="")
    lines = text.splitlines() or [""]
    if len(lines) == 1 and len(lines[0]) < console.width - 14:
        console.print(f"{' ' * (12 - len(label))}{escape(lines[0])}", highlight=False)
        return
    console.print()
    console.print(Padding(Text(text), (0, 0, 0, 2)), highlight=False)
