"""Foreign logs as a run directory: samples become puzzles and records, and from there everything works as on a run of ours.

The verdict is the log's own score (`how: "imported"`), or ours where that is asked for; where both can be had, they are compared, and the
disagreements are kept. Where the suite of the samples is given, puzzles are taken from it by their ids, with pictures, descriptions and
states; else a puzzle is what the log says, and its id is made of the sample's id and the right answer, so that logs of other data never
pair by accident.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from bench.digest import digest
from bench.errors import UserError
from bench.files import file_sha256
from bench.grader.grade import Item, grade
from bench.imports.samples import IMPORTED, ForeignLog, Sample, spelled
from bench.models.base import Reply
from bench.outcome import Format, Outcome, Verdict
from bench.puzzle import Puzzle, puzzle_line
from bench.store.record import Failure, Record
from bench.store.writer import Store
from bench.versions import SCHEMA, __version__, commit
from tasks.suites import Suite

GRADES = ("given", "ours")
"""Whose verdict counts."""

_OWN_ID = re.compile(r"^(?P<id>.+)-[0-9a-f]{12}$")
_UNSAFE = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True, slots=True)
class ScoreDifference:
    """A sample that the log scores otherwise than our grader."""

    puzzle: str
    mode: str
    model: str
    gold: str
    given: Outcome
    ours: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What was written: trials, puzzles, and where our grader disagrees with the logs; `compared` is how many both have judged."""

    trials: int
    puzzles: int
    disagreements: tuple[ScoreDifference, ...]
    compared: int


@dataclass(frozen=True)
class Import:
    """What is to be imported.

    Attributes:
        logs: read and checked for pairing.
        modes: the arm of each log.
        suite: the name of the suite of the samples.
        grades: one of `GRADES`.
        puzzles: the suite itself, where it is known here.
        suite_text: how the person named it.
    """

    logs: Sequence[ForeignLog]
    modes: Sequence[str]
    suite: str
    grades: str = "given"
    puzzles: Suite | None = None
    suite_text: str | None = None


def write_run(wanted: Import, folder: Path) -> Imported:
    """Write the run directory.

    Raises:
        UserError: samples that are none of the suite's, scores that are neither right nor wrong, or a folder that cannot be used.
    """
    lines, records, disagreements, compared = _made(wanted)
    identity = _identity(wanted)
    names = dict.fromkeys(log.model for log in wanted.logs)
    started = wanted.logs[0].version
    run = {
        "v": SCHEMA,
        "version": __version__,
        "identity": identity,
        "suite": {"name": wanted.suite, "sha256": _sha256(wanted, lines), "n": len(lines)},
        "models": [{"name": name, "provider": IMPORTED, "id": name, "simulated": False} for name in names],
        "planned": len(records),
        "harness": {"kind": wanted.logs[0].kind, "version": started},
        "commit": commit(),
        "finished": False,
        "totals": None,
    }
    store = Store(folder, run, identity)
    try:
        store.save_puzzles(lines.values())
        for record in records:
            if record.key not in store.finished:
                store.add(record)
        missing = sum(not record.final for record in records)
        finished = all(log.finished for log in wanted.logs) and not missing
        totals = {"planned": len(records), "finished": len(records) - missing, "missing": missing}
        store.save_run(finished=finished, totals=totals)
    finally:
        store.close()
    return Imported(len(records), len(lines), tuple(disagreements), compared)


def _identity(wanted: Import) -> dict[str, Any]:
    files = [
        {"sha256": file_sha256(log.path), "kind": log.kind, "task": log.task, "model": log.model, "mode": mode}
        for log, mode in zip(wanted.logs, wanted.modes, strict=True)
    ]
    own = {"suite": wanted.suite_text} if wanted.suite_text else {}
    return {IMPORTED: files, "grades": wanted.grades, "suite": wanted.suite, **own}


def _sha256(wanted: Import, lines: Mapping[str, Mapping[str, Any]]) -> str:
    if wanted.puzzles is not None and len(lines) == len(wanted.puzzles.puzzles):
        return wanted.puzzles.sha256
    return digest([[line["id"], line["question"], list(line["options"]), line["answer"]] for line in lines.values()])


def _made(wanted: Import) -> tuple[dict[str, Mapping[str, Any]], list[Record], list[ScoreDifference], int]:
    known = _by_sample_id(wanted.puzzles) if wanted.puzzles is not None else None
    fmt = _format(wanted, known)
    lines: dict[str, Mapping[str, Any]] = {}
    records: list[Record] = []
    disagreements: list[ScoreDifference] = []
    compared = 0
    for log, mode in zip(wanted.logs, wanted.modes, strict=True):
        for sample in log.samples:
            line = _puzzle(wanted, sample, known)
            lines.setdefault(line["id"], line)
            ours = _graded(sample, line)
            given = None if sample.score is None else Outcome.CORRECT if sample.score else Outcome.WRONG
            if ours is not None and given is not None:
                compared += 1
                if (ours.outcome is Outcome.CORRECT) != sample.score:
                    disagreements.append(ScoreDifference(line["id"], mode, log.model, line["answer"], given, ours, sample.text or ""))
            verdict = _verdict(wanted, sample, line, ours, given)
            records.append(_record(log, mode, sample, line, verdict, fmt))
    return lines, records, disagreements, compared


