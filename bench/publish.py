"""Reports of runs, with what only the floor above them can tell: the pictures again, the facts that a caption kept, prices.

Generated pictures are drawn again from the states that the runs stored, as small as they are shown; those of a public set are read one by
one from the authors' clone where one is given. The suite itself is never loaded. A report that has none of this still shows everything
else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from bench.errors import BadDataError, UserError
from bench.gap.document import Document
from bench.image import ImageRef
from bench.models.base import ModelOptions, Usage
from bench.models.registry import cost
from bench.puzzle import stored_puzzle
from bench.report.sources import CaptionFacts, Sources
from bench.report.unchanged import made_of, note_made, unchanged
from bench.report.write import Report, Writer, format_names, write_report
from bench.store.run import Run
from tasks.custom.columns import parse_columns
from tasks.custom.source import HUB, hub_unasked
from tasks.fidelity import fidelity
from tasks.kit.drawing import encode
from tasks.public.load import PUBLIC_SUITES, load_picture
from tasks.registry import family, known
from tasks.suites import SuiteSpec, drawn_by, is_own, load_suite

_INSPECT = "inspect"


def formats() -> tuple[str, ...]:
    """Names of the formats that a report can be written in, those of plug-ins included."""
    return tuple(dict.fromkeys((*format_names(), _INSPECT)))


def published(runs: Sequence[Run], folder: Path, names: Sequence[str], *, data_dir: Path | None = None, **options: Any) -> Document:
    """The gap document of `runs`, with `gap.json` and the formats `names` of it in `folder`; one that stands there is not made again.

    With no format at all the folder is left alone.

    Args:
        runs: opened run directories.
        folder: where to; made where it is missing.
        names: some of `formats()`.
        data_dir: the authors' clone that holds the pictures of a public set.
        options: of `bench.gap.make.gap_document`.

    Raises:
        UserError: as `gap_document` and `publish`.
        MissingExtraError: a format needs a package that is not installed.
    """
    made = made_of(runs, names, data_dir=str(data_dir), **options)
    document = unchanged(folder, made)
    if document is None:
        from bench.gap.make import gap_document

        document = gap_document(runs, **options)
        if names:
            publish(document, runs, folder, names, data_dir=data_dir)
            note_made(folder, made, names)
    return document


def publish(document: Document, runs: Sequence[Run], folder: Path, names: Sequence[str], *, data_dir: Path | None = None) -> None:
    """Write `gap.json` and the formats `names` of the runs behind `document` into `folder`.

    Args:
        document: the gap document of `runs`.
        runs: opened run directories.
        folder: where to; made where it is missing.
        names: some of `formats()`.
        data_dir: the authors' clone that holds the pictures of a public set.

    Raises:
        UserError: the folder cannot be written, or a run cannot be read.
        MissingExtraError: a format needs a package that is not installed.
    """
    more: dict[str, Writer] = {_INSPECT: partial(_inspect, data_dir)}
    write_report(Report(document, runs, folder, sources(document, data_dir=data_dir)), names, more)


def sources(document: Document, *, data_dir: Path | None = None) -> Sources:
    """What the report of `document` may ask for; `data_dir` is the authors' clone of a public set."""
    servers: list[str | None] = [run["identity"].get("base_url") for run in document["runs"]]
    options = ModelOptions(base_url=next(filter(None, servers), None))
    shown = pictures([run["identity"] for run in document["runs"]], data_dir)
    return Sources(picture=shown, facts=caption_facts, cost=partial(_cost, options))


def pictures(identities: Sequence[Mapping[str, Any]], data_dir: Path | None = None) -> Callable[..., bytes | Image.Image | None]:
    """`picture` for the runs of these identities: of suites of the user's own too, where their tables still lie where they were found."""
    own = {name: image for identity in identities for name, image in _own(identity, data_dir).items()}

    def shown(line: Mapping[str, Any], side: int | None = None) -> bytes | Image.Image | None:
        if line.get("id") in own:
            with suppress(BadDataError):
                return own[line["id"]].data()
        return picture(line, side, data_dir=data_dir)

    return shown


def encoded_picture(run: Run, puzzle: str, *, data_dir: Path | None = None) -> bytes | None:
    """The encoded picture of a puzzle of `run`, just as it was asked about; None where it can be neither drawn nor read."""
    line = run.puzzles.get(puzzle)
    found = pictures([run.info.identity], data_dir)(line) if line is not None else None
    return encode(found) if isinstance(found, Image.Image) else found


def _own(identity: Mapping[str, Any], data_dir: Path | None) -> dict[str, ImageRef]:
    """The pictures of a suite of the user's own, where its table still lies where the run found it; none of any other suite.

    Of a data set of the hub what this machine keeps: a report is no reason to ask the hub, least of all one of somebody else's run.
    """
    text: Any = identity.get("suite")
    if not isinstance(text, str) or not is_own(text):
        return {}
    columns = identity.get("columns") or ""
    try:
        with hub_unasked() if text.startswith(HUB) else nullcontext():
            suite = load_suite(SuiteSpec.parse(text), data_dir=data_dir, skip_bad=True, columns=parse_columns(columns))
    except UserError:
        return {}
    return {puzzle.id: puzzle.image for puzzle in suite.puzzles}


def picture(line: Mapping[str, Any], side: int | None = None, *, data_dir: Path | None = None) -> bytes | Image.Image | None:
    """The picture of a puzzle by its line of `puzzles.jsonl`.

    Args:
        line: the puzzle as a run stores it.
        side: draw a generated picture with this longer side in px; None for the picture just as it was asked about.
        data_dir: the authors' clone of a public set.

    Returns:
        A drawn picture, the bytes of a file, or None where it can be neither drawn nor read.
    """
    try:
        suite = drawn_by(line["suite"])
        if suite is not None and line["image"]["drawn"]:
            made = family(line["family"], suite.edition)
            return made.draw(made.load(line["state"]), suite.side if side is None else min(side, suite.side))
        if data_dir is not None and line["suite"] in PUBLIC_SUITES:
            return load_picture(stored_puzzle(line), data_dir)
    except (BadDataError, KeyError, TypeError, ValueError):  # the file is gone, or an old line that this version cannot load
        return None
    return None


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


def _inspect(data_dir: Path | None, report: Report) -> None:
    """The logs of Inspect AI, with the pictures just as they were asked about."""
    from bench.image import inspect
    from bench.inspect.log import write_inspect_logs

    def encoded(puzzle: str) -> tuple[bytes, str] | None:
        run = next((run for run in report.runs if puzzle in run.puzzles), None)
        data = encoded_picture(run, puzzle, data_dir=data_dir) if run is not None else None
        return (data, inspect(data).media_type) if data else None

    write_inspect_logs(report.runs, report.folder / "inspect", encoded)
