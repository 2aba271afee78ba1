"""VLMEvalKit's sheets of predictions (`MODEL_DATASET.xlsx`, `.tsv`): the data set's rows without pictures, and a column `prediction`.

The sheet that its evaluation writes (`*_result.xlsx`) has a column `hit` as well, which is the score; where there is none, nothing was
scored yet, and answers are graded by ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.errors import BadDataError, UserError
from bench.imports.samples import ForeignLog, Sample, right_or_wrong, spelled
from tasks.custom.answers import read_options
from tasks.custom.columns import LETTERS, Columns
from tasks.custom.sheets import sheet_rows

_FAILED = "failed to obtain answer"
"""How a reply begins that VLMEvalKit could not get."""
_GROUPS = ("category", "l2-category")

Row = Mapping[str, str | None]


def read_sheet_log(path: Path, *, model: str | None) -> ForeignLog:
    """The samples of one sheet.

    Raises:
        UserError: not such a sheet.
    """
    names, rows = sheet_rows(path)
    lacks = [name for name in ("index", "prediction") if name not in names]
    if lacks:
        raise UserError(f"{path.name}: expected a sheet of VLMEvalKit with a column {lacks[0]!r}, found {', '.join(names)[:200] or 'none'}")
    letters = next((i for i, letter in enumerate(LETTERS) if letter not in names), len(LETTERS))
    columns = Columns({}, tuple(LETTERS[:letters]) if letters > 1 else ())
    samples = [_sample(f"{path.name} line {line}", row, columns) for line, row in rows]
    if not samples:
        raise UserError(f"{path.name} is empty: expected a row for each sample")
    found, task = _names(path)
    return ForeignLog(path, "vlmevalkit", task, model or found, samples)


def _names(path: Path) -> tuple[str, str]:
    """Model and data set, from "outputs/MODEL/MODEL_DATASET_judge_result.xlsx"."""
    stem, folder = path.stem, path.resolve().parent
    for name in (folder.name, folder.parent.name):
        if stem.startswith(f"{name}_"):
            return name, stem.removeprefix(f"{name}_").partition("_")[0]
    model, _, task = stem.partition("_")
    return (model, task) if task else ("model", stem)


def _sample(where: str, row: Row, columns: Columns) -> Sample:
    if row["index"] is None:
        raise UserError(f"{where}: index: expected the id of a sample, found nothing")
    try:
        options = read_options(row, columns)
    except BadDataError as error:
        raise UserError(f"{where}: {error}") from error
    text = row["prediction"]
    failed = text is None or text.casefold().startswith(_FAILED)
    score, unscored = right_or_wrong(row["hit"]) if row.get("hit") is not None else (None, "the log gives no score")
    question = row.get("question") or ""
    hint = row.get("hint")
    return Sample(
        id=str(row["index"]),
        where=where,
        question=f"{hint}\n{question}" if hint else question,
        options=options,
        answer=spelled(row.get("answer"), options, first="letter"),
        text=None if failed else text,
        score=None if failed else score,
        unscored=unscored,
        family=next((value for name in _GROUPS if (value := row.get(name))), None),
        error=(text or "no prediction") if failed else None,
    )