def _format(wanted: Import, known: Mapping[str, Puzzle] | None) -> Format:
    """Multiple choice where every sample has options, else open: a report pairs no two formats."""
    closed = [bool(known[s.id].options if known is not None and s.id in known else s.options) for log in wanted.logs for s in log.samples]
    return Format.MCQ if all(closed) else Format.OPEN


def _by_sample_id(suite: Suite) -> dict[str, Puzzle]:
    """The puzzles of a suite by their ids, and by the user's own ids where it has some."""
    found = {puzzle.id: puzzle for puzzle in suite.puzzles}
    for puzzle in suite.puzzles:
        own = _OWN_ID.match(puzzle.id.rpartition("/")[2])
        if own is not None:
            found.setdefault(own["id"], puzzle)
    return found


def _puzzle(wanted: Import, sample: Sample, known: Mapping[str, Puzzle] | None) -> dict[str, Any]:
    """The line of `puzzles.jsonl` of a sample."""
    if known is None:
        return _line(wanted.suite, sample)
    puzzle = known.get(sample.id) or known.get(_UNSAFE.sub("-", sample.id))
    if puzzle is None:
        some = ", ".join(list(known)[-2:])
        raise UserError(f"{sample.where}: suite {wanted.suite} has no puzzle with the id {sample.id!r} (it has ids such as {some})")
    answer = spelled(sample.answer, puzzle.options)
    if answer is not None and answer != puzzle.answer:
        raise UserError(f"{sample.where}: the log's right answer {answer!r:.60} is not the suite's ({puzzle.answer!r:.60}): other data")
    return puzzle_line(puzzle)


def _line(suite: str, sample: Sample) -> dict[str, Any]:
    family = sample.family or suite
    label = f"{_UNSAFE.sub('-', sample.id)[:60]}-{digest([sample.id, sample.answer])[:12]}"
    return {
        "id": f"{suite}/{_UNSAFE.sub('-', family)}/{label}",
        "suite": suite,
        "family": family,
        "question": sample.question,
        "options": list(sample.options),
        "answer": sample.answer or "",
        "state": None,
        "description": None,
        "level": None,
        "seed": None,
        "split": "eval",
        "sufficient": True,
        "image": {"source": IMPORTED, "drawn": False},
    }


def _graded(sample: Sample, line: Mapping[str, Any]) -> Verdict | None:
    """Our verdict on a sample's reply; None where there is no reply, no right answer is known, or letters do not reach for the options."""
    options = tuple(line["options"])
    if sample.text is None or not line["answer"] or len(options) > len(ascii_uppercase):
        return None
    item = Item(line["family"], line["answer"], options)
    return grade(sample.text, item, fmt=Format.MCQ if options else Format.OPEN, stop=sample.stop)


def _verdict(wanted: Import, sample: Sample, line: Mapping[str, Any], ours: Verdict | None, given: Outcome | None) -> Verdict:
    if sample.text is None:
        return Verdict(Outcome.ERROR, None, line["answer"], "error")
    if wanted.grades == "ours":
        if ours is None:
            why = "has more options than letters" if len(line["options"]) > len(ascii_uppercase) else "does not say the right answer"
            raise UserError(f"{sample.where}: --grade ours: the log {why}; give the data with --suite")
        return ours
    if given is None:
        why = sample.unscored or "the log gives no score"
        raise UserError(f"{sample.where}: {why}: grade again with --grade ours, or choose another score with --metric NAME")
    said = sample.said if sample.said is not None else ours.answer if ours is not None else None
    return Verdict(given, spelled(said, tuple(line["options"])), line["answer"], IMPORTED)


def _record(log: ForeignLog, mode: str, sample: Sample, line: Mapping[str, Any], verdict: Verdict, fmt: Format) -> Record:
    reply = None
    if sample.text is not None:
        reply = Reply(sample.text, sample.stop, sample.usage, sample.latency_s, model=log.model)
    content = [IMPORTED, line["id"], line["question"], line["options"], log.model, mode, sample.replicate, sample.text]
    return Record(
        key=digest(content),
        puzzle=line["id"],
        family=line["family"],
        suite=line["suite"],
        model=log.model,
        mode=mode,
        captioner=IMPORTED if "caption" in mode else None,
        caption_prompt="plain" if "caption" in mode else None,
        caption_key=None,
        format=fmt.value,
        replicate=sample.replicate,
        prompt_sha=IMPORTED,
        options=tuple(line["options"]),
        level=line["level"],
        split=line["split"],
        sufficient=line["sufficient"],
        image=None,
        reply=reply,
        verdict=verdict,
        error=None if reply is not None else Failure(IMPORTED, sample.error or "the log holds no reply"),
        version=__version__,
    )


def disagreement_rows(found: Sequence[ScoreDifference]) -> Iterator[dict[str, str]]:
    """Rows of a table of disagreements."""
    for one in found:
        yield {
            "puzzle": one.puzzle,
            "model": one.model,
            "mode": one.mode,
            "gold": one.gold,
            "given": one.given.value,
            "ours": one.ours.outcome.value,
            "read": one.ours.answer or "",
            "how": one.ours.how,
            "reply": one.text,
        }
