"""`samples_*.jsonl` of lm-evaluation-harness and `*_samples_*.jsonl` of lmms-eval: one line for each sample and filter.

Layout (lm-evaluation-harness 0.4, lmms-eval 0.3 and later): `doc_id`, `doc` (left out by lmms-eval when it saves), `target`, `arguments` or
`input`, `resps`, `filtered_resps`, `filter`, `metrics` (their names), hashes, and every metric under its own name. The name of the model
stands in the `*results*.json` beside it, or in the name of the folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from bench.errors import BadDataError, UserError
from bench.imports.samples import ForeignLog, Sample, right_or_wrong, spelled
from bench.suggest import did_you_mean
from tasks.custom.source import MAX_LINE
from tasks.public.rows import as_object, json_object, numbered_lines

_NAME = re.compile(r"^(?:(?P<lmms>.+)_)?samples_(?P<task>.+?)(?:_\d{4}-\d\d-\d\dT[\d:.-]+)?$")
_OWN = ("doc_id", "doc", "target", "arguments", "input", "resps", "filtered_resps", "filter", "metrics", "submission", "version")
_OPTIONS = ("choices", "options", "endings")
_GROUPS = ("category", "subject", "subset", "family")


def read_harness_log(path: Path, *, model: str | None, filter_name: str | None, metric: str | None) -> ForeignLog:
    """The samples of one file.

    Args:
        path: the file.
        model: the model's name; None takes it from beside the file.
        filter_name: which filter's lines, where there are several.
        metric: which metric says right or wrong, where there are several.

    Raises:
        UserError: not such a file; several filters or metrics and none chosen; a sample that stands twice.
    """
    lines = list(_lines(path))
    if not lines:
        raise UserError(f"{path.name} is empty: expected a line for each sample")
    chosen = _filtered(path, lines, filter_name)
    name = _metric(path, chosen, metric)
    match = _NAME.match(path.stem)
    kind = "lmms-eval" if "input" in lines[0][1] else "lm-eval"
    results = _results(path)
    first = _reading([line for _, line in chosen], name)
    samples = [_sample(where, line, name, first) for where, line in chosen]
    task = match["task"] if match else path.stem
    found = model or _text(results.get("model_name")) or path.resolve().parent.name.replace("__", "/")
    version = _text(results.get("lm_eval_version"))
    return ForeignLog(path, kind, task, found, samples, _limited(results, task), version=version)


def _lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in numbered_lines(path, MAX_LINE):
        if line is not None and not line.strip():
            continue
        where = f"{path.name} line {number}"
        try:
            fields = json_object(line, MAX_LINE)
        except BadDataError as error:
            raise UserError(f"{where}: {error}") from error
        if "doc_id" not in fields or not ("filtered_resps" in fields or "resps" in fields):
            raise UserError(
                f"{where}: expected a sample of lm-eval or lmms-eval (doc_id, target, filtered_resps), found {', '.join(fields)[:80]}"
            )
        yield where, fields


def _filtered(path: Path, lines: Sequence[tuple[str, Mapping[str, Any]]], wanted: str | None) -> list[tuple[str, Mapping[str, Any]]]:
    names = list(dict.fromkeys(str(line.get("filter", "none")) for _, line in lines))
    if wanted is not None and wanted not in names:
        raise UserError(f"{path.name}: there is no filter {wanted!r}{did_you_mean(wanted, names)}: found {', '.join(names)}")
    if wanted is None and len(names) > 1:
        raise UserError(f"{path.name}: every sample was filtered in several ways ({', '.join(names)}): choose one with --filter NAME")
    return [(where, line) for where, line in lines if wanted is None or line.get("filter", "none") == wanted]


def _metric(path: Path, lines: Sequence[tuple[str, Mapping[str, Any]]], wanted: str | None) -> str | None:
    """The metric that is the score: the one asked for, or the only one that says right or wrong; None where there is none."""
    first = lines[0][1]
    named: Any = first.get("metrics")
    if not isinstance(named, list):
        named = [name for name in first if name not in _OWN and not name.endswith("_hash")]
    names = [str(name) for name in cast("list[Any]", named)]
    if wanted is not None and wanted not in names:
        raise UserError(f"{path.name}: there is no metric {wanted!r}{did_you_mean(wanted, names)}: found {', '.join(names) or 'none'}")
    if wanted is not None:
        return wanted
    clear = [name for name in names if all(right_or_wrong(line.get(name))[1] is None for _, line in lines)]
    if len(clear) > 1 and any(line.get(name) != line.get(clear[0]) for name in clear for _, line in lines):
        raise UserError(f"{path.name}: several metrics say right or wrong ({', '.join(clear)}): choose one with --metric NAME")
    return clear[0] if clear else names[0] if names else None


def _results(path: Path) -> Mapping[str, Any]:
    """The `*results*.json` beside the samples, of the same moment where there are several; {} where there is none."""
    stamp = re.search(r"\d{4}-?\d\d-?\d\d[T_][\d:.-]+", path.stem)
    files = sorted(path.parent.glob("*results*.json"))
    same = [file for file in files if stamp is not None and stamp[0] in file.name]
    for file in same or (files if len(files) == 1 else []):
        try:
            found: Any = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict):
            return cast("dict[str, Any]", found)
    return {}


def _limited(results: Mapping[str, Any], task: str) -> tuple[str, ...]:
    counts = as_object((as_object(results.get("n-samples")) or {}).get(task)) or {}
    if counts.get("original") != counts.get("effective"):
        return (f"{task}: {counts.get('effective')} of {counts.get('original')} samples were asked",)
    return ()


def _reading(lines: Sequence[Mapping[str, Any]], metric: str | None) -> str:
    """Whether targets of samples answered by likelihood are places or texts: what agrees with the scores; places where both do."""
    for reading in ("index", "text"):
        for line in lines:
            chosen = _by_likelihood(line, _requests(line))
            score = right_or_wrong(line.get(metric))[0] if metric is not None else None
            if chosen is not None and score is not None and score != (spelled(line.get("target"), chosen[1], first=reading) == chosen[0]):
                break
        else:
            return reading
    return "text"


def _sample(where: str, line: Mapping[str, Any], metric: str | None, first: str) -> Sample:
    doc: Any = line.get("doc")
    fields = cast("dict[str, Any]", doc) if isinstance(doc, dict) else {}
    requests = _requests(line)
    chosen = _by_likelihood(line, requests)
    options = chosen[1] if chosen else _options(fields)
    question = _question(fields, requests)
    text, said = (chosen[0], chosen[0]) if chosen else _written(line)
    score, unscored = right_or_wrong(line.get(metric)) if metric is not None else (None, "the log gives no score")
    answer = spelled(line.get("target"), options, first=first if chosen else "text")
    if options and answer not in options:
        options = ()  # what the task calls its choices is not what this target is one of
    group = next((str(fields[name]) for name in _GROUPS if isinstance(fields.get(name), str) and fields[name]), None)
    return Sample(str(line["doc_id"]), where, question, options, answer, text, said, score, unscored, family=group)


def _requests(line: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(prompt, continuation) of every request of a sample."""
    arguments: Any = line.get("arguments")
    if isinstance(arguments, dict):
        rows: list[Any] = [list(item.values()) for item in cast("dict[str, dict[str, Any]]", arguments).values()]
    elif isinstance(arguments, list):
        rows = cast("list[Any]", arguments)
    else:
        rows = [[line.get("input")]]
    made: list[tuple[str, str]] = []
    for row in rows:
        parts = cast("list[Any]", row) if isinstance(row, list) else [row]
        texts = [part if isinstance(part, str) else "" for part in parts]
        made.append((texts[0] if texts else "", texts[1] if len(texts) > 1 else ""))
    return made


