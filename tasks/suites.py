"""Suites: named, seeded, content-hashed sets of puzzles.

`algo` draws the eighteen generated families, `mini` small images of the nine families of the paper, and the public sets come from
`tasks.public.load`. A generated suite is written `name:seed=7,level=3,n=50,split=eval`, and the same words give the same puzzles
everywhere. Every family, one registered from outside included, is also a suite of its own name (`clock:level=3`), and
`algo:families=clock+mine` asks the families that are named, in that order, as `algo` would; `algo` itself stays its eighteen.

Freshness: the seed of an instance is a hash of suite, split, family, level, index and suite seed, so no two splits share a seed. A state
whose content hashes into the evaluation share is never used for another split, so that evaluation and training share no *state* either,
however often small state spaces repeat themselves.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from bench.digest import canonical, digest, digest_of_rows
from bench.errors import BadDataError, UserError
from bench.image import ImageInfo, ImageRef
from bench.puzzle import Puzzle, puzzle_id
from bench.suggest import did_you_mean
from tasks.custom.source import HUB, is_custom
from tasks.custom.source import parameters as custom_parameters
from tasks.family import LEVELS, Family, ReadError
from tasks.kit.drawing import measured
from tasks.options import Balance, draw_options
from tasks.pinned import GENERATED, MINI_FAMILIES, GeneratedSuite, drawn_by, generated
from tasks.public.load import OVERSTATED, PUBLIC_SUITES, Problem, load_public
from tasks.registry import SUITE_NAMES, family, known
from tasks.registry import names as family_names

EVAL_SHARE = 4
"""One state in so many belongs to the split "eval"; all other splits use the rest."""

__all__ = ["GENERATED", "MINI_FAMILIES", "Suite", "SuiteSpec", "drawn_by", "generated", "load_suite", "make_puzzle", "take_level"]

_ATTEMPTS = 400
"""States that are sampled for one puzzle before the family is taken to have no fresh one left."""
_MISSES = 6000
"""As many for a version whose options are balanced, which gives up a state where they are not."""
_OPTIONS = 4
_POOL = 6


def is_own(text: str) -> bool:
    """Whether `text` names a suite of the user's own: a path or a hub id, and none of our names."""
    name = text.partition(":")[0]
    return text.startswith(HUB) or (name not in PUBLIC_SUITES and generated(name) is None and is_custom(text))


@dataclass(frozen=True, slots=True)
class SuiteSpec:
    """A suite as a person names it. For public sets only `name` counts, and of a set of the user's own it is the whole text; `families`
    replaces those of a generated suite.
    """

    name: str
    seed: int = 0
    level: int | None = None
    n: int | None = None
    split: str = "eval"
    families: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> SuiteSpec:
        """Read "algo", "algo@1", "clock" or "algo:seed=7,level=3,n=50,split=train,families=clock+maze".

        Raises:
            UserError: an unknown suite or parameter, or a value of the wrong kind.
        """
        name, _, tail = text.partition(":")
        if is_own(text):
            custom_parameters(text)
            return cls(text)
        if name not in PUBLIC_SUITES and generated(name) is None:
            hint = did_you_mean(name, (*SUITE_NAMES, *family_names()))
            raise UserError(
                f"unknown suite {name!r}{hint}: expected one of {', '.join(SUITE_NAMES)}, or the name of a family, the path of a file or "
                "folder, hub:ORG/NAME"
            )
        if tail and name in PUBLIC_SUITES:
            raise UserError(f"suite {name} is a public set and takes no parameters, found {tail!r}")
        fields: dict[str, Any] = {}
        for part in filter(None, tail.split(",")):
            key, _, value = part.partition("=")
            if key not in ("seed", "level", "n", "split", "families"):
                raise UserError(f"suite parameter {key!r} is unknown: expected seed, level, n, split or families")
            fields[key] = value if key == "split" else _families(value) if key == "families" else _whole(key, value)
        spec = cls(name, **fields)
        if spec.level is not None and spec.level not in LEVELS:
            raise UserError(f"level: expected {LEVELS[0]} to {LEVELS[-1]}, found {spec.level}")
        if spec.n is not None and spec.n < 1:
            raise UserError(f"n: expected at least 1 puzzle per family, found {spec.n}")
        return spec


class NoFreshStateError(UserError):
    """A family has no state left that a puzzle could be made of: all of its split were drawn, at this level."""


def suite_label(text: str) -> str:
    """A short name for what a person wrote as suite, fit for a folder's name: "algo" of "algo:seed=7", "sheet" of "data/sheet.csv"."""
    if not is_own(text):
        return text.partition(":")[0]
    return re.sub(r"[^\w.+-]+", "-", Path(text.rstrip("/").removeprefix("hub:")).stem).strip("-.") or "suite"


