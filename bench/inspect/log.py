"""Runs as Inspect AI logs: one `.eval` file per model and arm, for `inspect view` and for everything that reads such logs.

An arm is a mode with its captioner and its dose of damage, so that the viewer's list of logs shows the arms of a model side by side, each
with its accuracy. In a log, a sample is a puzzle and an epoch is a replicate. A failure of the plumbing (`error`, `caption_failed`) is a
sample with an error and no score, so that Inspect's accuracy has the same denominator as ours. The request is not stored in a run: it is
written again from the stored puzzle, options and caption, and a sample says where a prompt has changed since.
"""

from __future__ import annotations

import base64
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.digest import digest
from bench.extras import optional
from bench.mode import Mode
from bench.outcome import Format, Outcome
from bench.prompt import prompt_sha
from bench.puzzle import stored_puzzle
from bench.question import question_of, template_of
from bench.store.run import Run

PictureOf = Callable[[str], tuple[bytes, str] | None]
"""Puzzle id -> (encoded bytes, media type), or None where the picture cannot be had."""

SCORER = "graded"
"""The name of our scorer, as Inspect writes it (top-level module `sightgap`): its metrics can be computed again from a log."""

RUN_KEY, RECORD_KEY = "sightgap_run", "sightgap"
"""Where a log carries the `run.json` of the run and a sample its stored lines (the reply's text is the sample's output), for `import`."""

Line = Mapping[str, Any]
_STOPS = {"end_turn": "stop", "max_tokens": "max_tokens", "refusal": "content_filter"}
_EPOCH = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class _Arm:
    """The trials of one model in one arm, of one run."""

    run: Run
    model: str
    name: str
    trials: Sequence[Line]


@dataclass(frozen=True)
class _Context:
    """What samples are made from: lines of puzzles and captions by id and key, pictures, and Inspect's modules."""

    puzzles: Mapping[str, Line]
    captions: Mapping[str, Line]
    picture_of: PictureOf
    log: Any
    model: Any
    scorer: Any


def write_inspect_logs(runs: Sequence[Run], out: Path, picture_of: PictureOf) -> list[Path]:
    """Write the logs of `runs` into `out`; returns their paths, in the order of models and arms.

    Raises:
        MissingExtraError: Inspect AI is not installed.
        UserError: a line that is not of this version.
    """
    log, model, scorer = (inspect_module(name) for name in ("log", "model", "scorer"))
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for run in runs:
        context = _Context(run.puzzles, run.captions, picture_of, log, model, scorer)
        for arm in _arms(run):
            made = _log(arm, context)
            path = out / f"{_stamp(made.eval.created)}_{_file_name(made.eval.task)}_{made.eval.task_id}.eval"
            log.write_eval_log(made, str(path), format="eval")
            written.append(path)
    return written


def inspect_module(name: str) -> Any:
    """A module of Inspect AI, which is an extra and is loaded only where it is used.

    Raises:
        MissingExtraError: it is not installed.
    """
    return optional(f"inspect_ai.{name}" if name else "inspect_ai", "inspect")