def _by_likelihood(line: Mapping[str, Any], requests: Sequence[tuple[str, str]]) -> tuple[str, tuple[str, ...]] | None:
    """The most likely continuation and all of them, of a sample that was answered by likelihood; None of one that was written."""
    found: Any = line.get("filtered_resps")
    if not isinstance(found, list) or len(requests) < 2 or len(cast("list[Any]", found)) != len(requests):
        return None
    try:
        likelihoods = [float(cast("list[Any]", pair)[0]) for pair in cast("list[Any]", found)]
    except (TypeError, ValueError, IndexError):
        return None
    options = tuple(continuation.strip() for _, continuation in requests)
    return options[likelihoods.index(max(likelihoods))], options


def _written(line: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The reply of a sample, and the answer that the filter found in it."""
    said, whole = _first(line.get("filtered_resps")), _first(line.get("resps"))
    return (whole if whole is not None else said), said


def _first(value: Any) -> str | None:
    while isinstance(value, list):
        value = cast("list[Any]", value)[0] if value else None
    return None if value is None else str(value)


def _options(doc: Mapping[str, Any]) -> tuple[str, ...]:
    for name in _OPTIONS:
        value: Any = doc.get(name)
        if isinstance(value, dict):
            value = cast("dict[str, Any]", value).get("text")
        if isinstance(value, list) and len(cast("list[Any]", value)) > 1:
            items = [str(item) for item in cast("list[Any]", value)]
            return tuple(items) if len(set(items)) == len(items) and len(items) <= 26 else ()
    return ()


def _question(doc: Mapping[str, Any], requests: Sequence[tuple[str, str]]) -> str:
    for name in ("question", "query", "problem"):
        if isinstance(doc.get(name), str):
            return doc[name]
    return requests[0][0] if requests else ""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
