"""Whole runs of local checkpoints, as the command line makes them, and what their records say."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

from rich.console import Console

from bench.config import Conditions, Execution, RunConfig, Subject
from bench.mode import Mode
from bench.runner.plan import make_plan
from bench.runner.session import Result, run_session
from bench.store.reader import CAPTIONS, TRIALS
from bench.store.run import open_run

MODES = (Mode.IMAGE, Mode.CAPTION, Mode.BLIND)


def run(
    models: tuple[str, ...],
    out: Path,
    *,
    captioner: str = "self",
    temperature: float | None = None,
    replicates: int = 1,
    limit: int = 4,
    modes: tuple[Mode, ...] = MODES,
) -> Result:
    """Run `models` over a few clocks, without a cache."""
    subject = Subject(models, modes, "mini", families=("clock",), limit=limit)
    conditions = Conditions(captioner=captioner, replicates=replicates, max_tokens=16, temperature=temperature)
    execution = Execution(out=out, cache="off", concurrency=8)
    return run_session(make_plan(RunConfig(subject, conditions, execution)), Console(file=io.StringIO()))


def said(folder: Path) -> dict[tuple[str, str, str, int], str | None]:
    """The text of every trial, by model, puzzle, mode and replicate; None where there is no reply."""
    return {(r.model, r.puzzle, r.mode, r.replicate): r.reply.text if r.reply else None for r in open_run(folder).records()}


def cut_in_half(folder: Path, target: Path) -> Path:
    """A copy of the run `folder` as it would be after a crash: half the records, half the captions, a torn line."""
    shutil.copytree(folder, target)
    for name in (TRIALS, CAPTIONS):
        path = target / name
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        if lines:
            half = len(lines) // 2
            path.write_text("".join(lines[:half]) + lines[half][:20], encoding="utf-8")
    run_json = json.loads((target / "run.json").read_text(encoding="utf-8"))
    run_json["finished"] = False
    (target / "run.json").write_text(json.dumps(run_json), encoding="utf-8")
    return target
