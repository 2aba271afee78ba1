"""What reward functions cost: `python -m tests.benchmarks.bench_rewards [--step SECONDS] [--batch 64] [--repeats 50]`.

Measures a training step first (`--step` names its seconds instead): tiny-base under `perception` by recipe `tiny`, with `--batch`
completions a step, median over a few steps. Then scores the honest completions of the exploit corpus (eight families, some 560 characters
each) as the trainer does, in batches through `trl_reward`, and prints one JSON line for every reward: microseconds of processor time per
completion (best of five rounds) and the share of the step that a batch of them is. The bound of the project is 1%.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bench.train.grpo import Training, train
from bench.train.provenance import RECORD
from bench.train.recipe import load_recipe
from bench.train.rewards import REWARDS, trl_reward
from tests.conftest import ROOT
from tests.train.test_exploits import HONEST, completion, puzzles

STEPS = 6


def batch_of(name: str, size: int) -> dict[str, Any]:
    """What the trainer passes to the reward called `name`: completions as conversations, columns of the data set."""
    families = list(islice(cycle(HONEST), size))
    texts = [completion({"family": family, "completion": HONEST[family]}, name) for family in families]
    asked = [puzzles(family)[0] for family in families]
    return {
        "completions": [[{"role": "assistant", "content": text}] for text in texts],
        "family": families,
        "answer": [puzzle.answer for puzzle in asked],
        "state": [json.dumps(puzzle.state) for puzzle in asked],
    }


def microseconds(name: str, size: int, repeats: int) -> float:
    """Processor time per completion, the best of five rounds."""
    reward, batch = trl_reward(name), batch_of(name, size)
    rounds: list[float] = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(max(1, repeats // 5)):
            reward(**batch)
        rounds.append((time.process_time() - began) / max(1, repeats // 5))
    return min(rounds) / size * 1e6


def step_seconds(size: int) -> float:
    """Wall time of a training step of `size` completions: the median without the first, which warms up."""
    tiny = load_recipe("tiny")
    options = tiny.grpo | {"max_steps": STEPS, "per_device_train_batch_size": size, "save_steps": STEPS, "report_to": "none"}
    with tempfile.TemporaryDirectory() as folder:
        asked = replace(tiny, grpo=options, data=replace(tiny.data, set="mini:n=20"))
        out = train(Training(asked, "perception", str(ROOT / "results" / "checkpoints" / "tiny-base"), Path(folder) / "out"))
        curve = json.loads((out / RECORD).read_text(encoding="utf-8"))["curve"]
    return statistics.median(row["step_time"] for row in curve[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=float, metavar="SECONDS", help="of one training step (default: measured)")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="completions in a step")
    parser.add_argument("--repeats", type=int, default=50, metavar="N", help="batches that are scored")
    arguments = parser.parse_args()
    step = arguments.step or step_seconds(arguments.batch)
    print(json.dumps({"step_s": round(step, 2), "completions": arguments.batch}))
    for name in REWARDS:
        each = microseconds(name, arguments.batch, arguments.repeats)
        share = each * arguments.batch / 1e6 / step
        print(json.dumps({"reward": name, "us_per_completion": round(each, 1), "percent_of_step": round(100 * share, 3)}))


if __name__ == "__main__":
    main()
