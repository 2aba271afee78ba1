"""Inspect AI's logs (`.eval` and `.json`), read as the JSON that they hold: Inspect itself need not be installed.

A sample is a puzzle and an epoch is a replicate. A log that `report --formats inspect` wrote is one of ours, and comes back as it was
(`bench.imports.own_logs`).
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from bench.errors import UserError
from bench.imports.samples import ForeignLog, Sample, right_or_wrong, spelled
from bench.models.base import Stop, Usage
from bench.suggest import did_you_mean
from tasks.public.rows import as_object

VERSION = 2
"""The version of the log format that is read."""

_ATTACHED = re.compile(r"attachment://([0-9a-f]{32})")
_STOPS = {"max_tokens": Stop.LENGTH, "model_length": Stop.LENGTH, "content_filter": Stop.REFUSAL}
_LETTERED = "choice"
"""Inspect's scorer of multiple choice: under it, targets and answers are letters."""
_GROUPS = ("category", "subject", "family", "subset")

Fields = Mapping[str, Any]


def load_inspect_log(path: Path) -> dict[str, Any]:
    """A log as plain data, its samples under "samples" in the order of their ids and epochs.

    Raises:
        UserError: not such a log, or of another version.
    """
    try:
        data = _unzipped(path) if path.suffix == ".eval" else json.loads(path.read_bytes())
    except (OSError, ValueError, KeyError, RecursionError, NotImplementedError, zipfile.BadZipFile) as error:
        raise UserError(f"{path.name}: expected a log of Inspect AI, which cannot be read ({str(error)[:100]})") from error
    if not isinstance(data, dict) or not isinstance(data.get("eval"), dict):  # pyright: ignore[reportUnknownMemberType]
        raise UserError(f"{path.name}: expected a log of Inspect AI, found other JSON")
    log = cast("dict[str, Any]", data)
    if log.get("version") != VERSION:
        raise UserError(f"{path.name}: a log of version {log.get('version')!r} of Inspect AI, and version {VERSION} is read here")
    if not log.get("samples"):
        raise UserError(f"{path.name}: the log holds no sample (status {log.get('status')!r})")
    return log


def _unzipped(path: Path) -> dict[str, Any]:
    import zipfile_zstd  # noqa: F401  # pyright: ignore[reportUnusedImport, reportMissingTypeStubs] - teaches zipfile to read zstd

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        header = "header.json" if "header.json" in names else "_journal/start.json"  # a log that was cut short has only its start
        log: dict[str, Any] = json.loads(archive.read(header))
        samples = [json.loads(archive.read(name)) for name in dict.fromkeys(names) if re.fullmatch(r"samples/.+\.json", name)]
    log.setdefault("status", "started")
    return {**log, "samples": samples}


def read_inspect_log(path: Path, log: Fields, *, model: str | None, scorer: str | None) -> ForeignLog:
    """The samples of a log that another program wrote (`load_inspect_log`).

    Args:
        path: for messages.
        log: the data.
        model: the model's name; None takes the log's.
        scorer: which scorer says right or wrong, where there are several.

    Raises:
        UserError: several scorers and none chosen, or a sample that is none.
    """
    about: Fields = log["eval"]
    name = _scorer(path, log["samples"], scorer)
    samples = [_sample(f"{path.name} sample {row.get('id')!r}", row, name) for row in log["samples"]]
    config: Fields = about.get("config") or {}
    notes = [f"the evaluation ended with status {log['status']!r}"] if log.get("status") != "success" else []
    notes += [f"only some samples were asked ({key} {config[key]!r:.60})" for key in ("limit", "sample_id") if config.get(key) is not None]
    return ForeignLog(
        path,
        "inspect-ai",
        str(about.get("task") or path.stem),
        model or str(about.get("model") or "model"),
        samples,
        tuple(f"{path.name}: {note}" for note in notes),
        finished=log.get("status") == "success",
        version=str(_part(about, "packages").get("inspect_ai") or "") or None,
    )


def _part(fields: Fields, name: str) -> Fields:
    """An object within an object; {} where there is none."""
    return as_object(fields.get(name)) or {}


def _scorer(path: Path, samples: Sequence[Fields], wanted: str | None) -> str | None:
    names = list(dict.fromkeys(name for row in samples for name in _part(row, "scores")))
    if wanted is not None and wanted not in names:
        raise UserError(f"{path.name}: there is no scorer {wanted!r}{did_you_mean(wanted, names)}: found {', '.join(names) or 'none'}")
    if wanted is None and len(names) > 1:
        raise UserError(f"{path.name}: every sample has several scores ({', '.join(names)}): choose one with --metric NAME")
    return wanted or (names[0] if names else None)


def _sample(where: str, row: Fields, scorer: str | None) -> Sample:
    if row.get("id") is None:
        raise UserError(f"{where}: expected a sample with an id")
    output: Fields = row.get("output") or {}
    first = "letter" if scorer == _LETTERED else "text"
    options = tuple(str(choice) for choice in row.get("choices") or ())
    answered = bool(output.get("choices")) and row.get("error") is None
    scored: Fields = _part(_part(row, "scores"), scorer) if scorer is not None else {}
    score, unscored = right_or_wrong(scored.get("value")) if scored else (None, "the log gives no score")
    about: Fields = row.get("metadata") or {}
    group = next((about[name] for name in _GROUPS if isinstance(about.get(name), str) and about[name]), None)
    usage: Fields = output.get("usage") or {}
    counts = [int(usage.get(key) or 0) for key in ("input_tokens", "output_tokens", "reasoning_tokens")]
    return Sample(
        id=str(row["id"]),
        where=where,
        question=_question(row),
        options=options,
        answer=_target(row.get("target"), options, first),
        text=resolved(row, str(output.get("completion") or "")) if answered else None,
        said=spelled(scored.get("answer"), options, first=first),
        score=score,
        unscored=unscored,
        replicate=int(row.get("epoch") or 1) - 1,
        family=group,
        error=_error(row.get("error")),
        stop=_STOPS.get(_stop(output), Stop.END),
        usage=Usage(*counts),
        latency_s=float(row.get("total_time") or 0.0),
    )


def _target(target: Any, options: Sequence[str], first: str) -> str | None:
    if isinstance(target, list):
        several = cast("list[Any]", target)
        target = several[0] if len(several) == 1 else None
    return spelled(target, options, first=first) if target not in (None, "") else None


def _stop(output: Fields) -> str:
    choices: Sequence[Fields] = output.get("choices") or ()
    return str(choices[0].get("stop_reason")) if choices else "stop"


def _error(error: Any) -> str | None:
    if error is None:
        return None
    message: Any = cast("dict[str, Any]", error).get("message") if isinstance(error, dict) else error
    return str(message)


def _question(row: Fields) -> str:
    """The text of the last message of a user in a sample's input."""
    asked: Any = row.get("input")
    if isinstance(asked, list):
        messages = cast("list[dict[str, Any]]", asked)
        users = [message for message in messages if message.get("role") == "user"] or messages
        content: Any = users[-1].get("content") if users else ""
        if isinstance(content, list):
            parts = cast("list[dict[str, Any]]", content)
            content = "\n".join(str(part.get("text")) for part in parts if part.get("type") == "text")
        asked = content
    return resolved(row, str(asked or ""))


def resolved(row: Fields, text: str) -> str:
    """`text` with the long parts put back that the log keeps once (`attachment://...`)."""
    kept: Mapping[str, str] = row.get("attachments") or {}
    return _ATTACHED.sub(lambda found: kept.get(found[1], found[0]), text)