@dataclass(frozen=True)
class Suite:
    """Loaded puzzles. `captions` says whether the set carries captions; `problems` lists rows that were skipped.

    `rows` holds the row number of each puzzle in its public file, and is empty for generated suites. `notes` are sentences for the person
    who asked: what the suite does not hold although it was asked for.
    """

    name: str
    puzzles: tuple[Puzzle, ...]
    captions: bool = False
    problems: tuple[Problem, ...] = ()
    rows: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that is asked and known; the same on every machine. Pixels enter through the ids of public puzzles."""
        return digest_of_rows(
            canonical([p.id, p.question, list(p.options), p.answer, p.state, p.description, p.level, p.seed, p.split]) for p in self.puzzles
        )


def load_suite(
    spec: SuiteSpec,
    *,
    data_dir: Path | None = None,
    families: Sequence[str] | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    columns: Mapping[str, str] | None = None,
) -> Suite:
    """The puzzles of `spec`, at most `limit` per family, in the order of families and indices, or of the rows of the user's own table.

    Raises:
        UserError: unknown family, missing data directory or table; columns that are missing, or named for a set that has its own.
        BadDataError: broken rows or images, unless `skip_bad`.
    """
    if is_own(spec.name):
        return _custom(spec.name, data_dir=data_dir, families=families, limit=limit, skip_bad=skip_bad, columns=columns)
    if columns:
        raise UserError(f"--columns: suite {spec.name} has its own; name columns of a file or folder of yours")
    if spec.name not in PUBLIC_SUITES:
        return _generate(spec, tuple(families or ()), limit)
    loaded = load_public(spec.name, data_dir=data_dir, families=families, limit=limit, skip_bad=skip_bad)
    if not loaded.puzzles:
        raise BadDataError(f"suite {spec.name}: no usable puzzle was found")
    return Suite(spec.name, loaded.puzzles, captions=loaded.captions, problems=loaded.problems, rows=loaded.rows)


def _custom(text: str, *, columns: Mapping[str, str] | None, **asked: Any) -> Suite:
    """A set of the user's own, or a suite that was exported."""
    from tasks.custom.load import load_custom

    found = load_custom(text, columns=columns, **asked)
    if (found.name in SUITE_NAMES or known(found.name)) and not found.exported:
        raise UserError(
            f'suite {text}: the name {found.name!r} is taken by a suite of ours; put  name = "..."  into a suite.toml beside it'
        )
    if not found.loaded.puzzles:
        raise BadDataError(f"suite {text}: no usable puzzle was found")
    loaded = found.loaded
    return Suite(found.name, loaded.puzzles, captions=loaded.captions, problems=loaded.problems, rows=loaded.rows)


@lru_cache(maxsize=2)
def _generate(spec: SuiteSpec, families: tuple[str, ...], limit: int | None) -> Suite:
    """The suite, drawn once for the many evaluations of a training or a sweep."""
    suite = _generated(spec.name)
    drawn = spec.families or suite.families
    unknown = [name for name in families if name not in drawn]
    if unknown:
        way = f"; it is a suite of its own: --suite {unknown[0]}" if known(unknown[0]) else ""
        hint = "" if way else did_you_mean(unknown[0], drawn)
        raise UserError(f"suite {spec.name} has no family {unknown[0]!r}{hint}: expected some of {', '.join(drawn)}{way}")
    levels = (spec.level,) if spec.level is not None else suite.levels
    asked = spec.n or suite.n
    count = asked if limit is None else min(asked, limit)
    puzzles: list[Puzzle] = []
    notes: list[str] = []
    for name in drawn:
        if not families or name in families:
            puzzles += _of_family(spec, suite, name, levels, count, notes)
    return Suite(suite.label, tuple(puzzles), notes=tuple(notes))


def _of_family(spec: SuiteSpec, suite: GeneratedSuite, name: str, levels: Sequence[int], count: int, notes: list[str]) -> Iterator[Puzzle]:
    """`count` puzzles of family `name`, `levels` in turn; fewer, with a sentence in `notes`, where a level has no fresh state left."""
    seen: set[str] = set()
    balances: defaultdict[int, Balance] = defaultdict(Balance)
    made, short = Counter[int](), dict[int, int]()
    for index in range(count):
        level = levels[index % len(levels)]
        if level in short:
            short[level] += 1
            continue
        try:
            yield make_puzzle(spec, name, level=level, index=index, side=suite.side, seen=seen, balance=balances[level])
        except NoFreshStateError:
            if not seen:
                raise
            short[level] = 1
        else:
            made[level] += 1
    for level, missing in short.items():
        notes.append(
            f"{name} has only {made[level]} different puzzles at level {level} in split {spec.split}, where {made[level] + missing} were "
            f"asked for"
        )


def _generated(name: str) -> GeneratedSuite:
    suite = generated(name)
    if suite is None:
        raise UserError(f"unknown suite {name!r}: expected one of {', '.join(SUITE_NAMES)}, or the name of a family")
    return suite


def instance_seed(spec: SuiteSpec, name: str, level: int, index: int, attempt: int) -> int:
    """The seed of one instance: 63 bits of the hash of everything that names it."""
    return int(digest([_generated(spec.name).label, spec.split, spec.seed, name, level, index, attempt])[:16], 16) >> 1


