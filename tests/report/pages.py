"""Run directories with texts in them, for tests of reports that show every puzzle."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.registry import family

MODES = ("image", "caption", "oracle", "blind")
Text = Callable[[str, int, str], str]
"""(model, number of the puzzle, mode) -> reply."""


def plain_text(model: str, number: int, mode: str) -> str:
    """A short reply."""
    return f"{model} on {number} by {mode}: <answer>A</answer>"


def puzzle_line(number: int, *, suite: str = "mini", name: str = "clock") -> dict[str, Any]:
    """A line of `puzzles.jsonl`: the puzzle of family `name` that `number` seeds."""
    made = family(name)
    state = made.sample(random.Random(number), 1)
    answer = made.solve(state)
    return {
        "id": f"{suite}/{name}/{number:06d}", "suite": suite, "family": name, "question": made.ask(state), "answer": answer,
        "options": [answer, *list(made.distractors(state))[:3]], "state": made.dump(state), "description": made.describe(state),
        "level": 1 + number % 2, "seed": number, "split": "eval", "sufficient": True, "image": {"source": f"drawn:{name}", "drawn": True},
    }  # fmt: skip


def write_story(
    folder: Path,
    lines: Sequence[Mapping[str, Any]],
    *,
    models: Iterable[str] = ("m",),
    modes: Sequence[str] = MODES,
    outcome: Callable[[str, int, str], str] = lambda model, number, mode: "correct",
    text: Text = plain_text,
    caption: Text = lambda model, number, mode: f"a caption by {model}",
    replicates: int = 1,
    captioner: str = "self",
    fmt: str = "mcq",
) -> Path:
    """A run in which every model answers every puzzle of `lines` in every mode."""
    folder.mkdir(parents=True)
    names = list(models)
    suite = {"name": lines[0]["suite"], "sha256": "0" * 64, "n": len(lines)}
    run = {"identity": {}, "suite": suite, "models": [{"name": name, "simulated": False} for name in names], "finished": True}
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "puzzles.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with (folder / "trials.jsonl").open("w") as trials, (folder / "captions.jsonl").open("w") as captions:
        for number, line in enumerate(lines):
            for model in names:
                key = f"caption/{captioner}/{model}/{number}"
                made = {"v": 1, "key": key, "puzzle": line["id"], "captioner": captioner, "model": model, "prompt": "plain"}
                captions.write(json.dumps({**made, "text": caption(model, number, "caption"), "error": None, "reply": None}) + "\n")
                for replicate in range(replicates):
                    for mode in modes:
                        more: dict[str, Any] = {"key": f"{folder.name}/{model}/{number}/{mode}/{replicate}", "replicate": replicate}
                        more["format"] = fmt
                        if mode == "caption":
                            more |= {"captioner": captioner, "caption_prompt": "plain", "caption_key": key}
                        said = text(model, number, mode)
                        trials.write(json.dumps({**_record(line, model, mode, said, outcome(model, number, mode)), **more}) + "\n")
    return folder


def _record(line: Mapping[str, Any], model: str, mode: str, text: str, outcome: str) -> dict[str, Any]:
    copied = {name: line[name] for name in ("family", "suite", "options", "level", "split", "sufficient")}
    own = {"v": 1, "puzzle": line["id"], "model": model, "mode": mode, "format": "mcq", "prompt_sha": "", "image": None, "error": None}
    verdict = {"outcome": outcome, "answer": line["answer"], "gold": line["answer"], "how": "answer-tag"}
    captions = dict.fromkeys(("captioner", "caption_prompt", "caption_key"))
    return {**copied, **own, **captions, "reply": _reply(text), "verdict": verdict}


def _reply(text: str) -> dict[str, Any]:
    usage = {"input": 10, "output": 20, "reasoning": 0}
    return {"text": text, "stop": "end_turn", "usage": usage, "latency_s": 0.5, "request_id": None, "model": None, "cached": False}