def data_url(data: bytes, media_type: str) -> str:
    """The picture as a `data:` URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _arms(run: Run) -> list[_Arm]:
    trials = {line["key"]: line for line in run.lines()}  # the last line of a key is the one that counts
    arms: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in trials.values():
        arms[line["model"], _arm_name(line)].append(line)
    return [_Arm(run, model, name, lines) for (model, name), lines in arms.items()]


def _arm_name(line: Line) -> str:
    name: str = line["mode"]
    captioner, dose = line.get("captioner"), line.get("dose")
    if captioner:
        name += f" by {captioner}/{line.get('caption_prompt') or 'plain'}"
    return f"{name} {dose['kind']}={dose['amount']:g}" if dose else name


def _stamp(created: str) -> str:
    return re.sub(r"[^0-9T-]", "-", created)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.=-]+", "-", text)[:80].strip("-") or "run"


# -- one log -----------------------------------------------------------------------------------------------------------------------------
def _log(arm: _Arm, context: _Context) -> Any:
    """The log of one arm."""
    first, log, info = arm.trials[0], context.log, arm.run.info
    samples = [log.condense_sample(_sample(line, arm, context)) for line in arm.trials]
    identity = digest([dict(info.identity), info.suite.model_dump(), arm.model, arm.name])
    created = info.started or _EPOCH
    usage = {arm.model: _total(line for line in arm.trials)}
    return log.EvalLog(
        status="success",
        eval=log.EvalSpec(
            created=created,
            eval_id=identity[:22],
            run_id=digest(dict(info.identity))[:22],
            task=f"sightgap {first['suite']} {arm.name}",
            task_id=identity[22:44],
            task_args={"suite": first["suite"], "mode": first["mode"], "fmt": first["format"]},
            dataset=log.EvalDataset(
                name=first["suite"],
                samples=len({sample.id for sample in samples}),
                sample_ids=list(dict.fromkeys(sample.id for sample in samples)),
            ),
            model=arm.model,
            config=log.EvalConfig(epochs=1 + max(line["replicate"] for line in arm.trials)),
            packages={"sightgap": str(first.get("version", "unknown"))},
            metadata={"arm": arm.name, "simulated": arm.model in info.simulated, "finished": info.finished, RUN_KEY: dict(arm.run.about)},
            scorers=[{"name": SCORER, "metrics": [{"name": "inspect_ai/accuracy"}]}],
        ),
        results=_results(arm, log),
        stats=log.EvalStats(
            started_at=created, completed_at=created, model_usage={k: context.model.ModelUsage(**v) for k, v in usage.items()}
        ),
        samples=samples,
    )


def _total(lines: Iterable[Line]) -> dict[str, int]:
    total: Counter[str] = Counter({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0})
    for line in lines:
        if line.get("reply"):
            total.update(_usage(line["reply"]))
    return dict(total)


def _usage(reply: Line) -> dict[str, int]:
    usage: Line = reply.get("usage") or {}
    shown, wrote = usage.get("input", 0), usage.get("output", 0)
    return {"input_tokens": shown, "output_tokens": wrote, "total_tokens": shown + wrote, "reasoning_tokens": usage.get("reasoning", 0)}


def _results(arm: _Arm, log: Any) -> Any:
    counts = Counter(Outcome(line["verdict"]["outcome"]) for line in arm.trials)
    counted = sum(count for outcome, count in counts.items() if outcome.counted)
    values: dict[str, float] = {"accuracy": counts[Outcome.CORRECT] / counted} if counted else {}
    values |= {outcome.value: counts[outcome] for outcome in Outcome}
    score = log.EvalScore(
        name=SCORER,
        scorer=SCORER,
        scored_samples=counted,
        unscored_samples=len(arm.trials) - counted,
        metrics={name: log.EvalMetric(name=name, value=value) for name, value in values.items()},
    )
    return log.EvalResults(total_samples=len(arm.trials), completed_samples=counted, scores=[score])


# -- one sample --------------------------------------------------------------------------------------------------------------------------
def _sample(line: Line, arm: _Arm, context: _Context) -> Any:
    puzzle, reply = context.puzzles.get(line["puzzle"], {}), line.get("reply")
    outcome = Outcome(line["verdict"]["outcome"])
    asked = _asked(line, puzzle, context)
    output, messages = context.model.ModelOutput(model=arm.model), [asked]
    if reply:
        output = _output(reply, arm.model, context)
        messages = [asked, output.choices[0].message]
    usage = {arm.model: context.model.ModelUsage(**_usage(reply))} if reply else {}
    return context.log.EvalSample(
        id=line["puzzle"],
        epoch=line["replicate"] + 1,
        input=[asked],
        choices=list(line.get("options") or ()) or None,
        target=line["verdict"]["gold"],
        messages=messages,
        output=output,
        scores={SCORER: _score(line, outcome, context)} if outcome.counted else None,
        metadata=_metadata(line, puzzle, context),
        model_usage=usage,
        total_time=float(reply["latency_s"]) if reply else None,
        error=None if outcome.counted else _error(line, outcome, context),
        uuid=line["key"][:22],
    )


def _asked(line: Line, puzzle: Line, context: _Context) -> Any:
    """The request: the picture, where the mode shows it and it can be had, and the prompt."""
    model, mode = context.model, Mode(line["mode"])
    parts: list[Any] = []
    picture = context.picture_of(line["puzzle"]) if mode.shows_image and not line.get("dose") else None
    if picture is not None:
        parts.append(model.ContentImage(image=data_url(*picture)))
    parts.append(model.ContentText(text=_prompt(line, puzzle, mode, context.captions)))
    return model.ChatMessageUser(content=parts, id=f"{line['key'][:22]}-asked")


def prompt_of(line: Line, puzzle: Line, captions: Mapping[str, Line]) -> str | None:
    """The text of a stored trial's request, written again; None where the template is another now, or the question is not stored."""
    mode = Mode(line["mode"])
    if not puzzle or line.get("prompt_sha") != prompt_sha("readback" if mode is Mode.READBACK else "solve"):
        return None
    return _prompt(line, puzzle, mode, captions)