def make_puzzle(spec: SuiteSpec, name: str, *, level: int, index: int, side: int, seen: set[str], balance: Balance | None = None) -> Puzzle:
    """Puzzle number `index` of a generated suite, whose state is in the share of its split and not in `seen` (to which it is added).

    `balance` keeps the options of many puzzles of one level even (`tasks.options`).

    Raises:
        NoFreshStateError: no fresh state was found; the family has too few at this level.
    """
    suite = _generated(spec.name)
    made = family(name, suite.edition)
    for attempt in range(_MISSES if suite.balanced else _ATTEMPTS):
        seed = instance_seed(spec, name, level, index, attempt)
        rng = random.Random(seed)
        state = made.sample(rng, level)
        data = made.dump(state)
        content = digest(data)
        if content in seen or not _in_split(content, spec.split):
            continue
        answer = made.solve(state)
        if suite.balanced:
            options = draw_options(made, state, answer, level=level, rng=rng, balance=balance)
        else:
            options = _tempting(made, state, answer, rng)
        if options is not None:
            seen.add(content)
            return _puzzle(spec, suite, made, state, data, answer, options, level=level, seed=seed, side=side)
    raise NoFreshStateError(f"family {name} has fewer fresh states than asked for at level {level}: lower n or choose another level")


def _in_split(content: str, split: str) -> bool:
    """Whether a state belongs to `split`: the evaluation split owns one hash bucket in `EVAL_SHARE`, every other split the rest."""
    return (int(content[:8], 16) % EVAL_SHARE == 0) == (split == "eval")


def _tempting(made: Family[Any], state: Any, answer: str, rng: random.Random) -> list[str]:
    """The options of version 1: wrong answers that are near at hand, which betray the right one."""
    pool = list(made.distractors(state))[:_POOL]
    options = [answer, *rng.sample(pool, min(_OPTIONS - 1, len(pool)))]
    rng.shuffle(options)
    return options


def _puzzle(
    spec: SuiteSpec,
    suite: GeneratedSuite,
    made: Family[Any],
    state: Any,
    data: dict[str, Any],
    answer: str,
    options: Sequence[str],
    *,
    level: int,
    seed: int,
    side: int,
) -> Puzzle:
    question, description = made.ask(state), made.describe(state)
    how = (made.name, suite.edition, state, side)
    return Puzzle(
        id=puzzle_id(suite.label, made.name, [data, question, list(options), side]),
        suite=suite.label,
        family=made.name,
        question=question,
        options=tuple(options),
        answer=answer,
        image=ImageRef(f"drawn:{made.name}", partial(_drawn, *how), drawn=True, measure=partial(_measure, *how)),
        state=data,
        description=description,
        level=level,
        seed=seed,
        split=spec.split,
        sufficient=_suffices(made, description, state, answer),
    )


def _suffices(made: Family[Any], description: str, state: Any, answer: str) -> bool:
    """Whether the exact solver, given the description and the question alone, finds the answer.

    A description that reads back as the very state that was solved needs no second solution: the solver is a function of the state.
    """
    seen = made.read(description)
    if isinstance(seen, ReadError):
        return False
    asked = made.asking(seen, state.query)
    return asked == state or made.same(made.solve(asked), answer)


@lru_cache(maxsize=256)
def _render(name: str, edition: int, state: Any, side: int) -> tuple[bytes, ImageInfo]:
    return measured(family(name, edition).draw(state, side))


def _drawn(name: str, edition: int, state: Any, side: int) -> bytes:
    return _render(name, edition, state, side)[0]


def _measure(name: str, edition: int, state: Any, side: int) -> ImageInfo:
    return _render(name, edition, state, side)[1]


def _families(value: str) -> tuple[str, ...]:
    """The families that "clock+maze" names.

    Raises:
        UserError: one of them is unknown or named twice.
    """
    names = tuple(family(name).name for name in value.split("+"))
    if len(set(names)) < len(names):
        raise UserError(f"families: expected every family once, found {value!r}")
    return names


def _whole(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise UserError(f"suite parameter {key}: expected a whole number, found {value!r}") from None


def take_level(suite: Suite, level: int | None) -> Suite:
    """`suite` with only the puzzles of `level` (all of them for None).

    Raises:
        UserError: the suite has no puzzle of that level.
    """
    if level is None:
        return suite
    kept = tuple(p for p in suite.puzzles if p.level == level)
    if not kept:
        raise UserError(f"suite {suite.name} has no puzzle of level {level}")
    return replace(suite, puzzles=kept)


def barred_families(suite: str) -> dict[str, str]:
    """Families of `suite` whose descriptions do not suffice, or say more than the picture, with the reason: no gap is claimed from them."""
    if suite == "algopuzzlevqa":
        return dict(OVERSTATED)
    if suite != "puzzlevqa":
        return {}
    from tasks.public.puzzlevqa import FAMILIES as CAPTIONED
    from tasks.public.puzzlevqa import sufficiency

    return {name: reason for name in CAPTIONED if (reason := sufficiency(name))}


def caveats(suite: str) -> Mapping[str, str]:
    """Families of `suite` whose descriptions suffice in another way than their pictures, with how: a gap compares two different puzzles."""
    if suite != "puzzlevqa":
        return {}
    from tasks.public.puzzlevqa import CAVEATS

    return CAVEATS
