"""How the small checkpoint is made that everything else starts from: tokenizer, architecture, and one session of warm start after another.

`python -m bench.train.tiny.make --out DIR` follows `tiny-base.toml` from nothing; with `--start DIR` it goes on from a checkpoint with the
sessions that are named by `--from N`. What was done is kept in `training.json` beside the weights, which are saved in half precision.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from bench.errors import UserError
from bench.extras import optional
from bench.prompt import reward_prompt
from bench.puzzle import Puzzle
from bench.train.data import data_sha256
from bench.train.provenance import RECORD, versions
from bench.train.tiny.draw import side_by_side
from bench.train.tiny.lessons import KINDS, STYLES, lesson, reply
from bench.train.tiny.model import Size, build, sizes
from bench.train.tiny.rationales import rationale
from bench.train.tiny.warmstart import Learned, Schedule, warm_start
from tasks.suites import GENERATED, MINI_FAMILIES, SuiteSpec, make_puzzle

SUITE = "mini@1"


@dataclass(frozen=True)
class Session(Schedule):
    """One stretch of the warm start: a schedule, whose seed draws the puzzles too.

    Attributes:
        puzzles: level -> how many of each family; fewer where a family has no more fresh states.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    puzzles: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Base:
    """The whole recipe: sizes, seed of the weights, sessions."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    sessions: tuple[Session, ...]
    size: Size = field(default_factory=Size)
    seed: int = 0


def load_base(path: Path | None = None) -> Base:
    """The recipe in `path`, or the shipped one.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    place = path or Path(str(files("bench.train.tiny") / "tiny-base.toml"))
    try:
        return TypeAdapter(Base).validate_python(tomllib.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{place}: not a recipe of a base checkpoint: {str(error).splitlines()[0]}") from None


def session_puzzles(session: Session) -> list[Puzzle]:
    """The puzzles of a session, split "train", family by family and level by level, each drawn once."""
    wanted = [(session.seed, name, int(level), count) for name in MINI_FAMILIES for level, count in session.puzzles.items()]
    found = [puzzle for puzzles in side_by_side(_drawn, wanted, session.drawers) for puzzle in puzzles]
    return list({puzzle.id: puzzle for puzzle in found}.values())


def _drawn(wanted: tuple[int, str, int, int]) -> list[Puzzle]:
    """At most `count` puzzles of one family and level: fewer where there are no more fresh states."""
    seed, name, level, count = wanted
    spec, side, seen = SuiteSpec(SUITE, seed=seed, split="train"), GENERATED[SUITE].side, set[str]()
    made: list[Puzzle] = []
    for index in range(count):
        try:
            made.append(make_puzzle(spec, name, level=level, index=index, side=side, seen=seen))
        except UserError:
            break
    return made


def corpus(puzzles: Sequence[Puzzle]) -> Iterator[str]:
    """The texts that the tokenizer is made from: every kind of lesson and every reward's prompt and reply."""
    rng = random.Random(0)
    for puzzle in puzzles:
        for kind in KINDS:
            taught = lesson(puzzle, kind, rng)
            yield taught.prompt
            yield taught.reply
    for puzzle in puzzles[:: max(1, len(puzzles) // 300)]:
        for style in STYLES:
            yield reward_prompt(style, puzzle)
            yield reply(style, puzzle.description or "", rationale(puzzle), puzzle.answer)


def make_base(out: Path, recipe: Base, report: Callable[[str], None], *, start: Path | None = None, first: int = 0) -> Path:
    """Make the checkpoint in `out` and return it.

    Args:
        out: made if need be; must be empty.
        recipe: what to do.
        report: told every report of the warm start, in a line.
        start: a checkpoint to go on from instead of a new one; its `training.json` is kept and continued.
        first: number of the first session to do.

    Raises:
        UserError: `out` is taken.
        FloatingPointError: as `warm_start`.
    """
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty: choose another --out")
    record: dict[str, Any] = {"v": 1, "sessions": []}
    if start is not None:
        shutil.copytree(start, out, dirs_exist_ok=True)
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    for number, session in enumerate(recipe.sessions[first:], first):
        puzzles = session_puzzles(session)
        if not (out / "config.json").exists():
            build(out, corpus(puzzles[:: max(1, len(puzzles) // 2500)]), size=recipe.size, seed=recipe.seed)
        curve: list[dict[str, float]] = []
        began = time.time()
        warm_start(out, puzzles, session, report=_Reporter(report, number, curve))
        done = asdict(session) | {"data_sha256": data_sha256(puzzles), "distinct": len(puzzles), "seconds": round(time.time() - began)}
        record["sessions"].append(done | {"curve": curve})
    record |= {"parameters": sizes(out), "versions": versions(), "suite": SUITE}
    (out / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return halve(out)


@dataclass
class _Reporter:
    """Prints and keeps the reports of a session."""

    report: Callable[[str], None]
    number: int
    curve: list[dict[str, float]]

    def __call__(self, learned: Learned) -> None:
        self.curve.append({"step": learned.step, "loss": round(learned.loss, 4), "seconds": round(learned.seconds)})
        self.report(f"session {self.number}: step {learned.step}, loss {learned.loss:.4f}, {learned.seconds:.0f} s")


def halve(folder: Path) -> Path:
    """Save the weights in `folder` again in half precision, half the size; they are loaded and run in float32."""
    torch: Any = optional("torch", "train")
    load: Any = optional("transformers", "train").AutoModelForImageTextToText
    load.from_pretrained(folder, dtype=torch.float16).save_pretrained(folder)
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.train.tiny.make", description="Make the small checkpoint that training starts from."
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="default: the shipped tiny-base.toml")
    parser.add_argument("--start", type=Path, metavar="DIR", help="a checkpoint to go on from")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="N", help="number of the first session to do")
    chosen = parser.parse_args(argv)
    make_base(chosen.out, load_base(chosen.recipe), print, start=chosen.start, first=chosen.first)


if __name__ == "__main__":
    sys.exit(main())
