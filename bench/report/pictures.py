"""What a report shows of a puzzle beyond its records: the picture again, the facts that a caption kept, and prices.

Generated pictures are drawn again from the states that the runs stored; the suite is not needed. Those of a public set are read from the
authors' clone where one is given. A report that has none of this still shows everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.errors import BadDataError, UserError
from bench.image import ImageRef
from bench.models.base import ModelOptions, Usage
from bench.models.registry import cost
from bench.puzzle import stored_puzzle
from bench.report.html.drilldown import CaptionFacts, Sources
from bench.store.reader import PUZZLES, read_lines, read_run
from tasks.custom.columns import parse_columns
from tasks.fidelity import fidelity
from tasks.kit.drawing import encode
from tasks.public.load import PUBLIC_SUITES
from tasks.registry import family, known
from tasks.suites import SuiteSpec, generated, is_own, load_suite


def sources(folders: Sequence[Path], *, data_dir: Path | None = None) -> Sources:
    """What the report of the runs in `folders` may ask for; `data_dir` is the authors' clone of a public set.

    Raises:
        UserError: a run cannot be read, or `data_dir` was given and holds no such set.
    """
    gallery = _Gallery(folders, data_dir)
    servers: list[str | None] = [read_run(folder).get("identity", {}).get("base_url") for folder in folders]
    options = ModelOptions(base_url=next(filter(None, servers), None))
    return Sources(picture=gallery.picture, facts=caption_facts, cost=partial(_cost, options))


def caption_facts(line: Mapping[str, Any], text: str) -> CaptionFacts | None:
    """How `text` compares with what the picture of a puzzle shows; `line` is the puzzle's line of `puzzles.jsonl`.

    None where the puzzle's state is not known.
    """
    if not line.get("state") or not known(str(line.get("family"))):
        return None
    found = fidelity(text, stored_puzzle(line))
    if found is None:
        return None
    made = family(line["family"])
    shown: Mapping[str, str] = made.facts(made.load(line["state"]))
    said: Mapping[str, str] = made.claims(text) if found.wrong else {}
    right = len(shown) - len(found.lost) - sum(slot in shown for slot in found.wrong)
    wrong = tuple((slot, shown.get(slot, ""), said[slot]) for slot in found.wrong)
    return CaptionFacts(right, wrong, tuple((slot, shown[slot]) for slot in found.lost), found.recovered)


def _cost(options: ModelOptions, model: str, tokens_in: int, tokens_out: int) -> float | None:
    """USD at list price; None where the name or its price is not known here (a model that was removed since the run)."""
    try:
        return cost(model, Usage(tokens_in, tokens_out), options)
    except UserError:
        return None


class _Gallery:
    """Pictures by puzzle id."""

    def __init__(self, folders: Sequence[Path], data_dir: Path | None) -> None:
        self._lines = {line["id"]: line for folder in folders if (folder / PUZZLES).is_file() for _, line in read_lines(folder / PUZZLES)}
        self._files: dict[str, ImageRef] = {}
        runs = [read_run(folder) for folder in folders]
        names = {run["suite"]["name"] for run in runs}
        if data_dir is not None:
            self._files = _public(sorted(names & set(PUBLIC_SUITES)), data_dir)
        for run in runs:
            self._files |= _own(run.get("identity") or {}, data_dir)

    def picture(self, puzzle: str) -> bytes | None:
        """The encoded picture of a puzzle id; None where it can be neither drawn nor read."""
        line = self._lines.get(puzzle)
        try:
            if puzzle in self._files:
                return self._files[puzzle].data()
            suite = generated(line["suite"]) if line is not None else None
            if line is not None and suite is not None and line["image"]["drawn"]:
                made = family(line["family"])
                return encode(made.draw(made.load(line["state"]), suite.side))
        except (BadDataError, KeyError, ValueError):  # the file is gone, or an old state that this version cannot load
            return None
        return None


def _own(identity: Mapping[str, Any], data_dir: Path | None) -> dict[str, ImageRef]:
    """The pictures of a suite of the user's own, where its table still lies where the run found it; none of any other suite."""
    text: Any = identity.get("suite")
    if not isinstance(text, str) or not is_own(text):
        return {}
    try:
        suite = load_suite(SuiteSpec.parse(text), data_dir=data_dir, skip_bad=True, columns=parse_columns(identity.get("columns") or ""))
    except UserError:
        return {}
    return {puzzle.id: puzzle.image for puzzle in suite.puzzles}


def _public(names: Iterable[str], data_dir: Path) -> dict[str, ImageRef]:
    suites = (load_suite(SuiteSpec(name), data_dir=data_dir, skip_bad=True) for name in names)
    return {puzzle.id: puzzle.image for suite in suites for puzzle in suite.puzzles}
