"""Whether logs can be paired: the same samples, asked the same thing, with the same right answers.

Logs of several arms pair by sample id. What cannot be paired is refused in one line that says why: ids that stand twice in a log, logs that
share no id, an id with another right answer. Ids that only some logs have are a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.errors import UserError
from bench.imports.samples import ForeignLog, Sample


def check_pairing(logs: Sequence[ForeignLog], modes: Sequence[str]) -> list[str]:
    """Notes on how the logs pair.

    Args:
        logs: what was read.
        modes: the arm of each.

    Raises:
        UserError: a log cannot be paired with itself or with another.
    """
    for log in logs:
        _once(log)
    arms: dict[tuple[str, str], ForeignLog] = {}
    for log, mode in zip(logs, modes, strict=True):
        before = arms.setdefault((log.model, mode), log)
        if before is not log and _ids(before) & _ids(log):
            raise UserError(
                f"{before.path.name} and {log.path.name} both hold {log.model} in mode {mode}, and share samples: give one of them "
                "another --as, or another --model"
            )
    return [note for log in logs[1:] for note in _notes(logs[0], log)]


def _ids(log: ForeignLog) -> set[str]:
    return {sample.id for sample in log.samples}


def _once(log: ForeignLog) -> None:
    seen: dict[tuple[str, int], Sample] = {}
    for sample in log.samples:
        before = seen.setdefault((sample.id, sample.replicate), sample)
        if before is not sample:
            raise UserError(f"{sample.where}: sample {sample.id!r} stands twice (first at {before.where}): which of the two counts?")


def _notes(first: ForeignLog, other: ForeignLog) -> Iterator[str]:
    ours, theirs = ({sample.id: sample for sample in log.samples} for log in (first, other))
    both = [name for name in ours if name in theirs]
    names = f"{first.path.name} and {other.path.name}"
    if not both:
        raise UserError(f"{names} share no sample id ({next(iter(ours))!r} there, {next(iter(theirs))!r} here): nothing can be paired")
    for name in both:
        one, two = ours[name], theirs[name]
        if one.answer is not None and two.answer is not None and one.answer != two.answer:
            raise UserError(
                f"{names}: sample {name!r} has the right answer {one.answer!r:.60} in one and {two.answer!r:.60} in the other: "
                "these are logs of different data, and cannot be paired"
            )
    lacking = [(first, len(ours) - len(both)), (other, len(theirs) - len(both))]
    yield from (f"{names}: {count} samples are in {log.path.name} only, and are not paired" for log, count in lacking if count)