def _prompt(line: Line, puzzle: Line, mode: Mode, captions: Mapping[str, Line]) -> str:
    if not puzzle:
        return "(the run does not hold the question)"
    options = tuple(line.get("options") or ())
    return question_of(stored_puzzle(puzzle), mode, Format(line["format"]), options, caption=_caption(line, captions)).text


def _caption(line: Line, captions: Mapping[str, Line]) -> str | None:
    return captions.get(line.get("caption_key") or "", {}).get("text")


def _output(reply: Line, model: str, context: _Context) -> Any:
    text, source = reply["text"], context.model
    message = source.ChatMessageAssistant(content=text, model=reply.get("model") or model, source="generate")
    return source.ModelOutput(
        model=reply.get("model") or model,
        choices=[source.ChatCompletionChoice(message=message, stop_reason=_STOPS.get(reply["stop"], "unknown"))],
        usage=source.ModelUsage(**_usage(reply)),
        time=float(reply["latency_s"]),
        response_id=reply.get("request_id"),
    )


def _score(line: Line, outcome: Outcome, context: _Context) -> Any:
    verdict = line["verdict"]
    return context.scorer.Score(
        value=context.scorer.CORRECT if outcome is Outcome.CORRECT else context.scorer.INCORRECT,
        answer=verdict["answer"],
        explanation=explanation(outcome, verdict["how"]),
        metadata={"outcome": outcome.value, "how": verdict["how"]},
    )


def explanation(outcome: Outcome, how: str) -> str:
    """A verdict in a few words, for the score of a sample."""
    return f"{outcome.value} (read by: {how})"


def _error(line: Line, outcome: Outcome, context: _Context) -> Any:
    failure: Line = line.get("error") or {}
    message = f"{outcome.value}: {failure.get('message') or line['verdict']['how']}"
    return context.log.EvalError(message=message, traceback=message, traceback_ansi=message)


def _metadata(line: Line, puzzle: Line, context: _Context) -> dict[str, Any]:
    mode = Mode(line["mode"])
    return {
        "family": line["family"],
        "level": line.get("level"),
        "mode": mode.value,
        "outcome": line["verdict"]["outcome"],
        "how": line["verdict"]["how"],
        "captioner": line.get("captioner"),
        "caption_prompt": line.get("caption_prompt"),
        "caption": _caption(line, context.captions),
        "description": puzzle.get("description"),
        "sufficient": line.get("sufficient", True),
        "dose": line.get("dose"),
        "image": line.get("image"),
        "key": line["key"],
        "prompt_as_asked": line.get("prompt_sha") == prompt_sha(template_of(mode)),
        RECORD_KEY: {
            "record": {**line, "reply": {**line["reply"], "text": None} if line.get("reply") else None},
            "puzzle": dict(puzzle) or None,
            "caption": context.captions.get(line.get("caption_key") or ""),
        },
    }
