"""What reward functions cost: `python -m tests.benchmarks.bench_rewards [--step SECONDS] [--batch 64] [--repeats 50]`.

Scores the honest completions of the exploit corpus (eight families, some 560 characters each) as the trainer does, in batches through
`trl_reward`, and prints one JSON line for every reward: microseconds of processor time per completion (best of five rounds), and of how
long a training step a batch is 1%, which is the bound of the project. With `--step`, the measured seconds of one, also its share of that.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import cycle, islice
from typing import Any

from bench.train.rewards import REWARDS, trl_reward
from tests.train.test_exploits import HONEST, completion, puzzles


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=float, metavar="SECONDS", help="of one training step, as measured")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="completions in a step")
    parser.add_argument("--repeats", type=int, default=50, metavar="N", help="batches that are scored")
    arguments = parser.parse_args()
    for name in REWARDS:
        each = microseconds(name, arguments.batch, arguments.repeats)
        batch_s = each * arguments.batch / 1e6
        share = None if arguments.step is None else round(batch_s / arguments.step, 5)
        line = {
            "reward": name,
            "us_per_completion": round(each, 1),
            "step_s_for_1_percent": round(100 * batch_s, 2),
            "share_of_step": share,
        }
        print(json.dumps(line))


if __name__ == "__main__":
    main()
